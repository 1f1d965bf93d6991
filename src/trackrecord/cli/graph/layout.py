"""Where everything of a drawing goes: sequence downwards, side by side what may run at once, containers framed. Pure.

Many boxes that wait for the same and are waited for by the same stand in a grid, with one line for all. Coordinates are
pixels, relative to what contains a thing; no two boxes overlap, and each lies within what contains it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from trackrecord.cli.escape import line
from trackrecord.cli.graph import standing
from trackrecord.cli.graph.layers import place
from trackrecord.cli.graph.letters import fit, text_width
from trackrecord.cli.graph.node import Arm, Node, titled

Role = Literal["title", "kind", "remark", "state", "used"]
SIZES: Final[dict[Role, float]] = {"title": 14, "kind": 12, "remark": 12, "state": 12, "used": 12}
LINE: Final = 18
ROOM: Final = 1_120
PAD: Final = 14
LABEL: Final = 26
SIGN: Final = 22  # room for the sign of a shape, left of the title
SLANT: Final = 14  # what the sides of some shapes take
_MOST_TEXT: Final = 290
_MOST_REMARK: Final = 2  # lines that one remark takes
_LEAST_WIDTH: Final = 132
_LANE_PAD: Final = 14
_LEAST_GRID: Final = 4
_GAP: Final = 13  # between the boxes of a grid


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a box.

    Attributes:
        text: as it is drawn, escaped and cut.
        full: the whole of it, escaped; empty when a line before has it already.
    """

    role: Role
    text: str
    full: str


