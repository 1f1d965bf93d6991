"""F2: ten thousand steps, a thousand at once, ten thousand times round: bounded memory, whole records; the span cap."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trackrecord import Agent
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

MOST_MIB = 200
CHILD = """
import asyncio, json, sys
from pathlib import Path
from tests.engines import kit
from trackrecord import Agent

def peak_kib() -> int:
    # not from getrusage: across exec a child's figure there begins at its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

async def main(folder: Path, durability: str) -> None:
    inputs = json.loads((folder / "inputs.json").read_text())
    async with kit.opened(folder / "runs.db", kit.say("-"), durability=durability) as tr:
        run = await tr.run(Agent.load(folder / "agent.yaml"), inputs, engine="orchestrator")
    ending, measures = run.record.ending, run.record.measures
    output = run.output if isinstance(run.output, int) else len(run.output or [])
    print(json.dumps({
        "ended": [ending.status, ending.error_code],
        "output": output,
        "steps": measures.steps.completed,
        "tools": measures.tool_calls_count,
        "iterations": measures.executed.loop_iterations,
        "mib": peak_kib() / 1024,
    }))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run in a process of its own ended, and the most memory that process had."""

    figures: dict[str, Any]
    mib: float


def add(to: str) -> dict[str, Any]:
    return {"type": "action", "plugin": "kit", "action": "add", "params": {"a": to, "b": 1}}


def chain(count: int) -> list[dict[str, Any]]:
    """Tool calls, each with what the one before it gave."""
    sources = ["{{ inputs.value }}", *(f"{{{{ steps.s{place}.data.sum }}}}" for place in range(1, count))]
    calls = [{"id": f"s{place}", **add(source)} for place, source in enumerate(sources, 1)]
    return [*calls[:-1], {"id": "last", "type": "transform", "operation": "set", "value": sources[-1]}]


def container(**fields: Any) -> list[dict[str, Any]]:
    return [{"id": "all", "over": "{{ inputs.items }}", "steps": [{"id": "one", **add("{{ item }}")}]} | fields]


def pure(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"p{place}", "type": "transform", "operation": "set", "value": "{{ item }}"} for place in range(count)
    ]


CALL = "    plugin: kit\n    action: add\n    name: 'adds one to what there is'\n"
WHILE = {"type": "loop", "while": "index < 10000", "max_iterations": 10_000}
CASES: dict[str, tuple[list[dict[str, Any]], int, dict[str, Any]]] = {
    "10,000 steps": (chain(10_000), 0, {"steps": 10_000, "tools": 9_999, "iterations": 0, "output": 9_999}),
    "1,000 at once": (
        container(type="map", max_concurrency=1_000),
        1_000,
        {"steps": 1_001, "tools": 1_000, "iterations": 0, "output": 1_000},
    ),
    "10,000 items": (
        container(type="loop", max_iterations=10_000),
        10_000,
        {"steps": 10_001, "tools": 10_000, "iterations": 10_000, "output": 10_000},
    ),
    "10,000 times while": (
        [{"id": "all", **WHILE, "steps": [{"id": "one", **add("{{ index }}")}]}],
        0,
        {"steps": 10_001, "tools": 10_000, "iterations": 10_000, "output": 10_000},
    ),
}


def carried_out(folder: Path, steps: list[dict[str, Any]], items: int, durability: str) -> Ended:
    fields = {"name": "large", "model": "test:script", "plugins_required": ["kit"], "workflow_steps": steps}
    # JSON is YAML, and written in no time
    (folder / "agent.yaml").write_text(json.dumps(fields))
    (folder / "inputs.json").write_text(json.dumps({"value": 0, "items": list(range(items))}))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), durability], capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == done.returncode, done.stderr
    figures = json.loads(done.stdout)
    return Ended(figures, figures.pop("mib"))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="nobody else tells a process's peak")
@pytest.mark.parametrize("case", CASES)
def test_f2_a_large_run_fits_in_memory(tmp_path: Path, case: str) -> None:
    """Whatever the size, the process stays small, every step and call is counted, and every total is its recount."""
    steps, items, figures = CASES[case]
    ended = carried_out(tmp_path, steps, items, "async" if "while" in case else "sync")
    assert {"ended": ["completed", None], **figures} == ended.figures
    assert ended.mib <= MOST_MIB
    with SqliteReader(tmp_path / "runs.db") as reader:
        assert verify(reader).is_clean


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="nobody else tells a process's peak")
def test_f2_the_span_cap_ends_a_run(tmp_path: Path) -> None:
    """A run that has made 100,000 spans ends with the reason; what it did until then is recorded, all of it."""
    steps = container(type="loop", max_iterations=100_000, steps=pure(4))
    ended = carried_out(tmp_path, steps, 30_000, "async")
    assert ["failed", "limit_reached"] == ended.figures["ended"]
    # the iteration that found no room had begun, and the loop says so in its span
    assert (100_000, 25_001) == (ended.figures["steps"], ended.figures["iterations"])
    assert ended.mib <= MOST_MIB
    with SqliteReader(tmp_path / "runs.db") as reader:
        assert verify(reader).is_clean
        [run] = reader.rows("SELECT error_message, error_path FROM agent_executions")
    assert "the run has made 100,000 spans, all that limits.max_spans allows" == run["error_message"]
    assert "s:all/i:25001/s:p0" == run["error_path"]


def test_f2_a_file_of_ten_thousand_steps_is_read(tmp_path: Path) -> None:
    """The most steps there may be fit into the largest file there may be, as YAML as people write it."""
    path = tmp_path / "agent.yaml"
    head = "name: large\nplugins_required: [kit]\nworkflow_steps:\n"
    calls = (
        f"  - id: s{place}\n    type: action\n{CALL}    params:\n      a: 1\n      b: 2\n" for place in range(10_000)
    )
    path.write_text(head + "".join(calls))
    workflow = Agent.load(path).workflow
    assert workflow is not None
    assert 10_000 == len(workflow.steps.steps)
