"""What is kept of all runs of one agent: integer sums, counts, peaks and sets, and the pure fold of one more run.

Must never keep an average or a ratio: those are computed from the row, so that nothing drifts and the order of runs
does not matter. In the walk: absorbed inside step 7, the transaction that ends a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Final, cast

from trackrecord.canonical import encode_clean
from trackrecord.errors import BadInput, TerminalStatus
from trackrecord.record.execution_data import AgentExecutionData, check_figure
from trackrecord.sealed import sealed

RECENT_RUNS: Final = 10


@sealed
class RunFigures:
    """What one finished run adds to its agent's intensity row.

    Attributes:
        data: the nineteen public figures.
        status: terminal state; `completed` exactly when the run was successful.
        cached_input_tokens: the part of input read from a cache; None when no attempt reported it.
        executed_steps, executed_branches, executed_loop_iterations, executed_parallel: what the engine did of the
            workflow; all None when it did not run the workflow.

    Raises:
        BadInput: status and success disagree, a figure is no count, or only some executed figures are given.
    """

    data: AgentExecutionData
    status: TerminalStatus
    cached_input_tokens: int | None = None
    executed_steps: int | None = None
    executed_branches: int | None = None
    executed_loop_iterations: int | None = None
    executed_parallel: int | None = None

    def __post_init__(self) -> None:
        """Refuse figures that would make the row contradict itself."""
        if (self.status == "completed") != self.data.was_successful:
            raise BadInput(
                f"status is {self.status!r} while was_successful is {self.data.was_successful!r}",
                cure="Give `completed` for a successful run and another terminal state for the rest.",
            )
        check_figure("cached_input_tokens", self.cached_input_tokens)
        check_figure("executed_steps", self.executed_steps)
        check_figure("executed_branches", self.executed_branches)
        check_figure("executed_loop_iterations", self.executed_loop_iterations)
        check_figure("executed_parallel", self.executed_parallel)
        executed = (
            self.executed_steps,
            self.executed_branches,
            self.executed_loop_iterations,
            self.executed_parallel,
        )
        if None in executed and executed != (None, None, None, None):
            raise BadInput(
                f"executed steps, branches, loop iterations, parallel are {executed!r}, of which only some are known",
                cure="Give all four, or none when the engine did not run the workflow.",
            )

    @property
    def distinct_plugins_count(self) -> int:
        """How many different plugins the run really called."""
        return len(self.data.plugins_used)


@sealed
class IntensityRow:
    """All runs of one agent, added up. Each attribute is the column of the same name.

    A sum covers the runs its `runs_with_…` counts: runs that did not report the figure are in neither.

    Attributes:
        total_executions: runs that ended, however they ended.
        successful_executions: of them, those with status `completed`; all the rest failed.
        cancelled_executions … interrupted_executions: of the failed, those in that terminal state.
        total_tokens, input_tokens, output_tokens, cached_input_tokens, memory_tokens: sums; cached is part of input.
        peak_tokens_single_run: most tokens of one run; None while no run reported any.
        total_duration_ms, peak_duration_ms: sum and longest run; the peak is None while no run reported one.
        total_iterations: turns.
        total_retries, runs_recovered_by_retry: the latter counts runs that succeeded after a retry.
        total_tool_calls: calls that started.
        distinct_plugins_total: sum over runs of the plugins each one called.
        plugins_ever: every plugin any run called, sorted.
        tool_orchestration_time_ms: sum of time with a tool call in flight.
        executed_…_total: sums over `runs_with_workflow`, the runs whose engine ran the workflow.
        memory_entries_total, memory_types_ever: entries summed, types ever, sorted.
        creation_tokens_used: tokens spent on making the agent; None until something generates agents.
        recent_output_tokens: (agent_seq, output tokens) of the last ten runs that reported, oldest first.
    """

    total_executions: int = 0
    successful_executions: int = 0
    cancelled_executions: int = 0
    timed_out_executions: int = 0
    budget_exceeded_executions: int = 0
    abandoned_executions: int = 0
    interrupted_executions: int = 0
    total_tokens: int = 0
    runs_with_tokens: int = 0
    peak_tokens_single_run: int | None = None
    input_tokens: int = 0
    runs_with_input_tokens: int = 0
    output_tokens: int = 0
    runs_with_output_tokens: int = 0
    cached_input_tokens: int = 0
    runs_with_cached_input_tokens: int = 0
    memory_tokens: int = 0
    runs_with_memory_tokens: int = 0
    total_duration_ms: int = 0
    runs_with_duration: int = 0
    peak_duration_ms: int | None = None
    total_iterations: int = 0
    runs_with_iterations: int = 0
    total_retries: int = 0
    runs_with_retries: int = 0
    runs_recovered_by_retry: int = 0
    total_tool_calls: int = 0
    runs_with_tool_calls: int = 0
    distinct_plugins_total: int = 0
    plugins_ever: tuple[str, ...] = ()
    tool_orchestration_time_ms: int = 0
    runs_with_tool_orchestration: int = 0
    executed_steps_total: int = 0
    executed_branches_total: int = 0
    executed_loop_iterations_total: int = 0
    executed_parallel_total: int = 0
    runs_with_workflow: int = 0
    memory_entries_total: int = 0
    runs_with_memory_entries: int = 0
    memory_types_ever: tuple[str, ...] = ()
    creation_tokens_used: int | None = None
    recent_output_tokens: tuple[tuple[int, int], ...] = ()

    @classmethod
    def empty(cls) -> IntensityRow:
        """The row of an agent that never ran."""
        return _EMPTY

    @property
    def failed_executions(self) -> int:
        """Runs that did not succeed, for whatever reason."""
        return self.total_executions - self.successful_executions


_EMPTY: Final = IntensityRow()

ROW_COLUMNS: Final = tuple(field.name for field in fields(IntensityRow))
ROW_NULLABLE_COLUMNS: Final = frozenset({"peak_tokens_single_run", "peak_duration_ms", "creation_tokens_used"})
ROW_TEXT_COLUMNS: Final = frozenset({"plugins_ever", "memory_types_ever", "recent_output_tokens"})
_NUMBER_COLUMNS: Final = tuple(name for name in ROW_COLUMNS if name not in ROW_TEXT_COLUMNS)


def absorb(row: IntensityRow, figures: RunFigures, agent_seq: int) -> IntensityRow:
    """The row with one more run in it; the same row whatever order the runs are absorbed in.

    `agent_seq` is the run's place in the order of finishing, given out once per agent inside the terminal transaction.
    """
    data, status = figures.data, figures.status
    has_workflow = figures.executed_steps is not None
    return IntensityRow(
        total_executions=row.total_executions + 1,
        successful_executions=row.successful_executions + data.was_successful,
        cancelled_executions=row.cancelled_executions + (status == "cancelled"),
        timed_out_executions=row.timed_out_executions + (status == "timed_out"),
        budget_exceeded_executions=row.budget_exceeded_executions + (status == "budget_exceeded"),
        abandoned_executions=row.abandoned_executions + (status == "abandoned"),
        interrupted_executions=row.interrupted_executions + (status == "interrupted_unknown_outcome"),
        total_tokens=row.total_tokens + (data.tokens_used or 0),
        runs_with_tokens=row.runs_with_tokens + (data.tokens_used is not None),
        peak_tokens_single_run=_peak(row.peak_tokens_single_run, data.tokens_used),
        input_tokens=row.input_tokens + (data.input_tokens or 0),
        runs_with_input_tokens=row.runs_with_input_tokens + (data.input_tokens is not None),
        output_tokens=row.output_tokens + (data.output_tokens or 0),
        runs_with_output_tokens=row.runs_with_output_tokens + (data.output_tokens is not None),
        cached_input_tokens=row.cached_input_tokens + (figures.cached_input_tokens or 0),
        runs_with_cached_input_tokens=row.runs_with_cached_input_tokens + (figures.cached_input_tokens is not None),
        memory_tokens=row.memory_tokens + (data.memory_tokens or 0),
        runs_with_memory_tokens=row.runs_with_memory_tokens + (data.memory_tokens is not None),
        total_duration_ms=row.total_duration_ms + (data.execution_duration_ms or 0),
        runs_with_duration=row.runs_with_duration + (data.execution_duration_ms is not None),
        peak_duration_ms=_peak(row.peak_duration_ms, data.execution_duration_ms),
        total_iterations=row.total_iterations + (data.iterations_count or 0),
        runs_with_iterations=row.runs_with_iterations + (data.iterations_count is not None),
        total_retries=row.total_retries + (data.retry_count or 0),
        runs_with_retries=row.runs_with_retries + (data.retry_count is not None),
        runs_recovered_by_retry=row.runs_recovered_by_retry + (data.was_successful and bool(data.retry_count)),
        total_tool_calls=row.total_tool_calls + (data.tool_calls_count or 0),
        runs_with_tool_calls=row.runs_with_tool_calls + (data.tool_calls_count is not None),
        distinct_plugins_total=row.distinct_plugins_total + figures.distinct_plugins_count,
        plugins_ever=_union(row.plugins_ever, data.plugins_used),
        tool_orchestration_time_ms=row.tool_orchestration_time_ms + (data.tool_orchestration_time_ms or 0),
        runs_with_tool_orchestration=row.runs_with_tool_orchestration + (data.tool_orchestration_time_ms is not None),
        executed_steps_total=row.executed_steps_total + (figures.executed_steps or 0),
        executed_branches_total=row.executed_branches_total + (figures.executed_branches or 0),
        executed_loop_iterations_total=row.executed_loop_iterations_total + (figures.executed_loop_iterations or 0),
        executed_parallel_total=row.executed_parallel_total + (figures.executed_parallel or 0),
        runs_with_workflow=row.runs_with_workflow + has_workflow,
        memory_entries_total=row.memory_entries_total + (data.memory_entry_count or 0),
        runs_with_memory_entries=row.runs_with_memory_entries + (data.memory_entry_count is not None),
        memory_types_ever=_union(row.memory_types_ever, data.memory_types),
        creation_tokens_used=row.creation_tokens_used,
        recent_output_tokens=_recent(row.recent_output_tokens, agent_seq, data.output_tokens),
    )


def _peak(highest: int | None, figure: int | None) -> int | None:
    if highest is None or figure is None:
        return figure if highest is None else highest
    return highest if highest >= figure else figure


def _union(ever: tuple[str, ...], used: tuple[str, ...]) -> tuple[str, ...]:
    new = [name for name in used if name not in ever]
    return tuple(sorted((*ever, *new))) if new else ever


def _recent(recent: tuple[tuple[int, int], ...], agent_seq: int, tokens: int | None) -> tuple[tuple[int, int], ...]:
    if tokens is None:
        return recent
    return tuple(sorted((*recent, (agent_seq, tokens)))[-RECENT_RUNS:])


_numbers_of = attrgetter(*_NUMBER_COLUMNS)


def to_columns(row: IntensityRow) -> dict[str, int | str | None]:
    """The row by column: numbers as they are, sets and recent runs as canonical JSON lists."""
    columns: dict[str, int | str | None] = dict(zip(_NUMBER_COLUMNS, _numbers_of(row), strict=True))
    columns["plugins_ever"] = encode_clean(list(row.plugins_ever))
    columns["memory_types_ever"] = encode_clean(list(row.memory_types_ever))
    columns["recent_output_tokens"] = encode_clean([list(pair) for pair in row.recent_output_tokens])
    return columns


def from_columns(columns: Mapping[str, object]) -> IntensityRow:
    """The row that `to_columns` wrote; other columns of the table may be there too and are passed over.

    Raises:
        KeyError: a column is missing.
        ValueError: a column holds what no row would write; `rebuild` mends it.
    """
    figures: dict[str, object] = {name: _number(name, columns[name]) for name in _NUMBER_COLUMNS}
    figures["plugins_ever"] = _texts("plugins_ever", columns["plugins_ever"])
    figures["memory_types_ever"] = _texts("memory_types_ever", columns["memory_types_ever"])
    figures["recent_output_tokens"] = _pairs("recent_output_tokens", columns["recent_output_tokens"])
    return IntensityRow(**figures)  # type: ignore[arg-type]  # each was read by its column's type just above


def _number(name: str, value: object) -> int | None:
    if type(value) is int or (value is None and name in ROW_NULLABLE_COLUMNS):
        return value
    raise _spoilt(name, value)


def _texts(name: str, value: object) -> tuple[str, ...]:
    names = _list(name, value)
    if not all(isinstance(item, str) for item in names):
        raise _spoilt(name, value)
    return tuple(cast("list[str]", names))


def _pairs(name: str, value: object) -> tuple[tuple[int, int], ...]:
    pairs: list[tuple[int, int]] = []
    for pair in _list(name, value):
        numbers = cast("list[object]", pair) if isinstance(pair, list) else []
        if len(numbers) != 2 or type(numbers[0]) is not int or type(numbers[1]) is not int:
            raise _spoilt(name, value)
        pairs.append((numbers[0], numbers[1]))
    return tuple(pairs)


def _list(name: str, value: object) -> list[object]:
    try:
        listed = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        raise _spoilt(name, value)
    return cast("list[object]", listed)


def _spoilt(name: str, value: object) -> ValueError:
    return ValueError(f"column {name} of the intensity row holds {value!r}, which no row would write; rebuild the row")
