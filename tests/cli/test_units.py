"""Figures as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trackrecord.cli.units import age, ago, count, dollars, duration, exact, many, milliseconds, percent, points
from trackrecord.clock import stamp

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (None, "–"),
        (0, "0 µs"),
        (51, "51 µs"),
        (410, "0.4 ms"),
        (9_949, "9.9 ms"),
        (9_950, "10 ms"),
        (340_000, "340 ms"),
        (999_499, "999 ms"),
        (999_500, "1.0 s"),
        (1_240_000, "1.2 s"),
        (59_949_999, "59.9 s"),
        (59_950_000, "1 min 00 s"),
        (125_000_000, "2 min 05 s"),
        (3_599_600_000, "1 h 00 min"),
        (11_520_000_000, "3 h 12 min"),
        (183_600_000_000, "2 d 3 h"),
    ],
)
def test_a_duration_has_the_unit_that_fits_it(microseconds: int | None, text: str) -> None:
    """No figure has more than four digits, and none is rounded past its unit."""
    assert text == duration(microseconds)


def test_milliseconds_of_nothing_are_nothing() -> None:
    """A measured 0 is 0, unknown is a dash."""
    assert ["0 ms", "–", "1.2 s"] == [milliseconds(figure) for figure in (0, None, 1_240)]


def test_unknown_is_never_zero() -> None:
    """Unknown is a dash in every unit."""
    assert ["–"] * 5 == [count(None), dollars(None), points(None), percent(0, 0), exact(None)]


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (1_234_567, "$0.001235"),
        (500_000_000, "$0.50"),
        (123_456_789, "$0.1235"),
        (1_239_999_999, "$1.24"),
        (12_345_000_000_000, "$12,345.00"),
    ],
)
def test_money_shows_however_little_it_is(nanos: int, text: str) -> None:
    """A cost that is there is never shown as nothing."""
    assert text == dollars(nanos)


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33 %"), (999, 1000, "99.9 %"), (1, 1000, "0.1 %"), (3, 3, "100 %")]
)
def test_a_share_is_all_only_when_nothing_is_missing(part: int, whole: int, text: str) -> None:
    """100 % means all of them, 0 % means none."""
    assert text == percent(part, whole)


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (0, "now", "just now"),
        (40, "40 s", "40 s ago"),
        (300, "5 min", "5 min ago"),
        (7_200, "2 h", "2 h ago"),
        (3 * 86_400, "3 d", "3 d ago"),
        (90 * 86_400, "2025-12-09", "on 2025-12-09"),
        (-3_600, "2026-03-09", "on 2026-03-09"),
    ],
)
def test_dates_are_relative_until_they_are_old(seconds: int, short: str, long: str) -> None:
    """A month and more is a date; so is the future, which a wrong clock may have written."""
    then = stamp(NOW - timedelta(seconds=seconds))

    assert (short, long) == (age(then, NOW), ago(then, NOW))


def test_nouns_agree_with_their_number() -> None:
    """One turn, two turns, no retries."""
    assert ["1 turn", "2 turns", "0 retries", "1,000 runs", "– credits"] == [
        many(1, "turn"),
        many(2, "turn"),
        many(0, "retry", "retries"),
        many(1000, "run"),
        many(None, "credit"),
    ]
