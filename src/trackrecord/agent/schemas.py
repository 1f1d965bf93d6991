"""Input and output schemas: the short list made a JSON Schema, `source` keys taken out, defaults checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trackrecord.agent.tables import INPUT, OUTPUT
from trackrecord.canonical import Json
from trackrecord.errors import BadInput
from trackrecord.json_schema import compile_schema
from trackrecord.workflow import schemas
from trackrecord.workflow.fields import Problems, Table, describe, join, read

_SHORT: Final = "Write a list: - {name: order_id, type: string, required: true}."


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field of the output comes from.

    Attributes:
        field: the field's name.
        template: `{{ … }}`, or the bare expression.
        path: where it stands.
    """

    field: str
    template: Json
    path: str


def inputs(value: Json, path: str, problems: Problems) -> dict[str, Json] | None:
    """The schema of the inputs; None when there is none or it is wrong."""
    schema = _schema(value, INPUT, path, "an input", problems)
    if schema is None:
        return None
    if schema.get("type", "object") != "object":
        problems.add(join(path, "type"), "inputs are always an object", "Write `type: object`.")
        return None
    _check_defaults(schema, path, problems)
    return schema


def outputs(value: Json, path: str, problems: Problems) -> tuple[dict[str, Json] | None, tuple[Source, ...]]:
    """The schema of the output without its `source` keys, and these."""
    if isinstance(value, list):
        sources = tuple(
            Source(str(item.get("name")), item["source"], join(join(path, index), "source"))
            for index, item in enumerate(value)
            if isinstance(item, dict) and isinstance(item.get("source"), str)
        )
        return _schema(value, OUTPUT, path, "an output", problems), sources
    stripped, sources = _without_sources(value, path)
    return _schema(stripped, OUTPUT, path, "an output", problems), sources


def _without_sources(value: Json, path: str) -> tuple[Json, tuple[Source, ...]]:
    properties = value.get("properties") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value, ()
    kept: dict[str, Json] = {}
    sources: list[Source] = []
    for name, part in properties.items():
        kept[name] = part
        if isinstance(part, dict) and "source" in part:
            kept[name] = {key: item for key, item in part.items() if key != "source"}
            sources.append(Source(name, part["source"], f"{path}.properties.{name}.source"))
    return {**value, "properties": kept}, tuple(sources)


def _schema(value: Json, table: Table, path: str, what: str, problems: Problems) -> dict[str, Json] | None:
    if value is None:
        return None
    before = len(problems.found)
    if isinstance(value, list):
        schema = _from_list(value, table, path, what, problems)
    elif isinstance(value, dict):
        schema = value
        if value and not schemas.KEYWORDS.intersection(value):
            shown = ", ".join(list(value)[:3])
            problems.add(path, f"is neither a list of fields nor a JSON Schema, but a mapping of {shown}", _SHORT)
        else:
            schemas.check(value, path, problems)
    else:
        problems.add(path, f"must be a list of fields or a JSON Schema, not {describe(value)}", _SHORT)
        return None
    return schema if len(problems.found) == before else None


def _from_list(value: list[Json], table: Table, path: str, what: str, problems: Problems) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for index, item in enumerate(value):
        at = join(path, index)
        if not isinstance(item, dict):
            cure = f"Write {{name: {item}, type: string}}." if isinstance(item, str) else _SHORT
            problems.add(at, f"{what} must be a mapping, not {describe(item)}", cure)
            continue
        values = read(item, table, path=at, what=what, problems=problems)
        name, kind = str(values["name"]), str(values["type"])
        if name in properties:
            problems.add(join(at, "name"), f"{what} {name!r} is given twice", "Keep one.")
        if kind not in schemas.TYPES:
            problems.add(join(at, "type"), f"{kind!r} is no type", schemas.type_cure(kind))
        part: dict[str, Json] = {"type": kind}
        part |= {key: values[key] for key in ("description", "enum", "default") if values[key] is not None}
        properties[name] = part
        if values["required"]:
            required.append(name)
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def _check_defaults(schema: Mapping[str, Json], path: str, problems: Problems) -> None:
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(part, dict) or part.get("default") is None:
            continue
        try:
            wrong = compile_schema(part).problems(part["default"], most=1)
        except BadInput:
            continue  # it refers to another part of the schema; the whole has been checked
        if wrong:
            problems.add(path, f"the default of {name!r} does not fit its own schema: {wrong[0]}")


def accepted(schema: Mapping[str, Json] | None) -> frozenset[str] | None:
    """Names of the inputs when the schema forbids all others; None when others may be given."""
    if schema is None or schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return None
    properties = schema.get("properties")
    return frozenset(properties) if isinstance(properties, dict) else frozenset()


def check_example(example: Mapping[str, Json], schema: Mapping[str, Json], path: str, problems: Problems) -> None:
    """Add why the example inputs do not fit, defaults filled in."""
    properties = schema.get("properties")
    parts = properties.items() if isinstance(properties, dict) else ()
    defaults = {name: part["default"] for name, part in parts if isinstance(part, dict) and "default" in part}
    for wrong in compile_schema(schema).problems({**defaults, **example}):
        problems.add(path, f"does not fit input_schema: {wrong}")
