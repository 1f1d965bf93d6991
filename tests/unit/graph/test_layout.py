"""Where the boxes of a drawing go: beside and below each other, never on top of each other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from tests.unit.graph.trees import arms

from trackrecord.cli.graph.layout import ROOM, Box, Lane, boxes, lay
from trackrecord.cli.graph.node import Arm, Node, chain, walk

SLACK = 0.01


def leaf(key: str) -> Node:
    return Node(key=key, title=key)


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes of one lane share any area."""
    return (
        one.x < other.x + other.width - SLACK
        and other.x < one.x + one.width - SLACK
        and one.y < other.y + other.height - SLACK
        and other.y < one.y + one.height - SLACK
    )


def lanes(lane: Lane) -> list[Lane]:
    """The lane and every one inside it."""
    return [lane, *(inner for box in lane.boxes for one in box.lanes for inner in lanes(one))]


@settings(max_examples=25, deadline=None)
@given(arms())
def test_no_two_boxes_overlap_and_each_lies_within_what_contains_it(arm: Arm) -> None:
    """Whatever the workflow, every node has one box, and a place of its own."""
    whole = lay(arm)

    drawn = [box.node.key for box, _, _ in boxes(whole) if box.node is not None]
    assert sorted(node.key for node in walk(arm)) == sorted(drawn)
    for lane in lanes(whole):
        for place, one in enumerate(lane.boxes):
            assert [] == [other for other in lane.boxes[place + 1 :] if overlap(one, other)]
            assert -SLACK <= one.x
            assert one.x + one.width <= lane.width + SLACK
            assert -SLACK <= one.y
            assert one.y + one.height <= lane.height + SLACK
            for inner in one.lanes:
                assert -SLACK <= inner.x
                assert inner.x + inner.width <= one.width + SLACK
                assert one.head <= inner.y
                assert inner.y + inner.height <= one.height + SLACK


@settings(max_examples=25, deadline=None)
@given(arms())
def test_lines_lead_downwards_and_cross_no_box(arm: Arm) -> None:
    """A line ends at the top of its box, and whatever it passes it passes beside."""
    for lane in lanes(lay(arm)):
        for wire in lane.wires:
            assert pytest.approx((wire.end.x + wire.end.width / 2, wire.end.y)) == wire.points[-1]
            for (x, y), (to_x, to_y) in zip(wire.points, wire.points[1:], strict=False):
                assert y <= to_y
                left, right = sorted((x, to_x))
                crossed = [
                    box
                    for box in lane.boxes
                    if box.x + SLACK < right and left < box.x + box.width - SLACK
                    if box.y + SLACK < to_y and y < box.y + box.height - SLACK
                ]
                assert [] == crossed


def test_a_sequence_stands_in_one_column() -> None:
    """Each below the one before, all on one axis."""
    lane = lay(Arm(nodes=tuple(map(leaf, "abc")), edges=chain(3)))
    centres = {round(box.x + box.width / 2, 3) for box in lane.boxes}

    assert 1 == len(centres)
    assert sorted(box.y for box in lane.boxes) == [box.y for box in lane.boxes]


def test_branches_stand_side_by_side() -> None:
    """What waits for one thing stands on one height."""
    lane = lay(Arm(nodes=tuple(map(leaf, "abcd")), edges=((0, 1), (0, 2), (1, 3), (2, 3))))
    first, left, right, last = lane.boxes

    assert left.y == right.y
    assert first.y < left.y < last.y
    assert left.x + left.width < right.x


def test_many_alike_stand_in_a_grid_that_fits_a_screen() -> None:
    """A thousand branches of a fan-out are rows, with one line to all of them and one from them."""
    size = 200
    edges = (*((0, place) for place in range(1, size - 1)), *((place, size - 1) for place in range(1, size - 1)))
    lane = lay(Arm(nodes=tuple(leaf(str(place)) for place in range(size)), edges=edges))

    assert lane.width <= ROOM + 2
    assert 2 == len(lane.wires)
    assert ["198 side by side"] == [inner.label for box in lane.boxes for inner in box.lanes]


def test_many_arms_stand_in_rows() -> None:
    """A parallel step of many branches is not wider than a screen."""
    arms = tuple(Arm(label=str(place), nodes=(leaf(str(place)),)) for place in range(40))
    lane = lay(Arm(nodes=(Node(key="all", title="all", shape="fork", arms=arms),)))

    assert lane.width <= ROOM + 60
