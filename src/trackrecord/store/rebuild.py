"""Mending the sums: `agent_stats` and `agent_intensity_metrics` made anew from the records, and nothing else touched.

First looks at everything through a reader, which holds nobody up, then rewrites the agents that need it in one
transaction of the writer, where they are counted again. Records that differ from their spans are reported only: which
of the two is right, no program can say. Must never write any other table, and never drop a run it cannot add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from trackrecord import clock
from trackrecord.canonical import Json
from trackrecord.record.intensity import IntensitySettings
from trackrecord.store import refold, statements
from trackrecord.store.differences import Difference, shown
from trackrecord.store.driver import Connection, Error
from trackrecord.store.reader import SqliteReader, stream
from trackrecord.store.recount import Key
from trackrecord.store.sqlite import store_error
from trackrecord.store.sums import SumsRow, compare

MAX_LISTED: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What there is to mend, and what cannot be mended by counting.

    Attributes:
        agents: those whose sums differ from a recount.
        differing: the first thousand differences between records and their spans; `differing_count` is all of them.
        unreadable: rows that cannot be added up; the sums of their agents stay as they are.
    """

    agents: tuple[Key, ...] = ()
    differing: tuple[Difference, ...] = ()
    differing_count: int = 0
    unreadable: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did and what it left.

    Attributes:
        changes: each figure that was rewritten: what was stored, and what the records add up to.
        differing: records that differ from their spans, the first thousand of `differing_count`; not touched.
        unreadable: rows that cannot be added up; the sums of their agents were not touched.
    """

    changes: tuple[Difference, ...]
    differing: tuple[Difference, ...]
    differing_count: int
    unreadable: tuple[Difference, ...]

    def to_json(self) -> dict[str, Json]:
        """The same for a program to read."""
        return {
            "changes": [_object(one) for one in self.changes],
            "recordsThatDiffer": [_object(one) for one in self.differing],
            "recordsThatDifferCount": self.differing_count,
            "unreadable": [_object(one) for one in self.unreadable],
        }


def _object(one: Difference) -> Json:
    return {
        "table": one.table,
        "row": one.row,
        "column": one.column,
        "stored": shown(one.stored),
        "derived": shown(one.derived),
    }


def survey(path: Path, settings: IntensitySettings) -> Survey:
    """What a rebuild of this database would have to do; reads one consistent state of it.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with SqliteReader(path) as reader, reader.snapshot():
            return _survey(reader, settings)
    except Error as error:
        raise store_error(error, path) from error


def _survey(reader: SqliteReader, settings: IntensitySettings) -> Survey:
    differing: list[Difference] = []
    differing_count = 0
    for run in refold.stored_runs(reader):
        found = [*run.unreadable, *refold.differences(run)]
        differing_count += len(found)
        differing += found[: MAX_LISTED - len(differing)]
    compared = [one for one in compare(reader.stream, settings) if one.unreadable or _changes(one.rows)]
    return Survey(
        agents=tuple(one.key for one in compared if not one.unreadable),
        differing=tuple(differing),
        differing_count=differing_count,
        unreadable=tuple(difference for one in compared for difference in one.unreadable),
    )


def rebuild(connection: Connection, settings: IntensitySettings, found: Survey) -> Rebuilt:
    """Count the surveyed agents again, inside the writer's transaction, and rewrite what differs."""
    read = partial(stream, connection)
    changes: list[Difference] = []
    unreadable = list(found.unreadable)
    for key in found.agents:
        for one in compare(read, settings, key):
            changes += _changes(one.rows)
            unreadable += one.unreadable
            for row in one.rows:
                _rewrite(connection, row)
    return Rebuilt(
        changes=tuple(changes),
        differing=found.differing,
        differing_count=found.differing_count,
        unreadable=tuple(unreadable),
    )


def _changes(rows: Iterable[SumsRow]) -> list[Difference]:
    return [difference for row in rows for difference in row.differences()]


def _rewrite(connection: Connection, row: SumsRow) -> None:
    if not row.differences():
        return
    key, is_stats = tuple(row.key.values()), row.table == "agent_stats"
    if row.counted is None:
        connection.execute(statements.DELETE_STATS if is_stats else statements.DELETE_INTENSITY, key)
    elif is_stats:
        columns = (*statements.STATS_SUMS, *statements.STATS_EXTERNAL, "last_run_at")
        connection.execute(statements.SAVE_STATS, (*key, *(row.counted[column] for column in columns)))
    else:
        columns = ("agent_seq", *statements.INTENSITY_FIGURES)
        now = clock.stamp(clock.now())  # also tells every process that keeps the row in memory to read it again
        connection.execute(statements.SAVE_INTENSITY, (*key, *(row.counted[column] for column in columns), now))
