"""A drawing that is too large: bounded, and nothing left out without a word."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.graph.trees import arms

from trackrecord.cli.graph.folding import MOST_NODES, folded
from trackrecord.cli.graph.layout import lay
from trackrecord.cli.graph.node import Arm, Drawing, Node, chain, size, walk
from trackrecord.cli.graph.standing import Standing

FAILED = Standing(state="failed", times=(("failed", 1),))
OK = Standing(state="ok", times=(("ok", 1),))


def long(number: int, failed: int | None = None) -> Drawing:
    nodes = tuple(
        Node(key=str(place), title=f"s{place}", standing=FAILED if place == failed else OK) for place in range(number)
    )
    return Drawing(title="long", body=Arm(nodes=nodes, edges=chain(number)))


@settings(max_examples=25, deadline=None)
@given(arms(), st.integers(1, 40))
def test_it_is_bounded_and_every_node_is_drawn_or_counted(arm: Arm, most: int) -> None:
    """What is drawn and what stands for the rest are all there was; and it can still be laid out."""
    whole = Drawing(title="any", body=arm)
    small = folded(whole, most)

    kept = list(walk(small.body))
    assert size(arm) == sum(1 for node in kept if node.shape != "more") + sum(node.hidden for node in kept)
    assert len(kept) <= most
    assert (small.notes != ()) == (size(arm) > most)
    lay(small.body)


def test_ten_thousand_steps() -> None:
    """The first are drawn, and the one that failed, with how many there are between."""
    small = folded(long(10_000, failed=7_000))
    kept = small.body.nodes

    assert len(kept) <= MOST_NODES
    assert "s7000" in [node.title for node in kept]
    assert ["more", "step", "more"] == [node.shape for node in kept[-3:]]
    assert "2,999 more" == kept[-1].title
    assert "of 10,000 parts are drawn" in small.notes[0]
    assert chain(len(kept)) == tuple(sorted(small.body.edges))


def test_what_fits_is_left_alone() -> None:
    """No note, no change."""
    assert long(MOST_NODES) == folded(long(MOST_NODES))


def test_what_went_wrong_is_opened_first() -> None:
    """Of two containers that do not both fit the one with the failure inside is drawn."""
    inner = {name: Arm(nodes=long(30, failed).body.nodes, edges=chain(30)) for name, failed in (("a", None), ("b", 3))}
    nodes = tuple(Node(key=name, title=name, shape="group", arms=(arm,)) for name, arm in inner.items())
    small = folded(Drawing(title="two", body=Arm(nodes=nodes)), 32)
    fine, wrong = small.body.nodes

    assert ((), 30, ("30 parts inside, folded",)) == (fine.arms, fine.hidden, fine.remarks)
    assert 30 == len(wrong.arms[0].nodes)


def test_arrows_that_others_imply_are_left_out_where_there_are_too_many() -> None:
    """The order stays the same, and the drawing says so."""
    nodes = long(60).body.nodes
    dense = tuple((one, other) for other in range(60) for one in range(other))
    thin = folded(Drawing(title="dense", body=Arm(nodes=nodes, edges=dense)))

    assert chain(60) == tuple(sorted(thin.body.edges))
    assert ("Arrows that other arrows imply are left out.",) == thin.notes
    few = Drawing(title="few", body=Arm(nodes=nodes, edges=(*chain(60), (0, 59))))
    assert few == folded(few)
