"""Times in expressions: RFC 3339 text in, text out. Pure: `now` is what the scope says, nothing here reads a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from trackrecord.canonical import Json
from trackrecord.clock import stamp
from trackrecord.workflow.bounds import ExpressionError
from trackrecord.workflow.values import Scope, shown

_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,30})?([Zz]|[+-]\d{2}:\d{2})?)?", re.ASCII
)
_DAY: Final = timedelta(days=1)
_CURE: Final = "Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."


def instant(value: Json, what: str) -> datetime:
    """The moment an RFC 3339 text stands for, in UTC; a day alone is its midnight in UTC.

    Raises:
        ExpressionError: it is no such text, or a time without a zone; `what` names it.
    """
    found = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(f"{what} must be a time, not {shown(value)}", _CURE)
    day, time, fraction, zone = found.groups()
    if time is not None and zone is None:
        raise ExpressionError(f"{what}: {value!r} has no time zone", "End it with Z or an offset like +02:00.")
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00:00'}{(fraction or '')[:7]}{zone or 'Z'}".upper())
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ExpressionError(f"{what}: {value!r} is no time that exists", _CURE) from None


def now(scope: Scope) -> str:
    """The run's start as text, in UTC and of fixed width.

    Raises:
        ExpressionError: this scope has no `now`.
    """
    said = scope.get("now")
    if isinstance(said, datetime) and said.tzinfo is not None:
        return stamp(said)
    if isinstance(said, str):
        return stamp(instant(said, "now"))
    raise ExpressionError("there is no `now` here")


def day(value: Json, what: str) -> str:
    """The day of a moment in UTC, like `2030-12-31`.

    Raises:
        ExpressionError: it is no time.
    """
    return stamp(instant(value, what))[:10]


def days_between(start: Json, end: Json) -> int:
    """Whole days from one moment to another; negative when the second is earlier.

    Raises:
        ExpressionError: one of them is no time.
    """
    gap = instant(end, "days_between") - instant(start, "days_between")
    return gap // _DAY if gap >= timedelta() else -(-gap // _DAY)


def is_recent(value: Json, days: float, scope: Scope) -> bool:
    """Whether a moment lies within so many days before `now`; one in the future does not.

    Raises:
        ExpressionError: it is no time.
    """
    present = instant(now(scope), "now")
    age = present - instant(value, "within_last_days")
    return timedelta() <= age <= timedelta(days=days)
