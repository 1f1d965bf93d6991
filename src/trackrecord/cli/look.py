"""How a page is drawn: its width, its few colours, aligned columns. Pure; knows nothing of what stands on a page.

Colour is never the only carrier of a meaning: every state has a sign and a word as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from trackrecord.cli.escape import cut, width

WIDTH: Final = 80
MOST_WIDTH: Final = 120
LEAST_WIDTH: Final = 60
GAP: Final = "  "

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
_CODES: Final[dict[Style, int]] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Width and colour of a page.

    Attributes:
        width: columns there are; nothing is drawn wider.
        has_colour: whether colours may be used.
    """

    width: int = WIDTH
    has_colour: bool = False

    def paint(self, text: str, *styles: Style) -> str:
        """The text in these styles; as it is without colour."""
        if not self.has_colour or not text or not styles:
            return text
        return f"\x1b[{';'.join(str(_CODES[style]) for style in styles)}m{text}\x1b[0m"

    def heading(self, text: str) -> str:
        """A heading of a section."""
        return self.paint(text, "bold")

    def dim(self, text: str) -> str:
        """Text that matters less."""
        return self.paint(text, "dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading; empty for none.
        is_right: whether it is aligned to the right, as numbers are.
        least: what a column that may shrink keeps; None for one that never shrinks.
        most: the widest it gets.
        is_spare: whether it is left out, from the last one on, where the table would not fit with it.
    """

    title: str = ""
    is_right: bool = False
    least: int | None = None
    most: int | None = None
    is_spare: bool = False


def table(look: Look, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, indent: int = 0) -> list[str]:
    """Lines of a table that fits the page: columns that may shrink are cut, from the widest down.

    A column in which nothing stands is left out. Cells hold escaped text; a cell of a column that may shrink holds no
    colours.
    """
    drawn = [list(row) for row in rows]
    used = [place for place in range(len(columns)) if any(row[place] for row in drawn)]
    columns, drawn = [columns[place] for place in used], [[row[place] for place in used] for row in drawn]
    widths = _widths(columns, drawn, look.width - indent)
    spare = next((place for place in reversed(range(len(columns))) if columns[place].is_spare), None)
    if spare is not None and sum(widths) + len(GAP) * (len(columns) - 1) > look.width - indent:
        kept = [place for place in range(len(columns)) if place != spare]
        drawn = [[row[place] for place in kept] for row in drawn]
        return table(look, [columns[place] for place in kept], drawn, indent=indent)
    lines: list[str] = []
    if any(column.title for column in columns):
        titles = [column.title for column in columns]
        lines.append(look.dim(" " * indent + _row(columns, titles, widths)))
    lines.extend(" " * indent + _row(columns, row, widths) for row in drawn)
    return lines


def pad(text: str, columns: int, *, is_right: bool = False) -> str:
    """The text filled up with spaces to so many columns."""
    space = " " * max(0, columns - width(text))
    return space + text if is_right else text + space


def spread(look: Look, left: str, right: str) -> str:
    """Two texts at the two ends of a line; below each other when they do not fit."""
    space = look.width - width(left) - width(right)
    return f"{left}{' ' * space}{right}" if space >= 2 else f"{left}\n{right}"


def joined(parts: Iterable[str]) -> str:
    """Short facts on one line, those that are empty left out."""
    return " · ".join(part for part in parts if part)


def wrapped(parts: Iterable[str], *, columns: int, indent: str = "") -> list[str]:
    """Short facts, as many on a line as fit, none of them broken."""
    lines: list[str] = []
    for part in parts:
        if not part:
            continue
        if lines and width(lines[-1]) + 3 + width(part) <= columns:
            lines[-1] += f" · {part}"
        else:
            lines.append(f"{indent}{part}")
    return lines


def paragraph(text: str, columns: int) -> list[str]:
    """Escaped text of many lines as lines that fit, broken between words; a word that is too long is broken itself."""
    lines: list[str] = []
    for given in text.expandtabs(4).split("\n"):
        if width(given) <= columns:
            lines.append(given)
            continue
        indent = given[: min(len(given) - len(given.lstrip()), columns // 2)]
        at = indent
        for word in given.split():
            joint = "" if at == indent else " "
            if width(at) + len(joint) + width(word) <= columns:
                at += joint + word
                continue
            if at != indent:
                lines.append(at)
            *whole, at = _broken(indent + word, columns)
            lines.extend(whole)
        lines.append(at)
    return lines


def bar(share: float, columns: int) -> str:
    """A bar filled to a share of its width."""
    full = min(columns, max(0, round(share * columns)))
    return "█" * full + "░" * (columns - full)


def _broken(word: str, columns: int) -> list[str]:
    """A word in pieces that fit, for what has no spaces to break it at."""
    pieces = [""]
    for character in word:
        if width(pieces[-1]) + width(character) > columns:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    widths = [
        max([width(column.title), *(width(row[place]) for row in rows)]) if rows else width(column.title)
        for place, column in enumerate(columns)
    ]
    widths = [min(have, column.most or have) for have, column in zip(widths, columns, strict=True)]
    spare = room - sum(widths) - len(GAP) * (len(columns) - 1)
    while spare < 0:
        able = [place for place, column in enumerate(columns) if column.least and widths[place] > column.least]
        if not able:
            break
        widest = max(able, key=lambda place: widths[place])
        widths[widest] -= 1
        spare += 1
    return widths


def _row(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    drawn: list[str] = []
    for column, cell, columns_wide in zip(columns, cells, widths, strict=True):
        text = cell if width(cell) <= columns_wide else cut(cell, columns_wide)
        drawn.append(pad(text, columns_wide, is_right=column.is_right))
    return GAP.join(drawn).rstrip()
