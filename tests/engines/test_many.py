"""Many runs of one agent at once: every count exact, whoever wrote, and the oracle finds nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say

from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

STEPS = [
    {"id": "think", "type": "llm", "prompt": "Think."},
    {"id": "all", "type": "map", "over": [1, 2], "steps": [
        {"id": "add", "type": "action", "plugin": "kit", "action": "add", "params": {"a": "{{ item }}", "b": 1}},
    ]},
]  # fmt: skip
PER_RUN = {"agentkit": 2 * (IN + OUT), "orchestrator": IN + OUT}
CHILD = """
import asyncio, sys
from pathlib import Path
from tests.engines import kit
from tests.engines.test_many import STEPS, replies

async def main(path: str, engine: str) -> None:
    async with kit.opened(Path(path), *replies(engine)) as tr:
        agent = kit.agent(STEPS)
        await asyncio.gather(*(tr.run(agent, {}, engine=engine) for _ in range(40)))

asyncio.run(main(*sys.argv[1:]))
"""


def replies(engine: str) -> list[dict[str, object]]:
    """What the model says: a tool loop for AgentKit, a thought for the workflow."""
    return [ask("add", a=1, b=2), say("3")] if engine == "agentkit" else [say("fine")]


@pytest.mark.parametrize("engine", PER_RUN)
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_64_at_once_five_times_are_320(tmp_path: Path, engine: str, durability: str) -> None:
    """320 runs of one agent, 64 at a time, are counted 320 times; sums equal a recount and everything verifies."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, *replies(engine), durability=durability) as tr:
        agent = kit.agent(STEPS, memory=False)

        async def five() -> None:
            for _ in range(5):
                assert "completed" == (await tr.run(agent, {}, engine=engine)).status

        await asyncio.gather(*(five() for _ in range(64)))
    _check(path, runs=320, tokens=320 * PER_RUN[engine])


@pytest.mark.parametrize("engine", PER_RUN)
def test_eight_processes_on_one_file_are_320(tmp_path: Path, engine: str) -> None:
    """Eight processes that run one agent 40 times each on one file lose nothing and count nothing twice."""
    path = tmp_path / "runs.db"
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(path), engine]) for _ in range(8)]
    assert [0] * 8 == [child.wait(timeout=120) for child in children]
    _check(path, runs=320, tokens=320 * PER_RUN[engine])


def _check(path: Path, *, runs: int, tokens: int) -> None:
    with SqliteReader(path) as reader:
        [agent] = reader.agents()
        [stats] = reader.stats(agent["id"])
        intensity = reader.intensity(agent["id"])
        counted = reader.rows(
            "SELECT count(*) AS runs, sum(tokens_used) AS tokens, max(agent_seq) AS last FROM agent_executions"
        )[0]
        found = [finding for check in verify(reader).checks for finding in check.findings]
    assert intensity is not None
    assert (runs, runs, tokens) == (stats["run_count"], stats["success_count"], stats["tokens_total"])
    assert (runs, tokens, runs) == (intensity["total_executions"], intensity["total_tokens"], intensity["agent_seq"])
    assert (runs, tokens, runs) == (counted["runs"], counted["tokens"], counted["last"])
    assert 10 == len(json.loads(intensity["recent_output_tokens"]))
    assert [] == found
