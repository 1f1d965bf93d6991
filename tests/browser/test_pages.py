"""The pages in Chromium: they ask for nothing, complain of nothing, fit a phone, and do nothing a stranger wrote.

One module on purpose: Playwright's loop must be gone before an asynchronous test of another module runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.chromium import browser, chromium
from tests.browser.gallery import AGENTS, make
from tests.cli.hostile_pages import TEXTS, hostile_comparison, hostile_run

from trackrecord import Agent
from trackrecord.cli.graph.drawing import of_agent, of_run
from trackrecord.cli.graph.reading import read_traced
from trackrecord.cli.graph.svg import svg
from trackrecord.cli.html.parity import parity_html
from trackrecord.cli.html.record import record_html
from trackrecord.cli.stored import StoredRun, read_run
from trackrecord.clock import now
from trackrecord.parity import compare_runs
from trackrecord.store.reader import SqliteReader

REQUIRED = "TRACKRECORD_BROWSER_REQUIRED"  # set by CI: a test that is not run is a failure there
DRAWINGS = ("storm", "night", "wrecked", "nested")
PAGES = ("storm", "night", "wrecked", "wide", "parity", "parities", "hostile")


@dataclass(frozen=True, slots=True)
class Room:
    """A folder with every page in it, and a browser."""

    folder: Path
    browser: Browser
    runs: dict[str, StoredRun]

    def open(self, name: str, width: int = 1280, scheme: str = "light") -> Page:
        """A page in a window of its own."""
        page = self.browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto((self.folder / f"{name}.html").as_uri())
        return page


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The pages of real runs; without a Chromium nothing here is tested, which CI does not put up with."""
    try:
        chromium()
    except LookupError as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("pages")
    made = asyncio.run(make(folder, ("storm", "night", "wrecked", "wide")))
    with SqliteReader(folder / "runs.db") as reader:
        runs = {name: read_run(reader, run) for name, run in made.items()}
        drawings = {name: of_run(read_traced(reader, run)) for name, run in made.items() if name in DRAWINGS}
        one, other = (compare_runs(reader, made["storm"], made[name]) for name in ("night", "wide"))
    texts = {name: record_html(run, now(), {"total_tokens": 5}) for name, run in runs.items()}
    texts["parity"] = parity_html((one,), now())
    texts["parities"] = parity_html((one, other), now(), same_work=True)
    texts["hostile"] = record_html(hostile_run(runs["storm"], "<b>" * 200 + "w" * 2_000), now())
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    drawings["nested"] = of_agent(Agent.load(AGENTS / "nested.yaml"))
    for name, drawing in drawings.items():
        (folder / f"{name}.svg").write_text(svg(drawing))
    with browser() as started:
        yield Room(folder, started, runs)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_complains_of_nothing(name: str, room: Room) -> None:
    """The file itself is the only request; nothing is on the console, and it has no script."""
    page = room.browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((room.folder / f"{name}.html").as_uri(), wait_until="load")
    scripts = page.evaluate("document.scripts.length")
    page.close()

    assert ([(room.folder / f"{name}.html").as_uri()], [], 0) == (asked, said, scripts)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_a_phone(name: str, room: Room) -> None:
    """390 pixels: tables scroll by themselves, the page does not, whatever is opened."""
    page = room.open(name, width=390)
    closed = page.evaluate("document.documentElement.scrollWidth")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    opened = page.evaluate("document.documentElement.scrollWidth")
    page.close()

    assert (390, 390) == (closed, opened)


def shape(page: Page) -> list[str]:
    """The elements of a page, by name, in order."""
    return page.evaluate("[...document.querySelectorAll('*')].map(one => one.localName)")


def test_a_strangers_text_is_text(room: Room) -> None:
    """Thirty texts that want more, in every place: no dialog, no request, no element that plain text has not."""
    page = room.browser.new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    file = room.folder / "text.html"

    def shapes(text: str) -> list[list[str]]:
        found: list[list[str]] = []
        record = record_html(hostile_run(room.runs["wrecked"], text), now())
        for html in (record, parity_html((hostile_comparison(text),), now())):
            file.write_text(html)
            page.goto(file.as_uri())
            found.append(shape(page))
        return found

    plain = shapes("plain")
    page.on("request", lambda request: happened.append(request.url) if "text.html" not in request.url else None)
    other = [text for text in TEXTS if shapes(text) != plain]
    page.close()

    assert (30, [], []) == (len(TEXTS), other, happened)


