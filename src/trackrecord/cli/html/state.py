"""How something ended, as a badge: a sign, a word and a colour, never a colour alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackrecord.cli.html.element import Markup, element
from trackrecord.cli.signs import run_words, span_words

if TYPE_CHECKING:
    from trackrecord.store.asked import StoredQuestion

_MOODS: Final = {
    "ok": "good",
    "completed": "good",
    "retried": "fair",
    "failed": "bad",
    "timed_out": "bad",
    "budget_exceeded": "bad",
    "abandoned": "bad",
    "skipped": "calm",
    "stopped": "calm",
    "queued": "calm",
    "running": "calm",
    "waiting": "calm",
    "differs": "bad",
    "not observed": "bad",
    "other work": "fair",
    "equal": "good",
    "equal by rule": "good",
}
_VERDICTS: Final = {"differs": "✗", "not observed": "?", "other work": "≠", "equal by rule": "≈", "equal": "="}


def mood(status: str) -> str:
    """The class of a state: good, fair, bad or calm; what nobody knows is fair."""
    return _MOODS.get(status, "fair")


def run_badge(status: str, error_code: str | None = None) -> Markup:
    """How a run stands."""
    sign, word = run_words(status, error_code)
    return _badge(sign, word, mood(status))


def span_badge(status: str) -> Markup:
    """How a span ended."""
    sign, word = span_words(status)
    return _badge("✓" if sign == " " else sign, word, mood(status))


def question_badge(one: StoredQuestion) -> Markup:
    """How a question to a person stands."""
    if one.decision is None and not one.is_open:
        return _badge("-", "withdrawn" if one.is_withdrawn else "not answered", "calm")
    if one.decision is None:
        return _badge("?" if one.kind == "unknown_outcome" else "‖", "open", "calm")
    return _badge("✗", one.decision, "bad") if one.decision == "rejected" else _badge("✓", one.decision, "good")


def verdict_badge(verdict: str) -> Markup:
    """A verdict on a field."""
    return _badge(_VERDICTS.get(verdict, "?"), verdict, mood(verdict))


def counted_badge(verdict: str, number: int) -> Markup:
    """How many fields have a verdict; none of them is nothing to be told loudly."""
    return _badge(_VERDICTS.get(verdict, "?"), f"{number:,} {verdict}", mood(verdict) if number else "calm")


def check_badge(is_ok: bool, text: str) -> Markup:
    """A tick or a cross with a text."""
    return _badge("✓" if is_ok else "✗", text, "good" if is_ok else "bad")


def _badge(sign: str, word: str, how: str) -> Markup:
    return element("span", element("span", sign, aria_hidden="true"), f" {word}", class_=f"badge {how}")
