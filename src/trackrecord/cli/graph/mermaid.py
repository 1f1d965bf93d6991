"""A drawing as a Mermaid flowchart, for pages and repositories that draw Mermaid. Pure.

Whatever a name holds, it stays a name: in a label every character that means something to Mermaid, to Markdown or to
HTML is written as a code. Bounded by what Mermaid itself accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from trackrecord.cli.escape import cut, line
from trackrecord.cli.graph import standing
from trackrecord.cli.graph.folding import MOST_NODES, folded
from trackrecord.cli.graph.node import Arm, Drawing, Node, Shape, titled
from trackrecord.cli.html.state import mood
from trackrecord.cli.signs import run_words

MOST_CHARACTERS: Final = 50_000  # Mermaid's own maxTextSize
MOST_EDGES: Final = 500  # and its maxEdges
_LONGEST: Final = 60
# letters and what means nothing anywhere; a dot and a hyphen only inside a word, where they begin no list of Markdown
_CODED: Final = re.compile(
    r"(?![A-Za-z0-9 _,=+?!()'·✓✗■▸‖⧖↯–…\u00a1-\u024f\u0370-\u05ff\u3040-\u9fff\uac00-\ud7a3]"
    r"|(?<=\w)[.-](?=\w))."
)
_MARKS: Final[dict[Shape, tuple[str, str]]] = {
    "step": ("[", "]"),
    "question": ("{", "}"),
    "repeat": ("{{", "}}"),
    "fork": ("[/", "\\]"),
    "person": ("[\\", "/]"),
    "clock": ("([", "])"),
    "child": ("[[", "]]"),
    "group": ("[", "]"),
    "more": (">", "]"),
}
_CLASSES: Final = {
    "good": "fill:#e3f4e8,stroke:#2da35a,color:#0c3d1d",
    "fair": "fill:#fdf1d3,stroke:#b47a08,color:#4d3400",
    "bad": "fill:#fdeaea,stroke:#c8323a,color:#6e0f13,stroke-width:2px",
    "calm": "fill:#eceff2,stroke:#6c7783,color:#333b43,stroke-dasharray:4 3",
    "plain": "fill:#f5f7f9,stroke:#6c7783,color:#1b1f24",
}


def mermaid(drawing: Drawing) -> str:
    """The text of the flowchart; one that Mermaid would refuse is folded until it is not."""
    most = MOST_NODES
    while True:
        made = _Made()
        text = made.text(folded(drawing, most))
        if (len(text) <= MOST_CHARACTERS and made.edges <= MOST_EDGES) or most <= 1:
            return text
        most = most * 3 // 4


@dataclass(slots=True)
class _Made:
    """The lines of a flowchart while they are made."""

    lines: list[str] = field(default_factory=list[str])
    names: dict[int, str] = field(default_factory=dict[int, str])
    classes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    edges: int = 0

    def text(self, drawing: Drawing) -> str:
        """The whole of it."""
        told = [drawing.title, *drawing.facts, *drawing.notes]
        if drawing.state is not None:
            told.insert(1, " ".join(run_words(drawing.state)))
        self.lines = ["flowchart TD", *(f"  %% {_comment(one)}" for one in told)]
        title = _label([drawing.title, *([told[1]] if drawing.state is not None else [])])
        self.lines.append(f'  start(["{title}"])')
        for place, note in enumerate(drawing.notes, 1):
            self.lines.append(f'  note{place}>"{_label([note])}"]')
        self._arm(drawing.body, 1)
        for root in _roots(drawing.body):
            self._edge(1, "start", root, is_dashed=root.is_conditional)
        for name, own in self.classes.items():
            self.lines.append(f"  classDef {name} {_CLASSES[name]}")
            self.lines.append(f"  class {','.join(own)} {name}")
        return "\n".join(self.lines) + "\n"

    def _arm(self, arm: Arm, depth: int) -> None:
        for node in arm.nodes:
            self._node(node, depth)
        for before, after in arm.edges:
            other = arm.nodes[after]
            self._edge(depth, self.names[id(arm.nodes[before])], other, is_dashed=other.is_conditional)

    def _node(self, node: Node, depth: int) -> None:
        name = self.names[id(node)] = f"n{len(self.names) + 1}"
        indent = "  " * depth
        if not node.arms:
            self._box(name, node, indent)
            return
        self.lines.append(f'{indent}subgraph {name}["{_label([node.title])}"]')
        self.lines.append(f"{indent}  direction TB")
        head = f"{name}h"
        self._box(head, node, f"{indent}  ")
        for arm in node.arms:
            self._arm(arm, depth + 1)
            for root in _roots(arm):
                self._edge(depth + 1, head, root, titled(node, arm), is_dashed=arm.is_detour or root.is_conditional)
        self.lines.append(f"{indent}end")

    def _box(self, name: str, node: Node, indent: str) -> None:
        before, after = _MARKS[node.shape]
        self.lines.append(f'{indent}{name}{before}"{_label(_told(node))}"{after}')
        how = "plain"
        if node.standing is not None:
            how = "calm" if node.standing.state == "unreached" else mood(node.standing.state)
        self.classes.setdefault(how, []).append(name)

    def _edge(self, depth: int, one: str, other: Node, label: str = "", *, is_dashed: bool) -> None:
        self.edges += 1
        arrow = "-.->" if is_dashed else "-->"
        told = f'|"{_label([label])}"|' if label else ""
        self.lines.append(f"{'  ' * depth}{one} {arrow}{told} {self.names[id(other)]}")


def _told(node: Node) -> list[str]:
    """What stands in a node, a line each."""
    told = [node.title, node.kind, *node.remarks]
    if node.standing is not None:
        told += standing.told(node.standing, node.unit)
    return [one for one in told if one]


def _roots(arm: Arm) -> Iterator[Node]:
    """The nodes of an arm that wait for nothing in it."""
    waiting = {after for _, after in arm.edges}
    return (node for place, node in enumerate(arm.nodes) if place not in waiting)


def _label(texts: Iterable[str]) -> str:
    """Lines of text as a quoted label holds them."""
    return "<br/>".join(_coded(cut(line(text, _LONGEST), _LONGEST)) or " " for text in texts)


def _coded(text: str) -> str:
    return _CODED.sub(lambda found: f"#{ord(found.group())};", text)


def _comment(text: str) -> str:
    """A comment for whoever reads the text: on one line, and without what could end it or be a directive."""
    return re.sub(r"[{}%\"`<>;]", "", line(text, 200))
