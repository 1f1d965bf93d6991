"""Retention: memories that have expired go, those that somebody pinned stay; checkpoints of runs long ended go.

Written inside the writer's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trackrecord import clock
from trackrecord.canonical import dumps
from trackrecord.store import memory_statements, statements
from trackrecord.store.driver import Connection
from trackrecord.store.memory_audit import note

MOST_AT_ONCE: Final = 2_000
"""Rows of each table that one transaction deletes: runs are waiting for the writer meanwhile."""

_MOST_RUNS: Final = 200


def prune(connection: Connection, now: str, actor_id: str) -> int:
    """Delete expired memories, so many at a time; how many went, 0 when none is left."""
    gone: Counter[str] = Counter()
    for statement in memory_statements.DELETE_EXPIRED.values():
        gone.update(tenant_id for (tenant_id,) in connection.execute(statement, (now, MOST_AT_ONCE)).fetchall())
    for tenant_id, count in gone.items():
        note(connection, tenant_id, actor_id, "memory.pruned", None, dumps({"count": count}))
    return gone.total()


@dataclass(frozen=True, slots=True)
class Old:
    """A run whose checkpoints have had their time."""

    tenant_id: str
    run_id: str
    before: str


def old_checkpoints(connection: Connection, before: datetime) -> list[Old]:
    """Runs that ended before a moment and still have checkpoints: one at least, and not many rows' worth of them."""
    limit, found, count = clock.stamp(before), list[Old](), 0
    for (tenant_id,) in connection.execute(statements.SELECT_TENANTS).fetchall():
        given = (tenant_id, clock.first_id(before), limit, _MOST_RUNS)
        for run_id, rows in connection.execute(statements.SELECT_OLD_CHECKPOINTS, given):
            count += rows
            if found and count > MOST_AT_ONCE:
                return found
            found.append(Old(tenant_id, run_id, limit))
    return found


def prune_checkpoints(connection: Connection, old: Sequence[Old]) -> int:
    """Delete the checkpoints of these runs, as long as they have ended; how many."""
    rows = [(one.tenant_id, one.run_id, one.before) for one in old]
    return connection.executemany(statements.DELETE_CHECKPOINTS, rows).rowcount


def is_due(connection: Connection, now: str) -> bool:
    """Whether anything has expired; one look into each index."""
    return bool(connection.execute(memory_statements.SELECT_EXPIRED_MEMORY, (now, now)).fetchone()[0])


def present() -> str:
    """The stamp memories expire by."""
    return clock.stamp(clock.now())
