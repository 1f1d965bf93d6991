"""The drawing of a run that followed no workflow: its turns, and in each the model and the tools it called. Pure.

Made from the spans alone, so that a run of any engine can be drawn, and one whose definition nobody can read any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trackrecord.cli.graph.node import Arm, Node, Shape, chain
from trackrecord.cli.graph.standing import of_spans
from trackrecord.cli.pages.tree import call_name, words
from trackrecord.record.spans import Span

_SHAPES: dict[str, Shape] = {"wait": "clock", "child": "child"}


def calls(spans: Iterable[Span]) -> Arm:
    """What happened, in path order; the calls of one turn inside it, tool calls side by side."""
    groups: dict[str, list[Span]] = {}
    for span in spans:
        if span.kind != "epoch":
            groups.setdefault(span.path.partition("/")[0], []).append(span)
    nodes = tuple(_outer(name, own) for name, own in groups.items())
    return Arm(nodes=nodes, edges=chain(len(nodes)))


def _outer(name: str, spans: Sequence[Span]) -> Node:
    """A turn or a step with what happened in it, or a thing that happened by itself."""
    paths: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.epoch, span.start_us)):
        paths.setdefault(span.path, []).append(span)
    if not name.startswith(("turn:", "s:")):
        nodes = [_call(own) for own in paths.values()]
        return nodes[0] if len(nodes) == 1 else _holder(name, name, nodes, spans)
    inner = [_call(own) for path, own in paths.items() if path != name]
    return _holder(name, words((name,)), inner, spans)


def _holder(key: str, title: str, nodes: Sequence[Node], spans: Sequence[Span]) -> Node:
    """Whatever came first leads to everything after it: a model asks, its tools are called side by side."""
    edges = tuple((0, place) for place in range(1, len(nodes)))
    arms = (Arm(nodes=tuple(nodes), edges=edges),) if nodes else ()
    return Node(key=f"/{key}", title=title, shape="group", arms=arms, standing=of_spans(spans))


def _call(spans: Sequence[Span]) -> Node:
    last = spans[-1]
    kind = f"tool call, {last.items} items" if last.kind == "tool" and last.items not in (None, 1) else ""
    return Node(
        key=f"/{last.path}",
        title=call_name(last),
        shape=_SHAPES.get(last.kind, "step"),
        kind=kind or {"model": "model call", "tool": "tool call"}.get(last.kind, ""),
        standing=of_spans(spans),
    )
