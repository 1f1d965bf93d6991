"""What a step may say: the tables of fields, common and per step type. Data only; the grammar reads it.

A field, its type, its bounds and its default stand here and nowhere else, so that checking and hashing cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from trackrecord.canonical import Json
from trackrecord.workflow.fields import Field, Table
from trackrecord.workflow.steps import (
    DEFAULT_ITERATIONS,
    MAX_CONCURRENCY,
    MAX_ITERATIONS,
    MAX_RULES,
    Collect,
    Comparison,
    EffectClass,
    Join,
    Needs,
    OnInvalid,
    OnItemError,
    OnReject,
    OnTimeout,
    StepType,
)

STEP_TYPES: Final[tuple[StepType, ...]] = get_args(StepType)
EFFECT_CAUSES: Final = ("timeout", "connection", "408", "429", "5xx")
STEP_CAUSES: Final = (
    "model_failed",
    "provider_unavailable",
    "provider_bad_response",
    "tool_failed",
    "tool_oom",
    "step_failed",
    "invalid_output",
    "loop_detected",
    "max_iterations",
    "limit_reached",
)

COMMON: Final[Table] = {
    "id": Field(kind="any", is_required=True),
    "type": Field(kind="text", is_required=True),
    "name": Field(kind="line", most=200),
    "description": Field(kind="text", default="", most=10_000),
    "depends_on": Field(kind="texts", default=[]),
    "if": Field(kind="any"),
    "retry": Field(kind="mapping"),
    "timeout_ms": Field(kind="integer", least=1, most=30 * 24 * 3_600_000),
    "on_error": Field(kind="any", default="fail"),
    "output": Field(kind="word"),
    "output_schema": Field(kind="mapping"),
}
RULE: Final[Table] = {
    "condition": Field(kind="any", is_required=True),
    "message": Field(kind="text", least=1, most=10_000),
}
RETRY: Final[Table] = {
    "max_attempts": Field(kind="integer", default=3, least=1, most=100),
    "initial_ms": Field(kind="integer", default=1_000, least=0, most=3_600_000),
    "multiplier": Field(kind="number", default=2.0, least=1, most=100),
    "max_ms": Field(kind="integer", default=30_000, least=0, most=3_600_000),
    "jitter": Field(kind="flag", default=True),
    "on": Field(kind="list", default=[]),
}
FALLBACK: Final[Table] = {"fallback": Field(kind="mapping", is_required=True)}

_STEPS: Final = Field(kind="list", is_required=True, least=1)
_AS: Final = Field(kind="word", default="item")
_CONCURRENCY: Final = Field(kind="integer", least=1, most=MAX_CONCURRENCY)

BODIES: Final[Mapping[StepType, Table]] = {
    "action": {
        "plugin": Field(kind="line", is_required=True, most=64),
        "action": Field(kind="line", is_required=True, most=64),
        "params": Field(kind="mapping", default={}),
        "effect": Field(kind="text", choices=get_args(EffectClass)),
    },
    "llm": {
        "prompt": Field(kind="text", is_required=True, least=1),
        "system": Field(kind="text"),
        "input": Field(kind="any"),
        "labels": Field(kind="texts", default=[], most=1_000),
        "model": Field(kind="line", most=200),
        "temperature": Field(kind="number", least=0, most=2),
        "max_tokens": Field(kind="integer", least=1, most=10_000_000),
    },
    "agent": {
        "prompt": Field(kind="text", least=1),
        "plugins": Field(kind="texts"),
    },
    "conditional": {
        "condition": Field(kind="any", is_required=True),
        "then": Field(kind="list", default=[]),
        "else": Field(kind="list", default=[]),
    },
    "switch": {
        "value": Field(kind="any", is_required=True),
        "cases": Field(kind="mapping", is_required=True),
        "default": Field(kind="list"),
    },
    "loop": {
        "over": Field(kind="any"),
        "while": Field(kind="any"),
        "as": _AS,
        "steps": _STEPS,
        "max_iterations": Field(kind="integer", default=DEFAULT_ITERATIONS, least=1, most=MAX_ITERATIONS),
        "concurrency": Field(kind="integer", default=1, least=1, most=MAX_CONCURRENCY),
    },
    "parallel": {
        "branches": Field(kind="any", is_required=True),
        "max_concurrency": _CONCURRENCY,
        "join": Field(kind="text", default="all", choices=get_args(Join)),
    },
    "map": {
        "over": Field(kind="any", is_required=True),
        "as": _AS,
        "steps": _STEPS,
        "max_concurrency": _CONCURRENCY,
        "collect": Field(kind="text", default="list", choices=get_args(Collect)),
        "on_item_error": Field(kind="text", default="fail", choices=get_args(OnItemError)),
    },
    "transform": {"operation": Field(kind="text", is_required=True)},
    "validate": {
        "value": Field(kind="any", is_required=True),
        "schema": Field(kind="mapping"),
        "rules": Field(kind="list", default=[], most=MAX_RULES),
        "on_failure": Field(kind="text", default="fail", choices=get_args(OnInvalid)),
    },
    "compare": {
        "operation": Field(kind="text", default="equals", choices=get_args(Comparison)),
        "left": Field(kind="any", is_required=True),
        "right": Field(kind="any", is_required=True),
    },
    "delay": {
        "duration": Field(kind="any"),
        "until": Field(kind="text"),
    },
    "approval": {
        "message": Field(kind="text", is_required=True, least=1, most=10_000),
        "approvers": Field(kind="any", default=[]),
        "needs": Field(kind="text", default="any", choices=get_args(Needs)),
        "timeout": Field(kind="any"),
        "on_timeout": Field(kind="text", default="reject", choices=get_args(OnTimeout)),
        "on_reject": Field(kind="text", default="continue", choices=get_args(OnReject)),
    },
    "sub_workflow": {
        "agent": Field(kind="line", most=200),
        "version": Field(kind="line", most=64),
        "steps": Field(kind="list", least=1),
        "inputs": Field(kind="mapping", default={}),
        "outputs": Field(kind="mapping"),
    },
}
TABLES: Final[Mapping[str, Table]] = {name: {**COMMON, **table} for name, table in BODIES.items()}


def table(step: Mapping[str, Json]) -> Table:
    """The fields a step may have, by its type; the common ones when its type is none we know."""
    kind = step.get("type")
    return TABLES.get(kind, COMMON) if isinstance(kind, str) else COMMON


def options(step: Mapping[str, Json]) -> dict[str, Json]:
    """A transform's own fields: whatever is neither common nor its operation."""
    return {name: value for name, value in step.items() if name not in TABLES["transform"]}
