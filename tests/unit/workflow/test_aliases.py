"""The older vocabulary read as today's."""

from __future__ import annotations

import pytest

from trackrecord.canonical import Json
from trackrecord.workflow.aliases import normal_id, resolve
from trackrecord.workflow.grammar import parse_workflow


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ai_processing", "llm"),
        ("llm_decision", "llm"),
        ("branch", "conditional"),
        ("iteration", "loop"),
        ("parallel_group", "parallel"),
        ("scatter_gather", "map"),
        ("human_approval", "approval"),
        ("validation", "validate"),
        ("comparison", "compare"),
        ("plugin_action", "action"),
    ],
)
def test_older_step_types_are_read(old: str, new: str) -> None:
    """Each older step type has one name today."""
    assert [{"id": "a", "type": new}] == resolve([{"id": "a", "type": old}]).steps


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "llm", "dependencies": ["x"]}, {"type": "llm", "depends_on": ["x"]}),
        ({"type": "llm", "executeIf": "1 < 2"}, {"type": "llm", "if": "1 < 2"}),
        ({"type": "llm", "continueOnError": True}, {"type": "llm", "on_error": "continue"}),
        ({"type": "llm", "continueOnError": False}, {"type": "llm"}),
        ({"type": "llm", "params": {"a": 1}}, {"type": "llm", "input": {"a": 1}}),
        ({"type": "branch", "then_steps": [], "else_steps": []}, {"type": "conditional", "then": [], "else": []}),
        (
            {"type": "loop", "iterateOver": "{{ inputs.a }}", "loopSteps": [], "maxIterations": 5},
            {"type": "loop", "over": "{{ inputs.a }}", "steps": [], "max_iterations": 5},
        ),
        ({"type": "loop", "parallel": True}, {"type": "loop", "concurrency": 8}),
        ({"type": "loop", "parallel": True, "concurrency": 2}, {"type": "loop", "concurrency": 2}),
        ({"type": "loop", "parallel": False}, {"type": "loop"}),
        ({"type": "map", "parallel": True}, {"type": "map"}),
        (
            {"type": "parallel_group", "steps": [{"id": "b"}, {"id": "c"}]},
            {"type": "parallel", "branches": [[{"id": "b"}], [{"id": "c"}]]},
        ),
        (
            {"parallel": True, "steps": [{"id": "b"}, {"id": "c"}]},
            {"type": "parallel", "branches": [[{"id": "b"}], [{"id": "c"}]]},
        ),
        (
            {
                "type": "scatter_gather",
                "scatter": {
                    "input": "{{ inputs.a }}",
                    "steps": [{"id": "b"}],
                    "maxConcurrency": 3,
                    "itemVariable": "x",
                },
                "gather": {"operation": "collect"},
            },
            {
                "type": "map",
                "over": "{{ inputs.a }}",
                "steps": [{"id": "b"}],
                "max_concurrency": 3,
                "as": "x",
                "collect": "list",
            },
        ),
        (
            {"type": "llm", "retryPolicy": {"maxRetries": 2, "backoffMs": 500, "backoffMultiplier": 3}},
            {"type": "llm", "retry": {"max_attempts": 3, "initial_ms": 500, "multiplier": 3}},
        ),
        ({"type": "delay", "duration_ms": 10}, {"type": "delay", "duration": 10}),
        ({"type": "transform", "config": {"by": "x"}}, {"type": "transform", "by": "x"}),
    ],
)
def test_older_fields_are_read(old: dict[str, Json], new: dict[str, Json]) -> None:
    """Each older field has one name, and one shape, today."""
    assert [{"id": "a", **new}] == resolve([{"id": "a", **old}]).steps


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("fetch", "fetch"),
        ("fetch-orders", "fetch_orders"),
        ("2nd", "_2nd"),
        (7, "_7"),
        ("Fetch", "Fetch"),
        ("a b", "a b"),
        ("", ""),
        (True, True),
        (None, None),
    ],
)
def test_ids_are_normalised(written: Json, used: Json) -> None:
    """Hyphens and leading digits are mended; what no rule mends is left for the grammar to name."""
    assert used == normal_id(written)


def test_the_original_id_stays_as_the_name() -> None:
    """People find their own spelling again, unless they gave a name."""
    steps = resolve([{"id": "step-1"}, {"id": "step-2", "name": "Second"}]).steps

    assert [{"id": "step_1", "name": "step-1"}, {"id": "step_2", "name": "Second"}] == steps


