"""Runs inside this process: the sweep that ends what dead processes left behind, at start and every two seconds.

Memories that have expired go at start and every hour: one look into an index when there are none. Must never touch a
run under a live lease: the database's clock and the epoch decide, not this process.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from trackrecord.runner import Runner

SWEEP_S: Final = 2.0
PRUNE_S: Final = 3600.0
MOST_AT_ONCE: Final = 100

_log: Final = logging.getLogger("trackrecord")


class Sweep:
    """Finds runs whose lease is over and gives each its one record."""

    def __init__(self, runner: Runner) -> None:
        """Nothing is swept yet."""
        self._runner = runner
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sweep once, then again and again until stopped.

        Raises:
            StoreError: the database cannot be read or written.
        """
        await self.once()
        await self._prune()
        self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def stop(self) -> None:
        """Sweep no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def once(self) -> int:
        """End every run that nobody carries any more; how many this call ended."""
        ended = 0
        for lost in await self._runner.store.expired(MOST_AT_ONCE):
            try:
                was_ended = await self._runner.abandon(lost.tenant_id, lost.run_id)
            except Exception as error:  # whatever is wrong with one run, the others must be ended
                _log.warning("run %s was left behind and could not be ended: %s", lost.run_id, error)
                continue
            if was_ended:
                _log.warning("run %s was left behind by a process that died: ended as abandoned", lost.run_id)
            ended += was_ended
        return ended

    async def _prune(self) -> None:
        try:
            await self._runner.store.prune_memories()
        except Exception as error:  # they are not recalled all the same, and the next hour comes
            _log.warning("expired memories could not be deleted: %s", error)

    async def _repeat(self) -> None:
        clock = asyncio.get_running_loop().time
        pruned_at = clock()
        while True:
            await asyncio.sleep(SWEEP_S)
            if clock() - pruned_at >= PRUNE_S:
                pruned_at = clock()
                await self._prune()
            try:
                await self.once()
            except Exception as error:  # it tries again: a sweep that has ended says nothing to anybody
                _log.warning("the sweep could not look for runs left behind: %s", error)
