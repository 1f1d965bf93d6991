"""The journal of one run in one epoch: finished spans and checkpoints on their way to the database.

Step 5 of 9. Appending costs no hop and no future; committing awaits one commit that contains all that was appended.
Nothing of a run is stored before what precedes it: once something could not be stored, nothing more is, until the
finish takes what is left. Must never be drained anywhere but inside a writer's unit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final

from trackrecord import failpoints
from trackrecord.context.protocols import Checkpoint
from trackrecord.errors import Conflict, StoreError
from trackrecord.record.spans import Span
from trackrecord.store import codec, statements
from trackrecord.store.driver import Connection
from trackrecord.store.protocol import AcceptedRun, Begun, Durability
from trackrecord.store.writer import Unit, is_of_store, unstorable

# A thread that never waits keeps Python's lock from the writer's, which gets one statement in every 5 ms. So an engine
# that is this far ahead waits for a commit, and one that is not sends what it has when it next waits by itself.
BEHIND: Final = 64
RESPITE_S: Final = 0.002


@dataclass(frozen=True, slots=True)
class Opening:
    """The accepting and beginning of a run that is stored with the first of its journal, or with its finish.

    Attributes:
        run: what is accepted.
        write: stores it, and the run as begun.
    """

    run: AcceptedRun
    write: Callable[[Connection], None]


Entry = tuple[str, codec.Row | None, codec.Row | None, Exception | None]
"""What one append gave, as rows: made at once, for what waits as rows costs the garbage collector nothing.

