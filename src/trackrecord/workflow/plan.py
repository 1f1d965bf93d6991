"""The order of a list of steps: its dependency graph, from what the steps declare. Pure; no levels, only edges.

A list in which no step declares a dependency runs in order. An empty `depends_on` declares nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who waits for whom, as indices into the list.

    Attributes:
        dependencies: per step, what must be terminal first.
        dependants: per step, who waits for it.
        roots: steps that wait for nothing.
        is_in_order: True when nothing was declared and each step waits for the one before.
    """

    dependencies: tuple[tuple[int, ...], ...]
    dependants: tuple[tuple[int, ...], ...]
    roots: tuple[int, ...]
    is_in_order: bool


def plan(ids: Sequence[str], depends_on: Sequence[Sequence[str]]) -> Plan:
    """The graph of a list; dependencies on ids that are not in the list are left out."""
    is_in_order = not any(depends_on)
    if is_in_order:
        dependencies = tuple(() if index == 0 else (index - 1,) for index in range(len(ids)))
    else:
        place = {step_id: index for index, step_id in reversed(list(enumerate(ids)))}
        dependencies = tuple(
            tuple(dict.fromkeys(place[name] for name in names if name in place)) for names in depends_on
        )
    dependants: list[list[int]] = [[] for _ in ids]
    for index, needed in enumerate(dependencies):
        for earlier in needed:
            dependants[earlier].append(index)
    return Plan(
        dependencies=dependencies,
        dependants=tuple(tuple(later) for later in dependants),
        roots=tuple(index for index, needed in enumerate(dependencies) if not needed),
        is_in_order=is_in_order,
    )


def order(graph: Plan) -> tuple[int, ...]:
    """The steps so that each comes after what it waits for; shorter than the list when there is a cycle."""
    missing = [len(needed) for needed in graph.dependencies]
    ready = list(graph.roots)
    for index in ready:
        for later in graph.dependants[index]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    return tuple(ready)


def cycles(graph: Plan) -> tuple[tuple[int, ...], ...]:
    """Cycles of the graph, one for each knot, each starting with its first step in the list; empty when there is none.

    A cycle reads in the direction of waiting: each step waits for the next, the last for the first.
    """
    stuck = set(range(len(graph.dependencies))) - set(order(graph))
    found: list[tuple[int, ...]] = []
    while stuck:
        walk: list[int] = [min(stuck)]
        seen = {walk[0]: 0}
        while True:
            step = next((needed for needed in graph.dependencies[walk[-1]] if needed in stuck), None)
            if step is None:
                stuck.discard(walk[-1])
                break
            if step in seen:
                cycle = walk[seen[step] :]
                found.append(_from_first(cycle))
                stuck -= _behind(graph, cycle, stuck)
                break
            seen[step] = len(walk)
            walk.append(step)
    return tuple(sorted(found))


def unreachable(graph: Plan) -> tuple[tuple[int, int], ...]:
    """Steps in no cycle that was found, but waiting for one, each with the step it waits for in vain."""
    stuck = set(range(len(graph.dependencies))) - set(order(graph))
    circling = {index for cycle in cycles(graph) for index in cycle} if stuck else set[int]()
    return tuple(
        (index, next(needed for needed in graph.dependencies[index] if needed in stuck))
        for index in sorted(stuck - circling)
    )


def _from_first(cycle: list[int]) -> tuple[int, ...]:
    start = cycle.index(min(cycle))
    return tuple(cycle[start:] + cycle[:start])


def _behind(graph: Plan, cycle: list[int], stuck: set[int]) -> set[int]:
    """The cycle and whatever can only run after it; what remains stuck is in a knot of its own."""
    gone = set(cycle)
    waiting = list(cycle)
    while waiting:
        for later in graph.dependants[waiting.pop()]:
            if later in stuck and later not in gone:
                gone.add(later)
                waiting.append(later)
    return gone


def before(graph: Plan) -> tuple[int, ...]:
    """Per step, everything that is terminal when it starts, as a bit mask over the list; steps in a cycle have 0."""
    masks = [0] * len(graph.dependencies)
    for index in order(graph):
        mask = 0
        for needed in graph.dependencies[index]:
            mask |= masks[needed] | (1 << needed)
        masks[index] = mask
    return tuple(masks)
