"""Summary: one run told in a few words for the runs after it, by rule, or around a model's words. Pure. Step 6 of 9.

Two engines that did the same work leave the same summary: no engine, no path and no time is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal

from trackrecord.errors import TerminalStatus
from trackrecord.memory.entries import clamp_importance
from trackrecord.sealed import sealed

MAX_CHARACTERS: Final = 400
_MAX_TOOLS: Final = 4
_MAX_TOOL_NAME: Final = 32
_MAX_ERROR: Final = 140

_STATUS_WORDS: Final[dict[TerminalStatus, str]] = {
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Was cancelled",
    "timed_out": "Ran out of time",
    "budget_exceeded": "Ran out of budget",
    "abandoned": "Was abandoned",
    "interrupted_unknown_outcome": "Ended with a call whose outcome is unknown",
}


@sealed
class RunFacts:
    """What a summary is made of; every text is redacted already.

    Attributes:
        status: terminal state.
        error_code, error_message: cause of the ending; None when it completed.
        turns: successful model replies for work.
        tool_calls: calls really made, by `plugin.action`.
        failed_tool_calls: how many of them failed or ended unknown.
        tolerated_steps: steps that failed and were tolerated; none that was stopped because another was first.
        tokens: known total; None when unknown.
        answer: beginning of the answer as text; None when there was none or it may not be kept.
        is_first_run: whether it is the agent's first.
        has_pattern: whether the run remembered a pattern.
        has_feedback: whether a person gave feedback on it.
    """

    status: TerminalStatus
    error_code: str | None = None
    error_message: str | None = None
    turns: int = 0
    tool_calls: Mapping[str, int] = field(default_factory=dict[str, int])
    failed_tool_calls: int = 0
    tolerated_steps: int = 0
    tokens: int | None = None
    answer: str | None = None
    is_first_run: bool = False
    has_pattern: bool = False
    has_feedback: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether it completed and nothing failed on the way."""
        return self.status == "completed" and self.failed_tool_calls == 0 and self.tolerated_steps == 0


@sealed
class Summary:
    """A memory of one run, not stored yet.

    Attributes:
        text: at most 400 characters on one line.
        importance: 1-10.
    """

    text: str
    importance: int
    kind: Literal["summary"] = "summary"


def summarise(facts: RunFacts, told: str | None = None) -> Summary:
    """What the next run should know of this one; with what a model `told` of it, that follows how it ended.

    How a run ended is said by rule whoever tells the rest: no model can turn a failure into a success.
    """
    if told is not None:
        return Summary(text=_shorten(f"{_ending(facts)} {told}", MAX_CHARACTERS), importance=importance(facts))
    parts = [_ending(facts), _work(facts), _trouble(facts)]
    text = " ".join(part for part in parts if part)
    if facts.answer is not None and facts.answer.strip():
        text += f" Answer: {facts.answer}"
    return Summary(text=_shorten(text, MAX_CHARACTERS), importance=importance(facts))


def importance(facts: RunFacts) -> int:
    """1-10: 5, +2 when it did not complete, +2 pattern, +3 feedback, +2 first run, -1 clean success."""
    score = 5
    score += 2 if facts.status != "completed" else 0
    score += 2 if facts.has_pattern else 0
    score += 3 if facts.has_feedback else 0
    score += 2 if facts.is_first_run else 0
    score -= 1 if facts.is_clean else 0
    return clamp_importance(score)


def _ending(facts: RunFacts) -> str:
    words = _STATUS_WORDS[facts.status]
    if facts.error_code:
        words += f" ({facts.error_code})"
    if facts.error_message:
        return f"{words}: {_shorten(facts.error_message, _MAX_ERROR).rstrip('.')}."
    return f"{words}."


def _work(facts: RunFacts) -> str:
    tokens = "tokens unknown" if facts.tokens is None else _counted(facts.tokens, "token")
    return f"{_counted(facts.turns, 'turn')}, {_tools(facts.tool_calls)}, {tokens}."


def _tools(calls: Mapping[str, int]) -> str:
    if not calls:
        return "no tools"
    by_use = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{_shorten(name, _MAX_TOOL_NAME)} x{count}" for name, count in by_use[:_MAX_TOOLS])
    rest = len(by_use) - _MAX_TOOLS
    return f"tools {listed}" + (f" and {rest} more" if rest > 0 else "")


def _trouble(facts: RunFacts) -> str:
    troubles: list[str] = []
    if facts.failed_tool_calls:
        troubles.append(f"{_counted(facts.failed_tool_calls, 'tool call')} failed")
    if facts.tolerated_steps:
        troubles.append(f"{_counted(facts.tolerated_steps, 'failed step')} tolerated")
    return f"{', '.join(troubles)}." if troubles else ""


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shorten(text: str, limit: int) -> str:
    line = " ".join(text[: limit * 4].split())  # bounded before splitting: an answer may be a megabyte
    if len(line) <= limit and len(text) <= limit * 4:
        return line
    return f"{line[: limit - 1]}…"
