"""What a workflow declares, whichever engine runs it: how large it is, and whether it needs a model. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from trackrecord.workflow.effects import places
from trackrecord.workflow.steps import (
    ActionBody,
    AgentBody,
    ApprovalBody,
    CompareBody,
    ConditionalBody,
    Declared,
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


def declared(steps: StepList) -> Declared:
    """The four counts of a step tree, every step object once, containers and fallbacks included."""
    count = branches = loops = parallel = 0
    for step in walk(steps):
        count += 1
        branches += step.type in ("conditional", "switch")
        loops += step.type == "loop"
        parallel += step.type in ("parallel", "map")
    return Declared(steps=count, branches=branches, loops=loops, parallel=parallel)


def model_step(steps: StepList, path: str) -> str | None:
    """The place of the first step that asks the agent's own model; None when none does."""
    return next((at for at, step in places(steps, path) if _asks_model(step)), None)


def _asks_model(step: Step) -> bool:
    return isinstance(step.body, AgentBody) or (isinstance(step.body, LlmBody) and step.body.model is None)


def walk(steps: StepList) -> Iterator[Step]:
    """Every step of the tree, each before what is inside it, in the order written; fallbacks after the inner steps."""
    waiting = list(reversed(steps.steps))
    while waiting:
        step = waiting.pop()
        yield step
        if step.fallback is not None:
            waiting.append(step.fallback)
        for inner in reversed(inside(step)):
            waiting.extend(reversed(inner.steps))


def inside(step: Step) -> tuple[StepList, ...]:
    """The step lists in a step's body; empty for a step that is no container."""
    body = step.body
    match body:
        case ConditionalBody():
            return (body.then, body.otherwise)
        case SwitchBody():
            cases = tuple(steps for _, steps in body.cases)
            return cases if body.default is None else (*cases, body.default)
        case LoopBody() | MapBody():
            return (body.steps,)
        case SubWorkflowBody():
            return () if body.steps is None else (body.steps,)
        case ParallelBody():
            return tuple(branch for _, branch in body.branches)
        case ActionBody() | LlmBody() | AgentBody() | TransformBody():
            return ()
        case ValidateBody() | CompareBody() | DelayBody() | ApprovalBody():
            return ()
    assert_never(body)
