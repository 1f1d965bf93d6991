"""Stamps sort as text, ids sort by time, and nothing without a zone is taken for a time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord import clock
from trackrecord.clock import is_id, moment, new_id, now, stamp, ticks_us

ID = "6b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7e01"
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime.fromisoformat("0001-01-02"), max_value=datetime.fromisoformat("9999-12-30"))
AWARE = st.builds(lambda at, zone: at.replace(tzinfo=zone), MOMENTS, ZONES)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2025-12-31T18:30:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_stamp_is_utc_to_the_microsecond(at: datetime, expected: str) -> None:
    """Whatever its zone, a moment has one text, and the text has the moment."""
    assert expected == stamp(at)
    assert (at, timedelta()) == (moment(expected), moment(expected).utcoffset())


@given(AWARE, AWARE)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    """Stamps are 27 characters wide and compare as the moments do; reading one back gives its moment."""
    assert (27, 27) == (len(stamp(one)), len(stamp(other)))
    assert (one < other, one == other) == (stamp(one) < stamp(other), stamp(one) == stamp(other))
    assert one == moment(stamp(one))
    assert stamp(one) == stamp(moment(stamp(one)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01 12:00:00.5+02:00", "2026-01-01T10:00:00.500000Z"),
        ("2026-01-01T00:00-08:00", "2026-01-01T08:00:00.000000Z"),
    ],
)
def test_other_spellings_of_a_moment_are_read(text: str, expected: str) -> None:
    """A person may write an offset or leave out what is zero."""
    assert expected == stamp(moment(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-01-01T00:00:00", "no time zone; end it with Z or an offset"),
        ("2026-01-01", "no time zone"),
        ("", "isoformat"),
        ("tomorrow", "isoformat"),
        ("2026-02-30T00:00:00Z", "day"),
        ("2026-01-01T23:59:60Z", "second"),
        ("0000-01-01T00:00:00Z", "year"),
        ("0001-01-01T00:00:00+10:00", "outside the years 1 to 9999"),
        ("9999-12-31T23:59:59-10:00", "outside the years 1 to 9999"),
    ],
)
def test_text_that_is_no_moment_is_refused(text: str, words: str) -> None:
    """No zone is guessed, no date is mended, and every refusal is a ValueError that says why."""
    with pytest.raises(ValueError, match=words):
        moment(text)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime.fromisoformat("2026-01-01T00:00:00"), "no time zone; give an aware datetime"),
        (datetime.fromisoformat("0001-01-01T00:00:00+10:00"), "outside the years 1 to 9999"),
    ],
)
def test_a_datetime_without_a_moment_is_refused(at: datetime, words: str) -> None:
    """Local time is never taken for UTC."""
    with pytest.raises(ValueError, match=words):
        stamp(at)


def test_now_is_aware_and_the_present() -> None:
    """The clock gives UTC, not local time."""
    before = time.time()
    seen = now()
    assert timedelta() == seen.utcoffset()
    assert before - 1 <= seen.timestamp() <= time.time() + 1


def test_ticks_count_microseconds_of_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A duration is a difference of ticks, whatever happens to the wall clock."""
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic_ns=lambda: 5_000_999))
    assert 5_000 == ticks_us()


def test_an_id_is_a_uuid_of_version_7_that_holds_its_time() -> None:
    """Any tool that knows UUIDs reads it, and its first 48 bits are the milliseconds of its making."""
    before = time.time_ns() // 1_000_000
    made = UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (7, RFC_4122) == (made.version, made.variant)
    assert before <= made.int >> 80 <= after


def id_at(ns: int, random: int = 0) -> str:
    """The id made at a time, with every random byte the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "time", SimpleNamespace(time_ns=lambda: ns))
        patch.setattr(clock, "os", SimpleNamespace(urandom=lambda count: bytes([random]) * count))
        return new_id()


@given(st.integers(0, 2**60), st.integers(245, 10**12))
def test_ids_made_later_sort_later(ns: int, later: int) -> None:
    """Text order is order of making, also within one millisecond: 245 ns are told apart, whatever is random."""
    assert id_at(ns, random=255) < id_at(ns + later, random=0)


def test_ids_of_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes may make ids in the same tick."""
    monkeypatch.setattr(clock, "time", SimpleNamespace(time_ns=lambda: 1))
    assert 1_000 == len({new_id() for _ in range(1_000)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, True),
        (ID.upper(), True),
        ("", False),
        ("1", False),
        (UUID(ID).hex, False),
        (f"{{{ID}}}", False),
        (f"urn:uuid:{ID}", False),
        (f"{ID} ", False),
        ("6b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7e0g", False),
        ("６b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7e01", False),
    ],
)
def test_only_the_long_form_is_an_id(text: str, expected: bool) -> None:
    """One spelling of an id: the one that stands in every table."""
    assert expected is is_id(text)
    assert is_id(new_id())
