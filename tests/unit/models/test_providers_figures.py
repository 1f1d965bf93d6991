"""Usage as each protocol writes it: what input and output include, what is unknown, what makes no sense."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trackrecord.models.providers.figures import Dialect, usage_of
from trackrecord.record.usage import UNKNOWN, Usage

CHAT: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
RESPONSES: dict[str, Any] = {
    "input_tokens": 100,
    "output_tokens": 30,
    "total_tokens": 130,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens_details": {"reasoning_tokens": 20},
}
MESSAGES: dict[str, Any] = {
    "input_tokens": 50,
    "cache_read_input_tokens": 40,
    "cache_creation_input_tokens": 10,
    "output_tokens": 30,
}
GEMINI: dict[str, Any] = {
    "promptTokenCount": 90,
    "toolUsePromptTokenCount": 10,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 130,
}


@pytest.mark.parametrize(
    ("dialect", "raw", "written", "reasoning"),
    [
        ("chat", CHAT, None, 20),
        ("responses", RESPONSES, None, 20),
        ("messages", MESSAGES, 10, None),
        ("gemini", GEMINI, None, 20),
    ],
)
def test_input_includes_the_cache_and_output_the_reasoning(
    dialect: Dialect, raw: dict[str, Any], written: int | None, reasoning: int | None
) -> None:
    """The same reply has the same totals, whatever a protocol counts apart; what it does not say is unknown."""
    expected = Usage(
        input_tokens=100,
        output_tokens=30,
        cache_read_tokens=40,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )
    assert expected == usage_of(dialect, raw)


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages", "gemini"])
def test_no_usage_is_unknown(dialect: Dialect) -> None:
    """A provider that reports nothing, or an empty object, used an unknown amount, never 0."""
    assert UNKNOWN == usage_of(dialect, None)
    assert UNKNOWN == usage_of(dialect, {})


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_a_reported_zero_is_zero(dialect: Dialect) -> None:
    """0 is a figure like any other when the provider writes it."""
    names = {"chat": ("prompt_tokens", "completion_tokens")}.get(dialect, ("input_tokens", "output_tokens"))
    usage = usage_of(dialect, dict.fromkeys(names, 0))
    assert (0, 0, None, "reported") == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.provenance,
    )


@pytest.mark.parametrize("figure", [-1, 10**18, 12.0, 12.5, math.nan, math.inf, "12", True, [12], {"n": 12}])
def test_a_figure_that_makes_no_sense_is_unknown_and_kept_raw(figure: object) -> None:
    """The other figure stays, and the whole object is kept as the provider wrote it."""
    for dialect, raw in (
        ("chat", {"prompt_tokens": 100, "completion_tokens": figure}),
        ("responses", {"input_tokens": 100, "output_tokens": figure}),
        ("messages", {"input_tokens": 100, "output_tokens": figure}),
        ("gemini", {"promptTokenCount": 100, "candidatesTokenCount": figure, "totalTokenCount": 112}),
    ):
        usage = usage_of(dialect, raw)  # type: ignore[arg-type]
        assert (100, None) == (usage.input_tokens, usage.output_tokens)
        assert usage.raw is not None


@pytest.mark.parametrize("part", ["cache_read_input_tokens", "cache_creation_input_tokens"])
def test_a_senseless_part_makes_its_sum_unknown(part: str) -> None:
    """Input without the part that makes no sense would be too small, so that it is unknown."""
    usage = usage_of("messages", MESSAGES | {part: -3})
    assert (None, 30) == (usage.input_tokens, usage.output_tokens)
    assert usage.raw is not None


@pytest.mark.parametrize(("dialect", "raw"), [("chat", CHAT), ("responses", RESPONSES)])
def test_a_total_that_is_not_the_sum_makes_all_unknown(dialect: Dialect, raw: dict[str, Any]) -> None:
    """One of three figures is wrong and nobody can say which."""
    usage = usage_of(dialect, raw | {"total_tokens": 999})
    assert "unknown" == usage.provenance
    assert usage.raw is not None
    assert UNKNOWN == Usage(**{name: getattr(usage, name) for name in USAGE_FIELDS}, provenance="unknown")


USAGE_FIELDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def test_more_cache_than_input_and_more_reasoning_than_output_are_unknown() -> None:
    """A part larger than its whole is no part of it; the whole stays."""
    raw = CHAT | {
        "prompt_tokens_details": {"cached_tokens": 101},
        "completion_tokens_details": {"reasoning_tokens": 31},
    }
    usage = usage_of("chat", raw)
    assert (100, 30, None, None) == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.reasoning_tokens,
    )
    assert usage.raw is not None


def test_reasoning_counted_beside_the_completion_is_added() -> None:
    """Where the total says that reasoning stands beside the completion, output includes it all the same."""
    usage = usage_of("chat", CHAT | {"total_tokens": 150})
    assert (100, 50, 20, None) == (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.raw)


def test_a_missing_candidates_count_is_what_the_total_leaves() -> None:
    """Gemini leaves a zero out; with the total there is nothing to guess, without it the figure is unknown."""
    raw = {"promptTokenCount": 100, "thoughtsTokenCount": 20, "totalTokenCount": 120}
    assert (100, 20) == (usage_of("gemini", raw).input_tokens, usage_of("gemini", raw).output_tokens)
    del raw["totalTokenCount"]
    assert usage_of("gemini", raw).output_tokens is None


@pytest.mark.parametrize(("dialect", "raw"), [("chat", CHAT), ("messages", MESSAGES), ("gemini", GEMINI)])
def test_output_of_a_reply_that_was_cut_is_unknown(dialect: Dialect, raw: dict[str, Any]) -> None:
    """What a stream has said of its output before its end is no figure of its output; its input is known."""
    usage = usage_of(dialect, raw, is_final=False)
    assert (100, None, None, None) == (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.raw)
