"""A table of a page: a caption that tells what it is, headings for columns and rows, numbers to the right. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from trackrecord.cli.html.element import Child, Markup, element

Title = tuple[str, bool]  # what a column holds, and whether these are numbers


def table(
    caption: str,
    titles: Sequence[Title],
    rows: Sequence[Sequence[Child]],
    *,
    has_sum: bool = False,
    kinds: Sequence[str | None] | None = None,
    class_: str | None = None,
) -> Markup:
    """A table; the first cell of a row is its heading. A column in which nothing stands is left out.

    Args:
        caption: what it is, for whoever does not see it.
        titles: its columns.
        rows: its cells.
        has_sum: whether the last row is the sum of the others.
        kinds: the class of each row; None for none.
        class_: the class of the table.
    """
    used = [place for place in range(len(titles)) if any(row[place] for row in rows)]
    shown = [titles[place] for place in used]
    head = element("tr", [_heading(title, is_number) for title, is_number in shown])
    told = kinds or [None] * len(rows)
    body = [_row([row[place] for place in used], shown, kind) for row, kind in zip(rows, told, strict=True)]
    foot = element("tfoot", body.pop()) if has_sum and body else None
    inside = (element("caption", caption), element("thead", head), element("tbody", body), foot)
    drawn = element("table", *inside, class_=class_)
    return element("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _heading(title: str, is_number: bool) -> Markup:
    return element("th", title, scope="col", class_="number" if is_number else None)


def _row(cells: Sequence[Child], titles: Sequence[Title], kind: str | None) -> Markup:
    first, *others = cells
    drawn = [
        element("td", cell, class_="number" if is_number else None)
        for cell, (_, is_number) in zip(others, titles[1:], strict=True)
    ]
    return element("tr", element("th", first, scope="row"), drawn, class_=kind)
