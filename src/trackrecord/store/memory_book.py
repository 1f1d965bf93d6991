"""The book of memories: what programs and the command line do with them. Reads for itself, writes through the writer.

Every change leaves an audit row that names the memory and never its content. Runs remember through their context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trackrecord import clock
from trackrecord.canonical import clean_text, dumps
from trackrecord.errors import BadInput
from trackrecord.memory.entries import LEAST_IMPORTANCE, MOST_IMPORTANCE, LearntKind, expires_at
from trackrecord.memory.remembering import IMPORTANCE, one_line
from trackrecord.record.redact import Redactor
from trackrecord.store import consolidation, memory_lists, memory_statements, retention
from trackrecord.store.consolidation import Consolidated
from trackrecord.store.driver import Connection
from trackrecord.store.feedback import Feedback, checked, give
from trackrecord.store.memories import SqliteMemories
from trackrecord.store.memory_audit import note
from trackrecord.store.memory_lists import MemoryFilter, StoredMemory
from trackrecord.store.reader import SqliteReader
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER

KINDS: Final = ("summary", "fact", "pattern")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure took: the content of memories, and of feedback on runs. Their figures are still there."""

    memory_count: int
    feedback_count: int


class MemoryBook:
    """Look at memories and look after them; an open `Trackrecord` has it as `memory`."""

    def __init__(self, memories: SqliteMemories, path: Path, redactor: Redactor, tenant_id: str = LOCAL_TENANT) -> None:
        """Write through `memories`, read the database at `path`, keep what `redactor` knows out."""
        self._memories = memories
        self._path = path
        self._redactor = redactor
        self._tenant_id = tenant_id

    async def list(
        self,
        *,
        kind: str | None = None,
        agent: str | None = None,
        user_id: str | None = None,
        run_id: str | None = None,
        limit: int = 50,
    ) -> list[StoredMemory]:
        """Memories, newest first.

        Raises:
            UnknownAgent: there is no such agent. BadInput: there is no such kind.
        """
        if kind is not None and kind not in KINDS:
            raise BadInput(f"{kind!r} is no kind of memory", cure=f"There are {', '.join(KINDS)}.")
        with self._reader() as reader:
            agent_id = None if agent is None else str(reader.agent(agent)["id"])
            wanted = MemoryFilter(kind=kind, agent_id=agent_id, user_id=user_id, run_id=run_id, limit=limit)
            return memory_lists.listed(reader, wanted)

    async def get(self, memory: str) -> StoredMemory:
        """A memory by its id, or by the beginning of its id.

        Raises:
            BadInput: there is none, or more than one fits.
        """
        with self._reader() as reader:
            return memory_lists.one(reader, memory)

    async def add(
        self,
        kind: LearntKind,
        text: str,
        *,
        agent: str | None = None,
        user_id: str = LOCAL_USER,
        importance: int | None = None,
        is_pinned: bool = False,
    ) -> StoredMemory:
        """Keep a fact about a user, or a pattern of an agent's work for the user, as a person knows it.

        Raises:
            BadInput: the text is empty or too long, the importance is not 1-10, or a pattern names no agent.
            UnknownAgent: there is no such agent.
        """
        line = one_line(kind, self._redactor.text(clean_text(text)))
        weight = IMPORTANCE[kind] if importance is None else importance
        if not LEAST_IMPORTANCE <= weight <= MOST_IMPORTANCE:
            raise BadInput(f"{weight} is no importance", cure=f"Use {LEAST_IMPORTANCE} to {MOST_IMPORTANCE}.")
        if kind == "pattern" and agent is None:
            raise BadInput("a pattern belongs to an agent, and none is named", cure="Name its agent.")
        agent_id: str | None = None
        if agent is not None:
            with self._reader() as reader:
                agent_id = str(reader.agent(agent)["id"])
        memory_id, now = clock.new_id(), clock.now()
        content = (kind, line, weight, clock.stamp(now), expires_at(weight, now), int(is_pinned))
        row = (self._tenant_id, memory_id, user_id, agent_id, *content)

        def write(connection: Connection) -> None:
            connection.execute(memory_statements.INSERT_KEPT_MEMORY, row)
            note(connection, self._tenant_id, LOCAL_USER, "memory.added", memory_id, dumps({"kind": kind}))

        await self._memories.write(write)
        return await self.get(memory_id)

    async def pin(self, memory: str, *, is_pinned: bool = True) -> StoredMemory:
        """Keep a memory beyond its time, or no longer.

        Raises:
            BadInput: there is none, or it was erased.
        """
        found = await self.get(memory)
        action = "memory.pinned" if is_pinned else "memory.unpinned"

        def write(connection: Connection) -> int:
            bound = (int(is_pinned), self._tenant_id, found.id)
            changed = sum(connection.execute(sql, bound).rowcount for sql in memory_statements.PIN_MEMORY.values())
            if changed:
                note(connection, self._tenant_id, LOCAL_USER, action, found.id, "{}")
            return changed

        if not await self._memories.write(write):
            raise BadInput(f"memory {found.id!r} was erased: there is nothing to keep", cure="Add it anew.")
        return await self.get(found.id)

    async def forget(self, *memories: str) -> int:
        """Delete memories, rows and all; how many.

        Raises:
            BadInput: one of them is not there, or more than one fits; none was deleted then.
        """
        found = {one.id: one for one in [await self.get(memory) for memory in memories]}

        def write(connection: Connection) -> int:
            gone = 0
            for memory_id, one in found.items():
                bound = (self._tenant_id, memory_id)
                deleted = [connection.execute(sql, bound).rowcount for sql in memory_statements.DELETE_MEMORY.values()]
                if any(deleted):
                    details = dumps({"kind": one.kind})
                    note(connection, self._tenant_id, LOCAL_USER, "memory.forgotten", memory_id, details)
                    gone += 1
            return gone

        return await self._memories.write(write)

    async def erase(
        self,
        *memories: str,
        agent: str | None = None,
        user_id: str | None = None,
        run_id: str | None = None,
    ) -> Erased:
        """Take the content out of memories, and of feedback; kind, importance and times stay.

        Named memories, or all of an agent, a user or a run, or of what all of these have in common; then the words of
        feedback on these runs go too, and with a run's also those of a folded summary that may quote it.

        Raises:
            BadInput: neither memories nor an owner are named, or both are; or a memory is not there.
            UnknownAgent: there is no such agent.
        """
        owners = {"agent_id": agent, "user_id": user_id, "run_id": run_id}
        if bool(memories) == any(value is not None for value in owners.values()):
            raise BadInput("name memories, or whose to erase", cure="Give ids, or an agent, a user or a run.")
        if memories:
            ids = {one.id for one in [await self.get(memory) for memory in memories]}
            return await self._memories.write(lambda connection: self._erase_each(connection, sorted(ids)))
        if agent is not None:
            with self._reader() as reader:
                owners["agent_id"] = str(reader.agent(agent)["id"])
        wanted = {name: value for name, value in owners.items() if value is not None}
        return await self._memories.write(lambda connection: self._erase_of(connection, wanted))

    async def prune(self) -> int:
        """Delete the memories that have expired and that nobody pinned; how many."""
        return await self._memories.prune()

    async def consolidate(self, *, agent: str | None = None, user_id: str | None = None) -> Consolidated:
        """Merge equal facts and patterns, and fold old summaries into one; all by rule.

        Raises:
            UnknownAgent: there is no such agent.
        """
        agent_id: str | None = None
        if agent is not None:
            with self._reader() as reader:
                agent_id = str(reader.agent(agent)["id"])

        def write(connection: Connection) -> Consolidated:
            done = consolidation.consolidate(connection, self._tenant_id, agent_id, user_id)
            if done != Consolidated():
                note(connection, self._tenant_id, LOCAL_USER, "memory.consolidated", None, dumps(done))
            return done

        return await self._memories.write(write)

    async def feedback(self, run_id: str, verdict: str, text: str | None, user_id: str) -> Feedback:
        """Store what a person says of a run; `Trackrecord.feedback` says more.

        Raises:
            BadInput, UnknownRun: as there.
        """
        found, words = checked(verdict, text, self._redactor)
        return await self._memories.write(
            lambda connection: give(connection, self._tenant_id, run_id, user_id, found, words)
        )

    def _erase_each(self, connection: Connection, ids: Sequence[str]) -> Erased:
        count, now = 0, retention.present()
        for memory_id in ids:
            changed = sum(
                connection.execute(f"{sql} AND id = ?", (now, self._tenant_id, memory_id)).rowcount
                for sql in memory_statements.ERASE.values()
            )
            if changed:
                note(connection, self._tenant_id, LOCAL_USER, "memory.erased", memory_id, "{}")
                count += 1
        return Erased(memory_count=count, feedback_count=0)

    def _erase_of(self, connection: Connection, wanted: dict[str, str]) -> Erased:
        bound = (retention.present(), self._tenant_id)
        # columns are named by `erase`; every value is bound
        owner = "".join(f" AND {column} = ?" for column in wanted)
        memories = sum(
            connection.execute(sql + owner, (*bound, *wanted.values())).rowcount
            for sql in memory_statements.ERASE.values()
        )
        if "run_id" in wanted:
            others = {column: value for column, value in wanted.items() if column != "run_id"}
            of_others = "".join(f" AND {column} = ?" for column in others)
            values = (*bound, wanted["run_id"], *others.values())
            memories += connection.execute(memory_statements.ERASE_FOLDED + of_others, values).rowcount
        of_run = "".join(f" AND run.{'id' if column == 'run_id' else column} = ?" for column in wanted)
        said = connection.execute(f"{memory_statements.ERASE_FEEDBACK}{of_run})", (*bound, *wanted.values())).rowcount
        done = Erased(memory_count=memories, feedback_count=said)
        if memories or said:
            details = {"count": memories, "feedback": said, **wanted}
            note(connection, self._tenant_id, LOCAL_USER, "memory.erased", None, dumps(details))
        return done

    def _reader(self) -> SqliteReader:
        return SqliteReader(self._path, tenant_id=self._tenant_id)
