"""The declared counts of a workflow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.workflow.declared import walk
from trackrecord.workflow.grammar import parse_workflow
from trackrecord.workflow.steps import Declared, Workflow


def _parsed(steps: list[Json]) -> Workflow:
    workflow, problems = parse_workflow(steps)
    assert () == problems
    assert workflow is not None
    return workflow


def _llm(step_id: str) -> dict[str, Json]:
    return {"id": step_id, "type": "llm", "prompt": "x"}


def test_every_step_object_counts_once() -> None:
    """Containers, what is in them, and fallbacks count; a branch not taken counts as well."""
    steps: list[Json] = [
        {"id": "a", "type": "conditional", "condition": "1 < 2", "then": [_llm("b")], "else": [_llm("c")]},
        {"id": "d", "type": "loop", "over": [1, 2], "steps": [_llm("e")]},
        {"id": "f", "type": "parallel", "branches": {"x": [_llm("g")], "y": [_llm("h"), _llm("i")]}},
        {"id": "j", "type": "map", "over": [1], "steps": [_llm("k")]},
        {**_llm("l"), "on_error": {"fallback": _llm("m")}},
        {
            "id": "n",
            "type": "switch",
            "value": "{{ steps.a.data }}",
            "cases": {"x": [_llm("o")], "y": []},
            "default": [_llm("p")],
        },
        {"id": "q", "type": "sub_workflow", "steps": [_llm("r"), _llm("s")]},
        {"id": "t", "type": "sub_workflow", "agent": "other"},
    ]

    assert Declared(steps=20, branches=2, loops=1, parallel=2) == _parsed(steps).declared


def test_walk_goes_in_the_order_written() -> None:
    """Each step comes before what is inside it, fallbacks after the inner steps."""
    steps: list[Json] = [
        {
            "id": "a",
            "type": "loop",
            "over": [1],
            "steps": [{"id": "b", "type": "loop", "over": [1], "steps": [_llm("c")]}, _llm("d")],
            "on_error": {"fallback": _llm("e")},
        },
        _llm("f"),
    ]

    assert list("abcdef") == [step.id for step in walk(_parsed(steps).steps)]


@st.composite
def _trees(draw: st.DrawFn) -> tuple[list[Json], dict[str, int]]:
    counts = {"steps": 0, "branches": 0, "loops": 0, "parallel": 0}

    def steps(depth: int) -> list[Json]:
        return [step(depth) for _ in range(draw(st.integers(1, 3)))]

    def step(depth: int) -> Json:
        counts["steps"] += 1
        step_id = f"s{counts['steps']}"
        kinds = ("llm", "conditional", "switch", "loop", "parallel", "map", "sub_workflow")
        kind = draw(st.sampled_from(kinds)) if depth else "llm"
        match kind:
            case "conditional":
                counts["branches"] += 1
                return {"id": step_id, "type": kind, "condition": "1 < 2", "then": steps(depth - 1), "else": []}
            case "switch":
                counts["branches"] += 1
                cases: dict[str, Json] = {"a": steps(depth - 1), "b": []}
                return {
                    "id": step_id,
                    "type": kind,
                    "value": "{{ inputs.x }}",
                    "cases": cases,
                    "default": steps(depth - 1),
                }
            case "sub_workflow":
                return {"id": step_id, "type": kind, "inputs": {"x": 1}, "steps": steps(depth - 1)}
            case "loop" | "map":
                counts["loops" if kind == "loop" else "parallel"] += 1
                return {"id": step_id, "type": kind, "over": [1], "steps": steps(depth - 1)}
            case "parallel":
                counts["parallel"] += 1
                return {"id": step_id, "type": kind, "branches": [steps(depth - 1), steps(depth - 1)]}
            case _:
                return _llm(step_id)

    return steps(3), counts


@given(_trees())
def test_counts_equal_what_was_written(drawn: tuple[list[Json], dict[str, int]]) -> None:
    """Whatever the tree, the four counts are the numbers of steps of each kind in it."""
    steps, counts = drawn

    assert Declared(**counts) == _parsed(steps).declared
