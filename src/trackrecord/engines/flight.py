"""Tasks in flight, each a strand of the run, landing one after the other in whatever order they end.

Whoever waits for them rests meanwhile and goes on in the place of one that has landed. Must never leave a task behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from trackrecord.context.strands import as_strand, here

Result = TypeVar("Result")


class Flight(Generic[Result]):
    """Tasks in flight, known by their index."""

    __slots__ = ("_flying", "_scope")

    def __init__(self) -> None:
        """Nothing is in flight."""
        self._flying: dict[asyncio.Task[Result], int] = {}
        self._scope = here()

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._flying)

    def indices(self) -> list[int]:
        """What is in flight."""
        return list(self._flying.values())

    def start(self, index: int, work: Callable[[], Awaitable[Result]]) -> None:
        """Have one more in flight."""
        if self._scope is not None:
            self._scope.begin()
        task = asyncio.get_running_loop().create_task(as_strand(self._scope, work))
        self._flying[task] = index

    async def landed(self) -> list[tuple[int, asyncio.Task[Result]]]:
        """Those that have ended, one at least, in the order of their indices."""
        scope = self._scope
        if scope is not None:
            scope.rest()
        try:
            done, _ = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            if scope is not None:
                scope.begin()
            raise
        if scope is not None:
            scope.rest(len(done) - 1)
        return sorted((self._flying.pop(task), task) for task in done)

    async def stop(self) -> None:
        """Cancel what is in flight and wait for it, so that its spans are written before anything else is.

        Also when whoever stops it is stopped meanwhile: nothing is left behind, and the cancellation goes on then.
        """
        flying, self._flying = self._flying, {}
        for task in flying:
            task.cancel()
        interrupted: asyncio.CancelledError | None = None
        while not all(task.done() for task in flying):
            try:
                await asyncio.wait(flying)
            except asyncio.CancelledError as error:
                interrupted = error
        if flying and self._scope is not None:
            self._scope.rest(len(flying))
        for task in flying:
            failure(task)  # looked at, or the event loop would complain of it
        if interrupted is not None:
            raise interrupted


def failure(task: asyncio.Task[Result]) -> BaseException | None:
    """What a task that has ended raised; None when it gave a result."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
