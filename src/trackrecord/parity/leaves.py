"""Two runs' values side by side, each beside its recount, taken apart down to single values. Pure; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from trackrecord.canonical import Json, dumps


class Missing:
    """A value that is not there at all, as against null."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        """Say what is missing."""
        self._what = what

    def __repr__(self) -> str:
        """What is missing."""
        return self._what


ABSENT: Final = Missing("absent")
UNCOUNTED: Final = Missing("uncounted")  # no span tells it, so that nothing can be recounted

Value = Json | Missing
Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One field of two records.

    Attributes:
        name: `table.column`, or the section and the key path of a JSON value, list places counted from 1.
        kind: the same without list places, by which its rule is found.
        left, right: what the records say.
        left_recount, right_recount: what their own spans say.
    """

    name: str
    kind: str
    left: Value
    right: Value
    left_recount: Value = UNCOUNTED
    right_recount: Value = UNCOUNTED


def is_same(one: Value, other: Value) -> bool:
    """Whether two values are the same value of the same type: 1 is not true, and null is not absent."""
    if isinstance(one, Missing) or isinstance(other, Missing):
        return one is other
    if isinstance(one, dict | list):
        return dumps(one) == dumps(other)
    return type(one) is type(other) and one == other


def type_name(value: Value) -> str:
    """The JSON type of a value."""
    if isinstance(value, Missing):
        return repr(value)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {"NoneType": "null", "str": "text", "list": "list", "dict": "object"}[type(value).__name__]


def walk(leaf: Leaf) -> Iterator[Leaf]:
    """The single values of a leaf: objects by key, lists by place, the length of each list beside."""
    left, right = leaf.left, leaf.right
    if isinstance(left, dict) or isinstance(right, dict):
        if _can_be(left, dict) and _can_be(right, dict):
            if left is None or right is None:
                yield leaf
            yield from _walk_objects(leaf)
            return
    elif isinstance(left, list) and isinstance(right, list):
        yield from _walk_lists(leaf, left, right)
        return
    yield leaf


def _can_be(value: Value, kind: type) -> bool:
    """An object may be null on the other side: then it is, and so is each of its keys."""
    return value is None or isinstance(value, kind)


def _walk_objects(leaf: Leaf) -> Iterator[Leaf]:
    # keys of the recounts too: what both records have lost must not go unseen
    sides = (leaf.left, leaf.right, leaf.left_recount, leaf.right_recount)
    names = sorted({name for side in sides if isinstance(side, dict) for name in side})
    for name in names:
        yield from walk(_below(leaf, f".{name}", f".{name}", name))


def _walk_lists(leaf: Leaf, left: Sequence[Json], right: Sequence[Json]) -> Iterator[Leaf]:
    yield Leaf(
        name=f"{leaf.name}.length",
        kind=f"{leaf.kind}.length",
        left=len(left),
        right=len(right),
        left_recount=_length(leaf.left_recount),
        right_recount=_length(leaf.right_recount),
    )
    for place in range(max(len(left), len(right))):
        below = _below(leaf, f"[{place + 1}]", "[]", place)
        if place < min(len(left), len(right)):
            yield from walk(below)
        else:
            yield below  # an element that only one of them has is one value, whatever it is made of


def _below(leaf: Leaf, name: str, kind: str, key: str | int) -> Leaf:
    return Leaf(
        name=f"{leaf.name}{name}",
        kind=f"{leaf.kind}{kind}",
        left=_at(leaf.left, key),
        right=_at(leaf.right, key),
        left_recount=_at(leaf.left_recount, key),
        right_recount=_at(leaf.right_recount, key),
    )


def _at(value: Value, key: str | int) -> Value:
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key, ABSENT)
    if isinstance(value, list) and isinstance(key, int):
        return value[key] if key < len(value) else ABSENT
    if value is None or value is UNCOUNTED:
        return value
    return ABSENT


def _length(value: Value) -> Value:
    return len(value) if isinstance(value, list) else value if value is UNCOUNTED else ABSENT
