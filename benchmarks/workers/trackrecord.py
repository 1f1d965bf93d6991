"""Trackrecord through its public API: AgentKit with a function or a real model, the Orchestrator, one SQLite file.

Every run is recorded in full with default policies; `run` returns once its terminal transaction is committed.
"""

from __future__ import annotations

import os
from typing import Any

import trackrecord
from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve
from trackrecord import Agent, FunctionPlugin, Run, Trackrecord
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.store.driver import driver

PLUGIN = "prices"
USAGE = Usage(input_tokens=work.INPUT_TOKENS, output_tokens=work.OUTPUT_TOKENS)


class Ours(Contestant):
    """One open store, one agent for the loop and one for each length of chain."""

    def __init__(self) -> None:
        super().__init__()
        self._chains: dict[int, Agent] = {}
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
        agent = self._chains.get(steps)
        if agent is None:
            agent = self._chains[steps] = Agent.from_mapping(_chain(steps))
        run = await self._tr.run(agent, {"value": 0}, engine="orchestrator")
        assert run.output == steps, (run.output, run.record.ending)
        self.counter.steps += run.record.measures.steps.completed
        return run

    def proof(self, given: list[object]) -> dict[str, Any]:
        """The ids by which the runs are found in the database."""
        return {"runs": [run.id for run in given if isinstance(run, Run)]}

    async def close(self) -> None:
        """Commit what is under way."""
        await self._tr.close()

    async def _look_up(self, item: int) -> dict[str, int]:
        self.counter.tools += 1
        return work.price(item)

    async def _reply(self, request: ModelRequest) -> ModelReply:
        self.counter.replies += 1
        turn = len(request.messages) // 2  # system and user, then a reply and a result for every turn so far
        if turn > work.TOOL_CALLS:
            return ModelReply(text=work.ANSWER, usage=USAGE)
        wanted = ToolRequest(id=f"call_{turn}", name=f"{PLUGIN}__{work.TOOL_NAME}", arguments={"item": turn})
        return ModelReply(tool_requests=(wanted,), usage=USAGE)


def _chain(steps: int) -> dict[str, Any]:
    """A workflow in which each step takes the data of the one before it."""
    sources = ["{{ inputs.value + 1 }}", *(f"{{{{ steps.step_{place}.data + 1 }}}}" for place in range(1, steps))]
    return {
        "name": f"bench chain of {steps}",
        "workflow_steps": [
            {"id": f"step_{place}", "type": "transform", "operation": "set", "value": source}
            for place, source in enumerate(sources, 1)
        ],
    }


if __name__ == "__main__":
    serve(Ours())
