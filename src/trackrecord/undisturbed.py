"""Awaiting what must not be given up midway, whoever cancels meanwhile: a run being begun, a record being stored.

Must never swallow a wish to cancel: whoever awaits is told of it afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def undisturbed(work: Awaitable[T]) -> tuple[T, bool]:
    """Its result, and whether the task that awaits it was cancelled meanwhile; that task is as if it had not been.

    Raises:
        BaseException: whatever the work raised.
    """
    task = asyncio.ensure_future(work)
    was_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})  # unlike awaiting it, cancels nothing when it is cancelled itself
        except asyncio.CancelledError:
            was_cancelled = True
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()
    return task.result(), was_cancelled
