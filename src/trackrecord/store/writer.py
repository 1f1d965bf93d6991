"""The one thread that writes: whatever waits goes into one transaction, and each unit of it stands or falls alone.

Step 7 of 9, and the journal before it. One fsync serves everything that waits (group commit). Units are stored in the
order in which they were submitted. Must never know what it writes, and never report a unit before its commit.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar, cast

from trackrecord import failpoints
from trackrecord.errors import StoreError, StoreUnusable, TrackrecordError
from trackrecord.store.driver import Connection, driver
from trackrecord.store.sqlite import primary_code, store_error

MAX_BATCH: Final = 256
MAX_TRANSACTION_S: Final = 0.05
BUSY_LIMIT_S: Final = 30.0
# SQLite's lock has no queue: whoever looks while it is free has it. Looking often, and leaving a gap after each commit
# while others are about, gives every process its turn; without, one of eight can starve past its runs' leases.
LOOK_S: Final = 0.003
GAP_S: Final = 0.002
ABOUT_S: Final = 1.0

_BUSY: Final = frozenset({driver.SQLITE_BUSY, driver.SQLITE_LOCKED})
_OF_STORE: Final = _BUSY | {
    driver.SQLITE_FULL,
    driver.SQLITE_IOERR,
    driver.SQLITE_CORRUPT,
    driver.SQLITE_NOTADB,
    driver.SQLITE_READONLY,
    driver.SQLITE_CANTOPEN,
    driver.SQLITE_NOMEM,
    driver.SQLITE_PROTOCOL,
}
# After one of these nothing that was written since the last commit can be trusted: the process must start again.
_BROKEN: Final = frozenset({driver.SQLITE_IOERR, driver.SQLITE_CORRUPT, driver.SQLITE_NOTADB})


@dataclass(slots=True, eq=False)
class Unit:
    """One all-or-nothing piece of writing.

    Attributes:
        write: does it on the writer's connection, inside a transaction; may be called again after a rollback.
        future: gets the result after the commit; None when nobody waits.
        settled: called on the writer's thread when it is stored or has failed, before the future is.
        name: what it is, for failpoints.
        result, error: how it ended; set by the writer.
    """

    write: Callable[[Connection], Any]
    future: asyncio.Future[Any] | None = None
    settled: Callable[[Unit], None] | None = None
    name: str = "unit"
    result: Any = None
    error: Exception | None = None


T = TypeVar("T")
Due = Callable[[], tuple[list[Unit], float | None]]


class Notebook(Protocol):
    """What is known across transactions; told how each of them goes."""

    def begin(self, connection: Connection) -> None:
        """A transaction has begun; another process may have written before it."""

    def undone(self) -> None:
        """What one unit wrote is gone; the transaction goes on."""

    def complete(self, connection: Connection) -> None:
        """Write what waits for the commit that follows."""

    def forget(self) -> None:
        """Everything that was written since the last commit is gone."""


class UnstorableError(StoreError):
    """The database can be written, but not with this content."""


def unstorable(error: Exception) -> TrackrecordError:
    """Our error for a write that failed because of what was written; errors of ours stay as they are."""
    if isinstance(error, TrackrecordError):
        return error
    return UnstorableError(
        f"this cannot be stored: {type(error).__name__}: {error}", cure="Report this with the message."
    )


def is_of_store(error: BaseException) -> bool:
    """Whether an error says that the database cannot write now, rather than that this content cannot be written."""
    return primary_code(error) in _OF_STORE


class Writer:
    """Stores units in order, many at a time.

    `due` is asked before each wait for units of the writer's own accord and the seconds until it wants to be asked
    again; None for when something is submitted.
    """

    def __init__(
        self,
        connection: Connection,
        path: Path,
        *,
        due: Due,
        notebook: Notebook,
        committed: Callable[[], None],
        turn: threading.Lock,
    ) -> None:
        """Start the thread; the connection is the writer's from now on, and is used by who holds `turn`."""
        self._connection = connection
        self._path = path
        self._due = due
        self._notebook = notebook
        self._committed = committed
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._turn = turn
        self._gate = threading.Lock()  # between submit and close: nothing may enter behind the last unit
        self._is_closed = False
        self._may_sleep = False
        self._met_others_at = time.monotonic() - ABOUT_S  # when another process last held the lock we wanted
        self._broken: StoreError | None = None
        connection.execute("PRAGMA busy_timeout = 0")  # SQLite's own waiting looks every 100 ms in the end
        self._thread = threading.Thread(target=self._serve, name="trackrecord-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> None:
        """Hand over a unit; returns at once.

        Raises:
            StoreUnusable: the store is closed, or its disk has failed.
        """
        with self._gate:
            if self._is_closed:
                raise StoreUnusable("the store is closed", cure="Open it again.")
            if self._broken is not None:
                raise self._broken
            self._queue.put(unit)

    async def written(self, write: Callable[[Connection], T], name: str = "unit") -> T:
        """What `write` gave, once the unit that it is has been committed.

        Raises:
            StoreError: it could not be stored, or the store is closed.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.submit(Unit(write, cast("asyncio.Future[Any]", future), name=name))
        return await future

    def wake(self) -> None:
        """Have the writer ask again what is due: there is something now that it could not know of."""
        if self._may_sleep:
            self._queue.put(None)

    def store_here(self, unit: Unit) -> bool:
        """Store a unit on the caller's thread, its future's own, when nothing else waits: two hops cheaper.

        Never waits; False when it was not stored, and is to be submitted: something else is under way, or it failed.
        """
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self._is_closed or self._broken is not None or not self._queue.empty():
                return False
            self._attempt([unit])
        except Exception:  # the writer's thread will try it again, and knows what to do with each kind of failure
            self._roll_back()
            return False
        finally:
            self._turn.release()
        if unit.settled is not None:
            unit.settled(unit)
        _answer([unit])
        return True

    def read_here(self, read: Callable[[Connection], T]) -> T | None:
        """What `read` gives on the writer's own connection, which has the pages at hand that it has just written.

        Never waits; None when the connection is in use, or it cannot be read.
        """
        if not self._turn.acquire(blocking=False):
            return None
        try:
            return None if self._is_closed or self._broken is not None else read(self._connection)
        except driver.Error:
            return None
        finally:
            self._turn.release()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closed

    def close(self) -> None:
        """Store what waits, then end the thread and close the connection; blocks until then."""
        with self._gate:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        is_last = False
        try:
            while not is_last:
                is_last = self._is_closed  # read before draining: whatever entered by then is stored in this round
                self._may_sleep = True  # before asking: what becomes due from here on wakes us
                units, timeout = self._due()
                self._may_sleep = timeout is None  # else it is back in a moment anyway
                units.extend(self._waiting(0 if units or is_last else timeout))
                self._may_sleep = False
                with self._turn:
                    self._store(units)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._gate:
            self._is_closed = True
        left = self._waiting(0)  # empty, unless a fault of ours ended the thread
        for unit in left:
            unit.error = StoreUnusable("the store's writer has ended", cure="Open the store again.")
        self._report(left)
        self._connection.close()

    def _waiting(self, timeout: float | None) -> list[Unit]:
        units: list[Unit] = []
        try:
            unit = self._queue.get(timeout=timeout)
            while True:
                if unit is not None:
                    units.append(unit)
                unit = self._queue.get_nowait()
        except Empty:
            return units

    def _store(self, units: list[Unit]) -> None:
        while units:
            batch = units[:MAX_BATCH]
            done = self._transact(batch)
            self._report(batch[:done])
            units = units[done:]
            if time.monotonic() - self._met_others_at < ABOUT_S:
                time.sleep(GAP_S)

    def _transact(self, batch: list[Unit]) -> int:
        """Store the batch, or the beginning of it, in one transaction; the count of units that are settled now."""
        give_up_at = time.monotonic() + BUSY_LIMIT_S
        while self._broken is None:
            try:
                return self._attempt(batch)
            except Exception as error:
                self._roll_back()
                if primary_code(error) in _BUSY and time.monotonic() < give_up_at:
                    self._met_others_at = time.monotonic()
                    time.sleep(random.uniform(0, 2 * LOOK_S))  # noqa: S311  # jitter, not a secret
                elif is_of_store(error):
                    return self._give_up(batch, error)
                elif len(batch) > 1:
                    batch = batch[:1]  # what they changed together cannot be stored: from here on one by one
                else:
                    batch[0].error = unstorable(error)
                    return 1
        return _fail(batch, self._broken)

    def _attempt(self, batch: list[Unit]) -> int:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        self._notebook.begin(self._connection)
        done = self._write_alone(batch[0]) if len(batch) == 1 else self._write_many(batch)
        self._notebook.complete(self._connection)
        _reach("precommit", batch)
        execute("COMMIT")
        self._committed()
        _reach("postcommit", batch)
        return done

    def _write_alone(self, unit: Unit) -> int:
        """Without a savepoint: the transaction is the unit's own."""
        unit.result = unit.write(self._connection)
        return 1

    def _write_many(self, batch: list[Unit]) -> int:
        until = time.monotonic() + MAX_TRANSACTION_S
        done = 0
        for unit in batch:
            if unit.error is None:  # else it failed in an earlier try of this batch
                self._write_among(unit)
            done += 1
            if time.monotonic() > until:
                break
        return done

    def _write_among(self, unit: Unit) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT unit")
        try:
            unit.result = unit.write(self._connection)
        except Exception as error:
            if is_of_store(error):
                raise
            unit.error = unstorable(error)
            execute("ROLLBACK TO unit")
            self._notebook.undone()
        execute("RELEASE unit")

    def _give_up(self, batch: list[Unit], error: Exception) -> int:
        failure = store_error(error, self._path)
        if primary_code(error) in _BROKEN:
            self._broken = failure
        return _fail(batch, failure)

    def _roll_back(self) -> None:
        self._notebook.forget()
        try:
            if self._connection.in_transaction:  # a full disk has rolled back already, and a second time is an error
                self._connection.execute("ROLLBACK")
        except driver.Error as error:  # nothing more may be written on top of what could not be taken back
            self._broken = store_error(error, self._path)

    def _report(self, batch: list[Unit]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
        for unit in batch:
            if unit.settled is not None:
                unit.settled(unit)
            if unit.future is not None:
                loops.setdefault(unit.future.get_loop(), []).append(unit)
        for loop, units in loops.items():
            try:
                loop.call_soon_threadsafe(_answer, units)
            except RuntimeError:
                continue  # the loop is closed: nobody waits any more


def _reach(place: str, batch: list[Unit]) -> None:
    if failpoints.is_armed():
        for unit in batch:
            failpoints.reach(f"{unit.name}.{place}")


def _fail(batch: list[Unit], error: StoreError) -> int:
    for unit in batch:
        if unit.error is None:
            unit.error = error
    return len(batch)


def _answer(units: list[Unit]) -> None:
    for unit in units:
        future = unit.future
        if future is None or future.done():  # done: whoever waited was cancelled; the unit is stored all the same
            continue
        if unit.error is not None:
            future.set_exception(unit.error)
        else:
            future.set_result(unit.result)
