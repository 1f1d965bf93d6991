"""When an agent runs by itself: a cron line and a time zone, checked. Pure; computes no times."""

from __future__ import annotations

import re
from typing import Final

from trackrecord.workflow.fields import near

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_PART: Final = re.compile(r"(\*|[0-9a-z]+(?:-[0-9a-z]+)?)(?:/([0-9]+))?")


def bad_schedule(text: str) -> tuple[str, str] | None:
    """What is wrong with a cron line and the cure; None when nothing is."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        cure = "Write minute, hour, day of month, month, day of week, like '0 9 * * 1-5'."
        return f"{text!r} has {len(parts)} fields; a schedule has 5", cure
    for part, (title, least, most, names) in zip(parts, _FIELDS, strict=True):
        if not all(_is_part(one, least, most, names) for one in part.lower().split(",")):
            return (
                f"{part!r} is no {title}",
                f"Write {least} to {most}, *, a range like {least}-{most}, or a step like */5.",
            )
    return None


def _is_part(part: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or (match[2] is not None and int(match[2]) < 1):
        return False
    if match[1] == "*":
        return True
    ends = [_number(end, least, names) for end in match[1].split("-")]
    return all(end is not None and least <= end <= most for end in ends) and _ascends(ends)


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.isdecimal():
        return int(text)
    return names.index(text) + least if text in names else None


def _ascends(ends: list[int | None]) -> bool:
    return len(ends) == 1 or (ends[0] or 0) <= (ends[1] or 0)


def bad_timezone(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a time zone and the cure; None when nothing is."""
    if name == "UTC":  # must hold where no time zone data is installed
        return None
    from zoneinfo import ZoneInfo, available_timezones  # 12 ms of start-up, for agents with a zone of their own

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        help_ = near(name, available_timezones())
        return f"there is no time zone {name!r}", help_ if help_.startswith("Did") else "Write one like Europe/Berlin."
    return None
