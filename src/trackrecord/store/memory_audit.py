"""Audit rows about memories: who did what to which, and never what was remembered."""

from __future__ import annotations

from trackrecord import clock
from trackrecord.store import statements
from trackrecord.store.driver import Connection


def note(
    connection: Connection, tenant_id: str, actor_id: str, action: str, memory_id: str | None, details: str
) -> None:
    """Add an audit row about a memory, or about many: then it names the tenant; `details` is canonical JSON text."""
    kind, subject = ("memory", memory_id) if memory_id is not None else ("memories", tenant_id)
    now = clock.stamp(clock.now())
    connection.execute(
        statements.INSERT_AUDIT, (tenant_id, clock.new_id(), actor_id, action, kind, subject, details, now)
    )
