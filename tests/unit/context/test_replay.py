"""Replay: what an earlier epoch did is not done again, what it left open is closed once, what differs ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.context.kit import (
    USED,
    Outside,
    done,
    failed,
    gave,
    journal_of,
    live,
    marker,
    model,
    never,
    tool,
)

from trackrecord.context.effect import Backoff, Effect, EffectFailed, Perform, restore_failure
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.recording import recording
from trackrecord.context.replay import replaying
from trackrecord.context.retry import retrying
from trackrecord.errors import NonDeterministic
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN

VALUE = '{"value":{"rows":[1,2]}}'


def resumed(*checkpoints: Checkpoint, spans: Sequence[Span] = ()) -> LiveRun:
    """A run in its second epoch that finds these in the journal."""
    run = live(epoch=2)
    run.resume(spans, checkpoints)
    return run


def chain(run: LiveRun, perform: Perform) -> Perform:
    """What replay stands before: retries, each attempt recorded."""
    return replaying(run, retrying(run, recording(run, perform)))


def failure(**fields: Any) -> str:
    """The stored outcome of an attempt that failed."""
    return failed("it broke", **fields).stored()


# ------------------------------------------------------------------------------------------------------------ answers


async def test_a_first_epoch_replays_nothing() -> None:
    """Where nothing is stored, the effect is done as it is."""
    outside = Outside(gave([1]))
    assert [1] == (await replaying(live(), outside)(tool())).value
    assert [tool()] == outside.asked


async def test_a_stored_value_is_the_answer() -> None:
    """An effect whose end is stored is answered with that value, and neither done nor recorded again."""
    run = resumed(done(tool(), VALUE))
    outcome = await replaying(run, never)(tool())
    assert ({"rows": [1, 2]}, '{"rows":[1,2]}') == (outcome.value, outcome.text)
    assert ([], []) == (journal_of(run).spans, journal_of(run).checkpoints)


@pytest.mark.parametrize("value", ["null", "0", '""', "[]", "false"])
async def test_a_stored_nothing_is_a_value_too(value: str) -> None:
    """Whatever the value is: stored is stored."""
    outcome = await replaying(resumed(done(tool(), f'{{"value":{value}}}')), never)(tool())
    assert value == outcome.text


async def test_only_the_effect_s_own_past_counts() -> None:
    """What is stored of one path is no answer to another."""
    run = resumed(done(tool(), VALUE))
    outside = Outside(gave("fresh"))
    outcome = await replaying(run, outside)(tool(path="turn:1/call:2/tool"))
    assert "fresh" == outcome.value


async def test_the_attempt_that_succeeded_is_the_answer() -> None:
    """After stored failures comes the stored success, in whatever order the journal gives them."""
    run = resumed(done(tool(), VALUE, attempt=2), done(tool(), failure(is_transient=True)))
    assert {"rows": [1, 2]} == (await replaying(run, never)(tool())).value


# ----------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("effect", "fields"),
    [
        (tool(), {}),
        (tool("keyed"), {"is_transient": False, "cause": "500"}),
        (tool("unsafe"), {"is_transient": True}),
        (tool("unsafe"), {"is_transient": True, "is_unknown": True, "cause": "timeout"}),
        (model(), {"code": "provider_bad_response"}),
        (tool(backoff=Backoff(max_attempts=1)), {"is_transient": True}),
        (tool(backoff=Backoff(on=("timeout",))), {"is_transient": True, "cause": "connection"}),
    ],
)
async def test_a_stored_failure_is_raised_again(effect: Effect, fields: dict[str, Any]) -> None:
    """What was not worth another attempt then is not worth one now: the engine gets the very same failure."""
    stored = failure(**fields)
    run = resumed(done(effect, stored))
    with pytest.raises(EffectFailed, match=r"^it broke$") as raised:
        await chain(run, never)(effect)
    assert stored == raised.value.stored()
    assert [] == journal_of(run).spans


@pytest.mark.parametrize("effect", [tool(), tool("keyed"), model()])
async def test_a_stored_failure_goes_on_at_the_next_attempt(effect: Effect) -> None:
    """What would have been tried again when the process died is tried again, as the attempt it would have been."""
    outside = Outside(gave("better"))
    run = resumed(done(effect, failure(is_transient=True)))
    assert "better" == (await chain(run, outside)(effect)).value
    assert [2] == outside.attempts
    assert [("ok", 2)] == [(span.status, span.attempt) for span in journal_of(run).spans]


async def test_stored_attempts_count_towards_the_policy() -> None:
    """Two failures are stored and a third comes: the policy of three is used up."""
    outside = Outside(failed(is_transient=True))
    run = resumed(*(done(tool(), failure(is_transient=True), attempt) for attempt in (1, 2)))
    with pytest.raises(EffectFailed):
        await chain(run, outside)(tool())
    assert [3] == outside.attempts


async def test_a_policy_that_is_used_up_tries_nothing_more() -> None:
    """Three stored failures are three: the last one is raised."""
    run = resumed(*(done(tool(), failure(is_transient=True), attempt) for attempt in (1, 2, 3)))
    with pytest.raises(EffectFailed, match="it broke"):
        await chain(run, never)(tool())


def test_a_failure_survives_storing() -> None:
    """Everything a retry policy and an engine ask of a failure comes back from its checkpoint."""
    from trackrecord.canonical import loads

    given = failed("no", cause="429", is_transient=True, was_sent=False, is_unknown=True)
    stored = loads(given.stored())
    assert isinstance(stored, dict)
    back = restore_failure(stored["error"])  # type: ignore[arg-type]  # an object, as `stored` writes it
    asked = ("message", "code", "cause", "is_transient", "was_sent", "is_unknown")
    assert [getattr(given, name) for name in asked] == [getattr(back, name) for name in asked]


# ------------------------------------------------------------------------------------------------------- interruptions


@pytest.mark.parametrize("effect", [tool("keyed"), model()], ids=["tool", "model"])
async def test_an_attempt_left_open_is_interrupted_and_done_again(effect: Effect) -> None:
    """What a dead process had begun becomes one span of its own epoch, and the next attempt is no retry."""
    outside = Outside(gave("again"))
    run = resumed(marker(effect))
    assert "again" == (await chain(run, outside)(effect)).value
    lost, made = journal_of(run).spans
    assert ("interrupted", 1, 1, 7, 0) == (lost.status, lost.attempt, lost.epoch, lost.start_us, lost.duration_us)
    assert ("ok", 2, 2) == (made.status, made.attempt, made.epoch)
    assert (lost.kind, lost.purpose) == (effect.kind, effect.purpose)
    measures = run.tally.measures()
    assert (1, 0, 0) == (measures.interruptions_count, measures.retry_count, measures.unknown_count)


async def test_what_an_interrupted_model_call_used_is_unknown() -> None:
    """Nobody knows the tokens of a call whose process died: they are unknown, never 0, and the sum says so."""
    run = resumed(marker(model()))
    await chain(run, Outside(gave(usage=USED)))(model())
    lost, _ = journal_of(run).spans
    assert (UNKNOWN, "scripted", "small", "work") == (lost.usage, lost.provider, lost.model, lost.purpose)
    measures = run.tally.measures()
    assert (2, 110, False) == (measures.model_calls_count, measures.tokens.total, measures.usage_complete)


async def test_an_unsafe_attempt_left_open_is_unknown_and_not_done_again() -> None:
    """It may have had its effect: its span says unknown, and the engine is told so instead of a second call."""
    effect = tool("unsafe")
    run = resumed(marker(effect))
    with pytest.raises(EffectFailed, match=r"mail\.send was interrupted and may have had its effect") as raised:
        await chain(run, never)(effect)
    assert (True, "tool_failed") == (raised.value.is_unknown, raised.value.code)
    assert [("unknown", 1)] == [(span.status, span.attempt) for span in journal_of(run).spans]
    assert (1, 0) == (run.tally.measures().unknown_count, run.tally.measures().interruptions_count)


async def test_an_unsafe_retry_left_open_is_unknown_too() -> None:
    """The first attempt provably never left, the second was in flight: nobody knows, so there is no third."""
    effect = tool("unsafe")
    run = resumed(done(effect, failure(is_transient=True, was_sent=False)), marker(effect, attempt=2))
    with pytest.raises(EffectFailed) as raised:
        await chain(run, never)(effect)
    assert raised.value.is_unknown


async def test_an_interruption_leaves_the_policy_its_attempts() -> None:
    """One failure is stored and one attempt was interrupted: two more may fail, and one of them is a retry for it."""
    effect = tool("keyed")
    outside = Outside(failed(is_transient=True))
    stored = Span(path=effect.path, kind="tool", status="failed", epoch=1, start_us=0, duration_us=1)
    run = resumed(done(effect, failure(is_transient=True)), marker(effect, attempt=2), spans=[stored])
    with pytest.raises(EffectFailed):
        await chain(run, outside)(effect)
    assert [3, 4] == outside.attempts
    measures = run.tally.measures()
    assert (1, 2) == (measures.interruptions_count, measures.retry_count)


async def test_an_interruption_is_recorded_once() -> None:
    """A third epoch that finds the span of the interruption stored neither counts nor stores it again."""
    effect = tool("keyed")
    second = resumed(marker(effect))
    await chain(second, Outside(gave("again")))(effect)
    stored = journal_of(second).spans
    third = resumed(marker(effect), *journal_of(second).checkpoints[1:], spans=stored)
    assert "again" == (await chain(third, never)(effect)).value
    assert [] == journal_of(third).spans
    assert second.tally.measures() == third.tally.measures()


async def test_two_interruptions_are_two() -> None:
    """Each epoch that dies over the same effect leaves its own span; none of the attempts is a retry."""
    effect = tool("keyed")
    run = resumed(marker(effect), marker(effect, attempt=2, epoch=2))
    await chain(run, Outside(gave()))(effect)
    assert [("interrupted", 1), ("interrupted", 2), ("ok", 3)] == [
        (span.status, span.attempt) for span in journal_of(run).spans
    ]
    assert (2, 0) == (run.tally.measures().interruptions_count, run.tally.measures().retry_count)


# ---------------------------------------------------------------------------------------------------- what is different


@pytest.mark.parametrize(
    "stored",
    [
        done(tool(), VALUE, request_hash="something else"),
        done(tool(), VALUE, kind="model"),
        marker(tool(), request_hash="something else"),
        marker(tool(), kind="wait"),
        done(tool(), failure(), request_hash="something else"),
    ],
    ids=["hash", "kind", "marker's hash", "marker's kind", "failure's hash"],
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_another_question_ends_the_run(stored: Checkpoint, is_first: bool) -> None:
    """At a path where something else was asked before, nothing is answered, done or recorded."""
    past = [stored, done(tool(), VALUE, attempt=2)]
    run = resumed(*(past if is_first else reversed(past)))
    with pytest.raises(NonDeterministic, match=r"asks for another tool at 'turn:1/call:1/tool'") as raised:
        await replaying(run, never)(tool())
    assert ("turn:1/call:1/tool", "non_deterministic", "failed") == (
        raised.value.path,
        raised.value.code,
        raised.value.status,
    )
    assert [] == journal_of(run).spans


# --------------------------------------------------------------------------------------------------------- stored spans


async def test_a_stored_span_is_dropped_before_the_fold() -> None:
    """A read effect that is repeated because its checkpoint was lost is not counted a second time."""
    first = live()
    await recording(first, Outside(gave(items=2, success=True)))(tool())
    [span] = journal_of(first).spans
    run = resumed(spans=[span])
    outside = Outside(gave())
    await chain(run, outside)(tool())
    assert [1] == outside.attempts
    assert [] == journal_of(run).spans
    assert first.tally.measures() == run.tally.measures()


async def test_what_is_not_stored_is_counted() -> None:
    """Another attempt or another path of the same kind is a span of its own."""
    span = Span(path=tool().path, kind="tool", status="ok", epoch=1, start_us=0, duration_us=1)
    run = resumed(spans=[span])
    run.write(replace(span, attempt=2))
    run.write(replace(span, path="turn:1/call:2/tool"))
    assert 2 == len(journal_of(run).spans)
    assert 3 == run.tally.measures().span_count
