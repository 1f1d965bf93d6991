"""What only shows when the plugins are known: unknown actions, and retries of actions that must not happen twice. Pure.

The grammar sees what a step declares; whoever saves or runs an agent with plugins at hand asks here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from trackrecord.errors import Problem
from trackrecord.workflow.fields import Problems, join
from trackrecord.workflow.steps import (
    ActionBody,
    ConditionalBody,
    EffectClass,
    LoopBody,
    MapBody,
    ParallelBody,
    Step,
    StepList,
    SubWorkflowBody,
    SwitchBody,
    Workflow,
)

EffectOf = Callable[[str, str], EffectClass | None]
Suggest = Callable[[str], str]


def check(
    workflow: Workflow,
    effect_of: EffectOf,
    connected: Collection[str],
    *,
    suggest: Suggest | None = None,
    path: str = "workflow_steps",
) -> tuple[Problem, ...]:
    """What is wrong with a workflow's actions, given the effect class of each.

    Args:
        workflow: a checked workflow.
        effect_of: plugin and action to the class the action declares, `unsafe` when it declares none; None when there
            is no such action.
        connected: names of connected plugins; steps of the others, which must be optional, are left unchecked.
        suggest: a sentence that helps with a name like `text.cont` that is none.
        path: where the workflow is in its definition.
    """
    problems = Problems()
    for at, step in places(workflow.steps, path):
        body = step.body
        if not isinstance(body, ActionBody) or body.plugin not in connected:
            continue
        effect = effect_of(body.plugin, body.action)
        if effect is None:
            cure = "" if suggest is None else suggest(f"{body.plugin}.{body.action}")
            problems.add(join(at, "action"), f"the plugin {body.plugin!r} has no action {body.action!r}", cure)
        elif (body.effect or effect) == "unsafe" and step.retry is not None:
            message = f"{body.plugin}.{body.action} is unsafe and cannot be retried: it might happen twice"
            cure = "Remove retry, or write `effect: keyed` if the action honours the idempotency key."
            problems.add(join(at, "retry"), message, cure)
    return tuple(problems.found)


def places(steps: StepList, path: str) -> Iterator[tuple[str, Step]]:
    """Every step of the tree with its place in the definition, in today's vocabulary."""
    waiting = [(join(path, index), step) for index, step in enumerate(steps.steps)]
    waiting.reverse()
    while waiting:
        at, step = waiting.pop()
        yield at, step
        inner = [
            (join(f"{at}.{name}", index), one)
            for name, listed in _inner(step)
            for index, one in enumerate(listed.steps)
        ]
        if step.fallback is not None:
            inner.append((f"{at}.on_error.fallback", step.fallback))
        waiting.extend(reversed(inner))


def _inner(step: Step) -> list[tuple[str, StepList]]:
    match step.body:
        case ConditionalBody(then=then, otherwise=otherwise):
            return [("then", then), ("else", otherwise)]
        case SwitchBody(cases=cases, default=default):
            arms = [(f"cases.{key}", listed) for key, listed in cases]
            return arms if default is None else [*arms, ("default", default)]
        case LoopBody(steps=steps) | MapBody(steps=steps):
            return [("steps", steps)]
        case SubWorkflowBody(steps=StepList() as steps):
            return [("steps", steps)]
        case ParallelBody(branches=branches):
            return [(f"branches.{name}", listed) for name, listed in branches]
        case _:
            return []
