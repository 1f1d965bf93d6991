"""The sums of an agent, made anew: its records with their adjustments, and its outside runs, in the order they ended.

The one recount there is: `verify` compares the stored sums with it, `rebuild` replaces them by it. Adds up with what
the finish adds up with (`rows`, `intensity.absorb`), so that the rules are written once. Streams: one run is held at a
time. Must never write, and never take a figure from a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import Any, Final, Protocol, cast

from trackrecord.canonical import loads
from trackrecord.errors import BadInput
from trackrecord.record import intensity
from trackrecord.record.intensity import IntensityRow
from trackrecord.record.rows import run_figures, stats_delta
from trackrecord.store import external, statements, stored
from trackrecord.store.differences import Difference, named
from trackrecord.store.states import LIVE, one_of
from trackrecord.store.stored import Row

Key = tuple[str, str]
"""Tenant and agent."""

_IS_LIVE: Final = one_of("status", LIVE)
# sources: what is read, in the order it counts within one agent_seq
_RUNS: Final = (
    f"SELECT 'run' AS source, {', '.join(stored.COLUMNS)} FROM agent_executions WHERE NOT {_IS_LIVE} {{only}} "  # noqa: S608  # names are ours
    "ORDER BY tenant_id, agent_id, agent_seq"
)
_OUTSIDE: Final = (
    "SELECT 'outside' AS source, * FROM external_executions WHERE true {only} ORDER BY tenant_id, agent_id, agent_seq"
)
_ADJUSTMENTS: Final = """
SELECT 'adjustment' AS source, tenant_id, agent_id, agent_seq, status, run_id, seq, deltas
FROM run_adjustments JOIN agent_executions USING (tenant_id) WHERE id = run_id {only}
ORDER BY tenant_id, agent_id, agent_seq, run_id, seq
"""
_ORDER: Final = {"adjustment": 0, "run": 1, "outside": 2}
_NO_STATS: Final = dict.fromkeys((*statements.STATS_SUMS, *statements.STATS_EXTERNAL), 0)


class Read(Protocol):
    """Runs a query and gives its rows by column name, one after the other."""

    def __call__(self, sql: str, given: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows."""
        ...


@dataclass(slots=True, kw_only=True)
class AgentSums:
    """What an agent's runs add up to.

    Attributes:
        stats: columns of `agent_stats`, by user.
        row: its intensity sums.
        sequence: the highest agent_seq given out.
        row_count: runs, outside runs and adjustments that were added up.
        last_version: version of the agent that its last run ran; None when its last run was an outside one.
        misnumbered: runs whose agent_seq is not the next one.
        unreadable: rows that cannot be added up; without them the sums are wrong.
    """

    tenant_id: str
    agent_id: str
    stats: dict[str, dict[str, int | str]] = field(default_factory=dict[str, dict[str, int | str]])
    row: IntensityRow = field(default_factory=IntensityRow.empty)
    sequence: int = 0
    row_count: int = 0
    last_version: str | None = None
    misnumbered: list[Difference] = field(default_factory=list[Difference])
    unreadable: list[Difference] = field(default_factory=list[Difference])
    _deltas: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    def take(self, row: Row) -> None:
        """Add one adjustment, run or outside run."""
        self.row_count += 1
        try:
            if row["source"] == "adjustment":
                self._adjust(row)
            elif row["source"] == "run":
                self._number("agent_executions", row)
                self._count_run(row)
            else:
                self._number("external_executions", row)
                self._count_outside(row)
        except (ArithmeticError, BadInput, LookupError, TypeError, ValueError) as error:
            self.unreadable.append(_unreadable(row, error))

    def _number(self, table: str, row: Row) -> None:
        number, expected = row["agent_seq"], self.sequence + 1
        if number != expected:
            name = named(row["tenant_id"], id=row["id"])
            self.misnumbered.append(
                Difference(table=table, row=name, column="agent_seq", stored=number, derived=expected)
            )
        self.sequence = max(self.sequence, number or 0)
        self.last_version = row["agent_version"] if table == "agent_executions" else None

    def _adjust(self, row: Row) -> None:
        deltas = cast("Mapping[str, object]", loads(row["deltas"]))
        if row["agent_seq"] is None:
            raise ValueError("it adjusts a run that has not ended")
        adjusted = self._deltas.setdefault(row["run_id"], {})
        for column, amount in deltas.items():
            if column not in stored.ADJUSTABLE or type(amount) is not int:
                raise ValueError(f"{column!r} cannot be adjusted by {amount!r}")
            adjusted[column] = adjusted.get(column, 0) + amount

    def _count_run(self, row: Row) -> None:
        record = stored.counted_record(row, self._deltas.pop(row["id"], {}))
        figures = run_figures(record)  # before anything is added: a row is counted whole or not at all
        self._add(row["user_id"], stats_delta(record), row["completed_at"])
        self.row = intensity.absorb(self.row, figures, row["agent_seq"])

    def _count_outside(self, row: Row) -> None:
        if row["rule"] != (external.STATS_RULE if row["kind"] == "stats" else intensity.RULE):
            raise ValueError(f"it was added by the rule {row['rule']!r}, which this version does not know")
        if row["kind"] == "stats":
            success = external.given_success(row["fields"])
            apart = {"external_run_count": 1, "external_success_count": int(success)}
            self._add(row["user_id"], external.amounts(success) | apart, row["created_at"])
        else:
            figures = external.figures(external.given_data(row["fields"]))
            self.row = intensity.absorb(self.row, figures, row["agent_seq"])

    def _add(self, user_id: str, amounts: Mapping[str, int], at: str) -> None:
        sums = self.stats.get(user_id)
        if sums is None:
            sums = self.stats[user_id] = {**_NO_STATS, "last_run_at": at}
        for column, amount in amounts.items():
            sums[column] += amount  # type: ignore[operator]  # every column but the stamp is a number
        sums["last_run_at"] = max(cast("str", sums["last_run_at"]), at)


def recount(read: Read, only: Key | None = None) -> Iterator[AgentSums]:
    """The sums of every agent that has ended runs or outside runs, or of one agent, in order of tenant and agent."""
    clause, given = ("", ()) if only is None else ("AND tenant_id = ? AND agent_id = ?", only)
    sources = [read(sql.format(only=clause), given) for sql in (_ADJUSTMENTS, _RUNS, _OUTSIDE)]
    for (tenant_id, agent_id), rows in groupby(merge(*sources, key=_place), key=_agent):
        sums = AgentSums(tenant_id=tenant_id, agent_id=agent_id)
        for row in rows:
            sums.take(row)
        yield sums


def _agent(row: Row) -> Key:
    return row["tenant_id"], row["agent_id"]


def _place(row: Row) -> tuple[str, str, int, int]:
    return row["tenant_id"], row["agent_id"], row["agent_seq"] or 0, _ORDER[row["source"]]


def _unreadable(row: Row, error: Exception) -> Difference:
    why = str(error) if isinstance(error, BadInput | ValueError) else f"{type(error).__name__}: {error}"
    if row["source"] == "adjustment":
        table, name = "run_adjustments", named(row["tenant_id"], run_id=row["run_id"], seq=row["seq"])
    else:
        table = "agent_executions" if row["source"] == "run" else "external_executions"
        name = named(row["tenant_id"], id=row["id"])
    return Difference(table=table, row=name, column="", stored=why, derived="a row that can be added up")
