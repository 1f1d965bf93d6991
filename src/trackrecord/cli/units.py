"""Figures as a person reads them: separators, units, relative dates, and a dash for what is unknown. Pure.

Never turns unknown into 0, and never rounds a figure to nothing: what is there shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from trackrecord.clock import moment

UNKNOWN: Final = "–"
_MS: Final = 1_000
_S: Final = 1_000_000
_MIN: Final = 60 * _S
_H: Final = 60 * _MIN
_DAY: Final = 24 * _H


def count(figure: int | None) -> str:
    """A number with separators; a dash when it is unknown."""
    return UNKNOWN if figure is None else f"{figure:,}"


def many(figure: int | None, noun: str, plural: str | None = None) -> str:
    """A number with its noun, like `1 turn` or `3 turns`."""
    return f"{count(figure)} {noun if figure == 1 else plural or f'{noun}s'}"


def duration(microseconds: int | None) -> str:
    """A duration in the unit that fits it: `0.4 ms`, `340 ms`, `1.2 s`, `2 min 05 s`, `3 h 12 min`, `2 d 3 h`."""
    if microseconds is None:
        return UNKNOWN
    if microseconds < 9_950:
        return f"{microseconds / _MS:.1f} ms" if microseconds >= 100 else f"{microseconds} µs"
    if microseconds < 999_500:
        return f"{microseconds / _MS:.0f} ms"
    if microseconds < 59_950_000:
        return f"{microseconds / _S:.1f} s"
    if microseconds < _H:
        minutes, rest = divmod(round(microseconds / _S), 60)
        return f"{minutes} min {rest:02} s" if minutes < 60 else "1 h 00 min"
    if microseconds < _DAY:
        hours, rest = divmod(microseconds // _MIN, 60)
        return f"{hours} h {rest:02} min"
    days, rest = divmod(microseconds // _H, 24)
    return f"{days:,} d {rest} h"


def milliseconds(figure: int | None) -> str:
    """A duration given in milliseconds, no finer than that; a dash when it is unknown, `0 ms` when it was shorter."""
    if figure is not None and 0 <= figure < 10:
        return f"{figure} ms"
    return duration(None if figure is None else figure * _MS)


def dollars(nanos: int | None) -> str:
    """Money given in nano-dollars: two decimals, or as many as show four digits of a small amount."""
    return UNKNOWN if nanos is None else f"${Decimal(nanos) / 10**9:,.{_places(nanos)}f}"


def amounts(nanos: Sequence[int | None]) -> list[str]:
    """The same of a column: all with as many decimals, so that they stand below each other."""
    places = max((_places(one) for one in nanos if one is not None), default=2)
    return [UNKNOWN if one is None else f"${Decimal(one) / 10**9:,.{places}f}" for one in nanos]


def _places(nanos: int) -> int:
    """How many decimals show four digits of an amount below a dollar, zeros at the end left out; at least two."""
    amount = Decimal(nanos) / 10**9
    if not amount or amount >= 1:
        return 2
    shown = f"{amount:.{max(2, 3 - amount.adjusted())}f}".rstrip("0")
    return max(2, len(shown) - 2)


def points(thousandths: int | None) -> str:
    """A score stored in thousandths, with two decimals; a dash when the part was left out."""
    return UNKNOWN if thousandths is None else f"{thousandths / 1000:.2f}"


def percent(part: int, whole: int) -> str:
    """A share of a count; a dash of nothing. Never 100 % while any is missing, never 0 % while any is there."""
    if not whole:
        return UNKNOWN
    share = 100 * part / whole
    rounded = round(share)
    if part != whole and rounded == 100:
        return "99.9 %"
    if part and rounded == 0:
        return "0.1 %"
    return f"{rounded} %"


def age(stamp: str | None, now: datetime) -> str:
    """How long ago, in one unit: `now`, `12 s`, `5 min`, `3 h`, `9 d`; the date when it is a month or more."""
    if stamp is None:
        return UNKNOWN
    then = moment(stamp)
    seconds = int((now - then).total_seconds())
    if seconds < 0:
        return "now" if seconds > -60 else f"{then:%Y-%m-%d}"
    if seconds < 3:
        return "now"
    for most, unit, name in ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (30 * 86_400, 86_400, "d")):
        if seconds < most:
            return f"{seconds // unit} {name}"
    return f"{then:%Y-%m-%d}"


def ago(stamp: str | None, now: datetime) -> str:
    """How long ago, in words: `just now`, `5 min ago`, `on 2026-03-01`."""
    short = age(stamp, now)
    if short == UNKNOWN:
        return short
    if short == "now":
        return "just now"
    return f"{short} ago" if " " in short else f"on {short}"


def exact(stamp: str | None) -> str:
    """A stamp to the second, in UTC."""
    return UNKNOWN if stamp is None else f"{moment(stamp):%Y-%m-%d %H:%M:%S} UTC"
