"""Consolidating: equal facts and patterns become one, old summaries become one, by rule and without a model. Pure.

A model call outside a run would have no record, so none is made. Must never fold what somebody pinned or commented on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trackrecord.memory.recall import MOST_SUMMARIES
from trackrecord.memory.summary import MAX_CHARACTERS

LATEST_KEPT: Final = MOST_SUMMARIES - 1
"""Summaries that stay as they are, so that recall has room for one that stands for all before them."""

LEAST_FOLDED: Final = 2
_MOST_CODES: Final = 3
_MOST_LAST: Final = 160
_LAST: Final = " Last trouble: "
_WORDS: Final = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "were cancelled",
    "timed_out": "ran out of time",
    "budget_exceeded": "ran out of budget",
    "abandoned": "were abandoned",
    "interrupted_unknown_outcome": "ended with an unknown outcome",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A stored fact or pattern.

    Attributes:
        owner: what tells it from others of the same words: kind, user, and the agent of a pattern.
        repeat_count: equal ones that were merged into it before.
    """

    id: str
    owner: tuple[str, ...]
    text: str
    importance: int
    created_at: str
    expires_at: str
    is_pinned: bool
    repeat_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Equal memories, and what the one that is kept becomes."""

    kept_id: str
    gone_ids: tuple[str, ...]
    importance: int
    expires_at: str
    is_pinned: bool
    repeat_count: int


def merges(learnt: Iterable[Learnt]) -> list[Merge]:
    """What to merge: the same words of the same owner, whatever their case, spaces and full stop; the newest stays.

    It keeps the highest importance, the longest time and any pin of them all, and how often it was said.
    """
    groups: dict[tuple[str, ...], list[Learnt]] = {}
    for one in learnt:
        groups.setdefault((*one.owner, _plain(one.text)), []).append(one)
    return [_merge(sorted(group, key=_newest_first)) for group in groups.values() if len(group) > 1]


def _merge(group: Sequence[Learnt]) -> Merge:
    return Merge(
        kept_id=group[-1].id,
        gone_ids=tuple(one.id for one in group[:-1]),
        importance=max(one.importance for one in group),
        expires_at=max(one.expires_at for one in group),
        is_pinned=any(one.is_pinned for one in group),
        repeat_count=sum(one.repeat_count for one in group) + len(group) - 1,
    )


def _newest_first(one: Learnt) -> tuple[str, str]:
    return one.created_at, one.id


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


def trouble_in(text: str) -> str | None:
    """The last trouble that a text made by `folded_text` tells of."""
    _, mark, trouble = text.partition(_LAST)
    return trouble if mark else None


def folded_text(endings: Mapping[tuple[str, str | None], int], trouble: str | None) -> str:
    """What stands for many earlier runs: how many ended how, and the last trouble among them.

    Args:
        endings: runs by status and error code.
        trouble: the newest summary of one that did not complete; None when all did.
    """
    total = sum(endings.values())
    statuses: dict[str, int] = {}
    for (status, _), number in endings.items():
        statuses[status] = statuses.get(status, 0) + number
    ordered = sorted(statuses, key=lambda status: (status != "completed", -statuses[status], status))
    parts = [f"{statuses[status]} {_WORDS.get(status, status)}{_codes(endings, status)}" for status in ordered]
    text = f"Of {total} earlier run{'' if total == 1 else 's'} {', '.join(parts)}."
    if trouble is not None:
        last = " ".join(trouble.split())
        text += f"{_LAST}{last if len(last) <= _MOST_LAST else last[: _MOST_LAST - 1] + '…'}"
    return text[:MAX_CHARACTERS]


def _codes(endings: Mapping[tuple[str, str | None], int], status: str) -> str:
    found = {code: number for (one, code), number in endings.items() if one == status and code}
    if not found:
        return ""
    ordered = sorted(found, key=lambda code: (-found[code], code))
    listed = ", ".join(f"{code} {found[code]}" for code in ordered[:_MOST_CODES])
    return f" ({listed}{', …' if len(ordered) > _MOST_CODES else ''})"
