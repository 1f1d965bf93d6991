"""Drawings that hypothesis makes up: any nesting, any graph without a cycle, any names and states."""

from __future__ import annotations

from itertools import count
from typing import Any, get_args

from hypothesis import strategies as st
from tests.cli.hostile_pages import TEXTS

from trackrecord.cli.graph.node import Arm, Drawing, Node, Shape
from trackrecord.cli.graph.standing import Standing, State

NAMES = st.sampled_from(["fetch", "a rather long name of a step that says everything", "ß", "名前", *TEXTS])
SHAPES: st.SearchStrategy[Any] = st.sampled_from([shape for shape in get_args(Shape) if shape != "more"])
# Literal of a Literal: one list
STATES: st.SearchStrategy[Any] = st.sampled_from(get_args(State))


@st.composite
def arms(draw: st.DrawFn, depth: int = 3, names: st.SearchStrategy[str] = NAMES) -> Arm:
    """An arm of up to seven nodes."""
    return _arm(draw, depth, names, count())


@st.composite
def drawings(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Drawing:
    """A drawing with any text in each place where one can stand."""
    text = draw(names)
    return Drawing(title=text, facts=(text,), state=draw(st.none() | names), notes=(text,), body=draw(arms(2, names)))


def _arm(draw: st.DrawFn, depth: int, names: st.SearchStrategy[str], keys: Any) -> Arm:
    nodes = [_node(draw, depth, names, keys) for _ in range(draw(st.integers(1, 7 if depth > 1 else 3)))]
    pairs = [(one, other) for other in range(len(nodes)) for one in range(other)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    # written in any order: an edge need not lead from what stands first
    order = draw(st.permutations(range(len(nodes))))
    return Arm(
        label=draw(st.just("") | names),
        nodes=tuple(nodes),
        edges=tuple((order[one], order[other]) for one, other in edges),
        is_detour=draw(st.booleans()),
    )


def _node(draw: st.DrawFn, depth: int, names: st.SearchStrategy[str], keys: Any) -> Node:
    number = draw(st.integers(0, 3)) if depth > 1 else 0
    inner = tuple(_arm(draw, depth - 1, names, keys) for _ in range(max(0, number - 1)))
    text = draw(names)
    standing = None
    if draw(st.booleans()):
        state = draw(STATES)
        standing = Standing(
            state=state, times=((state, 2),), duration_us=10, tokens=7, errors=(text,), children=(text,)
        )
    return Node(
        key=str(next(keys)),
        title=text,
        shape=draw(SHAPES),
        kind=draw(st.just("") | names),
        remarks=tuple(draw(st.lists(names, max_size=2))),
        arms=inner,
        unit="item",
        is_conditional=draw(st.booleans()),
        standing=standing,
    )
