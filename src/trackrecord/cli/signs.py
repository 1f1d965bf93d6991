"""One sign, one word and one colour for every way a run, a step or a call can end. Data, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, Style, wrapped
from trackrecord.record.spans import Span, SpanStatus

SpanState = Literal[SpanStatus, "stopped"]

_RUN: Final[dict[str, tuple[str, str, Style]]] = {
    "completed": ("✓", "completed", "green"),
    "failed": ("✗", "failed", "red"),
    "cancelled": ("■", "cancelled", "yellow"),
    "timed_out": ("✗", "timed out", "red"),
    "budget_exceeded": ("✗", "over budget", "red"),
    "abandoned": ("✗", "abandoned", "red"),
    "interrupted_unknown_outcome": ("?", "outcome unknown", "yellow"),
    "queued": ("·", "queued", "dim"),
    "running": ("▸", "running", "cyan"),
    "waiting": ("‖", "waiting", "cyan"),
}
_SPAN: Final[dict[str, tuple[str, str, Style]]] = {
    "ok": (" ", "ok", "green"),
    "failed": ("✗", "failed", "red"),
    "tolerated": ("~", "failed, tolerated", "yellow"),
    "stopped": ("□", "stopped, another was first", "dim"),
    "skipped": ("-", "skipped", "dim"),
    "rejected": ("!", "rejected, never called", "yellow"),
    "cancelled": ("■", "cancelled", "yellow"),
    "timed_out": ("⧖", "timed out", "red"),
    "interrupted": ("↯", "interrupted: its process died", "yellow"),
    "parked": ("‖", "waited, held by no process", "cyan"),
    "unknown": ("?", "outcome unknown", "yellow"),
    "retried": ("↻", "ok after a retry", "yellow"),
}
_UNKNOWN: Final[tuple[str, str, Style]] = ("?", "?", "yellow")
STATUSES: Final = tuple(_RUN)


def run_state(look: Look, status: str, error_code: str | None = None) -> str:
    """How a run stands, like `✓ completed` or `✗ tool_failed`: the cause says more than `failed`."""
    sign, word = run_words(status, error_code)
    return f"{look.paint(sign, run_style(status))} {word}"


def run_style(status: str) -> Style:
    """The colour of a run's state."""
    return _RUN[status][2] if status in _RUN else "yellow"


def run_words(status: str, error_code: str | None = None) -> tuple[str, str]:
    """The sign and the word of how a run stands, not painted."""
    sign, word, _ = _RUN.get(status, ("?", line(status, 20), "yellow"))
    return sign, line(error_code, 40) if status == "failed" and error_code else word


def span_state(span: Span) -> SpanState:
    """How a span is shown to have ended: its status, but a step that only lost a race was `stopped`."""
    return "stopped" if span.has_lost else span.status


def span_sign(look: Look, status: str) -> str:
    """One column that says how a span ended; blank when it did what it should."""
    sign, _, style = _SPAN.get(status, _UNKNOWN)
    return look.paint(sign, style) if sign != " " else sign


def span_words(status: str) -> tuple[str, str]:
    """The sign and the words of how a span ended; the sign of what did what it should is a space."""
    sign, word, _ = _SPAN.get(status, ("?", line(status, 20), "yellow"))
    return sign, word


def span_style(status: str) -> Style:
    """The colour of a span's bar."""
    return "cyan" if status in ("ok", "retried") else _SPAN.get(status, _UNKNOWN)[2]


def legend(look: Look, statuses: Iterable[str]) -> list[str]:
    """What the signs of these statuses mean, each once, in one order; nothing when all went well."""
    used = frozenset(statuses)
    told = [f"{sign} {word}" for status, (sign, word, _) in _SPAN.items() if status in used and sign != " "]
    return [look.dim(text) for text in wrapped(told, columns=look.width)]


def mark(look: Look, is_ok: bool) -> str:
    """A tick or a cross."""
    return look.paint("✓", "green") if is_ok else look.paint("✗", "red")
