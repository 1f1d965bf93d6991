"""Replies that come after their run has ended: read for what they used, for a bounded time, and then discarded.

Nothing of them reaches an engine or changes a closed record. What they used is handed to `keep`, which adds it beside
the record; whoever lost a run to another process hands in what it had used, too. After step 7 of the walk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from trackrecord.context.live_run import LiveRun
from trackrecord.context.midway import LateReply
from trackrecord.errors import TrackrecordError
from trackrecord.models.messages import ModelCallFailed, ModelReply
from trackrecord.record.late_usage import LateUsage
from trackrecord.record.pricing import price
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage, sensible

TAKEN_OVER_S: Final = 10.0  # within a lease's time whoever took a lost run over has ended it
LOOK_S: Final = 0.1

Keep = Callable[[LateUsage], Awaitable[bool]]


class Latecomers:
    """The tasks that wait for late replies, until they are stopped."""

    def __init__(self, keep: Keep, *, patience_s: float) -> None:
        """Keep late usage by `keep`, which says False of a run that has not ended; wait so long for each reply."""
        self._keep = keep
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, live: LiveRun, *, is_lost: bool) -> None:
        """Wait in the background for what is late of a run that has ended; of a lost one, report what it used."""
        works = [self._read(live, late, is_lost=is_lost) for late in live.late]
        if is_lost:
            awaited = {(late.path, late.attempt) for late in live.late}
            works.append(self._report(live, [one for one in live.used if (one.path, one.attempt) not in awaited]))
        for work in works:
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait for nothing any more; what is being stored is stored first."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, live: LiveRun, late: LateReply, *, is_lost: bool) -> None:
        usage, responded = UNKNOWN, None
        try:
            async with asyncio.timeout(self._patience_s):
                usage, responded = await _used(late.reading)
        except (TimeoutError, asyncio.CancelledError):  # too late, or nobody has the time any more: unknown it stays
            late.reading.cancel()
        if usage.total_tokens is None:
            if is_lost:  # what was known when it was given up is all there will be
                place = (late.path, late.attempt)
                await self._report(live, [one for one in live.used if (one.path, one.attempt) == place])
            return
        cost = price(late.provider, responded or late.model, usage, live.now).cost_nanos
        await self._kept(_late(live, late.path, late.attempt, usage, cost))

    async def _report(self, live: LiveRun, used: Sequence[Span]) -> None:
        """Hand in attempts of a run that another process has ended; what its record tells already adds nothing."""
        for span in used:
            if span.usage is not None and span.usage.total_tokens is not None:
                await self._kept(_late(live, span.path, span.attempt, span.usage, span.cost_nanos))

    async def _kept(self, late: LateUsage) -> None:
        """Keep it once the run has ended: shielded, so that stopping does not lose what is known."""
        try:
            async with asyncio.timeout(TAKEN_OVER_S):
                while not await asyncio.shield(self._keep(late)):
                    await asyncio.sleep(LOOK_S)
        except (TimeoutError, TrackrecordError):  # a record without it is a whole record: the attempt says `unknown`
            return


async def _used(reading: asyncio.Task[ModelReply]) -> tuple[Usage, str | None]:
    """What a reply used, one that fails too, and the model that gave it."""
    try:
        reply = await asyncio.shield(reading)
    except ModelCallFailed as failure:
        return sensible(failure.usage), None
    except Exception:  # a model is anyone's code, and nobody is there to be told
        return UNKNOWN, None
    return sensible(reply.usage), reply.responded_model


def _late(live: LiveRun, path: str, attempt: int, usage: Usage, cost_nanos: int | None) -> LateUsage:
    return LateUsage(
        tenant_id=live.origin.tenant_id,
        run_id=live.origin.run_id,
        path=path,
        attempt=attempt,
        usage=usage,
        cost_nanos=cost_nanos,
    )
