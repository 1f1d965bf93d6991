"""The inputs of a run as they are typed: `-i key=value`, `-i key=@file`, `--input-json`. Reads files, runs nothing.

A value is text unless the agent's schema wants something else: nobody should have to quote a number for a shell, and
nobody's text `007` should become 7. Whether the inputs fit is admission's business; here they are only read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import orjson

from trackrecord.canonical import Json, loads_unique
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.config import Settings

MOST_BYTES: Final = 64 << 20  # more is refused before it is read: admission takes 1 MiB unless told otherwise
_HOW: Final = "Write -i name=value, -i name=@file for a file's text, or -i name=@- for standard input."
_PIPED: Final = "Write it to a file, pipe it in (echo '{…}' | … --input-json -), or give each input with -i."
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})


@dataclass(frozen=True, slots=True)
class _Given:
    """One `-i` as it was typed."""

    typed: str
    name: str
    value: str


def settings_for(agent_file: str, given: Mapping[str, object] | None, db: str | None) -> Settings:
    """The settings of a run: an agent tried out with its own examples finds the files these name beside itself.

    Where TRACKRECORD_FILES_ROOT is set, or inputs are given, the files root is what the settings say.

    Raises:
        BadSettings: a setting cannot be used.
    """
    from trackrecord.config import read_settings  # pydantic

    is_set = any(name.upper() == "TRACKRECORD_FILES_ROOT" for name in os.environ)
    root = None if is_set or given is not None else str(Path(agent_file).parent)
    return read_settings(db=db, files_root=root)


def read_inputs(
    pairs: Sequence[str], document: str | None, schema: Mapping[str, Json] | None
) -> dict[str, Json] | None:
    """The inputs that were given, by name; None when none were, so that the agent's example takes their place.

    Args:
        pairs: what stood after each `-i`; they win over the document.
        document: what stood after `--input-json`: a file, or `-` for standard input.
        schema: the agent's input schema, for what a value is to become.

    Raises:
        BadInput: one of them cannot be read; says which.
    """
    given = [_split(pair) for pair in pairs]
    _check_once(given, document)
    inputs = {} if document is None else _document(document)
    for one in given:
        inputs[one.name] = _value(one, _field(schema, one.name))
    return None if document is None and not given else inputs


def read_data(typed: str) -> Json:
    """The JSON value of `--data JSON`, `--data @FILE` or `--data -`.

    Raises:
        BadInput: it cannot be read, or is no JSON.
    """
    what = f"--data {typed if len(typed) <= 60 else typed[:60] + '…'!r}"
    text = _text(typed.removeprefix("@"), what) if typed == "-" or typed.startswith("@") else typed
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(
            f"{what} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            cure="Write a text in quotes, --data '\"sent\"', an object as '{\"id\": 7}', or name a file, --data @FILE.",
        ) from None
    return _unique(text, what)


def takes_text(schema: Json) -> bool:
    """Whether a field takes text as it is typed; one that says nothing of its type does."""
    if not isinstance(schema, dict):
        return True
    kind = schema.get("type")
    if kind is not None:
        return "string" in kind if isinstance(kind, list) else kind == "string"
    if "const" in schema:
        return isinstance(schema["const"], str)
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return any(isinstance(choice, str) for choice in choices)
    for word in ("anyOf", "oneOf"):
        options = schema.get(word)
        if isinstance(options, list) and options:
            return any(takes_text(option) for option in options)
    return not {"properties", "items", "prefixItems", "minimum", "maximum"} & schema.keys()


def _split(pair: str) -> _Given:
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        raise BadInput(f"-i {pair!r} has no name and value", cure=_HOW)
    return _Given(pair, name.strip(), value)


def _check_once(given: Sequence[_Given], document: str | None) -> None:
    seen: dict[str, _Given] = {}
    for one in given:
        if one.name in seen:
            raise BadInput(f"-i {one.name!r} is given twice", cure="Keep one; for a list write -i 'name=[1, 2]'.")
        seen[one.name] = one
    at_input = [f"-i {one.typed!r}" for one in given if one.value == "@-"] + (
        ["--input-json -"] if document == "-" else []
    )
    if len(at_input) > 1:
        raise BadInput(
            f"standard input is asked for by {' and '.join(at_input)}", cure="It can be read once; use a file."
        )


def _document(place: str) -> dict[str, Json]:
    if place.lstrip().startswith(("{", "[")):
        raise BadInput("--input-json takes a file, not the JSON itself", cure=_PIPED)
    what = f"--input-json {place!r}"
    value = _json(_text(place, what), what)
    if not isinstance(value, dict):
        raise BadInput(f"{what} holds no object", cure='Write an object of inputs by name, like {"file": "a.csv"}.')
    return cast("dict[str, Json]", value)


def _value(given: _Given, schema: Json) -> Json:
    wants_text = takes_text(schema)
    if given.value.startswith("@@"):
        return given.value[1:]
    if given.value.startswith("@"):
        what = f"-i {given.typed!r}"
        text = _text(given.value[1:], what)
        return text if wants_text else _json(text, what, wanted=_kind(schema))
    if wants_text:
        return given.value
    try:
        orjson.loads(given.value)
    except orjson.JSONDecodeError:
        return _spelled(given.value, schema)
    return _unique(given.value, f"-i {given.typed!r}")


def _spelled(value: str, schema: Json) -> Json:
    """A value that is no JSON: yes and no as a shell spells them, else the text, which admission will complain of."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "boolean" and value.lower() in ("true", "yes", "on", "false", "no", "off"):
        return value.lower() in ("true", "yes", "on")
    return value


