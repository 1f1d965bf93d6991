"""One remembered thing, and how long it is kept. Data only; where it is stored is the store's business."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from trackrecord.clock import moment, stamp
from trackrecord.sealed import sealed

MemoryKind = Literal["summary", "fact", "pattern"]

LEAST_IMPORTANCE: Final = 1
MOST_IMPORTANCE: Final = 10
LOW_IMPORTANCE: Final = 3
RETENTION: Final = timedelta(days=90)
LOW_RETENTION: Final = timedelta(days=30)


@sealed
class MemoryEntry:
    """One thing an agent remembers.

    Attributes:
        kind: `summary` of a run, `fact` about the user, or `pattern` learnt over runs.
        text: what is remembered, redacted already.
        importance: 1-10.
        created_at: stamp at which it was stored.
        agent_id: the agent that remembered it; empty for a fact of the user that no single agent owns.
        run_id: the run that left it; None when no run did.
    """

    kind: MemoryKind
    text: str
    importance: int
    created_at: str
    agent_id: str
    run_id: str | None = None


def clamp_importance(importance: int) -> int:
    """The importance within 1-10."""
    return max(LEAST_IMPORTANCE, min(MOST_IMPORTANCE, importance))


def expires_at(importance: int, created_at: datetime | str) -> str:
    """Stamp from which a memory is no longer kept: 90 days after it was stored, 30 when its importance is 3 or less.

    Raises:
        ValueError: `created_at` is no date and time with a zone.
    """
    created = moment(created_at) if isinstance(created_at, str) else created_at
    return stamp(created + (LOW_RETENTION if importance <= LOW_IMPORTANCE else RETENTION))
