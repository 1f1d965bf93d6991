"""What a model tells of a call before it is over, for when the call is given up midway. Types only; no I/O.

Filled in by models that can tell (`tells_midway`), read by the context when a call failed, timed out or was cancelled.
Never holds anything parsed out of a reply that is not whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from trackrecord.canonical import Json
from trackrecord.models.messages import ModelReply
from trackrecord.record.usage import UNKNOWN, Usage


def _unknown() -> Usage:
    return UNKNOWN


def _nothing() -> Json:
    return None


@dataclass(slots=True, eq=False)
class Midway:
    """One attempt of a model call, as far as it has come; `reset` before each attempt.

    Attributes:
        usage: tokens the provider has reported so far.
        partial: what it has said so far, as plain JSON in which nothing of the model's was parsed; None when nothing.
        reading: the whole reply, still being read though nobody waits for it any more; None when nothing is on its way.
    """

    usage: Callable[[], Usage] = _unknown
    partial: Callable[[], Json] = _nothing
    reading: asyncio.Task[ModelReply] | None = None

    def reset(self) -> None:
        """Know nothing: another attempt begins."""
        self.usage, self.partial, self.reading = _unknown, _nothing, None

    def drop(self) -> None:
        """Stop reading: nobody wants to know any more."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.cancel()
