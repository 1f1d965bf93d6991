"""Cancelling at any moment, by the handle or by the task itself: one record, nothing left running, all sums right."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.test_feedback import is_sound, rows
from tests.engines.test_resume import findings

from trackrecord import Agent, FunctionPlugin, Trackrecord

MOST_TURNS = 60


def napping() -> FunctionPlugin:
    plugin = FunctionPlugin("slow", description="Takes its time.")

    @plugin.action(effect="unsafe")
    async def nap(seconds: float = 0.0) -> int:
        """Sleep."""
        await asyncio.sleep(seconds)
        return 1

    return plugin


def sleeper(folder: Path) -> Agent:
    (folder / "s.yaml").write_text("replies:\n- {tool_calls: [{name: slow__nap, arguments: {}}]}\n- {text: hi}\n")
    definition = "name: a\nprompt: x\nmodel: scripted:s.yaml\nplugins_required: [slow]\n"
    (folder / "a.yaml").write_text(definition)
    return Agent.load(folder / "a.yaml")


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("way", ["handle", "task", "both"])
async def test_at_every_turn_of_the_loop(tmp_path: Path, durability: Any, way: str) -> None:
    """Whoever gives up, and when: the run ends in one terminal record, and none is left to a lease."""
    agent, path = sleeper(tmp_path), tmp_path / "runs.db"
    started_count = 0
    async with Trackrecord(f"sqlite:///{path}", plugins=[napping()], durability=durability) as tr:
        for turns in range(MOST_TURNS):
            started = await tr.start(agent)
            for _ in range(turns):
                await asyncio.sleep(0)
            was_done = started.task.done()
            if way != "task":
                started.cancel()
            if way != "handle":
                started.task.cancel()
            await asyncio.wait({started.task})
            started_count += not started.task.cancelled()  # cancelled before its first step, it never was a run
            if was_done:
                break
    ended = rows(path, "SELECT status, count(*) AS number FROM agent_executions GROUP BY status")
    assert {row["status"] for row in ended} <= {"cancelled", "completed"}
    assert started_count == sum(row["number"] for row in ended)
    assert is_sound(path)


class Twofold:
    """An engine of which one branch waits while the other works."""

    name, title, runs_workflow, run_timeout_s = "twofold", "Twofold", False, 0.3

    async def run(self, agent: Any, inputs: Any, ctx: Any) -> Any:
        async with asyncio.TaskGroup() as branches:
            branches.create_task(ctx.tool("s:t/tool", "slow", "nap", {"seconds": 30}))
            branches.create_task(ctx.sleep("s:w", until=ctx.now + timedelta(seconds=60)))


async def test_a_timeout_while_one_branch_waits_and_one_works(tmp_path: Path) -> None:
    """It is the run's timeout that ended it, whatever was in flight."""
    agent = sleeper(tmp_path)
    async with Trackrecord(f"sqlite:///{tmp_path / 'runs.db'}", plugins=[napping()], engines=[Twofold()]) as tr:
        run = await tr.run(agent, engine="twofold")
    ending = run.record.ending
    assert ending is not None
    assert ("timed_out", "run_timeout") == (ending.status, ending.error_code)


async def test_folding_and_erasing_stay_with_their_owner(tmp_path: Path) -> None:
    """What a person pinned stays pinned in what takes its place; one agent's erasing leaves another's memory alone."""
    (tmp_path / "s.yaml").write_text("replies:\n- text: hi\n")
    agents = []
    for name in ("one", "other"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nprompt: hello\nmodel: scripted:s.yaml\n")
        agents.append(Agent.load(tmp_path / f"{name}.yaml"))
    async with Trackrecord(f"sqlite:///{tmp_path / 'runs.db'}") as tr:
        runs = [await tr.run(agents[0]) for _ in range(8)]
        await tr.run(agents[1])
        await tr.memory.consolidate()
        (folded,) = [one for one in await tr.memory.list(agent="one") if one.source == "folded"]
        await tr.memory.pin(folded.id)
        for _ in range(3):
            await tr.run(agents[0])
        await tr.memory.consolidate()
        assert 0 == (await tr.memory.erase(agent="other", run_id=runs[0].id)).memory_count
        (folded,) = [one for one in await tr.memory.list(agent="one") if one.source == "folded"]
    assert (True, True) == (folded.is_pinned, folded.text is not None)


async def test_at_any_moment_around_parking(tmp_path: Path) -> None:
    """A wish to stop that comes while all strands unwind to be parked: one record, and no wait without its span."""
    path = tmp_path / "runs.db"
    steps: list[dict[str, Any]] = [{"id": "p", "type": "parallel", "branches": {
        "a": [{"id": "ok", "type": "approval", "message": "Go?"}],
        "b": [{"id": "d", "type": "delay", "duration": "1h"}],
    }}]  # fmt: skip
    async with kit.opened(path, kit.say("unused"), resumes=False) as tr:
        for turns in range(12):
            started = await tr.start(kit.agent(steps), {})
            async with asyncio.timeout(10):
                while started.live is None or started.live.parked is None:
                    await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            if started.task.done():
                assert turns > 3
                break
            started.cancel()
            run = await started.task
            assert "cancelled" == run.status
            assert "cancelled" == kit.statuses(path, run.id)["s:p/b:b/s:d/wait", 1]
    assert [] == findings(path)
