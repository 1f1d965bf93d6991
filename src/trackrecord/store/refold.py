"""The records beside a refold of their spans: what each run's row and log say, and what its spans say.

Reads the whole database once, run after run, each with its spans. Makes the record the way the finish made it (fold,
credits, rows), so that the rules are written once. Must never write: a record that differs is reported, never mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from trackrecord.canonical import Json, loads
from trackrecord.record.record import Record
from trackrecord.record.recount import recount
from trackrecord.record.rows import Rows, rows
from trackrecord.record.spans import Span
from trackrecord.store import codec, statements, stored
from trackrecord.store.differences import Difference, named, unlike
from trackrecord.store.reader import SqliteReader
from trackrecord.store.states import LIVE
from trackrecord.store.stored import Row

_EXECUTION: Final = tuple(dict.fromkeys((*stored.COLUMNS, *statements.RESULT)))
_RUNS: Final = f"""
SELECT {", ".join(f"run.{column} AS {column}" for column in _EXECUTION)}, log.tenant_id AS log_tenant_id,
       {", ".join(f"log.{column} AS log_{column}" for column in statements.LOG_FIGURES)}
FROM agent_executions run
LEFT JOIN agent_logs log ON log.tenant_id = run.tenant_id AND log.execution_id = run.id
ORDER BY run.tenant_id, run.id
"""  # noqa: S608  # names are ours
_SPANS: Final = f"SELECT {', '.join(statements.SPAN)} FROM run_spans ORDER BY tenant_id, run_id"  # noqa: S608  # as above
_DOCUMENTS: Final = frozenset({"logs", "run_output", "full_output"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run with its spans.

    Attributes:
        row: its execution row and, behind `log_`, its log; None when there are spans but no run.
        spans: those that can be read, in no particular order.
        unreadable: what is wrong with the others.
    """

    tenant_id: str
    run_id: str
    row: Row | None
    spans: tuple[Span, ...] = ()
    unreadable: tuple[Difference, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it is a run and has a terminal state."""
        return self.row is not None and self.row["status"] not in LIVE

    @property
    def is_cut(self) -> bool:
        """Whether the record says that it could not be stored whole, and indeed spans of it are missing."""
        there = len(self.spans) + len(self.unreadable)
        return self.row is not None and stored.is_minimal(self.row) and there < (self.row["span_count"] or 0)


def stored_runs(reader: SqliteReader) -> Iterator[StoredRun]:
    """Every run, and every run id that has spans but no run, in order of tenant and run."""
    groups = _span_groups(reader)
    group = next(groups, None)
    for row in reader.stream(_RUNS):
        key = (row["tenant_id"], row["id"])
        while group is not None and group[0] < key:
            yield _run(group[0], None, group[1])
            group = next(groups, None)
        raw: list[tuple[Any, ...]] = []
        if group is not None and group[0] == key:
            raw = group[1]
            group = next(groups, None)
        yield _run(key, row, raw)
    while group is not None:
        yield _run(group[0], None, group[1])
        group = next(groups, None)


def _span_groups(reader: SqliteReader) -> Iterator[tuple[tuple[str, str], list[tuple[Any, ...]]]]:
    for key, raw in groupby(reader.tuples(_SPANS), key=itemgetter(0, 1)):
        yield key, list(raw)


def _run(key: tuple[str, str], row: Row | None, raw: list[tuple[Any, ...]]) -> StoredRun:
    try:
        return StoredRun(tenant_id=key[0], run_id=key[1], row=row, spans=tuple([codec.span(span[2:]) for span in raw]))
    except (TypeError, ValueError):
        return _partly_readable(key, row, raw)


def _partly_readable(key: tuple[str, str], row: Row | None, raw: list[tuple[Any, ...]]) -> StoredRun:
    spans: list[Span] = []
    unreadable: list[Difference] = []
    for one in raw:
        try:
            spans.append(codec.span(one[2:]))
        except (TypeError, ValueError) as error:
            name = named(key[0], run_id=key[1], path=one[2], attempt=one[3])
            unreadable.append(
                Difference(table="run_spans", row=name, column="", stored=str(error), derived="a span that can be read")
            )
    return StoredRun(tenant_id=key[0], run_id=key[1], row=row, spans=tuple(spans), unreadable=tuple(unreadable))


def differences(run: StoredRun) -> list[Difference]:
    """What an ended run's row and log say otherwise than its spans; nothing for a run that has not ended or is cut."""
    row = run.row
    if row is None or not run.has_ended or run.is_cut:
        return []
    try:
        derived = rows(refolded(row, run.spans))
    except Exception as error:  # whatever was written into the rows from outside may break the fold at any place
        why = f"it cannot be folded again: {type(error).__name__}: {error}"
        return [_difference(run, "agent_executions", "id", ("", why, "a record of its spans"))]
    return list(_compared(run, row, derived))


def refolded(row: Row, spans: tuple[Span, ...]) -> Record:
    """The record the spans give, with who, how it ended and the price table as the row has them.

    Raises:
        Exception: of any kind, when the rows hold what nothing of ours would have written.
    """
    record = recount(row, spans, stored.declared(row))
    if stored.is_minimal(row):
        record = replace(record, measures=replace(record.measures, tool_calls=()))
    if row["epoch"] > 1 and not row["usage_complete"] and record.ending is not None:
        # a process died: only the run itself could tell whether anything was lost with it
        record = replace(record, ending=replace(record.ending, is_lossy=True))
    return record


def _compared(run: StoredRun, row: Row, derived: Rows) -> Iterator[Difference]:
    for column, value in derived.execution.items():
        if row[column] != value:
            yield from _unlike(run, "agent_executions", "id", column, row[column], value)
    if row["log_tenant_id"] is None:
        return  # that a log is missing is a finding of its own
    for column, value in derived.log.items():
        if row[f"log_{column}"] != value:
            yield from _unlike(run, "agent_logs", "execution_id", column, row[f"log_{column}"], value)


def _unlike(run: StoredRun, table: str, key: str, column: str, value: Json, derived: Json) -> Iterator[Difference]:
    """The differences inside a document; the two values for any other column."""
    if column in _DOCUMENTS and isinstance(value, str) and isinstance(derived, str):
        try:
            places = list(unlike(loads(value), loads(derived), column))
        except ValueError:
            places = []
        yield from (_difference(run, table, key, place) for place in places)
        if places:
            return
        value, derived = value[:200], "the canonical text of the same document"
    yield _difference(run, table, key, (column, value, derived))


def _difference(run: StoredRun, table: str, key: str, place: tuple[str, Json, Json]) -> Difference:
    column, value, derived = place
    name = named(run.tenant_id, **{key: run.run_id})
    return Difference(table=table, row=name, column=column, stored=value, derived=derived)
