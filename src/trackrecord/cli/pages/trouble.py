"""What did not go well in a run: each call and step that failed, was rejected or was tried again, and why. Pure.

A step that failed because its call did is not told twice; what a race stopped when another branch was first went well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trackrecord.cli.escape import cut, line
from trackrecord.cli.look import Look, paragraph
from trackrecord.cli.pages.tree import call_name
from trackrecord.cli.signs import span_sign, span_words
from trackrecord.cli.units import count, many
from trackrecord.record.spans import Span, instance, path_key

MOST_TROUBLES: Final = 8
_BAD: Final = frozenset({"failed", "rejected", "cancelled", "timed_out", "interrupted", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A call, or a step, that did not go well.

    Attributes:
        status: how it ended in the end, as of a span; `retried` when another attempt mended it.
        path: where in the run.
        name: what it was.
        fate: what became of it, in words.
        causes: code and message of each different cause, with how often.
        span: its last span.
    """

    status: str
    path: str
    name: str
    fate: str
    causes: tuple[str, ...]
    span: Span


def troubles(spans: Iterable[Span]) -> list[Trouble]:
    """All of them, in path order."""
    by_path: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (path_key(span.path), span.attempt)):
        if span.kind != "epoch":
            by_path.setdefault(span.path, []).append(span)
    stopped = {path for path, own in by_path.items() if own[-1].has_lost}
    by_path = {path: own for path, own in by_path.items() if path not in stopped and not _is_stopped(own, stopped)}
    calls = [own[-1] for own in by_path.values() if own[-1].kind != "step" and _is_bad(own[-1])]
    tolerated = [path for path, own in by_path.items() if own[-1].kind == "step" and own[-1].status == "tolerated"]
    found: list[Trouble] = []
    for path, own in by_path.items():
        if not any(_is_bad(span) or span.status == "tolerated" for span in own):
            continue
        is_tolerated = any(path.startswith(f"{step}/") for step in tolerated)
        if own[-1].kind == "wait" and own[-1].status == "cancelled" and is_tolerated:
            continue  # nothing was spent on it, and the step that was stopped says why
        if own[-1].kind == "step" and _is_told(own, calls, found):
            continue
        found.append(_trouble(path, own, is_tolerated=is_tolerated))
    return found


def trouble_lines(spans: Sequence[Span], look: Look, *, most: int | None = MOST_TROUBLES) -> list[str]:
    """The section `What did not go well` of a run's page; empty when all went well."""
    found = troubles(spans)
    lines: list[str] = []
    for one in found[:most]:
        head = line(f"{one.name}: {one.fate}", look.width - 4)
        lines.append(f"  {span_sign(look, one.status)} {head}")
        lines += [look.dim(f"    {line(one.path, look.width - 4)}")]
        told = [part for cause in one.causes for part in _two_lines(cause, look.width - 4)]
        lines += [f"    {part}" for part in told]
    if most is not None and len(found) > most:
        lines.append(look.dim(f"  {count(len(found) - most)} more: --all tells all"))
    return [look.heading("What did not go well"), *lines] if lines else []


def _two_lines(cause: str, columns: int) -> list[str]:
    first, *more = paragraph(line(cause, 2 * columns - 2), columns)
    return [first, *([cut(" ".join(more), columns)] if more else [])]


def _is_told(own: Sequence[Span], calls: Iterable[Span], found: Iterable[Trouble]) -> bool:
    """Whether a step's failure is its call's, or is told of the step around it already: a cause goes up unchanged."""
    step = own[-1]
    cause = step.error_message
    if any(_causes((step,))[0] in one.causes and step.path.startswith(f"{one.path}/") for one in found):
        return True
    return len(own) == 1 and any(
        call.error_message == cause and call.path.startswith(f"{step.path}/") for call in calls
    )


def _is_stopped(own: Sequence[Span], stopped: Collection[str]) -> bool:
    """Whether a call was on the way in a step that was stopped; one that failed before that, or is unknown, is told."""
    if not stopped or own[-1].status != "cancelled" or len(own) > 1:
        return False
    path = own[-1].path
    return any(path[:end] in stopped for end, character in enumerate(path) if character == "/")


def _is_bad(span: Span) -> bool:
    return span.status in _BAD


def _trouble(path: str, own: Sequence[Span], *, is_tolerated: bool) -> Trouble:
    last = own[-1]
    bad = sum(_is_bad(span) or span.status == "tolerated" for span in own)
    status: str = last.status
    if status == "ok":
        status, fate = "retried", f"{many(bad, 'attempt')} failed, attempt {count(last.attempt)} succeeded"
    else:
        status = "tolerated" if is_tolerated and status == "failed" else status
        fate = span_words(status)[1] + (f" after {many(len(own), 'attempt')}" if len(own) > 1 else "")
    name = call_name(last) if last.kind != "step" else f"step {instance(path).rpartition('s:')[2]}"
    return Trouble(status=status, path=path, name=name, fate=fate, causes=_causes(own), span=last)


def _cause(span: Span) -> str:
    if span.status == "tolerated" and span.error_code is None and span.error_message is not None:
        return span.error_message  # of a branch that lost a race
    return f"{span.error_code or span.status}: {span.error_message or 'no message'}"


def _causes(own: Sequence[Span]) -> tuple[str, ...]:
    told = Counter(_cause(span) for span in own if span.status not in ("ok", "skipped"))
    return tuple(f"{cause}{f'  ×{number}' if number > 1 else ''}" for cause, number in told.items())
