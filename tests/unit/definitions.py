"""Agent definitions that hypothesis makes up: valid ones from the tables of fields, and ways to break them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import strategies as st

from trackrecord.agent import tables
from trackrecord.workflow import vocabulary
from trackrecord.workflow.fields import Field, Table

Definition = dict[str, Any]
Place = tuple[str | int, ...]

WORDS = st.sampled_from(["red", "green", "a_b", "x1"])
LINES = st.sampled_from(["one", "two words", "ü: x", "x" * 60])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**13)
    | st.floats(-1, 1e6)
    | st.sampled_from(["", " ", "a\nb", "{{", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "id", "type"]), inner, max_size=2)
    ),
    max_leaves=3,
)


def value_of(spec: Field) -> st.SearchStrategy[Any]:
    """Values that a field may hold, as far as the table knows."""
    if spec.choices:
        return st.sampled_from(spec.choices)
    least, most = spec.least, spec.most
    match spec.kind:
        case "integer":
            return st.integers(int(least or 0), int(most or 10**6))
        case "number":
            return st.floats(least or 0, most or 10**6) | st.just(int(least or 0) + 1)
        case "flag":
            return st.booleans()
        case "word":
            return WORDS
        case "line" | "text":
            return LINES
        case _:
            return st.none()


def some_of(table: Table, *left_out: str) -> st.SearchStrategy[Definition]:
    """Some of a table's optional fields that its kinds alone describe."""
    plain = {
        name: value_of(spec) | st.none()
        for name, spec in table.items()
        if spec.kind in ("integer", "number", "flag", "word", "line", "text") and name not in left_out
    }
    return st.fixed_dictionaries({}, optional=cast("dict[str, st.SearchStrategy[Any]]", plain))


CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["inputs.n > 1", "{{ inputs.n }} == 2", True, False])
    | st.sampled_from(
        [
            {"field": "inputs.n", "operator": "greater_than", "value": 3},
            {"field": "{{ inputs.text }}", "operator": "contains", "value": "x"},
            {"field": "inputs.n", "operator": "exists"},
        ]
    ),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=3,
)
RETRIES = some_of(vocabulary.RETRY)
TRANSFORMS = st.sampled_from(
    [
        {"operation": "set", "value": {"n": "{{ inputs.n }}"}},
        {"operation": "map", "input": "{{ inputs.list }}", "value": "item.a"},
        {"operation": "filter", "input": "{{ inputs.list }}", "condition": "item.a > 1"},
        {"operation": "sort", "input": [3, 1], "order": "desc"},
        {"operation": "group", "input": "{{ inputs.list }}", "by": ["a", "b"]},
        {"operation": "aggregate", "input": "{{ inputs.list }}", "values": {"n": "count", "sum": {"sum": "a"}}},
        {"operation": "select", "input": "{{ inputs.list }}", "fields": {"a": "b.c"}},
        {"operation": "flatten", "input": "{{ inputs.list }}", "depth": 2},
        {"operation": "deduplicate", "input": "{{ inputs.list }}"},
        {"operation": "join", "left": "{{ inputs.list }}", "right": [], "on": "a", "how": "outer"},
    ]
)
OWN_FIELDS = {
    "action": st.fixed_dictionaries({"plugin": st.just("demo"), "action": st.just("echo")}),
    "llm": st.fixed_dictionaries(
        {"prompt": st.just("Say {{ inputs.text }}.")},
        optional={"input": ANYTHING.filter(lambda one: "{{" not in str(one))},
    ),
    "agent": st.fixed_dictionaries({}, optional={"plugins": st.just(["demo"])}),
    "transform": TRANSFORMS,
    "validate": st.sampled_from(
        [
            {"value": "{{ inputs.text }}", "schema": {"type": "string"}},
            {"value": 3, "rules": ["value > 2", {"condition": "value < 4", "message": "{{ value }}"}]},
            {"value": [1], "rules": [{"field": "value", "operator": "exists", "message": "x"}], "schema": {}},
        ]
    ),
    "compare": st.fixed_dictionaries(
        {
            "left": st.just("{{ inputs.n }}"),
            "right": ANYTHING.filter(lambda one: one is not None and "{{" not in str(one)),
        }
    ),
    "approval": st.sampled_from(
        [
            {"message": "Go?"},
            {"message": "{{ inputs.text }}?", "approvers": ["ann", "bob"], "needs": "all", "timeout": "2d"},
            {"message": "Go?", "approvers": "{{ inputs.list }}", "timeout": 5_000},
        ]
    ),
    "sub_workflow": st.sampled_from(
        [
            {"agent": "other"},
            {"agent": "other", "version": "abcd", "inputs": {"n": "{{ inputs.n }}"}, "outputs": {"a": 1}},
        ]
    ),
    "delay": st.sampled_from(
        [{"duration": "1.5h"}, {"duration": 20}, {"until": "2030-12-31T23:59:00Z"}, {"duration": "{{ inputs.n }}"}]
    ),
}


def own_of(step: Definition) -> Definition:
    """Who has to approve, when somebody is named."""
    return {"needs": step["needs"]} if step.get("approvers") and step.get("needs") else {}


@st.composite
def leaves(draw: st.DrawFn) -> Definition:
    """A step without steps inside."""
    kind = draw(st.sampled_from([*OWN_FIELDS]))
    common = draw(some_of(vocabulary.COMMON, "id", "type", "output"))
    own = draw(
        some_of(
            vocabulary.BODIES[cast("Any", kind)],
            *draw(OWN_FIELDS[kind]),
            "until",
            "agent",
            "version",
            "operation",
            "plugin",
            "action",
            "prompt",
        )
    )
    step = {"id": "x", "type": kind, **common, **own, **draw(OWN_FIELDS[kind])}
    if kind == "approval":  # with fields of their own that go together
        step = {name: item for name, item in step.items() if name not in ("timeout_ms", "needs")} | own_of(step)
    if draw(st.booleans()):
        step["if"] = draw(CONDITIONS)
    if draw(st.booleans()) and step.get("effect") != "unsafe":
        step["retry"] = draw(RETRIES)
    if draw(st.booleans()):
        step["on_error"] = draw(st.sampled_from(["fail", "continue"]))
    return step


