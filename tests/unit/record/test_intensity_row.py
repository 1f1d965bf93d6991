"""The stored row: what each run adds, what no order may change, and how it is written and read."""

from __future__ import annotations

from dataclasses import fields
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.figures import BY_HAND, DESIGN, NOTHING, absorbed, any_run, measured, run

from trackrecord.errors import BadInput, TerminalStatus
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import (
    COLUMNS,
    DEFAULTS,
    NULLABLE_COLUMNS,
    TEXT_COLUMNS,
    IntensityRow,
    RunFigures,
    absorb,
    from_columns,
    score,
    score_columns,
    to_columns,
)


def test_row_by_hand() -> None:
    """The row holds sums, counts of reporting runs, peaks and sets, each as added up by hand."""
    expected = IntensityRow(
        total_executions=2,
        successful_executions=1,
        timed_out_executions=1,
        total_tokens=6000,
        runs_with_tokens=2,
        peak_tokens_single_run=4000,
        input_tokens=3000,
        runs_with_input_tokens=2,
        output_tokens=3000,
        runs_with_output_tokens=2,
        cached_input_tokens=500,
        runs_with_cached_input_tokens=1,
        memory_tokens=900,
        runs_with_memory_tokens=2,
        total_duration_ms=24_000,
        runs_with_duration=2,
        peak_duration_ms=20_000,
        total_iterations=11,
        runs_with_iterations=2,
        total_retries=3,
        runs_with_retries=2,
        runs_recovered_by_retry=1,
        total_tool_calls=7,
        runs_with_tool_calls=2,
        distinct_plugins_total=4,
        plugins_ever=("http", "mail", "sheets"),
        tool_orchestration_time_ms=5000,
        runs_with_tool_orchestration=2,
        executed_steps_total=20,
        executed_branches_total=6,
        executed_loop_iterations_total=30,
        executed_parallel_total=3,
        runs_with_workflow=2,
        memory_entries_total=10,
        runs_with_memory_entries=2,
        memory_types_ever=("patterns", "summaries"),
        creation_tokens_used=None,
        recent_output_tokens=((1, 2000), (2, 1000)),
    )
    assert expected == absorbed(BY_HAND)


def test_recent_is_the_last_ten_by_order_of_finishing() -> None:
    """Of twelve runs absorbed backwards the ten with the highest agent_seq are kept, oldest first."""
    row = IntensityRow.empty()
    for seq in range(12, 0, -1):
        row = absorb(row, measured(output_tokens=100 * seq), seq)
    assert tuple((seq, 100 * seq) for seq in range(3, 13)) == row.recent_output_tokens


@pytest.mark.parametrize("status", get_args(TerminalStatus))
def test_each_terminal_state_is_counted(status: TerminalStatus) -> None:
    """Failed is total minus successful; of the failed, each state but `failed` itself has its count."""
    row = absorbed([run(status=status)])
    counted = {
        name.removesuffix("_executions")
        for name in COLUMNS
        if name.endswith("_executions") and name != "total_executions" and getattr(row, name)
    }
    expected = {"completed": {"successful"}, "failed": set[str](), "interrupted_unknown_outcome": {"interrupted"}}
    assert expected.get(status, {status}) == counted
    assert (1, int(status != "completed")) == (row.total_executions, row.failed_executions)


def test_recovered_by_retry() -> None:
    """Only a run that succeeded after a retry was recovered by it."""
    runs = [run(retry_count=2), run(retry_count=0), run(), run(status="failed", retry_count=3)]
    row = absorbed(runs)
    assert (1, 5, 3) == (row.runs_recovered_by_retry, row.total_retries, row.runs_with_retries)


def test_peaks_of_nothing_are_unknown() -> None:
    """A peak is None until a run reports the figure, and 0 once one reported 0."""
    assert (None, None) == (absorbed([run()]).peak_tokens_single_run, absorbed([run()]).peak_duration_ms)
    row = absorbed([run(), measured(), run()])
    assert (0, 0) == (row.peak_tokens_single_run, row.peak_duration_ms)


def test_status_and_success_must_agree() -> None:
    """A run cannot have succeeded and timed out."""
    data = AgentExecutionData(agent_id="a", user_id="u", was_successful=True)
    with pytest.raises(BadInput, match="status is 'timed_out' while was_successful is True"):
        RunFigures(data=data, status="timed_out")


def test_executed_figures_come_together() -> None:
    """An engine either ran the workflow or did not: three of the four executed figures are refused."""
    with pytest.raises(BadInput, match="of which only some are known"):
        run(executed_steps=1, executed_branches=0, executed_parallel=0)


@pytest.mark.parametrize("name", ["cached_input_tokens", "executed_steps"])
def test_figures_of_a_run_are_counts(name: str) -> None:
    """What stands beside the public figures is checked like them."""
    with pytest.raises(BadInput, match=f"^{name} is -1, which is negative"):
        run(**{name: -1})


def test_columns_in_order() -> None:
    """The stored columns are those of the row, then those of the score, each once, ending with the rule."""
    row, result = absorbed(BY_HAND), score(absorbed(BY_HAND), DESIGN)
    assert list(COLUMNS) == list(dict.fromkeys(COLUMNS))
    assert set(COLUMNS) == set(to_columns(row)) | set(score_columns(result))
    assert "rule" == COLUMNS[-1]


def test_column_types() -> None:
    """Text columns hold text, the others whole numbers, and only the nullable ones may hold None."""
    for row in (IntensityRow.empty(), absorbed(BY_HAND)):
        stored = to_columns(row) | score_columns(score(row, NOTHING, DEFAULTS))
        for name in COLUMNS:
            value = stored[name]
            if value is None:
                assert name in NULLABLE_COLUMNS
            else:
                assert type(value) is (str if name in TEXT_COLUMNS else int), name


