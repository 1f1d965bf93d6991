"""What a caller holds of a run: a handle while it is under way, its record and its answer when it has ended.

The runner makes both. Must never touch a store.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from trackrecord.canonical import Json
from trackrecord.context.live_run import LiveRun, Parked
from trackrecord.errors import RunError, StillWaiting
from trackrecord.record.record import Record

CancelCode = Literal["user", "signal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has ended, or does not go on for now: its record and its answer.

    Attributes:
        record: the complete record, as stored; a partial one while it waits.
        output: the answer; None when there was none.
        parked: what it waits for; None once it has ended.
    """

    record: Record
    output: Json
    parked: Parked | None = None

    @property
    def id(self) -> str:
        """Id of the run."""
        return self.record.origin.run_id

    @property
    def status(self) -> str:
        """Terminal state, or `waiting`; `running` when another process is to go on with it."""
        if self.record.ending is not None:
            return self.record.ending.status
        return "running" if self.parked is None or self.parked.reason == "handover" else "waiting"

    def raise_for_status(self) -> None:
        """Raise when the run did not complete.

        Raises:
            RunError: with the record's status, error_code and message.
            StillWaiting: it has not ended.
        """
        ending = self.record.ending
        if ending is None:
            raise StillWaiting(
                f"run {self.id!r} is {self.status}: it has not ended",
                cure=f"`trackrecord show {self.id}` says what it waits for.",
            )
        if ending.status != "completed":
            error = RunError(
                ending.error_message or ending.status, code=ending.error_code, path=ending.error_path or ""
            )
            error.status = ending.status
            raise error


@dataclass(slots=True)
class Started:
    """A run under way: await `task` for its end, or for its waiting; `cancel` to end it early."""

    run_id: str
    task: asyncio.Task[Run] = field(init=False)
    cancel_code: CancelCode | None = None
    is_resumed: bool = False
    _live: LiveRun | None = None
    _work: asyncio.Task[Any] | None = None

    def cancel(self, code: CancelCode = "user") -> None:
        """Stop the run at its next await; what it has spent is recorded. Does nothing once it has ended."""
        self.cancel_code = self.cancel_code or code
        if self._live is not None and self._live.cancel_code is None:
            self._live.cancel(self.cancel_code)
            if self._work is not None:
                self._work.cancel()

    def attach(self, live: LiveRun) -> None:
        """Tie the run's live state, and the task that calls this, to the handle; a wish to cancel may have come before.

        Called from inside that task: one that is cancelled before its first step never gets to say how the run ended.
        """
        self._live, self._work = live, asyncio.current_task()
        live.work = self._work
        live.cancel_code = live.cancel_code or self.cancel_code

    @property
    def live(self) -> LiveRun | None:
        """The run's live state; None before its engine has begun."""
        return self._live

    async def detach(self) -> None:
        """Let go of the task: its work is done, and whoever wants it cancelled from here on comes too late."""
        task, self._work = self._work, None
        if self._live is not None:
            self._live.work = None
        while task is not None and task.cancelling():
            with suppress(asyncio.CancelledError):  # one that was asked for at the very last comes now
                await asyncio.sleep(0)
            task.uncancel()
