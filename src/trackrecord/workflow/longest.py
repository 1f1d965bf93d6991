"""How long the longest path of a workflow can become in a record, so that one too long is refused when saved. Pure."""

from __future__ import annotations

from typing import Final

from trackrecord.workflow.arms import EACH, arms
from trackrecord.workflow.steps import MAX_ITEMS, LoopBody, Step, StepList

MAX_PATH_BYTES: Final = 1_024  # as record.spans has it; that room is above this one
_ENDINGS: Final = {
    "action": "/tool",
    "llm": "/model",
    "agent": "/turn:100000/call:1000/tool",
    "parallel": "/decision",
    "delay": "/wait",
    "approval": "/wait",
    "sub_workflow": "/child",
}


def longest(steps: StepList) -> tuple[int, str]:
    """Bytes of the longest path any run can leave, and the id of the step it ends in; (0, "") of no steps."""
    return max((_step(step) for step in steps.steps), default=(0, ""))


def _step(step: Step) -> tuple[int, str]:
    own = len(f"s:{step.id}")
    if step.retry is not None and step.retry.max_attempts > 1 and step.type not in ("action", "llm"):
        own += len(f"/try:{step.retry.max_attempts}")
    candidates = [(own + len(_ENDINGS.get(step.type, "")), step.id)]
    for segment, inner in _inner(step):
        length, step_id = longest(inner)
        if step_id:
            candidates.append((own + len(segment) + 1 + length, step_id))
    if step.fallback is not None:
        length, step_id = _step(step.fallback)
        candidates.append((own + 1 + length, step_id))
    return max(candidates)


def _inner(step: Step) -> list[tuple[str, StepList]]:
    """The lists inside, each under the longest segment that can lead there."""
    body = step.body
    most = body.max_iterations if isinstance(body, LoopBody) else MAX_ITEMS
    return [(f"/i:{most}" if arm == EACH else f"/{arm}" if arm else "", steps) for arm, steps in arms(step)]
