"""One run's place in its agent's intensity row, given other figures: what an adjustment does to the sums. Pure.

Must give just the row that absorbing the run with its new figures would have given, so that a recount agrees.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from trackrecord.record.intensity_row import RECENT_RUNS, IntensityRow, RunFigures, absorb

_PEAKS: Final = frozenset({"peak_tokens_single_run", "peak_duration_ms"})
# no adjustment adds a plugin or a type of memory
_KEPT: Final = frozenset({"creation_tokens_used", "recent_output_tokens", "plugins_ever", "memory_types_ever"})


def changed(row: IntensityRow, before: RunFigures, after: RunFigures, agent_seq: int) -> IntensityRow:
    """The row in which the run of `agent_seq` counts with `after` instead of `before`.

    Raises:
        ValueError: a peak would have to fall, and what the next one is nobody knows.
    """
    old, new = absorb(IntensityRow.empty(), before, agent_seq), absorb(IntensityRow.empty(), after, agent_seq)
    figures: dict[str, Any] = {}
    for field in fields(IntensityRow):
        name = field.name
        stands, was, is_now = (getattr(one, name) for one in (row, old, new))
        if name in _KEPT or was == is_now:
            figures[name] = stands
        elif name in _PEAKS:
            figures[name] = _peak(name, stands, was, is_now)
        else:
            figures[name] = stands + is_now - was
    figures["recent_output_tokens"] = _recent(row, before.data.output_tokens, after.data.output_tokens, agent_seq)
    return IntensityRow(**figures)


def _peak(name: str, stands: int | None, was: int | None, is_now: int | None) -> int | None:
    if is_now is None or (was is not None and is_now < was):
        raise ValueError(f"{name} cannot be lowered from {was} to {is_now}")
    return is_now if stands is None else max(stands, is_now)


def _recent(row: IntensityRow, before: int | None, after: int | None, agent_seq: int) -> tuple[tuple[int, int], ...]:
    recent = row.recent_output_tokens
    if after is None or after == before:
        return recent
    others = tuple(pair for pair in recent if pair[0] != agent_seq)
    if before is not None and len(others) == len(recent):
        return recent  # it has reported all along, and is none of the last ones
    return tuple(sorted((*others, (agent_seq, after)))[-RECENT_RUNS:])
