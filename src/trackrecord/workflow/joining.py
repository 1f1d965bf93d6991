"""How two lists of objects become one: rows whose keys are equal, side by side, and by choice those without a match.

Every row of the result has the same fields, null where there is nothing. A field that both sides have, and that they
are not joined on, stays the left one's; the right one's is `right_<name>`. A key that is null matches nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import MAX_LIST, ExpressionError, Meter, size, too_many
from trackrecord.workflow.rows import Items, Objects
from trackrecord.workflow.values import identity

How = Literal["inner", "left", "outer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two lists.

    Attributes:
        rows: its objects.
        keys: per row, what it is joined on.
    """

    rows: Objects
    keys: Sequence[Items]


def joined(left: Side, right: Side, how: How, shared: Sequence[str], meter: Meter) -> Items:
    """The rows of the left side in order, each with its matches; with `outer` the rest of the right side after them.

    Args:
        left, right: the two sides.
        how: `inner` keeps matches, `left` all of the left side as well, `outer` all of both.
        shared: fields that both sides are joined on, so that they stand in a row once.
        meter: counts what is looked at.

    Raises:
        ExpressionError: the result would be too large, or a name would be needed twice.
    """
    empty = dict.fromkeys(_names(left.rows))
    renamed = _renamed(empty, _names(right.rows), shared)
    empty = {**empty, **dict.fromkeys(renamed.values())}
    by_key = _by_key(right, meter)
    matched: set[int] = set()
    result: Items = []
    made = size()

    def keep(row: dict[str, Json]) -> None:
        if len(result) == MAX_LIST:
            too_many("the joined list")
        made.look(row)
        result.append(row)

    for row, key in zip(left.rows, left.keys, strict=True):
        places = by_key.get(identity(key, meter), []) if None not in key else []
        for place in places:
            keep({**empty, **row, **_as_named(right.rows[place], renamed)})
        matched.update(places)
        if not places and how != "inner":
            keep({**empty, **row})
    if how == "outer":
        for place, row in enumerate(right.rows):
            if place not in matched:
                keep({**empty, **{name: row[name] for name in shared if name in row}, **_as_named(row, renamed)})
    return result


def _names(rows: Objects) -> dict[str, None]:
    return dict.fromkeys(name for row in rows for name in row)


def _renamed(left: Mapping[str, None], right: Mapping[str, None], shared: Sequence[str]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for name in right:
        if name in shared:
            continue
        renamed[name] = f"right_{name}" if name in left else name
        if renamed[name] != name and (renamed[name] in left or renamed[name] in right):
            raise ExpressionError(
                f"both sides have a field {name!r}, and {renamed[name]!r} is taken", "Rename one with select first."
            )
    return renamed


def _as_named(row: Mapping[str, Json], renamed: Mapping[str, str]) -> dict[str, Json]:
    return {renamed[name]: value for name, value in row.items() if name in renamed}


def _by_key(side: Side, meter: Meter) -> dict[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(side.keys):
        if None not in key:
            found.setdefault(identity(key, meter), []).append(place)
    return found
