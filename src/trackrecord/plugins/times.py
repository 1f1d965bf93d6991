"""The plugin `time`: the present, zones, sums and differences of moments, and dates read from text.

Every moment goes in and out as RFC 3339 text with an offset; a moment without one is never guessed, unless the caller
names the zone it is meant in. The present is read from `clock` and, like every call, remembered by the run.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, TypeVar
from zoneinfo import ZoneInfo

from trackrecord import clock
from trackrecord.canonical import Json
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import ToolCallFailed

T = TypeVar("T")

MAX_AMOUNT: Final = 1_000_000_000

Moment = Annotated[str, {"minLength": 1, "maxLength": 100}, "RFC 3339, like 2026-03-01T09:30:00+01:00"]
Zone = Annotated[str, {"minLength": 1, "maxLength": 100}, "IANA zone, like Europe/Rome"]
Amount = Annotated[int, {"minimum": -MAX_AMOUNT, "maximum": MAX_AMOUNT}]

_built = FunctionPlugin("time", description="The present, time zones, and arithmetic with dates and times.")


def plugin(options: Mapping[str, Json]) -> FunctionPlugin:
    """The plugin; it has no options."""
    del options
    return _built


@_built.action(effect="read")
async def now(zone: Zone = "UTC") -> dict[str, Json]:
    """Tell the present date and time in a zone."""
    return _described(clock.now().astimezone(_zone(zone)), zone)


@_built.action(effect="read")
async def convert(time: Moment, zone: Zone) -> dict[str, Json]:
    """Tell what a moment is called in another zone."""
    return _described(_within(time, lambda: _moment(time).astimezone(_zone(zone))), zone)


@_built.action(effect="read")
async def add(
    time: Moment,
    years: Amount = 0,
    months: Amount = 0,
    weeks: Amount = 0,
    days: Amount = 0,
    hours: Amount = 0,
    minutes: Amount = 0,
    seconds: Amount = 0,
    zone: Zone = "UTC",
) -> dict[str, Json]:
    """Add a span to a moment; negative parts go back.

    Years, months, weeks and days move the date on the zone's calendar and keep the time of day (a day that the month
    does not have becomes its last one); hours, minutes and seconds then pass as they really do.
    """

    def work() -> datetime:
        start = _moment(time).astimezone(_zone(zone))
        moved = _moved(start, years * 12 + months, weeks * 7 + days)
        passed = moved.astimezone(UTC) + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return passed.astimezone(_zone(zone))

    return _described(_within(time, work), zone)


@_built.action(effect="read")
async def difference(start: Moment, end: Moment) -> dict[str, Json]:
    """Tell how long it is from one moment to another; negative when the second is earlier."""
    span = _within(start, lambda: _moment(end) - _moment(start))
    seconds = span.total_seconds()
    return {"seconds": seconds, "minutes": seconds / 60, "hours": seconds / 3600, "days": seconds / 86400}


@_built.action(effect="read")
async def parse(
    text: Annotated[str, {"minLength": 1, "maxLength": 200}, "a date, with or without a time"],
    format: Annotated[str, {"maxLength": 100}, "strptime format, like %d/%m/%Y; empty takes ISO 8601 and e-mail"] = "",
    zone: Annotated[str, {"minLength": 1, "maxLength": 100}, "what a text without an offset is meant in"] = "UTC",
) -> dict[str, Json]:
    """Read a date and time from text."""
    meant = _zone(zone)
    readers: tuple[Callable[[], datetime], ...] = (
        # a format may well have no offset: the zone then says what is meant
        (lambda: datetime.strptime(text, format),)  # noqa: DTZ007
        if format
        else (lambda: datetime.fromisoformat(text.strip()), lambda: parsedate_to_datetime(text))
    )
    for read in readers:
        with suppress(ValueError, TypeError, OverflowError):
            return _described(_in_zone(read(), meant), zone)
    expected = f"of the format {format!r}" if format else "ISO 8601 or an e-mail date"
    raise ToolCallFailed(f"{text!r} is not {expected}", was_sent=False)


def _in_zone(found: datetime, zone: ZoneInfo) -> datetime:
    if found.tzinfo is not None:
        return found.astimezone(zone)
    # through UTC, so that a time the clocks skip becomes one that exists
    return found.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def _moved(start: datetime, months: int, days: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year}")
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    moved = date(year, month + 1, day) + timedelta(days=days)
    return datetime.combine(moved, start.timetz())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a relative name, a folder of zones
        raise ToolCallFailed(
            f"{name!r} is not a time zone; give one like 'Europe/Rome' or 'UTC'", was_sent=False
        ) from None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ToolCallFailed(f"{text!r} is not an RFC 3339 date and time", was_sent=False) from None
    if found.tzinfo is None:
        raise ToolCallFailed(f"{text!r} has no offset; end it with Z or one like +01:00", was_sent=False)
    return found.astimezone(UTC)


def _within(text: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except (OverflowError, ValueError):
        raise ToolCallFailed(f"{text!r} leads outside the years 1 to 9999", was_sent=False) from None


def _described(found: datetime, zone: str) -> dict[str, Json]:
    return {
        "time": found.isoformat(),
        "date": found.date().isoformat(),
        "weekday": found.strftime("%A"),
        "zone": zone,
        "unix_seconds": found.timestamp(),
    }
