"""`join: any`: the first branch that succeeds is enough; the others are stopped, and what they spent stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, say
from tests.engines.test_workflows import NOW, Flow, add, fail, holds, put, wait

from trackrecord.cli.graph.standing import standings
from trackrecord.cli.look import Look
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.trouble import troubles
from trackrecord.cli.stored import read_run
from trackrecord.clock import now
from trackrecord.engines.race import Lane, Race
from trackrecord.errors import BudgetExceeded, StepFailed
from trackrecord.record.measures import StepCounts
from trackrecord.store.reader import SqliteReader


def race(branches: dict[str, list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    return {"id": "first", "type": "parallel", "branches": branches, "join": "any", **more}


FLOWS = {
    "the quicker one": Flow(
        steps=[race({"slow": [wait("w", 30)], "quick": [add()]})],
        output={"quick": {"sum": 3}},
        counts=(2, 0, 1, 0),
        executed=(3, 0, 0, 2),
        calls=2,
        paths={
            "s:first": "ok",
            "s:first/decision": "ok",
            "s:first/b:quick/s:add": "ok",
            "s:first/b:slow/s:w": "tolerated",
            "s:first/b:slow/s:w/tool": "cancelled",
        },
    ),
    "one that fails does not win": Flow(
        steps=[race({"a": [fail()], "b": [wait("w", 0.05), add()]})],
        output={"b": {"sum": 3}},
        counts=(3, 0, 1, 0),
        executed=(4, 0, 0, 2),
        calls=3,
        paths={"s:first/b:a/s:bad": "tolerated"},
    ),
    "all fail: the first by order is the cause": Flow(
        steps=[race({"a": [wait("w", 0.05), put("x", "{{ inputs.gone }}")], "b": [fail()]})],
        status="failed",
        error="step_failed",
        error_path="s:first/b:a/s:x",
        counts=(1, 1, 2, 0),
        executed=(4, 0, 0, 2),
        calls=2,
    ),
    "one after the other": Flow(
        steps=[race({"a": [fail()], "b": [add()], "c": [fail("never")]}, max_concurrency=1)],
        output={"b": {"sum": 3}},
        counts=(2, 0, 1, 0),
        executed=(3, 0, 0, 2),
        calls=2,
    ),
    "at the same moment the first by order wins": Flow(
        steps=[race({"b": [put("x", 1)], "a": [put("y", 2)]})],
        output={"a": 2},
        counts=(3, 0, 0, 0),
        executed=(3, 0, 0, 2),
    ),
    "all fail and the step goes on": Flow(
        steps=[race({"a": [fail()]}, on_error="continue"), add()],
        output={"sum": 3},
        counts=(1, 0, 2, 0),
        executed=(3, 0, 0, 1),
        calls=2,
    ),
    "tried again under another path": Flow(
        steps=[race({"a": [fail()]}, retry={"max_attempts": 2, **NOW})],
        status="failed",
        error="tool_failed",
        error_path="s:first/try:2/b:a/s:bad/tool",
        counts=(0, 1, 1, 0),
        executed=(2, 0, 0, 2),
        calls=2,
        retries=1,
    ),
    "a race inside a loser": Flow(
        steps=[race({"a": [{**race({"x": [wait("w", 30)], "y": [wait("v", 30)]}), "id": "inner"}], "b": [add()]})],
        output={"b": {"sum": 3}},
        counts=(2, 0, 3, 0),
        executed=(5, 0, 0, 4),
        calls=3,
        paths={"s:first/b:a/s:inner/b:x/s:w": "tolerated", "s:first/b:a/s:inner": "tolerated"},
    ),
    "a loop inside a loser": Flow(
        steps=[
            race(
                {
                    "a": [{"id": "each", "type": "map", "over": [30, 30], "steps": [wait("w", "{{ item }}")]}],  # type: ignore[arg-type]  # a template
                    "b": [add()],
                }
            )
        ],
        output={"b": {"sum": 3}},
        counts=(2, 0, 3, 0),
        executed=(5, 0, 0, 4),
        calls=3,
    ),
}


@pytest.mark.parametrize("name", FLOWS)
async def test_a_race_ends_as_its_definition_says(tmp_path: Path, name: str) -> None:
    """One winner, nothing failed that the race made good, and every count as defined."""
    await holds(FLOWS[name], tmp_path / "runs.db")


async def test_what_a_loser_spent_is_kept(tmp_path: Path) -> None:
    """Its finished model call counts; its steps make nothing fail and say why they were stopped."""
    ask = {"id": "ask", "type": "llm", "prompt": "Say something."}
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("hello")) as tr:
        steps = [race({"a": [ask, wait("w", 30)], "b": [wait("v", 0.3), add()]})]
        run = await asyncio.wait_for(tr.run(kit.agent(steps), {}), 20)
    measures = run.record.measures
    assert ("completed", {"b": {"sum": 3}}, IN + OUT) == (run.status, run.output, measures.tokens.total)
    assert StepCounts(completed=4, tolerated=1, stopped=1) == measures.steps
    with SqliteReader(path) as reader:
        told = {span.path: span.error_message for span in reader.spans(run.id) if span.status == "tolerated"}
    assert {"s:first/b:a/s:w": "stopped: another branch was first"} == told


async def test_cancelling_the_run_is_no_loss_of_a_race(tmp_path: Path) -> None:
    """Steps that a person stopped are cancelled, not tolerated."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("x")) as tr:
        started = await tr.start(kit.agent([race({"a": [wait("w", 30)], "b": [wait("v", 30)]})]), {})
        await asyncio.sleep(0.2)
        started.cancel()
        run = await started.task
    statuses = kit.tables(path, run).statuses
    assert ("cancelled", "cancelled") == (run.status, statuses["s:first/b:a/s:w", 1])


