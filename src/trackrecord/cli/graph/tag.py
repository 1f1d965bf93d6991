"""The one place where SVG is written: an element from a name, attributes and children, everything in it escaped.

Only elements and attributes on a list are written: none that can run, load, send or lead anywhere. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

from trackrecord.cli.escape import prose

_ELEMENTS: Final = frozenset({"circle", "desc", "g", "path", "polygon", "rect", "svg", "text", "title"})
_ATTRIBUTES: Final = frozenset(
    (  # noqa: SIM905  # words read better than twenty quoted ones
        "aria-labelledby class cx cy d height id lang points r role rx viewBox width x xmlns y"
    ).split()
)
_NO_XML: Final = re.compile("[\ufffe\uffff]")  # what XML cannot hold and a terminal can


@dataclass(frozen=True, slots=True)
class Tag:
    """A piece of a drawing that is SVG already; made by this module alone."""

    text: str


Child: TypeAlias = "Tag | str | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Tag:
    """An element; an attribute is written without its last `_`, other `_` as `-`; None leaves it out.

    Raises:
        ValueError: the element or an attribute is on no list here.
    """
    if name not in _ELEMENTS:
        raise ValueError(f"{name!r} is no element of a drawing")
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}"
    inside = "".join(_child(child) for child in children)
    return Tag(f"{head}>{inside}</{name}>" if inside else f"{head}/>")


def style(sheet: str) -> Tag:
    """The style sheet of a drawing.

    Raises:
        ValueError: it would load something, or end before its end.
    """
    if "<" in sheet or "&" in sheet or "url(" in sheet or "@import" in sheet:
        raise ValueError("a style sheet loads nothing and holds no tag")
    return Tag(f"<style>{sheet}</style>")


def number(value: float) -> str:
    """A coordinate, no finer than a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return _text(child)
    return child.text if isinstance(child, Tag) else "".join(_child(one) for one in child)


def _attribute(key: str, value: str | float | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name not in _ATTRIBUTES:
        raise ValueError(f"{name!r} is no attribute of a drawing")
    if value is None:
        return ""
    return f' {name}="{_text(value) if isinstance(value, str) else number(value)}"'


def _text(text: str) -> str:
    return escape(_NO_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", prose(text)))
