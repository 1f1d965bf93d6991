"""JSON Schema 2020-12 of agent files, for editors: made from the tables that `definition` reads. Pure.

Never stricter than the validator: whatever `trackrecord check` takes, an editor takes. See `workflow.step_schema` for
what only the check can say; of the agent itself these are defaults and examples that do not fit their schema, names
given twice, the forms of amounts and time zones, and most of JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from trackrecord.agent import meanings, tables
from trackrecord.canonical import Json
from trackrecord.workflow import step_schema
from trackrecord.workflow.field_schema import DRAFT, LINE, Schema, line, of_table
from trackrecord.workflow.schemas import TYPES

_JSON_SCHEMA: Final[Schema] = {"$ref": "#/$defs/json_schema"}
_UUID: Final = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_MOST_USD: Final = 10**9


def schema() -> Schema:
    """The schema of an agent file."""
    whole = of_table(tables.AGENT, meanings.AGENT, _bodies(), tables.OLD_NAMES)
    both: list[Json] = [{"not": {"required": [old, new]}} for old, new in tables.OLD_NAMES.items()]
    rules = [*cast("list[Json]", whole.pop("allOf", [])), *both]
    return {
        "$schema": DRAFT,
        "$id": "urn:trackrecord:agent",
        "title": "Trackrecord agent",
        **whole,
        "allOf": rules,
        "$defs": step_schema.definitions(),
    }


def _bodies() -> dict[str, Schema]:
    model = line(tables.AGENT["model"])
    plugin = of_table(tables.PLUGIN, meanings.PLUGIN, {"name": _plugin_name()})
    memory: list[Json] = [{"type": "boolean"}, of_table(tables.MEMORY, meanings.MEMORY)]
    dollars: list[Json] = [{"type": "number", "minimum": 0, "maximum": _MOST_USD}, {"type": "string"}]
    return {
        "id": {"type": "string", "pattern": _UUID},
        "fallback_models": {**_list("fallback_models"), "items": model, "uniqueItems": True},
        "plugins_required": {**_list("plugins_required"), "items": {"anyOf": [_plugin_name(), plugin]}},
        "input_schema": _fields(of_table(tables.INPUT, meanings.INPUT, _TYPED), {"type": {"const": "object"}}),
        "output_schema": _fields(of_table(tables.OUTPUT, meanings.OUTPUT, _TYPED), {}),
        "workflow_steps": step_schema.steps(),
        "limits": of_table(tables.LIMITS, meanings.LIMITS, {"max_cost_usd": {"anyOf": dollars}}),
        "memory": {"anyOf": memory},
        "payloads": of_table(tables.PAYLOADS, meanings.PAYLOADS),
        "schedule": {**line(tables.AGENT["schedule"]), "pattern": r"^\s*\S+(?:\s+\S+){4}\s*$"},
    }


_TYPED: Final[Mapping[str, Schema]] = {"type": {"type": "string", "enum": list(TYPES)}}


def _fields(one: Schema, narrowed: Schema) -> Schema:
    """A list of fields, or a JSON Schema."""
    whole: Schema = {"allOf": [_JSON_SCHEMA], "type": "object", **({"properties": narrowed} if narrowed else {})}
    return {"anyOf": [{"type": "array", "items": one}, whole]}


def _plugin_name() -> Schema:
    return {**line(tables.PLUGIN["name"]), "pattern": LINE, "not": {"pattern": "__"}}


def _list(name: str) -> Schema:
    most = tables.AGENT[name].most
    return {"type": "array", **({} if most is None else {"maxItems": most})}
