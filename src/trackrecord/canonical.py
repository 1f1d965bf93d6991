"""Canonical JSON and hashes, under everything that is stored or hashed.

Content never makes a write fail: whatever a tool, a model or a person hands over becomes plain JSON here, and what JSON
cannot say becomes one visible tag, `{"$t": kind, "v": text}`, that nothing ever interprets. NUL and lone surrogates
are escaped in place. Pure: no I/O, no clock; user objects' `__str__` and `__repr__` are never called.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_DEPTH: Final = 64
MAX_INT: Final = 2**53
_UNSAFE_TEXT: Final = re.compile("[\x00\ud800-\udfff]")


def _encode(value: Json) -> str:
    # orjson writes NaN as null and cannot hold wide integers: `clean` has turned both into tags before they get here
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def dumps(value: object) -> str:
    """Canonical text of any value: keys by code point, no spaces, shortest floats; never raises on content."""
    return _encode(clean(value))


def encode_clean(value: Json) -> str:
    """Canonical text of a value that came out of `clean`; one walk cheaper than `dumps`."""
    return _encode(value)


def loads(text: str) -> Json:
    """The value of canonical text; tags stay tags."""
    return orjson.loads(text)


def digest(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, as 64 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()


def clean(value: object) -> Json:
    """The same value as plain JSON; the very same object when it is plain already, else a converted copy."""
    if _is_plain(value, MAX_DEPTH):
        return value  # type: ignore[return-value]  # proven by _is_plain, which the checker cannot follow
    return _convert(value, MAX_DEPTH, set())


def clean_text(text: str) -> str:
    """The text with NUL and lone surrogates written out visibly, like `\\u0000`; unchanged when it has none."""
    if text.isascii():
        return text.replace("\x00", "\\u0000") if "\x00" in text else text
    return _UNSAFE_TEXT.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with a note of the original size when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [cut: {len(text)} characters in all]"


def _is_plain(value: object, depth: int) -> bool:
    kind = type(value)
    if kind is str:
        return _is_plain_text(value)  # type: ignore[arg-type]  # kind says so
    if value is None or kind is bool:
        return True
    if kind is int:
        return -MAX_INT <= value <= MAX_INT  # type: ignore[operator]  # kind says so
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]  # kind says so
    if depth == 0:
        return False
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # kind says so
            if type(key) is not str or not _is_plain_text(key) or not _is_plain(item, depth - 1):
                return False
        return True
    if kind is list:
        return all(_is_plain(item, depth - 1) for item in value)  # type: ignore[attr-defined]  # kind says so
    return False


def _is_plain_text(text: str) -> bool:
    if text.isascii():
        return "\x00" not in text
    return _UNSAFE_TEXT.search(text) is None


def _tag(kind: str, text: str) -> dict[str, Json]:
    return {"$t": kind, "v": clean_text(text)}


def _convert(value: object, depth: int, open_ids: set[int]) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _convert(value.value, depth, open_ids)
    if isinstance(value, str):
        return clean_text(str.__str__(value))
    if isinstance(value, int):
        return _convert_int(int(value))
    if isinstance(value, float):
        return _convert_float(float(value))
    scalar = _convert_scalar(value)
    if scalar is not None:
        return scalar
    return _convert_container(value, depth, open_ids)


def _convert_int(value: int) -> Json:
    if -MAX_INT <= value <= MAX_INT:
        return value
    # str() refuses more than 4,300 digits; hex() has no such limit and takes linear time
    return _tag("int", str(value) if value.bit_length() < 10_000 else hex(value))


def _convert_float(value: float) -> Json:
    if math.isfinite(value):
        return value
    return _tag("float", "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")


def _convert_scalar(value: object) -> Json:
    if isinstance(value, bytes | bytearray | memoryview):
        return _tag("bytes", base64.b64encode(bytes(value)).decode())
    if isinstance(value, datetime | date | time):
        return _tag(type(value).__name__, value.isoformat())
    if isinstance(value, timedelta):
        return _tag("timedelta", f"{value.total_seconds()} s")
    if isinstance(value, Decimal):
        return _tag("decimal", Decimal.__str__(value))
    if isinstance(value, UUID):
        return _tag("uuid", UUID.__str__(value))
    return None


def _convert_container(value: object, depth: int, open_ids: set[int]) -> Json:
    if id(value) in open_ids:
        return _tag("cycle", type(value).__qualname__)
    if depth == 0:
        return _tag("depth", f"{type(value).__qualname__} below {MAX_DEPTH} levels")
    open_ids.add(id(value))
    try:
        if isinstance(value, Mapping):
            return _convert_mapping(value, depth, open_ids)
        if isinstance(value, list | tuple):
            return [_convert(item, depth - 1, open_ids) for item in value]
        if isinstance(value, Set):
            members = sorted(_encode(_convert(item, depth - 1, open_ids)) for item in value)
            return _tag("set", f"[{','.join(members)}]")
        if is_dataclass(value) and not isinstance(value, type):
            named = {field.name: getattr(value, field.name, None) for field in fields(value)}
            return _convert_mapping(named, depth, open_ids)
    except Exception as error:  # a hostile container's own iteration may raise anything; the write must go on
        return _tag("object", f"{type(value).__qualname__} ({type(error).__name__} while reading it)")
    finally:
        open_ids.discard(id(value))
    return _tag("object", f"{type(value).__module__}.{type(value).__qualname__}")


def _convert_mapping(value: Mapping[Any, object], depth: int, open_ids: set[int]) -> Json:
    converted: dict[str, Json] = {}
    for key, item in value.items():
        name = _key_text(key, depth, open_ids)
        unique, count = name, 2
        while unique in converted:  # 1 and "1" are two keys: neither may swallow the other
            unique, count = f"{name}~{count}", count + 1
        converted[unique] = _convert(item, depth - 1, open_ids)
    return converted


def _key_text(key: object, depth: int, open_ids: set[int]) -> str:
    if isinstance(key, str):
        return clean_text(str.__str__(key))
    return _encode(_convert(key, depth - 1, open_ids))