def test_sets_and_recent_runs_are_json() -> None:
    """Sets are sorted JSON lists, recent runs a list of [agent_seq, tokens]."""
    stored = to_columns(absorbed(BY_HAND))
    assert '["http","mail","sheets"]' == stored["plugins_ever"]
    assert '["patterns","summaries"]' == stored["memory_types_ever"]
    assert "[[1,2000],[2,1000]]" == stored["recent_output_tokens"]


def test_other_columns_are_passed_over() -> None:
    """A whole stored row, keys and cached score included, reads back as the sums."""
    row = absorbed(BY_HAND)
    stored = {"tenant_id": "t", "agent_id": "a"} | to_columns(row) | score_columns(score(absorbed(BY_HAND), DESIGN))
    assert row == from_columns(stored)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("total_tokens", None),
        ("total_tokens", "5"),
        ("total_tokens", 5.0),
        ("plugins_ever", None),
        ("plugins_ever", "{}"),
        ("plugins_ever", "not json"),
        ("plugins_ever", "[1]"),
        ("recent_output_tokens", "[1]"),
        ("recent_output_tokens", '[["1",2]]'),
        ("recent_output_tokens", "[[1,2,3]]"),
    ],
)
def test_a_spoilt_row_is_refused(column: str, value: object) -> None:
    """What no row would have written is refused by name, not scored."""
    with pytest.raises(ValueError, match=rf"column {column} .* rebuild"):
        from_columns(to_columns(IntensityRow.empty()) | {column: value})


@settings(max_examples=60, deadline=None)
@given(st.lists(any_run(), min_size=1, max_size=4))
def test_order_does_not_matter(runs: list[RunFigures]) -> None:
    """Absorbed in any order, the same runs with the same agent_seq leave the same row."""
    numbered = list(enumerate(runs, start=1))
    rows: set[IntensityRow] = set()
    for order in permutations(numbered):
        row = IntensityRow.empty()
        for seq, figures in order:
            row = absorb(row, figures, seq)
        rows.add(row)
    assert 1 == len(rows)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(any_run(), min_size=11, max_size=25).flatmap(
        lambda runs: st.tuples(st.just(runs), st.permutations(range(len(runs))))
    )
)
def test_order_does_not_matter_beyond_ten(drawn: tuple[list[RunFigures], list[int]]) -> None:
    """The last ten stay the last ten when more than ten runs come in any order."""
    runs, order = drawn
    row = IntensityRow.empty()
    for place in order:
        row = absorb(row, runs[place], place + 1)
    assert absorbed(runs) == row


@settings(max_examples=100, deadline=None)
@given(st.lists(any_run(), max_size=12))
def test_columns_round_trip(runs: list[RunFigures]) -> None:
    """What is stored reads back as the same row."""
    row = absorbed(runs)
    assert row == from_columns(to_columns(row))


# column, figure it sums, count of the runs that reported it
_SUMS = [
    ("total_tokens", "tokens_used", "runs_with_tokens"),
    ("input_tokens", "input_tokens", "runs_with_input_tokens"),
    ("output_tokens", "output_tokens", "runs_with_output_tokens"),
    ("cached_input_tokens", "cached_input_tokens", "runs_with_cached_input_tokens"),
    ("memory_tokens", "memory_tokens", "runs_with_memory_tokens"),
    ("total_duration_ms", "execution_duration_ms", "runs_with_duration"),
    ("total_iterations", "iterations_count", "runs_with_iterations"),
    ("total_retries", "retry_count", "runs_with_retries"),
    ("total_tool_calls", "tool_calls_count", "runs_with_tool_calls"),
    ("tool_orchestration_time_ms", "tool_orchestration_time_ms", "runs_with_tool_orchestration"),
    ("executed_steps_total", "executed_steps", "runs_with_workflow"),
    ("executed_branches_total", "executed_branches", "runs_with_workflow"),
    ("executed_loop_iterations_total", "executed_loop_iterations", "runs_with_workflow"),
    ("executed_parallel_total", "executed_parallel", "runs_with_workflow"),
    ("memory_entries_total", "memory_entry_count", "runs_with_memory_entries"),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(any_run(), max_size=12))
def test_sums_equal_a_recount(runs: list[RunFigures]) -> None:
    """Every sum, count, peak and set equals a recount over the runs themselves."""
    row = absorbed(runs)

    def known(figure: str) -> list[int]:
        given = [getattr(each.data if hasattr(each.data, figure) else each, figure) for each in runs]
        return [value for value in given if value is not None]

    for column, figure, count in _SUMS:
        assert (sum(known(figure)), len(known(figure))) == (getattr(row, column), getattr(row, count)), column
    assert max(known("tokens_used"), default=None) == row.peak_tokens_single_run
    assert max(known("execution_duration_ms"), default=None) == row.peak_duration_ms
    assert sum(each.data.was_successful for each in runs) == row.successful_executions
    assert sum(len(each.data.plugins_used) for each in runs) == row.distinct_plugins_total
    assert {name for each in runs for name in each.data.plugins_used} == set(row.plugins_ever)
    assert {name for each in runs for name in each.data.memory_types} == set(row.memory_types_ever)
    assert sorted(row.plugins_ever) == list(row.plugins_ever)


def test_every_column_of_the_row_is_recounted() -> None:
    """No sum escapes the recount above."""
    recounted = {name for column, _, count in _SUMS for name in (column, count)}
    named = set(TEXT_COLUMNS) | {"distinct_plugins_total", "runs_recovered_by_retry", "creation_tokens_used"}
    named |= {name for name in COLUMNS if name.endswith("_executions") or name.startswith("peak_")}
    assert set[str]() == {field.name for field in fields(IntensityRow)} - recounted - named