def test_dependencies_follow_the_normalised_ids() -> None:
    """A dependency written in the older spelling finds its step."""
    steps = [
        {"id": "step-1", "type": "ai_processing", "prompt": "x"},
        {"id": "2", "type": "ai_processing", "prompt": "{{ steps.step_1.data }}", "dependencies": ["step-1"]},
    ]

    workflow, problems = parse_workflow(steps)

    assert () == problems
    assert workflow is not None
    assert ("step_1",) == workflow.steps.steps[1].depends_on
    assert ("_2", "2") == (workflow.steps.steps[1].id, workflow.steps.steps[1].name)


def test_aliases_are_read_at_every_depth() -> None:
    """Bodies, branches and fallbacks speak the older vocabulary as well."""
    inner = {"id": "x", "type": "plugin_action"}
    steps = [
        {"id": "a", "type": "branch", "then_steps": [{"id": "b", "type": "iteration", "loopSteps": [inner]}]},
        {"id": "c", "type": "parallel", "branches": {"left": [inner]}},
        {"id": "d", "type": "llm", "on_error": {"fallback": inner}},
    ]
    new = {"id": "x", "type": "action"}

    assert [
        {"id": "a", "type": "conditional", "then": [{"id": "b", "type": "loop", "steps": [new]}]},
        {"id": "c", "type": "parallel", "branches": {"left": [new]}},
        {"id": "d", "type": "llm", "on_error": {"fallback": new}},
    ] == resolve(steps).steps


def test_neighbours_marked_parallel_run_side_by_side() -> None:
    """In a list that declares nothing the mark becomes the dependencies it stands for."""
    steps = [
        {"id": "a"},
        {"id": "b", "parallel": True},
        {"id": "c", "parallel": True},
        {"id": "d"},
        {"id": "e"},
    ]

    assert [
        {"id": "a"},
        {"id": "b", "depends_on": ["a"]},
        {"id": "c", "depends_on": ["a"]},
        {"id": "d", "depends_on": ["b", "c"]},
        {"id": "e", "depends_on": ["d"]},
    ] == resolve(steps).steps


def test_a_declared_graph_wins_over_the_parallel_mark() -> None:
    """Where dependencies are declared the mark says nothing new and is left out."""
    steps = [{"id": "a"}, {"id": "b", "parallel": True, "depends_on": ["a"]}]

    assert [{"id": "a"}, {"id": "b", "depends_on": ["a"]}] == resolve(steps).steps


def test_resolving_twice_changes_nothing_more() -> None:
    """Today's vocabulary resolves to itself, so that a stored definition loads as the same version."""
    steps = [
        {"id": "step-1", "type": "ai_processing", "prompt": "x", "retryPolicy": {"maxRetries": 1}},
        {"id": "b", "parallel": True, "type": "iteration", "loopSteps": [{"id": "c"}]},
        {"id": "d", "type": "parallel_group", "steps": [{"id": "e"}], "continueOnError": True},
    ]
    once = resolve(steps).steps

    assert once == resolve(once).steps


def test_the_argument_is_left_alone() -> None:
    """A caller's definition is never changed under its hands."""
    steps = [{"id": "step-1", "type": "branch", "then_steps": [{"id": "x-1", "parallel": True}]}]

    resolve(steps)

    assert [{"id": "step-1", "type": "branch", "then_steps": [{"id": "x-1", "parallel": True}]}] == steps


def test_a_field_given_under_both_names_is_a_problem() -> None:
    """Nothing is dropped silently when the older and the newer name disagree."""
    _, problems = parse_workflow([{"id": "a", "type": "llm", "prompt": "x", "if": "1 < 2", "executeIf": "2 < 1"}])

    assert ["workflow_steps[0].executeIf: 'executeIf' is the older name of 'if', which is given too. Keep one."] == [
        str(problem) for problem in problems
    ]


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"type": "iteration", "iterateOver": [1], "loopSteps": [{}]}, "workflow_steps[0].loopSteps[0]"),
        ({"type": "parallel_group", "steps": [{}]}, "workflow_steps[0].steps[0]"),
        ({"type": "scatter_gather", "scatter": {"input": [1], "steps": [{}]}}, "workflow_steps[0].scatter.steps[0]"),
        ({"type": "branch", "condition": "1 < 2", "then_steps": [{}]}, "workflow_steps[0].then_steps[0]"),
    ],
)
def test_problems_are_reported_where_the_author_wrote_them(step: dict[str, Json], path: str) -> None:
    """A path in a problem is spelled as in the file, whatever the vocabulary."""
    _, problems = parse_workflow([{"id": "a", **step}])

    assert {path} == {problem.path for problem in problems}
