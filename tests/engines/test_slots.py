"""C1: who waits to try again holds up nobody else: neither another run, nor what is ready and has room in this one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.faulty import faulty

from trackrecord import FunctionPlugin
from trackrecord.config import read_settings
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

ENGINES = ("agentkit", "orchestrator")
SLOW = {"max_attempts": 2, "initial_ms": 60_000, "max_ms": 60_000, "retry_after_cap_ms": 60_000}


def limited(asked: list[str]) -> FunctionPlugin:
    """A service that wants to be asked again in an hour."""
    plugin = FunctionPlugin("limited", description="Is busy.")

    @plugin.action(effect="read")
    async def ask(call: Invocation) -> None:
        """Say that there are too many requests."""
        asked.append(call.idempotency_key or "")
        raise ToolCallFailed("429", is_transient=True, retry_after_s=3_600, cause="429")

    @plugin.action(effect="read")
    async def other() -> str:
        """Answer at once."""
        return "here"

    return plugin


def agent(engine: str, name: str, plugin: str, action: str, arguments: dict[str, Any]) -> Any:
    step = {"id": "act", "type": "action", "plugin": plugin, "action": action, "params": arguments}
    return kit.agent([step] if engine == "orchestrator" else None, name=name, plugins_required=[plugin], memory=False)


@pytest.mark.parametrize("engine", ENGINES)
async def test_c1_a_run_that_waits_to_try_again_holds_nobody_up(tmp_path: Path, engine: str) -> None:
    """Twenty runs in their back-off, as many as you like: another run, its own process included, ends at once."""
    asked: list[str] = []
    given = {"a": 2}
    settings = read_settings(db=f"sqlite:///{tmp_path / 'runs.db'}", retry=SLOW)
    asks = {"tool_calls": [{"name": "limited__ask", "arguments": {}}]}
    async with kit.opened(
        tmp_path / "runs.db", asks, kit.say("done"), plugins=[limited(asked), faulty], settings=settings
    ) as tr:
        waiting = [await tr.start(agent(engine, "waits", "limited", "ask", {}), {}, engine=engine) for _ in range(20)]
        async with asyncio.timeout(10):
            while len(asked) < 20:
                await asyncio.sleep(0.005)
        other = agent("orchestrator", "goes on", "faulty", "add", given)
        async with asyncio.timeout(20):
            run = await tr.run(other, {}, engine="orchestrator")
        assert ("completed", 3, 20) == (run.status, run.output, len(asked))
        assert [False] * 20 == [one.task.done() for one in waiting]
        assert threading.active_count() < 20  # no thread is held for a wait
        for one in waiting:
            one.cancel()
        async with asyncio.timeout(5):
            ended = await asyncio.gather(*(one.task for one in waiting))
    assert ["cancelled"] * 20 == [one.status for one in ended]


async def test_c1_a_step_that_waits_to_try_again_leaves_room_for_the_others(tmp_path: Path) -> None:
    """What is ready runs while it waits, as long as the workflow's own width has room."""
    asked: list[str] = []
    steps = [
        {"id": "busy", "type": "action", "plugin": "limited", "action": "ask"},
        *(
            {"id": f"s{n}", "type": "action", "plugin": "limited", "action": "other", "depends_on": []}
            for n in range(9)
        ),
        {"id": "last", "type": "action", "plugin": "limited", "action": "other", "depends_on": ["s8"]},
    ]
    settings = read_settings(db=f"sqlite:///{tmp_path / 'runs.db'}", retry=SLOW, limits={"max_parallel_steps": 2})
    ended: list[str] = []
    made = kit.agent(steps, plugins_required=["limited"], memory=False)
    async with kit.opened(tmp_path / "runs.db", kit.say("x"), plugins=[limited(asked)], settings=settings) as tr:
        started = await tr.start(
            made, {}, watcher=lambda one: ended.append(one.path) if one.what == "step" and one.span else None
        )
        async with asyncio.timeout(10):
            while "s:last" not in ended:
                await asyncio.sleep(0.005)
        assert 1 == len(asked)
        started.cancel()
        assert "cancelled" == (await started.task).status
