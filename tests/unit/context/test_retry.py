"""Retries: which failure is worth another attempt, how long until then, and who counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.context.kit import Outside, failed, gave, journal_of, live, model, sleepless, tool

from trackrecord.context.calls import call_model, call_tool
from trackrecord.context.effect import Backoff, EffectFailed, Perform
from trackrecord.context.recording import recording
from trackrecord.context.retry import is_worth_another, pause_s, retrying
from trackrecord.context.timeout import timing_out
from trackrecord.errors import BudgetExceeded
from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest
from trackrecord.plugins.protocol import Action, Invocation, Result, ToolCallFailed
from trackrecord.plugins.registry import Registry

SENT, NOT_SENT, UNANSWERED = {}, {"was_sent": False, "has_response": False}, {"has_response": False}


class Mail:
    """A plugin whose one action fails as told."""

    name = "mail"
    description = "Sends."

    def __init__(self, failure: ToolCallFailed | None) -> None:
        self.actions = {"send": Action(name="send")}
        self.failure = failure

    async def call(self, invocation: Invocation) -> Result:
        if self.failure is None:
            await asyncio.sleep(60)
            return Result()
        raise self.failure


class Voice:
    """A model that fails as told."""

    provider = "scripted"
    name = "small"

    def __init__(self, failure: ModelCallFailed | None) -> None:
        self.failure = failure

    async def request(self, request: ModelRequest) -> ModelReply:
        if self.failure is None:
            await asyncio.sleep(60)
            return ModelReply()
        raise self.failure


def call_of(effect: str, failure: Exception | None) -> Perform:
    """The attempt of a real call that fails so; None takes for ever."""
    if effect == "model":
        assert failure is None or isinstance(failure, ModelCallFailed)
        return call_model(Voice(failure), ModelRequest(model="scripted:small", messages=()))
    assert failure is None or isinstance(failure, ToolCallFailed)
    bound = Registry([Mail(failure)]).find("mail", "send")
    assert bound is not None
    return call_tool(bound, {}, "run:path", 1_000, scrub=str)


# effect class, transient, what happened to the call → attempts, status of each, whether the outcome is unknown
TOOLS = [
    *[(effect, True, how, 3, "failed", False) for effect in ("read", "keyed") for how in (SENT, UNANSWERED, NOT_SENT)],
    *[(effect, False, how, 1, "failed", False) for effect in ("read", "keyed") for how in (SENT, UNANSWERED, NOT_SENT)],
    ("unsafe", True, SENT, 1, "failed", False),
    ("unsafe", True, UNANSWERED, 1, "unknown", True),
    ("unsafe", True, NOT_SENT, 3, "failed", False),
    ("unsafe", False, SENT, 1, "failed", False),
    ("unsafe", False, UNANSWERED, 1, "unknown", True),
    ("unsafe", False, NOT_SENT, 1, "failed", False),
]


@pytest.mark.parametrize(("effect", "is_transient", "sent", "attempts", "status", "is_unknown"), TOOLS)
async def test_a_tool_is_tried_again_by_its_class(
    effect: str, is_transient: bool, sent: dict[str, bool], attempts: int, status: str, is_unknown: bool
) -> None:
    """Passing causes of what may be repeated; what must not happen twice only when it provably never left."""
    run = live()
    perform = call_of(effect, ToolCallFailed("down", is_transient=is_transient, **sent))
    with pytest.raises(EffectFailed, match="down") as raised:
        await retrying(run, recording(run, perform))(tool(effect))
    assert [(attempt, status) for attempt in range(1, attempts + 1)] == [
        (span.attempt, span.status) for span in journal_of(run).spans
    ]
    assert is_unknown is raised.value.is_unknown
    assert attempts - 1 == run.tally.measures().retry_count


@pytest.mark.parametrize("effect", ["read", "keyed", "unsafe"])
async def test_what_a_policy_refused_is_no_call_and_is_never_tried_again(effect: str) -> None:
    """It is recorded as rejected, whatever else the failure says of itself and whichever causes a policy names."""
    run = live()
    failure = ToolCallFailed("no", is_transient=True, was_refused=True, has_response=False, cause="timeout")
    with pytest.raises(EffectFailed, match="no"):
        await retrying(run, recording(run, call_of(effect, failure)))(tool(effect, backoff=Backoff(on=("timeout",))))
    [span] = journal_of(run).spans
    assert ("rejected", "rejected", False) == (span.status, span.error_code, span.success)
    measures = run.tally.measures()
    assert (0, 1, 0) == (measures.tool_calls_count, measures.tool_calls_rejected_count, measures.unknown_count)


@pytest.mark.parametrize(("is_transient", "attempts"), [(True, 3), (False, 1)])
async def test_a_model_is_tried_again_for_passing_causes(is_transient: bool, attempts: int) -> None:
    """A model call may always be repeated; only whether that makes sense decides."""
    run = live()
    perform = call_of("model", ModelCallFailed("down", is_transient=is_transient))
    with pytest.raises(EffectFailed):
        await retrying(run, recording(run, perform))(model())
    assert ["failed"] * attempts == [span.status for span in journal_of(run).spans]


@pytest.mark.parametrize(
    ("effect", "attempts", "status", "is_unknown"),
    [
        (model(), 3, "timed_out", False),
        (tool("read"), 3, "timed_out", False),
        (tool("keyed"), 3, "timed_out", False),
        (tool("unsafe"), 1, "unknown", True),
    ],
    ids=["model", "read", "keyed", "unsafe"],
)
async def test_a_timeout_is_a_passing_cause(effect: Any, attempts: int, status: str, is_unknown: bool) -> None:
    """What gave no answer in time is tried again, but for an unsafe effect: nobody knows whether it had its effect."""
    run = live()
    perform = timing_out(run, call_of("model" if effect.kind == "model" else effect.effect, None))
    with pytest.raises(EffectFailed, match="gave no answer within 5 ms") as raised:
        await retrying(run, recording(run, perform))(replace(effect, timeout_ms=5))
    assert [status] * attempts == [span.status for span in journal_of(run).spans]
    assert is_unknown is raised.value.is_unknown


async def test_the_first_success_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts are numbered from 1, stop with the first success, and the pauses between them grow."""
    pauses = sleepless(monkeypatch)
    perform = Outside(failed(is_transient=True), failed(is_transient=True), gave("at last"))
    backoff = Backoff(max_attempts=5, initial_ms=100, multiplier=3, has_jitter=False)
    outcome = await retrying(live(), perform)(tool(backoff=backoff))
    assert "at last" == outcome.value
    assert [1, 2, 3] == perform.attempts
    assert [0.1, 0.3] == pytest.approx(pauses)


