"""The one place where HTML is written: an element from a name, attributes and children, everything in it escaped.

Only elements and attributes on a list are written: none that can run, load, send or lead anywhere but to this page.
What a text holds that is no plain character is shown as an escape, as on a terminal. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

from trackrecord.cli.escape import prose

_ELEMENTS: Final = frozenset(
    (  # noqa: SIM905  # words read better than forty quoted ones
        "a abbr article bdi body caption code dd details div dl dt footer h1 h2 h3 head header html input label li "
        "main meta nav ol p pre section small span strong summary table tbody td tfoot th thead time title tr ul"
    ).split()
)
_EMPTY: Final = frozenset({"input", "meta"})
_ATTRIBUTES: Final = frozenset(
    (  # noqa: SIM905  # words read better than forty quoted ones
        "aria-hidden aria-label aria-labelledby charset checked class content datetime dir http-equiv href id lang "
        "name open role scope tabindex title type"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Markup:
    """A piece of a page that is HTML already; made by this module alone."""

    text: str


Child: TypeAlias = "Markup | str | Iterable[Child] | None"


def element(
    name: str, /, *children: Child, at: Mapping[str, float] | None = None, **attributes: str | bool | None
) -> Markup:
    """An element; an attribute is written without its last `_`, other `_` as `-`; None and False leave it out.

    Args:
        name: what it is.
        children: texts, which are escaped, other elements, or lists of them.
        at: figures for the style sheet, by name: `{"start": 12.5}` is its variable `--start`.
        attributes: of the element.

    Raises:
        ValueError: the element or an attribute is on no list here, or leads out of the page.
    """
    if name not in _ELEMENTS:
        raise ValueError(f"{name!r} is no element of a page")
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}{_placed(at)}>"
    if name in _EMPTY:
        return Markup(head)
    return Markup(f"{head}{_inside(children)}</{name}>")


def css(sheet: str) -> Markup:
    """The style sheet of a page.

    Raises:
        ValueError: it would load something, or end before its end.
    """
    if "<" in sheet or "url(" in sheet or "@import" in sheet:
        raise ValueError("a style sheet loads nothing and holds no tag")
    return Markup(f"<style>{sheet}</style>")


def document(root: Markup) -> str:
    """The text of a page."""
    return f"<!doctype html>\n{root.text}\n"


def _inside(children: Iterable[Child]) -> str:
    return "".join(_child(child) for child in children)


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return escape(prose(child))
    return child.text if isinstance(child, Markup) else _inside(child)


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name not in _ATTRIBUTES:
        raise ValueError(f"{name!r} is no attribute of a page")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name == "href" and not value.startswith("#"):
        raise ValueError(f"a link leads to a place on the page, not to {value!r}")
    return f' {name}="{escape(prose(value))}"'


def _placed(at: Mapping[str, float] | None) -> str:
    if not at:
        return ""
    given = ";".join(f"--{name}:{float(value):.3f}" for name, value in at.items() if name.isascii() and name.isalpha())
    return f' style="{given}"'