async def test_a_limit_of_the_run_ends_a_race(tmp_path: Path) -> None:
    """Running out of tokens in one branch is no failure that another could make good."""
    ask = {"id": "ask", "type": "llm", "prompt": "Say something."}
    async with kit.opened(tmp_path / "runs.db", say("hello", tokens=(5_000, 10))) as tr:
        steps = [race({"a": [ask, {**ask, "id": "again"}], "b": [wait("w", 30)]})]
        run = await asyncio.wait_for(tr.run(kit.agent(steps, limits={"max_tokens_per_run": 5_005}), {}), 20)
    assert "budget_exceeded" == run.status


# ----------------------------------------------------------------------------------------------------- the race itself


async def test_lanes_know_that_they_have_lost() -> None:
    """Only those still on the way when another was first, and whatever runs inside them."""
    lanes: dict[int, Lane] = {}
    told: list[tuple[int, bool]] = []

    async def run_one(index: int, lane: Lane) -> int:
        lanes[index] = lane
        try:
            await asyncio.sleep(30 if index else 0)
        except asyncio.CancelledError:
            told.append((index, Lane(lane).is_lost()))
            raise
        return index

    won = await Race(3, 2, run_one, None).run()
    assert (0, 0, [(1, True)]) == (won.index, won.result, told)
    assert {0: False, 1: True} == {index: lane.is_lost() for index, lane in lanes.items()}


async def test_an_ending_that_nothing_tolerates_comes_before_a_winner() -> None:
    """Both at once: the run has to end."""

    async def run_one(index: int, lane: Lane) -> int:
        del lane
        if index:
            raise BudgetExceeded("no more")
        return index

    with pytest.raises(BudgetExceeded):
        await Race(2, 2, run_one, None).run()


async def test_a_race_that_is_cancelled_stops_its_runners() -> None:
    """Nothing is left running, and nobody has lost."""
    ended: list[bool] = []

    async def run_one(index: int, lane: Lane) -> int:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(lane.is_lost())
        return index

    task = asyncio.get_running_loop().create_task(Race(3, 3, run_one, None).run())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert (True, [False] * 3) == (task.cancelled(), ended)


async def test_failures_are_kept_until_all_have_failed() -> None:
    """The one that is told is the first by place, however late it came."""

    async def run_one(index: int, lane: Lane) -> int:
        del lane
        await asyncio.sleep(0.02 * (3 - index))
        raise StepFailed(f"number {index}")

    with pytest.raises(StepFailed, match="number 0"):
        await Race(3, 3, run_one, None).run()


async def test_a_loser_is_no_trouble(tmp_path: Path) -> None:
    """Pages, drawings and the memory of the run speak of it as stopped, never as failed; what failed before is told."""
    path = tmp_path / "runs.db"
    steps = [race({"a": [fail(on_error="continue"), wait("w", 30)], "b": [wait("v", 0.3), add()]})]
    async with kit.opened(path, say("x")) as tr:
        run = await tr.run(kit.agent(steps), {})
    assert StepCounts(completed=3, tolerated=2, stopped=1) == run.record.measures.steps
    with SqliteReader(path) as reader:
        spans, [memory] = reader.spans(run.id), reader.rows("SELECT text FROM run_memories")
        page = record_page(read_run(reader, run.id), Look(width=100), now())
    assert ["kit.fail"] == [one.name for one in troubles(spans)]
    assert "1 tool call failed, 1 failed step tolerated." in memory["text"]
    assert "stopped, another was first" in page
    told = standings(spans)
    assert ("stopped", "tolerated") == (told["w"].state, told["bad"].state)


async def test_a_race_alone_leaves_a_clean_summary(tmp_path: Path) -> None:
    """Nothing failed: the summary has no word of it, and weighs as that of a clean run."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("x")) as tr:
        run = await tr.run(kit.agent([race({"a": [wait("w", 30)], "b": [add()]})]), {})
    with SqliteReader(path) as reader:
        [memory] = reader.rows("SELECT text, importance FROM run_memories")
        assert [] == troubles(reader.spans(run.id))
    assert memory["text"].startswith("Completed. 0 turns, tools kit.add x1, kit.wait x1, ")
    assert "tolerated" not in memory["text"]
    assert 6 == memory["importance"]  # 5, 2 more for the first run, 1 less for a clean one
