"""The pages as HTML: one builder that escapes everything, and pages that are whole, safe and readable."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Type
from tests.cli.hostile_pages import TEXTS, hostile_comparison

from trackrecord.cli.html import document
from trackrecord.cli.html.element import css, element
from trackrecord.cli.html.parity import parity_html
from trackrecord.cli.html.table import table
from trackrecord.clock import now

EMPTY = {"meta", "input"}
LEADS_OUT = re.compile(
    r"""\b(?:src|srcset|action|formaction|poster|data|ping|background)\s*=|https?:|url\(|@import|<script"""
)


class Read(HTMLParser):
    """What a page holds: its elements with their attributes, in order; complains of one that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data if self._open[-1:] != ["style"] else ""

    def all(self, attribute: str) -> list[str]:
        """Every value of an attribute."""
        return [str(given[attribute]) for _, given in self.elements if attribute in given]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_and_an_attribute_stay_what_they_are(text: str) -> None:
    """One element comes out, with one attribute, whatever the text holds."""
    read = Read(element("p", text, title=text).text)

    assert [("p", ["title"])] == [(tag, list(given)) for tag, given in read.elements]
    assert read.text == read.elements[0][1]["title"]
    assert [] == [character for character in read.text if ord(character) < 32 or character in "\u202e\u2066\u200b\x9b"]


def test_lone_surrogates_can_be_written() -> None:
    """A page is always UTF-8."""
    assert b"<p>\\ud800</p>" == element("p", "\ud800").text.encode()


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("script", {}),
        ("style", {}),
        ("img", {}),
        ("iframe", {}),
        ("p", {"onclick": "x"}),
        ("p", {"style": "x"}),
        ("a", {"href": "https://example.com"}),
        ("a", {"href": "javascript:x"}),
        ("p onclick=x", {}),
    ],
)
def test_what_could_act_cannot_be_written(name: str, attributes: dict[str, Any]) -> None:
    """Elements that run or load, handlers, and links that lead away are refused, whoever asks."""
    with pytest.raises(ValueError, match="page"):
        element(name, **attributes)


@pytest.mark.parametrize("sheet", ["</style><p>", "p{background:url(x)}", "@import 'x';"])
def test_a_style_sheet_loads_nothing(sheet: str) -> None:
    """Nor does it end early."""
    with pytest.raises(ValueError, match="loads nothing"):
        css(sheet)


def test_figures_are_the_only_style() -> None:
    """A place on a page is a number, never a text."""
    assert '<span style="--start:12.500;--width:3.000"></span>' == element("span", at={"start": 12.5, "width": 3}).text
    with pytest.raises(ValueError, match="could not convert"):
        element("span", at={"start": "1;background:red"})  # type: ignore[dict-item]


def test_a_table_can_be_heard() -> None:
    """It has a caption, headings of columns and of rows, and leaves out a column in which nothing stands."""
    read = Read(table("Calls", (("name", False), ("none", True), ("n", True)), [("a", "", "1"), ("all", "", "1")]).text)

    assert ["col", "col", "row", "row"] == read.all("scope")
    assert "Callsnamena1all1" == read.text


@pytest.fixture
def pages(typed: Type, desk: Path) -> dict[str, str]:
    """The pages of real runs, as the commands write them."""
    typed("run", "echo.yaml", "-i", "text=<b>&amp;")
    typed("show", "--html", "show.html")
    typed("run", "fails.yaml")
    typed("show", "--html", "failed.html")
    typed("parity", "both.yaml", "--html", "parity.html")
    typed("parity", "both.yaml", "--engines", "agentkit,orchestrator,agentkit", "--html", "parities.html")
    return {path.stem: path.read_text() for path in desk.glob("*.html")}


def test_every_page_is_whole(pages: dict[str, str]) -> None:
    """Elements are closed, ids are there once, links lead somewhere, and nothing leads out."""
    assert {"failed", "parity", "show"} <= pages.keys()
    for text in pages.values():
        read = Read(text)
        ids = read.all("id")
        assert len(ids) == len(set(ids))
        assert set() == {link[1:] for link in read.all("href")} - set(ids)
        assert set() == {label for given in read.all("aria-labelledby") for label in given.split()} - set(ids)
        assert None is LEADS_OUT.search(text)
        assert ("html", {"lang": "en"}) == read.elements[0]
        policy = [given["content"] for tag, given in read.elements if given.get("http-equiv")]
        assert [document.POLICY] == policy


def test_the_page_of_a_run(pages: dict[str, str]) -> None:
    """What a page on a terminal says stands there too, and the logs as JSON."""
    text = Read(pages["show"]).text

    for part in (
        "✓ completed",
        "2,650",
        "2 of 2 calls could not be priced",
        "demo.lookup_customer",
        "It was <b>&amp;.",
    ):
        assert part in text
    assert '"toolCallsCount": 1' in text
    assert "total tokens2,650" in text


def test_the_page_of_a_failed_run_leads_to_where_it_failed(pages: dict[str, str]) -> None:
    """The headline says what and where, and is a link to the row."""
    read = Read(pages["failed"])

    assert "model_failed at turn:1/model" in read.text
    assert "#failure" in read.all("href")
    assert 1 == read.all("id").count("failure")


def test_the_policy_of_payloads_holds(typed: Type, desk: Path) -> None:
    """What was not kept is not on the page, and the page says so."""
    (desk / "both.yaml").write_text((desk / "both.yaml").read_text() + "payloads: {inputs: none, outputs: none}\n")
    (desk / "both.script.yaml").write_text("replies:\n  - {text: confidential, usage: {input: 10, output: 5}}\n")
    typed("run", "both.yaml", "-i", "secret=hush")
    typed("show", "--html", "show.html")
    text = (desk / "show.html").read_text()

    assert "hush" not in text
    assert 2 == text.count("not kept (payload policy none, or erased)")


def test_parity_says_its_verdict_first() -> None:
    """Then the checklist, then what is off, then every field, what is off first."""
    text = Read(parity_html((hostile_comparison("x"),), now())).text.partition("Every field")[
        2
    ]  # after what leads there
    places = [
        text.index(part) for part in ("2 fields are off", "Checklist", "What is off", "Every field", "≠ other work")
    ]

    assert sorted(places) == places
    assert "3 fields are off" in Read(parity_html((hostile_comparison("x"),), now(), same_work=True)).text


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours like `#1b1f24`."""

    def light(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_every_text_can_be_read() -> None:
    """AA in light and in dark: 4.5 for what is read, 3 for what is only seen."""
    sheet = Path(document.__file__).with_name("page.css").read_text()
    schemes = re.findall(r":root \{([^}]*--paper[^}]*)\}", sheet)
    assert 2 == len(schemes)
    for scheme in schemes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", scheme))
        texts = [(ink, paper) for ink in ("ink", "dim", "link", "bad", "fair", "calm") for paper in ("paper", "soft")]
        texts += [(mood, f"{mood}-soft") for mood in ("good", "fair", "bad", "calm")] + [("ink", "bad-soft")]
        low = {(a, b): contrast(colour[a], colour[b]) for a, b in texts if contrast(colour[a], colour[b]) < 4.5}
        faint = [mood for mood in ("good", "bad") if contrast(colour[f"{mood}-bar"], colour["paper"]) < 3]
        assert ({}, []) == (low, faint)
