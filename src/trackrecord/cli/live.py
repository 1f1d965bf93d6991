"""The live view of a run on a terminal: what is in flight, what ended last, and the figures so far. Alone uses rich.

Watches and never touches the run; what it draws is gone when the run ends, for the summary says it all.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, cut, joined, pad, width
from trackrecord.cli.pages.tree import words
from trackrecord.cli.signs import span_sign, span_state
from trackrecord.cli.units import count, duration, many
from trackrecord.clock import ticks_us

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from trackrecord.context.live_run import Progress
    from trackrecord.record.spans import Span

_KEPT: Final = 6
_PER_SECOND: Final = 10
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class View(Protocol):
    """Something that watches a run."""

    def __enter__(self) -> View:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def watch(self, progress: Progress) -> None:
        """Take note of what begins or ends."""
        ...

    def say(self, text: str) -> None:
        """Show a word to the person who watches."""
        ...


@dataclass(slots=True, kw_only=True)
class Board:
    """What the view shows: filled by the run, drawn as lines. Knows nothing of rich."""

    title: str
    began_us: int = field(default_factory=ticks_us)
    steps: int = 0
    turns: int = 0
    tools: int = 0
    retries: int = 0
    tokens: int = 0
    word: str = ""
    _about: str = ""  # the path that the word is about
    _flying: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    _waits: set[str] = field(default_factory=set[str])  # of what is in flight: what only waits
    _ended: deque[tuple[str, Span]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _lock: Lock = field(default_factory=Lock)  # drawn by another thread than the run's

    def watch(self, progress: Progress) -> None:
        """Take note of what begins or ends."""
        with self._lock:
            self.tokens = progress.tokens
            if progress.kind == "started" and progress.what != "step":
                self._flying[progress.path] = (line(progress.label, 60), ticks_us())
                if progress.what == "wait":
                    self._waits.add(progress.path)
            elif progress.kind == "note":
                self.word, self._about = line(progress.label, 200), progress.path
            elif progress.span is not None:
                self._end(progress, progress.span)

    def _end(self, progress: Progress, span: Span) -> None:
        if span.status == "ok" and progress.path == self._about:
            self.word = ""  # what was told of it has come right
        if span.kind == "step":
            self.steps += span.status != "skipped"
            self.retries += span.attempt > 1
            return
        self.turns += span.kind == "model" and span.status == "ok" and span.purpose in ("work", "repair")
        self.tools += span.kind == "tool" and span.attempt == 1 and span.status != "rejected"
        label = self._flying.pop(progress.path, (line(progress.label or progress.what, 60), 0))[0]
        if span.kind != "epoch":
            self.retries += span.attempt > 1
            self._ended.append((label, span))

    def lines(self, look: Look) -> list[str]:
        """The view as it is now: what ended last, what is in flight, the figures."""
        with self._lock:
            present = ticks_us()
            ended = [self._ended_row(look, label, span) for label, span in self._ended]
            flying = [
                self._row(
                    look,
                    look.paint("‖" if path in self._waits else "▸", "cyan"),
                    label,
                    (_where(path),),
                    present - since,
                )
                for path, (label, since) in list(self._flying.items())[:_KEPT]
            ]
            more = len(self._flying) - len(flying)
            if more > 0:
                flying.append(look.dim(f"    and {more:,} more"))
            word = [f"  {look.paint(cut(self.word, look.width - 4), 'yellow')}"] if self.word else []
            return [*ended, *flying, *word, self._figures(look, present)]

    def _ended_row(self, look: Look, label: str, span: Span) -> str:
        sign = look.paint("✓", "green") if span.status == "ok" else span_sign(look, span_state(span))
        attempt = f"try {span.attempt}" if span.attempt > 1 else ""
        return self._row(look, sign, label, (_where(span.path), attempt, line(span.error_code or "")), span.duration_us)

    def _row(self, look: Look, sign: str, label: str, more: tuple[str, ...], took_us: int) -> str:
        """What it is, dimmer where and how it went, and how long it took."""
        room = min(60, look.width - 18)
        told = cut("  ".join(part for part in (label, joined(more)) if part), room)
        name, rest = (label, told[len(label) :]) if told.startswith(label) else (told, "")
        space = " " * (room - width(told))
        return f"  {sign} {name}{look.dim(rest)}{space} {look.dim(pad(duration(took_us), 10, is_right=True))}"

    def _figures(self, look: Look, present: int) -> str:
        elapsed = present - self.began_us
        spinner = look.paint(_SPINNER[elapsed // 100_000 % len(_SPINNER)], "cyan")
        facts = joined(
            (
                many(self.steps, "step") if self.steps else "",
                many(self.turns, "turn") if self.turns else "",
                many(self.tools, "tool") if self.tools else "",
                many(self.retries, "retry", "retries") if self.retries else "",
                f"{count(self.tokens)} tokens" if self.tokens else "",
                duration(elapsed),
            )
        )
        title = cut(self.title, max(8, look.width - len(facts) - 5))
        return f"{spinner} {look.paint(title, 'bold')} · {facts}"


def _where(path: str) -> str:
    """The steps, turn, item or branch that it happens in."""
    return line(words(path.split("/")[:-1]), 120)


class Screen:
    """The board on a terminal, drawn ten times a second."""

    def __init__(self, title: str, look: Look) -> None:
        """Draw nothing yet."""
        self._board = Board(title=title)
        self._look = look
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        from rich.console import Console  # 0.1 s: only when somebody watches
        from rich.live import Live

        console = Console(stderr=True, highlight=False, no_color=not self._look.has_colour)
        self._live = Live(console=console, transient=True, refresh_per_second=_PER_SECOND, get_renderable=self._drawn)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe what was drawn."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, progress: Progress) -> None:
        """Take note of what begins or ends."""
        self._board.watch(progress)

    def say(self, text: str) -> None:
        """Show a word above the figures."""
        self._board.word = text

    def _drawn(self) -> Text:
        from rich.text import Text  # loaded with the rest of rich

        return Text.from_ansi("\n".join(self._board.lines(self._look)), no_wrap=True, overflow="crop")


class Quiet:
    """No view: words go to stderr as they come."""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def watch(self, progress: Progress) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """Say it on stderr."""
        from trackrecord.cli import terminal

        terminal.tell(text)
