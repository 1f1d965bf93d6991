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
from trackrecord.cli.look import Look, cut, joined, pad
from trackrecord.cli.signs import span_sign
from trackrecord.cli.units import count, duration, many
from trackrecord.clock import ticks_us

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from trackrecord.context.live_run import Progress

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
    tokens: int = 0
    word: str = ""
    _flying: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    _ended: deque[tuple[str, int, str]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _lock: Lock = field(default_factory=Lock)  # drawn by another thread than the run's

    def watch(self, progress: Progress) -> None:
        """Take note of what begins or ends."""
        with self._lock:
            self.tokens = progress.tokens
            if progress.kind == "started" and progress.what != "step":
                self._flying[progress.path] = (line(progress.label, 60), ticks_us())
            elif progress.kind == "note":
                self.word = line(progress.label, 200)
            elif progress.span is not None:
                self._end(progress)

    def _end(self, progress: Progress) -> None:
        span = progress.span
        if span is None:
            return
        if span.kind == "step":
            self.steps += span.status != "skipped"
            return
        self.turns += span.kind == "model" and span.status == "ok" and span.purpose in ("work", "repair")
        self.tools += span.kind == "tool" and span.attempt == 1 and span.status != "rejected"
        label = self._flying.pop(progress.path, (line(progress.label or progress.what, 60), 0))[0]
        if span.kind != "epoch":
            self._ended.append((label, span.duration_us, span.status))

    def lines(self, look: Look) -> list[str]:
        """The view as it is now: what ended last, what is in flight, the figures."""
        with self._lock:
            present = ticks_us()
            ended = [
                self._row(look, span_sign(look, status) if status != "ok" else look.paint("✓", "green"), label, took)
                for label, took, status in self._ended
            ]
            flying = [
                self._row(look, look.paint("▸", "cyan"), label, present - since)
                for label, since in list(self._flying.values())[:_KEPT]
            ]
            more = len(self._flying) - len(flying)
            if more > 0:
                flying.append(look.dim(f"    and {more:,} more"))
            word = [look.paint(cut(self.word, look.width - 4), "yellow")] if self.word else []
            return [*ended, *flying, *word, self._figures(look, present)]

    def _row(self, look: Look, sign: str, label: str, took_us: int) -> str:
        room = min(48, look.width - 18)
        return f"  {sign} {pad(cut(label, room), room)} {look.dim(pad(duration(took_us), 10, is_right=True))}"

    def _figures(self, look: Look, present: int) -> str:
        elapsed = present - self.began_us
        spinner = look.paint(_SPINNER[elapsed // 100_000 % len(_SPINNER)], "cyan")
        facts = joined(
            (
                many(self.steps, "step") if self.steps else "",
                many(self.turns, "turn"),
                many(self.tools, "tool"),
                f"{count(self.tokens)} tokens",
                duration(elapsed),
            )
        )
        title = cut(self.title, max(8, look.width - len(facts) - 5))
        return f"{spinner} {look.paint(title, 'bold')} · {facts}"


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
