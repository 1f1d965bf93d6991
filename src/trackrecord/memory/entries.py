"""One remembered thing, and how long it is kept. Data only; where it is stored is the store's business."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from trackrecord.clock import moment, stamp
from trackrecord.sealed import sealed

MemoryKind = Literal["summary", "fact", "pattern"]
LearntKind = Literal["fact", "pattern"]
MemorySource = Literal["rule", "model", "folded", "run", "person"]
Verdict = Literal["good", "bad"]

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
        is_pinned: whether a person wants it kept; comes first among its kind where importance decides.
        verdict, feedback: what a person said of the run it sums up, and in which words; None when nobody did.
    """

    kind: MemoryKind
    text: str
    importance: int
    created_at: str
    agent_id: str
    run_id: str | None = None
    is_pinned: bool = False
    verdict: Verdict | None = None
    feedback: str | None = None


@sealed
class Memory:
    """A memory that is not stored yet.

    Attributes:
        kind: `summary` of a run; facts and patterns come from `remember`.
        text: what is to be remembered, redacted already.
        importance: 1-10.
        expires_at: stamp from which it is no longer recalled.
        source: of a summary, who put it into words: a `rule`, or the summary `model`.
    """

    kind: MemoryKind
    text: str
    importance: int
    expires_at: str
    source: Literal["rule", "model"] = "rule"


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
