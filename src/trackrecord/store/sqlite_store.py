"""The SQLite store: what a run leaves, kept by one file that many processes may share.

Steps 2, 3, 5 and 7 of 9. Hands every write to the one writer as a unit and waits for its commit; what is written stands
in `transactions`. Must never write on another connection than the writer's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self, TypeVar, cast

from trackrecord import clock, failpoints
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import IntensitySettings
from trackrecord.record.late_usage import LateUsage
from trackrecord.record.rows import Rows
from trackrecord.store import adjusting, external, postings, retention, statements, transactions
from trackrecord.store.approvals import SqliteApprovals
from trackrecord.store.definitions import SqliteDefinitions
from trackrecord.store.door import Door
from trackrecord.store.driver import Connection, Error
from trackrecord.store.journal import Opening, SqliteJournal, Waiting, entry
from trackrecord.store.leases import Leases
from trackrecord.store.ledger import SqliteLedger
from trackrecord.store.memories import SqliteMemories
from trackrecord.store.notebook import Notebook
from trackrecord.store.protocol import (
    AcceptedRun,
    Begun,
    ChildRun,
    Durability,
    ExpiredRun,
    FinishedRun,
    Kin,
    LeftRun,
    ParkedRun,
    PastRun,
)
from trackrecord.store.rebuild import Rebuilt, Survey, rebuild, survey
from trackrecord.store.sealing import Key
from trackrecord.store.secrets import SqliteSecrets
from trackrecord.store.sqlite import Synchronous, connect, open_database, store_error
from trackrecord.store.wal import WalKeeper
from trackrecord.store.writer import Unit, UnstorableError, Writer
from trackrecord.undisturbed import undisturbed

T = TypeVar("T")
CancelCode = Literal["user", "signal"]


class SqliteStore:
    """Implements `Store` on one SQLite file."""

    def __init__(
        self,
        path: Path,
        connection: Connection,
        reader: Connection,
        durability: Durability,
        settings: IntensitySettings,
        is_quick: bool,
        key: Key | None,
    ) -> None:
        """Use `open`; `is_quick` says that a commit does not wait for the disk."""
        self.durability: Durability = durability
        self._settings = settings
        self._notebook = Notebook(settings)
        turn = Lock()
        self._wal = WalKeeper(lambda: connect(path), turn)
        self._leases = Leases()
        self._writer = Writer(
            connection, path, due=self._leases.due, notebook=self._notebook, committed=self._wal.committed, turn=turn
        )
        self._door = door = Door(reader, path)
        self._memory = SqliteMemories(self._writer, door)
        self._secrets = SqliteSecrets(self._writer, door, key)
        self._ledger = SqliteLedger(self._writer, door, self._notebook)
        self._approvals = SqliteApprovals(self._writer, door)
        self._definitions = SqliteDefinitions(door)
        self.path = path
        self._is_quick = is_quick

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        durability: Durability = "sync",
        synchronous: Synchronous = "FULL",
        intensity_settings: IntensitySettings | None = None,
        key: Key | None = None,
    ) -> Self:
        """A store on the file at `path`, made when there is none; every write of it survives the process.

        Args:
            path: the database file; its directory must exist.
            durability: what `journal` uses when it is not told.
            synchronous: `FULL` also survives a power cut; `NORMAL` may then lose the last commits, never half of one.
            intensity_settings: weights and ranges of the intensity scores; the defaults when None.
            key: seals and opens secrets; None when there are none to open.

        Raises:
            StoreUnusable: the file cannot be read or written, or is not ours.
            SchemaTooNew: a newer version of this package wrote it.
            StoreBusy: another process held it for too long.
        """
        failpoints.arm_from_environment()
        path = Path(path)
        connection = open_database(path, synchronous)
        try:
            reader = connect(path, is_reader=True)
        except Error as error:
            connection.close()
            raise store_error(error, path) from error
        is_quick = synchronous == "NORMAL"
        return cls(
            path.absolute(), connection, reader, durability, intensity_settings or IntensitySettings(), is_quick, key
        )

    @property
    def memory(self) -> SqliteMemories:
        """Memories to recall from, and to add to."""
        return self._memory

    @property
    def secrets(self) -> SqliteSecrets:
        """Sealed secrets, to open and to look after."""
        return self._secrets

    @property
    def ledger(self) -> SqliteLedger:
        """Credit accounts, to look at and to add to."""
        return self._ledger

    @property
    def approvals(self) -> SqliteApprovals:
        """What runs ask of people, to ask and to answer."""
        return self._approvals

    @property
    def definitions(self) -> SqliteDefinitions:
        """Agents as they are stored, by name."""
        return self._definitions

    def has_account(self, tenant_id: str, user_id: str) -> bool:
        """Whether the user has a credit account: its runs must hold credits before they begin, and not be launched."""
        found = self._writer.read_here(
            lambda connection: postings.has_account_now(connection, self._notebook, tenant_id, user_id)
        )
        return self._ledger.has_account(tenant_id, user_id) if found is None else found

    def accept(self, run: AcceptedRun) -> Awaitable[None]:
        """Hand the accepting transaction to the writer at once; await the result for its commit.

        Raises:
            InsufficientCredits: the user has a credit account with nothing to hold; there is no such run then.
            StoreError: it could not be stored; there is no such run then.
        """
        return self._submit("accept", lambda connection: transactions.accept(connection, run, self._notebook))

    async def begin(self, tenant_id: str, run_id: str, *, now: str | None = None) -> Begun:
        """Put a queued, due waiting or orphaned run under a new epoch and a lease of ten seconds, kept up from here on.

        Raises:
            Conflict: somebody holds the run, it is not due, or it has ended.
            UnknownRun: there is no such run.
        """

        def write(connection: Connection) -> Begun:
            return transactions.begin(connection, tenant_id, run_id, now)

        return await self._submit("begin", write, self._hold)

    def launch(self, run: AcceptedRun, *, now: str | None = None) -> Begun:
        """Accept and begin a run of this process in one; stored with the first of its journal, at most 100 ms later."""
        began_at = clock.stamp(clock.now())
        origin = run.origin
        begun = Begun(tenant_id=origin.tenant_id, run_id=origin.run_id, epoch=1, began_at=began_at, now=now or began_at)
        journal = self.journal(begun, "async")
        journal.open(Opening(run, lambda connection: transactions.launch(connection, run, begun, self._notebook)))
        self._leases.hold(begun)
        return begun

    async def left(self, tenant_id: str, run_id: str) -> LeftRun:
        """Who and what a run is, from what was stored when it was accepted.

        Raises:
            UnknownRun: there is no such run.
        """
        return await self._submit("left", lambda connection: transactions.left(connection, tenant_id, run_id))

    async def past(self, tenant_id: str, run_id: str) -> PastRun:
        """A run as the origin of a retry or a fork, from what is stored of it.

        Raises:
            UnknownRun: there is no such run.
        """
        return await self._submit("past", lambda connection: transactions.past(connection, tenant_id, run_id))

    async def park(self, run: ParkedRun) -> CancelCode | None:
        """Let go of a run that does not go on for now; what it waits for brings it back.

        Gives the code when somebody wanted it to end before it was let go of: it is due at once then.

        Raises:
            Conflict: another epoch holds the run, or it has ended; nothing was written.
            StoreError: it could not be stored; the lease then ends by itself within ten seconds.
        """
        self._leases.let_go(run.begun)
        code = await self._submit("park", lambda connection: transactions.park(connection, run))
        return cast("CancelCode | None", code)

    async def ask_to_cancel(self, tenant_id: str, run_id: str, code: CancelCode) -> str:
        """Say that a run is to end, whoever carries it: its state before. One that waits is ready at once.

        Raises:
            UnknownRun: there is no such run. Conflict: it has ended.
        """
        return await self._submit(
            "cancel", lambda connection: transactions.ask_to_cancel(connection, tenant_id, run_id, code)
        )

    def to_cancel(self, begun: Iterable[tuple[str, str, int]]) -> dict[str, CancelCode]:
        """Of these runs (tenant, id, epoch), those that somebody wants to end, with the code.

        One look into an index that is mostly empty.

        Raises:
            StoreError: it cannot be read.
        """
        held = set(begun)
        rows = self._door.rows(statements.SELECT_CANCELLED)
        return {run_id: code for tenant_id, run_id, epoch, code in rows if (tenant_id, run_id, epoch) in held}

    def children(self, tenant_id: str, run_id: str, path: str | None = None) -> list[ChildRun]:
        """The child runs of a run, the oldest first; of one place when a path is given. A cheap look.

        Raises:
            StoreError: it cannot be read.
        """
        return self._door.look(lambda reader: transactions.children(reader, tenant_id, run_id, path))

    def lineage(self, tenant_id: str, run_id: str, most: int) -> list[Kin]:
        """A run and those it is a child of, the outermost first, `most` at most. A cheap look.

        Raises:
            StoreError: it cannot be read.
        """
        return self._door.look(lambda reader: transactions.lineage(reader, tenant_id, run_id, most))

    def refuse(self, tenant_id: str, user_id: str, subject: tuple[str, str], details: str) -> Awaitable[None]:
        """Note that something was refused: an audit row about a kind and id, with canonical JSON text.

        Raises:
            StoreError: it could not be stored.
        """

        def write(connection: Connection) -> None:
            transactions.refuse(connection, tenant_id, user_id, subject, details)

        return self._submit("refuse", write)

    def journal(self, begun: Begun, durability: Durability | None = None) -> SqliteJournal:
        """The journal of this epoch; what it still holds when the run finishes is stored with the finish."""
        journal = self._leases.journal(begun)
        if journal is None:
            journal = SqliteJournal(begun, durability or self.durability, self._writer.submit, self._store_here)
            self._leases.keep(journal)
            self._writer.wake()
        return journal

    async def finish(self, run: FinishedRun) -> bool:
        """The terminal transaction; False, and nothing written, when the run had ended or moved to another epoch.

        When its content cannot be stored, the minimal record is, with those spans that can.

        Raises:
            StoreError: not even that could be stored. The run stays as it was, and whoever sweeps ends it later; of one
                that was launched and never stored there is nothing.
        """
        journal = self._leases.journal(run.begun)
        try:
            return await self._finish(_Finish(run, run.rows, journal, self._notebook, is_minimal=False))
        except UnstorableError as error:
            rows = run.minimal(error.message)
            return await self._finish(_Finish(run, rows, journal, self._notebook, is_minimal=True))
        finally:
            self._leases.let_go(run.begun)

    async def _finish(self, finish: _Finish) -> bool:
        future = self._submit("finish", finish.write, finish.settled)
        if future.done():
            return future.result()
        is_stored, _ = await undisturbed(future)  # whoever cancels now comes too late, and the record must be whole
        return is_stored

    async def prune_memories(self) -> int:
        """Delete the memories that have expired and that nobody pinned; how many. Costs nothing when there are none.

        Raises:
            StoreError: they could not be deleted.
        """
        return await self._memory.prune()

    async def prune_checkpoints(self, days: int) -> int:
        """Delete the checkpoints of runs that ended longer than so many days ago; how many. A look when there are none.

        A run loses all of them in one transaction, or none; it cannot be retried or forked from then on.

        Raises:
            StoreError: they could not be deleted.
        """
        gone = 0
        for old in self._old_checkpoints(clock.now() - timedelta(days=days)):
            gone += await self._submit(
                "prune", lambda connection, old=old: retention.prune_checkpoints(connection, old)
            )
        return gone

    def _old_checkpoints(self, before: datetime) -> Iterator[list[retention.Old]]:
        """Runs whose checkpoints have had their time, a few rows' worth at a time, until none is left."""
        while True:
            old = self._door.look(lambda reader: retention.old_checkpoints(reader, before))
            if not old:
                return
            yield old

    async def add_late_usage(self, late: LateUsage) -> bool:
        """Add what a model attempt of an ended run has used, once; False while the run has not ended.

        Raises:
            UnknownRun: there is no such run.
            StoreError: it could not be stored.
        """
        book = self._notebook.intensity
        return await self._submit("adjust", lambda connection: adjusting.add_late_usage(connection, late, book))

    async def release(self, begun: Begun) -> None:
        """Let go of a run that this process will not finish, so that another may begin it at once.

        Raises:
            StoreError: it could not be written; the lease then ends by itself within ten seconds.
        """
        self._leases.let_go(begun)
        row = (clock.stamp(clock.now()), begun.tenant_id, begun.run_id, begun.epoch)
        await self._submit("release", lambda connection: connection.execute(statements.EXTEND_LEASE, row))

    async def expired(self, limit: int, after: str = "") -> list[ExpiredRun]:
        """Runs that nobody carries and that could go on, the oldest first, from an id on; `begin` takes one over.

        Running ones whose lease is over, queued ones nobody began, waiting ones whose time has come.
        """
        return await self._submit("expired", lambda connection: transactions.expired(connection, limit, after))

    async def increment_agent_stats(
        self, tenant_id: str, agent_id_input: str, user_id_input: str, success: bool
    ) -> None:
        """Count a run that ran elsewhere into the statistics of its agent and user.

        Raises:
            BadInput: an id is empty or not text, or `success` no boolean.
            StoreError: it could not be stored.
        """
        call = external.stats_call(tenant_id, agent_id_input, user_id_input, success)
        await self._submit(
            "external", lambda connection: external.increment(connection, call, self._notebook.intensity)
        )

    async def update_agent_intensity_metrics(self, tenant_id: str, data: AgentExecutionData) -> None:
        """Add a run that ran elsewhere to the intensity metrics of its agent.

        Raises:
            StoreError: it could not be stored.
        """
        await self._submit(
            "external", lambda connection: external.absorb(connection, tenant_id, data, self._notebook.intensity)
        )

    async def rebuild(self) -> Rebuilt:
        """Make `agent_stats` and `agent_intensity_metrics` anew from the records where they differ from a recount.

        Looking takes no lock; only the agents that need it are counted again and rewritten in one transaction. Records
        that differ from their spans are named in the result and left as they are.

        Raises:
            StoreError: it could not be read or stored; nothing was changed then.
        """
        found = await asyncio.get_running_loop().run_in_executor(None, survey, self.path, self._settings)
        return await self._submit("rebuild", lambda connection: self._rebuilt(connection, found))

    def _rebuilt(self, connection: Connection, found: Survey) -> Rebuilt:
        self._notebook.intensity.write(
            connection
        )  # what earlier units of this transaction have not written yet must be counted too
        rebuilt = rebuild(connection, self._settings, found)
        self._notebook.forget()  # only now: if this fails, the commit still writes what those units changed
        return rebuilt

    async def close(self) -> None:
        """Commit what is under way and let go of the database; closing twice is nothing."""
        for journal in self._leases.journals():
            if journal.is_due and not self._writer.is_closed:
                journal.flush()
        await asyncio.get_running_loop().run_in_executor(None, self._end)
        self._door.close()

    def _end(self) -> None:
        try:
            self._wal.close()
        finally:
            self._writer.close()

    def _submit(
        self, name: str, write: Callable[[Connection], T], settled: Callable[[Unit], None] | None = None
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        unit = Unit(write, cast("asyncio.Future[Any]", future), settled, name)
        if not self._store_here(unit):
            self._writer.submit(unit)
        return future

    def _store_here(self, unit: Unit) -> bool:
        """Store a unit of a run that is alone without a hop, where a commit does not wait for the disk."""
        return self._is_quick and self._leases.is_alone and self._writer.store_here(unit)

    def _hold(self, unit: Unit) -> None:
        if unit.error is None:
            self._leases.hold(unit.result)
            self._writer.wake()


class _Finish:
    """The unit of one finish: takes what the journal still holds, and gives it back when it was not stored."""

    __slots__ = ("_entries", "_is_minimal", "_journal", "_notebook", "_rows", "_run")

    def __init__(
        self, run: FinishedRun, rows: Rows, journal: SqliteJournal | None, notebook: Notebook, *, is_minimal: bool
    ) -> None:
        self._run = run
        self._rows = rows
        self._journal = journal
        self._notebook = notebook
        self._is_minimal = is_minimal
        self._entries: list[Waiting] = []

    def write(self, connection: Connection) -> bool:
        if self._journal is not None:
            self._journal.take(self._entries)
        taken = [*self._entries, *(entry(self._run.begun, span, None) for span in self._run.last_spans)]
        return transactions.finish(
            connection, self._run, self._rows, taken, self._notebook, is_minimal=self._is_minimal
        )

    def settled(self, unit: Unit) -> None:
        if unit.error is not None and self._journal is not None:
            self._journal.put_back(self._entries)
