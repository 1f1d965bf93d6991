"""What a dead process leaves: spans that close what it had begun, and the ending of a run nobody goes on with. Pure.

A killed epoch ends at its last stored span; what was in flight then is `interrupted`, and what it used is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

from trackrecord.record.record import Ending
from trackrecord.record.spans import Span, SpanKind, SpanStatus
from trackrecord.record.usage import UNKNOWN

ABANDONED: Final = Ending(
    status="abandoned",
    error_code="worker_lost",
    error_message="the process that ran it died or stood still; what it had stored until then is counted",
    is_lossy=True,
)

POISON: Final = Ending(
    status="abandoned",
    error_code="poison",
    error_message="every process that ran it died; it is not begun again",
    is_lossy=True,
)


def cancelled(code: str) -> Ending:
    """The ending of a run that was cancelled while it waited, or before it was resumed."""
    return Ending(status="cancelled", error_code=code, error_message="the run was cancelled")


def lost_count(spans: Iterable[Span]) -> int:
    """How many epochs were lost with their process."""
    return sum(span.kind == "epoch" and span.status == "interrupted" for span in spans)


class Marker(Protocol):
    """What is stored of an effect attempt's start."""

    @property
    def path(self) -> str:
        """Where in the run."""
        ...

    @property
    def state(self) -> str:
        """`started` or `done`."""
        ...

    @property
    def attempt(self) -> int:
        """Which try."""
        ...

    @property
    def kind(self) -> str:
        """The effect's kind."""
        ...

    @property
    def effect(self) -> str:
        """Its effect class."""
        ...

    @property
    def subject(self) -> str:
        """`provider:model` or `plugin.action`."""
        ...

    @property
    def epoch(self) -> int:
        """Who started it."""
        ...

    @property
    def start_us(self) -> int:
        """When, since that epoch's begin."""
        ...


def lost_spans(spans: Sequence[Span], markers: Sequence[Marker], epoch: int, started_at: str) -> tuple[Span, ...]:
    """Spans for what has a marker and no end, and for every epoch before `epoch` that did not end by itself.

    `started_at` is the stamp of the first begin; later ones have a marker of their own.
    """
    stored = {(span.path, span.attempt) for span in spans}
    open_ones = left_open(markers, stored)
    known = (*spans, *open_ones)
    began = {marker.path: marker.subject for marker in markers if marker.kind == "epoch"}
    epochs = [
        _ended_at_last(known, number, started_at if number == 1 else began.get(f"epoch:{number}"))
        for number in range(1, epoch)
        if (f"epoch:{number}", 1) not in stored
    ]
    return (*open_ones, *epochs)


def left_open(markers: Iterable[Marker], stored: Collection[tuple[str, int]]) -> list[Span]:
    """Spans for effects that have begun and of whose end there is none."""
    effects = (marker for marker in markers if marker.state == "started" and marker.kind != "epoch")
    return [interrupted(marker) for marker in effects if (marker.path, marker.attempt) not in stored]


def lost_epochs(spans: Sequence[Span], markers: Sequence[Marker], epoch: int, started_at: str) -> tuple[Span, ...]:
    """Spans for every epoch before `epoch` that did not end by itself."""
    return tuple(span for span in lost_spans(spans, markers, epoch, started_at) if span.kind == "epoch")


def interrupted(marker: Marker) -> Span:
    """The span of an attempt that was in flight when its process died."""
    provider, _, model = marker.subject.partition(":") if marker.kind == "model" else ("", "", "")
    plugin, _, action = marker.subject.partition(".") if marker.kind == "tool" else ("", "", "")
    return Span(
        path=marker.path,
        attempt=marker.attempt,
        kind=_kind(marker.kind),
        status=_status(marker),
        epoch=marker.epoch,
        start_us=marker.start_us,
        duration_us=0,
        provider=provider or None,
        model=model or None,
        usage=UNKNOWN if marker.kind == "model" else None,
        plugin=plugin or None,
        action=action or None,
    )


def _status(marker: Marker) -> SpanStatus:
    if marker.kind in ("wait", "child"):
        return "cancelled"  # nothing was lost with its process; the run ended before it was over
    return "unknown" if marker.effect == "unsafe" else "interrupted"


def _kind(kind: str) -> SpanKind:
    return kind  # type: ignore[return-value]  # a marker's kind was a span's kind when it was written


def _ended_at_last(spans: Sequence[Span], number: int, began_at: str | None) -> Span:
    ends = [span.start_us + span.duration_us for span in spans if span.epoch == number]
    return Span(
        path=f"epoch:{number}",
        kind="epoch",
        status="interrupted",
        epoch=number,
        start_us=0,
        duration_us=max(ends, default=0),
        attributes={} if began_at is None else {"began_at": began_at},
    )
