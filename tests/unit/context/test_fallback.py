"""Models in place of one that cannot be had: each attempt a row at the same path, a resumed run where it was."""

from __future__ import annotations

import pytest
from tests.unit.context.kit import Outside, done, failed, gave, journal_of, live, marker, model, never, sleepless

from trackrecord.context.effect import Alternative, Backoff, Effect, EffectFailed, Perform
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.recording import recording
from trackrecord.context.replay import replaying
from trackrecord.context.retry import retrying

AWAY = failed("away", code="provider_unavailable", is_transient=True)
TWICE = Backoff(max_attempts=2, initial_ms=0)


def chained(backoff: Backoff = TWICE) -> Effect:
    """A call of `small`, then `large`, then `last`."""
    others = [Alternative(perform=never, provider="scripted", model=name) for name in ("large", "last")]
    return model(backoff=backoff, alternatives=tuple(others))


def asked(outside: Outside) -> list[tuple[int, str | None]]:
    return [(effect.attempt, effect.model) for effect in outside.asked]


def chain(run: LiveRun, perform: Perform) -> Perform:
    return replaying(run, retrying(run, recording(run, perform)))


def resumed(*checkpoints: Checkpoint) -> LiveRun:
    run = live(epoch=2)
    run.resume((), checkpoints)
    return run


async def test_each_model_has_its_tries_and_each_try_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts go on counting from model to model; every span has the model that was asked."""
    pauses = sleepless(monkeypatch)
    outside = Outside(AWAY, AWAY, AWAY, gave("hi"))
    run = live()
    outcome = await retrying(run, recording(run, outside))(chained())
    assert "hi" == outcome.value
    expected = [(1, "small", "failed"), (2, "small", "failed"), (3, "large", "failed"), (4, "large", "ok")]
    assert expected == [(span.attempt, span.model, span.status) for span in journal_of(run).spans]
    assert 2 == len(pauses)


async def test_when_no_model_can_be_had_the_last_failure_is_the_cause() -> None:
    """A chain that is used up fails like a single model."""
    outside = Outside(AWAY)
    with pytest.raises(EffectFailed, match="away"):
        await retrying(live(), outside)(chained(Backoff(max_attempts=1)))
    assert [(1, "small"), (2, "large"), (3, "last")] == asked(outside)


@pytest.mark.parametrize("code", ["model_failed", "provider_bad_response"])
async def test_what_lies_with_the_request_goes_to_no_other_model(code: str) -> None:
    """A refused request, or an answer that cannot be read, is no reason to ask somebody else."""
    outside = Outside(failed("no", code=code))
    with pytest.raises(EffectFailed, match="no"):
        await retrying(live(), outside)(chained())
    assert [(1, "small")] == asked(outside)


async def test_a_resumed_run_goes_on_with_the_model_it_had_come_to() -> None:
    """What earlier models did is not done again, and does not count against the tries of the one that is on."""
    first, second = chained(), chained().instead(after=2)
    assert second is not None
    past = [done(first, AWAY.stored(), 1), done(first, AWAY.stored(), 2), done(second, AWAY.stored(), 3)]
    outside = Outside(AWAY, gave("hi"))
    assert "hi" == (await chain(resumed(*past), outside)(chained())).value
    assert [(4, "large"), (5, "last")] == asked(outside)


async def test_a_resumed_run_goes_on_to_the_next_model() -> None:
    """A model whose tries were used up when the process died is not asked again."""
    past = [done(chained(), AWAY.stored(), attempt) for attempt in (1, 2)]
    outside = Outside(gave("hi"))
    await chain(resumed(*past), outside)(chained())
    assert [(3, "large")] == asked(outside)


async def test_an_attempt_that_was_in_flight_is_tried_again_with_the_same_model() -> None:
    """A killed process says nothing against the model it was asking."""
    second = chained().instead(after=2)
    assert second is not None
    past = [*(done(chained(), AWAY.stored(), attempt) for attempt in (1, 2)), marker(second, 3)]
    outside = Outside(AWAY, gave("hi"))
    await chain(resumed(*past), outside)(chained())
    assert [(4, "large"), (5, "large")] == asked(outside)


async def test_the_answer_of_another_model_is_replayed() -> None:
    """An answer that is stored is the answer, whichever model gave it."""
    second = chained().instead(after=1)
    assert second is not None
    past = [done(chained(), AWAY.stored(), 1), done(second, '{"value":"hi"}', 2)]
    assert "hi" == (await chain(resumed(*past), never)(chained())).value
