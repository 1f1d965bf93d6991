"""Runs whose process was killed: each gets its one record, and everything stored until then is counted once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.engines import kit
from tests.engines.kit import IN, OUT, say

from trackrecord.store.reader import SqliteReader
from trackrecord.store.transactions import LEASE_S
from trackrecord.verify import verify

CHILD = """
import asyncio, sys
from pathlib import Path
from tests.engines import kit
from tests.engines.kit import ask

async def main(path: str, tool: str) -> None:
    async with kit.opened(Path(path), ask("add", a=1, b=2), ask("wait", seconds=60), plugins=[kit.tools(tool)]) as tr:
        await tr.run(kit.agent(), {}, watcher=lambda p: print(p.kind, p.label, flush=True))

asyncio.run(main(*sys.argv[1:]))
"""


def _kill_in_flight(path: Path, effect: str) -> None:
    """A run whose process is killed while a tool of this effect class is in flight."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), effect], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            if line.strip() == "started kit.wait":
                break
        time.sleep(0.2)
        os.kill(child.pid, signal.SIGKILL)
    assert -signal.SIGKILL == child.wait(timeout=10)


async def test_a_killed_run_that_is_given_up_keeps_what_it_had_used(tmp_path: Path) -> None:
    """Cancelled by a process that could not go on with it: tokens and calls as stored, what was in flight unknown."""
    paths = {effect: tmp_path / f"{effect}.db" for effect in ("keyed", "unsafe")}
    for effect, path in paths.items():
        _kill_in_flight(path, effect)
    await asyncio.sleep(LEASE_S + 0.5)
    for effect, path in paths.items():
        await _check_given_up(path, {"keyed": "interrupted", "unsafe": "unknown"}[effect])


async def _check_given_up(path: Path, status_in_flight: str) -> None:
    with SqliteReader(path) as reader:
        assert "running" == reader.execution("last")["status"]
    async with kit.opened(path, say("unused"), plugins=[]) as tr:
        assert "running" == await tr.cancel(kit.execution(path)["id"])
        assert "cancelled" == kit.execution(path)["status"]  # nobody carried it any more
    async with kit.opened(path, say("unused")) as tr:  # a second one finds nothing to do
        await kit.quiet(tr)
    found = kit.tables(path, "last")
    execution = found.execution
    assert ("cancelled", "user", 2, 1) == (
        execution["status"],
        execution["error_code"],
        execution["epoch"],
        execution["usage_complete"],
    )
    assert (2 * (IN + OUT), 2) == (execution["tokens_used"], execution["iterations_count"])
    assert status_in_flight == found.statuses["turn:2/call:1/tool", 1]
    assert (1, 0, 2 * (IN + OUT)) == (
        found.stats["run_count"],
        found.stats["success_count"],
        found.stats["tokens_total"],
    )
    assert "❌ AgentKit execution failed" == found.log["status"]
    assert 2 == json.loads(execution["logs"])["toolCallsCount"]
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
