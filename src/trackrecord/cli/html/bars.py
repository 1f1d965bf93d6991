"""The waterfall of a page: a tree of what took time, each with its bars and, opened, all that is known of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trackrecord.canonical import dumps
from trackrecord.cli.html.document import facts
from trackrecord.cli.html.element import Child, Markup, element
from trackrecord.cli.html.state import mood, span_badge
from trackrecord.cli.pages.tree import NO_NAMES, Bar, Node, grow, walk
from trackrecord.cli.pages.waterfall import fitting, state, took
from trackrecord.cli.signs import span_words
from trackrecord.cli.units import count, dollars, duration
from trackrecord.record.spans import Span

MOST_ROWS: Final = 2_000  # more would take a browser longer to lay out than a person to leave
_TICKS: Final = 4
_USAGE: Final = (
    ("in", "input_tokens"),
    ("cached", "cache_read_tokens"),
    ("written to cache", "cache_write_tokens"),
    ("out", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
)


def bars(spans: Sequence[Span], *, mark: str | None = None, names: Mapping[str, str] = NO_NAMES) -> list[Child]:
    """The waterfall; `mark` is the path of the span that the link `failure` leads to, `names` are of child runs."""
    roots = grow(spans, is_whole=False, names=names)
    if not roots:
        return [element("p", "Nothing has taken time yet.", class_="note")]
    shown, opened = fitting(roots, MOST_ROWS)
    total = max(1, *(node.end_us for node in walk(roots)))
    left = sum(1 for _ in walk(roots)) - len(shown)
    note = f"{count(left)} more inside are not drawn; `trackrecord show --json` has every span." if left else ""
    drawn = _list([node for node in shown if node.depth == 0], opened, total, _marked(shown, mark), "waterfall")
    return [_axis(total), drawn, element("p", note, class_="note") if note else None, _legend(shown)]


def _marked(shown: Sequence[Node], mark: str | None) -> Node | None:
    """The innermost node of the path that ends a run, for a link to lead to."""
    if mark is None:
        return None
    own = [node for node in shown if mark in {span.path for span in (node.span, node.inner) if span is not None}]
    return max(own, key=lambda node: (not node.children, node.depth, node.tries), default=None)


def _list(nodes: Sequence[Node], opened: set[Node], total: int, marked: Node | None, class_: str | None) -> Markup:
    items = [_item(node, opened, total, marked) for node in nodes]
    return element("ol", items, class_=class_)


def _item(node: Node, opened: set[Node], total: int, marked: Node | None) -> Markup:
    row = (
        element("span", _sign(state(node)), element("bdi", node.label), _folded(node, opened), class_="what"),
        element("span", took(node), class_="took"),
        element("span", [_bar(node, bar, total) for bar in node.bars], class_="track"),
    )
    inside = _list(node.children, opened, total, marked, None) if node in opened else None
    details = element("details", element("summary", *row), _known(node), at={"depth": node.depth})
    return element("li", details, inside, id="failure" if node is marked else None, class_=_class(node))


def _class(node: Node) -> str:
    return f"{mood(state(node))}{' holds' if node.is_container else ''}"


def _sign(status: str) -> Child:
    sign, word = span_words(status)
    if sign == " ":
        return element("span", element("span", word, class_="unseen"), class_="sign")
    return element(
        "span", element("span", sign, aria_hidden="true"), element("span", word, class_="unseen"), class_="sign"
    )


def _folded(node: Node, opened: set[Node]) -> Child:
    inside = 0 if node in opened else sum(1 for _ in walk(node.children))
    return element("small", f" +{inside:,}") if inside else None


def _bar(node: Node, bar: Bar, total: int) -> Markup:
    call = node.inner or node.span
    look = "holds" if node.is_container else "waits" if call is not None and call.kind == "wait" else "works"
    place = {"start": 100 * bar.start_us / total, "width": 100 * (bar.end_us - bar.start_us) / total}
    told = f"{span_words(bar.status)[1]}: {duration(bar.start_us)} to {duration(bar.end_us)}"
    return element("span", class_=f"bar {look} {mood(bar.status)}", title=told, at=place)


def _axis(total: int) -> Markup:
    ticks = [duration(total * tick // _TICKS) if tick else "0" for tick in range(_TICKS + 1)]
    return element(
        "div",
        element("span", [element("span", tick) for tick in ticks], class_="ticks"),
        class_="axis",
        aria_hidden="true",
    )


def _legend(shown: Sequence[Node]) -> Child:
    used = dict.fromkeys(state(node) for node in shown if span_words(state(node))[0] != " ")
    return element("p", [span_badge(status) for status in used], class_="legend") if used else None


def _known(node: Node) -> Child:
    """All that the spans of a node say, for whoever opens it."""
    rows: list[tuple[str, Child]] = [
        ("ended", span_badge(state(node))),
        ("from", f"{duration(node.start_us)} to {duration(node.end_us)}"),
    ]
    for span in (node.inner, node.span):
        if span is not None:
            rows += _facts(span, is_outer=span is node.span and node.inner is not None)
    return facts(rows)


def _facts(span: Span, *, is_outer: bool) -> list[tuple[str, Child]]:
    if is_outer:
        return [("step", element("code", span.path))]
    usage = span.usage
    model = f"{span.provider or '?'}:{span.model or '?'}" if span.kind == "model" else ""
    money = dollars(span.cost_nanos) if span.kind == "model" else ""
    error = f"{span.error_code or span.status}: {span.error_message or 'no message'}"
    rows: list[tuple[str, Child]] = [
        ("path", element("code", span.path)),
        ("attempt", count(span.attempt)),
        ("model", model),
        ("answered by", span.responded_model or ""),
        *((name, count(getattr(usage, figure))) for name, figure in _USAGE if usage is not None),
        ("cost", money),
        ("items", count(span.items) if span.items is not None else ""),
        ("cause", error if span.error_code or span.error_message else ""),
        ("attributes", element("code", dumps(span.attributes)) if span.attributes else ""),
    ]
    return [(name, told) for name, told in rows if told]
