"""The drawing of a workflow: the one place that reads the bodies of steps. Pure.

A new type of step is a case in `_told`; whatever it contains is an arm there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from trackrecord.canonical import loads
from trackrecord.cli.graph.node import Arm, Node, Shape
from trackrecord.cli.graph.standing import UNREACHED, Standing
from trackrecord.cli.look import joined
from trackrecord.cli.units import many, milliseconds
from trackrecord.workflow.references import Template
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

Standings = Mapping[str, Standing]
_LONGEST: Final = 400  # of a text that is shown only in part anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the body of a step says to whoever draws it; see `Node`."""

    shape: Shape = "step"
    kind: str = ""
    remarks: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = ()
    unit: str = ""


def workflow(steps: StepList, standings: Standings | None = None) -> Arm:
    """The whole workflow; with `standings`, as a run of it went, by step id."""
    return _arm("", steps, standings)


def _arm(label: str, steps: StepList, standings: Standings | None) -> Arm:
    return Arm(
        label=label,
        nodes=tuple(_node(step, standings) for step in steps.steps),
        edges=tuple((before, place) for place, needed in enumerate(steps.dependencies) for before in needed),
    )


def _node(step: Step, standings: Standings | None) -> Node:
    told = _told(step, standings)
    arms = told.arms
    if step.fallback is not None:
        arms = (*arms, Arm(label="if it fails", nodes=(_node(step.fallback, standings),), is_detour=True))
    return Node(
        key=step.id,
        title=step.name if step.name == step.id else f"{step.name} ({step.id})",
        shape=told.shape,
        kind=f"{step.type} {told.kind}".rstrip(),
        remarks=tuple(remark for remark in (*_common(step), *told.remarks) if remark),
        arms=arms,
        unit=told.unit,
        is_conditional=step.condition is not None,
        standing=None if standings is None else standings.get(step.id, UNREACHED),
    )


def _common(step: Step) -> Iterable[str]:
    """What any step may say: when it runs, how patiently, what a failure does."""
    if step.condition is not None:
        yield f"only if {step.condition.source[:_LONGEST]}"
    yield joined(
        (
            f"up to {many(step.retry.max_attempts, 'try', 'tries')}" if step.retry is not None else "",
            f"at most {milliseconds(step.timeout_ms)}" if step.timeout_ms is not None else "",
            "may fail" if step.on_error == "continue" else "",
        )
    )


def _told(step: Step, standings: Standings | None) -> _Told:
    body = step.body
    match body:
        case ActionBody():
            return _Told(kind=f"{body.plugin}.{body.action}")
        case LlmBody():
            labels = f"answers {_or(body.labels)}" if body.labels else ""
            return _Told(kind=body.model or "", remarks=(labels,))
        case AgentBody():
            return _Told(remarks=() if body.plugins is None else (f"uses {', '.join(body.plugins) or 'no plugins'}",))
        case ConditionalBody():
            arms = (_arm("then", body.then, standings), _arm("else", body.otherwise, standings))
            return _Told(shape="question", remarks=(f"{body.condition.source[:_LONGEST]}?",), arms=_filled(arms))
        case SwitchBody():
            arms = tuple(_arm(f"case {key}", steps, standings) for key, steps in body.cases)
            if body.default is not None:
                arms = (*arms, _arm("otherwise", body.default, standings))
            return _Told(shape="question", remarks=(f"by {_source(body.value)}",), arms=_filled(arms))
        case LoopBody():
            most = f"at most {many(body.max_iterations, 'iteration')}"
            again = f"while {body.while_.source[:_LONGEST]}" if body.while_ is not None else _each(body.as_, body.over)
            at_once = f"{body.concurrency:,} at once" if body.concurrency > 1 else ""
            arms = (_arm("each time", body.steps, standings),)
            return _Told(shape="repeat", remarks=(again, joined((most, at_once))), arms=arms, unit="iteration")
        case MapBody():
            remarks = (
                _each(body.as_, body.over),
                joined(
                    (
                        f"{body.max_concurrency:,} at once" if body.max_concurrency is not None else "several at once",
                        f"collected as {body.collect}" if body.collect != "list" else "",
                        "errors kept beside the results" if body.on_item_error == "collect" else "",
                    )
                ),
            )
            return _Told(shape="repeat", remarks=remarks, arms=(_arm("each item", body.steps, standings),), unit="item")
        case ParallelBody():
            at_once = f"{body.max_concurrency:,} at once" if body.max_concurrency is not None else ""
            join = "the first that succeeds wins" if body.join == "any" else ""
            arms = tuple(_arm(name, steps, standings) for name, steps in body.branches)
            return _Told(shape="fork", remarks=(joined((join, at_once)),), arms=arms, unit="branch")
        case TransformBody():
            return _Told()
        case ValidateBody():
            return _Told(shape="question", remarks=(_source(body.value), _validated(body)))
        case CompareBody():
            sides = f"{_source(body.left)} and {_source(body.right)}"
            return _Told(kind=body.operation, remarks=(sides,))
        case ApprovalBody():
            return _Told(shape="person", remarks=(_source(body.message), *_approved(body)))
        case SubWorkflowBody():
            if body.steps is not None:
                return _Told(shape="group", arms=(_arm("in this run", body.steps, standings),))
            version = f"version {body.version}" if body.version is not None else "its current version"
            return _Told(shape="child", kind=body.agent or "", remarks=(joined(("a run of its own", version)),))
        case DelayBody():
            until = f"until {_source(body.until)}" if body.until is not None else ""
            return _Told(shape="clock", remarks=(until or f"waits {_wait(body.duration_ms)}",))
    assert_never(body)


def _validated(body: ValidateBody) -> str:
    """What a validate step asks, and what a value that does not fit does."""
    asked = ("a schema" if body.schema is not None else "", many(len(body.rules), "rule") if body.rules else "")
    ends = {"fail": "", "continue": "goes on if it does not fit", "skip": "skips what follows if it does not fit"}
    return joined((" and ".join(one for one in asked if one), ends[body.on_failure]))


def _approved(body: ApprovalBody) -> Iterable[str]:
    """Who answers an approval, and what happens when nobody does."""
    source = _source(body.approvers)
    named = loads(source) if body.approvers.is_constant and source.startswith("[") else source
    people = ", ".join(map(str, named)) if isinstance(named, list) else source
    who = f"{'all' if body.needs == 'all' else 'any'} of {people}" if people else "anybody"
    yield joined((who, "a rejection fails it" if body.on_reject == "fail" else ""))
    if body.timeout_ms is not None:
        done = {"approve": "approved", "reject": "rejected"}[body.on_timeout]
        yield f"{done} after {milliseconds(body.timeout_ms)} without an answer"


def _filled(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """The arms in which something is."""
    return tuple(arm for arm in arms if arm.nodes)


def _each(name: str, over: Template | None) -> str:
    return f"for each {name} of {_source(over)}"


def _wait(duration: Template | int | None) -> str:
    return milliseconds(duration) if isinstance(duration, int) else _source(duration)


def _source(template: Template | None) -> str:
    """A template as it was written; of one that is a single expression, that."""
    if template is None:
        return ""
    source = template.source.strip()
    inside = source[2:-2] if source.startswith("{{") and source.endswith("}}") else "{{"
    return (source if "{{" in inside or "}}" in inside else inside.strip())[:_LONGEST]


def _or(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
