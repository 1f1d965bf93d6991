"""JSON Schema 2020-12 of a run's logs: the one shape of every engine that `rows.log_object` makes. Pure.

Closed and complete: a key that `log_object` adds is missing here until it is described. Unknown is null, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from trackrecord.canonical import Json
from trackrecord.errors import TerminalStatus
from trackrecord.record.rows import MAX_LISTED_TOOL_CALLS
from trackrecord.workflow.field_schema import DRAFT

Shape = dict[str, Json]


def schema() -> Shape:
    """The schema of `logs`, of `full_output`'s only value, and of `run_output` but for `tokensUsed`, a number there."""
    return {"$schema": DRAFT, "$id": "urn:trackrecord:record", "title": "Trackrecord run record", **_closed(_LOGS)}


def _closed(parts: Mapping[str, Shape], says: str = "") -> Shape:
    """An object with these keys, all of them."""
    found: Shape = {
        "type": "object",
        "properties": dict(parts),
        "required": list(parts),
        "additionalProperties": False,
    }
    return found | ({"description": says} if says else {})


def _flag(says: str) -> Shape:
    return {"type": "boolean", "description": says}


def _count(says: str) -> Shape:
    return {"type": "integer", "minimum": 0, "description": says}


def _maybe_count(says: str) -> Shape:
    return {"type": ["integer", "null"], "minimum": 0, "description": f"{says} Null when unknown."}


def _text(says: str) -> Shape:
    return {"type": "string", "description": says}


def _maybe_text(says: str) -> Shape:
    return {"type": ["string", "null"], "description": says}


def _list(item: Shape, says: str, most: int | None = None) -> Shape:
    found: Shape = {"type": "array", "items": item, "description": says}
    return found if most is None else found | {"maxItems": most}


_TOKENS: Final = _closed(
    {
        "prompt": _maybe_count("Input tokens of all model attempts."),
        "completion": _maybe_count("Output tokens of all model attempts."),
        "total": _maybe_count("Both together."),
        "cacheRead": _maybe_count("Of the input: read from a cache."),
        "cacheWrite": _maybe_count("Of the input: written to a cache."),
        "reasoning": _maybe_count("Of the output: spent on reasoning."),
    },
    "Tokens of every model attempt, failed ones too.",
)
_TOOL_CALL: Final = _closed(
    {
        "path": _text("Where in the run."),
        "plugin": _maybe_text("The plugin."),
        "action": _maybe_text("Its action."),
        "success": {"type": ["boolean", "null"], "description": "What the tool itself said; null when it did not."},
        "rejected": _flag("Whether it was never made; such calls are not counted."),
        "attempts": _count("How often it was tried."),
        "itemsReturned": _maybe_count("What it returned."),
        "executionTimeMs": _count("All attempts together."),
        "errorCode": _maybe_text("Why the last attempt failed; null when it did not."),
        "error": _maybe_text("The same in words."),
    }
)
_MODEL: Final = _closed(
    {
        "provider": _maybe_text("Who was asked."),
        "requested": _maybe_text("The model asked for."),
        "responded": _maybe_text("The model that answered, as the provider says."),
        "calls": _count("Attempts."),
        "tokens": _maybe_count("Input and output."),
        "cost": _maybe_count("Nano-dollars."),
    }
)
_MEMORY: Final = _closed(
    {
        "tokens": _maybe_count("Tokens of what was recalled, estimated."),
        "entryCount": _maybe_count("Entries that were recalled."),
        "types": _list({"type": "string"}, "Their types."),
    }
)
_DECLARED: Final = _closed(
    {
        "steps": _count("Steps of the definition."),
        "conditionalBranches": _count("Its conditional branches."),
        "loops": _count("Its loops."),
        "parallel": _count("Its parallel parts."),
    },
    "What the definition says, whichever engine ran it.",
)
_EXECUTED: Final[Shape] = {
    **_closed(
        {
            "steps": _count("Steps that ran."),
            "conditionalBranches": _count("Branches that were taken."),
            "loopIterations": _count("Iterations of all loops."),
            "parallel": _count("Branches and items that ran side by side."),
        },
        "What was really run; null when the engine ran no workflow.",
    ),
    "type": ["object", "null"],
}
_LOGS: Final[Mapping[str, Shape]] = {
    "success": _flag("Whether the run completed."),
    "engine": _text("Name of the engine."),
    "agentkit": _flag("Whether that was AgentKit."),
    "orchestrator": _flag("Whether that was the Orchestrator."),
    "executionId": _text("Id of the run."),
    "status": {"enum": [*get_args(TerminalStatus), "running"], "description": "How it ended."},
    "errorCode": _maybe_text("Why it did not complete; null when it did."),
    "error": _maybe_text("The same in words."),
    "errorPath": _maybe_text("Where in the run that happened."),
    "iterations": _count("Turns: successful model replies of purpose work."),
    "toolCalls": _list(_TOOL_CALL, "Tool calls, sanitized.", MAX_LISTED_TOOL_CALLS),
    "toolCallsOmitted": _count("How many more there were."),
    "toolCallsCount": _count("Tool calls that were made."),
    "toolCallsRejected": _count("Tool calls that were never made."),
    "toolOrchestrationTimeMs": _count("Time of all tool attempts together."),
    "tokensUsed": _TOKENS,
    "usageComplete": _flag("Whether every attempt's usage is known."),
    "model": _maybe_text("The model that did most of the work."),
    "provider": _maybe_text("Its provider."),
    "models": _list(_MODEL, "Every model, with what it used."),
    "costNanoUsd": _maybe_count("Cost of all priced attempts, in nano-dollars."),
    "pricedCalls": _count("Model attempts whose price is known."),
    "modelCalls": _count("Model attempts."),
    "pluginsUsed": _list({"type": "string"}, "Plugins that were called."),
    "pluginsRequired": _list({"type": "string"}, "Plugins the agent names."),
    "stepsCompleted": _count("Steps that completed."),
    "stepsFailed": _count("Steps that failed."),
    "stepsTolerated": _count("Steps whose failure was accepted."),
    "stepsSkipped": _count("Steps that were skipped."),
    "totalSteps": _count("All of them."),
    "executionTimeMs": _count("From begin to end."),
    "workingTimeMs": _count("Without waits."),
    "inputValuesUsed": _count("Input values that were given."),
    "retries": _count("Attempts after a first one."),
    "interruptions": _count("Attempts that a killed process cut short."),
    "unknownOutcomes": _count("Unsafe effects whose outcome nobody knows."),
    "memory": _MEMORY,
    "workflow": _closed({"declared": _DECLARED, "executed": _EXECUTED}),
}
