"""Canonical JSON and hashes, under everything that is stored or hashed.

Content never makes a write fail: whatever a tool, a model or a person hands over becomes plain JSON here, and what JSON
cannot say becomes one visible tag, `{"$t": kind, "v": text}`, that nothing ever interprets. NUL and lone surrogates
are escaped in place. Pure: no I/O, no clock. No object is asked to describe itself (`__str__`, `__repr__`, `__int__`,
`__class__`); only mappings, sets and dataclasses of users' own making are read through their own code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from enum import Enum
from typing import Any, Final, TypeGuard, TypeVar, cast
from uuid import UUID

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_DEPTH: Final = 64
MAX_INT: Final = 2**53
_MANY: Final = 16
_WHOLE_NUMBERS: Final = {int}
_MAX_QUOTED_DEPTH: Final = 4  # inside a set or a key: each level is text within text, and doubles what it escapes
_UNSAFE_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_MICROSECOND: Final = timedelta(microseconds=1)
_OWN_CONTEXT: Final = Context(capitals=1)  # the caller's decimal context must not show in a hash
_qualname_of = type.__dict__["__qualname__"].__get__  # a class may define a `__qualname__` of its own for its instances
_module_of = type.__dict__["__module__"].__get__
_in_list: Callable[[Any], Iterator[object]] = list.__dict__["__iter__"]  # a subclass may say anything of what it holds
_in_tuple: Callable[[Any], Iterator[object]] = tuple.__dict__["__iter__"]
_in_dict: Callable[[Any], Iterable[tuple[object, object]]] = dict.__dict__["items"]

T = TypeVar("T")


def dumps(value: object) -> str:
    """Canonical text of any value: keys by code point, no spaces, shortest floats; never raises on content."""
    return encode_clean(clean(value))


def encode_clean(value: Json) -> str:
    """Canonical text of a value that came out of `clean`; one walk cheaper than `dumps`."""
    # orjson writes NaN as null and cannot hold wide integers: `clean` has turned both into tags before they get here
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def loads(text: str) -> Json:
    """The value of canonical text; tags stay tags."""
    return orjson.loads(text)


def loads_unique(text: str) -> Json:
    """The value of JSON text that a person or a model wrote, in which no object names a key twice.

    Raises:
        ValueError: it is no JSON, is nested too deep to be read, or leaves open which of two values it means.
    """
    try:
        return cast("Json", json.loads(text, object_pairs_hook=_object_of))
    except RecursionError:
        raise ValueError("it is nested too deep to be read") from None


def _object_of(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        count = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {count.most_common(1)[0][0][:200]!r} is given twice")
    return value


def digest(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, as 64 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()


def clean(value: object) -> Json:
    """The same value as plain JSON; the very same object when it is plain already, else a converted copy."""
    if type(value) is int and -MAX_INT <= value <= MAX_INT:
        return value
    try:
        if _is_plain(value, MAX_DEPTH):
            return value  # type: ignore[return-value]  # proven by _is_plain, which the checker cannot follow
    except RuntimeError:  # another thread changes it meanwhile: what cannot be read becomes a tag below
        pass
    return _convert(value, MAX_DEPTH, set())


def clean_text(text: str) -> str:
    r"""The text with NUL and lone surrogates written out visibly, like `\u0000`; unchanged when it has none."""
    if text.isascii():
        return text.replace("\x00", "\\u0000") if "\x00" in text else text
    return _UNSAFE_TEXT.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with a note of the original size when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [cut: {len(text)} characters in all]"


def _is_plain(value: Any, depth: int) -> bool:
    kind = type(value)  # type: ignore[reportUnknownVariableType]  # any type at all: that is the question
    if kind is str:
        return _is_plain_text(value)
    if value is None or kind is bool:
        return True
    if kind is int:
        return -MAX_INT <= value <= MAX_INT
    if kind is float:
        return math.isfinite(value)
    if depth == 0:
        return _is_tag(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not ((key.isascii() and "\x00" not in key) or _is_plain_text(key)):
                return False
            # small numbers, the commonest items, without a call
            if not ((type(item) is int and -MAX_INT <= item <= MAX_INT) or _is_plain(item, depth - 1)):
                return False
        return True
    if kind is list:
        if len(value) > _MANY and set(map(type, value)) == _WHOLE_NUMBERS:  # in one go what else is a call for each
            return min(value) >= -MAX_INT and max(value) <= MAX_INT
        for item in value:  # noqa: SIM110  # all() over a generator takes twice as long, in the hottest loop there is
            if not _is_plain(item, depth - 1):
                return False
        return True
    return False


def _is_plain_text(text: str) -> bool:
    if text.isascii():
        return "\x00" not in text
    return _UNSAFE_TEXT.search(text) is None


def _is_tag(value: object) -> bool:
    """Whether it is a tag already: one may stand a level deeper than other containers, or `clean` would tag tags."""
    if type(value) is not dict:
        return False
    parts = cast("dict[object, object]", value)
    if len(parts) != 2 or "$t" not in parts or "v" not in parts:
        return False
    return all(type(part) is str and _is_plain_text(part) for part in (*parts, *parts.values()))


def _tag(kind: str, text: str) -> dict[str, Json]:
    return {"$t": kind, "v": clean_text(text)}


def _is(value: object, kind: type[T]) -> TypeGuard[T]:
    """By its real type: `__class__` is only what an object says of itself, and reading it may run the object's code."""
    return issubclass(type(value), kind)


