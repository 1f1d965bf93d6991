"""Recording: one span and one checkpoint per attempt, whatever came of it, with no secret in either."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.context.kit import (
    NOW,
    SECRET,
    USED,
    Outside,
    clocked,
    failed,
    gave,
    journal_of,
    live,
    model,
    tool,
)

from trackrecord.canonical import loads
from trackrecord.context.effect import Effect, EffectFailed, Outcome
from trackrecord.context.live_run import LiveRun, Progress
from trackrecord.context.recording import recording
from trackrecord.errors import StoreError
from trackrecord.record.pricing import Priced
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage

MASKED = "[redacted]"


async def tried(run: LiveRun, effect: Effect, answer: Outcome | BaseException) -> Outcome | None:
    """One recorded attempt; None when it failed."""
    try:
        return await recording(run, Outside(answer))(effect)
    except EffectFailed:
        return None


def only_span(run: LiveRun) -> Span:
    [span] = journal_of(run).spans
    return span


# ------------------------------------------------------------------------------------------------------ what is stored


async def test_the_span_of_a_tool_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where, what, when since the epoch began, how long, what it gave: all of it measured, nothing else filled in."""
    clock = clocked(monkeypatch)
    run = live(epoch=3, began_us=clock.us)

    async def call(effect: Effect) -> Outcome:
        clock.us += 250
        return gave(["a", "b"], success=True, items=2, attributes={"result": "kept"})

    clock.us += 40
    await recording(run, call)(tool(attempt=2, attributes={"arguments": "{}"}))
    expected = Span(
        path="turn:1/call:1/tool",
        attempt=2,
        kind="tool",
        status="ok",
        epoch=3,
        start_us=40,
        duration_us=250,
        plugin="mail",
        action="send",
        success=True,
        items=2,
        attributes={"arguments": "{}", "result": "kept"},
    )
    assert expected == only_span(run)


async def test_the_span_of_a_model_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model attempt keeps purpose, provider, both names of the model, and its token figures."""
    clock = clocked(monkeypatch)
    run = live(began_us=clock.us)
    await recording(run, Outside(gave(usage=USED, responded_model="small-2")))(model(purpose="repair"))
    expected = Span(
        path="turn:1/model",
        kind="model",
        status="ok",
        epoch=1,
        start_us=0,
        duration_us=0,
        purpose="repair",
        provider="scripted",
        model="small",
        responded_model="small-2",
        usage=USED,
    )
    assert expected == only_span(run)


@pytest.mark.parametrize(
    ("effect", "answer", "state"),
    [
        (tool("read"), gave({"a": 1}), '{"value":{"a":1}}'),
        (tool("unsafe"), gave(None), '{"value":null}'),
        (model(), gave("hello", usage=USED), '{"value":"hello"}'),
    ],
    ids=["read", "unsafe", "model"],
)
async def test_the_checkpoint_of_a_success(effect: Effect, answer: Outcome, state: str) -> None:
    """What a resume needs: the same path, attempt, kind, class, hash and name, and the value as canonical text."""
    run = live(epoch=2)
    await tried(run, effect, answer)
    checkpoint = journal_of(run).checkpoints[-1]
    assert (effect.path, 1, "done", effect.kind, effect.effect, "asked", 2, effect.subject, state) == (
        checkpoint.path,
        checkpoint.attempt,
        checkpoint.state,
        checkpoint.kind,
        checkpoint.effect,
        checkpoint.request_hash,
        checkpoint.epoch,
        checkpoint.subject,
        checkpoint.outcome,
    )


async def test_the_checkpoint_of_a_failure() -> None:
    """A failed attempt is done as well: its checkpoint has the failure, so that it can be raised again."""
    run = live()
    await tried(run, tool(), failed("no", cause="timeout", is_transient=True))
    outcome = loads(journal_of(run).checkpoints[-1].outcome or "")
    assert {
        "error": {
            "message": "no",
            "code": "tool_failed",
            "cause": "timeout",
            "is_transient": True,
            "was_sent": True,
            "is_unknown": False,
        }
    } == outcome


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (tool("read"), ["done"]),
        (tool("keyed"), ["started", "done"]),
        (tool("unsafe"), ["started", "done"]),
        (model(), ["started", "done"]),
    ],
    ids=["read", "keyed", "unsafe", "model"],
)
@pytest.mark.parametrize("answer", [gave(), failed()], ids=["success", "failure"])
async def test_what_must_not_be_lost_has_a_marker(
    effect: Effect, expected: list[str], answer: Outcome | BaseException
) -> None:
    """Model calls, keyed and unsafe effects leave a marker before they begin; a read does not need one."""
    run = live()
    await tried(run, effect, answer)
    checkpoints = journal_of(run).checkpoints
    assert expected == [one.state for one in checkpoints]
    assert {(effect.path, 1, "asked")} == {(one.path, one.attempt, one.request_hash) for one in checkpoints}
    assert [None] * (len(expected) - 1) == [one.outcome for one in checkpoints[:-1]]
    assert len({one.start_us for one in checkpoints}) == 1


# ------------------------------------------------------------------------------------------------------ how it ended

FAILURES: dict[str, tuple[Effect, EffectFailed, dict[str, Any]]] = {
    "a tool's own failure": (tool(), failed("no"), {"status": "failed", "success": False}),
    "a tool that ran out of time": (
        tool(),
        failed("no", status="timed_out", cause="timeout"),
        {"status": "timed_out", "success": None},
    ),
    "an unsafe call nobody knows of": (
        tool("unsafe"),
        failed("no", status="unknown", is_unknown=True),
        {"status": "unknown", "success": None},
    ),
    "a model that reported nothing": (
        model(),
        failed("no", code="model_failed"),
        {"status": "failed", "success": None, "usage": UNKNOWN},
    ),
    "a model that reported its use": (
        model(),
        failed("no", code="provider_bad_response", usage=USED),
        {"status": "failed", "usage": USED},
    ),
    "a model that ran out of time": (
        model(),
        failed("no", code="provider_unavailable", status="timed_out"),
        {"status": "timed_out", "usage": UNKNOWN},
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failed_attempt_is_measured_too(name: str) -> None:
    """Its span says how it ended, why, and what it used as far as that is known; the engine hears of the failure."""
    effect, failure, expected = FAILURES[name]
    run = live()
    with pytest.raises(EffectFailed) as raised:
        await recording(run, Outside(failure))(effect)
    assert failure is raised.value
    span = only_span(run)
    assert expected == {field: getattr(span, field) for field in expected}
    assert (failure.code, "no") == (span.error_code, span.error_message)


async def test_a_failed_attempt_is_described_as_a_successful_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where, what, when and how long, who was asked and for what: a failure has all of it."""
    clock = clocked(monkeypatch)
    run = live(began_us=clock.us)

    async def fail(effect: Effect) -> Outcome:
        clock.us += 250
        raise failed("no", code="model_failed")

    for effect in (model(purpose="memory"), tool(attributes={"arguments": "{}"})):
        clock.us += 40
        with pytest.raises(EffectFailed):
            await recording(run, fail)(effect)
    asked, called = journal_of(run).spans
    assert (40, 250, "memory", "scripted", "small", None) == (
        asked.start_us,
        asked.duration_us,
        asked.purpose,
        asked.provider,
        asked.model,
        asked.plugin,
    )
    assert (330, 250, "mail", "send", {"arguments": "{}"}, None) == (
        called.start_us,
        called.duration_us,
        called.plugin,
        called.action,
        called.attributes,
        called.usage,
    )


