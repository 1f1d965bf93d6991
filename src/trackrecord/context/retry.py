"""Retries: here and nowhere below. Another attempt of the same path, each with its own span.

Model calls, `read` and `keyed` effects are tried again for transient causes; an `unsafe` one only when it provably
never left. A model that cannot be had is followed by the next one of its chain, at the same path.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from trackrecord.context.effect import Backoff, Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun


def retrying(run: LiveRun, proceed: Perform) -> Perform:
    """Try until it succeeds, is not worth another attempt, or the policy is used up."""

    async def retry(effect: Effect) -> Outcome:
        while True:
            try:
                return await proceed(effect)
            except EffectFailed as failure:
                if not is_worth_another(effect, failure):
                    other = another_model(effect, failure)
                    if other is None:
                        raise
                    run.note(effect.path, f"{effect.subject} cannot be had, asking {other.subject}")
                    effect = other
                    continue
                wait_s = pause_s(effect.backoff, effect.attempt - effect.interrupted_count, failure.retry_after_s)
            run.note(effect.path, f"attempt {effect.attempt} failed, trying again in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)
            effect = replace(effect, attempt=effect.attempt + 1)

    return retry


def is_worth_another(effect: Effect, failure: EffectFailed) -> bool:
    """Whether the policy allows another attempt after this failure."""
    if effect.attempt - effect.interrupted_count >= effect.backoff.max_attempts or failure.status == "rejected":
        return False
    if effect.effect == "unsafe" and failure.was_sent:
        return False
    causes = effect.backoff.on
    return failure.cause in causes if causes else failure.is_transient


def another_model(effect: Effect, failure: EffectFailed) -> Effect | None:
    """The same request to the next model, when this one has failed for good for a cause that lies with it."""
    return effect.instead(after=effect.attempt) if failure.is_transient else None


def pause_s(backoff: Backoff, tries: int, retry_after_s: float | None) -> float:
    """Seconds to wait after try `tries`: the other side's word up to a cap, else exponential with full jitter."""
    if retry_after_s is not None:
        return min(max(0.0, retry_after_s), backoff.retry_after_cap_ms / 1000)
    try:
        ceiling_ms = min(backoff.initial_ms * backoff.multiplier ** (tries - 1), backoff.max_ms)
    except OverflowError:
        ceiling_ms = backoff.max_ms
    # not for secrets: spreads retries so that many runs do not knock at the same moment
    share = random.random() if backoff.has_jitter else 1.0  # noqa: S311
    return share * ceiling_ms / 1000
