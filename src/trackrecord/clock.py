"""Time and ids: aware UTC, fixed-width stamps, monotonic microseconds, time-ordered ids.

Nothing else in the package reads a clock. Durations come from the monotonic clock, never from subtracting wall times.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID


def now() -> datetime:
    """The present as an aware UTC datetime, to the microsecond."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC: fixed width, so that text order is time order.

    Raises:
        ValueError: the datetime has no time zone, or lies outside the years 1 to 9999 in UTC.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime")
    utc = moment if moment.tzinfo is UTC else _in_utc(moment)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"  # a tenth of the time of strftime


def moment(text: str) -> datetime:
    """The datetime of a stamp or of any ISO 8601 text with a zone; the inverse of `stamp`.

    Raises:
        ValueError: the text is no date and time, has no zone, or lies outside the years 1 to 9999 in UTC.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; end it with Z or an offset")
    return _in_utc(parsed)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC; give another date") from None


def ticks_us() -> int:
    """Microseconds of the monotonic clock; only differences mean anything."""
    return time.monotonic_ns() // 1000


def new_id() -> str:
    """A UUIDv7 as 36-character text: ids made later sort later, also within one millisecond."""
    ns = time.time_ns()
    ms, rest = divmod(ns, 1_000_000)
    sub_ms = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big")
    variant, node = 0x8000 | random >> 50, random & 0xFFFF_FFFF_FFFF
    return f"{ms >> 16 & 0xFFFF_FFFF:08x}-{ms & 0xFFFF:04x}-{0x7000 | sub_ms:04x}-{variant:04x}-{node:012x}"


def first_id(moment: datetime) -> str:
    """What sorts before every id made at this moment or later, and after those made before it."""
    ms = int(moment.timestamp() * 1000)
    return f"{ms >> 16 & 0xFFFF_FFFF:08x}-{ms & 0xFFFF:04x}"


def is_id(text: str) -> bool:
    """Whether the text is a UUID in its 36-character form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
