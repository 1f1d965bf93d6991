"""Limits: what a run may no longer afford is refused before it is tried, and cancelling comes first."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.context.kit import USED, Outside, failed, gave, journal_of, live, model, tool

from trackrecord.agent import Limits
from trackrecord.context.effect import Effect, EffectFailed, Outcome
from trackrecord.context.limits import limiting
from trackrecord.context.live_run import LiveRun
from trackrecord.context.recording import recording
from trackrecord.context.retry import retrying
from trackrecord.errors import BudgetExceeded, Cancelled, LimitReached, RunError
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage


def spent(
    tokens: int = 0, cost_nanos: int | None = None, spans: int = 1, held: int | None = None, **limits: Any
) -> LiveRun:
    """A run that has used so much already."""
    run = live(limits=Limits(**limits), held=held)
    usage = Usage(input_tokens=tokens, output_tokens=0)
    for turn in range(spans):
        made: dict[str, Any] = {"usage": usage, "cost_nanos": cost_nanos} if turn == 0 else {}
        kind: Any = "model" if turn == 0 else "step"
        span = Span(path=f"past:{turn}", kind=kind, status="ok", epoch=1, start_us=0, duration_us=0, **made)
        run.tally.add(span)
    return run


ALLOWED: dict[str, tuple[dict[str, Any], Effect]] = {
    "below the tokens": ({"tokens": 99, "max_tokens_per_run": 100}, model()),
    "no tokens for a tool": ({"tokens": 100, "max_tokens_per_run": 100}, tool()),
    "below the cost": ({"cost_nanos": 999_999_999, "max_cost_usd": Decimal(1)}, model()),
    "no limit of cost": ({"cost_nanos": 10**12}, model()),
    "cost unknown": ({"cost_nanos": None, "max_cost_usd": Decimal("0.01")}, model()),
    "no cost for a tool": ({"cost_nanos": 10**9, "max_cost_usd": Decimal(1)}, tool()),
    "below the held credits": ({"tokens": 1_999, "held": 2}, model()),
    "no credits held": ({"tokens": 199_999}, model()),
    "no credits for a tool": ({"tokens": 2_000, "held": 2}, tool()),
    "below the spans": ({"spans": 2, "max_spans": 3}, tool()),
}
REFUSED: dict[str, tuple[dict[str, Any], Effect, type[RunError], str, str]] = {
    "credits": ({"tokens": 2_000, "held": 2}, model(), BudgetExceeded, "credits", "all that its held credits"),
    "tokens before credits": (
        {"tokens": 2_000, "held": 2, "max_tokens_per_run": 2_000},
        model(),
        BudgetExceeded,
        "token_limit",
        "used 2,000 of at most 2,000",
    ),
    "tokens": (
        {"tokens": 100, "max_tokens_per_run": 100},
        model(),
        BudgetExceeded,
        "token_limit",
        "used 100 of at most 100",
    ),
    "more tokens": (
        {"tokens": 1_500, "max_tokens_per_run": 1_000},
        model(),
        BudgetExceeded,
        "token_limit",
        "used 1,500 of at most 1,000 tokens",
    ),
    "cost": (
        {"cost_nanos": 1_250_000_000, "max_cost_usd": Decimal("1.25")},
        model(),
        BudgetExceeded,
        "cost_limit",
        r"cost \$1\.2500 of at most \$1\.25",
    ),
    "no cost at all": ({"max_cost_usd": Decimal(0)}, model(), BudgetExceeded, "cost_limit", r"of at most \$0"),
    "spans, model": (
        {"spans": 3, "max_spans": 3},
        model(),
        LimitReached,
        "limit_reached",
        "3 spans, all that",
    ),
    "spans, tool": (
        {"spans": 4, "max_spans": 3},
        tool(),
        LimitReached,
        "limit_reached",
        "3 spans, all that",
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_is_affordable_is_tried(name: str) -> None:
    """An attempt goes ahead while every figure is below its limit; tools use no tokens, so those do not stop them."""
    given, effect = ALLOWED[name]
    outside = Outside()
    await limiting(spent(**given), outside)(effect)
    assert [effect] == outside.asked


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_is_refused_before_it_leaves(name: str) -> None:
    """At a limit the attempt is not made, nothing of it is recorded, and the error names place, figure and limit."""
    given, effect, error, code, words = REFUSED[name]
    run, outside = spent(**given), Outside()
    with pytest.raises(error, match=words) as raised:
        await limiting(run, recording(run, outside))(effect)
    assert (code, effect.path) == (raised.value.code, raised.value.path)
    assert ([], [], []) == (outside.asked, journal_of(run).spans, journal_of(run).checkpoints)


async def test_each_attempt_is_checked() -> None:
    """A failed attempt that used up the tokens is the last one, though the policy would allow more."""
    run = live(limits=Limits(max_tokens_per_run=100))
    outside = Outside(failed(is_transient=True, usage=Usage(input_tokens=100, output_tokens=0)))
    with pytest.raises(BudgetExceeded):
        await retrying(run, limiting(run, recording(run, outside)))(model())
    assert [1] == outside.attempts
    assert 100 == run.tally.known_tokens


async def test_cancelling_is_seen_before_each_attempt() -> None:
    """A run that is being cancelled starts nothing more, not even another attempt; that cause wins over any limit."""
    run = live(limits=Limits(max_tokens_per_run=1, max_spans=1))

    async def cancel(effect: Effect) -> Outcome:
        run.cancel_code = "user"
        raise failed(is_transient=True, usage=USED)

    with pytest.raises(Cancelled) as raised:
        await retrying(run, limiting(run, recording(run, cancel)))(model())
    assert "user" == raised.value.code
    assert [("failed", 1)] == [(span.status, span.attempt) for span in journal_of(run).spans]


@pytest.mark.parametrize("branches", [1, 2, 8])
async def test_parallel_branches_overshoot_by_one_call_each(branches: int) -> None:
    """However many branches spend at once, at the limit each finishes what it has in flight and begins nothing."""
    run = live(limits=Limits(max_tokens_per_run=1_000))

    async def call(effect: Effect) -> Outcome:
        await asyncio.sleep(0)
        return gave(usage=Usage(input_tokens=70, output_tokens=0))

    perform = limiting(run, recording(run, call))

    async def branch(number: int) -> None:
        for turn in range(1_000):
            await perform(model(path=f"b:{number}/turn:{turn}/model"))

    ended = await asyncio.gather(*(branch(number) for number in range(branches)), return_exceptions=True)
    assert [BudgetExceeded] * branches == [type(error) for error in ended]
    assert 1_000 <= run.tally.known_tokens < 1_000 + branches * 70


async def test_what_is_unknown_stops_nobody() -> None:
    """Calls that report no usage cannot reach a token limit; they are recorded as unknown."""
    run = live(limits=Limits(max_tokens_per_run=1))
    perform = limiting(run, recording(run, Outside(gave(usage=UNKNOWN))))
    for turn in range(3):
        await perform(model(path=f"turn:{turn}/model"))
    assert (None, 3) == (run.tally.measures().tokens.total, run.tally.measures().iterations_count)


async def test_the_failure_of_an_attempt_is_none_of_ours() -> None:
    """A limit that is not reached changes nothing about how an attempt ends."""
    with pytest.raises(EffectFailed, match="no"):
        await limiting(live(), Outside(failed()))(tool())
