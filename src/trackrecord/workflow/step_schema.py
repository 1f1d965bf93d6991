"""The grammar of steps as JSON Schema definitions, for editors: made from the tables the grammar itself reads. Pure.

Never stricter than the grammar, older vocabulary included. What no schema can say is left to `trackrecord check`:
that ids are unique, that references, expressions, plugins and dependencies exist, that a field is not given under both
its names, and what the options of a transform hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

from trackrecord.canonical import Json
from trackrecord.workflow import meanings
from trackrecord.workflow.aliases import (
    OLD_COLLECT,
    OLD_COMMON,
    OLD_COMPARISONS,
    OLD_FIELDS,
    OLD_RETRY,
    OLD_TYPES,
)
from trackrecord.workflow.containers import BRANCH, VERSION
from trackrecord.workflow.definition import DURATION
from trackrecord.workflow.field_schema import KEYWORDS, Schema, of_field, of_table, older, properties, requirement
from trackrecord.workflow.field_schema import together as all_of
from trackrecord.workflow.grammar import EFFECT_CAUSE
from trackrecord.workflow.paths import ROOTS
from trackrecord.workflow.questions import ALONE, BINARY
from trackrecord.workflow.schemas import TYPES
from trackrecord.workflow.steps import (
    MAX_APPROVAL_MS,
    MAX_APPROVERS,
    MAX_BRANCHES,
    MAX_CASES,
    MAX_DELAY_MS,
    StepType,
)
from trackrecord.workflow.transforms import OPERATIONS, OPTIONS
from trackrecord.workflow.vocabulary import COMMON, FALLBACK, RETRY, RULE, STEP_CAUSES, STEP_TYPES, TABLES

_EFFECTS: Final = ("action", "llm")
_FLAG: Final[Schema] = {"type": "boolean", "deprecated": True}
_TEMPLATE: Final[Schema] = {"type": "string", "pattern": r"\{\{"}
_STEP: Final[Schema] = {"$ref": "#/$defs/step"}
_STEPS: Final[Schema] = {"type": "array", "items": _STEP}
_SOME_STEPS: Final[Schema] = {**_STEPS, "minItems": 1}
_CONDITION: Final[Schema] = {"$ref": "#/$defs/condition"}
_JSON_SCHEMA: Final[Schema] = {"$ref": "#/$defs/json_schema"}
_LIST: Final[Schema] = {"anyOf": [_TEMPLATE, {"type": "array"}]}
_BRANCHING: Final[Schema] = {
    "required": ["type", "cases"],
    "properties": {"type": {"const": "branch"}},
    "not": {"required": ["condition"]},
}
_ALSO: Final[Mapping[str, list[Json]]] = {"parallel": [None], "switch": ["branch"]}
_DURATION: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_DELAY_MS},
        {"type": "string", "pattern": f"^(?:{DURATION.pattern})$"},
        _TEMPLATE,
    ]
}


_TIMEOUT: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_APPROVAL_MS},
        {"type": "string", "pattern": f"^(?:{DURATION.pattern})$"},
    ]
}


def definitions() -> Schema:
    """The `$defs` that steps are made of; `#/$defs/step` is a step."""
    return {
        "step": _step(),
        **{f"{kind}_step": _of_type(kind) for kind in STEP_TYPES},
        "call_retry": _retry({"type": ["string", "integer"], "anyOf": _effect_causes()}),
        "step_retry": _retry({"enum": list(STEP_CAUSES)}),
        "fallback": of_table(FALLBACK, meanings.FALLBACK, {"fallback": _STEP}),
        "condition": _condition(),
        "json_schema": _json_schema(),
    }


def steps() -> Schema:
    """A workflow: a list of steps that is not empty."""
    return dict(_SOME_STEPS)


def _step() -> Schema:
    """A step by its type; one of the oldest says `parallel: true` and groups `steps` instead."""
    known: list[Json] = [name for kind in STEP_TYPES for name in _names(kind)]
    grouping: Schema = {
        "required": ["parallel", "steps"],
        "properties": {"parallel": {"const": True}, "type": {"type": "null"}},
    }
    by_type: list[Json] = [{"if": _is(kind), "then": {"$ref": f"#/$defs/{kind}_step"}} for kind in STEP_TYPES]
    typed: Schema = {
        "required": ["type"],
        "properties": {"type": {"enum": known, "description": meanings.COMMON["type"]}},
        "allOf": by_type,
    }
    return {"type": "object", "if": grouping, "then": {"$ref": "#/$defs/parallel_step"}, "else": typed}


def _is(kind: StepType) -> Schema:
    """What tells a step's type: its name, and of an older `branch` whether it has cases."""
    named: Schema = {"required": ["type"], "properties": {"type": {"enum": _names(kind)}}}
    if kind == "conditional":
        return {**named, "not": _BRANCHING}
    return {"anyOf": [named, _BRANCHING]} if kind == "switch" else named


def _names(kind: str) -> list[Json]:
    return [kind, *(old for old, new in OLD_TYPES.items() if new == kind)]


