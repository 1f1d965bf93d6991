"""What a run added to the statistics and intensity metrics of its agent: row after less row before, beside its recount.

Owns the subtraction and nothing else: what should have been added comes from the same functions that add it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from trackrecord.canonical import Json
from trackrecord.parity.footprint import Footprint
from trackrecord.record.intensity import IntensityRow, IntensityScore, IntensitySettings, absorb, from_columns, score
from trackrecord.record.intensity_row import ROW_NULLABLE_COLUMNS, RunFigures
from trackrecord.record.rows import run_figures, stats_delta
from trackrecord.store.statements import STATS_EXTERNAL, STATS_SUMS

# not sums: the row's own value after the run stands for them
_NOT_ADDED: Final = ROW_NULLABLE_COLUMNS
_SETS: Final = ("plugins_ever", "memory_types_ever")
_SEQUENCED: Final = "recent_output_tokens"


def stats_recounted(run: Footprint) -> dict[str, Json]:
    """What the run must have added to `agent_stats`, by column."""
    return {**stats_delta(run.recounted), **dict.fromkeys(STATS_EXTERNAL, 0)}


def stats_added(run: Footprint) -> dict[str, Json]:
    """What the run added to `agent_stats`, by column; nothing at all when there is no row after it."""
    if run.after is None:
        return stats_recounted(run)
    before, after = run.before.stats or {}, run.after.stats
    if after is None:
        return {}
    return {name: after[name] - before.get(name, 0) for name in (*STATS_SUMS, *STATS_EXTERNAL)}


def intensity_recounted(run: Footprint) -> dict[str, Json]:
    """What the run must have added to `agent_intensity_metrics`, by column, scores left out."""
    return _difference(row_before(run), row_recounted(run))


def intensity_added(run: Footprint) -> dict[str, Json]:
    """What the run added to `agent_intensity_metrics`, by column; nothing at all when there is no row after it."""
    if run.after is None:
        return intensity_recounted(run)
    if run.after.intensity is None:
        return {}
    return _difference(row_before(run), from_columns(run.after.intensity))


def row_before(run: Footprint) -> IntensityRow:
    """The agent's sums before the run; empty when they are not known or there were none."""
    return IntensityRow.empty() if run.before.intensity is None else from_columns(run.before.intensity)


def row_recounted(run: Footprint, figures: RunFigures | None = None) -> IntensityRow:
    """The agent's sums with the run in them, or with these figures in its place."""
    return absorb(row_before(run), figures or run_figures(run.recounted), int(run.execution["agent_seq"]))


def score_of(run: Footprint, settings: IntensitySettings, figures: RunFigures | None = None) -> IntensityScore:
    """The agent's score after the run, or after one with these figures."""
    return score(row_recounted(run, figures), run.design, settings)


def with_durations(run: Footprint, of: Footprint) -> RunFigures:
    """The run's figures with another run's durations."""
    figures, theirs = run_figures(run.recounted), run_figures(of.recounted).data
    data = replace(
        figures.data,
        execution_duration_ms=theirs.execution_duration_ms,
        tool_orchestration_time_ms=theirs.tool_orchestration_time_ms,
    )
    return replace(figures, data=data)


def with_executed(figures: RunFigures, of: Footprint) -> RunFigures:
    """The figures with another run's executed counts."""
    theirs = run_figures(of.recounted)
    return replace(
        figures,
        executed_steps=theirs.executed_steps,
        executed_branches=theirs.executed_branches,
        executed_loop_iterations=theirs.executed_loop_iterations,
        executed_parallel=theirs.executed_parallel,
    )


def _difference(before: IntensityRow, after: IntensityRow) -> dict[str, Json]:
    added: dict[str, Json] = {}
    for field in fields(IntensityRow):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if field.name in _SETS:
            added[field.name] = [name for name in now if name not in was]
        elif field.name == _SEQUENCED:
            added[field.name] = [
                {"agent_seq": seq, "tokens": tokens} for seq, tokens in now if (seq, tokens) not in was
            ]
        else:
            added[field.name] = now if field.name in _NOT_ADDED else now - was
    return added