The statement for the span's row; that row; a checkpoint's row; why the span cannot be stored, told when it is to be.
"""

Waiting = Entry | Opening


def entry(begun: Begun, span: Span | None, checkpoint: Checkpoint | None) -> Entry:
    """A finished span, a checkpoint, or both, ready to be written."""
    tenant_id, run_id = begun.tenant_id, begun.run_id
    row = None if checkpoint is None else codec.checkpoint_row(tenant_id, run_id, checkpoint)
    if span is None:
        return "", None, row, None
    try:
        insert, of_span = codec.span_row(tenant_id, run_id, span)
    except Exception as error:
        return "", None, row, error
    return insert, of_span, row, None


class SqliteJournal:
    """Implements `Journal` on the writer."""

    __slots__ = (
        "_begun",
        "_counting",
        "_failure",
        "_is_scheduled",
        "_is_submitted",
        "_sent_at",
        "_sent_count",
        "_settled_count",
        "_store_here",
        "_submit",
        "durability",
        "pending",
    )

    def __init__(
        self, begun: Begun, durability: Durability, submit: Callable[[Unit], None], store_here: Callable[[Unit], bool]
    ) -> None:
        """An empty journal of this epoch; `store_here` stores a unit at once where that is quicker, or says no."""
        self._begun = begun
        self._submit = submit
        self._store_here = store_here
        self._failure: Exception | None = None
        self._is_submitted = False  # a unit that will take what is pending is on its way
        self._is_scheduled = False  # one will be sent when the engine next waits
        self._sent_at = 0.0
        self.durability = durability
        self.pending: deque[Waiting] = deque()
        self._counting = Lock()
        self._sent_count = 0
        self._settled_count = 0  # equal to the other when everything sent is settled

    def append(self, span: Span | None, checkpoint: Checkpoint | None) -> None:
        """Take what is finished; under `sync` it is on its way to the writer when the engine next waits, if not before.

        Raises:
            Conflict, StoreError: something appended earlier could not be stored; the run must stop. What is given now
                is kept for the finish all the same: it happened, and counts.
        """
        self.pending.append(entry(self._begun, span, checkpoint))
        if self._failure is not None:
            raise self._failure
        if self.durability == "sync" and not self._is_submitted and not self._is_scheduled:
            self._send_soon()

    def flush(self) -> None:
        """Send what is pending to the writer without waiting for it."""
        self._send(self.unit())

    def _send_soon(self) -> None:
        """Send it now, or when the engine next waits if something was sent just now: to wake the writer is dear."""
        if monotonic() - self._sent_at >= RESPITE_S:
            self.flush()
        else:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_scheduled)

    def _send_scheduled(self) -> None:
        self._is_scheduled = False
        if self.is_due:
            with suppress(StoreError):  # whoever appends or commits next is told
                self.flush()

    def _send(self, unit: Unit) -> None:
        self._sent_at = monotonic()
        if not self._store_here(unit):
            self._submit(unit)

    async def commit(self) -> None:
        """Return when everything appended so far is committed.

        Raises:
            Conflict: another epoch holds the run, or it has ended.
            StoreError: it could not be stored.
        """
        if self._failure is not None:
            raise self._failure
        if self.pending or self._sent_count != self._settled_count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._send(self.unit(future))
            if future.done():
                await asyncio.sleep(0)  # a commit is where others get their turn, and where a run can be cancelled
            await future

    def unit(self, future: asyncio.Future[None] | None = None) -> Unit:
        """A unit that will store what is pending when it is written; it must reach the writer."""
        batch = _Batch(self)
        with self._counting:
            self._sent_count += 1
        self._is_submitted = True
        return Unit(batch.write, future, batch.settled, "journal")

    def open(self, opening: Opening) -> None:
        """Store this before anything else of the run; nothing has been appended yet."""
        self.pending.append(opening)

    def take(self, taken: list[Waiting]) -> None:
        """Move everything pending into `taken`; called inside a unit only."""
        self._is_submitted = False  # before draining: an entry that comes later sends its own unit
        pending = self.pending
        while pending:
            taken.append(pending.popleft())

    def put_back(self, taken: list[Waiting]) -> None:
        """Keep, ahead of all others, entries that were taken and not stored."""
        self.pending.extendleft(reversed(taken))
        taken.clear()

    def fail(self, error: Exception) -> None:
        """Take nothing more: what precedes it is not stored."""
        self._failure = error

    def settle(self) -> None:
        """One unit that was sent is over."""
        with self._counting:
            self._settled_count += 1

    @property
    def is_behind(self) -> bool:
        """Whether so much waits under `sync` that the run should wait for it."""
        return self.durability == "sync" and len(self.pending) >= BEHIND

    @property
    def is_due(self) -> bool:
        """Whether something waits for the next flush."""
        return bool(self.pending) and not self._is_submitted and self._failure is None

    @property
    def failure(self) -> Exception | None:
        """Why nothing more is taken; None while all is well."""
        return self._failure

    @property
    def begun(self) -> Begun:
        """The epoch this journal writes for."""
        return self._begun


class _Batch:
    """What one unit takes from a journal; kept until the unit is settled, so that it can be written again."""

    __slots__ = ("_journal", "_taken")

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._taken: list[Waiting] = []

    def write(self, connection: Connection) -> None:
        journal = self._journal
        if journal.failure is not None:
            raise journal.failure
        journal.take(self._taken)
        if not self._taken:
            return
        begun = journal.begun
        try:
            opening, entries = sorted_out(self._taken)
            if opening is not None:
                opening.write(connection)
            check_held(connection, begun)
            write_entries(connection, entries)
        except Exception as error:
            if is_of_store(error):
                raise
            failure = unstorable(error)
            # now, and not when the unit is settled: the run's next unit or its finish may follow in this transaction
            journal.put_back(self._taken)
            journal.fail(failure)
            raise failure from error

    def settled(self, unit: Unit) -> None:
        journal = self._journal
        journal.settle()
        if unit.error is None:
            return
        journal.put_back(self._taken)
        if journal.failure is None:
            journal.fail(unit.error)


def sorted_out(taken: Sequence[Waiting]) -> tuple[Opening | None, list[Entry]]:
    """What opens the run, if that still waits, and the rest."""
    opening: Opening | None = None
    entries: list[Entry] = []
    for waiting in taken:
        if isinstance(waiting, Opening):
            opening = waiting
        else:
            entries.append(waiting)
    return opening, entries


def check_held(connection: Connection, begun: Begun) -> None:
    """Go on only when this epoch holds the run.

    Raises:
        Conflict: another epoch holds the run, or it has ended.
    """
    held = connection.execute(statements.SELECT_HELD, (begun.tenant_id, begun.run_id, begun.epoch)).fetchone()
    if held is None:
        raise Conflict(
            f"run {begun.run_id!r} is no longer held by epoch {begun.epoch}",
            cure="Nothing was written; whoever holds the run goes on with it.",
        )


def write_entries(connection: Connection, entries: Iterable[Entry]) -> None:
    """Insert spans, and checkpoints of which `done` replaces `started`."""
    latest: dict[tuple[codec.Value, codec.Value], codec.Row] = {}
    spans: dict[str, list[codec.Row]] = {}
    for insert, span, checkpoint, fault in entries:
        if fault is not None:
            raise fault
        if span is not None:
            spans.setdefault(insert, []).append(span)
        if checkpoint is not None:
            key = codec.checkpoint_key(checkpoint)
            if codec.is_done(checkpoint) or key not in latest:
                latest[key] = checkpoint
    for insert, rows in spans.items():
        connection.executemany(insert, rows)
    if spans:
        failpoints.reach("journal.run_spans")
    if latest:
        connection.executemany(statements.SAVE_CHECKPOINT, latest.values())
        failpoints.reach("journal.run_checkpoints")
