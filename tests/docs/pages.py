"""The pages of the documentation as data: fenced blocks, tables by heading, links, anchors. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
REFERENCE = DOCS / "reference"
SOURCE = ROOT / "src" / "trackrecord"

_FENCE = re.compile(r"(`{3,})(\S*)[ ]*(\S*)[ ]*")
_HEADING = re.compile(r"(#{1,6}) (.+)")
_CELL_END = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"# (\S+\.\w+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, the line it starts on, and the file it is meant to be, if any."""

    language: str
    text: str
    line: int
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: the heading it stands under, its columns' titles, its rows' cells, all as written."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, title: str) -> tuple[str, ...]:
        """The cells of a column."""
        place = self.header.index(title)
        return tuple(row[place] for row in self.rows)

    def by(self, title: str) -> dict[str, Mapping[str, str]]:
        """The rows by the one name in backticks in each cell of a column."""
        found = {only(cell): dict(zip(self.header, row, strict=True)) for cell, row in self._pairs(title)}
        assert len(self.rows) == len(found), f"{self.heading}: a row is there twice"
        return found

    def _pairs(self, title: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        return zip(self.column(title), self.rows, strict=True)


def every_page() -> list[Path]:
    """README, ARCHITECTURE and everything under docs."""
    return [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """A page's place in the project, for messages."""
    return page.relative_to(ROOT).as_posix()


def code(cell: str) -> list[str]:
    """Everything in backticks in a cell, in order."""
    return _CODE.findall(cell)


def only(cell: str) -> str:
    """The one thing in backticks in a cell."""
    found = code(cell)
    assert len(found) == 1, f"one name in backticks is expected in {cell!r}"
    return found[0]


def plain(cell: str) -> str:
    """A cell without its backticks."""
    return cell.replace("`", "")


@cache
def _split(page: Path) -> tuple[tuple[Block, ...], tuple[tuple[int, str], ...]]:
    """The blocks of a page, and its other lines with their numbers."""
    blocks: list[Block] = []
    others: list[tuple[int, str]] = []
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    for number, line in lines:
        opened = _FENCE.fullmatch(line)
        if opened is None:
            others.append((number, line))
            continue
        kept: list[str] = []
        for _, inside in lines:
            if inside.rstrip() == opened[1]:
                break
            kept.append(inside)
        else:
            raise AssertionError(f"{name_of(page)}: the block of line {number} is never closed")
        first = _FILE.fullmatch(kept[0]) if kept else None
        file = opened[3] or (first[1] if first is not None else None)
        blocks.append(Block(language=opened[2], text="\n".join([*kept, ""]), line=number, file=file))
        others.append((number, ""))
    return tuple(blocks), tuple(others)


def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page."""
    return _split(page)[0]


@cache
def tables(page: Path) -> tuple[Table, ...]:
    """The tables of a page."""
    found: list[Table] = []
    heading = ""
    rows: list[tuple[str, ...]] = []
    for _, line in (*_split(page)[1], (0, "")):
        if line.startswith("|"):
            cells = _CELL_END.split(line.strip())[1:-1]
            rows.append(tuple(cell.strip().replace("\\|", "|") for cell in cells))
            continue
        if rows:
            found.append(_table(page, heading, rows))
            rows = []
        title = _HEADING.fullmatch(line)
        heading = heading if title is None else plain(title[2])
    return tuple(found)


def _table(page: Path, heading: str, rows: list[tuple[str, ...]]) -> Table:
    header, ruler, *body = rows
    assert set("".join(ruler)) <= set(":- "), f"{name_of(page)}: no line under the header {header}"
    odd = [row for row in body if len(row) != len(header)]
    assert not odd, f"{name_of(page)}: a row has {len(odd[0])} cells, not {len(header)}: {odd[0]}"
    return Table(heading=heading, header=header, rows=tuple(body))


def table(page: Path, heading: str) -> Table:
    """The one table under a heading."""
    found = [one for one in tables(page) if one.heading == heading]
    assert len(found) == 1, f"{name_of(page)} has {len(found)} tables under {heading!r}"
    return found[0]


def names(page: Path, heading: str, title: str) -> list[str]:
    """The names in a column of the one table under a heading, in order."""
    return [only(cell) for cell in table(page, heading).column(title)]


def figures(page: Path, heading: str) -> dict[str, int]:
    """The whole numbers of a table of two columns, by what they are figures of; a unit after one is passed over."""
    return {what: int(cell.replace(",", "").split()[0]) for what, cell in table(page, heading).rows}


def headings(page: Path) -> tuple[str, ...]:
    """The headings of a page, without backticks."""
    found = [_HEADING.fullmatch(line) for _, line in _split(page)[1]]
    return tuple(plain(one[2]) for one in found if one is not None)


def anchors(page: Path) -> list[str]:
    """What a link to a heading of the page ends in."""
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)]


def links(page: Path) -> list[tuple[int, str]]:
    """Line and target of every link of a page."""
    return [(number, target) for number, line in _split(page)[1] for target in _LINK.findall(line)]
