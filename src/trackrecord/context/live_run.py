"""The live state of one run in one epoch: clock, tally, journal, limits, cancellation. Shared by the wrappers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from trackrecord.agent import Limits
from trackrecord.canonical import clean_text, cut
from trackrecord.clock import now, ticks_us
from trackrecord.context.effect import Backoff
from trackrecord.context.midway import LateReply
from trackrecord.context.protocols import CANCEL, Checkpoint, Journal, new_checkpoint
from trackrecord.context.questions import Approvals
from trackrecord.context.strands import Scope, here
from trackrecord.errors import Cancelled, Conflict, StoreError
from trackrecord.record.credits import Credits
from trackrecord.record.fold import Tally
from trackrecord.record.lost import left_open
from trackrecord.record.record import Origin
from trackrecord.record.redact import Redactor
from trackrecord.record.spans import Span

MAX_ERROR_CHARACTERS = 2_000
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something a person watching a run may want to see.

    Attributes:
        kind: `started` (an effect or step began), `finished` (its span is there) or `note` (an engine's words).
        path: where in the run.
        what: the kind of the span, or empty for a note.
        label: `plugin.action`, model name, step type, or the note itself.
        span: the finished span; None unless `finished`.
        tokens: known tokens of the run so far.
    """

    kind: Literal["started", "finished", "note"]
    path: str
    what: str
    label: str
    span: Span | None
    tokens: int


Watcher = Callable[[Progress], None]


