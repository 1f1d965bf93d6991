"""One sign, one word and one colour for every way a run, a step or a call can end. Data, and how it is written."""

from __future__ import annotations

from typing import Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, Style

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
_SPAN: Final[dict[str, tuple[str, Style]]] = {
    "ok": (" ", "green"),
    "failed": ("✗", "red"),
    "tolerated": ("~", "yellow"),
    "skipped": ("-", "dim"),
    "rejected": ("!", "yellow"),
    "cancelled": ("■", "yellow"),
    "timed_out": ("✗", "red"),
    "interrupted": ("?", "yellow"),
    "unknown": ("?", "yellow"),
}
STATUSES: Final = tuple(_RUN)


def run_state(look: Look, status: str, error_code: str | None = None) -> str:
    """How a run stands, like `✓ completed` or `✗ tool_failed`: the cause says more than `failed`."""
    sign, word, style = _RUN.get(status, ("?", line(status, 20), "yellow"))
    return f"{look.paint(sign, style)} {line(error_code, 40) if status == 'failed' and error_code else word}"


def span_sign(look: Look, status: str) -> str:
    """One column that says how a span ended; blank when it did what it should."""
    sign, style = _SPAN.get(status, ("?", "yellow"))
    return look.paint(sign, style) if sign != " " else sign


def span_style(status: str) -> Style:
    """The colour of a span's bar."""
    return "cyan" if status == "ok" else _SPAN.get(status, ("?", "yellow"))[1]


def mark(look: Look, is_ok: bool) -> str:
    """A tick or a cross."""
    return look.paint("✓", "green") if is_ok else look.paint("✗", "red")