async def test_no_policy_is_one_attempt() -> None:
    """A policy of one attempt tries nothing again, whatever the cause."""
    perform = Outside(failed(is_transient=True))
    with pytest.raises(EffectFailed):
        await retrying(live(), perform)(tool(backoff=Backoff(max_attempts=1)))
    assert [1] == perform.attempts


async def test_an_interrupted_attempt_is_none_of_the_policy_s() -> None:
    """Of an effect whose first attempt a dead process left open, as many attempts may fail as of any other."""
    perform = Outside(failed(is_transient=True))
    with pytest.raises(EffectFailed):
        await retrying(live(), perform)(tool(attempt=2, interrupted_count=1))
    assert [2, 3, 4] == perform.attempts


async def test_an_interrupted_attempt_lengthens_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after the first failure is the first pause, whatever a dead process had begun before."""
    pauses = sleepless(monkeypatch)
    await retrying(live(), Outside(failed(is_transient=True), gave()))(
        tool(attempt=3, interrupted_count=2, backoff=STEADY)
    )
    assert [1.0] == pauses


async def test_other_errors_are_not_tried_again() -> None:
    """What is no failure of an attempt goes on to the engine as it is."""
    perform = Outside(BudgetExceeded("enough"))
    with pytest.raises(BudgetExceeded):
        await retrying(live(), perform)(tool())
    assert [1] == perform.attempts


async def test_a_run_can_be_cancelled_between_two_attempts() -> None:
    """Who waits for the next attempt is not kept waiting when the run ends."""
    perform = Outside(failed(is_transient=True))
    backoff = Backoff(initial_ms=60_000, has_jitter=False)
    task = asyncio.ensure_future(retrying(live(), perform)(tool(backoff=backoff)))
    while not perform.attempts:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [1] == perform.attempts


async def test_whoever_watches_is_told_of_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two attempts a note says which one failed and how long the pause is."""
    sleepless(monkeypatch)
    notes: list[str] = []
    run = live(watcher=lambda progress: notes.append(progress.label))
    perform = Outside(failed(is_transient=True, retry_after_s=2), gave())
    await retrying(run, perform)(tool())
    assert ["attempt 1 failed, trying again in 2.0 s"] == notes


