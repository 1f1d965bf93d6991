"""Token figures as each provider's protocol writes them, read into one Usage. Pure.

Owns what a provider's own words mean: whether input includes the cache, whether output includes reasoning. Never
guesses: what is missing stays None, and what makes no sense is kept raw and unknown. Part of step 4 of the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from trackrecord.canonical import cut, dumps
from trackrecord.record.usage import MAX_RAW_CHARACTERS, UNKNOWN, Usage, read

Dialect = Literal["chat", "responses", "messages", "gemini"]
Raw = dict[str, object]


@dataclass(slots=True)
class _Reading:
    """Figures out of one usage object; remembers whether any of them made no sense."""

    raw: Raw
    is_senseless: bool = field(default=False)

    def figure(self, *path: str) -> int | None:
        """The figure at a path like `prompt_tokens_details`, `cached_tokens`; None when it is not there."""
        value: object = self.raw
        for name in path:
            if not isinstance(value, dict):
                self.is_senseless |= value is not None
                return None
            value = _member(cast("dict[Any, Any]", value), name)
        if value is None:
            return None
        known = read(value)
        self.is_senseless |= known is None
        return known

    def together(self, needed: str, part: str) -> int | None:
        """A figure and a part counted beside it; None when the figure is missing or either makes no sense."""
        before, self.is_senseless = self.is_senseless, False
        figure, beside = self.figure(needed), self.figure(part)
        whole = None if figure is None or self.is_senseless else _sum(figure, beside)
        self.is_senseless |= before
        return whole


def _member(holder: dict[Any, Any], name: str) -> object:
    return holder.get(name)


def usage_of(dialect: Dialect, raw: Raw | None, *, is_final: bool = True) -> Usage:
    """The usage of one reply, input with cache reads and writes, output with reasoning.

    Args:
        dialect: the protocol it was written in.
        raw: the provider's usage object; None when there was none.
        is_final: whether the reply ended; figures of output from before its end are no figures.
    """
    if raw is None:
        return UNKNOWN
    reading = _Reading(raw)
    usage, total = _READERS[dialect](reading)
    if not is_final:
        usage, total = replace(usage, output_tokens=None, reasoning_tokens=None), None
    checked = _consistent(usage, total)
    if reading.is_senseless or checked != usage:
        checked = replace(checked, raw=cut(dumps(dict(raw)), MAX_RAW_CHARACTERS))
    is_known = checked.input_tokens is not None or checked.output_tokens is not None
    return checked if is_known else replace(UNKNOWN, raw=checked.raw)


def _consistent(usage: Usage, total: int | None) -> Usage:
    """The same usage without the figures that contradict each other."""
    known, made = usage.input_tokens, usage.output_tokens
    if total is not None and known is not None and made is not None and total != known + made:
        return UNKNOWN  # one of the three is wrong, and nobody can say which
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    if cached and (known is None or cached > known):
        usage = replace(usage, cache_read_tokens=None, cache_write_tokens=None)
    if usage.reasoning_tokens and (made is None or usage.reasoning_tokens > made):
        usage = replace(usage, reasoning_tokens=None)
    return usage


def _sum(*figures: int | None) -> int:
    return sum(figure or 0 for figure in figures)


def _chat(reading: _Reading) -> tuple[Usage, int | None]:
    """Chat Completions (OpenAI, Groq, compatible servers): both totals include their parts."""
    known, made = reading.figure("prompt_tokens"), reading.figure("completion_tokens")
    reasoning = reading.figure("completion_tokens_details", "reasoning_tokens")
    total = reading.figure("total_tokens")
    if reasoning and total is not None and total == _sum(known, made, reasoning):
        made = _sum(made, reasoning)  # xAI counts reasoning beside the completion, and says so by the total
    usage = Usage(
        input_tokens=known,
        output_tokens=made,
        cache_read_tokens=reading.figure("prompt_tokens_details", "cached_tokens"),
        cache_write_tokens=reading.figure("prompt_tokens_details", "cache_write_tokens"),
        reasoning_tokens=reasoning,
    )
    return usage, total


def _responses(reading: _Reading) -> tuple[Usage, int | None]:
    """OpenAI Responses: both totals include their parts."""
    usage = Usage(
        input_tokens=reading.figure("input_tokens"),
        output_tokens=reading.figure("output_tokens"),
        cache_read_tokens=reading.figure("input_tokens_details", "cached_tokens"),
        cache_write_tokens=reading.figure("input_tokens_details", "cache_write_tokens"),
        reasoning_tokens=reading.figure("output_tokens_details", "reasoning_tokens"),
    )
    return usage, reading.figure("total_tokens")


def _messages(reading: _Reading) -> tuple[Usage, int | None]:
    """Anthropic Messages: input excludes the cache, output includes thinking, and there is no total."""
    fresh = reading.figure("input_tokens")
    cache_read, cache_write = (
        reading.figure("cache_read_input_tokens"),
        reading.figure("cache_creation_input_tokens"),
    )
    # a part that makes no sense would be missing from the sum
    is_known = fresh is not None and not reading.is_senseless
    usage = Usage(
        input_tokens=_sum(fresh, cache_read, cache_write) if is_known else None,
        output_tokens=reading.figure("output_tokens"),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reading.figure("output_tokens_details", "thinking_tokens"),
    )
    return usage, None


def _gemini(reading: _Reading) -> tuple[Usage, int | None]:
    """Gemini: the prompt includes the cache but not tool results of its own; candidates exclude thoughts.

    A figure of zero is left out by the server; where the total is there, it says what the missing one is.
    """
    known = reading.together("promptTokenCount", "toolUsePromptTokenCount")
    made = reading.together("candidatesTokenCount", "thoughtsTokenCount")
    thoughts, total = reading.figure("thoughtsTokenCount"), reading.figure("totalTokenCount")
    if made is None and known is not None and total is not None and not reading.is_senseless and total >= known:
        made = total - known
    usage = Usage(
        input_tokens=known,
        output_tokens=made,
        cache_read_tokens=reading.figure("cachedContentTokenCount"),
        reasoning_tokens=thoughts,
    )
    return usage, total


_READERS: Final[Mapping[Dialect, Callable[[_Reading], tuple[Usage, int | None]]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
}
