"""What a retry or a fork may take over from its origin: the effects that surely precede the place it begins at. Pure.

The place itself and whatever depends on it, in its list and in the lists of the containers around it, is done anew.
Where it is not certain that something precedes, it does not. Must never look at what an effect gave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from trackrecord.errors import BadInput
from trackrecord.workflow.arms import EACH, arms
from trackrecord.workflow.fields import near
from trackrecord.workflow.steps import (
    AgentBody,
    ConditionalBody,
    LoopBody,
    MapBody,
    ParallelBody,
    Step,
    StepList,
    SubWorkflowBody,
    SwitchBody,
)

_FALLBACK: Final = "fallback"
_ENDINGS: Final = frozenset({"model", "tool", "wait", "decision", "child"})
_RECALL: Final = "recall"
_LAST: Final = "summary"  # comes after everything, and tells of the run it is in

_Known = dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One stored attempt of an effect of the origin.

    Attributes:
        end: `value` when it gave something, `failure` when it failed, `open` when nobody knows.
    """

    path: str
    attempt: int
    end: Literal["value", "failure", "open"]


@dataclass(frozen=True, slots=True)
class _Hop:
    """A step on a path: where it stands, in which try, and where the path leads on inside it.

    Attributes:
        prefix: the path down to the step, its try left out.
        arm: the segment that leads on: `i:4`, `b:left`, `case:1`, `turn:2`; `fallback`; empty for the steps of a
            sub-workflow and where the path ends.
    """

    steps: StepList
    index: int
    step: Step
    prefix: str
    attempt: int
    arm: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a retry or a fork begins.

    Attributes:
        text: how it was named.
        hops: the steps down to it, itself included; empty in a run without steps.
        turn: the turn of the tool-calling loop there; None for a whole step.
    """

    text: str
    hops: tuple[_Hop, ...] = ()
    turn: int | None = None


def find(steps: StepList | None, text: str, paths: Collection[str]) -> Place:
    """The place of a name: a step's id, a step's path like `s:each/i:3/s:put`, or `turn:2`.

    Args:
        steps: the workflow; None for a run that had none, only turns.
        text: what was asked for.
        paths: of the origin's checkpoints; they say how many turns there were.

    Raises:
        BadInput: there is no such place.
    """
    wanted = text.strip()
    if steps is None:
        return _turn_of_run(wanted, paths)
    if "/" not in wanted and not wanted.startswith("s:"):
        wanted = _path_of(steps, wanted)
    segments = _plain(wanted.split("/"))
    hops = tuple(_hops(steps, segments))
    rest = segments[_length(hops) :]
    is_between = bool(hops) and _arm(hops[-1].step, hops[-1].arm)[1] is not None
    if not hops or is_between or (rest and rest[0] not in _ENDINGS and not _is_turn(hops[-1], rest[0])):
        raise _nowhere(text, steps, hops, rest)
    turn = int(rest[0][5:]) if rest and _is_turn(hops[-1], rest[0]) else None
    place = Place(text.strip(), hops, turn)
    if turn is not None:
        _check_turn(text, turn, paths, f"{hops[-1].prefix}/")
    return place


def failed_at(steps: StepList | None, path: str | None, paths: Collection[str], *, is_last_turn: bool) -> Place | None:
    """The place where a run failed, from the path of its error; None when it failed at none of its steps or turns.

    Of a path that leads nowhere its beginning is taken. With `is_last_turn` a run that names no place failed because
    of its last turn.
    """
    segments = _plain((path or "").split("/"))
    if steps is None:
        turn = _number(segments[0], "turn:")
        turns = [found for one in paths if (found := _number(one.split("/", 1)[0], "turn:")) is not None]
        turn = max(turns, default=None) if turn is None and is_last_turn else turn
        return None if turn is None else Place(f"turn:{turn}", (), turn)
    hops = tuple(_hops(steps, segments))
    if not hops:
        return None
    rest = segments[_length(hops) :]
    turn = int(rest[0][5:]) if rest and _is_turn(hops[-1], rest[0]) else None
    return Place(hops[-1].prefix if turn is None else f"{hops[-1].prefix}/turn:{turn}", hops, turn)


def reusable(steps: StepList | None, place: Place | None, attempts: Iterable[Attempt]) -> tuple[tuple[str, int], ...]:
    """The attempts, by path and number, that a run which begins at the place takes over; without one all that ended.

    Of an effect that gave something only the attempt that did. Of one that failed every attempt, when the workflow or
    the loop tolerated the failure; else it is done anew, as is one of which nobody knows how it ended.
    """
    by_path: dict[str, list[Attempt]] = {}
    for one in attempts:
        by_path.setdefault(one.path, []).append(one)
    judge = _Judge(steps, place, by_path)
    return tuple(
        (one.path, one.attempt) for path, of_path in by_path.items() for one in judge.kept(path.split("/"), of_path)
    )


class _Judge:
    """Says of each path whether it precedes the place, and whether a failure there was tolerated."""

    def __init__(self, steps: StepList | None, place: Place | None, paths: Iterable[str]) -> None:
        self._steps = steps
        self._place = place
        aims = () if place is None else place.hops
        self._after = [_dependants(aim.steps, aim.index) for aim in aims]
        ends_here = len(aims) - 1
        self._around = {aim.step.id for depth, aim in enumerate(aims) if depth == ends_here or aim.arm != _FALLBACK}
        self._tried = {prefix for path in paths for prefix in _tries(path.split("/"))}
        self._known: _Known = {}

    def kept(self, segments: list[str], attempts: list[Attempt]) -> list[Attempt]:
        if segments[0] == _LAST:
            return []
        hops = [] if self._steps is None else list(_hops(self._steps, segments, self._known))
        if not self._precedes(segments, hops):
            return []
        attempts = sorted(attempts, key=lambda one: one.attempt)
        last = attempts[-1]
        if last.end == "value":
            return [last]
        if last.end == "failure" and self._is_tolerated(segments, hops):
            return [one for one in attempts if one.end == "failure"]
        return []

    def _precedes(self, segments: Sequence[str], hops: Sequence[_Hop]) -> bool:
        place = self._place
        if place is None or segments[0] == _RECALL:
            return True
        if not place.hops:
            turn = _number(segments[0], "turn:")
            return turn is not None and place.turn is not None and turn < place.turn
        for depth, (mine, aim) in enumerate(zip(hops, place.hops, strict=False)):
            if mine.index != aim.index:
                return mine.index not in self._after[depth]
            if depth == len(place.hops) - 1:
                return _is_earlier_turn(mine, place.turn)
            beside = False if mine.attempt > 1 and aim.arm != _FALLBACK else _beside(aim.step, mine.arm, aim.arm)
            if beside is not None:
                return beside
        return False

    def _is_tolerated(self, segments: Sequence[str], hops: Sequence[_Hop]) -> bool:
        if any(segment.startswith("call:") for segment in segments):
            return True  # the model was told
        for hop in hops:
            body = hop.step.body
            if isinstance(body, MapBody) and body.on_item_error == "collect" and hop.arm.startswith("i:"):
                return True
            if hop.step.id in self._around:
                continue  # it is done anew, and would fail again at once
            if hop.step.on_error != "fail" and hop.arm != _FALLBACK:
                return True
            if isinstance(body, ParallelBody) and body.join == "any":
                return True
            if f"{hop.prefix}/try:{hop.attempt + 1}" in self._tried:
                return True
        return False


def _beside(step: Step, mine: str, aim: str) -> bool | None:
    """Whether one arm of a container precedes another; None when it is the same, and the steps in it decide."""
    if _FALLBACK in (mine, aim):
        return None if mine == aim else aim == _FALLBACK
    match step.body:
        case LoopBody() | MapBody():
            return _iteration(step, mine, aim)
        case ParallelBody(join=join) if mine.startswith("b:") and join == "all":
            return None if mine == aim else True
        case ConditionalBody() | SwitchBody() | SubWorkflowBody() if mine == aim:
            return None
        case _:  # the decision of a container, or a race: who wins it depends on all who run
            return False


def _iteration(step: Step, mine: str, aim: str) -> bool | None:
    number = _number(mine, "i:")
    if number is None:
        return False
    wanted = _number(aim, "i:")
    if _is_side_by_side(step):
        return None if wanted is None or number == wanted else True
    first = wanted or 1
    return None if number == first else number < first


def _is_side_by_side(step: Step) -> bool:
    """Whether the iterations of a step do not wait for one another."""
    if isinstance(step.body, MapBody):
        return step.body.max_concurrency != 1
    return isinstance(step.body, LoopBody) and step.body.over is not None and step.body.concurrency > 1


def _is_earlier_turn(mine: _Hop, turn: int | None) -> bool:
    number = _number(mine.arm, "turn:")
    return turn is not None and number is not None and mine.attempt == 1 and number < turn


def _hops(steps: StepList, segments: Sequence[str], known: _Known | None = None) -> Iterator[_Hop]:
    """The steps on a path, outermost first, as far as there are such; `known` is filled, for the next path."""
    listed: StepList | None = steps
    at = 0
    while listed is not None and at < len(segments) and segments[at].startswith("s:"):
        index = _index(listed, segments[at][2:], {} if known is None else known)
        if index is None:
            return
        step = listed.steps[index]
        at += 1
        prefix = "/".join(segments[:at])
        attempt = _number(segments[at], "try:") if at < len(segments) else None
        at += attempt is not None
        arm, inner = _arm(step, segments[at] if at < len(segments) else "")
        yield _Hop(listed, index, step, prefix, attempt or 1, arm)
        at += inner is not None and arm not in ("", _FALLBACK)
        listed = inner


def _index(listed: StepList, step_id: str, known: _Known) -> int | None:
    if len(listed.steps) == 1:  # one that stands in for another is a list made a moment ago: nothing to keep
        return 0 if listed.steps[0].id == step_id else None
    by_id = known.get(id(listed))
    if by_id is None:
        by_id = known[id(listed)] = {step.id: place for place, step in enumerate(listed.steps)}
    return by_id.get(step_id)


def _arm(step: Step, segment: str) -> tuple[str, StepList | None]:
    """What a segment below a step leads to: the arm, and its steps when there are any."""
    if step.fallback is not None and segment == f"s:{step.fallback.id}":
        return _FALLBACK, _alone(step.fallback)
    for arm, steps in arms(step):
        if arm == segment or (arm == EACH and segment.startswith("i:")) or (arm == "" and segment.startswith("s:")):
            return "" if arm == "" else segment, steps
    return segment, None


def _alone(step: Step) -> StepList:
    return StepList(steps=(step,), dependencies=((),), dependants=((),), roots=(0,))


def _dependants(steps: StepList, index: int) -> frozenset[int]:
    """Everything of a list that waits for a step, however indirectly."""
    found: set[int] = set()
    waiting = [index]
    while waiting:
        for after in steps.dependants[waiting.pop()]:
            if after not in found:
                found.add(after)
                waiting.append(after)
    return frozenset(found)


def _places(steps: StepList, above: str = "") -> Iterator[tuple[str, str]]:
    """Id and path of every step of the tree, whatever the iteration."""
    for step in steps.steps:
        path = f"{above}s:{step.id}"
        yield step.id, path
        for arm, inner in arms(step):
            yield from _places(inner, f"{path}/{arm}/" if arm else f"{path}/")
        if step.fallback is not None:
            yield from _places(_alone(step.fallback), f"{path}/")


def _path_of(steps: StepList, name: str) -> str:
    known = dict(_places(steps))
    found = known.get(name) or known.get(name.replace("-", "_"))
    if found is None:
        said = "It was carried out by steps: of an agent step in it, write s:<id>/turn:2. " if _is_a_turn(name) else ""
        raise BadInput(f"there is no step {name!r} to begin from", cure=f"{said}{near(name, known)}")
    return found


def _turn_of_run(text: str, paths: Collection[str]) -> Place:
    turn = _number(text.split("/", 1)[0], "turn:")
    if turn is None:
        most = _turns(paths, "")
        known = f"Write turn:1 to turn:{most}." if most else "It has had none: retry it, or run it anew."
        raise BadInput(f"there is no step {text!r} to begin from: the run has turns, not steps", cure=known)
    _check_turn(text, turn, paths, "")
    return Place(text, (), turn)


def _check_turn(text: str, turn: int, paths: Collection[str], above: str) -> None:
    most = _turns(paths, above)
    if not 1 <= turn <= most:
        known = f"There are turn:1 to turn:{most}." if most else "It has had none."
        raise BadInput(f"there is no {text!r} to begin from", cure=known)


def _turns(paths: Collection[str], above: str) -> int:
    below = (path[len(above) :].split("/", 1)[0] for path in paths if path.startswith(above))
    return max((number for one in below if (number := _number(one, "turn:")) is not None), default=0)


def _nowhere(text: str, steps: StepList, hops: Sequence[_Hop], rest: Sequence[str]) -> BadInput:
    """Why a path leads nowhere: the first segment that does not fit, and what would."""
    inner = _arm(hops[-1].step, hops[-1].arm)[1] if hops else steps
    if inner is not None:
        known = [f"s:{step.id}" for step in inner.steps]
    else:
        known = [arm for arm, _ in arms(hops[-1].step) if arm]
    if hops and not rest:
        cure = f"Name one of its steps, or the whole of it as {hops[-1].prefix!r}: {', '.join(known)}."
        return BadInput(f"{text!r} ends between steps", cure=cure)
    wrong, where = (rest[0] if rest else text), f" below {hops[-1].prefix!r}" if hops else ""
    return BadInput(
        f"{text!r} leads to no step: there is no {wrong!r}{where}",
        cure=near(wrong, known) or f"Name the step itself: {hops[-1].prefix!r}.",
    )


def _length(hops: Sequence[_Hop]) -> int:
    """How many segments of a plain path its hops are."""
    if not hops:
        return 0
    last = hops[-1]
    inner = _arm(last.step, last.arm)[1]
    return last.prefix.count("/") + 1 + (inner is not None and last.arm not in ("", _FALLBACK))


def _plain(segments: Sequence[str]) -> list[str]:
    """A path without its tries: what is done anew begins with the first one."""
    return [segment for segment in segments if not segment.startswith("try:")]


def _tries(segments: Sequence[str]) -> Iterator[str]:
    for place, segment in enumerate(segments):
        if segment.startswith("try:"):
            yield "/".join(segments[: place + 1])


def _is_turn(hop: _Hop, segment: str) -> bool:
    return isinstance(hop.step.body, AgentBody) and _is_a_turn(segment)


def _is_a_turn(segment: str) -> bool:
    return _number(segment, "turn:") is not None


def _number(segment: str, kind: str) -> int | None:
    """The number of a segment of that kind; None of any other."""
    number = segment[len(kind) :]
    return int(number) if segment.startswith(kind) and number.isascii() and number.isdecimal() else None
