"""Usage of a provider whose wire is not watched, as pydantic-ai tells it. Pure."""

from __future__ import annotations

from pydantic_ai.usage import RequestUsage

from trackrecord.record.usage import UNKNOWN, Usage


def usage_reported(usage: RequestUsage) -> Usage:
    """The usage pydantic-ai read: its totals include cache and reasoning already.

    It writes 0 where a provider said nothing of a part, so that a part of 0 is unknown; nothing at all is unknown too.
    """
    if usage.unmeasured_requests or not (usage.input_tokens or usage.output_tokens):
        return UNKNOWN
    reasoning = usage.output_reasoning_tokens or usage.details.get("reasoning_tokens")
    return Usage(
        input_tokens=usage.input_tokens or None,
        output_tokens=usage.output_tokens or None,
        cache_read_tokens=usage.cache_read_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
        reasoning_tokens=reasoning or None,
    )
