"""Rules of the plugin `time`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord import clock
from trackrecord.plugins import times
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

Use = Callable[..., Awaitable[Any]]
PLUGIN = times.plugin({})


@pytest.mark.parametrize(
    ("action", "arguments", "expected"),
    [
        ("convert", {"time": "2026-03-01T12:00:00Z", "zone": "Asia/Tokyo"}, "2026-03-01T21:00:00+09:00"),
        ("convert", {"time": "2026-07-01T12:00:00+02:00", "zone": "America/New_York"}, "2026-07-01T06:00:00-04:00"),
        ("add", {"time": "2026-01-31T10:00:00Z", "months": 1}, "2026-02-28T10:00:00+00:00"),
        ("add", {"time": "2024-02-29T10:00:00Z", "years": 1}, "2025-02-28T10:00:00+00:00"),
        ("add", {"time": "2026-01-15T10:00:00Z", "months": -1, "weeks": 1, "days": -2}, "2025-12-20T10:00:00+00:00"),
        # the night of 29 March 2026 is an hour short in Rome: a day keeps the clock, 24 hours do not
        ("add", {"time": "2026-03-28T12:00:00+01:00", "days": 1, "zone": "Europe/Rome"}, "2026-03-29T12:00:00+02:00"),
        ("add", {"time": "2026-03-28T12:00:00+01:00", "hours": 24, "zone": "Europe/Rome"}, "2026-03-29T13:00:00+02:00"),
        # 02:30 does not exist that night
        ("add", {"time": "2026-03-28T02:30:00+01:00", "days": 1, "zone": "Europe/Rome"}, "2026-03-29T03:30:00+02:00"),
        ("add", {"time": "2026-12-31T23:59:59Z", "seconds": 1, "minutes": 0}, "2027-01-01T00:00:00+00:00"),
        ("parse", {"text": "2026-03-01"}, "2026-03-01T00:00:00+00:00"),
        ("parse", {"text": "2026-03-01 09:30", "zone": "Europe/Rome"}, "2026-03-01T09:30:00+01:00"),
        ("parse", {"text": "2026-03-01T09:30:00-05:00"}, "2026-03-01T14:30:00+00:00"),
        ("parse", {"text": "Sun, 01 Mar 2026 09:30:00 +0100"}, "2026-03-01T08:30:00+00:00"),
        ("parse", {"text": "01/03/2026", "format": "%d/%m/%Y"}, "2026-03-01T00:00:00+00:00"),
        ("parse", {"text": "2026-03-29 02:30", "zone": "Europe/Rome"}, "2026-03-29T03:30:00+02:00"),
    ],
)
async def test_each_moment_is_exactly_this(use: Use, action: str, arguments: dict[str, Any], expected: str) -> None:
    """Zones, calendar and clock changes are honoured, and the answer carries its offset."""
    assert expected == (await use(PLUGIN, action, **arguments))["time"]


async def test_a_moment_is_described_in_full(use: Use) -> None:
    """An answer says the moment, its date and weekday there, the zone, and the seconds since 1970."""
    assert {
        "time": "2026-03-02T01:00:00+01:00",
        "date": "2026-03-02",
        "weekday": "Monday",
        "zone": "Europe/Rome",
        "unix_seconds": 1772409600.0,
    } == await use(PLUGIN, "convert", time="2026-03-02T00:00:00Z", zone="Europe/Rome")


async def test_now_is_the_present_in_the_zone(use: Use) -> None:
    """The present is between just before and just after the call, told in the zone asked for."""
    before = clock.now()
    told = datetime.fromisoformat((await use(PLUGIN, "now", zone="Asia/Kolkata"))["time"])
    assert before <= told <= clock.now()
    assert timedelta(hours=5, minutes=30) == told.utcoffset()


async def test_difference_tells_the_span_in_each_unit(use: Use) -> None:
    """The span between two moments, whatever their offsets, negative when the second is earlier."""
    assert {"seconds": 5400.0, "minutes": 90.0, "hours": 1.5, "days": 0.0625} == (
        await use(PLUGIN, "difference", start="2026-03-01T10:00:00+02:00", end="2026-03-01T09:30:00Z")
    )
    assert -1.0 == (await use(PLUGIN, "difference", start="2026-03-02T00:00:00Z", end="2026-03-01T00:00:00Z"))["days"]


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("convert", {"time": "2026-03-01T12:00:00", "zone": "UTC"}, "has no offset"),
        ("convert", {"time": "yesterday", "zone": "UTC"}, "is not an RFC 3339"),
        ("difference", {"start": "2026-03-01T12:00:00Z", "end": "soon"}, "'soon' is not an RFC 3339"),
        ("parse", {"text": "soon"}, "is not ISO 8601"),
        ("parse", {"text": "2026", "format": "%d/%m/%Y"}, "is not of the format '%d/%m/%Y'"),
        ("add", {"time": "9999-12-31T00:00:00Z", "days": 2}, "outside the years 1 to 9999"),
        ("add", {"time": "2026-03-01T00:00:00Z", "years": 999_999_999}, "outside the years"),
        ("add", {"time": "2026-03-01T00:00:00Z", "hours": -1_000_000_000}, "outside the years"),
        ("convert", {"time": "0001-01-01T00:00:00Z", "zone": "America/New_York"}, "outside the years"),
        ("now", {"zone": "Mars/Base"}, "'Mars/Base' is not a time zone"),
        ("now", {"zone": "../../../etc/passwd"}, "is not a time zone"),
        ("now", {"zone": "/etc/localtime"}, "is not a time zone"),
        ("now", {"zone": "Europe"}, "is not a time zone"),
    ],
)
async def test_what_is_no_moment_or_zone_is_said(action: str, arguments: dict[str, Any], words: str) -> None:
    """A moment without offset is never guessed, and a bad zone or a year that does not exist is a clear failure."""
    with pytest.raises(ToolCallFailed) as caught:
        await PLUGIN.call(Invocation(action=action, arguments=arguments))
    assert words in str(caught.value)
    assert not caught.value.is_transient


def test_every_action_only_reads() -> None:
    """Nothing is changed by telling the time, and every action is tested above."""
    assert {"now": "read", "convert": "read", "add": "read", "difference": "read", "parse": "read"} == {
        name: action.effect for name, action in PLUGIN.actions.items()
    }


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Europe/Rome", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"])


@given(MOMENTS, st.integers(-100_000, 100_000), ZONES)
async def test_what_was_added_is_the_difference(moment: datetime, minutes: int, zone: str) -> None:
    """Adding real time and asking for the difference agree in every zone, across every clock change."""
    start = moment.isoformat()
    arguments: dict[str, Any] = {"time": start, "minutes": minutes, "zone": zone}
    added: Any = (await PLUGIN.call(Invocation(action="add", arguments=arguments))).data
    span: dict[str, Any] = {"start": start, "end": added["time"]}
    told: Any = (await PLUGIN.call(Invocation(action="difference", arguments=span))).data
    # offsets of long ago have seconds, which RFC 3339 text in Python keeps
    assert minutes * 60 == told["seconds"]
