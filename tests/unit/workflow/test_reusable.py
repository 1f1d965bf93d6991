"""What a retry or a fork takes over: what surely precedes its place, and nothing that it would have to do anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from trackrecord import Agent
from trackrecord.errors import BadInput
from trackrecord.workflow.reusable import Attempt, failed_at, find, reusable
from trackrecord.workflow.steps import StepList


def act(step_id: str, **fields: Any) -> dict[str, Any]:
    """A step with one effect, at `s:<id>/tool`."""
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "add", "params": {"a": 1, "b": 2}, **fields}


def steps_of(*steps: Mapping[str, Any]) -> StepList:
    """The checked steps."""
    agent = Agent.from_mapping({"name": "a", "plugins_required": ["kit"], "workflow_steps": list(steps)})
    assert agent.workflow is not None
    return agent.workflow.steps


def loop(**fields: Any) -> dict[str, Any]:
    """A loop of two steps."""
    return {"id": "each", "type": "loop", "over": [1, 2, 3], "steps": [act("a"), act("b")], **fields}


def many() -> dict[str, Any]:
    """A map of two steps."""
    return {"id": "each", "type": "map", "over": [1, 2, 3], "steps": [act("a"), act("b")]}


ITERATIONS = [f"s:each/i:{number}/s:{step}/tool" for number in (1, 2, 3) for step in ("a", "b")]
BRANCHES = {"left": [act("l1"), act("l2")], "right": [act("r1"), act("r2")]}
SPLIT = {"id": "both", "type": "parallel", "branches": BRANCHES}
OF_BRANCHES = [
    f"s:both/b:{name}/s:{step}/tool"
    for name, steps in (("left", "l1 l2"), ("right", "r1 r2"))
    for step in steps.split()
]
GRAPH = [
    act("root"), act("mid", depends_on=["root"]), act("side", depends_on=["root"]), act("last", depends_on=["mid"]),
    act("free"),
]  # fmt: skip
CASES: dict[str, tuple[Sequence[Mapping[str, Any]], str, Sequence[str], Sequence[str]]] = {
    "in order: what stands before": (
        [act("one"), act("two"), act("three")],
        "two",
        ["recall", "s:one/tool", "s:two/tool", "s:three/tool", "summary/model"],
        ["recall", "s:one/tool"],
    ),
    "a graph: all that does not wait for it": (
        GRAPH,
        "mid",
        [f"s:{name}/tool" for name in ("root", "mid", "side", "last", "free")],
        ["s:root/tool", "s:side/tool", "s:free/tool"],
    ),
    "a dash in the name": ([act("one"), act("two_b")], "two-b", ["s:one/tool", "s:two_b/tool"], ["s:one/tool"]),
    "a path": ([act("one"), act("two")], "s:two", ["s:one/tool", "s:two/tool"], ["s:one/tool"]),
    "a path with its ending": ([act("one"), act("two")], "s:two/tool", ["s:one/tool", "s:two/tool"], ["s:one/tool"]),
    "a loop: only the first iteration": ([loop(), act("z")], "b", [*ITERATIONS, "s:z/tool"], ITERATIONS[:1]),
    "a loop: the first step of it": ([act("y"), loop()], "a", ["s:y/tool", *ITERATIONS], ["s:y/tool"]),
    "a loop: an iteration by its number": ([loop()], "s:each/i:2/s:b", ITERATIONS, ITERATIONS[:3]),
    "a loop with concurrency: every iteration": (
        [loop(concurrency=2)], "b", ITERATIONS, [ITERATIONS[0], ITERATIONS[2], ITERATIONS[4]]
    ),
    "a loop with concurrency: one iteration": (
        [loop(concurrency=2)], "s:each/i:2/s:a", ITERATIONS, [*ITERATIONS[:2], *ITERATIONS[4:]]
    ),
    "a while loop": (
        [{"id": "each", "type": "loop", "while": "index < 3", "max_iterations": 5, "steps": [act("a"), act("b")]}],
        "b", ITERATIONS, ITERATIONS[:1],
    ),
    "a map: every item": ([many()], "b", ITERATIONS, [ITERATIONS[0], ITERATIONS[2], ITERATIONS[4]]),
    "a map one at a time": ([many() | {"max_concurrency": 1}], "b", ITERATIONS, ITERATIONS[:1]),
    "the container itself": ([act("y"), loop()], "each", ["s:y/tool", *ITERATIONS], ["s:y/tool"]),
    "after a container": ([loop(), act("z")], "z", [*ITERATIONS, "s:z/tool"], ITERATIONS),
    "parallel: the other branch is kept": ([SPLIT], "l2", OF_BRANCHES, ["s:both/b:left/s:l1/tool", *OF_BRANCHES[2:]]),
    "a race is run anew as a whole": (
        [act("one"), {**SPLIT, "join": "any"}], "l2",
        ["s:one/tool", *OF_BRANCHES, "s:both/decision"], ["s:one/tool"],
    ),
    "after a race its decision stands": (
        [{**SPLIT, "join": "any"}, act("z")], "z",
        [*OF_BRANCHES, "s:both/decision", "s:z/tool"], [*OF_BRANCHES, "s:both/decision"],
    ),
    "conditional": (
        [act("one"), {"id": "if_", "type": "conditional", "condition": "true", "then": [act("t1"), act("t2")]}],
        "t2", ["s:one/tool", "s:if_/b:then/s:t1/tool", "s:if_/b:then/s:t2/tool"],
        ["s:one/tool", "s:if_/b:then/s:t1/tool"],
    ),
    "switch": (
        [{"id": "sw", "type": "switch", "value": "{{ run.agent }}", "cases": {"x": [act("x1"), act("x2")]}}],
        "x2", ["s:sw/case:1/s:x1/tool", "s:sw/case:1/s:x2/tool"], ["s:sw/case:1/s:x1/tool"],
    ),
    "inline sub-workflow": (
        [{"id": "sub", "type": "sub_workflow", "inputs": {}, "steps": [act("i1"), act("i2")]}, act("z")],
        "i2", ["s:sub/s:i1/tool", "s:sub/s:i2/tool", "s:z/tool"], ["s:sub/s:i1/tool"],
    ),
    "a fallback: what failed before it is kept": (
        [act("one", on_error={"fallback": act("other")})],
        "other", ["s:one/tool!", "s:one/s:other/tool"], ["s:one/tool!"],
    ),
    "a step with a fallback": (
        [act("one", on_error={"fallback": act("other")})], "one", ["s:one/tool!", "s:one/s:other/tool"], [],
    ),
    "a turn of an agent step": (
        [{"id": "ask", "type": "agent", "prompt": "p"}, act("z")],
        "s:ask/turn:2",
        ["recall", "s:ask/turn:1/model", "s:ask/turn:1/call:1/tool!", "s:ask/turn:2/model", "s:z/tool"],
        ["recall", "s:ask/turn:1/model", "s:ask/turn:1/call:1/tool!"],
    ),
    "later tries of what is around it": (
        [loop(retry={"max_attempts": 2})], "b",
        ["s:each/i:1/s:a/tool", "s:each/i:1/s:b/tool!", "s:each/try:2/i:1/s:a/tool", "s:each/try:2/i:1/s:b/tool"],
        ["s:each/i:1/s:a/tool"],
    ),
    "tries of what precedes it": (
        [loop(retry={"max_attempts": 2}), act("z")], "z",
        ["s:each/i:1/s:a/tool!", "s:each/try:2/i:1/s:a/tool"], ["s:each/i:1/s:a/tool!", "s:each/try:2/i:1/s:a/tool"],
    ),
    "a failure that was accepted": (
        [act("one", on_error="continue"), act("two")], "two", ["s:one/tool!", "s:two/tool"], ["s:one/tool!"],
    ),
    "a failure that a container accepted": (
        [loop(on_error="continue"), act("two")], "two", ["s:each/i:1/s:a/tool!"], ["s:each/i:1/s:a/tool!"],
    ),
    "a failure that what is done anew accepts": (
        [{**SPLIT, "on_error": "continue"}], "l1", ["s:both/b:left/s:l1/tool", "s:both/b:right/s:r1/tool!"], [],
    ),
    "a failure beside it that nothing accepted": (
        [SPLIT], "l1", ["s:both/b:right/s:r1/tool", "s:both/b:right/s:r2/tool!"], ["s:both/b:right/s:r1/tool"],
    ),
    "a failed item that was collected": (
        [many() | {"on_item_error": "collect"}], "s:each/i:2/s:a",
        ["s:each/i:1/s:a/tool!", "s:each/i:2/s:a/tool"], ["s:each/i:1/s:a/tool!"],
    ),
    "an end that nobody knows": ([act("one"), act("two")], "two", ["s:one/tool?"], []),
}  # fmt: skip


def attempts(paths: Sequence[str]) -> list[Attempt]:
    """One attempt for each path; `!` behind it failed, `?` is open."""
    ends = {"!": "failure", "?": "open"}
    return [Attempt(path.rstrip("!?"), 1, ends.get(path[-1], "value")) for path in paths]  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_what_precedes_a_step(case: str) -> None:
    """The paths that a run which begins at the step takes over."""
    definition, begin, paths, expected = CASES[case]
    steps = steps_of(*definition)
    given = attempts(paths)
    place = find(steps, begin, [one.path for one in given])
    assert [(path.rstrip("!?"), 1) for path in expected] == list(reusable(steps, place, given))


def test_attempts() -> None:
    """Of what succeeded the last attempt, of what was accepted as failed all of them, of what is open none."""
    steps = steps_of(act("one", on_error="continue"), act("two"), act("three"))
    given = [
        Attempt("s:one/tool", 2, "failure"), Attempt("s:one/tool", 1, "failure"), Attempt("s:two/tool", 1, "failure"),
        Attempt("s:two/tool", 2, "open"), Attempt("s:two/tool", 3, "value"), Attempt("s:three/tool", 1, "failure"),
        Attempt("s:three/tool", 2, "open"),
    ]  # fmt: skip
    expected = (("s:one/tool", 1), ("s:one/tool", 2), ("s:two/tool", 3))
    assert expected == reusable(steps, None, given)


def test_turns() -> None:
    """A run of turns keeps what it recalled and the turns before, failed calls with them: the model was told."""
    given = attempts(
        ["recall", "turn:1/model", "turn:1/call:1/tool!", "turn:2/model", "turn:2/call:1/tool", "turn:10/model"]
    )
    place = find(None, "turn:2", [one.path for one in given])
    expected = (("recall", 1), ("turn:1/model", 1), ("turn:1/call:1/tool", 1))
    assert expected == reusable(None, place, given)


@pytest.mark.parametrize(
    ("path", "is_last_turn", "expected"),
    [
        ("turn:3/model", False, "turn:3"),
        (None, False, None),
        (None, True, "turn:3"),
        ("output", False, None),
    ],
)
def test_where_a_run_of_turns_failed(path: str | None, is_last_turn: bool, expected: str | None) -> None:
    """At its turn; at none when it was stopped."""
    found = failed_at(None, path, ["recall", "turn:1/model", "turn:3/model"], is_last_turn=is_last_turn)
    assert expected == (None if found is None else found.text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s:one/tool", "s:one"),
        ("s:each/i:2/s:b/tool", "s:each/i:2/s:b"),
        ("s:each/try:2/i:3/s:a/tool", "s:each/i:3/s:a"),
        ("s:each", "s:each"),
        ("s:each/i:2/s:gone/tool", "s:each"),
        ("s:ask/turn:4/model", "s:ask/turn:4"),
        ("recall", None),
        (None, None),
    ],
)
def test_where_a_run_of_steps_failed(path: str | None, expected: str | None) -> None:
    """At the step that its error's path names, in its iteration; of a path that leads nowhere the beginning counts."""
    steps = steps_of(act("one"), loop(), {"id": "ask", "type": "agent", "prompt": "p"})
    found = failed_at(steps, path, [], is_last_turn=False)
    assert expected == (None if found is None else found.text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two_", "Did you mean 'two'?"),
        ("elsewhere", "Known: one, each, a, b, ask, two."),
        ("s:each/i:1/s:aa", "Did you mean 's:a'?"),
        ("s:onee", "Did you mean 's:one'?"),
        ("s:each/i:1", "Name one of its steps, or the whole of it as 's:each': s:a, s:b."),
        ("s:one/turn:1", "Name the step itself"),
        ("turn:1", "s:<id>/turn:2"),
        ("s:ask/turn:3", "There are turn:1 to turn:2."),
        ("", "Known: one"),
    ],
)
def test_unknown_steps(name: str, said: str) -> None:
    """A step that is not there is refused, with what was probably meant."""
    steps = steps_of(act("one"), loop(), {"id": "ask", "type": "agent", "prompt": "p"}, act("two"))
    with pytest.raises(BadInput) as caught:
        find(steps, name, ["s:ask/turn:1/model", "s:ask/turn:2/model"])
    assert said in caught.value.cure


@pytest.mark.parametrize(
    ("name", "paths", "said"),
    [
        ("one", ["turn:1/model", "turn:2/model"], "Write turn:1 to turn:2."),
        ("turn:3", ["turn:1/model", "turn:2/model"], "There are turn:1 to turn:2."),
        ("turn:0", ["turn:1/model"], "There are turn:1 to turn:1."),
        ("turn:1", ["recall"], "It has had none."),
        ("one", [], "It has had none: retry it"),
    ],
)
def test_unknown_turns(name: str, paths: Sequence[str], said: str) -> None:
    """A run of turns has no steps, and no more turns than it had."""
    with pytest.raises(BadInput) as caught:
        find(None, name, paths)
    assert said in caught.value.cure


def test_a_large_workflow_is_quick() -> None:
    """Ten thousand steps and their checkpoints are judged in a moment."""
    steps = steps_of(*({"id": f"t{n}", "type": "transform", "operation": "set", "value": n} for n in range(9_999)))
    given = [Attempt(f"s:t{number}/tool", 1, "value") for number in range(9_999)]
    taken = reusable(steps, find(steps, "t5000", []), given)
    assert 5_000 == len(taken)