def _name(value: object) -> str:
    return str.__str__(_qualname_of(type(value)))


def _convert(value: object, depth: int, open_ids: set[int]) -> Json:
    if value is None or value is True or value is False:
        return value
    kind: object = type(value)
    try:
        if kind is list or kind is dict or kind is tuple:
            return _convert_container(value, depth, open_ids)
        if kind is str:
            return clean_text(cast("str", value))
        if _is(value, Enum):
            return _convert_container(value, depth, open_ids)
        if _is(value, str):
            return clean_text(str.__str__(value))
        if _is(value, int):
            return _convert_int(int.__int__(value))
        if _is(value, float):
            return _convert_float(float.__float__(value))
        scalar = _convert_scalar(value)
        return _convert_container(value, depth, open_ids) if scalar is None else scalar
    except Exception as error:  # hostile content may raise anything when it is read; the write must go on
        return _tag("object", f"{_name(value)} ({_name(error)} while reading it)")


def _convert_int(value: int) -> Json:
    if -MAX_INT <= value <= MAX_INT:
        return value
    # str() may be told to refuse more than 640 digits; hex() has no such limit and takes linear time
    return _tag("int", str(value) if value.bit_length() <= 2_000 else hex(value))


def _convert_float(value: float) -> Json:
    if math.isfinite(value):
        return value
    return _tag("float", "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")


def _convert_scalar(value: object) -> Json:
    if _is(value, bytes) or _is(value, bytearray) or _is(value, memoryview):
        return _tag("bytes", base64.b64encode(memoryview(value).tobytes()).decode())
    if _is(value, datetime):
        return _tag("datetime", datetime.isoformat(value))
    if _is(value, date):
        return _tag("date", date.isoformat(value))
    if _is(value, time):
        return _tag("time", time.isoformat(value))
    if _is(value, timedelta):
        return _tag("timedelta", f"{_seconds(timedelta.__floordiv__(value, _MICROSECOND))} s")
    if _is(value, Decimal):
        return _tag("decimal", _OWN_CONTEXT.to_sci_string(value))
    if _is(value, UUID):
        return _tag("uuid", UUID.__str__(value))
    return None


def _seconds(us: int) -> str:
    whole, rest = divmod(abs(us), 1_000_000)
    return f"{'-' if us < 0 else ''}{whole}.{f'{rest:06d}'.rstrip('0') or '0'}"


def _convert_container(value: object, depth: int, open_ids: set[int]) -> Json:
    if id(value) in open_ids:
        return _tag("cycle", _name(value))
    if _is_tag(value):
        return value  # type: ignore[return-value]  # proven by _is_tag, which the checker cannot follow
    open_ids.add(id(value))
    try:
        if _is(value, Enum):  # no level of its own: a member stands for its value
            return _convert(object.__getattribute__(value, "_value_"), depth, open_ids)
        if depth == 0:
            return _tag("depth", f"{_name(value)} nested too deep")
        return _convert_members(value, depth - 1, open_ids)
    finally:
        open_ids.discard(id(value))


def _convert_members(value: Any, depth: int, open_ids: set[int]) -> Json:
    kind = cast("type[object]", type(value))
    if issubclass(kind, list | tuple):
        members = _in_list(value) if issubclass(kind, list) else _in_tuple(value)
        return [_convert(item, depth, open_ids) for item in members]
    if issubclass(kind, dict):
        return _convert_mapping(_in_dict(value), depth, open_ids)
    if issubclass(kind, Mapping):
        return _convert_mapping(value.items(), depth, open_ids)
    if issubclass(kind, Set):
        quoted = min(depth, _MAX_QUOTED_DEPTH)
        return _tag("set", f"[{','.join(sorted(encode_clean(_convert(item, quoted, open_ids)) for item in value))}]")
    if is_dataclass(kind):
        named = [(field.name, getattr(value, field.name, None)) for field in fields(kind)]
        return _convert_mapping(named, depth, open_ids)
    return _tag("object", f"{_module_of(kind)}.{_name(value)}")


def _convert_mapping(items: Iterable[tuple[object, object]], depth: int, open_ids: set[int]) -> Json:
    named = [(*_key_text(key, depth, open_ids), item) for key, item in items]
    named.sort(key=lambda entry: entry[:3])  # in whatever order it was put in, a key that is clean text keeps its name
    converted: dict[str, Json] = {}
    seen: dict[str, int] = {}
    for _, name, _, item in named:
        unique = name
        while unique in converted:  # 1 and "1" are two keys: neither may swallow the other
            seen[name] = seen.get(name, 1) + 1
            unique = f"{name}~{seen[name]}"
        converted[unique] = _convert(item, depth, open_ids)
    return converted


def _key_text(key: object, depth: int, open_ids: set[int]) -> tuple[bool, str, str]:
    """Whether it is another text than the key, the text, and what tells keys of one text apart."""
    if _is(key, str):
        own = str.__str__(key)
        text = clean_text(own)
        return text != own or type(key) is not str, text, own
    return True, encode_clean(_convert(key, min(depth, _MAX_QUOTED_DEPTH), open_ids)), _name(key)
