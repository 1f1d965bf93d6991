"""The order of a list of steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trackrecord.workflow.plan import before, cycles, order, plan, unreachable


@st.composite
def _graphs(draw: st.DrawFn, *, is_acyclic: bool) -> tuple[list[str], list[list[str]]]:
    count = draw(st.integers(1, 12))
    ids = [f"s{index}" for index in range(count)]
    edges = []
    for index in range(count):
        possible = ids[:index] if is_acyclic else ids
        edges.append(draw(st.lists(st.sampled_from(possible), unique=True, max_size=4)) if possible else [])
    shuffled = draw(st.permutations(range(count)))
    return [ids[index] for index in shuffled], [edges[index] for index in shuffled]


def _reachable(start: int, dependencies: tuple[tuple[int, ...], ...]) -> set[int]:
    found: set[int] = set()
    waiting = list(dependencies[start])
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting.extend(dependencies[index])
    return found


def test_without_dependencies_each_step_waits_for_the_one_before() -> None:
    """A list in which nothing is declared runs in order."""
    graph = plan(["a", "b", "c"], [(), (), ()])

    assert ((), (0,), (1,)) == graph.dependencies
    assert ((1,), (2,), ()) == graph.dependants
    assert (0,) == graph.roots
    assert graph.is_in_order


def test_one_declared_dependency_makes_the_list_a_graph() -> None:
    """As soon as one step declares a dependency, the others wait for nothing they did not name."""
    graph = plan(["a", "b", "c"], [(), (), ("a",)])

    assert ((), (), (0,)) == graph.dependencies
    assert (0, 1) == graph.roots
    assert not graph.is_in_order


def test_dependencies_on_strangers_are_left_out() -> None:
    """A dependency on an id that is not in the list makes no edge; the grammar names it."""
    graph = plan(["a", "b"], [(), ("nobody", "a")])

    assert ((), (0,)) == graph.dependencies


def test_an_empty_list_has_an_empty_plan() -> None:
    """No steps, no edges, no roots."""
    graph = plan([], [])

    assert () == graph.dependencies == graph.roots == cycles(graph)


@given(_graphs(is_acyclic=True))
def test_order_puts_every_step_after_what_it_waits_for(drawn: tuple[list[str], list[list[str]]]) -> None:
    """The order holds every step once, each after all of its dependencies."""
    graph = plan(*drawn)
    ordered = order(graph)

    assert sorted(range(len(drawn[0]))) == sorted(ordered)
    place = {index: position for position, index in enumerate(ordered)}
    assert all(place[needed] < place[index] for index, all_ in enumerate(graph.dependencies) for needed in all_)


@given(_graphs(is_acyclic=True))
def test_before_is_everything_a_step_waits_for_directly_or_not(drawn: tuple[list[str], list[list[str]]]) -> None:
    """The mask of a step equals the steps reachable along its dependencies."""
    graph = plan(*drawn)

    for index, mask in enumerate(before(graph)):
        assert _reachable(index, graph.dependencies) == {other for other in range(len(drawn[0])) if mask >> other & 1}


@given(_graphs(is_acyclic=False))
def test_dependants_are_the_dependencies_reversed(drawn: tuple[list[str], list[list[str]]]) -> None:
    """Both directions hold the same edges."""
    graph = plan(*drawn)

    edges = {(index, needed) for index, all_ in enumerate(graph.dependencies) for needed in all_}
    assert edges == {(later, index) for index, all_ in enumerate(graph.dependants) for later in all_}


@given(_graphs(is_acyclic=False))
def test_cycles_are_found_exactly_where_there_are_any(drawn: tuple[list[str], list[list[str]]]) -> None:
    """A graph has cycles if and only if no order holds all steps, and each one found really goes round."""
    graph = plan(*drawn)
    found = cycles(graph)

    assert bool(found) == (len(order(graph)) < len(drawn[0]))
    for cycle in found:
        assert min(cycle) == cycle[0]
        for step, needed in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert needed in graph.dependencies[step]


def test_separate_cycles_are_named_separately() -> None:
    """Two knots are two problems, so that one reading mends both."""
    graph = plan(list("abcdx"), [("b",), ("a",), ("d",), ("c",), ("a",)])

    assert ((0, 1), (2, 3)) == cycles(graph)


@given(_graphs(is_acyclic=False))
def test_what_cannot_start_is_in_a_circle_or_waits_for_one(drawn: tuple[list[str], list[list[str]]]) -> None:
    """Every step runs, is in a cycle that is told, or is told as unreachable with a step that never ends."""
    graph = plan(*drawn)
    told = {index for cycle in cycles(graph) for index in cycle}
    behind = dict(unreachable(graph))

    assert set(range(len(drawn[0]))) == set(order(graph)) | told | set(behind)
    assert not told & set(behind)
    for index, blocker in behind.items():
        assert blocker in graph.dependencies[index]
        assert blocker in told | set(behind)
