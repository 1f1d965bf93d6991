"""The spans of a run as a tree in time: which step contains what, when it began, and what a person calls it. Pure.

Reads the path grammar (design.md, section 4) and never guesses: a span whose step left no span of its own, because its
process died, hangs from whatever contains that step. What leaves no span (a turn, an item, a branch) has a node where
it holds two things or more. Attempts of one call, and tries of one step, stand under one node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal

from trackrecord.cli.escape import line
from trackrecord.cli.signs import SpanState, span_state
from trackrecord.clock import moment
from trackrecord.record.spans import Span, path_key

Status = Literal[SpanState, "parked"]
_MICROSECOND: Final = timedelta(microseconds=1)
_NAMES: Final = {"recall": "recall memory", "wait": "wait", "decision": "decide", "child": "child run"}
_SINGLE: Final = frozenset({"action", "llm", "delay", "approval", "sub_workflow"})  # types that do one thing
_PURPOSES: Final = {"repair": " (repair)", "routing": " (routing)", "memory": " (memory)"}
_HOLDERS: Final = ("turn:", "i:", "b:", "case:")  # segments that contain something and leave no span
_GAPS: Final[dict[Status, str]] = {"interrupted": "no process", "parked": "waiting"}
NO_NAMES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time and how it ended."""

    start_us: int
    end_us: int
    status: Status


@dataclass(slots=True, eq=False)
class Node:
    """Something that took time, and what happened inside it.

    Attributes:
        start_us, end_us: since the run's first begin.
        status: how it ended; of several attempts, how the last one did.
        bars: the stretches of time it is drawn as, one per attempt.
        span: its span, the last one of several; None for what leaves none.
        inner: of a step that stands for its only call: the call's last span.
        tries: how many attempts there were.
        is_container: whether it only contains what took the time.
        children: what its path contains, in the order it began; of several attempts, these.
    """

    label: str
    start_us: int
    end_us: int
    status: Status
    bars: tuple[Bar, ...]
    span: Span | None = None
    inner: Span | None = None
    tries: int = 1
    is_container: bool = False
    depth: int = 0
    order: tuple[tuple[str, int], ...] = ()
    children: list[Node] = field(default_factory=list["Node"])


@dataclass(slots=True)
class _Placed:
    """A node with where it belongs: its path, and the segments between it and the step that contains it."""

    node: Node
    segments: Sequence[str]


def grow(spans: Iterable[Span], *, is_whole: bool = True, names: Mapping[str, str] = NO_NAMES) -> list[Node]:
    """The outermost nodes, in the order they began; epochs are the ground they stand on, a gap between two a node.

    Without `is_whole` a step that is nothing but one call is one node with it. `names` are of child runs, by path.
    """
    own = tuple(spans)
    offsets = _offsets(own)
    by_path: dict[str, list[Span]] = {}
    for span in own:
        if span.kind != "epoch":
            by_path.setdefault(span.path, []).append(span)
    steps = {(span.path, span.attempt): _of(span, offsets) for span in own if span.kind == "step"}
    placed: dict[int | None, list[_Placed]] = {None: []}
    parents = {id(node): node for node in steps.values()}
    for path, tries in by_path.items():
        tries.sort(key=lambda span: span.attempt)
        parent, rest = _parent(path, steps)
        node = _node(tries, rest, steps, offsets, names)
        placed.setdefault(None if parent is None else id(parent), []).append(_Placed(node, rest))
    for key, nodes in placed.items():
        if key is not None:
            parents[key].children = _held(nodes)
    roots = [*_held(placed[None]), *_gaps(own, offsets)]
    if not is_whole:
        for node in walk(roots):
            _merge(node)
    _settle(roots, 0)
    return roots


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """Every node, each before what it contains."""
    for node in nodes:
        yield node
        yield from walk(node.children)


def call_name(span: Span) -> str:
    """What a span that is no step did, by name: the model, the action, or what it was."""
    if span.kind == "model":
        return f"{span.model or 'model'}{_PURPOSES.get(span.purpose or '', '')}"
    if span.kind == "tool":
        return ".".join(part for part in (span.plugin, span.action) if part) or "tool"
    if span.kind == "remember":
        return "remember"
    return _NAMES.get(span.kind, span.kind)


def words(segments: Iterable[str]) -> str:
    """Segments of a path as a person reads them, like `#2 › ask`; a name that repeats the one before is left out."""
    told: list[str] = []
    for segment in segments:
        word = _word(segment)
        if word and word != (told[-1] if told else ""):
            told.append(word)
    return " › ".join(told)


def _node(
    tries: Sequence[Span],
    rest: Sequence[str],
    steps: Mapping[tuple[str, int], Node],
    offsets: Mapping[int, int],
    names_given: Mapping[str, str],
) -> Node:
    """The node of a path: its only attempt, or one that holds them all."""
    last = tries[-1]
    is_step = last.kind == "step"
    nodes = [steps[span.path, span.attempt] if is_step else _of(span, offsets) for span in tries]
    label = _label(last, rest, names_given)
    if len(nodes) == 1:
        nodes[0].label = label if last.attempt == 1 else f"{label} try {last.attempt}"
        return nodes[0]
    names = dict.fromkeys(span.model for span in tries if span.kind == "model" and span.model)
    for span, node in zip(tries, nodes, strict=True):
        node.label = _try_label(span, names)
    if len(names) > 1:
        label = line(f"{label.removesuffix(call_name(last))}{' → '.join(names)}", 120)
    return Node(
        label=f"{label} {len(nodes)} tries",
        start_us=min(node.start_us for node in nodes),
        end_us=max(node.end_us for node in nodes),
        status=span_state(last),
        bars=tuple(bar for node in nodes for bar in node.bars),
        span=last,
        tries=len(nodes),
        order=nodes[0].order,
        children=nodes,
    )