# ------------------------------------------------------------------------------------------------------------- causes


@pytest.mark.parametrize(
    ("on", "cause", "is_transient", "expected"),
    [
        ((), "timeout", True, True),
        ((), "", True, True),
        ((), "500", False, False),
        (("timeout",), "timeout", True, True),
        (("timeout",), "connection", True, False),
        (("timeout", "429"), "429", True, True),
        (("500",), "500", False, True),
        (("500",), "503", True, False),
        (("timeout",), "", True, False),
    ],
)
def test_a_policy_may_name_causes(on: tuple[str, ...], cause: str, is_transient: bool, expected: bool) -> None:
    """Causes that are named are those that are tried again; without any it is whatever passes by itself."""
    failure = failed(cause=cause, is_transient=is_transient)
    assert expected is is_worth_another(tool(backoff=Backoff(on=on)), failure)


def test_no_cause_repeats_what_must_not_happen_twice() -> None:
    """A policy that names the cause does not make an unsafe effect that has left repeatable."""
    effect = tool("unsafe", backoff=Backoff(on=("timeout",)))
    assert not is_worth_another(effect, failed(cause="timeout", is_transient=True))
    assert is_worth_another(effect, failed(cause="timeout", is_transient=True, was_sent=False))


@pytest.mark.parametrize(
    ("attempt", "interrupted", "expected"), [(2, 0, True), (3, 0, False), (4, 1, False), (4, 2, True)]
)
def test_the_policy_counts_attempts(attempt: int, interrupted: int, expected: bool) -> None:
    """Three attempts are three, those that were interrupted left out."""
    effect = tool(attempt=attempt, interrupted_count=interrupted)
    assert expected is is_worth_another(effect, failed(is_transient=True))


# ------------------------------------------------------------------------------------------------------------- pauses

STEADY = Backoff(initial_ms=1_000, multiplier=2, max_ms=30_000, has_jitter=False)


@pytest.mark.parametrize(
    ("tries", "expected"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (50, 30.0), (10**6, 30.0)]
)
def test_pauses_grow_up_to_the_longest(tries: int, expected: float) -> None:
    """Each pause is the one before times the factor, never above the longest, however many there have been."""
    assert expected == pause_s(STEADY, tries, None)


@pytest.mark.parametrize(
    ("asked_s", "expected"), [(0, 0.0), (2.5, 2.5), (59.9, 59.9), (60, 60.0), (10**9, 60.0), (-5, 0.0)]
)
def test_the_other_side_s_word_counts_up_to_a_cap(asked_s: float, expected: float) -> None:
    """A Retry-After is honoured as it is, without jitter, up to a minute; a senseless one is no pause."""
    assert expected == pause_s(replace(STEADY, has_jitter=True), 1, asked_s)


async def test_retry_after_is_what_is_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a provider asks for is what is waited; after a failure without it the policy says how long."""
    pauses = sleepless(monkeypatch)
    answers = (failed(is_transient=True, retry_after_s=7), failed(is_transient=True), gave())
    await retrying(live(), Outside(*answers))(model(backoff=STEADY))
    assert [7, 2.0] == pauses


@given(st.integers(0, 10_000), st.floats(1, 100), st.integers(0, 60_000), st.integers(1, 2_000))
def test_jitter_stays_within_its_bounds(initial_ms: int, multiplier: float, max_ms: int, tries: int) -> None:
    """A jittered pause lies between nothing and what it would be without jitter."""
    policy = Backoff(initial_ms=initial_ms, multiplier=multiplier, max_ms=max_ms)
    assert 0 <= pause_s(policy, tries, None) <= pause_s(replace(policy, has_jitter=False), tries, None) <= max_ms / 1000


@pytest.mark.parametrize("share", [0.0, 0.25, 0.999])
def test_jitter_is_full(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """The whole of a pause is drawn, down to nothing, so that many runs do not knock at one moment."""
    monkeypatch.setattr("trackrecord.context.retry.random.random", lambda: share)
    assert share * 4.0 == pause_s(replace(STEADY, has_jitter=True), 3, None)
