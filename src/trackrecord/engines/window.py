"""A sliding window: so many at once and never a chunk; the first failure ends the rest and waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from trackrecord.context.strands import as_strand, here
from trackrecord.errors import RunError

Result = TypeVar("Result")


async def slide(count: int, width: int, run_one: Callable[[int], Awaitable[Result]]) -> list[Result]:
    """Results of `run_one(0) … run_one(count - 1)`, in order, at most `width` in flight.

    Raises:
        BaseException: whatever the first one to fail raised; the others are cancelled and awaited first.
    """
    if width == 1 or count <= 1:
        return [await run_one(place) for place in range(count)]
    results: dict[int, Result] = {}
    waiting = iter(range(count))

    async def work() -> None:
        for place in waiting:
            results[place] = await run_one(place)

    await together([work for _ in range(min(width, count))])
    return [results[place] for place in range(count)]


async def together(works: list[Callable[[], Awaitable[None]]]) -> None:
    """All of these at once; the first failure cancels the others, waits for them and is raised by itself."""
    scope = here()
    left = len(works)
    is_taken = False

    def ended(task: asyncio.Task[None]) -> None:
        """The first to fail, or else the last to end, hands its place to whoever waits for them here.

        Who waits is at work from a failure on: it stops the others, and what waits deep inside them is no reason to
        park the run meanwhile.
        """
        nonlocal left, is_taken
        left -= 1
        has_failed = task.cancelled() or task.exception() is not None
        if not is_taken and (has_failed or not left):
            is_taken = True
        elif scope is not None:
            scope.rest()

    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(as_strand(scope, work)).add_done_callback(ended)
            if scope is not None:
                scope.begin(len(works) - 1)  # one of them goes on in place of this strand
    except BaseExceptionGroup as errors:
        raise first(errors) from None


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to go on with: one that nothing may tolerate, else the run's own, else any."""
    flat: list[BaseException] = []
    for error in errors.exceptions:
        is_group = isinstance(error, BaseExceptionGroup)
        flat.append(first(cast("BaseExceptionGroup[BaseException]", error)) if is_group else error)
    endings = [error for error in flat if isinstance(error, RunError)]
    final = [error for error in endings if not error.is_tolerable]
    return (final or endings or flat)[0]
