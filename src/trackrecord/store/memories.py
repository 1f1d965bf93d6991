"""Memories of an agent and of its user: what recall chooses from, and what `remember` adds.

Reads go to a reading connection of their own, on the caller's thread: they take well under a millisecond and never wait
for the writer. Must never choose: recall does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from trackrecord import clock
from trackrecord.memory.entries import Memory, MemoryEntry
from trackrecord.store import retention, statements
from trackrecord.store.door import Door
from trackrecord.store.driver import Connection
from trackrecord.store.writer import Writer
from trackrecord.tenancy import LOCAL_USER

T = TypeVar("T")


class SqliteMemories:
    """Implements `MemoryStore`."""

    def __init__(self, writer: Writer, door: Door) -> None:
        """Read through `door`, or where the writer does; write through it."""
        self._writer = writer
        self._door = door

    async def entries(self, tenant_id: str, agent_id: str, user_id: str, *, before: str) -> Sequence[MemoryEntry]:
        """The summaries recall may take, and the newest 500 patterns of the agent for this user and facts of the user.

        None that had expired by then or was erased; what somebody pinned does not expire.

        Raises:
            StoreError: they cannot be read.
        """
        of_agent = (before, before, tenant_id, agent_id, user_id, before, before)
        bound = (*of_agent, tenant_id, user_id, agent_id, before, before, tenant_id, user_id, before, before)

        def read(connection: Connection) -> list[tuple[Any, ...]]:
            return connection.execute(statements.SELECT_MEMORIES, bound).fetchall()

        rows = self._writer.read_here(read)
        if rows is None:
            rows = self._door.look(read)
        rows.sort(key=lambda row: row[3], reverse=True)
        return [_entry(row) for row in rows]

    async def remember(
        self, tenant_id: str, agent_id: str, user_id: str, memory: Memory, *, run_id: str, path: str
    ) -> None:
        """Keep a memory; a fact belongs to the user, a pattern or a summary to the agent and the user.

        Repeating it for the same run and path adds nothing, so a resumed run may do so.

        Raises:
            StoreError: it could not be stored.
        """
        memory_id = str(uuid5(NAMESPACE_URL, f"{tenant_id}/{run_id}/{path}"))
        now = clock.stamp(clock.now())
        source = memory.source if memory.kind == "summary" else "run"
        tail = (memory.kind, memory.text, memory.importance, now, memory.expires_at, source)
        if memory.kind == "summary":
            statement, row = (statements.INSERT_RUN_MEMORY, (tenant_id, memory_id, agent_id, user_id, run_id, *tail))
        else:
            statement, row = (statements.INSERT_USER_MEMORY, (tenant_id, memory_id, user_id, agent_id, run_id, *tail))

        def write(connection: Connection) -> None:
            connection.execute(statement, row)

        await self.write(write)

    async def prune(self, actor_id: str = LOCAL_USER) -> int:
        """Delete the memories that have expired and that nobody pinned; how many. Costs a look when there are none.

        Raises:
            StoreError: they could not be deleted.
        """
        now, gone = retention.present(), 0
        while self._door.look(lambda reader: retention.is_due(reader, now)):
            gone += await self.write(lambda connection: retention.prune(connection, now, actor_id))
        return gone

    async def write(self, write: Callable[[Connection], T]) -> T:
        """Have something written as one unit, and wait for its commit."""
        return await self._writer.written(write)


def _entry(row: tuple[Any, ...]) -> MemoryEntry:
    kind, text, importance, created_at, agent_id, run_id, is_pinned, verdict, feedback = row
    return MemoryEntry(
        kind=kind,
        text=text,
        importance=importance,
        created_at=created_at,
        agent_id=agent_id,
        run_id=run_id,
        is_pinned=bool(is_pinned),
        verdict=verdict,
        feedback=feedback,
    )
