"""What two runs may differ in, field by field, and why: the tables every verdict is looked up in. Data only.

A field that stands nowhere here must be equal, so that a new one is strict until somebody decides otherwise. A rule
does not pass a field by: it takes out what may differ, and what is left must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trackrecord.parity.footprint import Footprint
from trackrecord.parity.leaves import Missing, Value, type_name

Without = Callable[[Value, Footprint], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Why a field may differ, and what is left of its value without that."""

    reason: str
    without: Without


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a field is judged.

    Attributes:
        rule: what may differ whatever the runs did; None for nothing.
        is_work: a measurement: another way to do the job may give another figure, if each fits its own spans.
        is_unknown_when_null: whether null means that nobody knows; else it is a value like any other, and means none.
        is_of_attempts: whether it is a sum over model attempts, so that it is 0 without any and null if none reported.
        is_content: what a run took or gave, which no span tells; there is nothing to recount it from.
    """

    rule: Rule | None = None
    is_work: bool = False
    is_unknown_when_null: bool = False
    is_of_attempts: bool = False
    is_content: bool = False


def _kind(value: Value, _: Footprint) -> Value:
    return type_name(value)


def _nothing(_: Value, __: Footprint) -> Value:
    return None


def _untitled(value: Value, run: Footprint) -> Value:
    return value.replace(str(run.execution["engine_title"]), "…", 1) if isinstance(value, str) else value


def _unplaced(value: Value, run: Footprint) -> Value:
    place = run.execution["error_path"]
    return value.replace(str(place), "…") if isinstance(value, str) and place else value


def _without_step_spans(value: Value, run: Footprint) -> Value:
    if isinstance(value, Missing) or not isinstance(value, int):
        return value
    return value - sum(1 for span in run.spans if span.kind == "step")


MUST: Final = Spec()
WORK: Final = Spec(is_work=True, is_unknown_when_null=True)
TOKENS: Final = Spec(is_work=True, is_unknown_when_null=True, is_of_attempts=True)
CHOICE: Final = Spec(is_work=True)
ANSWER: Final = Spec(is_work=True, is_content=True)

ID: Final = Spec(rule=Rule(reason="ids are given out per run", without=_kind))
TIME: Final = Spec(rule=Rule(reason="a time", without=_kind), is_unknown_when_null=True)
DURATION: Final = Spec(rule=Rule(reason="a duration", without=_kind), is_unknown_when_null=True)
SEQUENCE: Final = Spec(rule=Rule(reason="the order of finishing", without=_kind), is_unknown_when_null=True)
ENGINE: Final = Spec(rule=Rule(reason="the engine's name", without=_kind))
FLAG: Final = Spec(rule=Rule(reason="a flag of the engine", without=_kind))
KEY: Final = Spec(rule=Rule(reason="the metadata key is named after the engine", without=_kind))
TITLE: Final = Spec(rule=Rule(reason="the same but for the engine's title", without=_untitled))
PLACE: Final = Spec(rule=Rule(reason="where in the run it happened", without=_nothing))
MESSAGE: Final = Spec(rule=Rule(reason="the same but for the error_path in it", without=_unplaced))
STEPS: Final = Spec(rule=Rule(reason="a count of steps", without=_kind), is_unknown_when_null=True)
EXECUTED: Final = Spec(
    rule=Rule(reason="an executed count, null if the engine does not run the workflow", without=_nothing)
)
SPANS: Final = Spec(
    rule=Rule(reason="the same but for the spans of steps", without=_without_step_spans),
    is_work=True,
    is_unknown_when_null=True,
)

EXECUTION: Final[Mapping[str, Spec]] = {
    **dict.fromkeys(("tenant_id", "id", "agent_id", "user_id", "parent_run_id", "origin_run_id", "hold_id"), ID),
    **dict.fromkeys(
        ("lease_until", "ready_at", "scheduled_at", "created_at", "started_at", "now_at", "completed_at"), TIME
    ),
    **dict.fromkeys(("execution_duration_ms", "working_duration_ms", "tool_orchestration_time_ms"), DURATION),
    **dict.fromkeys(("steps_completed", "steps_failed", "steps_tolerated", "steps_skipped"), STEPS),
    **dict.fromkeys(("executed_steps", "executed_branches", "executed_loop_iterations", "executed_parallel"), EXECUTED),
    **dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "tokens_used",
            "cost_nanos",
            "credits_used",
        ),
        TOKENS,
    ),
    **dict.fromkeys(
        (
            "epoch",
            "iterations_count",
            "model_calls_count",
            "priced_calls_count",
            "retry_count",
            "interruptions_count",
            "unknown_count",
            "tool_calls_count",
            "tool_calls_rejected_count",
            "memory_tokens",
            "memory_entry_count",
            "usage_complete",
        ),
        WORK,
    ),
    **dict.fromkeys(("provider", "model"), CHOICE),
    "agent_seq": SEQUENCE,
    "engine": ENGINE,
    "engine_title": TITLE,
    "runs_workflow": FLAG,
    "error_path": PLACE,
    "error_message": MESSAGE,
    "span_count": SPANS,
}

LOG: Final[Mapping[str, Spec]] = {
    **dict.fromkeys(("tenant_id", "execution_id", "agent_id", "user_id"), ID),
    "created_at": TIME,
    "run_time": DURATION,
    "status": TITLE,
    **dict.fromkeys(("user_credits_used", "run_tokens"), TOKENS),
}

# The JSON of the logs by key path, list places left out; the same in `logs`, `run_output` and `full_output`.
# `toolCalls[].path` says where in the run a call was made, just as error_path does for an error: the two are one kind.
JSON: Final[Mapping[str, Spec]] = {
    "engine": ENGINE,
    **dict.fromkeys(("agentkit", "orchestrator"), FLAG),
    "executionId": ID,
    "error": MESSAGE,
    "errorPath": PLACE,
    **dict.fromkeys(("executionTimeMs", "workingTimeMs", "toolOrchestrationTimeMs"), DURATION),
    **dict.fromkeys(("stepsCompleted", "stepsFailed", "stepsTolerated", "stepsSkipped", "totalSteps"), STEPS),
    **dict.fromkeys(
        (
            "workflow.executed",
            "workflow.executed.steps",
            "workflow.executed.conditionalBranches",
            "workflow.executed.loopIterations",
            "workflow.executed.parallel",
        ),
        EXECUTED,
    ),
    **dict.fromkeys(
        (
            "tokensUsed",
            "tokensUsed.prompt",
            "tokensUsed.completion",
            "tokensUsed.total",
            "tokensUsed.cacheRead",
            "tokensUsed.cacheWrite",
            "tokensUsed.reasoning",
            "costNanoUsd",
        ),
        TOKENS,
    ),
    **dict.fromkeys(
        (
            "iterations",
            "toolCallsOmitted",
            "toolCallsCount",
            "toolCallsRejected",
            "usageComplete",
            "pricedCalls",
            "modelCalls",
            "retries",
            "interruptions",
            "unknownOutcomes",
            "memory.tokens",
            "memory.entryCount",
            "toolCalls.length",
            "toolCalls[].attempts",
            "models.length",
            "models[].calls",
            "models[].tokens",
            "models[].cost",
            "pluginsUsed.length",
            "memory.types.length",
        ),
        WORK,
    ),
    **dict.fromkeys(
        (
            "model",
            "provider",
            "toolCalls[]",
            "toolCalls[].plugin",
            "toolCalls[].action",
            "toolCalls[].success",
            "toolCalls[].rejected",
            "toolCalls[].itemsReturned",
            "toolCalls[].errorCode",
            "toolCalls[].error",
            "models[]",
            "models[].provider",
            "models[].requested",
            "models[].responded",
            "pluginsUsed[]",
            "memory.types[]",
        ),
        CHOICE,
    ),
    "toolCalls[].path": PLACE,
    "toolCalls[].executionTimeMs": DURATION,
}

DATA: Final[Mapping[str, Spec]] = {
    **dict.fromkeys(("agent_id", "user_id"), ID),
    **dict.fromkeys(("tokens_used", "input_tokens", "output_tokens"), TOKENS),
    **dict.fromkeys(("execution_duration_ms", "tool_orchestration_time_ms"), DURATION),
    **dict.fromkeys(
        (
            "iterations_count",
            "retry_count",
            "tool_calls_count",
            "memory_tokens",
            "memory_entry_count",
            "plugins_used.length",
            "memory_types.length",
        ),
        WORK,
    ),
    **dict.fromkeys(("plugins_used[]", "memory_types[]"), CHOICE),
}

STATS: Final[Mapping[str, Spec]] = {
    **dict.fromkeys(("tenant_id", "agent_id", "user_id"), ID),
    **dict.fromkeys(("tokens_total", "tokens_known_count", "cost_nanos_total", "cost_known_count"), WORK),
    "duration_ms_total": DURATION,
    "last_run_at": TIME,
}

INTENSITY: Final[Mapping[str, Spec]] = {
    **dict.fromkeys(("tenant_id", "agent_id"), ID),
    **dict.fromkeys(("agent_seq", "recent_output_tokens[].agent_seq"), SEQUENCE),
    "updated_at": TIME,
    **dict.fromkeys(("total_duration_ms", "peak_duration_ms", "tool_orchestration_time_ms"), DURATION),
    **dict.fromkeys(
        (
            "executed_steps_total",
            "executed_branches_total",
            "executed_loop_iterations_total",
            "executed_parallel_total",
            "runs_with_workflow",
        ),
        EXECUTED,
    ),
    **dict.fromkeys(
        (
            "total_tokens",
            "runs_with_tokens",
            "input_tokens",
            "runs_with_input_tokens",
            "output_tokens",
            "runs_with_output_tokens",
            "cached_input_tokens",
            "runs_with_cached_input_tokens",
            "memory_tokens",
            "runs_with_memory_tokens",
            "total_iterations",
            "runs_with_iterations",
            "total_retries",
            "runs_with_retries",
            "runs_recovered_by_retry",
            "total_tool_calls",
            "runs_with_tool_calls",
            "distinct_plugins_total",
            "runs_with_tool_orchestration",
            "memory_entries_total",
            "runs_with_memory_entries",
            "plugins_ever.length",
            "memory_types_ever.length",
            "recent_output_tokens.length",
        ),
        WORK,
    ),
    "peak_tokens_single_run": TOKENS,
    **dict.fromkeys(
        ("plugins_ever[]", "memory_types_ever[]", "recent_output_tokens[]", "recent_output_tokens[].tokens"), CHOICE
    ),
}
