"""The frame of every page: its head, its style, what leads around on it, and its foot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from trackrecord import __version__
from trackrecord.cli.html.element import Child, Markup, css, document, element

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SHEET: Final = "page.css"


def page(title: str, body: Sequence[Child], written: datetime, *, places: Sequence[tuple[str, str]] = ()) -> str:
    """A whole page; `places` are the ids of its sections with their names, in order."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("title", title),
        css(_sheet()),
    )
    links = [element("a", name, href=f"#{place}") for place, name in places]
    inside = (
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("nav", links, aria_label="On this page") if links else None,
        element("main", *body, id="content"),
        element(
            "footer",
            f"Written {written:%Y-%m-%d %H:%M:%S} UTC by trackrecord {__version__}. "
            "This page is complete in itself and loads nothing.",
        ),
    )
    return document(element("html", head, element("body", *inside), lang="en"))


def section(place: str, title: str, *children: Child, note: Child = None) -> Markup:
    """A section with its heading; it can be linked to."""
    heading = element("h2", title, element("small", note) if note else None, id=f"{place}-title")
    return element("section", heading, *children, id=place, aria_labelledby=f"{place}-title")


def facts(rows: Sequence[tuple[str, Child]], *, class_: str = "facts") -> Markup:
    """Names with what is said of each."""
    inside = [element("div", element("dt", name), element("dd", told)) for name, told in rows]
    return element("dl", inside, class_=class_)


def disclosure(title: Child, *children: Child, is_open: bool = False, class_: str | None = None) -> Markup:
    """Something that opens when it is wanted."""
    return element("details", element("summary", title), *children, open=is_open, class_=class_)


@cache
def _sheet() -> str:
    return files("trackrecord.cli.html").joinpath(_SHEET).read_text("utf-8")