def _containing(inner: st.SearchStrategy[Definition]) -> st.SearchStrategy[Definition]:
    lists = st.lists(inner, min_size=1, max_size=3)
    loops = some_of(vocabulary.BODIES["loop"], "as", "concurrency")
    return st.one_of(
        st.builds(
            lambda asked, then: {"id": "x", "type": "conditional", "condition": asked, "then": then}, CONDITIONS, lists
        ),
        st.builds(
            lambda steps, own: {"id": "x", "type": "loop", "over": "{{ inputs.list }}", "steps": steps, **own},
            lists,
            loops,
        ),
        st.builds(lambda asked, steps: {"id": "x", "type": "loop", "while": asked, "steps": steps}, CONDITIONS, lists),
        st.builds(
            lambda steps, own: {"id": "x", "type": "map", "over": [1, 2], "as": "row", "steps": steps, **own},
            lists,
            some_of(vocabulary.BODIES["map"], "as"),
        ),
        st.builds(
            lambda one, two: {"id": "x", "type": "parallel", "branches": {"left": one, "b-2": two}}, lists, lists
        ),
        st.builds(lambda one: {"id": "x", "type": "parallel", "branches": [one], "join": "any"}, lists),
        st.builds(
            lambda one, two: {
                "id": "x",
                "type": "switch",
                "value": "{{ inputs.n }}",
                "cases": {"1": one, "": []},
                "default": two,
            },
            lists,
            lists,
        ),
        st.builds(
            lambda steps: {
                "id": "x",
                "type": "sub_workflow",
                "inputs": {name: f"{{{{ inputs.{name} }}}}" for name in ("n", "text", "list")},
                "steps": steps,
                "outputs": {"o": "{{ output }}"},
            },
            lists,
        ),
        st.builds(lambda step, other: {**step, "on_error": {"fallback": other}}, inner, inner),
    )


STEPS = st.recursive(leaves(), _containing, max_leaves=5)


def numbered(steps: list[Definition]) -> list[Definition]:
    """The same steps, each with an id of its own."""
    made = copy.deepcopy(steps)
    for number, step in enumerate(every_step(made), 1):
        step["id"] = f"s{number}"
    return made


def every_step(value: Any) -> Iterator[Definition]:
    """Every mapping that says of which type it is and has an id."""
    if isinstance(value, dict):
        if "id" in value and "type" in value:
            yield value
        for name, item in value.items():
            if name not in ("input", "params"):
                yield from every_step(item)
    elif isinstance(value, list):
        for item in value:
            yield from every_step(item)


@st.composite
def agents(draw: st.DrawFn) -> Definition:
    """A definition that can be used."""
    made: Definition = {"name": "made up", "plugins_required": ["demo", {"name": "files", "optional": True}]}
    made |= draw(some_of(tables.AGENT, "id", "name", "timezone", "schedule", "model"))
    made |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "model": st.just("scripted:x.yaml"),
                "schedule": st.sampled_from(["0 9 * * mon-fri", "*/5 * * * *"]),
                "limits": some_of(tables.LIMITS),
                "memory": st.booleans() | some_of(tables.MEMORY),
                "payloads": some_of(tables.PAYLOADS),
                "fallback_models": st.lists(st.sampled_from(["a:b", "c:d"]), unique=True),
                "input_schema": st.lists(some_of(tables.INPUT, "name", "type"), max_size=3).map(_named),
                "output_schema": st.just(
                    {"type": "object", "properties": {"n": {"type": ["integer", "null"], "source": "1"}}}
                ),
            },
        )
    )
    if draw(st.booleans()):
        made["workflow_steps"] = numbered(draw(st.lists(STEPS, min_size=1, max_size=3)))
        made.pop("input_schema", None)
    return made


def _named(fields: list[Definition]) -> list[Definition]:
    return [{**one, "name": f"n{number}", "type": "string"} for number, one in enumerate(fields)]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place inside a value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*at, name)
            yield from places(item, (*at, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (*at, index)
            yield from places(item, (*at, index))


@st.composite
def broken(draw: st.DrawFn, definition: Definition) -> Definition:
    """The definition changed at one place: something else there, gone, misspelt, or something there that was not."""
    made = copy.deepcopy(definition)
    *above, last = draw(st.sampled_from(list(places(made))))
    parent: Any = made
    for part in above:
        parent = parent[part]
    how = draw(st.sampled_from(["replaced", "gone", "misspelt", "added", "renamed"]))
    if how == "gone":
        del parent[last]
    elif how == "replaced" or isinstance(parent, list):
        parent[last] = draw(ANYTHING)
    elif how == "added":
        parent[
            draw(st.sampled_from(["paralel", "name", "type", "retry", "parallel", "config", "over", "duration", "$t"]))
        ] = draw(ANYTHING)
    else:
        olds = {new: old for old, new in [*tables.OLD_NAMES.items(), *_older_fields()]}
        parent[olds.get(last, f"{last}s") if how == "renamed" else f"{last}x"] = parent.pop(last)
    return made


def _older_fields() -> Iterator[tuple[str, str]]:
    from trackrecord.workflow.aliases import OLD_COMMON, OLD_FIELDS, OLD_RETRY

    yield from OLD_COMMON.items()
    yield from OLD_RETRY.items()
    for fields in OLD_FIELDS.values():
        yield from fields.items()