def _text(place: str, what: str) -> str:
    if not place:
        raise BadInput(f"{what} names no file", cure=_HOW)
    try:
        data = sys.stdin.buffer.read(MOST_BYTES + 1) if place == "-" else _bytes(Path(place).expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"{what} cannot be read: {reason[:1].lower()}{reason[1:]}", cure=_near(place, what)) from None
    if len(data) > MOST_BYTES:
        raise BadInput(f"{what} is more than {MOST_BYTES:,} bytes", cure="Hand over a path and let a plugin read it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{what} is no UTF-8 text: byte {error.start:,} is {data[error.start]:#04x}",
            cure="Convert it, or hand over its path and let a plugin read it.",
        ) from None


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _json(text: str, what: str, *, wanted: str = "an object") -> Json:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(
            f"{what} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            cure=f"The agent wants {wanted} there.",
        ) from None
    return _unique(text, what)


def _unique(text: str, what: str) -> Json:
    """The value of what orjson has found to be JSON."""
    try:
        return loads_unique(text)
    except ValueError as error:  # orjson would have let the last of two equal keys win
        cure = "Give each key once, and numbers of at most 4,300 digits."
        raise BadInput(f"{what} cannot be used: {error}", cure=cure) from None


def _kind(schema: Json) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    named = [str(one) for one in (kind if isinstance(kind, list) else [kind]) if one in _TYPES]
    return " or ".join(f"{'an' if one[0] in 'aeiou' else 'a'} {one}" for one in named) or "JSON"


def _field(schema: Mapping[str, Json] | None, name: str) -> Json:
    fields = schema.get("properties") if schema is not None else None
    return fields.get(name) if isinstance(fields, dict) else None


def _near(place: str, what: str) -> str:
    """A file beside the missing one that may have been meant."""
    path, sign = Path(place), "" if what.startswith("--") else "@"
    how = _HOW if sign else "Name a file with one JSON object, or - for standard input."
    try:
        names = [entry.name for entry in (path.parent).iterdir()]
    except (OSError, ValueError):
        return how
    near = get_close_matches(path.name, names, 1)
    return f"Did you mean {sign}{path.with_name(near[0])}?" if near else how
