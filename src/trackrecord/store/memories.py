"""Memories of an agent and of its user: what recall chooses from, and what `remember` adds.

Reads go to a reading connection of their own, on the caller's thread: they take well under a millisecond and never wait
for the writer. Must never choose: recall does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from trackrecord import clock
from trackrecord.memory.entries import MemoryEntry
from trackrecord.memory.recall import MOST_SUMMARIES
from trackrecord.store import statements
from trackrecord.store.driver import driver
from trackrecord.store.protocol import Memory
from trackrecord.store.sqlite import Connection, store_error
from trackrecord.store.writer import Unit

MAX_ENTRIES: Final = 500


class SqliteMemories:
    """Implements `MemoryStore`."""

    def __init__(self, reader: Connection, submit: Callable[[Unit], None], door: Lock) -> None:
        """Read on `reader`, one thread at a time through `door`; write through `submit`."""
        self._reader = reader
        self._submit = submit
        self._door = door

    async def entries(self, tenant_id: str, agent_id: str, user_id: str, *, before: str) -> Sequence[MemoryEntry]:
        """The summaries recall may take, and the newest 500 others of the agent for this user and of the user.

        None that had expired by then.

        Raises:
            StoreError: they cannot be read.
        """
        of_agent = (tenant_id, agent_id, user_id, before, before)
        of_user = (tenant_id, user_id, before, before)
        bound = (*of_agent, MOST_SUMMARIES, *of_agent, MAX_ENTRIES, *of_user, MAX_ENTRIES)
        try:
            with self._door:
                rows = self._reader.execute(statements.SELECT_MEMORIES, bound).fetchall()
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
        self._submit(Unit(write, future))
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
