"""A JSON Schema as an author writes it: valid, and without misspelt keywords that check nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trackrecord.canonical import Json
from trackrecord.errors import BadInput
from trackrecord.json_schema import compile_schema
from trackrecord.workflow.fields import Problems, join, nearest

TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "$defs", "dependentSchemas")
_ONES: Final = (
    *("items", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"),
    *("not", "if", "then", "else", "propertyNames"),
)
KEYWORDS: Final = frozenset(
    (
        *("$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment"),
        *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"),
        *("maxProperties", "minProperties", "required", "dependentRequired", "format", "title", "description"),
        *("default", "deprecated", "readOnly", "writeOnly", "examples", "example"),
        *("contentEncoding", "contentMediaType", "contentSchema", "definitions", "dependencies", "additionalItems"),
        *_LISTS,
        *_MAPS,
        *_ONES,
    )
)


def check(schema: Json, path: str, problems: Problems) -> None:
    """Add what is wrong with a schema: misspelt keywords and types first, else what makes it invalid."""
    before = len(problems.found)
    for at, part in _parts(schema, path):
        _spelling(at, part, problems)
    if len(problems.found) > before or not isinstance(schema, dict):
        return
    try:
        compile_schema(schema)
    except BadInput as error:
        problems.add(path, error.message, error.cure)


def _parts(schema: Json, path: str) -> Iterator[tuple[str, dict[str, Json]]]:
    waiting: list[tuple[str, Json]] = [(path, schema)]
    while waiting:
        at, part = waiting.pop()
        if not isinstance(part, dict):
            continue
        yield at, part
        waiting.extend((join(at, name), part[name]) for name in _ONES if name in part)
        for name in _MAPS:
            inner = part.get(name)
            if isinstance(inner, dict):
                waiting.extend((join(join(at, name), key), item) for key, item in inner.items())
        for name in _LISTS:
            several = part.get(name)
            if isinstance(several, list):
                waiting.extend((join(join(at, name), index), item) for index, item in enumerate(several))


def _spelling(path: str, part: dict[str, Json], problems: Problems) -> None:
    for name in part:
        meant = None if name in KEYWORDS else nearest(name, KEYWORDS)
        if meant is not None:
            problems.add(join(path, name), f"JSON Schema has no keyword {name!r}", f"Did you mean {meant!r}?")
    kind = part.get("type")
    for one in kind if isinstance(kind, list) else [kind]:
        if isinstance(one, str) and one not in TYPES:
            problems.add(join(path, "type"), f"{one!r} is no type", type_cure(one))


_MEANT: Final = {
    **{"text": "string", "str": "string", "varchar": "string", "date": "string", "email": "string", "url": "string"},
    **{"int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number"},
    **{"bool": "boolean", "flag": "boolean", "list": "array", "tuple": "array", "dict": "object", "map": "object"},
    **{"mapping": "object", "json": "object", "none": "null", "nil": "null"},
}


def type_cure(word: str) -> str:
    """A sentence that helps with a type that is none."""
    meant = _MEANT.get(word.lower()) or nearest(word, TYPES)
    return f"Did you mean {meant!r}?" if meant else f"Known: {', '.join(TYPES)}."