def _of_type(kind: StepType) -> Schema:
    table = TABLES[kind]
    old = {**OLD_COMMON, **OLD_FIELDS.get(kind, {})}
    known = properties(table, {**meanings.COMMON, **meanings.BODIES.get(kind, {})}, _bodies(kind), old)
    known["continueOnError"] = {**_FLAG, "description": "Older form of on_error: continue."}
    known["parallel"] = {**_FLAG, "description": "Older form of depends_on, branches or concurrency."}
    known |= _older(kind, known)
    needed = {name: requirement(name, old) for name, spec in table.items() if spec.is_required}
    if kind == "parallel":
        needed["branches"] = _either("branches", "steps")
        needed.pop("type")
    if kind == "map":
        needed["over"] = _either("over", "iterateOver", "scatter", "scatter.input")
        needed["steps"] = _either("steps", "loopSteps", "scatter", "scatter.steps")
    if kind == "transform":
        needed = {name: _either(name, "config") for name in needed}
    found: Schema = {"type": "object", "properties": known, "additionalProperties": False}
    parts = [*needed.values(), *_choices(kind)]
    return found | all_of([*parts, *_operations()] if kind == "transform" else parts)


def _bodies(kind: StepType) -> dict[str, Schema]:
    """What the tables do not know of a value: mostly where steps, conditions and templates stand."""
    common: dict[str, Schema] = {
        "id": {"type": ["string", "integer"], "pattern": "^[a-z0-9_-]{1,64}$", "not": {"enum": list(KEYWORDS)}},
        "type": {"enum": [*_names(kind), *_ALSO.get(kind, [])]},
        "depends_on": {"type": "array", "items": {"type": ["string", "integer"]}},
        "if": _CONDITION,
        "retry": {"$ref": f"#/$defs/{'call' if kind in _EFFECTS else 'step'}_retry"},
        "on_error": {"anyOf": [{"enum": ["fail", "continue"]}, {"$ref": "#/$defs/fallback"}]},
        "output_schema": _JSON_SCHEMA,
    }
    own: Mapping[str, dict[str, Schema]] = {
        "conditional": {"condition": _CONDITION, "then": _STEPS, "else": _STEPS},
        "loop": {"over": _LIST, "while": _CONDITION, "as": _as(), "steps": _SOME_STEPS},
        "switch": {"cases": _cases(), "default": _STEPS},
        "parallel": {"branches": _branches()},
        "map": {"over": _LIST, "as": _as(), "steps": _SOME_STEPS},
        "transform": {"operation": {"type": "string", "enum": list(OPERATIONS)}},
        "validate": {"schema": _JSON_SCHEMA, "rules": {"type": "array", "items": _rule()}},
        "compare": {"operation": {"type": "string", "enum": list(_comparisons())}},
        "delay": {"duration": _DURATION},
        "approval": {"approvers": _approvers(), "timeout": _TIMEOUT, "timeout_ms": {"const": None}},
        "sub_workflow": {"steps": _SOME_STEPS, "version": {"type": "string", "pattern": f"^(?:{VERSION.pattern})$"}},
    }
    return common | own.get(kind, {})


def _older(kind: StepType, known: Schema) -> Schema:
    """Fields of the older vocabulary that no table of names tells."""
    field = cast("Mapping[str, Schema]", known)
    match kind:
        case "llm":
            return {"params": older(field["input"], "input")}
        case "parallel":
            return {"steps": older(_SOME_STEPS, "branches, a step each")}
        case "map":
            collect: Schema = {"enum": [*cast("list[Json]", field["collect"]["enum"]), *OLD_COLLECT]}
            inner = {name.partition(".")[2]: name for name in OLD_FIELDS[kind] if "." in name}
            scatter: Schema = {name: field[at] for name, at in inner.items() if at.startswith("scatter.")}
            gather: Schema = {"operation": collect}
            return {
                "gather.operation": older(collect, "collect"),
                "scatter": older(_closed(scatter), "over, steps, max_concurrency and as"),
                "gather": older(_closed(gather), "collect"),
            }
        case "transform":
            config = older({"type": "object"}, "its fields, which stand one level up")
            return {"config": config, **{name: _option(name) for name in _option_names()}}
        case _:
            return {}


def _closed(fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "additionalProperties": False}


def _choices(kind: StepType) -> list[Schema]:
    """Exactly one of two fields."""
    match kind:
        case "loop":
            return [_one_of(("over", "iterateOver"), ("while",))]
        case "delay":
            return [_one_of(("duration", "duration_ms"), ("until",))]
        case "sub_workflow":
            return [_one_of(("agent",), ("steps", "workflowSteps"))]
        case "validate":
            return [{"anyOf": [_given("schema"), _given("rules")]}]
        case _:
            return []


def _one_of(one: tuple[str, ...], other: tuple[str, ...]) -> Schema:
    given = [_given(*one), _given(*other)]
    return {"oneOf": cast("list[Json]", given)}


