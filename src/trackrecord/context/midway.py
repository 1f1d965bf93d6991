"""A model call given up midway: what is kept in its span of what had come by then, and who goes on reading its reply.

What was said so far is kept as what it is, a part, under the policy of the agent's outputs; never parsed, never handed
to an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from trackrecord.canonical import Json, clean, encode_clean
from trackrecord.models.messages import ModelReply
from trackrecord.models.midway import Midway
from trackrecord.record.usage import UNKNOWN, Usage, sensible


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReply:
    """A reply that is still on its way though its call was cancelled.

    Attributes:
        path, attempt, provider, model: the call.
        reading: ends with the reply, or fails as the call would have.
    """

    path: str
    attempt: int
    provider: str
    model: str
    reading: asyncio.Task[ModelReply]


@dataclass(frozen=True, slots=True)
class Watched:
    """A model call that tells how far it has come, and how much of that may be kept."""

    midway: Midway
    keep: Callable[[str], str] | None

    def usage(self) -> Usage:
        """Tokens reported so far."""
        try:
            return sensible(self.midway.usage())
        except Exception:  # a model is anyone's code, and its call is over either way
            return UNKNOWN

    def attributes(self) -> dict[str, Json]:
        """What the span keeps of what was said so far; nothing when nothing was, or nothing may be."""
        if self.keep is None:
            return {}
        try:
            said = clean(self.midway.partial())
        except Exception:  # as above
            return {}
        return {} if said is None else {"partial": self.keep(encode_clean(said))}
