"""The lists: runs, newest first, and agents by name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, joined, table
from trackrecord.cli.signs import run_state
from trackrecord.cli.units import UNKNOWN, age, count, milliseconds, percent
from trackrecord.store.reader import Row

_LEAST_ID: Final = 13  # the millisecond of a UUIDv7: shorter beginnings are shared by runs of the same minute
_RUNS: Final = (
    Column(title="run"),
    Column(title="agent", least=10),
    Column(title="engine", least=8),
    Column(title="status", most=22),
    Column(title="tokens", is_right=True),
    Column(title="time", is_right=True),
    Column(title="ago", is_right=True),
)
_REASONS: Final = {"unknown_outcome": "outcome"}
_AGENTS: Final = (
    Column(title="agent", least=12),
    Column(title="status"),
    Column(title="version"),
    Column(title="runs", is_right=True),
    Column(title="completed", is_right=True),
    Column(title="last run", is_right=True),
    Column(title="id"),
)


def runs_page(rows: Sequence[Row], look: Look, now: datetime) -> str:
    """A line per run; the beginning of an id is as long as it must be to mean one of them."""
    length = id_length([str(row["id"]) for row in rows])
    drawn = [
        (
            str(row["id"])[:length],
            _marks(row) + line(str(row["agent_name"]), 60),
            line(str(row["engine"]), 20),
            f"{run_state(look, str(row['status']), row['error_code'])}{_reason(row)}",
            count(row["tokens_used"]),
            milliseconds(row["execution_duration_ms"]),
            age(row["created_at"], now),
        )
        for row in rows
    ]
    return "\n".join(table(look, _RUNS, drawn))


def _marks(row: Row) -> str:
    """That a run is another's child, retry or fork."""
    child = "↳ " if row["parent_run_id"] else ""
    return f"{child}({line(str(row['origin_kind']))}) " if row["origin_kind"] else child


def _reason(row: Row) -> str:
    """What a waiting run waits for, in a word."""
    reason = row["wait_reason"] if row["status"] == "waiting" else None
    return "" if reason is None else f" ({_REASONS.get(str(reason), line(str(reason), 9))})"


def runs_note(rows: Sequence[Row]) -> str:
    """What signs in the list mean; empty when there are none."""
    is_unknown = any(row["tokens_used"] is None for row in rows)
    unknown = f"{UNKNOWN} under tokens: unknown, for no model call has reported any" if is_unknown else ""
    return joined((unknown, "↳ a child of another run" if any(row["parent_run_id"] for row in rows) else ""))


def id_length(ids: Sequence[str]) -> int:
    """How much of each id tells it from all the others."""
    ordered = sorted(ids)
    longest = _LEAST_ID
    for one, other in pairwise(ordered):
        shared = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
        longest = max(longest, shared + 1)
    return longest


def agents_page(rows: Sequence[Row], look: Look, now: datetime) -> str:
    """A line per agent."""
    drawn = [
        (
            line(str(row["name"]), 60),
            str(row["status"]),
            str(row["version"])[:8],
            count(row["run_count"]),
            percent(row["success_count"], row["run_count"]),
            age(row["last_run_at"], now) if row["last_run_at"] else "never",
            str(row["id"])[:8],
        )
        for row in rows
    ]
    return "\n".join(table(look, _AGENTS, drawn))