WaitReason = Literal["approval", "delay", "child", "unknown_outcome", "handover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What one strand of a run waits for.

    Attributes:
        path: of the wait.
        until: when it is over at the latest; None when that is for others to say.
    """

    path: str
    reason: WaitReason
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Why a run does not go on for now: every strand of it waits, or this process lets go of it.

    Attributes:
        reason: of the wait that is over first; those nobody knows the end of come last.
        ready_at: when the first wait is over; None when that is for others to say.
        rests: everything it waits for.
    """

    reason: WaitReason
    ready_at: datetime | None
    rests: tuple[Rest, ...]


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """One run while it runs.

    Attributes:
        is_sync: whether durability is `sync`: markers are awaited before an effect leaves.
        stored: (path, attempt) of spans earlier epochs stored; writing one of them again is dropped.
        checkpoints: what earlier epochs left, by path.
        timeout: the run's own, while its engine works; `deadline` is when it would have run out, once that is over.
        scope: counts the strands of its engine's work.
        approvals: keeps the questions the run asks; None when there is no such place.
        asks_on_unknown: whether a person is asked what became of an unsafe call whose process died.
        patience_s: the longest wait that is not worth parking for.
        work: the task that carries the engine; cancelled to park the run.
        is_draining: nothing more is begun; the run is let go of once what is in flight is over.
        closed: (path, attempt) of the spans written in this epoch, of a resumed run.
        in_flight: effects under way that are no waits.
        parked: set when the run does not go on for now; steps and waits that unwind are not recorded then.
        cancel_code: why the run is being cancelled, None while it is not.
        held: credits the run may use; None when its user has no account.
        late: replies of cancelled calls that are still being read.
        used: spans of model attempts that told what they used, to be reported should the run turn out to be lost.
    """

    origin: Origin
    limits: Limits
    epoch: int
    now: datetime
    journal: Journal
    is_sync: bool
    redactor: Redactor
    backoff: Backoff
    watcher: Watcher | None = None
    held: Credits | None = None
    tally: Tally = field(default_factory=Tally)
    stored: frozenset[tuple[str, int]] = frozenset()
    checkpoints: dict[str, list[Checkpoint]] = field(default_factory=dict[str, list[Checkpoint]])
    began_us: int = field(default_factory=ticks_us)
    cancel_code: Literal["user", "signal"] | None = None
    timeout: asyncio.Timeout | None = None
    deadline: float | None = None
    late: list[LateReply] = field(default_factory=list[LateReply])
    used: list[Span] = field(default_factory=list[Span])
    scope: Scope = field(default_factory=Scope)
    approvals: Approvals | None = None
    asks_on_unknown: bool = True
    patience_s: float = PATIENCE_S
    work: asyncio.Task[object] | None = None
    parked: Parked | None = None
    is_draining: bool = False
    closed: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    in_flight: int = 0
    _rests: dict[str, tuple[Rest, Callable[[], None]]] = field(
        default_factory=dict[str, tuple[Rest, Callable[[], None]]]
    )

    def resume(self, spans: Sequence[Span], checkpoints: Sequence[Checkpoint]) -> None:
        """Take over what earlier epochs stored; nothing on a first begin."""
        self.stored = frozenset((span.path, span.attempt) for span in spans)
        for span in spans:
            self.tally.add(span)
        for checkpoint in checkpoints:
            self.checkpoints.setdefault(checkpoint.path, []).append(checkpoint)

    def worked_s(self) -> float:
        """Seconds that earlier epochs worked: less waits, and less the time between them."""
        if not self.stored:
            return 0.0
        measures = self.tally.measures()
        return (measures.duration_us - measures.waited_us) / 1_000_000

    @property
    def begun(self) -> tuple[str, str, int]:
        """Whose run it is, its id, and the epoch that carries it."""
        return self.origin.tenant_id, self.origin.run_id, self.epoch

    @property
    def is_lossy(self) -> bool:
        """Whether measurements may have been lost with a process that carried it before."""
        return not self.is_sync and self.tally.lost_epochs > 0

    def left_over(self) -> tuple[Span, ...]:
        """Write spans for what earlier epochs began and this one never came back to; gives them, for the finish."""
        if not self.checkpoints:
            return ()
        markers = [one for past in self.checkpoints.values() for one in past]
        spans = tuple(left_open(markers, self.stored | self.closed))
        for span in spans:
            self.tally.add(span)
        return spans

    def elapsed_us(self) -> int:
        """Microseconds since this epoch began."""
        return ticks_us() - self.began_us

    def write(self, span: Span, checkpoint: Checkpoint | None = None) -> None:
        """Count a finished span and hand it to the journal; one that an earlier epoch stored is dropped."""
        if self.checkpoints:
            self.closed.add((span.path, span.attempt))
        if self.stored and (span.path, span.attempt) in self.stored:
            return
        self.tally.add(span)
        if span.usage is not None:
            self.used.append(span)
        self.journal.append(span, checkpoint)
        if self.watcher is not None:
            label = span.step_type or span.model or (f"{span.plugin}.{span.action}" if span.action else "")
            self._show("finished", span.path, span.kind, label, span)

    def announce(self, path: str, what: str, label: str) -> None:
        """Tell a watcher that something began."""
        if self.watcher is not None:
            self._show("started", path, what, label, None)

    def note(self, path: str, text: str) -> None:
        """Tell a watcher an engine's own words."""
        if self.watcher is not None:
            self._show("note", path, "", text, None)

    def learn(self, secrets: Iterable[str]) -> None:
        """Keep these secrets, too, out of whatever is stored of the run from here on."""
        self.redactor = self.redactor.also(secrets)

    def error_text(self, text: str) -> str:
        """An error message fit for storing: secrets out, odd characters visible, cut to a readable length."""
        return cut(self.redactor.text(clean_text(text)), MAX_ERROR_CHARACTERS)

    def check_cancelled(self) -> None:
        """Raise when the run is being cancelled.

        Raises:
            Cancelled: with the code it was cancelled for.
        """
        if self.cancel_code is not None:
            raise Cancelled("the run was cancelled", code=self.cancel_code)

    def cancel(self, code: Literal["user", "signal"]) -> None:
        """Have the run end as cancelled; the first wish counts.

        It is on its way to the disk before the first step is recorded as stopped for it: should the process die before
        the run has ended, the next one ends it, too, and does not go on with steps that are recorded as stopped.
        """
        if self.cancel_code is not None:
            return
        self.cancel_code = code
        wish = new_checkpoint(
            path=CANCEL,
            attempt=1,
            state="done",
            kind=CANCEL,
            effect="read",
            request_hash="",
            subject=code,
            epoch=self.epoch,
            start_us=self.elapsed_us(),
            outcome='{"value":null}',
        )
        with suppress(StoreError, Conflict):  # what cannot be stored ends the run anyway
            self.journal.append(None, wish)

    def leave(self) -> None:
        """Note that an effect is over; those of tasks that are no strands keep a run from being parked, too."""
        self.in_flight -= 1
        if self.in_flight == 0 and (self.scope.working == 0 or self.is_draining):
            self.rested()

    async def wait(
        self, path: str, reason: WaitReason, *, until: datetime | None = None, look_s: float | None = None
    ) -> None:
        """Rest until a moment, or until somebody wakes what waits at this path, or at most `look_s` to look again.

        Raises:
            CancelledError: the run is parked meanwhile, cancelled or out of time.
        """
        scope, loop = here(), asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)
                if scope is not None:
                    scope.begin()  # at once: until the strand itself comes to it, others may rest

        delays = [delay for delay in (_seconds_to(until), look_s) if delay is not None]
        timer = loop.call_later(min(delays), wake) if delays else None
        self._rests[path] = Rest(path=path, reason=reason, until=until), wake
        try:
            if scope is not None:
                scope.rest()
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            del self._rests[path]
            if woken.cancelled() and scope is not None:
                scope.begin()

    def wake(self, reason: WaitReason) -> None:
        """Have everything that waits for this look again."""
        for rest, wake in list(self._rests.values()):
            if rest.reason == reason:
                wake()

    def rested(self) -> None:
        """Nothing can go on: park the run, unless something is soon due."""
        if self.parked is not None or self.in_flight or self.cancel_code is not None or self.work is None:
            return
        rests = tuple(rest for rest, _ in self._rests.values())
        due = min((rest.until for rest in rests if rest.until is not None), default=None)
        if self.is_draining:
            self._park(Parked(reason="handover", ready_at=now(), rests=rests))
        elif rests and (due is None or due - now() > timedelta(seconds=self.patience_s)):
            self._park(Parked(reason=_reason(rests), ready_at=due, rests=rests))

    def drain(self) -> None:
        """Begin nothing more, and let go of the run once what is in flight is over."""
        self.is_draining = True
        self.rested()

    def let_go(self) -> None:
        """Let go of the run now; what is in flight is given up."""
        if self.parked is None and self.cancel_code is None and self.work is not None:
            self._park(Parked(reason="handover", ready_at=now(), rests=()))

    def _park(self, parked: Parked) -> None:
        self.parked = parked
        if self.work is not None:
            self.work.cancel()

    def _show(
        self, kind: Literal["started", "finished", "note"], path: str, what: str, label: str, span: Span | None
    ) -> None:
        if self.watcher is None:
            return
        try:
            self.watcher(
                Progress(kind=kind, path=path, what=what, label=label, span=span, tokens=self.tally.known_tokens)
            )
        except Exception:  # whoever watches may never fail a run; it is not shown again
            self.watcher = None


def _seconds_to(until: datetime | None) -> float | None:
    return None if until is None else max(0.0, (until - now()).total_seconds())


def _reason(rests: Sequence[Rest]) -> WaitReason:
    """The reason of the wait that is over first; one that nobody knows the end of asks for somebody, so it counts."""
    asking = [rest for rest in rests if rest.reason in ("approval", "unknown_outcome")]
    known = [rest for rest in rests if rest.until is not None]
    if asking:
        return asking[0].reason
    return min(known, key=lambda rest: rest.until or now()).reason if known else rests[0].reason
