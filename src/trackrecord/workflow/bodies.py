"""What is particular to each step type: its checked fields in, its body out. One function per type.

A function returns None when something it cannot do without is missing or wrong; the problem has been added then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, assert_never, cast

from trackrecord.canonical import Json
from trackrecord.clock import moment
from trackrecord.workflow.conditions import Condition
from trackrecord.workflow.definition import duration_ms
from trackrecord.workflow.fields import describe, texts
from trackrecord.workflow.references import Template
from trackrecord.workflow.scope import ROOTS, Scope
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import (
    EMPTY,
    MAX_BRANCHES,
    MAX_DELAY_MS,
    ActionBody,
    AgentBody,
    Body,
    Collect,
    ConditionalBody,
    DelayBody,
    EffectClass,
    Join,
    LlmBody,
    LoopBody,
    MapBody,
    OnItemError,
    ParallelBody,
    StepList,
    StepType,
    TransformBody,
)

Values = Mapping[str, Json]
BRANCH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def body(kind: StepType, values: Values, options: Values, site: Site) -> Body | None:
    """The body of a step of this type; `options` are the fields no table names, of transforms only."""
    match kind:
        case "action":
            return _action(values, site)
        case "llm":
            return _llm(values, site)
        case "agent":
            return _agent(values, site)
        case "conditional":
            return _conditional(values, site)
        case "loop":
            return _loop(values, site)
        case "parallel":
            return _parallel(values, site)
        case "map":
            return _map(values, site)
        case "transform":
            return _transform(values, options, site)
        case "delay":
            return _delay(values, site)
    assert_never(kind)


def _action(values: Values, site: Site) -> ActionBody | None:
    plugin, action = values["plugin"], values["action"]
    effect = cast("EffectClass | None", values["effect"])
    params = site.template(values["params"], "params")
    if isinstance(plugin, str):
        site.plugin(plugin, "plugin")
    if effect == "unsafe" and values["retry"] is not None:
        message = "an action declared unsafe cannot be retried: it might happen twice"
        site.add("retry", message, "Remove retry, or write `effect: keyed` if the action honours the idempotency key.")
    if not isinstance(plugin, str) or not isinstance(action, str) or params is None:
        return None
    return ActionBody(plugin=plugin, action=action, params=params, effect=effect)


def _llm(values: Values, site: Site) -> LlmBody | None:
    prompt = site.template(values["prompt"], "prompt")
    system = site.template(values["system"], "system")
    data = site.template(values["input"], "input")
    labels = texts(values["labels"])
    if labels and values["output_schema"] is not None:
        site.add("labels", "labels and output_schema exclude each other", "Keep one.")
    if len(labels) == 1 or len(set(labels)) < len(labels) or "" in labels:
        site.add("labels", "labels must be two or more different texts")
    if prompt is None:
        return None
    return LlmBody(
        prompt=prompt,
        system=system,
        input=data,
        labels=labels,
        model=cast("str | None", values["model"]),
        temperature=_number(values["temperature"]),
        max_tokens=cast("int | None", values["max_tokens"]),
    )


def _agent(values: Values, site: Site) -> AgentBody:
    given = values["plugins"]
    plugins = None if given is None else texts(given)
    for index, plugin in enumerate(plugins or ()):
        site.plugin(plugin, f"plugins[{index}]")
    return AgentBody(prompt=site.template(values["prompt"], "prompt"), plugins=plugins)


def _conditional(values: Values, site: Site) -> ConditionalBody | None:
    condition = site.condition(values["condition"], "condition")
    then, otherwise = (_arm(values[name], name, site) for name in ("then", "else"))
    if values["then"] == [] and values["else"] == []:
        site.add("", "a conditional needs steps in 'then' or 'else'")
    return None if condition is None else ConditionalBody(condition=condition, then=then, otherwise=otherwise)


def _arm(value: Json, name: str, site: Site) -> StepList:
    return site.steps(value, name) if value else EMPTY


def _loop(values: Values, site: Site) -> LoopBody | None:
    over, asked = values["over"], values["while"]
    if (over is None) == (asked is None):
        said = "both 'over' and 'while'" if over is not None else "neither 'over' nor 'while'"
        site.add("", f"a loop has {said}", "Give exactly one: `over` a list, or `while` a condition holds.")
    as_ = _as(values["as"], site)
    roots = ("item", "index", as_) if over is not None else ("index",)
    steps = site.steps(values["steps"], "steps", roots) if values["steps"] is not None else EMPTY
    concurrency = cast("int", values["concurrency"])
    if asked is not None and concurrency > 1:
        site.add("concurrency", "a `while` loop runs one iteration after the other", "Remove concurrency.")
    items = _list(over, "over", site)
    condition = _while(asked, values["steps"], site)
    if (items is None) == (condition is None):
        return None
    return LoopBody(
        over=items,
        while_=condition,
        as_=as_,
        steps=steps,
        max_iterations=cast("int", values["max_iterations"]),
        concurrency=concurrency,
    )


def _while(asked: Json, steps: Json, site: Site) -> Condition | None:
    """The condition of a loop; it may also refer to the iteration before, whose steps have all ended."""
    if asked is None:
        return None
    known = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    ids = {str(step.get("id")): index for index, step in enumerate(known)}
    outputs = {str(step["output"]): (index,) for index, step in enumerate(known) if "output" in step}
    scope = Scope(
        site.scope.world,
        ids=ids,
        ended=(1 << len(known)) - 1,
        outputs=outputs,
        around=site.scope,
        roots=frozenset(("index",)),
    )
    return site.within(scope).condition(asked, "while")


def _list(value: Json, name: str, site: Site) -> Template | None:
    """A list, or a template that renders to one; a text without a reference can never be a list."""
    if value is None:
        return None
    if not isinstance(value, str | list):
        site.add(name, f"must be a list or a reference to one, not {describe(value)}", "Write '{{ steps.<id>.data }}'.")
        return None
    if isinstance(value, str) and "{{" not in value:
        site.add(name, f"{value!r} is plain text, not a list", f"Write '{{{{ {value} }}}}'.")
        return None
    return site.template(value, name)


def _as(value: Json, site: Site) -> str:
    name = str(value)
    if name != "item" and name in ROOTS:
        site.add("as", f"{name!r} means something else in expressions", "Take another name.")
    return name


def _parallel(values: Values, site: Site) -> ParallelBody | None:
    given = values["branches"]
    if isinstance(given, list):
        named = [(str(index), f"branches[{index - 1}]", steps) for index, steps in enumerate(given, 1)]
    elif isinstance(given, dict):
        named = [(name, f"branches.{name}", given[name]) for name in sorted(given)]
    else:
        if given is not None:
            site.add("branches", f"must be a mapping of names to steps, or a list of lists, not {describe(given)}")
        return None
    if not 1 <= len(named) <= MAX_BRANCHES:
        site.add("branches", f"{len(named)} branches are not possible", f"Give 1 to {MAX_BRANCHES:,}.")
    if values["join"] == "any":
        site.add("join", "'any' is not available in this version", "Write all, or leave it out.")
    branches = tuple((name, _branch(name, place, steps, site)) for name, place, steps in named)
    return ParallelBody(
        branches=branches,
        max_concurrency=cast("int | None", values["max_concurrency"]),
        join=cast("Join", values["join"]),
    )


def _branch(name: str, place: str, steps: Json, site: Site) -> StepList:
    if BRANCH.fullmatch(name) is None:
        site.add(place, f"{name!r} is no usable branch name", "Use letters, digits, _ and -, at most 64.")
    if not isinstance(steps, list) or not steps:
        said = "has no steps" if not steps else f"must be a list of steps, not {describe(steps)}"
        site.add(place, f"the branch {name!r} {said}", "A branch is a list of steps, even if there is only one.")
        return EMPTY
    return site.steps(steps, place)


def _map(values: Values, site: Site) -> MapBody | None:
    as_ = _as(values["as"], site)
    over = _list(values["over"], "over", site)
    steps = site.steps(values["steps"], "steps", ("item", "index", as_)) if values["steps"] is not None else EMPTY
    if over is None:
        return None
    return MapBody(
        over=over,
        as_=as_,
        steps=steps,
        max_concurrency=cast("int | None", values["max_concurrency"]),
        collect=cast("Collect", values["collect"]),
        on_item_error=cast("OnItemError", values["on_item_error"]),
    )


def _transform(values: Values, options: Values, site: Site) -> TransformBody | None:
    operation = values["operation"]
    transform = site.transform(operation, options) if isinstance(operation, str) else None
    return None if transform is None else TransformBody(transform=transform)


def _delay(values: Values, site: Site) -> DelayBody | None:
    duration, until = values["duration"], values["until"]
    if (duration is None) == (until is None):
        said = "both 'duration' and 'until'" if until is not None else "neither 'duration' nor 'until'"
        site.add("", f"a delay has {said}", "Give exactly one, like `duration: 30s`.")
        return None
    if until is not None:
        return _until(str(until), site)
    if isinstance(duration, str) and "{{" in duration:
        template = site.template(duration, "duration")
        return None if template is None else DelayBody(duration_ms=template)
    length = duration_ms(duration) if isinstance(duration, str) else duration
    if isinstance(length, bool) or not isinstance(length, int):
        site.add("duration", f"{describe(duration)} is no duration", "Write 500ms, 30s, 5m, 2h or 1d.")
        return None
    if not 0 <= length <= MAX_DELAY_MS:
        site.add("duration", f"{length:,} ms is not possible", f"At most {MAX_DELAY_MS // 86_400_000} days.")
    return DelayBody(duration_ms=length)


def _until(until: str, site: Site) -> DelayBody | None:
    if "{{" not in until:
        try:
            moment(until)
        except ValueError:
            site.add("until", f"{until!r} is no time with a zone", "Write 2030-12-31T23:59:00Z.")
    template = site.template(until, "until")
    return None if template is None else DelayBody(until=template)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None