def test_what_could_act_is_seen(room: Room) -> None:
    """Bidi controls and escapes stand on the page as what they are."""
    page = room.browser.new_page()
    (room.folder / "text.html").write_text(record_html(hostile_run(room.runs["storm"], "a\u202eb\x1b[2Jc"), now()))
    page.goto((room.folder / "text.html").as_uri())
    title, heading = page.title(), page.inner_text("h1")
    page.close()

    assert "a\\u202eb\\e[2Jc" == heading
    assert title.startswith("a\\u202eb\\e[2Jc: ")


def test_the_headline_leads_to_where_it_failed(room: Room) -> None:
    """By keyboard alone: the link in the headline, then the row that opens."""
    page = room.open("wrecked")
    page.focus(".failure a")
    page.keyboard.press("Enter")
    row = page.locator("#failure > details > summary")
    assert "#2 › find: demo.geocode" in row.inner_text()
    assert page.locator("#failure").evaluate("one => one.getBoundingClientRect().top < innerHeight")
    row.focus()
    page.keyboard.press("Enter")
    assert "no city is called 'Lisbon'" in page.locator("#failure dl").inner_text()
    page.close()


def test_boxes_choose_the_fields(room: Room) -> None:
    """What is off is shown, what is equal is not, until its box is ticked; by keyboard, and without a script."""
    page = room.open("parity")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")

    def seen(kind: str) -> bool:
        return page.locator(f"tr.v-{kind}").first.is_visible()

    before = [seen(kind) for kind in ("differs", "other", "rule", "equal")]
    for box in ("equal", "differs"):
        page.focus(f"#show-{box}")
        page.keyboard.press("Space")
    after = [seen(kind) for kind in ("differs", "other", "rule", "equal")]
    page.close()

    assert [[True, True, False, False], [False, True, False, True]] == [before, after]


def test_bars_lie_where_they_should(room: Room) -> None:
    """Attempts of one call stand on one line in their order, and what ran side by side overlaps."""
    page = room.open("storm")
    line = page.locator("li:has(> details > summary bdi:text-is('claude-sonnet-4-5 3 tries')) > details > summary .bar")
    places = [line.nth(number).bounding_box() for number in range(line.count())]
    page.close()

    assert 3 == len(places)
    lefts = [place["x"] for place in places if place is not None]
    assert sorted(lefts) == lefts
    assert 3 == len(set(lefts))


def test_light_and_dark_are_both_there(room: Room) -> None:
    """The page follows the person's own setting."""
    colours = []
    for scheme in ("light", "dark"):
        page = room.open("storm", scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.close()

    assert ["rgb(255, 255, 255)", "rgb(20, 23, 27)"] == colours


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_stands_alone(name: str, room: Room) -> None:
    """The file itself is the only request; nothing is on the console, and it follows the person's own setting."""
    colours: list[str] = []
    asked: list[str] = []
    said: list[str] = []
    for scheme in ("light", "dark"):
        page = room.browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto((room.folder / f"{name}.svg").as_uri())
        colours.append(page.evaluate("getComputedStyle(document.querySelector('.paper')).fill"))
        page.close()

    assert [(room.folder / f"{name}.svg").as_uri()] * 2 == asked
    assert ([], ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]) == (said, colours)


_OVERFLOWING = """
[...document.querySelectorAll('g > text')].filter(text => {
  const shape = text.parentNode.querySelector(':scope > .shape, :scope > .lane, :scope > .grid');
  if (!shape) return false;
  const [inner, outer] = [text.getBBox(), shape.getBBox()];
  return inner.x < outer.x || inner.x + inner.width > outer.x + outer.width
    || inner.y < outer.y || inner.y + inner.height > outer.y + outer.height;
}).map(text => text.textContent)
"""


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_text_of_a_drawing_fits_its_box(name: str, room: Room) -> None:
    """The estimate of how wide letters are holds with the fonts of this machine."""
    page = room.browser.new_page()
    page.goto((room.folder / f"{name}.svg").as_uri())
    count, over = page.evaluate("document.querySelectorAll('g > text').length"), page.evaluate(_OVERFLOWING)
    page.close()

    assert count > 3
    assert [] == over
