"""What transforms do to lists: sort, group, aggregate, deduplicate, flatten, select. Plain data in, plain data out.

Keys and values of the items have been worked out before; nothing here evaluates an expression or changes its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import MAX_LIST, ExpressionError, Meter, too_many
from trackrecord.workflow.fields import near
from trackrecord.workflow.functions import total
from trackrecord.workflow.values import column, identity, kind, number

Items = list[Json]
Objects = list[dict[str, Json]]


def objects(items: Sequence[Json], what: str) -> Objects:
    """The items, all of them objects.

    Raises:
        ExpressionError: one is not; `what` begins the message.
    """
    found: Objects = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ExpressionError(f"{what} must hold objects, but item {index} is {kind(item)}")
        found.append(item)
    return found


def ordered(items: Items, keys: Sequence[Items], *, is_descending: bool) -> Items:
    """The items by their keys, the first key deciding first; equal ones stay in order, null comes last either way.

    Raises:
        TypeMismatch: the keys have no common order.
    """
    places = list(range(len(items)))
    for one in reversed(keys):
        known = [place for place in places if one[place] is not None]
        sortable = column([one[place] for place in known], "the keys")
        by_place = dict(zip(known, sortable, strict=True))
        known.sort(key=by_place.__getitem__, reverse=is_descending)
        places = known + [place for place in places if one[place] is None]
    return [items[place] for place in places]


def buckets(keys: Items, meter: Meter) -> list[list[int]]:
    """The places of the items that share a key, in order of the first of each."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(identity(key, meter), []).append(place)
    return list(found.values())


def grouped(items: Items, keys: Items, meter: Meter) -> Items:
    """One `{key, items, count}` for each different key, in order of first appearance."""
    return [
        {"key": keys[places[0]], "items": [items[place] for place in places], "count": len(places)}
        for places in buckets(keys, meter)
    ]


def distinct(items: Items, keys: Items, meter: Meter) -> Items:
    """The first item of each key."""
    return [items[places[0]] for places in buckets(keys, meter)]


def flattened(items: Items, depth: int) -> Items:
    """The entries of the lists in a list, so many levels deep; what is no list stays.

    Raises:
        ExpressionError: they are more than a list may have.
    """
    for _ in range(depth):
        flat: Items = []
        for item in items:
            if isinstance(item, list):
                flat.extend(item)
            else:
                flat.append(item)
            if len(flat) > MAX_LIST:
                too_many("the flattened list")
        if not any(isinstance(item, list) for item in flat):
            return flat
        items = flat
    return items


def selected(items: Objects, names: Sequence[str]) -> Items:
    """Each object with these fields only; null where one has none.

    Raises:
        ExpressionError: none of the objects has a field, so that it is more likely misspelt than missing.
    """
    for name in names:
        if items and not any(name in item for item in items):
            raise ExpressionError(f"no item has the field {name!r}", near(name, dict.fromkeys(items[0])))
    return [{name: item.get(name) for name in names} for item in items]


def _count(values: Items) -> Json:
    return len(_known(values))


def _sum(values: Items) -> Json:
    known = _known(values)
    return total(known, "one of the values") if known or not values else None


def _average(values: Items) -> Json:
    known = _known(values)
    return number(total(known, "one of the values") / len(known)) if known else None


def _least(values: Items) -> Json:
    known = _known(values)
    return known[_place_of(min, known)] if known else None


def _most(values: Items) -> Json:
    known = _known(values)
    return known[_place_of(max, known)] if known else None


def _first(values: Items) -> Json:
    return values[0] if values else None


def _last(values: Items) -> Json:
    return values[-1] if values else None


def _known(values: Items) -> Items:
    return [value for value in values if value is not None]


def _place_of(pick: Callable[..., int], values: Items) -> int:
    return pick(range(len(values)), key=column(values, "the values").__getitem__)


AGGREGATES: Final[Mapping[str, Callable[[Items], Json]]] = {
    "count": _count,
    "sum": _sum,
    "average": _average,
    "min": _least,
    "max": _most,
    "first": _first,
    "last": _last,
}
