"""SVG: one file that is complete in itself, whose every text stays a text, and that can be read."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.hostile_pages import TEXTS
from tests.cli.test_html import contrast
from tests.unit.graph.trees import drawings

from trackrecord.cli.graph import svg as module
from trackrecord.cli.graph.letters import fit, text_width
from trackrecord.cli.graph.node import Arm, Drawing, Node
from trackrecord.cli.graph.svg import svg
from trackrecord.cli.graph.tag import style, tag

SPACE = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "style", "rect", "g", "path", "polygon", "text"}


@settings(max_examples=25, deadline=None)
@given(drawings(st.sampled_from(TEXTS) | st.text(max_size=20)))
def test_whatever_names_hold_nothing_acts_and_nothing_is_loaded(drawing: Drawing) -> None:
    """It is well-formed XML of a few elements; no attribute runs, loads or leads anywhere."""
    text = svg(drawing)
    root = ElementTree.fromstring(text)

    assert {f"{SPACE}{name}" for name in ELEMENTS} >= {one.tag for one in root.iter()}
    names = {name for one in root.iter() for name in one.attrib}
    assert set() == {name for name in names if name.startswith("on") or "href" in name or name in ("src", "style")}
    assert [] == re.findall(r"url\(|@import|<script|https?:(?!//www\.w3\.org/2000/svg)", re.sub(r">[^<]*<", "><", text))
    assert text.encode()


@pytest.mark.parametrize("text", TEXTS)
def test_a_name_is_there_as_a_text(text: str) -> None:
    """Its beginning is what stands in the box, escaped as every page escapes it."""
    root = ElementTree.fromstring(svg(Drawing(title="t", body=Arm(nodes=(Node(key="a", title=text),)))))
    titles = [one.text for one in root.iter(f"{SPACE}text") if one.get("class") == "title"]

    assert 1 == len(titles)
    assert titles[0]
    assert [] == [character for character in str(titles[0]) if character in "\x00\x1b\u202e\u200b\ufffe\uffff"]


@pytest.mark.parametrize(("name", "given"), [("script", {}), ("a", {}), ("image", {}), ("g", {"onload": "x"})])
def test_what_could_act_cannot_be_written(name: str, given: dict[str, str]) -> None:
    """Elements and attributes that are on no list are refused, whoever asks."""
    with pytest.raises(ValueError, match="of a drawing"):
        tag(name, **given)


@pytest.mark.parametrize("sheet", ["</style>", "a{b:url(x)}", "@import 'x'", "&lt;"])
def test_a_style_sheet_loads_nothing(sheet: str) -> None:
    """Nor does it end early."""
    with pytest.raises(ValueError, match="loads nothing"):
        style(sheet)


def test_a_text_fits_its_room() -> None:
    """What is too wide ends in an ellipsis; what fits is left alone."""
    assert "short" == fit("short", 100, 12)
    cut = fit("W" * 100, 100, 12)
    assert cut.endswith("W…")
    assert text_width(cut, 12) <= 100


def test_every_text_can_be_read() -> None:
    """AA in light and in dark: 4.5 for what is read, 3 for outlines that say how something went."""
    sheet = Path(module.__file__).with_name("graph.css").read_text()
    schemes = re.findall(r"svg \{([^}]*--paper[^}]*)\}", sheet)
    assert 2 == len(schemes)
    for scheme in schemes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", scheme))
        texts = [(ink, paper) for ink in ("ink", "dim", "good", "fair", "bad", "calm") for paper in ("paper", "soft")]
        texts += [(ink, f"{mood}-soft") for mood in ("fair", "bad") for ink in ("ink", "dim", mood)]
        low = {(a, b): contrast(colour[a], colour[b]) for a, b in texts if contrast(colour[a], colour[b]) < 4.5}
        faint = [one for one in ("good-bar", "bad-bar", "wire") if contrast(colour[one], colour["paper"]) < 3]
        assert ({}, []) == (low, faint)
