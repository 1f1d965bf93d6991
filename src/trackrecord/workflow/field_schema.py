"""A table of fields as JSON Schema 2020-12: what `fields.read` accepts, an editor accepts as well. Pure.

Never stricter than the validator: where a rule cannot be written as a schema, the schema says less. Optional fields
take null, because leaving a field empty means its default.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from typing import Final, cast

from trackrecord.canonical import Json
from trackrecord.workflow.fields import WORD, Field, Kind, Table
from trackrecord.workflow.meanings import Meanings

Schema = dict[str, Json]
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "string",
    "line": "string",
    "word": "string",
    "integer": "integer",
    "number": "number",
    "flag": "boolean",
    "mapping": "object",
    "list": "array",
    "texts": "array",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
}
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
LINE: Final = f"^[^{_CONTROL}]*[^ {_CONTROL}][^{_CONTROL}]*$"
KEYWORDS: Final[list[Json]] = [word for word in keyword.kwlist if word.islower()]
NULL: Final[Schema] = {"type": "null"}


def word() -> Schema:
    """A name in expressions."""
    return {"type": "string", "pattern": f"^{WORD.pattern}$", "not": {"enum": list(KEYWORDS)}}


def line(spec: Field) -> Schema:
    """One line of text."""
    return {"type": "string", "pattern": LINE, **_bounds("string", spec)}


def of_field(spec: Field, meaning: str = "", body: Mapping[str, Json] | None = None) -> Schema:
    """The schema of one field; `body` is what the table does not know of its value."""
    found = _value(spec) if body is None else dict(body)
    if not spec.is_required:
        found = or_null(found)
    if meaning:
        found["description"] = meaning
    if spec.default not in (None, "", [], {}):
        found["default"] = spec.default
    return found


def or_null(schema: Schema) -> Schema:
    """The same schema, which takes null as well."""
    if not schema:
        return {}
    if isinstance(schema.get("type"), str):
        either: Schema = {**schema, "type": [schema["type"], "null"]}
        if isinstance(schema.get("enum"), list):
            either["enum"] = [*cast("list[Json]", schema["enum"]), None]
        return either
    return {"anyOf": [schema, dict(NULL)]}


def older(schema: Schema, new: str) -> Schema:
    """The schema of a field under its older name."""
    kept = {name: item for name, item in schema.items() if name != "default"}
    return kept | {"deprecated": True, "description": f"Older name of {new}."}


def properties(
    table: Table, meanings: Meanings, bodies: Mapping[str, Mapping[str, Json]], old_names: Mapping[str, str]
) -> Schema:
    """The properties of a table, those under older names too."""
    found: Schema = {name: of_field(spec, meanings.get(name, ""), bodies.get(name)) for name, spec in table.items()}
    for old, new in old_names.items():
        if new in found:
            found[old] = older(cast("Schema", found[new]), new)
    return found


def of_table(
    table: Table,
    meanings: Meanings,
    bodies: Mapping[str, Mapping[str, Json]] | None = None,
    old_names: Mapping[str, str] | None = None,
) -> Schema:
    """The schema of a mapping that a table reads."""
    old = old_names or {}
    found: Schema = {
        "type": "object",
        "properties": properties(table, meanings, bodies or {}, old),
        "additionalProperties": False,
    }
    needed = [requirement(name, old) for name, spec in table.items() if spec.is_required]
    return found | together(needed)


def requirement(name: str, old_names: Mapping[str, str]) -> Schema:
    """A field must be there, under one of its names."""
    names = [name, *(old for old, new in old_names.items() if new == name)]
    if len(names) == 1:
        return {"required": [name]}
    return {"anyOf": [{"required": [one]} for one in names]}


def together(parts: Iterable[Schema]) -> Schema:
    """Requirements as one: plain ones in one list, the others side by side."""
    listed = list(parts)
    plain = [name for part in listed if "required" in part for name in cast("list[Json]", part["required"])]
    others: list[Json] = [part for part in listed if "required" not in part]
    found: Schema = {"required": plain} if plain else {}
    if others:
        found["allOf"] = others
    return found


def _value(spec: Field) -> Schema:
    if spec.kind == "any":
        return {}
    if spec.choices:
        return {"type": "string", "enum": list(spec.choices)}
    if spec.kind == "word":
        return word()
    if spec.kind == "line":
        return line(spec)
    kind = _TYPES[spec.kind]
    found: Schema = {"type": kind, **_bounds(kind, spec)}
    if spec.kind == "texts":
        found["items"] = {"type": "string"}
    return found


def _bounds(kind: str, spec: Field) -> Schema:
    least, most = _BOUNDS.get(kind, ("", ""))
    found: Schema = {}
    if least and spec.least is not None:
        found[least] = spec.least
    if most and spec.most is not None:
        found[most] = spec.most
    return found
