"""Steps that hold steps: their checked fields in, their bodies out. One function per type.

A function returns None when something it cannot do without is missing or wrong; the problem has been added then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

from trackrecord.canonical import Json
from trackrecord.workflow.conditions import Condition
from trackrecord.workflow.fields import describe
from trackrecord.workflow.references import Template
from trackrecord.workflow.scope import ROOTS, Scope, World
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import (
    EMPTY,
    MAX_BRANCHES,
    MAX_CASES,
    Collect,
    ConditionalBody,
    Join,
    LoopBody,
    MapBody,
    OnItemError,
    ParallelBody,
    StepList,
    SubWorkflowBody,
    SwitchBody,
)

Values = Mapping[str, Json]
VERSION: Final = re.compile(r"[0-9a-f]{4,64}")
BRANCH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def conditional(values: Values, site: Site) -> ConditionalBody | None:
    """The body of a conditional step."""
    condition = site.condition(values["condition"], "condition")
    then, otherwise = (_arm(values[name], name, site) for name in ("then", "else"))
    if values["then"] == [] and values["else"] == [] and not site.is_wrong("then", "else"):
        site.add("", "a conditional needs steps in 'then' or 'else'")
    return None if condition is None else ConditionalBody(condition=condition, then=then, otherwise=otherwise)


def _arm(value: Json, name: str, site: Site) -> StepList:
    return site.steps(value, name) if value else EMPTY


def switch(values: Values, site: Site) -> SwitchBody | None:
    """The body of a switch step."""
    value, given = values["value"], values["cases"]
    template = site.template(value, "value")
    if template is not None and template.is_constant:
        cure = f"Write '{{{{ {value} }}}}'." if isinstance(value, str) else "Write '{{ steps.<id>.data }}'."
        site.add("value", f"{describe(value)} is always the same", cure)
    cases = given if isinstance(given, dict) else {}
    if isinstance(given, dict) and not 1 <= len(cases) <= MAX_CASES:
        site.add("cases", f"{len(cases):,} cases are not possible", f"Give 1 to {MAX_CASES:,}.")
    if "default" in cases:
        site.add("cases.default", "`default` is no case", "Write `default:` beside `cases:`, one level up.")
    listed = tuple((key, _case(key, cases[key], site)) for key in sorted(cases))
    default = None if values["default"] is None else _arm(values["default"], "default", site)
    return None if template is None else SwitchBody(value=template, cases=listed, default=default)


def _case(key: str, steps: Json, site: Site) -> StepList:
    if not isinstance(steps, list):
        said = f"the case {key!r} must be a list of steps, not {describe(steps)}"
        site.add(f"cases.{key}", said, "A case is a list of steps, even if there is only one; [] does nothing.")
        return EMPTY
    return _arm(steps, f"cases.{key}", site)


def loop(values: Values, site: Site) -> LoopBody | None:
    """The body of a loop step."""
    over, asked = values["over"], values["while"]
    if (over is None) == (asked is None):
        said = "both 'over' and 'while'" if over is not None else "neither 'over' nor 'while'"
        site.add("", f"a loop has {said}", "Give exactly one: `over` a list, or `while` a condition holds.")
    as_ = _as(values["as"], site)
    roots = ("item", "index", as_) if over is not None else ("index", "previous")
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
    scope = site.scope.inside(("index", "previous")).end(steps)
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


def parallel(values: Values, site: Site) -> ParallelBody | None:
    """The body of a parallel step."""
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


def map_(values: Values, site: Site) -> MapBody | None:
    """The body of a map step."""
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


def sub_workflow(values: Values, site: Site) -> SubWorkflowBody | None:
    """The body of a sub_workflow step."""
    agent, given = values["agent"], values["steps"]
    if (agent is None) == (given is None) and not site.is_wrong("agent", "steps"):
        said = "both 'agent' and 'steps'" if agent is not None else "neither 'agent' nor 'steps'"
        site.add("", f"a sub_workflow has {said}", "Give exactly one: the name of an agent, or steps of its own.")
    version = values["version"]
    if version is not None and agent is None:
        site.add("version", "only an agent has a version", "Remove it, or name the agent.")
    elif isinstance(version, str) and VERSION.fullmatch(version) is None:
        cure = "Write 4 or more of its 64 hexadecimal digits, or leave it out for the current one."
        site.add("version", f"{describe(version)} is not how a version begins", cure)
    inputs = site.template(values["inputs"], "inputs")
    steps = None if given is None else _closed(site, values).steps(given, "steps")
    outputs = _outputs(values, site)
    if inputs is None or (values["outputs"] is not None and outputs is None):
        return None
    return SubWorkflowBody(
        inputs=inputs,
        steps=steps,
        agent=cast("str | None", agent),
        version=cast("str | None", version),
        outputs=outputs,
    )


def _closed(site: Site, values: Values) -> Site:
    """The scope of inline steps: it sees its own inputs and nothing of what is around."""
    inputs = values["inputs"]
    names = tuple(inputs) if isinstance(inputs, dict) else ()
    return site.within(Scope(World(site.scope.world.entries, names, within=str(values["id"]))))


def _outputs(values: Values, site: Site) -> Template | None:
    """What is made of the end: over `output`, and over every inner step of inline ones."""
    given = values["steps"]
    scope = site.scope if given is None else _closed(site, values).scope.end(given)
    return site.within(scope.also("output")).template(values["outputs"], "outputs")
