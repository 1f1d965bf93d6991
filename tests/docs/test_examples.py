"""Every example of README and docs does what the page says, in the order of the page, in an empty folder, offline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs import pages
from tests.docs.pages import Block
from tests.docs.play import ExampleFailed, Player, check_printed, reader

PAGES = [page for page in pages.every_page() if pages.blocks(page)]


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    before = set(sys.modules)
    yield reader(tmp_path, monkeypatch)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_every_example_does_what_its_page_says(page: Path, player: Player) -> None:
    """Files are written, agents load, programs run, commands give their exit code, and what is shown is what comes."""
    for block in pages.blocks(page):
        try:
            player.play(block)
        except ExampleFailed as error:
            raise AssertionError(f"{pages.name_of(page)}, line {block.line}: {error}") from error


def test_the_pages_have_examples_of_every_kind() -> None:
    """The reader above has something to do: none of the kinds has silently stopped being recognised."""
    found = {block.language for page in PAGES for block in pages.blocks(page)}
    assert {"python", "yaml", "sh", "sql", "text"} <= found
    lines = [line for page in PAGES for block in pages.blocks(page) if block.language == "sh" for line in block.text]
    assert lines


def block(language: str, text: str, file: str | None = None) -> Block:
    return Block(language=language, text=text, line=1, file=file)


@pytest.mark.parametrize(
    "wrong",
    [
        block("python", "raise ValueError"),
        block("sh", "trackrecord --version  # exit 2\n"),
        block("sh", "trackrecord show last\n"),
        block("sh", "make nothing-of-that-name\n"),
        block("sh", "curl example.org\n"),
        block("sql", "SELECT 1 FROM no_such_table"),
        block("yaml", "{a: b"),
        block("yaml", "name: a\npromt: x\n", "a.yaml"),
        block("pascal", "begin end."),
    ],
    ids=lambda one: f"{one.language}-{one.text.strip()[:20]}",
)
def test_an_example_that_is_not_true_is_found(wrong: Block, player: Player) -> None:
    """Each way in which an example can be wrong fails the page it stands on."""
    with pytest.raises(ExampleFailed):
        player.play(wrong)


def test_what_a_page_shows_is_held_against_what_is_printed(player: Player) -> None:
    """A text block after a program is what it prints; an ellipsis stands for anything, a line of it for any lines."""
    player.play(block("python", "print('run 7f3a took 12 ms')\nprint('a')\nprint('b')\nprint('end')"))
    player.play(block("text", "run … took … ms\n…\nend\n"))
    check_printed("…\n", "")
    for shown in ("run … took … s\n…\nend\n", "run … took … ms\nend\n", "took … ms\na\nb\nend\n"):
        with pytest.raises(ExampleFailed, match="but it prints"):
            check_printed(shown, "run 7f3a took 12 ms\na\nb\nend\n")
