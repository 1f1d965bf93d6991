"""The stored sums beside their recount, row by row: what `verify` reports and `rebuild` mends.

Must never write. An agent of which a row cannot be added up is compared with nothing: any recount of it would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from trackrecord.canonical import Json, loads
from trackrecord.record import intensity
from trackrecord.record.intensity import DeclaredDesign, IntensitySettings
from trackrecord.store.differences import Difference, named
from trackrecord.store.recount import AgentSums, Key, Read, recount
from trackrecord.store.stored import Row

_STATS: Final = "SELECT * FROM agent_stats WHERE tenant_id = ? AND agent_id = ? ORDER BY user_id"
_INTENSITY: Final = "SELECT * FROM agent_intensity_metrics WHERE tenant_id = ? AND agent_id = ?"
_AGENTS: Final = """
SELECT tenant_id, agent_id FROM agent_stats UNION SELECT tenant_id, agent_id FROM agent_intensity_metrics
"""
_DESIGNS: Final = "SELECT version, design FROM agent_versions WHERE tenant_id = ? AND agent_id = ? ORDER BY created_at"
_PRESENT: Final = "SELECT version FROM agents WHERE tenant_id = ? AND id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class SumsRow:
    """One row of sums, stored and counted.

    Attributes:
        table: `agent_stats` or `agent_intensity_metrics`.
        key: its key columns.
        stored: the row as it is; None when there is none.
        counted: the columns that are counted, as they should be; None when there should be no row.
    """

    table: str
    key: Mapping[str, str]
    stored: Row | None
    counted: Mapping[str, int | str | None] | None

    def differences(self) -> list[Difference]:
        """What is wrong in it; nothing when it is as it should be."""
        if self.stored is None or self.counted is None:
            if self.stored is self.counted:
                return []
            there, absent = "a row", "no row"
            return [self._difference("", *((absent, there) if self.stored is None else (there, absent)))]
        return [
            self._difference(column, self.stored[column], value)
            for column, value in self.counted.items()
            if self.stored[column] != value
        ]

    def _difference(self, column: str, stored: Json, derived: Json) -> Difference:
        ids = dict(self.key)
        return Difference(
            table=self.table, row=named(ids.pop("tenant_id"), **ids), column=column, stored=stored, derived=derived
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One agent.

    Attributes:
        rows: its rows of both tables, stored and counted; none when something of it cannot be added up.
        row_count, misnumbered, unreadable: as in `AgentSums`.
    """

    key: Key
    rows: tuple[SumsRow, ...]
    row_count: int = 0
    misnumbered: tuple[Difference, ...] = ()
    unreadable: tuple[Difference, ...] = ()


def compare(read: Read, settings: IntensitySettings, only: Key | None = None) -> Iterator[Compared]:
    """Every agent that has runs or sums, or one agent."""
    seen: set[Key] = set()
    for sums in recount(read, only):
        key = (sums.tenant_id, sums.agent_id)
        seen.add(key)
        rows = () if sums.unreadable else (*_stats(read, key, sums), _intensity(read, key, sums, settings))
        yield Compared(
            key=key,
            rows=rows,
            row_count=sums.row_count,
            misnumbered=tuple(sums.misnumbered),
            unreadable=tuple(sums.unreadable),
        )
    for row in list(read(_AGENTS)):  # a list: whoever mends rows as they come must not change what is being read
        key = (row["tenant_id"], row["agent_id"])
        if key not in seen and only in (None, key):
            yield Compared(key=key, rows=tuple(_left_over(read, key)))


def _stats(read: Read, key: Key, sums: AgentSums) -> Iterator[SumsRow]:
    stored = {row["user_id"]: row for row in read(_STATS, key)}
    for user_id in sorted({*stored, *sums.stats}):
        yield _stats_row(key, user_id, stored.get(user_id), sums.stats.get(user_id))


def _left_over(read: Read, key: Key) -> Iterator[SumsRow]:
    for row in read(_STATS, key):
        yield _stats_row(key, row["user_id"], row, None)
    for row in read(_INTENSITY, key):
        yield _intensity_row(key, row, None)


def _stats_row(key: Key, user_id: str, stored: Row | None, counted: Mapping[str, int | str | None] | None) -> SumsRow:
    ids = {"tenant_id": key[0], "agent_id": key[1], "user_id": user_id}
    return SumsRow(table="agent_stats", key=ids, stored=stored, counted=counted)


def _intensity_row(key: Key, stored: Row | None, counted: Mapping[str, int | str | None] | None) -> SumsRow:
    ids = {"tenant_id": key[0], "agent_id": key[1]}
    return SumsRow(table="agent_intensity_metrics", key=ids, stored=stored, counted=counted)


def _intensity(read: Read, key: Key, sums: AgentSums, settings: IntensitySettings) -> SumsRow:
    stored = next(read(_INTENSITY, key), None)
    scores = [_score(sums, design, settings) for design in _designs(read, key, sums)]
    fitting = [score for score in scores if stored is not None and score.items() <= stored.items()]
    score = fitting[0] if fitting else scores[0]
    counted = {"agent_seq": sums.sequence, **intensity.to_columns(sums.row), **score}
    return _intensity_row(key, stored, counted)


def _score(sums: AgentSums, design: DeclaredDesign, settings: IntensitySettings) -> dict[str, int | str | None]:
    try:
        score = intensity.score(sums.row, design, settings)
    except (LookupError, TypeError):  # a design nobody declared; the check of definitions names it
        score = intensity.score(sums.row, DeclaredDesign(), settings)
    return intensity.score_columns(score)


def _designs(read: Read, key: Key, sums: AgentSums) -> list[DeclaredDesign]:
    """The designs the stored score may rest on, the likeliest first.

    A run's score rests on the version that ran. An outside run's rests on what was the present version just then, which
    nothing remembers: any version will do, or none, for the agent may have been defined later.
    """
    designs = {row["version"]: _design(row["design"]) for row in read(_DESIGNS, key)}
    if sums.last_version is not None:
        return [designs.get(sums.last_version, DeclaredDesign())]
    present = next((row["version"] for row in read(_PRESENT, key)), None)
    ordered = sorted(designs, key=lambda version: version != present)
    return [*(designs[version] for version in ordered), DeclaredDesign()]


def _design(text: str) -> DeclaredDesign:
    try:
        return DeclaredDesign(**cast("dict[str, Any]", loads(text)))
    except (TypeError, ValueError):
        return DeclaredDesign()  # the check of definitions names it