@dataclass(slots=True, eq=False)
class Box:
    """A node in its place; without a node a grid of others.

    Attributes:
        head: height of what is written at its top.
        lanes: what it contains, an arm each.
    """

    node: Node | None
    lines: tuple[Line, ...] = ()
    width: float = 0
    height: float = 0
    head: float = 0
    lanes: list[Lane] = field(default_factory=list["Lane"])
    x: float = 0
    y: float = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A line that ends at the top of a box; between its points it goes straight down and across by turns."""

    end: Box
    points: tuple[tuple[float, float], ...]


@dataclass(slots=True, eq=False)
class Lane:
    """An arm in its place."""

    arm: Arm
    label: str = ""
    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list[Box])
    wires: list[Wire] = field(default_factory=list["Wire"])
    x: float = 0
    y: float = 0


def lay(arm: Arm) -> Lane:
    """The arm and all it contains, laid out from 0, 0."""
    return _lane(arm, arm.label, ROOM)


def boxes(lane: Lane, x: float = 0, y: float = 0) -> Iterator[tuple[Box, float, float]]:
    """Every box of a lane and of what it contains, with its place in the lane; each before what it contains."""
    for box in lane.boxes:
        yield box, x + box.x, y + box.y
        for inner in box.lanes:
            yield from boxes(inner, x + box.x + inner.x, y + box.y + inner.y)


def _lane(arm: Arm, label: str, room: float) -> Lane:
    lane = Lane(arm=arm, label=line(label, 60))
    own = [_box(node, room) for node in arm.nodes]
    lane.boxes, edges = _gridded(own, arm.edges, room)
    top = _LANE_PAD + (LABEL if lane.label else 0)
    placed = place([(box.width, box.height) for box in lane.boxes], edges)
    lane.height = top + placed.height + _LANE_PAD
    lane.width = max(placed.width, text_width(lane.label, SIZES["kind"]) + 20) + 2 * _LANE_PAD
    shift = (lane.width - placed.width) / 2
    for box, (x, y) in zip(lane.boxes, placed.corners, strict=True):
        box.x, box.y = x + shift, y + top
    ends = [lane.boxes[other] for _, other in edges]
    lane.wires = [
        Wire(end, tuple((x + shift, y + top) for x, y in points))
        for end, points in zip(ends, placed.wires, strict=True)
    ]
    return lane


def _box(node: Node, room: float) -> Box:
    lines = tuple(_lines(node))
    wide = max(text_width(one.text, SIZES[one.role]) + (SIGN if one.role == "title" else 0) for one in lines)
    slant = SLANT if node.shape in ("person", "clock", "child") else 0
    head = 2 * 9 + LINE * len(lines)
    box = Box(node, lines, max(_LEAST_WIDTH, wide + 2 * (PAD + slant)), head, head)
    if node.arms:
        lanes = [_lane(arm, titled(node, arm), room - 2 * PAD) for arm in node.arms]
        _flow(box, lanes, room - 2 * PAD)
    return box


def _flow(box: Box, lanes: list[Lane], room: float) -> None:
    """Put lanes side by side below the head of a frame, in rows where they are too many."""
    rows: list[list[Lane]] = [[]]
    for lane in lanes:
        if rows[-1] and sum(one.width + PAD for one in rows[-1]) + lane.width > room:
            rows.append([])
        rows[-1].append(lane)
    wide = max(sum(lane.width for lane in row) + PAD * (len(row) - 1) for row in rows)
    box.width = max(box.width, wide + 2 * PAD)
    y = box.head
    for row in rows:
        x = (box.width - sum(lane.width for lane in row) - PAD * (len(row) - 1)) / 2
        tall = max(lane.height for lane in row)
        for lane in row:
            lane.x, lane.y, lane.height = x, y, tall
            x += lane.width + PAD
        y += tall + PAD
    box.lanes, box.height = lanes, y


def _lines(node: Node) -> Iterator[Line]:
    texts: list[tuple[Role, str]] = [("title", node.title)]
    if node.kind:
        texts.append(("kind", node.kind))
    texts.extend(("remark", remark) for remark in node.remarks)
    if node.standing is not None:
        state, *used = standing.told(node.standing, node.unit)
        texts.append(("state", state))
        texts.extend(("used", text) for text in used)
    for role, text in texts:
        full = line(text, 2_000)
        if role == "remark":
            yield from _broken(full)
        else:
            yield Line(role, fit(full, _MOST_TEXT - (SIGN if role == "title" else 0), SIZES[role]), full)


def _broken(text: str) -> Iterator[Line]:
    """A remark on as many lines as it may take, broken between words; the first has the whole of it."""
    words = text.split(" ")
    for number in range(_MOST_REMARK):
        at = words.pop(0)
        while words and text_width(f"{at} {words[0]}", SIZES["remark"]) <= _MOST_TEXT:
            at = f"{at} {words.pop(0)}"
        is_last = number == _MOST_REMARK - 1
        rest = " ".join((at, *words)) if is_last else at
        yield Line("remark", fit(rest, _MOST_TEXT, SIZES["remark"]), "" if number else text)
        if not words:
            return


# --------------------------------------------------------------------------------------------------------------- grids


def _gridded(
    own: Sequence[Box], edges: Sequence[tuple[int, int]], room: float
) -> tuple[list[Box], list[tuple[int, int]]]:
    """The boxes, those that are alike to all others in one grid, and the edges between what is left."""
    before: dict[int, set[int]] = {}
    after: dict[int, set[int]] = {}
    for one, other in edges:
        before.setdefault(other, set()).add(one)
        after.setdefault(one, set()).add(other)
    alike: dict[tuple[frozenset[int], frozenset[int]], list[int]] = {}
    for index in range(len(own)):
        key = (frozenset(before.get(index, ())), frozenset(after.get(index, ())))
        alike.setdefault(key, []).append(index)
    new: dict[int, int] = {}
    kept: list[Box] = []
    for places in alike.values():
        if len(places) >= _LEAST_GRID:
            new |= dict.fromkeys(places, len(kept))
            kept.append(_grid([own[index] for index in places], room))
            continue
        for index in places:
            new[index] = len(kept)
            kept.append(own[index])
    return kept, list(dict.fromkeys((new[one], new[other]) for one, other in edges))


def _grid(inside: list[Box], room: float) -> Box:
    """Boxes in rows, in a frame without a name."""
    grid = Box(None)
    lane = Lane(arm=Arm(), label=f"{len(inside):,} side by side", boxes=inside)
    x, y, tall, wide = float(_LANE_PAD), float(_LANE_PAD + LABEL), 0.0, 0.0
    for box in inside:
        if x > _LANE_PAD and x + box.width + _LANE_PAD > room - 2 * _LANE_PAD:
            x, y, tall = float(_LANE_PAD), y + tall + _GAP, 0.0
        box.x, box.y = x, y
        x += box.width + _GAP
        tall, wide = max(tall, box.height), max(wide, x - _GAP)
    lane.width, lane.height = wide + _LANE_PAD, y + tall + _LANE_PAD
    grid.lanes, grid.width, grid.height = [lane], lane.width, lane.height
    return grid
