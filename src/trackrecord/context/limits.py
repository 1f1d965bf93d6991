"""Limits and cancellation, checked before each attempt: tokens, cost, credits, spans, a person's wish to stop.

The check is made on the event loop's one thread, so that between it and the call nothing else can spend: the
overshoot is at most one call per branch in flight.
"""

from __future__ import annotations

from trackrecord.context.effect import Effect, Outcome, Perform
from trackrecord.context.live_run import LiveRun
from trackrecord.errors import BudgetExceeded, LimitReached
from trackrecord.record.credits import tokens_of

NANOS_PER_USD = 1_000_000_000


def limiting(run: LiveRun, proceed: Perform) -> Perform:
    """Refuse an attempt the run may no longer afford."""
    limits = run.limits
    most_nanos = None if limits.max_cost_usd is None else int(limits.max_cost_usd * NANOS_PER_USD)
    most_paid = None if run.held is None else tokens_of(run.held)

    async def limit(effect: Effect) -> Outcome:
        run.check_cancelled()
        if run.is_draining:
            await run.wait(effect.path, "handover")
        if run.tally.span_count >= limits.max_spans:
            raise span_limit(limits.max_spans, effect.path)
        if effect.kind == "model":
            _check_budget(run, effect, most_nanos)
            if most_paid is not None and run.tally.known_tokens >= most_paid:
                raise _credits_used_up(run, effect)
        return await proceed(effect)

    return limit


def span_limit(most: int, path: str) -> LimitReached:
    """The end of a run that has made as many spans as it may."""
    return LimitReached(
        f"the run has made {most:,} spans, all that limits.max_spans allows",
        cure="Raise limits.max_spans, or do less in one run.",
        path=path,
    )


def _check_budget(run: LiveRun, effect: Effect, most_nanos: int | None) -> None:
    used, most = run.tally.known_tokens, run.limits.max_tokens_per_run
    if used >= most:
        raise BudgetExceeded(
            f"the run has used {used:,} of at most {most:,} tokens (limits.max_tokens_per_run)",
            cure="Raise limits.max_tokens_per_run, or give the agent less to do.",
            path=effect.path,
        )
    if most_nanos is not None and run.tally.known_cost_nanos >= most_nanos:
        raise BudgetExceeded(
            f"the run has cost ${run.tally.known_cost_nanos / NANOS_PER_USD:.4f} of at most ${run.limits.max_cost_usd}"
            " (limits.max_cost_usd)",
            code="cost_limit",
            cure="Raise limits.max_cost_usd, or give the agent less to do.",
            path=effect.path,
        )


def _credits_used_up(run: LiveRun, effect: Effect) -> BudgetExceeded:
    return BudgetExceeded(
        f"the run has used {run.tally.known_tokens:,} tokens, all that its held credits ({run.held:,}) pay for",
        code="credits",
        cure="Grant the user more credits, or give the agent less to do.",
        path=effect.path,
    )
