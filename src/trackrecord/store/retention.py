"""Retention of memories: what has expired goes, what somebody pinned stays. Written inside the writer's transaction."""

from __future__ import annotations

from collections import Counter
from typing import Final

from trackrecord import clock
from trackrecord.canonical import dumps
from trackrecord.store import memory_statements
from trackrecord.store.driver import Connection
from trackrecord.store.memory_audit import note

MOST_AT_ONCE: Final = 2_000
"""Rows of each table that one transaction deletes: runs are waiting for the writer meanwhile."""


def prune(connection: Connection, now: str, actor_id: str) -> int:
    """Delete expired memories, so many at a time; how many went, 0 when none is left."""
    gone: Counter[str] = Counter()
    for statement in memory_statements.DELETE_EXPIRED.values():
        gone.update(tenant_id for (tenant_id,) in connection.execute(statement, (now, MOST_AT_ONCE)).fetchall())
    for tenant_id, count in gone.items():
        note(connection, tenant_id, actor_id, "memory.pruned", None, dumps({"count": count}))
    return gone.total()


def is_due(connection: Connection, now: str) -> bool:
    """Whether anything has expired; one look into each index."""
    return bool(connection.execute(memory_statements.SELECT_EXPIRED_MEMORY, (now, now)).fetchone()[0])


def present() -> str:
    """The stamp memories expire by."""
    return clock.stamp(clock.now())
