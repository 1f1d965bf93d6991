"""Strands: the lines of work of a run that can go on by themselves, counted, so that it is known when all of them rest.

The engine's own task is one, each task that `engines.window` or the scheduler starts is another. While none can go on,
the timers around stand still; when that is so for a whole run, it may be parked. A task that nobody has told of here
never rests: it counts as at work for as long as whoever started it. Must never know what a strand waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Result = TypeVar("Result")


class Scope:
    """A run, or a step of it that has a timer: how many of its strands can go on."""

    __slots__ = ("_above", "_left_s", "_rested", "_timer", "working")

    def __init__(
        self,
        *,
        above: Scope | None = None,
        timer: asyncio.Timeout | None = None,
        rested: Callable[[], None] | None = None,
    ) -> None:
        """One strand is at work; `rested` is called whenever none can go on any more."""
        self._above = above
        self._timer = timer
        self._left_s: float | None = None
        self._rested = rested
        self.working = 1

    def begin(self, count: int = 1) -> None:
        """So many more can go on."""
        scope: Scope | None = self
        while scope is not None:
            was_resting = scope.working == 0
            scope.working += count
            if was_resting:
                scope._go_on()
            scope = scope._above

    def rest(self, count: int = 1) -> None:
        """So many cannot go on for now, or are over."""
        if count:
            scope: Scope | None = self
            while scope is not None:
                scope.working -= count
                if scope.working == 0:
                    scope._stand_still()
                scope = scope._above

    def _stand_still(self) -> None:
        timer = self._timer
        if timer is not None and not timer.expired():
            deadline = timer.when()
            if deadline is not None:
                self._left_s = deadline - asyncio.get_running_loop().time()
                timer.reschedule(None)
        if self._rested is not None:
            self._rested()

    def _go_on(self) -> None:
        if self._timer is not None and self._left_s is not None and not self._timer.expired():
            self._timer.reschedule(asyncio.get_running_loop().time() + self._left_s)
        self._left_s = None


_here: ContextVar[tuple[Scope, asyncio.Task[Any] | None] | None] = ContextVar("strand", default=None)


def here() -> Scope | None:
    """The scope of the strand that calls; None in a task that is no strand."""
    found = _here.get()
    if found is None:
        return None
    scope, task = found
    return scope if task is asyncio.current_task() else None


def enter(scope: Scope) -> None:
    """The calling task is a strand of this scope from here on."""
    _here.set((scope, asyncio.current_task()))


async def as_strand(scope: Scope | None, work: Callable[[], Awaitable[Result]]) -> Result:
    """The work as a strand of its own in a task of its own; whoever starts the task has counted it."""
    if scope is not None:
        enter(scope)
    return await work()


@contextmanager
def timed(timer: asyncio.Timeout) -> Generator[None]:
    """The calling strand, and those it starts, are under this timer for the length of a block."""
    above = here()
    if above is None:
        yield
        return
    token = _here.set((Scope(above=above, timer=timer), asyncio.current_task()))
    try:
        yield
    finally:
        _here.reset(token)
