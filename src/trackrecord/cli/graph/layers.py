"""Boxes of one list in layers, each below all it waits for, and the lines between them. Pure; knows sizes alone.

A line that passes a layer has a place of its own in it, so no line crosses a box. Layers are sorted so that few lines
cross, and spread so that what belongs together stands below each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

Point = tuple[float, float]
GAP_X: Final = 26
GAP_Y: Final = 34
_PASSING: Final = 16  # width of a line that passes a layer
_SWEEPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where everything goes, from 0, 0.

    Attributes:
        corners: the upper left corner of each box.
        wires: the points of each edge: between them it goes straight down and across by turns.
    """

    corners: tuple[Point, ...] = ()
    wires: tuple[tuple[Point, ...], ...] = ()
    width: float = 0
    height: float = 0


@dataclass(slots=True, eq=False)
class _Slot:
    """A place in a layer: a box, or a line on its way through."""

    width: float
    height: float = 0
    centre: float = 0
    above: list[_Slot] = field(default_factory=list["_Slot"])
    below: list[_Slot] = field(default_factory=list["_Slot"])


def place(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Placed:
    """The places of boxes of these sizes, width and height, under edges without a cycle."""
    if not sizes:
        return Placed()
    ranks = _ranks(len(sizes), edges)
    layers: list[list[_Slot]] = [[] for _ in range(max(ranks) + 1)]
    slots = [_Slot(width, height) for width, height in sizes]
    for slot, rank in zip(slots, ranks, strict=True):
        layers[rank].append(slot)
    paths = [_path(slots[one], slots[other], ranks[one], ranks[other], layers) for one, other in edges]
    _order(layers)
    _spread(layers)
    left = min(layer[0].centre - layer[0].width / 2 for layer in layers)
    right = max(layer[-1].centre + layer[-1].width / 2 for layer in layers)
    for layer in layers:
        for slot in layer:
            slot.centre -= left
    bounds = _bounds(layers)
    return Placed(
        corners=tuple((slot.centre - slot.width / 2, bounds[rank][0]) for slot, rank in zip(slots, ranks, strict=True)),
        wires=tuple(_wire(path, ranks[one], bounds) for (one, _), path in zip(edges, paths, strict=True)),
        width=right - left,
        height=bounds[-1][1],
    )


def _ranks(size: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: the longest way to it."""
    after: list[list[int]] = [[] for _ in range(size)]
    missing = [0] * size
    for one, other in edges:
        after[one].append(other)
        missing[other] += 1
    ranks = [0] * size
    ready = [index for index in range(size) if not missing[index]]
    while ready:
        index = ready.pop()
        for later in after[index]:
            ranks[later] = max(ranks[later], ranks[index] + 1)
            missing[later] -= 1
            if not missing[later]:
                ready.append(later)
    return ranks


def _path(one: _Slot, other: _Slot, start: int, end: int, layers: list[list[_Slot]]) -> list[_Slot]:
    """The slots an edge goes through, with a new one in each layer it passes."""
    passing = [_Slot(_PASSING) for _ in range(start + 1, end)]
    for rank, slot in enumerate(passing, start + 1):
        layers[rank].append(slot)
    path = [one, *passing, other]
    for above, below in pairwise(path):
        above.below.append(below)
        below.above.append(above)
    return path


def _order(layers: list[list[_Slot]]) -> None:
    """Sort each layer by where its neighbours stand, downwards and upwards, so that few lines cross."""
    for sweep in range(_SWEEPS):
        is_down = sweep % 2 == 0
        for fixed, layer in pairwise(layers if is_down else layers[::-1]):
            layer.sort(key=_wish(fixed, layer, is_down=is_down))


def _wish(fixed: Sequence[_Slot], layer: Sequence[_Slot], *, is_down: bool) -> Callable[[_Slot], float]:
    """Where a slot of a layer wants to stand, by the mean of its neighbours in the layer that is fixed."""
    places = {id(slot): index for index, slot in enumerate(fixed)}
    own = {id(slot): index for index, slot in enumerate(layer)}

    def wish(slot: _Slot) -> float:
        near = [places[id(one)] for one in (slot.above if is_down else slot.below)]
        return sum(near) / len(near) if near else own[id(slot)]

    return wish


def _spread(layers: list[list[_Slot]]) -> None:
    """Give every slot a centre: as near to those of its neighbours as its layer allows."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS):
        is_down = sweep % 2 == 0
        for layer in layers[1:] if is_down else layers[-2::-1]:
            wishes: list[float] = []
            for slot in layer:
                near = slot.above if is_down else slot.below
                wishes.append(sum(one.centre for one in near) / len(near) if near else slot.centre)
            _settle(layer, wishes)


def _settle(layer: Sequence[_Slot], wishes: Sequence[float]) -> None:
    """Centres that keep the order and the distances, with the least sum of squares to the wishes (pool neighbours)."""
    offsets = [0.0]
    for one, other in pairwise(layer):
        offsets.append(offsets[-1] + (one.width + other.width) / 2 + GAP_X)
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        total, number = wish - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / number:
            before, more = pools.pop()
            total, number = total + before, number + more
        pools.append((total, number))
    centres = [total / number for total, number in pools for _ in range(number)]
    for slot, centre, offset in zip(layer, centres, offsets, strict=True):
        slot.centre = centre + offset


def _bounds(layers: Sequence[Sequence[_Slot]]) -> list[Point]:
    """Where each layer begins and ends."""
    found: list[Point] = []
    y = 0.0
    for layer in layers:
        end = y + max(slot.height for slot in layer)
        found.append((y, end))
        y = end + GAP_Y
    return found


def _wire(path: Sequence[_Slot], start: int, bounds: Sequence[Point]) -> tuple[Point, ...]:
    first, *passed, last = path
    points = [(first.centre, bounds[start][0] + first.height), (first.centre, bounds[start][1])]
    for rank, slot in enumerate(passed, start + 1):
        points += [(slot.centre, bounds[rank][0]), (slot.centre, bounds[rank][1])]
    return (*points, (last.centre, bounds[start + len(passed) + 1][0]))
