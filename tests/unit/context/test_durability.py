"""Durability: what is committed before an effect leaves, and who waits for it. Proven by the order of events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.context.kit import USED, Journal, Outside, failed, gave, live, model, sleepless, tool

from trackrecord.canonical import loads
from trackrecord.context.effect import Effect, EffectFailed, Outcome
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.recording import recording
from trackrecord.context.replay import replaying
from trackrecord.context.retry import retrying
from trackrecord.errors import Conflict, StoreError
from trackrecord.record.spans import Span

READ, KEYED, UNSAFE, MODEL = tool("read"), tool("keyed"), tool("unsafe"), model()
OK, BAD = gave(usage=USED), failed("no")

# durability, effect, what comes of it → everything that happens, in order
ORDERS = {
    ("sync", "read", "ok"): (READ, OK, "called, span ok, done"),
    ("sync", "read", "failed"): (READ, BAD, "called, span failed, done"),
    ("sync", "keyed", "ok"): (KEYED, OK, "started, committed, called, span ok, done"),
    ("sync", "keyed", "failed"): (KEYED, BAD, "started, committed, called, span failed, done"),
    ("sync", "model", "ok"): (MODEL, OK, "started, committed, called, span ok, done"),
    ("sync", "model", "failed"): (MODEL, BAD, "started, committed, called, span failed, done"),
    ("sync", "unsafe", "ok"): (UNSAFE, OK, "started, committed, called, span ok, done, committed"),
    ("sync", "unsafe", "failed"): (UNSAFE, BAD, "started, committed, called, span failed, done, committed"),
    ("async", "read", "ok"): (READ, OK, "called, span ok, done"),
    ("async", "read", "failed"): (READ, BAD, "called, span failed, done"),
    ("async", "keyed", "ok"): (KEYED, OK, "started, called, span ok, done"),
    ("async", "keyed", "failed"): (KEYED, BAD, "started, called, span failed, done"),
    ("async", "model", "ok"): (MODEL, OK, "started, called, span ok, done"),
    ("async", "model", "failed"): (MODEL, BAD, "started, called, span failed, done"),
    ("async", "unsafe", "ok"): (UNSAFE, OK, "started, committed, called, span ok, done, committed"),
    ("async", "unsafe", "failed"): (UNSAFE, BAD, "started, committed, called, span failed, done, committed"),
}


@pytest.mark.parametrize("case", ORDERS, ids="-".join)
async def test_the_order_of_events(case: tuple[str, str, str]) -> None:
    """Under sync a marker is committed before its effect leaves; under async only an unsafe effect waits, twice."""
    effect, answer, expected = ORDERS[case]
    events: list[str] = []
    run = live(Journal(events), is_sync=case[0] == "sync")
    outside = Outside(answer, events=events)
    try:
        await recording(run, outside)(effect)
    except EffectFailed:
        events.append("raised")
    assert expected.split(", ") + ["raised"] * (answer is BAD) == events


@pytest.mark.parametrize("effect", [KEYED, UNSAFE, MODEL], ids=["keyed", "unsafe", "model"])
async def test_one_commit_holds_all_that_came_before(effect: Effect) -> None:
    """When an effect leaves under sync, every earlier result and its own marker are durable."""
    journal = Journal()
    run = live(journal)
    await recording(run, Outside())(tool(path="turn:1/call:1/tool"))
    found: list[list[tuple[str, str]]] = []

    async def look(asked: Effect) -> Outcome:
        found.append([(one.path, one.state) for one in journal.stored])
        return gave()

    await recording(run, look)(tool("keyed", path="turn:1/call:2/tool") if effect is not MODEL else MODEL)
    assert [[("turn:1/call:1/tool", "done"), (found[0][1][0], "started")]] == found


@pytest.mark.parametrize("effect", [KEYED, UNSAFE, MODEL], ids=["keyed", "unsafe", "model"])
async def test_each_attempt_has_its_own_marker(monkeypatch: pytest.MonkeyPatch, effect: Effect) -> None:
    """A retry leaves only after the failure before it and its own marker are committed."""
    sleepless(monkeypatch)
    journal = Journal()
    run = live(journal)
    found: list[list[tuple[int, str]]] = []

    async def look(asked: Effect) -> Outcome:
        found.append([(one.attempt, one.state) for one in journal.stored])
        if asked.attempt == 1:
            raise failed(is_transient=True, was_sent=False)
        return gave()

    await retrying(run, recording(run, look))(effect)
    assert [[(1, "started")], [(1, "started"), (1, "done"), (2, "started")]] == found


@pytest.mark.parametrize("effect", [KEYED, UNSAFE, MODEL], ids=["keyed", "unsafe", "model"])
@pytest.mark.parametrize("error", [StoreError("disk full"), Conflict("held by epoch 2")], ids=["full", "taken over"])
async def test_what_cannot_be_marked_does_not_leave(effect: Effect, error: Exception) -> None:
    """When the marker cannot be committed, or another epoch holds the run, the effect is not carried out."""
    journal = Journal()
    journal.failure = error
    outside = Outside()
    with pytest.raises(type(error), match=str(error)):
        await recording(live(journal), outside)(effect)
    assert ([], [], ["started", "done"]) == (outside.asked, journal.spans, journal.events)


async def test_a_run_that_is_far_ahead_waits_for_its_journal() -> None:
    """A result that may be repeated is not waited for, unless too many of them are on their way."""
    journal = Journal()
    record = recording(live(journal), Outside())
    await record(READ)
    assert ["done", "committed"] != journal.events[-2:]
    journal.is_behind = True
    await record(READ)
    assert ["done", "committed"] == journal.events[-2:]


class Broken(Journal):
    """A journal that has failed before: it keeps what it is given and says so."""

    def append(self, span: Span | None, checkpoint: Checkpoint | None) -> None:
        super().append(span, checkpoint)
        raise StoreError("disk full")


async def test_what_cannot_even_be_noted_does_not_leave() -> None:
    """When the journal takes nothing more, the engine hears why, and what it keeps for the finish is closed."""
    journal, outside = Broken(), Outside()
    with pytest.raises(StoreError, match="disk full"):
        await recording(live(journal), outside)(UNSAFE)
    assert ([], ["started", "done"]) == (outside.asked, journal.events)


@pytest.mark.parametrize("effect", [KEYED, UNSAFE, MODEL], ids=["keyed", "unsafe", "model"])
async def test_who_is_cancelled_before_it_leaves_calls_nothing(effect: Effect) -> None:
    """Cancelled while its marker is committed, an effect has not begun: no call, no span, nothing left open."""
    journal, outside = Journal(), Outside()
    run = live(journal)
    task = asyncio.ensure_future(recording(run, outside)(effect))
    while not journal.checkpoints:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ([], ["started", "done"], 0) == (outside.asked, journal.events, run.tally.span_count)
    stored: Any = loads(journal.checkpoints[-1].outcome or "")
    code = "model_failed" if effect is MODEL else "tool_failed"
    assert (code, False, True) == tuple(stored["error"][name] for name in ("code", "was_sent", "is_transient"))
    again = live(epoch=2)
    again.resume((), [journal.checkpoints[-1]])
    await replaying(again, recording(again, outside))(effect)
    assert [2] == outside.attempts


async def test_others_go_on_while_one_waits_for_its_commit() -> None:
    """A branch that waits for its marker holds nobody back: what others did meanwhile is in the same commit."""
    journal = Journal()
    run = live(journal)
    perform = recording(run, Outside(events=journal.events))
    await asyncio.gather(perform(UNSAFE), perform(tool("read", path="turn:1/call:2/tool")))
    assert ["started", "called", "span ok", "done", "committed"] == journal.events[:5]
    assert ["started", "done", "done"] == [one.state for one in journal.stored]
