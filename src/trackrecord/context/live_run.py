"""The live state of one run in one epoch: clock, tally, journal, limits, cancellation. Shared by the wrappers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from trackrecord.agent import Limits
from trackrecord.canonical import clean_text, cut
from trackrecord.clock import ticks_us
from trackrecord.context.effect import Backoff
from trackrecord.context.midway import LateReply
from trackrecord.context.protocols import Checkpoint, Journal
from trackrecord.errors import Cancelled
from trackrecord.record.credits import Credits
from trackrecord.record.fold import Tally
from trackrecord.record.record import Origin
from trackrecord.record.redact import Redactor
from trackrecord.record.spans import Span

MAX_ERROR_CHARACTERS = 2_000


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


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """One run while it runs.

    Attributes:
        is_sync: whether durability is `sync`: markers are awaited before an effect leaves.
        stored: (path, attempt) of spans earlier epochs stored; writing one of them again is dropped.
        checkpoints: what earlier epochs left, by path.
        timeout: the run's own, while its engine works; `deadline` is when it would have run out, once that is over.
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
    _working: int = 0
    _waiting: int = 0
    _remaining_s: float | None = None

    def resume(self, spans: Sequence[Span], checkpoints: Sequence[Checkpoint]) -> None:
        """Take over what earlier epochs stored; nothing on a first begin."""
        self.stored = frozenset((span.path, span.attempt) for span in spans)
        for span in spans:
            self.tally.add(span)
        for checkpoint in checkpoints:
            self.checkpoints.setdefault(checkpoint.path, []).append(checkpoint)

    def elapsed_us(self) -> int:
        """Microseconds since this epoch began."""
        return ticks_us() - self.began_us

    def write(self, span: Span, checkpoint: Checkpoint | None = None) -> None:
        """Count a finished span and hand it to the journal; one that an earlier epoch stored is dropped."""
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

    def enter(self, *, is_wait: bool) -> None:
        """Note that an effect is in flight; while only waits are, the run's timeout stands still."""
        if is_wait:
            self._waiting += 1
        else:
            self._working += 1
        if self._waiting or self._remaining_s is not None:
            self._settle_clock()

    def leave(self, *, is_wait: bool) -> None:
        """Note that an effect is over."""
        if is_wait:
            self._waiting -= 1
        else:
            self._working -= 1
        if self._waiting or self._remaining_s is not None:
            self._settle_clock()

    def _settle_clock(self) -> None:
        if self.timeout is None or self.timeout.expired():
            return
        is_idle = self._waiting > 0 and self._working == 0
        clock = asyncio.get_running_loop().time
        if is_idle and self._remaining_s is None:
            deadline = self.timeout.when()
            if deadline is not None:
                self._remaining_s = deadline - clock()
                self.timeout.reschedule(None)
        elif not is_idle and self._remaining_s is not None:
            self.timeout.reschedule(clock() + self._remaining_s)
            self._remaining_s = None

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
