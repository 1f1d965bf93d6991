"""The waterfall of a run: a line per span, indented by what contains it, with a bar where it lies in time. Pure.

What does not fit on a page is folded into the step that contains it, never dropped without a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from trackrecord.cli.escape import cut, width
from trackrecord.cli.look import Look, pad
from trackrecord.cli.pages.tree import Node, grow, walk
from trackrecord.cli.signs import span_sign, span_style
from trackrecord.cli.units import duration
from trackrecord.record.spans import Span

MOST_ROWS: Final = 40
_BAR: Final = 26  # columns a bar has at least
_TIME: Final = 9
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def waterfall(spans: Sequence[Span], look: Look, *, most_rows: int | None = MOST_ROWS) -> list[str]:
    """Lines of the waterfall; None as `most_rows` draws every span."""
    roots = grow(spans, is_whole=most_rows is None)
    nodes = list(walk(roots))
    if not nodes:
        return []
    shown, folded = _fitting(nodes, most_rows)
    total = max(1, *(node.end_us for node in nodes))
    labels = [_label(node, node in folded) for node in shown]
    label_width = min(max(width(label) for label in labels), look.width - _BAR - _TIME - 6)
    bar_width = look.width - label_width - _TIME - 6
    lines = [_axis(look, label_width, bar_width, total)]
    for node, label in zip(shown, labels, strict=True):
        time = pad(duration(node.span.duration_us), _TIME, is_right=True)
        bar = look.paint(_bar(node, total, bar_width), span_style(node.span.status))
        sign = span_sign(look, node.span.status)
        lines.append(f"  {pad(cut(label, label_width), label_width)}{look.dim(time)} {sign} {bar}".rstrip())
    if len(nodes) > len(shown):
        lines.append(look.dim(f"  {len(nodes) - len(shown):,} more inside: --all draws every span"))
    return lines


def _fitting(nodes: Sequence[Node], most: int | None) -> tuple[list[Node], set[Node]]:
    """The nodes of as many levels as fit, and those among them that hide something."""
    if most is None or len(nodes) <= most:
        return list(nodes), set()
    depth = max(node.depth for node in nodes)
    while depth > 0 and sum(node.depth <= depth for node in nodes) > most:
        depth -= 1
    shown = [node for node in nodes if node.depth <= depth]
    return shown[:most], {node for node in shown[:most] if node.depth == depth and node.children}


def _label(node: Node, hides: bool) -> str:
    more = f" +{sum(1 for _ in walk(node.children)):,}" if hides else ""
    return f"{'  ' * node.depth}{node.label}{more}"


def _axis(look: Look, label_width: int, bar_width: int, total: int) -> str:
    end = duration(total)
    line = f"0 {'┄' * max(1, bar_width - len(end) - 3)} {end}"
    return f"{look.heading('Waterfall')}{' ' * (label_width + _TIME + 5 - len('Waterfall'))}{look.dim(line)}"


def _bar(node: Node, total: int, columns: int) -> str:
    """The bar of a node: its start to a column, its end to an eighth of one."""
    start = min(columns - 1, math.floor(node.start_us * columns / total))
    eighths = max(1, min(columns * 8, round(node.end_us * columns * 8 / total)) - start * 8)
    full, rest = divmod(eighths, 8)
    fill = "░" if node.span.kind == "wait" and full else "█"
    return " " * start + fill * full + (_EIGHTHS[rest] if rest else "")
