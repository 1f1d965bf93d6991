"""Memories of an agent and of its user: what recall chooses from, and what `remember` adds.

Reads go to a reading connection of their own, on the caller's thread: they take well under a millisecond and never wait
for the writer. Must never choose: recall does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Lock
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from trackrecord import clock
from trackrecord.memory.entries import MemoryEntry
from trackrecord.store import statements
from trackrecord.store.driver import driver
from trackrecord.store.protocol import Memory
from trackrecord.store.sqlite import Connection, store_error
from trackrecord.store.writer import Unit, Writer


class SqliteMemories:
    """Implements `MemoryStore`."""

    def __init__(self, reader: Connection, writer: Writer, door: Lock) -> None:
        """Read on `reader`, one thread at a time through `door`, or where the writer does; write through it."""
        self._reader = reader
        self._writer = writer
        self._door = door

    async def entries(self, tenant_id: str, agent_id: str, user_id: str, *, before: str) -> Sequence[MemoryEntry]:
        """The summaries recall may take, and the newest 500 others of the agent for this user and of the user.

        None that had expired by then.

        Raises:
            StoreError: they cannot be read.
        """
        of_agent = (tenant_id, agent_id, user_id, before, before)
        of_user = (tenant_id, user_id, before, before)
        bound = (*of_agent, *of_agent, *of_user)

        def read(connection: Connection) -> list[tuple[Any, ...]]:
            return connection.execute(statements.SELECT_MEMORIES, bound).fetchall()

        rows = self._writer.read_here(read)
        if rows is None:
            try:
                with self._door:
                    rows = read(self._reader)
            except driver.Error as error:
                raise store_error(error) from error
        rows.sort(key=lambda row: row[3], reverse=True)
        return [_entry(row) for row in rows]

    async def remember(
        self, tenant_id: str, agent_id: str, user_id: str, memory: Memory, *, run_id: str, path: str
    ) -> None:
        """Keep a memory; a fact belongs to the user, anything else to the agent and the user.

        Repeating it for the same run and path adds nothing, so a resumed run may do so.

        Raises:
            StoreError: it could not be stored.
        """
        memory_id = str(uuid5(NAMESPACE_URL, f"{tenant_id}/{run_id}/{path}"))
        tail = (memory.kind, memory.text, memory.importance, clock.stamp(clock.now()), memory.expires_at)
        if memory.kind == "fact":
            statement, row = (statements.INSERT_USER_MEMORY, (tenant_id, memory_id, user_id, agent_id, run_id, *tail))
        else:
            statement, row = (statements.INSERT_RUN_MEMORY, (tenant_id, memory_id, agent_id, user_id, run_id, *tail))

        def write(connection: Connection) -> None:
            connection.execute(statement, row)

        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.submit(Unit(write, future))
        await future

    def close(self) -> None:
        """Let go of the reading connection."""
        with self._door:
            self._reader.close()


def _entry(row: tuple[Any, ...]) -> MemoryEntry:
    kind, text, importance, created_at, agent_id, run_id = row
    return MemoryEntry(
        kind=kind, text=text, importance=importance, created_at=created_at, agent_id=agent_id, run_id=run_id
    )
