"""How each step of a run went: its spans added up over every iteration, item, branch and try. Pure.

A step that ran four times is told as one: how often it ended how, the time and the tokens of all four. Never invents a
figure: what no call reported stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from trackrecord.cli.look import wrapped
from trackrecord.cli.signs import SpanState, span_state, span_words
from trackrecord.cli.units import count, duration, many
from trackrecord.record.spans import Span, instance

State = Literal[SpanState, "running", "waiting", "unreached"]

# the worst one is that of the whole: what somebody has to look at comes first
_WORST_FIRST: Final[tuple[State, ...]] = (
    "failed",
    "timed_out",
    "unknown",
    "interrupted",
    "cancelled",
    "waiting",
    "running",
    "tolerated",
    "rejected",
    "ok",
    "stopped",
    "skipped",
    "unreached",
)
_ORDER: Final[tuple[State, ...]] = ("ok", *(state for state in _WORST_FIRST if state != "ok"))
_OWN: Final[Mapping[State, tuple[str, str]]] = {
    "ok": ("✓", "completed"),
    "running": ("▸", "under way"),
    "waiting": ("‖", "waiting"),
    "unreached": ("·", "not reached"),
}
_LONGEST: Final = 36  # characters of a line that says how something went
_MOST_CHILDREN: Final = 3
_CALLS: Final = frozenset({"model", "tool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one step went, over all the times it was started.

    Attributes:
        state: how it went as a whole: the worst of what happened.
        times: how often it ended how, in one order; of a step that ran once, one.
        duration_us: all its tries together; None when none has ended.
        calls: model and tool calls directly in it, without repetitions.
        attempts: the same with repetitions.
        tries: how often it was started as a whole, repetitions included.
        tokens: of every model call in it and in what it contains; None when none reported any.
        unreported: how many of these calls did not report all of them.
        items: how many iterations, items or branches it started; None when nobody counted.
        children: ids of the runs it started.
        errors: codes of what went wrong in it, each once.
    """

    state: State = "unreached"
    times: tuple[tuple[State, int], ...] = ()
    duration_us: int | None = None
    calls: int = 0
    attempts: int = 0
    tries: int = 0
    tokens: int | None = None
    unreported: int = 0
    items: int | None = None
    children: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


UNREACHED: Final = Standing()


def standings(
    spans: Iterable[Span], *, pending: Iterable[str] = (), resting: State | None = None
) -> dict[str, Standing]:
    """How each step went, by its id; a step that was not reached has no entry.

    Args:
        spans: of the run, in path order.
        pending: paths of what has begun and is not known to have ended.
        resting: what a step is that has begun and not ended: of a run that goes on `running` or `waiting`; None of one
            that has ended, whose steps were cut off.
    """
    own = tuple(spans)
    kept: dict[str, _Sum] = {}
    last: dict[str, tuple[str, State]] = {}
    for span in own:
        _add(kept, last, span)
    for path, key in _begun((*(span.path for span in own), *pending), own):
        last[instance(path)] = (key, resting or "interrupted")
    ended: dict[str, dict[State, int]] = {}
    for key, state in last.values():
        times = ended.setdefault(key, {})
        times[state] = times.get(state, 0) + 1
    return {key: kept.get(key, _Sum()).standing(times) for key, times in ended.items()}


def words(state: State) -> tuple[str, str]:
    """The sign and the words of a state."""
    return _OWN.get(state) or span_words(state)


def told(standing: Standing, unit: str = "") -> tuple[str, ...]:
    """What is said of it, a line each: how it went and how long it took, what it used, what went wrong."""
    if standing.state == "unreached":
        return (" ".join(words("unreached")),)
    errors = () if standing.state in ("ok", "skipped") else standing.errors
    children = [f"run {child}" for child in standing.children[:_MOST_CHILDREN]]
    left = len(standing.children) - len(children)
    return (
        *wrapped(_ended(standing), columns=_LONGEST),
        *wrapped(used(standing, unit), columns=_LONGEST),
        *(error for error in errors if error != standing.state),
        *children,
        *([f"and {many(left, 'run')} more"] if left else []),
    )


def used(standing: Standing, unit: str = "") -> tuple[str, ...]:
    """What it used: iterations, attempts, tokens; what there is nothing to say of is left out."""
    is_counted = unit and standing.items is not None
    counted = many(standing.items, unit, "branches" if unit == "branch" else None) if is_counted else ""
    return tuple(part for part in (counted, _attempts(standing), _tokens(standing)) if part)


