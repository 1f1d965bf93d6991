"""What a drawing shows, whatever it was made from and however it is drawn: nodes, their arms, the order in an arm.

Texts in here are as others wrote them; whoever draws escapes them. Data only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trackrecord.cli.graph.standing import Standing

Shape = Literal[
    "step",  # does something
    "question",  # decides which arm is taken
    "repeat",  # its arm runs any number of times
    "fork",  # its arms run side by side
    "person",  # waits for somebody
    "clock",  # waits for a time
    "child",  # another run
    "group",  # only holds its arms together
    "more",  # stands for what is not drawn
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Nodes in one scope, and what waits for what.

    Attributes:
        label: which arm it is, like `then` or `if it fails`; empty where there is only one.
        nodes: in the order written.
        edges: pairs of places in `nodes`: the second starts when the first has ended.
        is_detour: whether it is only taken when something went wrong.
    """

    label: str = ""
    nodes: tuple[Node, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    is_detour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing that is drawn.

    Attributes:
        key: of a step its id, else anything that is no id; unique in the drawing.
        title: what a person calls it.
        shape: what it is drawn as.
        kind: what it is and does in a few words, like `action demo.wait`.
        remarks: more about it, a line each.
        arms: what it contains.
        unit: what its arms are run for: `iteration`, `item` or `branch`; empty when they are not counted.
        standing: how it went; None in a drawing of a definition.
        is_conditional: whether it may be left out, by a condition of its own.
        hidden: how many nodes it stands for beside itself, when its arms are not drawn.
    """

    key: str
    title: str
    shape: Shape = "step"
    kind: str = ""
    remarks: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = ()
    unit: str = ""
    standing: Standing | None = None
    is_conditional: bool = False
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A whole drawing.

    Attributes:
        title: what is drawn.
        facts: about it, a line each.
        body: the outermost nodes.
        state: of a run: how it ended, as the tables have it; None for a definition.
        notes: what whoever looks has to know, like that something is left out.
    """

    title: str
    body: Arm
    facts: tuple[str, ...] = ()
    state: str | None = None
    notes: tuple[str, ...] = ()


def chain(count: int) -> tuple[tuple[int, int], ...]:
    """The edges of nodes that follow one another."""
    return tuple((place, place + 1) for place in range(count - 1))


def titled(node: Node, arm: Arm) -> str:
    """The label of an arm of a node; of one that could have been taken and was not, with that."""
    is_choice = node.shape == "question" or arm.is_detour
    if node.standing is None or not is_choice or node.standing.state in ("unreached", "skipped", "running", "waiting"):
        return arm.label
    was_taken = any(one.standing is not None and one.standing.state != "unreached" for one in arm.nodes)
    return arm.label if was_taken else f"{arm.label}, not taken"


def walk(arm: Arm) -> Iterator[Node]:
    """Every node, each before what it contains."""
    waiting = list(reversed(arm.nodes))
    while waiting:
        node = waiting.pop()
        yield node
        for inner in reversed(node.arms):
            waiting.extend(reversed(inner.nodes))


def size(arm: Arm) -> int:
    """How many nodes there are in all."""
    return sum(1 for _ in walk(arm))
