"""The time one attempt may take. Innermost wrapper; what runs out becomes a failure of the attempt, never of us."""

from __future__ import annotations

import asyncio

from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun


def timing_out(run: LiveRun, proceed: Perform) -> Perform:
    """End an attempt that takes longer than its `timeout_ms`."""
    del run  # every wrapper is given the run; this one needs nothing of it

    async def limit_time(effect: Effect) -> Outcome:
        if effect.timeout_ms is None:
            return await proceed(effect)
        timer = asyncio.timeout(effect.timeout_ms / 1000)
        try:
            async with timer:
                return await proceed(effect)
        except TimeoutError:
            if not timer.expired():
                raise
            raise _ran_out(effect) from None

    return limit_time


def _ran_out(effect: Effect) -> EffectFailed:
    what = effect.model if effect.kind == "model" else effect.subject or effect.kind
    is_open = effect.effect == "unsafe"
    return EffectFailed(
        f"{what} gave no answer within {effect.timeout_ms} ms",
        code="provider_unavailable" if effect.kind == "model" else "tool_failed",
        cause="timeout",
        is_transient=True,
        is_unknown=is_open,
        status="unknown" if is_open else "timed_out",
    )
