"""What a drawing of a run is made from, read in one consistent state. The one place here that asks a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from trackrecord.canonical import loads
from trackrecord.record.spans import Span
from trackrecord.store.approval_statements import SELECT_PENDING
from trackrecord.store.reader import Row, SqliteReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a run has left so far, and the definition it followed.

    Attributes:
        execution: its row of `agent_executions`.
        definition: of the version that was run, however the agent looks today; None when it is no definition.
        spans: in path order.
        pending: paths of what has begun and not ended.
    """

    execution: Row
    definition: Mapping[str, object] | None
    spans: tuple[Span, ...]
    pending: tuple[str, ...]


def read_traced(reader: SqliteReader, run: str) -> Traced:
    """The run of an id, the beginning of an id, or `last`.

    Raises:
        UnknownRun: there is none, or the beginning fits more than one.
    """
    with reader.snapshot():
        execution = reader.execution(run)
        run_id = str(execution["id"])
        versions = reader.rows(
            "SELECT definition FROM agent_versions WHERE tenant_id = ? AND agent_id = ? AND version = ?",
            (reader.tenant_id, execution["agent_id"], execution["agent_version"]),
        )
        return Traced(
            execution=execution,
            definition=_mapping(versions[0]["definition"]) if versions else None,
            spans=reader.spans(run_id),
            pending=_pending(reader, run_id),
        )


def _pending(reader: SqliteReader, run_id: str) -> tuple[str, ...]:
    """Paths of effects that have begun, and of questions that nobody has answered yet."""
    queries = (
        "SELECT path FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND state = 'started' AND kind != 'epoch'",
        SELECT_PENDING,
    )
    rows = [row for query in queries for row in reader.rows(query, (reader.tenant_id, run_id))]
    return tuple(sorted({str(row["path"]) for row in rows}))


def _mapping(text: object) -> Mapping[str, object] | None:
    try:
        value = loads(str(text))
    except ValueError:
        return None
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None
