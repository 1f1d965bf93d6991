"""The lists of steps inside a step, each under the segment of a record's path that leads there. Pure.

The one place that says which types hold steps and where; whoever walks a workflow asks here.
"""

from __future__ import annotations

from typing import Final, assert_never

from trackrecord.workflow.steps import (
    ActionBody,
    AgentBody,
    ApprovalBody,
    CompareBody,
    ConditionalBody,
    DelayBody,
    LlmBody,
    LoopBody,
    MapBody,
    ParallelBody,
    Step,
    StepList,
    SubWorkflowBody,
    SwitchBody,
    TransformBody,
    ValidateBody,
)

EACH: Final = "i:*"
"""Stands for every iteration of a loop and every item of a map."""


def arms(step: Step) -> list[tuple[str, StepList]]:
    """Segment and steps, in the order written; the segment is empty where the steps stand right below the step."""
    body = step.body
    match body:
        case ConditionalBody():
            return [("b:then", body.then), ("b:else", body.otherwise)]
        case SwitchBody():
            listed = [(f"case:{number}", steps) for number, (_, steps) in enumerate(body.cases, 1)]
            return listed if body.default is None else [*listed, ("case:default", body.default)]
        case LoopBody() | MapBody():
            return [(EACH, body.steps)]
        case ParallelBody():
            return [(f"b:{name}", steps) for name, steps in body.branches]
        case SubWorkflowBody():
            return [] if body.steps is None else [("", body.steps)]
        case ActionBody() | LlmBody() | AgentBody() | TransformBody():
            return []
        case ValidateBody() | CompareBody() | DelayBody() | ApprovalBody():
            return []
    assert_never(body)