def _of(span: Span, offsets: Mapping[int, int]) -> Node:
    start = offsets.get(span.epoch, 0) + span.start_us
    end = start + span.duration_us
    return Node(
        label="",
        start_us=start,
        end_us=end,
        status=span_state(span),
        bars=(Bar(start, end, span_state(span)),),
        span=span,
        order=(*path_key(span.path), ("", span.attempt)),
    )


def _held(placed: Sequence[_Placed]) -> list[Node]:
    """The nodes, those of one turn, item or branch under a node of its own where they are more than one."""
    groups: dict[tuple[str, ...], list[_Placed]] = {}
    for one in placed:
        groups.setdefault(_holder(one.segments), []).append(one)
    nodes: list[Node] = []
    for holder, own in groups.items():
        if not holder or len(own) == 1:
            nodes += [one.node for one in own]
            continue
        for one in own:
            one.node.label = one.node.label.removeprefix(f"{words(holder)} › ")
            one.segments = one.segments[len(holder) :]
        nodes.append(_around(line(words(holder), 120), _held(own)))
    return nodes


def _around(label: str, children: list[Node]) -> Node:
    start, end = min(node.start_us for node in children), max(node.end_us for node in children)
    is_cut = all(node.status != "ok" for node in children)
    status = children[-1].status if is_cut else "ok"
    order = min(node.order for node in children)
    return Node(label, start, end, status, (Bar(start, end, status),), order=order, children=children)


def _holder(segments: Sequence[str]) -> tuple[str, ...]:
    """The segments up to the first that contains something and leaves no span; none when there is no such."""
    for place, segment in enumerate(segments[:-1]):
        if segment.startswith(_HOLDERS):
            return tuple(segments[: place + 1])
    return ()


def _settle(nodes: list[Node], depth: int) -> None:
    nodes.sort(key=lambda node: (node.start_us, node.order))
    for node in nodes:
        node.depth = depth
        node.is_container = _contains(node)
        _settle(node.children, depth + 1)


def _contains(node: Node) -> bool:
    """Whether it is drawn as what contains: attempts of a call are that call, tries of a step a step."""
    call = node.inner or node.span
    return bool(node.children) and (call is None or call.kind == "step")


def _merge(node: Node) -> None:
    """Let a step stand for its only call; how the call ended is told by how the step did."""
    only = node.children[0] if len(node.children) == 1 else None
    step = node.span
    if only is None or step is None or only.span is None or only.span.kind == "step" or step.step_type not in _SINGLE:
        return
    node.label = f"{node.label.removesuffix(f' ({step.step_type})')}: {only.label}"
    node.inner, node.tries = only.span, only.tries
    if only.tries > 1:
        node.bars = only.bars
    elif step.status == "ok":
        node.bars = tuple(Bar(bar.start_us, bar.end_us, only.status) for bar in node.bars)
    node.children = only.children


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


def _gaps(spans: Sequence[Span], offsets: Mapping[int, int]) -> list[Node]:
    """A node for each time in which no process had the run: it was parked, or its process had died."""
    epochs = sorted((span for span in spans if span.kind == "epoch"), key=lambda span: span.epoch)
    gaps: list[Node] = []
    for one, other in pairwise(epochs):
        start = offsets.get(one.epoch, 0) + one.start_us + one.duration_us
        end = offsets.get(other.epoch, 0)
        if end > start:
            status: Status = "parked" if one.status == "ok" else "interrupted"
            gaps.append(Node(_GAPS[status], start, end, status, (Bar(start, end, status),)))
    return gaps


def _parent(path: str, steps: Mapping[tuple[str, int], Node]) -> tuple[Node | None, Sequence[str]]:
    """The innermost step that contains the path, and the segments of the path from there on."""
    segments = path.split("/")
    for length in range(len(segments) - 1, 0, -1):
        rest = segments[length:]
        attempt = int(rest[0][4:]) if rest[0].startswith("try:") and rest[0][4:].isdecimal() else 1
        found = steps.get(("/".join(segments[:length]), attempt))
        if found is not None:
            return found, rest[1:] if rest[0].startswith("try:") and len(rest) > 1 else rest
    return None, segments


def _label(span: Span, segments: Sequence[str], names: Mapping[str, str]) -> str:
    """What a person calls it: where inside its step, then what it was."""
    is_step = span.kind == "step"
    where = words(segments if is_step else segments[:-1])
    if not is_step:
        name = names.get(span.path) or call_name(span)
        where = f"{where} › {name}" if where else name
    if is_step and span.step_type:
        where += f" ({span.step_type}{f' ×{span.items}' if span.items is not None and span.items != 1 else ''})"
    return line(where, 120)


def _try_label(span: Span, names: Collection[str]) -> str:
    told = call_name(span) if len(names) > 1 else span.error_code
    return line(f"try {span.attempt}{f' {told}' if told else ''}", 120)


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
