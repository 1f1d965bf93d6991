"""Memories as they are stored, to look at: listed, or one by its id. Reads only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

from trackrecord.canonical import Json
from trackrecord.errors import BadInput
from trackrecord.memory.entries import MemoryKind, MemorySource
from trackrecord.store import memory_statements
from trackrecord.store.reader import MAX_LISTED, Row, SqliteReader


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMemory:
    """One memory.

    Attributes:
        kind: `summary` of a run, `fact` about a user, or `pattern` of an agent's work for a user.
        agent_id, agent_name: of a fact: who learnt it; None when no agent did.
        run_id: the run it came from, of a folded one the newest; None when a person gave it.
        text: what is remembered; None when it was erased.
        importance: 1-10.
        expires_at: until when it is recalled and kept, unless it is pinned.
        source: who put it into words: `rule`, `model`, `folded`, `run` or `person`.
        folded_count: further runs it stands for.
        repeat_count: equal memories that were merged into it.
    """

    id: str
    kind: MemoryKind
    user_id: str
    agent_id: str | None
    agent_name: str | None
    run_id: str | None
    text: str | None
    importance: int
    source: MemorySource
    is_pinned: bool
    created_at: str
    expires_at: str
    erased_at: str | None
    folded_count: int
    repeat_count: int

    def to_json(self) -> dict[str, Json]:
        """Every field by name."""
        return cast("dict[str, Json]", asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """Which memories to list; None means any.

    Attributes:
        agent_id: of this agent; facts it learnt are among them.
        limit: most of them, newest first.
    """

    kind: str | None = None
    agent_id: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    limit: int = 50


def listed(reader: SqliteReader, wanted: MemoryFilter) -> list[StoredMemory]:
    """Memories, newest first."""
    clauses, given = ["memory.tenant_id = ?"], [reader.tenant_id]
    for column in ("kind", "agent_id", "user_id", "run_id"):
        value = getattr(wanted, column)
        if value is not None:
            clauses.append(f"memory.{column} = ?")
            given.append(value)
    # clauses are our own text; every value is bound
    sql = f"{memory_statements.SELECT_ALL_MEMORIES} WHERE {' AND '.join(clauses)} ORDER BY created_at DESC, id LIMIT ?"
    return [_memory(row) for row in reader.rows(sql, [*given, min(wanted.limit, MAX_LISTED)])]


def one(reader: SqliteReader, memory: str) -> StoredMemory:
    """A memory by its id, or by the beginning of its id.

    Raises:
        BadInput: there is none, or the beginning fits more than one.
    """
    fits = "memory.id = ?" if len(memory) == 36 or len(memory) < 4 else "substr(memory.id, 1, length(?)) = ?"
    given = [memory] * fits.count("?")
    sql = f"{memory_statements.SELECT_ALL_MEMORIES} WHERE memory.tenant_id = ? AND {fits} LIMIT 2"
    rows = reader.rows(sql, [reader.tenant_id, *given])
    if len(rows) == 1:
        return _memory(rows[0])
    if rows:
        raise BadInput(f"{memory!r} is the beginning of more than one memory's id", cure="Give more of the id.")
    raise BadInput(f"there is no memory {memory!r}", cure="`trackrecord memory list` has their ids.")


def expired_count(reader: SqliteReader, now: str) -> int:
    """How many memories have expired by then and are not pinned."""
    counted = memory_statements.COUNT_EXPIRED.values()
    return sum(next(reader.tuples(sql, (now,)))[0] for sql in counted)


def _memory(row: Row) -> StoredMemory:
    fields: dict[str, Any] = {name: row[name] for name in StoredMemory.__slots__}
    fields["is_pinned"] = bool(row["is_pinned"])
    return StoredMemory(**fields)
