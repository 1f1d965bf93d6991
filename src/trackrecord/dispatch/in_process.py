"""Runs inside this process: the sweep that takes up what nobody carries, at start, every two seconds and when told to.

A run whose process died and a run whose time to wait is over go on here, under a new epoch; one that cannot go on
anywhere is ended. Memories that have expired, and checkpoints of runs long ended, go at start and every hour: one look
into an index when there are none.
Must never touch a run under a live lease: the database's clock and the epoch decide, not this process.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from trackrecord.errors import CannotResume, Conflict, Refused, RequestError
from trackrecord.handles import Started
from trackrecord.runner import Runner
from trackrecord.store.protocol import ExpiredRun

SWEEP_S: Final = 2.0
LOOK_S: Final = 0.5
PRUNE_S: Final = 3600.0
ALONE_S: Final = 60.0  # how long a run that cannot go on here is left alone before it is tried again
MOST_AT_ONCE: Final = 100

_log: Final = logging.getLogger("trackrecord")


class Sweep:
    """Finds runs that nobody carries and goes on with them; ends the live ones that somebody wants to end."""

    def __init__(self, runner: Runner, *, resumes: bool = True) -> None:
        """Nothing is swept yet; without `resumes` nothing of what others left is touched."""
        self._runner = runner
        self._resumes = resumes
        self._tasks: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()
        self._left_alone: dict[str, float] = {}  # run id: when to try again
        self._is_over = False

    async def start(self) -> None:
        """Sweep once, then again and again until stopped.

        Raises:
            StoreError: the database cannot be read or written.
        """
        if self._resumes:
            await self.once()
        await self._prune()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._repeat()), loop.create_task(self._watch())]

    async def stop(self) -> None:
        """Sweep no more."""
        self._is_over = True  # beside the cancellation: one that comes while a run is being begun is put off
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def tell(self) -> None:
        """Sweep at once: something a run waits for has come."""
        self._told.set()

    async def once(self) -> int:
        """Go on with the runs that nobody carries, or end those that cannot go on; how many this call took up.

        So many at most are looked at together; those behind them get their turn, however many cannot go on here.
        """
        taken, after, is_last = 0, "", False
        while not is_last and taken < MOST_AT_ONCE:
            found = await self._runner.store.expired(MOST_AT_ONCE, after)
            is_last = len(found) < MOST_AT_ONCE
            for lost in found:
                after = lost.run_id
                if self._is_over or len(self._runner.live) >= MOST_AT_ONCE:  # the others when these are over
                    return taken
                if lost.run_id not in self._runner.live and self._is_tried(lost.run_id):
                    try:
                        taken += await self._take(lost)
                    except Exception as error:  # whatever is wrong with one run, the others must go on
                        _log.warning("run %s was left behind and could not be taken up: %s", lost.run_id, error)
        return taken

    def _is_tried(self, run_id: str) -> bool:
        """Whether a run is to be taken up: one that could not go on here is left alone for a while."""
        until = self._left_alone.get(run_id)
        return until is None or until <= asyncio.get_running_loop().time()

    async def _take(self, lost: ExpiredRun) -> bool:
        try:
            started = await self._runner.resume(lost.tenant_id, lost.run_id)
        except CannotResume as error:
            was_ended = await self._runner.abandon(lost.tenant_id, lost.run_id)
            if was_ended:
                _log.warning("run %s was left behind and cannot go on, ended as abandoned: %s", lost.run_id, error)
            return was_ended
        except Conflict:  # whoever waits for it was faster
            return False
        except (RequestError, Refused) as error:  # another process may have what it needs, or this one later
            if lost.run_id not in self._left_alone:
                _log.warning("run %s was left behind and cannot go on here: %s", lost.run_id, error)
            self._left_alone[lost.run_id] = asyncio.get_running_loop().time() + ALONE_S
            return False
        self._left_alone.pop(lost.run_id, None)
        started.task.add_done_callback(lambda _: _tell(started))
        return True

    async def _watch(self) -> None:
        """End what somebody wants to end, from whichever process."""
        while True:
            await asyncio.sleep(LOOK_S)
            live = [one.live.begun for one in self._runner.live.values() if one.live is not None]
            if live:
                try:
                    for run_id, code in self._runner.store.to_cancel(live).items():
                        started = self._runner.live.get(run_id)
                        if started is not None:
                            started.cancel(code)
                except Exception as error:  # the next look comes
                    _log.warning("it could not be looked for runs that are to be cancelled: %s", error)

    async def _prune(self) -> None:
        try:
            await self._runner.store.prune_memories()
        except Exception as error:  # they are not recalled all the same, and the next hour comes
            _log.warning("expired memories could not be deleted: %s", error)
        try:
            await self._runner.store.prune_checkpoints(self._runner.checkpoint_days)
        except Exception as error:  # the next hour comes
            _log.warning("checkpoints of runs long ended could not be deleted: %s", error)

    async def _repeat(self) -> None:
        clock = asyncio.get_running_loop().time
        pruned_at = clock()
        while not self._is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):  # `wait_for` of 3.11 swallows a cancel that comes with the word
                    await self._told.wait()
            self._told.clear()
            if clock() - pruned_at >= PRUNE_S:
                pruned_at = clock()
                await self._prune()
            if self._resumes:
                try:
                    await self.once()
                except Exception as error:  # it tries again: a sweep that has ended says nothing to anybody
                    _log.warning("the sweep could not look for runs left behind: %s", error)


def _tell(started: Started) -> None:
    """Say how a run that was taken up in the background has ended, if not well."""
    error = None if started.task.cancelled() else started.task.exception()
    if error is not None and not isinstance(error, Conflict):  # another process was faster: nothing to tell
        _log.warning("run %s was taken up and could not go on: %s", started.run_id, error)
