"""A race: several at once, of which the first that succeeds is enough; the others are stopped and waited for.

Knows nothing of steps and records nothing: who runs in it asks its lane whether it has lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from trackrecord.engines.flight import Flight, failure
from trackrecord.engines.window import first
from trackrecord.errors import RunError

Result = TypeVar("Result")


@dataclass(slots=True)
class Lane:
    """One place at the start of a race.

    Attributes:
        around: the lane of the race that this one is part of; None of an outermost one.
        has_lost: whether another was first.
    """

    around: Lane | None = None
    has_lost: bool = False

    def is_lost(self) -> bool:
        """Whether what runs here is being stopped because it, or what it is part of, has lost."""
        return self.has_lost or (self.around is not None and self.around.is_lost())


@dataclass(frozen=True, slots=True)
class Won(Generic[Result]):
    """How a race ended: who was first, and with what."""

    index: int
    result: Result


class Race(Generic[Result]):
    """One race of `count` runners, at most `width` on the way at once; the next starts when one has failed."""

    def __init__(self, count: int, width: int, run_one: Callable[[int, Lane], Awaitable[Result]], around: Lane | None):
        """Made with what a runner does, given its index and lane."""
        self._width = width
        self._run_one = run_one
        self._lanes = [Lane(around) for _ in range(count)]
        self._next = 0
        self._flight = Flight[Result]()
        self._failures: dict[int, BaseException] = {}

    async def run(self) -> Won[Result]:
        """The first that succeeds, by place when several do at once; the rest is stopped and has ended by then.

        Raises:
            RunError: all have failed: what the first by place failed with. One that nothing may tolerate ends the race.
        """
        try:
            while len(self._failures) < len(self._lanes):
                while self._next < len(self._lanes) and len(self._flight) < self._width:
                    index, self._next = self._next, self._next + 1
                    self._flight.start(index, partial(self._run_one, index, self._lanes[index]))
                won = await self._land()
                if won is not None:
                    return won
            raise self._failures[0]
        finally:
            await self._flight.stop()

    async def _land(self) -> Won[Result] | None:
        """The winner among those that have ended; failures are kept until all have failed.

        Raises:
            BaseException: a failure that no race can make good.
        """
        landed = await self._flight.landed()
        fatal = [error for _, task in landed if (error := failure(task)) is not None and not _is_accepted(error)]
        if fatal:
            raise first(BaseExceptionGroup("branches", fatal))
        for index, task in landed:
            error = failure(task)
            if error is None:
                self._mark_losers()
                return Won(index, task.result())
            self._failures[index] = error
        return None

    def _mark_losers(self) -> None:
        for index in self._flight.indices():
            self._lanes[index].has_lost = True


def _is_accepted(error: BaseException) -> bool:
    return isinstance(error, RunError) and error.is_tolerable
