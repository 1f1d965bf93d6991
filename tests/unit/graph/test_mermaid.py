"""Mermaid: whatever names hold, the text has one shape, and stays within what Mermaid accepts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.hostile_pages import TEXTS
from tests.unit.graph.trees import drawings

from trackrecord.cli.graph.mermaid import MOST_CHARACTERS, MOST_EDGES, mermaid
from trackrecord.cli.graph.node import Arm, Drawing, Node, chain

LABEL = r'"(?:[^"#<>`{}\[\]|;&%\\\n]|#\d+;|<br/>)*"'
NAME = r"(?:start|n\d+h?|note\d+)"
SHAPES = (r"\[{}\]", r"\{{{}\}}", r"\{{\{{{}\}}\}}", r"\[/{}\\\]", r"\[\\{}/\]", r"\(\[{}\]\)", r"\[\[{}\]\]", r">{}\]")
BOX = f"{NAME}(?:{'|'.join(shape.format(LABEL) for shape in SHAPES)})"
LINE = re.compile(
    rf"flowchart TD|\s+%% [^{{}}%]*|\s+{BOX}|\s+subgraph {NAME}\[{LABEL}\]|\s+end|\s+direction TB"
    rf"|\s+{NAME} (?:-->|-\.->)(?:\|{LABEL}\|)? {NAME}"
    r"|\s+classDef [a-z]+ [a-z0-9:#,\- ]+|\s+class [n\dh,]+ [a-z]+"
)


def alone(name: str) -> Drawing:
    return Drawing(title="t", body=Arm(nodes=(Node(key="a", title=name),)))


def label_of(name: str) -> str:
    found = re.search(r'  n1\["(.*)"\]', mermaid(alone(name)))
    assert found is not None
    return found[1]


@settings(max_examples=25, deadline=None)
@given(drawings(st.sampled_from(TEXTS) | st.text(max_size=20)))
def test_every_line_is_one_of_ours(drawing: Drawing) -> None:
    """No text begins a line, ends a label, or is read as anything but a text; frames are closed."""
    lines = mermaid(drawing).split("\n")

    assert "" == lines.pop()
    assert [] == [line for line in lines if not LINE.fullmatch(line)]
    assert sum(line.strip().startswith("subgraph") for line in lines) == sum(line.strip() == "end" for line in lines)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ('say "hi"', "say #34;hi#34;"),
        ("end", "end"),
        ("a-b.c", "a-b.c"),
        ("1. first", "1#46; first"),
        ("- item", "#45; item"),
        ("`code`", "#96;code#96;"),
        ("#35;", "#35;35#59;"),
        ("%%{init: {}}%%", "#37;#37;#123;init#58; #123;#125;#125;#37;#37;"),
        ("名前", "名前"),
        ("a\nb", "a#92;nb"),
    ],
)
def test_labels(name: str, label: str) -> None:
    """What means something to Mermaid, Markdown or HTML is a code; words stay words."""
    assert label == label_of(name)


def test_edges_conditions_and_arms() -> None:
    """A dependency is an arrow, one to a step with an `if` is dashed, an arm has its label."""
    last = Node(key="c", title="c", is_conditional=True)
    arm = Arm(label="then", nodes=(Node(key="x", title="x"),))
    detour = Arm(label="if it fails", nodes=(Node(key="y", title="y"),), is_detour=True)
    nodes = (Node(key="q", title="q", shape="question", arms=(arm, detour)), last)
    text = mermaid(Drawing(title="t", body=Arm(nodes=nodes, edges=chain(2))))

    for line in (
        'n1h{"q"}',
        'n1h -->|"then"| n2',
        'n1h -.->|"if it fails"| n3',
        "n1 -.-> n4",
        "start --> n1",
    ):
        assert line in [one.strip() for one in text.splitlines()]


def test_what_mermaid_would_refuse_is_folded() -> None:
    """Neither too long a text nor too many edges come out, and the text says that something is folded."""
    nodes = tuple(Node(key=str(place), title=f"{place} " + "x" * 80, remarks=("y" * 80,)) for place in range(390))
    dense = tuple((one, other) for other in range(195, 390) for one in range(195))
    for edges in (chain(390), dense):
        text = mermaid(Drawing(title="t", body=Arm(nodes=nodes, edges=edges)))
        assert len(text) <= MOST_CHARACTERS
        assert text.count("-->") <= MOST_EDGES
        assert "of 390 parts are drawn" in text