def _given(*names: str) -> Schema:
    """A field that is there, under one of its names, and not empty."""
    parts: list[Json] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]
    return cast("Schema", parts[0]) if len(parts) == 1 else {"anyOf": parts}


def _either(*names: str) -> Schema:
    return {"anyOf": [{"required": [name]} for name in names]}


def _operations() -> list[Schema]:
    """Which options each operation of a transform has; those inside the older `config` are left to the check."""
    found: list[Schema] = []
    for name, (required, optional) in OPTIONS.items():
        others: Schema = {one: False for one in _option_names() if one not in (*required, *optional)}
        needed = list(required) or (["value"] if name == "set" else [])
        then: Schema = {"properties": others, "anyOf": [{"required": cast("Json", needed)}, {"required": ["config"]}]}
        asked: Schema = {"required": ["operation"], "properties": {"operation": {"const": name}}}
        found.append({"if": asked, "then": then})
    return found


def _option_names() -> Iterable[str]:
    return dict.fromkeys(name for required, optional in OPTIONS.values() for name in (*required, *optional))


def _option(name: str) -> Schema:
    meaning = meanings.OPTIONS.get(name)
    return {"description": meaning} if meaning else {}


def _retry(cause: Schema) -> Schema:
    found = of_table(RETRY, meanings.RETRY, {"on": {"type": "array", "items": cause}}, OLD_RETRY)
    most = RETRY["max_attempts"].most
    repeats: Schema = {"type": "integer", "minimum": 0, "maximum": None if most is None else int(most) - 1}
    cast("Schema", found["properties"])["maxRetries"] = older(repeats, "max_attempts, which is one more")
    return found


def _effect_causes() -> list[Json]:
    return [
        {"type": "string", "pattern": f"^(?:{EFFECT_CAUSE.pattern})$"},
        {"enum": [408, 429]},
        {"type": "integer", "minimum": 500, "maximum": 599},
    ]


def _as() -> Schema:
    taken: list[Json] = [name for name in ROOTS if name != "item"]
    spec = COMMON["output"]
    found = of_field(spec)
    return {**found, "type": "string", "not": {"enum": [*KEYWORDS, *taken]}}


def _branches() -> Schema:
    names: Schema = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_BRANCHES,
        "propertyNames": {"pattern": f"^(?:{BRANCH.pattern})$"},
        "additionalProperties": _SOME_STEPS,
    }
    return {"anyOf": [names, {"type": "array", "minItems": 1, "maxItems": MAX_BRANCHES, "items": _SOME_STEPS}]}


def _cases() -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_CASES,
        "propertyNames": {"not": {"const": "default"}},
        "additionalProperties": _STEPS,
    }


def _comparisons() -> Iterable[Json]:
    return [*TABLES["compare"]["operation"].choices, *OLD_COMPARISONS]


def _approvers() -> Schema:
    name: Schema = {"type": "string", "pattern": r"\S"}
    return {"anyOf": [_TEMPLATE, {"type": "array", "maxItems": MAX_APPROVERS, "items": name}]}


def _rule() -> Schema:
    """A condition alone, with a message beside its fields, or under `condition`."""
    told = of_table(RULE, meanings.RULE, {"condition": _CONDITION})
    beside: Schema = {"type": "object", "required": ["message"], "not": {"required": ["condition"]}, "minProperties": 2}
    return {"anyOf": [told, beside, _CONDITION]}


def _condition() -> Schema:
    several: Schema = {"type": "array", "minItems": 1, "items": _CONDITION}
    groups: Schema = {"all": several, "any": several, "not": _CONDITION}
    alone: list[Json] = [{**_closed({name: part}), "required": [name]} for name, part in groups.items()]
    field: Schema = {"type": "string", "description": "An expression, braces optional."}
    compared = _closed({"field": field, "operator": {"enum": list(BINARY)}, "value": {}})
    lonely = _closed({"field": field, "operator": {"enum": list(ALONE)}})
    questions: list[Json] = [
        {**compared, "required": ["field", "operator", "value"]},
        {**lonely, "required": ["field", "operator"]},
    ]
    return {
        "description": "An expression, {field, operator, value}, or {all|any|not: …}.",
        "anyOf": [{"type": ["string", "boolean"]}, *questions, *alone],
    }


def _json_schema() -> Schema:
    """As much of JSON Schema as helps whoever writes one; the rest is checked when the agent is loaded."""
    either: Schema = {"anyOf": [_JSON_SCHEMA, {"type": "boolean"}]}
    some: Schema = {"type": "object", "additionalProperties": either}
    return {
        "description": "A JSON Schema, draft 2020-12.",
        "type": "object",
        "properties": {
            "type": {"anyOf": [{"enum": list(TYPES)}, {"type": "array", "items": {"enum": list(TYPES)}}]},
            "properties": some,
            "items": either,
            "additionalProperties": either,
            "required": {"type": "array", "items": {"type": "string"}},
            "enum": {"type": "array"},
            "description": {"type": "string"},
            "$defs": some,
        },
    }
