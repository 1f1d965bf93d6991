"""A piece of work on the open database, from a command that has no event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from trackrecord.cli.database import reader_of

if TYPE_CHECKING:
    from trackrecord.wiring import Trackrecord

T = TypeVar("T")


def within(db: str | None, work: Callable[[Trackrecord], Awaitable[T]]) -> T:
    """What the work gives, on a database that is there.

    Raises:
        StoreUnusable: there is none: one that is not there is an error here, not one to be made.
    """
    reader_of(db).close()
    return asyncio.run(_carried(db, work))


async def _carried(db: str | None, work: Callable[[Trackrecord], Awaitable[T]]) -> T:
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    # a run that is due must not begin in a process that is about to end
    async with Trackrecord(db, resumes=False) as tr:
        return await work(tr)
