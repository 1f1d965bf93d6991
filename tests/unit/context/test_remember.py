"""Remembering through the one door: an effect that is stored before it is told, once, and never beside its run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.context.kit import SECRET, Journal, journal_of, live

from trackrecord.agent import Agent
from trackrecord.context.live_run import LiveRun
from trackrecord.context.run_context import RunContext, Surroundings
from trackrecord.errors import BadInput, Conflict, NonDeterministic, StoreError, ToolFailed
from trackrecord.memory.entries import Memory
from trackrecord.memory.remembering import MOST_CHARACTERS, MOST_PER_RUN
from trackrecord.plugins.registry import Registry


class Memories:
    """A store double that keeps what it is given, in order with what the journal commits."""

    def __init__(self, journal: Journal, error: Exception | None = None) -> None:
        self.kept: list[tuple[str, Memory]] = []
        self._journal, self._error = journal, error

    async def entries(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async def remember(self, *_: str, run_id: str, path: str) -> None:
        del run_id
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        memory = next(one for one in _ if isinstance(one, Memory))
        self._journal.events.append("kept")
        self.kept.append((path, memory))


def context(run: LiveRun | None = None, error: Exception | None = None) -> tuple[RunContext, Memories, Surroundings]:
    run = run or live(Journal())
    memories = Memories(journal_of(run), error)
    around = Surroundings(
        run=run,
        agent=Agent.from_mapping({"name": "a", "prompt": "p", "model": "m:m"}),
        resolve_model=lambda name: pytest.fail(name),
        registry=Registry(),
        memory=memories,
        engines={},
    )
    return RunContext(around, prefix="s:work/"), memories, around


@pytest.mark.parametrize("is_sync", [True, False])
async def test_nothing_is_kept_before_its_run_is_stored(is_sync: bool) -> None:
    """Under either durability the journal is committed first: no memory outlives a run that nobody has heard of."""
    run = live(Journal(), is_sync=is_sync)
    ctx, memories, around = context(run)
    assert await ctx.remember("turn:1/call:1/remember:1", "pattern", " Asks\non Mondays. ")
    [(path, memory)] = memories.kept
    assert ("s:work/turn:1/call:1/remember:1", "pattern", "Asks on Mondays.", 7) == (
        path,
        memory.kind,
        memory.text,
        memory.importance,
    )
    events = journal_of(run).events
    assert events.index("started") < events.index("committed") < events.index("kept") < events.index("span ok")
    assert ["pattern"] == around.remembered
    [span] = journal_of(run).spans
    assert ({"kind": "pattern", "characters": 16}, 1) == (span.attributes["memory"], span.items)


async def test_a_resumed_run_remembers_no_second_time() -> None:
    """What is done is answered from the journal; the run still knows that it remembered."""
    ctx, _, _ = context()
    await ctx.remember("remember:1", "fact", "Likes tea.")
    before = journal_of(ctx._run)
    again = live(Journal(), epoch=2)
    again.resume(before.spans, [one for one in before.checkpoints if one.state == "done"])
    ctx, memories, around = context(again)
    assert await ctx.remember("remember:1", "fact", "Likes tea.")
    assert ([], ["fact"]) == (memories.kept, around.remembered)
    with pytest.raises(NonDeterministic):
        await ctx.remember("remember:1", "fact", "Likes cake.")


async def test_a_flood_ends_at_the_limit_also_all_at_once() -> None:
    """The count holds however many ask at one moment; who comes too late is told, not failed."""
    ctx, memories, _ = context()
    asked = [ctx.remember(f"remember:{number}", "fact", f"thing {number}") for number in range(MOST_PER_RUN + 7)]
    told = await asyncio.gather(*asked)
    assert (MOST_PER_RUN, 7, MOST_PER_RUN) == (told.count(True), told.count(False), len(memories.kept))
    assert not await ctx.remember("remember:99", "fact", "one more")


async def test_secrets_are_taken_out_of_what_is_kept() -> None:
    """Before anything is stored or hashed."""
    ctx, memories, _ = context()
    await ctx.remember("remember:1", "fact", f"The password is {SECRET}.")
    assert ["The password is [redacted]."] == [memory.text for _, memory in memories.kept]


async def test_a_store_that_fails_is_a_failed_effect() -> None:
    """With its span, so that nothing is left open; the engine is told and may go on."""
    ctx, _, around = context(error=StoreError("no space is left"))
    with pytest.raises(ToolFailed, match="no space is left"):
        await ctx.remember("remember:1", "fact", "Likes tea.")
    assert (["failed"], [], 0) == (
        [span.status for span in journal_of(ctx._run).spans],
        around.remembered,
        around.remembering,
    )


async def test_a_run_that_another_epoch_holds_keeps_nothing() -> None:
    """A zombie's memories are not kept: its journal is refused before."""
    journal = Journal()
    ctx, memories, _ = context(live(journal, is_sync=False))
    journal.failure = Conflict("another epoch holds it")
    with pytest.raises(Conflict):
        await ctx.remember("remember:1", "fact", "Likes tea.")
    assert [] == memories.kept


@pytest.mark.parametrize(("kind", "text"), [("fact", ""), ("fact", "x" * (MOST_CHARACTERS + 1)), ("summary", "x")])
async def test_what_cannot_be_kept_is_refused_before_it_is_an_effect(kind: Any, text: str) -> None:
    """No marker, no span: nothing was done."""
    ctx, memories, _ = context()
    with pytest.raises(BadInput):
        await ctx.remember("remember:1", kind, text)
    assert ([], [], []) == (memories.kept, journal_of(ctx._run).spans, journal_of(ctx._run).events)
