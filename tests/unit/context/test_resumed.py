"""A resumed conversation: AgentKit over what is stored gives the same answer and the same figures, and asks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.context.kit import NOW, ORIGIN, Journal, live

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.clock import now, stamp
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.run_context import RunContext, Surroundings
from trackrecord.engines.agentkit import AgentKit
from trackrecord.errors import NonDeterministic, ToolFailed
from trackrecord.memory.entries import MemoryEntry
from trackrecord.models.messages import ModelReply, ModelRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.plugins.registry import Registry
from trackrecord.record.spans import Span

USAGE = {"input": 100, "output": 10}
EFFECTS = 1 + 4 + 6  # recall, model calls, attempts of tools
TURNS: list[dict[str, Any]] = [
    {
        "tool_calls": [
            {"name": "shop__stock", "arguments": {"item": "tea"}},
            {"name": "shop__stock", "arguments": {"item": "salt"}},
            {"name": "shop__stock", "arguments": {"thing": "tea"}},
            {"name": "shop__burn", "arguments": {}},
        ],
        "usage": USAGE,
    },
    {
        "tool_calls": [
            {"name": "shop__order", "arguments": {"item": "tea"}},
            {"name": "shop__pay", "arguments": {"amount": 3}},
            {"name": "shop__break_it", "arguments": {}},
        ],
        "usage": USAGE,
    },
    {"text": "done, I think", "usage": USAGE},
    {"text": '{"paid": 3}', "usage": "none"},
]
AGENT = Agent.from_mapping(
    {
        "name": "shopper",
        "prompt": "Buy tea.",
        "model": "test:script",
        "plugins_required": ["shop"],
        "output_schema": {"type": "object", "properties": {"paid": {"type": "integer"}}, "required": ["paid"]},
        "limits": {"max_parallel_tools": 1},
    }
)


class World:
    """Everything outside of one conversation, and what was asked of it; who has waited for salt need not wait again."""

    def __init__(self, *, has_salt: bool = False) -> None:
        self.asked: list[str] = []
        self._has_salt = has_salt
        self.shop = FunctionPlugin("shop", description="Sells.")
        self._add_actions()
        self._model = ScriptedModel.from_mapping({"replies": TURNS})
        self.provider, self.name = self._model.provider, self._model.name

    def _add_actions(self) -> None:
        action, asked = self.shop.action, self.asked

        @action(effect="read")
        async def stock(item: str) -> dict[str, Any]:
            """Look it up; salt only at the second try."""
            asked.append(f"stock {item}")
            if item == "salt" and not self._has_salt:
                self._has_salt = True
                raise ToolCallFailed("busy", is_transient=True)
            return {"rows": [{"item": item}, {"item": item}]}

        @action(effect="keyed")
        async def order(item: str) -> str:
            """Order it."""
            asked.append(f"order {item}")
            return "ordered"

        @action(effect="unsafe")
        async def pay(amount: int) -> dict[str, int]:
            """Pay."""
            asked.append(f"pay {amount}")
            return {"paid": amount}

        @action(effect="unsafe")
        async def break_it() -> str:
            """Fail."""
            asked.append("break")
            raise ValueError("it broke")

    async def request(self, request: ModelRequest) -> ModelReply:
        self.asked.append(f"model {request.path} {request.attempt}")
        return await self._model.request(request)

    async def entries(self, tenant_id: str, agent_id: str, user_id: str, *, before: str) -> Sequence[MemoryEntry]:
        self.asked.append("memory")
        assert (ORIGIN.tenant_id, ORIGIN.agent_id, ORIGIN.user_id, stamp(NOW)) == (tenant_id, agent_id, user_id, before)
        created_at = stamp(NOW - timedelta(days=1))
        return [MemoryEntry(kind="fact", text="likes tea", importance=5, created_at=created_at, agent_id=agent_id)]


def context(run: LiveRun, world: World, agent: Agent = AGENT) -> RunContext:
    """What an engine is given: this run in that world."""
    around = Surroundings(
        run=run,
        agent=agent,
        resolve_model=lambda name: world,
        registry=Registry([world.shop]),
        memory=world,
        engines={},
    )
    return RunContext(around)


async def first_epoch() -> tuple[Json, World, LiveRun, Journal]:
    """The whole conversation, as it goes the first time."""
    world, journal = World(), Journal()
    run = live(journal, origin=replace(ORIGIN, now=stamp(NOW)))
    return await AgentKit().run(AGENT, {"item": "tea"}, context(run, world)), world, run, journal


def resumed(spans: Sequence[Span], checkpoints: Sequence[Checkpoint], epoch: int = 2) -> LiveRun:
    run = live(epoch=epoch)
    run.resume(spans, checkpoints)
    return run


async def test_a_whole_conversation_is_replayed() -> None:
    """Same answer, no model, no tool and no memory asked, nothing written, and every figure as the first time."""
    answer, world, first, journal = await first_epoch()
    assert ({"paid": 3}, EFFECTS) == (answer, len(world.asked))
    later = World()
    second = resumed(journal.spans, journal.checkpoints)
    assert answer == await AgentKit().run(AGENT, {"item": "tea"}, context(second, later))
    assert ([], [], []) == (later.asked, second.journal.spans, second.journal.checkpoints)  # type: ignore[attr-defined]  # the double
    assert first.tally.measures() == second.tally.measures()
    measures = second.tally.measures()
    assert (4, 4, 330, False) == (
        measures.iterations_count,
        measures.model_calls_count,
        measures.tokens.total,
        measures.usage_complete,
    )
    assert (5, 2, 1) == (measures.tool_calls_count, measures.tool_calls_rejected_count, measures.retry_count)
    assert (1, ("user_context",)) == (measures.memory.entry_count, measures.memory.types)


def _kept(entries: Sequence[tuple[Span | None, Checkpoint | None]]) -> tuple[list[Span], list[Checkpoint]]:
    """What a database holds after these entries: `done` in the place of `started`."""
    latest: dict[tuple[str, int], Checkpoint] = {}
    for _, checkpoint in entries:
        if checkpoint is not None:
            latest[checkpoint.path, checkpoint.attempt] = checkpoint
    return [span for span, _ in entries if span is not None], list(latest.values())


class Diary(Journal):
    """Keeps the entries as they came, so that a test can lose the end of them."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[Span | None, Checkpoint | None]] = []

    def append(self, span: Span | None, checkpoint: Checkpoint | None) -> None:
        self.entries.append((span, checkpoint))
        super().append(span, checkpoint)


