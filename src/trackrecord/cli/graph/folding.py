"""A drawing small enough to be drawn: what does not fit is folded into what contains it, and every fold says so. Pure.

What went wrong is opened first, then what lies least deep. Of a list that is too long its beginning is kept and what
went wrong in it; each gap is a node that says how many it stands for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from typing import Final

from trackrecord.cli.graph.node import Arm, Drawing, Node, size, walk
from trackrecord.cli.units import many

MOST_NODES: Final = 400
MOST_EDGES: Final = 480
_IMPLIED: Final = "Arrows that other arrows imply are left out."
_FINE: Final = frozenset({"ok", "skipped", "unreached"})


def folded(drawing: Drawing, most: int = MOST_NODES) -> Drawing:
    """The drawing with at most so many nodes; as it is when it fits, else with a note of what was left out."""
    small = _folded(drawing, most)
    edges = sum(len(arm.edges) for arm in _arms(small.body))
    if edges <= MOST_EDGES:
        return small
    thin = _thinned(small.body)
    left = sum(len(arm.edges) for arm in _arms(thin))
    return replace(small, body=thin, notes=(*small.notes, _IMPLIED)) if left < edges else small


def _folded(drawing: Drawing, most: int) -> Drawing:
    every = size(drawing.body)
    if every <= most:
        return drawing
    plan = _Plan(room=most)
    plan.open(drawing.body)
    body = plan.arm(drawing.body)
    shown = sum(1 for node in walk(body) if node.shape != "more")
    note = f"{shown:,} of {every:,} parts are drawn; the others are folded into what contains them."
    return replace(drawing, body=body, notes=(note, *drawing.notes))


@dataclass(slots=True)
class _Plan:
    """What is kept: of each arm some places, of each node whether its arms are drawn."""

    room: int
    kept: dict[int, frozenset[int]] = field(default_factory=dict[int, frozenset[int]])
    opened: set[int] = field(default_factory=set[int])

    def open(self, body: Arm) -> None:
        """Decide, the most telling first, until there is no room."""
        troubled = _troubled(body)
        waiting: list[tuple[bool, int, int, Node]] = []
        order = count()

        def queue(arm: Arm, depth: int) -> None:
            for place in sorted(self.kept[id(arm)]):
                node = arm.nodes[place]
                if node.arms:
                    heappush(waiting, (id(node) not in troubled, depth, next(order), node))

        self._keep(body, troubled, self.room)
        queue(body, 1)
        while waiting:
            *_, depth, _, node = heappop(waiting)
            needed = sum(min(len(arm.nodes), 2) for arm in node.arms)
            if needed > self.room:
                continue
            self.opened.add(id(node))
            for left, arm in zip(range(len(node.arms) - 1, -1, -1), node.arms, strict=True):
                self._keep(arm, troubled, self.room - left)
                queue(arm, depth + 1)

    def _keep(self, arm: Arm, troubled: set[int], room: int) -> None:
        """Keep the places of an arm for which there is room; what stands in for the others has its own."""
        total = len(arm.nodes)
        if total <= room:
            self.kept[id(arm)] = frozenset(range(total))
            self.room -= total
            return
        # each place that is kept for its trouble may part a gap in two, so it may cost two nodes
        order = _topological(arm)
        wrong = [place for place in order if id(arm.nodes[place]) in troubled][: room // 4]
        places = {*wrong}
        for place in order:
            if len(places) + len(wrong) + 1 >= room:
                break
            places.add(place)
        self.kept[id(arm)] = frozenset(places)
        self.room -= max(1, room)

    def arm(self, arm: Arm) -> Arm:
        """The arm as it is drawn."""
        kept = self.kept.get(id(arm), frozenset())
        if len(kept) == len(arm.nodes):
            return replace(arm, nodes=tuple(self._node(node) for node in arm.nodes))
        runs: list[list[int]] = []
        for place in _topological(arm):
            if place not in kept and runs and runs[-1][0] not in kept:
                runs[-1].append(place)
            else:
                runs.append([place])
        new = {place: index for index, run in enumerate(runs) for place in run}
        edges = {(new[before], new[after]): None for before, after in arm.edges if new[before] != new[after]}
        nodes = tuple(
            self._node(arm.nodes[run[0]]) if run[0] in kept else _gap([arm.nodes[place] for place in run])
            for run in runs
        )
        return replace(arm, nodes=nodes, edges=tuple(edges))

    def _node(self, node: Node) -> Node:
        if not node.arms:
            return node
        if id(node) in self.opened:
            return replace(node, arms=tuple(self.arm(arm) for arm in node.arms))
        inside = sum(size(arm) for arm in node.arms)
        return replace(node, arms=(), hidden=inside, remarks=(*node.remarks, f"{many(inside, 'part')} inside, folded"))


def _gap(nodes: Sequence[Node]) -> Node:
    every = len(nodes) + sum(size(arm) for node in nodes for arm in node.arms)
    return Node(
        key=f"/more/{nodes[0].key}",
        title=f"{every:,} more",
        shape="more",
        kind=f"{nodes[0].title} to {nodes[-1].title}" if len(nodes) > 1 else nodes[0].title,
        hidden=every,
    )


def _troubled(body: Arm) -> set[int]:
    """Every node in which something is not as it should be, and whatever contains it."""
    found: set[int] = set()

    def look(arm: Arm) -> bool:
        is_troubled = False
        for node in arm.nodes:
            own = node.standing is not None and node.standing.state not in _FINE
            inside = [look(one) for one in node.arms]
            if own or any(inside):
                found.add(id(node))
                is_troubled = True
        return is_troubled

    look(body)
    return found


def _topological(arm: Arm) -> list[int]:
    """The places of an arm, each after what it waits for, otherwise as written.

    A run of neighbours in this order can be made one node without a cycle.
    """
    after: dict[int, list[int]] = {}
    missing = [0] * len(arm.nodes)
    for before, place in arm.edges:
        after.setdefault(before, []).append(place)
        missing[place] += 1
    ready = deque(place for place, number in enumerate(missing) if not number)
    order: list[int] = []
    while ready:
        place = ready.popleft()
        order.append(place)
        for later in after.get(place, ()):
            missing[later] -= 1
            if not missing[later]:
                ready.append(later)
    return order


def _arms(arm: Arm) -> Iterator[Arm]:
    """The arm and every one inside it."""
    yield arm
    for node in walk(arm):
        yield from node.arms


def _thinned(arm: Arm) -> Arm:
    """The arm without edges that lead where others lead as well, step by step; the order stays the same."""
    before: dict[int, list[int]] = {}
    for one, other in arm.edges:
        before.setdefault(other, []).append(one)
    reached: dict[int, int] = {}  # what precedes each place, as a bit mask
    implied: set[tuple[int, int]] = set()
    for place in _topological(arm):
        direct = before.get(place, [])
        indirect = 0
        for one in direct:
            indirect |= reached[one]
        implied |= {(one, place) for one in direct if indirect >> one & 1}
        reached[place] = indirect | sum(1 << one for one in set(direct) if not indirect >> one & 1)
    nodes = tuple(replace(node, arms=tuple(map(_thinned, node.arms))) for node in arm.nodes)
    return replace(arm, nodes=nodes, edges=tuple(edge for edge in arm.edges if edge not in implied))