@pytest.mark.parametrize(
    ("effect", "status", "usage"),
    [
        (tool("read"), "cancelled", None),
        (tool("keyed"), "cancelled", None),
        (tool("unsafe"), "unknown", None),
        (model(), "cancelled", UNKNOWN),
    ],
    ids=["read", "keyed", "unsafe", "model"],
)
async def test_a_cancelled_attempt_is_closed(effect: Effect, status: str, usage: Usage | None) -> None:
    """What is in flight when a run is cancelled gets its span: of an unsafe effect nobody knows, nor of tokens."""
    run = live()
    is_under_way = asyncio.Event()

    async def hang(effect: Effect) -> Outcome:
        is_under_way.set()
        await asyncio.sleep(60)
        return gave()

    task = asyncio.ensure_future(recording(run, hang)(effect))
    await is_under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    span = only_span(run)
    assert (status, usage, None, None) == (span.status, span.usage, span.error_code, span.success)
    assert "done" not in [one.state for one in journal_of(run).checkpoints]


async def test_the_run_s_figures_count_every_attempt() -> None:
    """The tally has each span as it is written: calls, tokens, and that one of them did not say."""
    run = live()
    for turn, answer in enumerate([gave(usage=USED), failed(), failed(usage=USED)], 1):
        await tried(run, model(path=f"turn:{turn}/model"), answer)
    measures = run.tally.measures()
    assert (3, 220, 1, False) == (
        measures.model_calls_count,
        measures.tokens.total,
        measures.iterations_count,
        measures.usage_complete,
    )


# -------------------------------------------------------------------------------------------------------------- money


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (gave(usage=USED), "small"),
        (gave(usage=USED, responded_model="small-2"), "small-2"),
        (failed(usage=USED), "small"),
    ],
    ids=["as asked for", "as answered", "a failure that reported its use"],
)
async def test_every_attempt_that_says_what_it_used_is_priced(
    monkeypatch: pytest.MonkeyPatch, answer: Outcome | BaseException, named: str
) -> None:
    """A price is looked up by the model that answered, at the run's own time; a failed attempt costs money as well."""
    asked: list[tuple[str, str, Usage, datetime]] = []

    def price(provider: str, name: str, usage: Usage, at: datetime) -> Priced:
        asked.append((provider, name, usage, at))
        return Priced(cost_nanos=1_500, cost_usd=Decimal("0.0000015"))

    monkeypatch.setattr("trackrecord.context.recording.price", price)
    run = live()
    await tried(run, model(), answer)
    span = only_span(run)
    assert (1_500, "0.0000015") == (span.cost_nanos, span.cost_usd)
    assert [("scripted", named, USED, NOW)] == asked
    assert 1_500 == run.tally.known_cost_nanos


