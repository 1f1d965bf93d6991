"""The waterfall of a run: a line per thing that took time, a tree on the left, bars where they lie in time. Pure.

What does not fit on a page is folded into what contains it, never dropped without a word: what holds a failure, and
what took longest, is opened first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Final

from trackrecord.cli.escape import cut, width
from trackrecord.cli.look import Look, joined, pad
from trackrecord.cli.pages.tree import NO_NAMES, Bar, Node, grow, walk
from trackrecord.cli.signs import legend, span_sign, span_style, span_words
from trackrecord.cli.units import duration
from trackrecord.record.spans import Span

MOST_ROWS: Final = 40
_BAR: Final = 26  # columns a bar has at least
_TIME: Final = 9
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_Family = tuple[bool, int, int, int, list[Node]]  # whether all is well inside, depth, less time, order, the nodes
_TEXTURES: Final = {"failed": "▒", "timed_out": "▒", "interrupted": "▒", "unknown": "▒"}


def waterfall(
    spans: Sequence[Span], look: Look, *, most_rows: int | None = MOST_ROWS, names: Mapping[str, str] = NO_NAMES
) -> list[str]:
    """Lines of the waterfall; None as `most_rows` draws every span. `names` are of child runs, by path."""
    roots = grow(spans, is_whole=most_rows is None, names=names)
    if not roots:
        return []
    every = sum(1 for _ in walk(roots))
    shown, opened = fitting(roots, most_rows)
    total = max(1, *(node.end_us for node in walk(roots)))
    labels = [f"{stem}{_named(node, node in opened)}" for node, stem in zip(shown, stems(shown), strict=True)]
    label_width = min(max(width(label) for label in labels), look.width - _BAR - _TIME - 6)
    bar_width = look.width - label_width - _TIME - 6
    lines = [_axis(look, label_width, bar_width, total)]
    for node, label in zip(shown, labels, strict=True):
        time = pad(took(node), _TIME, is_right=True)
        bar = _bars(node, total, bar_width, look)
        sign = span_sign(look, state(node))
        lines.append(f"  {pad(cut(label, label_width), label_width)}{look.dim(time)} {sign} {bar}".rstrip())
    told = legend(look, (state(node) for node in shown))
    if every > len(shown):
        told.append(look.dim(f"{every - len(shown):,} more inside: --all draws every span"))
    return [*lines, *(f"  {text}" for text in told)]


def state(node: Node) -> str:
    """How it ended, as a status of a span, or `retried` when it took more than one attempt to end well."""
    return "retried" if node.status == "ok" and node.tries > 1 else node.status


def took(node: Node) -> str:
    """How long it took, waits between attempts included; empty for what was never called."""
    return "" if node.status == "rejected" else duration(node.end_us - node.start_us)


def fitting(roots: Sequence[Node], most: int | None) -> tuple[list[Node], set[Node]]:
    """The nodes that are shown, each before what it contains, and those among them whose children are."""
    budget = math.inf if most is None else most - len(roots)
    opened: set[Node] = set()
    waiting: list[_Family] = []
    order = count()
    _queue(waiting, roots, order)
    while waiting:
        family = heappop(waiting)[-1]
        cost = sum(len(node.children) for node in family)
        if cost <= budget:
            budget -= cost
            opened.update(family)
            for node in family:
                _queue(waiting, node.children, order)
    shown = list(_shown(roots, opened))
    return (shown if most is None else shown[:most]), opened


def stems(shown: Sequence[Node]) -> list[str]:
    """The branches of the tree before each label, so that one sees at a glance what belongs to what."""
    told: list[str] = []
    goes_on: set[int] = set()  # depths at which a sibling follows below
    for node in reversed(shown):
        is_last = node.depth not in goes_on
        goes_on = {depth for depth in goes_on if depth <= node.depth} | {node.depth}
        stem = "".join("│ " if depth in goes_on else "  " for depth in range(1, node.depth))
        told.append(stem + ("" if not node.depth else "└ " if is_last else "├ "))
    return told[::-1]


def _queue(waiting: list[_Family], siblings: Sequence[Node], order: Iterator[int]) -> None:
    """Each node that holds trouble by itself; the others together, for one looks like the other."""
    holders = [node for node in siblings if node.children]
    calm = [node for node in holders if not _is_troubled(node)]
    for family in (*([node] for node in holders if _is_troubled(node)), calm):
        if family:
            rank = (family is calm, family[0].depth, min(node.start_us - node.end_us for node in family))
            heappush(waiting, (*rank, next(order), family))


def _is_troubled(node: Node) -> bool:
    return any(span_words(one.status)[0] != " " for one in walk(node.children))


def _shown(nodes: Sequence[Node], opened: set[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if node in opened:
            yield from _shown(node.children, opened)


def _named(node: Node, is_open: bool) -> str:
    hidden = [] if is_open else list(walk(node.children))
    if not hidden:
        return node.label
    signs = [span_words(one.status)[0] for one in hidden if not one.children]
    bad = joined(f"{signs.count(sign)} {sign}" for sign in dict.fromkeys(signs) if sign.strip())
    return f"{node.label} +{len(hidden):,}{f' ({bad})' if bad else ''}"


def _axis(look: Look, label_width: int, bar_width: int, total: int) -> str:
    end = duration(total)
    line = f"0 {'┄' * max(1, bar_width - len(end) - 3)} {end}"
    return f"{look.heading('Waterfall')}{' ' * (label_width + _TIME + 5 - len('Waterfall'))}{look.dim(line)}"


def _bars(node: Node, total: int, columns: int, look: Look) -> str:
    """The bars of a node on one line, each in its colour; two that would share a column stand side by side."""
    text, used = "", 0
    for bar in node.bars:
        start, drawn = _bar(node, bar, total, columns)
        start = max(start, used)
        drawn = drawn[: columns - start]
        if drawn:
            text += " " * (start - used) + look.paint(drawn, span_style(bar.status))
            used = start + len(drawn)
    return text


def _bar(node: Node, bar: Bar, total: int, columns: int) -> tuple[int, str]:
    """Where a bar begins, to a column, and how it is drawn, its end to an eighth of one where it is plain."""
    start = min(columns - 1, math.floor(bar.start_us * columns / total))
    eighths = max(1, min(columns * 8, round(bar.end_us * columns * 8 / total)) - start * 8)
    full, rest = divmod(eighths, 8)
    fill = _fill(node, bar)
    if fill != "█":
        return start, fill * max(1, full + (rest >= 4))
    return start, fill * full + (_EIGHTHS[rest] if rest else "")


def _fill(node: Node, bar: Bar) -> str:
    if node.span is None and node.status in ("interrupted", "parked"):
        return "┄"
    if node.is_container:
        return "━"
    call = node.inner or node.span
    if call is not None and call.kind == "wait":
        return "░"
    return _TEXTURES.get(bar.status, "█")