async def test_a_conversation_goes_on_wherever_it_was_cut() -> None:
    """Killed after any entry of the journal, the next epoch gives the same answer and does nothing stored again."""
    diary, world = Diary(), World()
    await AgentKit().run(AGENT, {"item": "tea"}, context(live(diary), world))
    for place in range(len(diary.entries) + 1):
        spans, checkpoints = _kept(diary.entries[:place])
        finished = sum(1 for one in checkpoints if one.state == "done")
        open_ones = [one.effect for one in checkpoints if one.state == "started"]
        unknown = open_ones.count("unsafe")
        later = World(has_salt=any(one.path == "turn:1/call:2/tool" for one in checkpoints))
        second = resumed(spans, checkpoints)
        answer = await AgentKit().run(AGENT, {"item": "tea"}, context(second, later))
        measures = second.tally.measures()
        assert ({"paid": 3}, EFFECTS - finished - unknown) == (answer, len(later.asked)), place
        assert (len(open_ones) - unknown, unknown) == (measures.interruptions_count, measures.unknown_count), place
        assert (4, 5, 2, 1) == (
            measures.iterations_count,
            measures.tool_calls_count,
            measures.tool_calls_rejected_count,
            measures.retry_count,
        ), place


async def test_another_prompt_is_another_conversation() -> None:
    """A definition that has changed under a run ends it before anybody is asked anything."""
    _, _, _, journal = await first_epoch()
    later = World()
    agent = replace(AGENT, prompt="Buy salt.")
    with pytest.raises(NonDeterministic, match="asks for another model at 'turn:1/model'"):
        await AgentKit().run(agent, {"item": "tea"}, context(resumed(journal.spans, journal.checkpoints), later, agent))
    assert [] == later.asked


# --------------------------------------------------------------------------------------------- what else a run asks for


async def twice(ask: Any) -> tuple[Any, Any, LiveRun]:
    """What a question gives in the first epoch and in one that finds the first one's answers."""
    journal = Journal()
    first = await ask(context(live(journal), World()))
    second = resumed(journal.spans, journal.checkpoints)
    return first, await ask(context(second, World())), second


async def test_a_decision_is_made_once() -> None:
    """What was chosen stays chosen: the second epoch does not ask again, whatever would be chosen now."""
    choices = iter(["left", "right"])

    async def choose() -> Json:
        return next(choices)

    first, second, _ = await twice(lambda ctx: ctx.decide("s:a", choose))
    assert ("left", "left", "right") == (first, second, next(choices))


async def test_a_wait_that_is_over_is_not_waited_again() -> None:
    """A delay asked for again would end at another moment: what was waited the first time is the answer."""
    delays_ms = iter([100, 0])
    first, second, run = await twice(
        lambda ctx: ctx.sleep("s:a", until=now() + timedelta(milliseconds=next(delays_ms)))
    )
    assert first == second > 0
    assert ("s:a/wait", "wait") == (run.checkpoints["s:a/wait"][0].path, run.checkpoints["s:a/wait"][0].kind)


async def test_a_failed_tool_fails_again_with_the_same_words() -> None:
    """An engine that let a tool's failure end the run lets it end the run again."""
    errors: list[ToolFailed] = []

    async def ask(ctx: RunContext) -> None:
        with pytest.raises(ToolFailed) as raised:
            await ctx.tool("s:a/tool", "shop", "break_it", {})
        errors.append(raised.value)

    await twice(ask)
    assert 1 == len({(one.message, one.code, one.path, one.is_unknown) for one in errors})
    assert "break_it raised ValueError: it broke" == errors[0].message


async def test_what_was_recalled_is_recalled_again() -> None:
    """Text, tokens, entries and types are those of the first time, whatever has been remembered since."""
    first, second, _ = await twice(lambda ctx: ctx.recall())
    assert first == second
    assert ("likes tea" in first.text, -(-len(first.text) // 4), 1, ("user_context",)) == (
        True,
        first.tokens,
        first.entry_count,
        first.types,
    )


async def test_another_budget_is_another_recall() -> None:
    """A recall under another budget would be another one: the run ends before a model sees either."""
    _, _, _, journal = await first_epoch()
    agent = replace(AGENT, memory=replace(AGENT.memory, token_budget=10))
    with pytest.raises(NonDeterministic, match="asks for another recall at 'recall'"):
        await context(resumed(journal.spans, journal.checkpoints), World(), agent).recall()


async def test_recall_reads_once_however_many_ask_at_once() -> None:
    """Branches that need the memory at one moment share one recall, one span and one figure."""
    world, journal = World(), Journal()
    ctx = context(live(journal), world)
    found = await asyncio.gather(*(ctx.recall() for _ in range(8)))
    assert (["memory"], 1) == (world.asked, len({one.text for one in found}))
    assert [("recall", "recall", 1)] == [(span.path, span.kind, span.items) for span in journal.spans]
