"""The statistics of an agent: what its runs add up to, per user, and per run on the average. Pure.

Averages are computed here from the stored sums, over the runs that reported the figure; none is ever stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, spread, table
from trackrecord.cli.units import UNKNOWN, ago, count, dollars, many, milliseconds, percent
from trackrecord.store.reader import Row
from trackrecord.tenancy import LOCAL_USER

_COLUMNS: Final = (
    Column(),
    Column(title="in all", is_right=True),
    Column(title="per run", is_right=True),
    Column(),
)
_ENDINGS: Final = (
    ("success_count", "completed"),
    ("failed_count", "failed"),
    ("cancelled_count", "cancelled"),
    ("timed_out_count", "timed out"),
    ("budget_exceeded_count", "over budget"),
    ("abandoned_count", "abandoned"),
    ("interrupted_count", "outcome unknown"),
)


def stats_page(agent: Row, rows: Sequence[Row], look: Look, now: datetime) -> str:
    """The page: a section per user, the local user's without a heading."""
    name = look.paint(line(str(agent["name"]), look.width - 40), "bold")
    runs = sum(row["run_count"] for row in rows)
    head = [spread(look, name, f"version {str(agent['version'])[:8]}"), look.dim(f"agent {agent['id']}")]
    if not runs:
        return "\n".join([*head, "", "No run has ended yet."])
    sections = [section for row in rows for section in ("", *_section(row, look, now))]
    return "\n".join([*head, *sections])


def _section(row: Row, look: Look, now: datetime) -> list[str]:
    user = "" if row["user_id"] == LOCAL_USER else f"user {line(str(row['user_id']), 40)} · "
    runs: int = row["run_count"]
    told = runs - row["external_run_count"]  # a run that was only counted from outside brought no figures
    drawn = [("runs", count(runs), "", f"last {ago(row['last_run_at'], now)}")]
    drawn += [
        (f"  {word}", count(row[column]), "", percent(row[column], runs)) for column, word in _ENDINGS if row[column]
    ]
    if row["external_run_count"]:
        outside = many(row["external_success_count"], "success", "successes")
        drawn.append(("  from outside", count(row["external_run_count"]), "", f"{outside}; no figures of their own"))
    known, priced = row["tokens_known_count"], row["cost_known_count"]
    drawn += [
        (
            "tokens",
            count(row["tokens_total"]) if known else UNKNOWN,
            count(round(row["tokens_total"] / known)) if known else UNKNOWN,
            f"{count(known)} of {many(told, 'run')} reported",
        ),
        (
            "cost",
            dollars(row["cost_nanos_total"]) if priced else UNKNOWN,
            dollars(round(row["cost_nanos_total"] / priced)) if priced else UNKNOWN,
            f"{count(priced)} of {many(told, 'run')} could be priced",
        ),
        (
            "time",
            milliseconds(row["duration_ms_total"]) if told else UNKNOWN,
            milliseconds(round(row["duration_ms_total"] / told)) if told else UNKNOWN,
            "",
        ),
    ]
    lines = table(look, _COLUMNS, drawn)
    return [f"{look.heading(user.removesuffix(' · '))}", *lines] if user else lines
