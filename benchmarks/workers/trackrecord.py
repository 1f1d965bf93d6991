"""Trackrecord through its public API: AgentKit with a function or a real model, the Orchestrator, one SQLite file.

Every run is recorded in full with default policies; `run` returns once its terminal transaction is committed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

import trackrecord
from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve
from trackrecord import Agent, FunctionPlugin, Run, Trackrecord
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.store.driver import Connection, driver

PLUGIN = "prices"
USAGE = Usage(input_tokens=work.INPUT_TOKENS, output_tokens=work.OUTPUT_TOKENS)


class Ours(Contestant):
    """One open store, one agent for the loop and one for each kind and size of workflow."""

    def __init__(self) -> None:
        super().__init__()
        self._agents: dict[tuple[str, int], Agent] = {}
        self._tr: Trackrecord

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        model = "bench:scripted"
        if "provider" in options:
            model = f"openai-chat:{work.MODEL}"
            os.environ |= {"OPENAI_BASE_URL": options["provider"], "OPENAI_API_KEY": "not-needed"}
        plugin = FunctionPlugin(PLUGIN, description="Prices of items.")
        effect = options.get("effect", "read")
        plugin.action(name=work.TOOL_NAME, description=work.TOOL_TEXT, effect=effect)(self._look_up)
        plugin.action(name=work.STEP_NAME, description=work.STEP_TEXT, effect=effect)(self._add_one)
        self._tr = Trackrecord(
            options["database"],
            plugins=[plugin],
            models={"bench:scripted": CallableModel(self._reply, name="scripted", provider="bench")},
            durability=options["durability"],
            synchronous=options["synchronous"],
        )
        self._agent = Agent.from_mapping(
            {
                "name": "bench loop",
                "system_prompt": work.SYSTEM,
                "prompt": work.PROMPT,
                "model": model,
                "plugins_required": [PLUGIN],
                "limits": {"max_iterations": work.MODEL_REPLIES},
            }
        )
        await self._tr.open()
        return {"trackrecord": trackrecord.__version__, "SQLite": driver.sqlite_version}

    async def run(self) -> Run:
        """Ten turns and the answer."""
        run = await self._tr.run(self._agent, engine="agentkit")
        assert run.output == work.ANSWER, run.record.ending
        return run

    async def chain(self, steps: int) -> Run:
        """That many steps."""
        run = await self._workflow("chain", steps, _chain, {"value": 0})
        assert run.output == steps, (run.output, run.record.ending)
        self.counter.steps += run.record.measures.steps.completed
        return run

    async def durable(self, steps: int) -> Run:
        """That many tool calls."""
        run = await self._workflow("durable chain", steps, _durable, {"value": 0})
        assert run.output == steps, (run.output, run.record.ending)
        return run

    async def repeat(self, times: int, *, is_map: bool) -> Run:
        """That many iterations, or items."""
        inputs = {"items": list(range(times))}
        run = await self._workflow("map" if is_map else "loop", times, _map if is_map else _loop, inputs)
        assert run.output == list(range(1, times + 1)), run.record.ending
        self.counter.steps += run.record.measures.steps.completed - 1  # without the step that holds them
        return run

    async def _workflow(
        self, name: str, size: int, steps: Callable[[int], list[dict[str, Any]]], inputs: dict[str, Any]
    ) -> Run:
        agent = self._agents.get((name, size))
        if agent is None:
            fields = {"name": f"bench {name} of {size}", "plugins_required": [PLUGIN], "workflow_steps": steps(size)}
            agent = self._agents[name, size] = Agent.from_mapping(fields)
        return await self._tr.run(agent, inputs, engine="orchestrator")

    def proof(self, given: list[object]) -> dict[str, Any]:
        """The ids by which the runs are found in the database, and how hard it is written."""
        settings = {name: self._setting(name) for name in ("journal_mode", "synchronous")}
        return {"runs": [run.id for run in given if isinstance(run, Run)], "settings": settings}

    def _setting(self, name: str) -> Any:
        """What the connection that writes says; nobody but a benchmark has to ask it."""
        writer = self._tr._opened_store()._writer

        def read(connection: Connection) -> Any:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        while (found := writer.read_here(read)) is None:
            time.sleep(0.001)  # it is still busy with what it has just answered
        return found

    async def close(self) -> None:
        """Commit what is under way."""
        await self._tr.close()

    async def _look_up(self, item: int) -> dict[str, int]:
        self.counter.tools += 1
        return work.price(item)

    async def _add_one(self, value: int) -> int:
        self.counter.tools += 1
        return work.add_one(value)

    async def _reply(self, request: ModelRequest) -> ModelReply:
        self.counter.replies += 1
        turn = len(request.messages) // 2  # system and user, then a reply and a result for every turn so far
        if turn > work.TOOL_CALLS:
            return ModelReply(text=work.ANSWER, usage=USAGE)
        wanted = ToolRequest(id=f"call_{turn}", name=f"{PLUGIN}__{work.TOOL_NAME}", arguments={"item": turn})
        return ModelReply(tool_requests=(wanted,), usage=USAGE)


def _chain(size: int) -> list[dict[str, Any]]:
    """Each step takes the data of the one before it."""
    sources = ["{{ inputs.value + 1 }}", *(f"{{{{ steps.step_{place}.data + 1 }}}}" for place in range(1, size))]
    return [
        {"id": f"step_{place}", "type": "transform", "operation": "set", "value": source}
        for place, source in enumerate(sources, 1)
    ]


def _durable(size: int) -> list[dict[str, Any]]:
    """The same as tool calls."""
    sources = ["{{ inputs.value }}", *(f"{{{{ steps.step_{place}.data }}}}" for place in range(1, size))]
    call = {"type": "action", "plugin": PLUGIN, "action": work.STEP_NAME}
    return [{"id": f"step_{place}", **call, "params": {"value": source}} for place, source in enumerate(sources, 1)]


def _loop(size: int) -> list[dict[str, Any]]:
    """One step for each item, one item after the other."""
    return [{"id": "all", "type": "loop", "over": "{{ inputs.items }}", "max_iterations": size, "steps": [_BODY]}]


def _map(size: int) -> list[dict[str, Any]]:
    """The same, a few items at once."""
    del size
    return [{"id": "all", "type": "map", "over": "{{ inputs.items }}", "steps": [_BODY]}]


_BODY: Final = {"id": "add", "type": "transform", "operation": "set", "value": "{{ item + 1 }}"}


if __name__ == "__main__":
    serve(Ours())