def of_spans(spans: Sequence[Span]) -> Standing:
    """How one thing went that is no step: the attempts of one call, or all that a turn holds, as long as it lasted.

    A turn goes as its model's reply does: a tool that fails is told to the model and fails nothing else.
    """
    found = _Sum()
    last: dict[str, Span] = {}
    for span in spans:
        found.add(span)
        last[span.path] = span
    for epoch in {span.epoch for span in spans}:
        own = [span for span in spans if span.epoch == epoch]
        began = min(span.start_us for span in own)
        found.duration_us = (found.duration_us or 0) + max(span.start_us + span.duration_us for span in own) - began
    deciding = [span for span in last.values() if span.kind == "model"] or list(last.values())
    times: dict[State, int] = {}
    for span in deciding:
        times[span.status] = 1
    if len(last) == 1:
        found.errors = {span.error_code: None for span in spans if span.error_code is not None}
    made = found.standing(times)
    return replace(made, times=((made.state, 1),))


@dataclass(slots=True)
class _Sum:
    """Figures of one step while they are added up."""

    duration_us: int | None = None
    paths: set[str] = field(default_factory=set[str])
    attempts: int = 0
    tries: int = 0
    tokens: int | None = None
    unreported: int = 0
    items: int | None = None
    children: dict[str, None] = field(default_factory=dict[str, None])
    errors: dict[str, None] = field(default_factory=dict[str, None])

    def add(self, span: Span) -> None:
        """A call that is directly in it."""
        if span.kind in _CALLS and span.status != "rejected":
            self.paths.add(instance(span.path))
            self.attempts += 1
        if span.kind == "child" and isinstance(run := span.attributes.get("child_run_id"), str):
            self.children[run] = None
        self.use(span)

    def use(self, span: Span) -> None:
        """The tokens of a call that is in it or in what it contains."""
        if span.kind == "model":
            total = span.usage.total_tokens if span.usage is not None else None
            if total is not None:
                self.tokens = (self.tokens or 0) + total
            self.unreported += span.usage is None or not span.usage.is_complete

    def standing(self, times: Mapping[State, int]) -> Standing:
        """What it comes to."""
        return Standing(
            state=_worst(times),
            times=tuple((state, times[state]) for state in _ORDER if state in times),
            duration_us=self.duration_us,
            calls=len(self.paths),
            attempts=self.attempts,
            tries=self.tries,
            tokens=self.tokens,
            unreported=self.unreported,
            items=self.items,
            children=tuple(self.children),
            errors=tuple(self.errors),
        )


def _add(kept: dict[str, _Sum], last: dict[str, tuple[str, State]], span: Span) -> None:
    holders = [segment[2:] for segment in span.path.split("/") if segment.startswith("s:")]
    if not holders:
        return
    own = kept.setdefault(holders[-1], _Sum())
    if span.kind == "step":
        own.duration_us = (own.duration_us or 0) + span.duration_us
        if span.error_code is not None:
            own.errors[span.error_code] = None
        own.tries += 1
        if span.items is not None:
            own.items = (own.items or 0) + span.items
        last[instance(span.path)] = (holders[-1], span_state(span))
        return
    own.add(span)
    for holder in holders[:-1]:
        kept.setdefault(holder, _Sum()).use(span)


def _begun(paths: Iterable[str], spans: Iterable[Span]) -> Iterable[tuple[str, str]]:
    """Every try of a step in which something happened and that has left no span: its path and the step's id."""
    ended = {(span.path, span.attempt) for span in spans if span.kind == "step"}
    seen: set[tuple[str, int]] = set()
    for path in paths:
        segments = path.split("/")
        for place in range(len(segments) - 1, -1, -1):
            if not segments[place].startswith("s:"):
                continue
            following = segments[place + 1] if place + 1 < len(segments) else ""
            attempt = int(following[4:]) if following.startswith("try:") and following[4:].isdecimal() else 1
            one = ("/".join(segments[: place + 1]), attempt)
            if one in seen:
                break
            seen.add(one)
            if one not in ended:
                yield one[0], segments[place][2:]


def _worst(times: Mapping[State, int]) -> State:
    for state in _WORST_FIRST:
        if times.get(state):
            return state
    return "unreached"


def _ended(standing: Standing) -> list[str]:
    sign, word = words(standing.state)
    parts: list[str] = []
    runs = sum(number for _, number in standing.times)
    if runs > 1:
        first, *parts = [f"{count(number)} {words(state)[1]}" for state, number in standing.times]
        word = f"{count(runs)} times: {first}" if parts else f"{word}, {count(runs)} times"
    is_timed = standing.duration_us is not None and standing.state not in ("skipped", "rejected")
    return [f"{sign.strip()} {word}", *parts, *([duration(standing.duration_us)] if is_timed else [])]


def _attempts(standing: Standing) -> str:
    runs = sum(number for _, number in standing.times)
    calls = standing.calls
    if standing.attempts > calls:
        return f"{count(standing.attempts)} attempts of {many(calls, 'call')}"
    if standing.tries > runs:
        return f"{count(standing.tries)} tries"
    return many(calls, "call") if calls > max(1, runs) else ""


def _tokens(standing: Standing) -> str:
    if standing.tokens is None:
        return "tokens unknown" if standing.unreported else ""
    left = f", {many(standing.unreported, 'attempt')} unreported" if standing.unreported else ""
    return f"{many(standing.tokens, 'token')}{left}"