@pytest.mark.parametrize(
    ("effect", "answer"),
    [(tool(), gave()), (model(), gave(usage=USED)), (model(), failed())],
    ids=["a tool", "a script", "a failure"],
)
async def test_what_has_no_price_costs_nothing_known(effect: Effect, answer: Outcome | BaseException) -> None:
    """A tool has no price, a script has none, and unknown tokens have none: unknown, never 0."""
    run = live()
    await tried(run, effect, answer)
    assert (None, None) == (only_span(run).cost_nanos, only_span(run).cost_usd)


# ------------------------------------------------------------------------------------------------------------ secrets


async def test_no_secret_in_a_value() -> None:
    """The engine receives just what is stored: the value without the secret, wherever in it that was."""
    run = live()
    value = {"key": SECRET, SECRET: [f"Bearer {SECRET}"], "n": 1}
    outcome = await recording(run, Outside(gave(value)))(tool())
    expected = {"key": MASKED, MASKED: [f"Bearer {MASKED}"], "n": 1}
    assert expected == outcome.value == loads(outcome.text)
    assert f'{{"value":{outcome.text}}}' == journal_of(run).checkpoints[-1].outcome


async def test_what_only_looks_like_a_key_reaches_the_engine() -> None:
    """Only secrets that are known are taken out of values: a token a tool was asked for is no use masked."""
    value = "sk-abcdefghijklmnopqrstuvwx"
    outcome = await recording(live(), Outside(gave(value)))(tool())
    assert value == outcome.value


@pytest.mark.parametrize("words", [SECRET, "sk-abcdefghijklmnopqrstuvwx", f"token={SECRET}&x=1"])
async def test_no_secret_in_an_error(words: str) -> None:
    """Neither span nor checkpoint nor the engine's error has it, nor anything of the shape of a key."""
    run = live()
    with pytest.raises(EffectFailed) as raised:
        await recording(run, Outside(failed(f"refused: {words}")))(tool())
    shown = (str(only_span(run).error_message), str(journal_of(run).checkpoints[-1].outcome), raised.value.message)
    assert [] == [text for text in shown if "correct-horse" in text or "sk-abc" in text]
    assert [] == [text for text in shown if MASKED not in text]


async def test_an_error_is_of_readable_length() -> None:
    """Whatever a tool says of its failure, what is stored of it can be read."""
    run = live()
    await tried(run, tool(), failed("x" * 100_000 + "\x00"))
    message = only_span(run).error_message or ""
    assert message.startswith("x" * 2_000 + "…")
    assert len(message) < 2_100


# --------------------------------------------------------------------------------------------- faults and whoever looks


async def test_a_result_that_cannot_be_stored_stops_the_run() -> None:
    """When the journal fails, the engine does not go on as if the result were kept."""
    run = live()
    journal_of(run).failure = StoreError("disk full")
    with pytest.raises(StoreError, match="disk full"):
        await recording(run, Outside())(tool("unsafe"))


async def test_a_fault_of_ours_leaves_the_run_s_clock_right() -> None:
    """Whatever leaves an attempt, it is no longer in flight afterwards."""
    run = live()
    with pytest.raises(ZeroDivisionError):
        await recording(run, Outside(ZeroDivisionError()))(tool())
    assert 0 == run.in_flight


@pytest.mark.parametrize(("kind", "expected"), [("wait", 0), ("child", 0), ("tool", 1), ("recall", 1)])
async def test_only_a_wait_is_no_work(kind: Any, expected: int) -> None:
    """A wait or a child run keeps nobody from letting go of the run; anything else in flight does."""
    run = live()
    found: list[int] = []

    async def look(effect: Effect) -> Outcome:
        found.append(run.in_flight)
        return gave()

    await recording(run, look)(tool(kind=kind))
    assert [expected] == found
    assert 0 == run.in_flight


async def test_whoever_watches_sees_begin_and_end() -> None:
    """A watcher is told when an effect begins and, with its span, when it has ended."""
    seen: list[Progress] = []
    run = live(watcher=seen.append)
    await recording(run, Outside(gave(usage=USED)))(model())
    assert [("started", "scripted:small", 0), ("finished", "small", 110)] == [
        (one.kind, one.label, one.tokens) for one in seen
    ]
    assert (None, only_span(run)) == (seen[0].span, seen[1].span)
