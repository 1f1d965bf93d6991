"""The spans of a run as a tree in time: which step contains what, when it began, and what a person calls it. Pure.

Reads the path grammar (design.md, section 4) and never guesses: a span whose step left no span of its own, because its
process died, hangs from whatever contains that step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from trackrecord.cli.escape import line
from trackrecord.clock import moment
from trackrecord.record.spans import Span, path_key

_MICROSECOND: Final = timedelta(microseconds=1)
_NAMES: Final = {"recall": "recall memory", "wait": "wait", "decision": "decide", "child": "child run"}
_SINGLE: Final = frozenset({"action", "llm", "delay", "approval"})  # types that do one thing
_PURPOSES: Final = {"repair": " (repair)", "routing": " (routing)", "memory": " (memory)"}


@dataclass(slots=True, eq=False)
class Node:
    """A span and what happened inside it.

    Attributes:
        start_us: since the run's first begin, over all epochs.
        children: what its path contains, in the order it began.
    """

    span: Span
    start_us: int
    depth: int = 0
    label: str = ""
    children: list[Node] = field(default_factory=list["Node"])

    @property
    def end_us(self) -> int:
        """When it was over, since the run's first begin."""
        return self.start_us + self.span.duration_us


def grow(spans: Iterable[Span], *, is_whole: bool = True) -> list[Node]:
    """The outermost nodes, in the order they began; epochs are the ground they stand on, not nodes.

    Without `is_whole` a step that is nothing but one call is one node with it.
    """
    own = tuple(spans)
    offsets = _offsets(own)
    nodes = {
        (span.path, span.attempt): Node(span, offsets.get(span.epoch, 0) + span.start_us)
        for span in own
        if span.kind != "epoch"
    }
    roots: list[Node] = []
    for node in nodes.values():
        parent, rest = _parent(node.span, nodes)
        node.label = _label(node.span, rest)
        (roots if parent is None else parent.children).append(node)
    _settle(roots, 0)
    if not is_whole:
        for node in walk(roots):
            _merge(node)
    return roots


def walk(nodes: Sequence[Node]) -> Iterable[Node]:
    """Every node, each before what it contains."""
    for node in nodes:
        yield node
        yield from walk(node.children)


def _settle(nodes: list[Node], depth: int) -> None:
    nodes.sort(key=lambda node: (node.start_us, path_key(node.span.path), node.span.attempt))
    for node in nodes:
        node.depth = depth
        _settle(node.children, depth + 1)


def _merge(node: Node) -> None:
    """Let a step stand for its only call; how the call ended is told by how the step did."""
    only = node.children[0] if len(node.children) == 1 else None
    if only is None or only.span.kind == "step" or node.span.step_type not in _SINGLE:
        return
    node.label = f"{node.label.removesuffix(f' ({node.span.step_type})')}: {only.label}"
    node.children.clear()


def _offsets(spans: Sequence[Span]) -> Mapping[int, int]:
    """When each epoch began, in microseconds since the first one did."""
    began = {
        span.epoch: moment(str(span.attributes["began_at"]))
        for span in spans
        if span.kind == "epoch" and "began_at" in span.attributes
    }
    if not began:
        return {}
    first = min(began.values())
    return {epoch: max(0, (at - first) // _MICROSECOND) for epoch, at in began.items()}


def _parent(span: Span, nodes: Mapping[tuple[str, int], Node]) -> tuple[Node | None, Sequence[str]]:
    """The innermost step that contains the span, and the segments of its path from there on."""
    segments = span.path.split("/")
    for length in range(len(segments) - 1, 0, -1):
        rest = segments[length:]
        attempt = int(rest[0][4:]) if rest[0].startswith("try:") and rest[0][4:].isdecimal() else 1
        found = nodes.get(("/".join(segments[:length]), attempt))
        if found is not None and found.span.kind == "step":
            return found, rest
    return None, segments


def _label(span: Span, segments: Sequence[str]) -> str:
    """What a person calls it: where inside its step, then what it was."""
    is_step = span.kind == "step"
    words = [_word(segment) for segment in (segments if is_step else segments[:-1])]
    if not is_step:
        words.append(_name(span))
    text = " ".join(word for word in words if word)
    if is_step and span.step_type:
        text += f" ({span.step_type}{f' ×{span.items}' if span.items is not None and span.items != 1 else ''})"
    return line(text + (f" try {span.attempt}" if span.attempt > 1 else ""), 120)


def _word(segment: str) -> str:
    """A segment of a path in words; empty for what says nothing to a person."""
    kind, _, rest = segment.partition(":")
    match kind:
        case "s" | "b":
            return rest
        case "i":
            return f"#{rest}"
        case "turn" | "case":
            return f"{kind} {rest}"
        case "call" | "try":
            return ""
        case _:
            return segment


def _name(span: Span) -> str:
    if span.kind == "model":
        return f"{span.model or 'model'}{_PURPOSES.get(span.purpose or '', '')}"
    if span.kind == "tool":
        return ".".join(part for part in (span.plugin, span.action) if part) or "tool"
    if span.kind == "remember":
        return "remember"
    return _NAMES.get(span.kind, span.kind)
