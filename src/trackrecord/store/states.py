"""The states of a run as the tables know them, and conditions on them as SQL text.

Apart from `schema`, so that reading and checking a database never loads SQLAlchemy. Must never import another room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LIVE: Final = ("queued", "running", "waiting")
ENDED: Final = (
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "budget_exceeded",
    "abandoned",
    "interrupted_unknown_outcome",
)


def one_of(column: str, values: Sequence[str]) -> str:
    """A condition; not `IN`, for which SQLite builds a small table anew at every row."""
    return "(" + " OR ".join(f"{column} = '{value}'" for value in values) + ")"
