"""What a workflow declares, whichever engine runs it: how large it is, and whether it needs a model. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from trackrecord.workflow.arms import arms
from trackrecord.workflow.effects import places
from trackrecord.workflow.steps import AgentBody, Declared, LlmBody, Step, StepList


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
        for _, inner in reversed(arms(step)):
            waiting.extend(reversed(inner.steps))
