"""SyncTrackrecord: the same as Trackrecord for a program without an event loop, and Ctrl-C loses no record."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say

from trackrecord import SyncTrackrecord, Trackrecord
from trackrecord.errors import BadInput, StoreUnusable, TrackrecordError
from trackrecord.models.scripted import ScriptedModel
from trackrecord.parity import Comparison
from trackrecord.store.memory_book import MemoryBook
from trackrecord.store.reader import SqliteReader
from trackrecord.sync import SyncMemoryBook
from trackrecord.verify import verify

STEPS = [{"id": "work", "type": "agent"}]
REPLIES = (ask("add", a=1, b=2), say("three"))


def options(*replies: Any) -> dict[str, Any]:
    model = ScriptedModel.from_mapping({"replies": list(replies), "then": "repeat_last"})
    return {"plugins": [kit.tools()], "models": {kit.MODEL: model}, "synchronous": "NORMAL"}


def blocking(path: Path, *replies: Any) -> SyncTrackrecord:
    return SyncTrackrecord(f"sqlite:///{path}", **options(*replies))


# ------------------------------------------------------------------------------------------------------------ the same


@pytest.mark.parametrize(
    ("blocking", "awaited", "least"),
    [
        (SyncTrackrecord, Trackrecord, {"run", "parity", "increment_agent_stats", "update_agent_intensity_metrics"}),
        (SyncMemoryBook, MemoryBook, {"list", "get", "add", "pin", "forget", "erase", "prune", "consolidate"}),
    ],
)
def test_every_blocking_call_has_the_arguments_of_the_other(blocking: type, awaited: type, least: set[str]) -> None:
    """What takes arguments by name takes the same ones, or hands on whatever it is given."""
    names = [
        name
        for name, value in vars(blocking).items()
        if not name.startswith("_") and name != "close" and not isinstance(value, property)
    ]
    assert least <= set(names)
    for name in names:
        theirs = inspect.signature(getattr(awaited, name)).parameters
        ours = inspect.signature(getattr(blocking, name)).parameters
        assert [one for one in ours if one in theirs or one == "options"] == list(ours), name
        assert "options" in ours or ours.keys() == theirs.keys(), name


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
async def test_a_run_is_the_same_run(tmp_path: Path, engine: str) -> None:
    """Record, output and what stands in the tables are what an awaited run leaves."""
    agent, given = kit.agent(STEPS), {"who": "Ada"}
    async with Trackrecord(f"sqlite:///{tmp_path / 'theirs.db'}", **options(*REPLIES)) as tr:
        theirs = await tr.run(agent, given, engine=engine, execution_type="api")
    with blocking(tmp_path / "ours.db", *REPLIES) as blocked:
        ours = blocked.run(agent, given, engine=engine, execution_type="api")
    assert ("completed", "three", "api") == (ours.status, ours.output, ours.record.origin.execution_type)
    assert (theirs.status, theirs.output) == (ours.status, ours.output)
    figures = ("iterations_count", "tokens", "tool_calls_count", "retry_count", "steps", "executed", "memory")
    assert [getattr(theirs.record.measures, name) for name in figures] == [
        getattr(ours.record.measures, name) for name in figures
    ]
    left = [kit.tables(tmp_path / name, run) for name, run in (("theirs.db", theirs), ("ours.db", ours))]
    assert left[0].statuses == left[1].statuses
    assert left[0].log["status"] == left[1].log["status"]


WRONG: dict[str, Callable[[], dict[str, Any]]] = {
    "an unknown model": lambda: {"agent": kit.agent(), "model": "nobody:knows"},
    "an unknown engine": lambda: {"agent": kit.agent(), "engine": "steam"},
    "a draft": lambda: {"agent": kit.agent(status="draft")},
    "a moment that is none": lambda: {"agent": kit.agent(), "now": "yesterday"},
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_error_is_the_same_error(tmp_path: Path, name: str) -> None:
    """What an awaited call raises is raised here: class, words, cure and code."""
    caught: list[TrackrecordError] = []
    async with Trackrecord(f"sqlite:///{tmp_path / 'a.db'}", **options(*REPLIES)) as tr:
        with pytest.raises(TrackrecordError) as raised:
            await tr.run(**WRONG[name]())
        caught.append(raised.value)
    with blocking(tmp_path / "b.db", *REPLIES) as blocked:
        with pytest.raises(TrackrecordError) as raised:
            blocked.run(**WRONG[name]())
        caught.append(raised.value)
    assert 1 == len({(type(one), one.message, one.cure, one.code) for one in caught})


async def test_parity_is_the_same_comparison(tmp_path: Path) -> None:
    """Both engines, field by field: the same verdicts of the same fields, and the database is not written."""
    agent = kit.agent(STEPS)
    theirs = await Trackrecord(f"sqlite:///{tmp_path / 'a.db'}", **options(*REPLIES)).parity(agent, {})
    with blocking(tmp_path / "b.db", *REPLIES) as blocked:
        ours = blocked.parity(agent, {})
        back = blocked.parity(agent, {}, engines=("orchestrator", "agentkit"))
        with pytest.raises(BadInput, match="3 engines are not a pair"):
            blocked.parity(agent, {}, engines=("agentkit", "orchestrator", "agentkit"))
    assert isinstance(ours, Comparison)
    assert ours.is_ok(same_work=True)
    assert (
        ("agentkit", "orchestrator") == (ours.left.engine, ours.right.engine) == (back.right.engine, back.left.engine)
    )
    # two equal times are equal, two different ones equal by rule: that is chance
    verdicts = [[(one.field, one.verdict.removesuffix(" by rule")) for one in it.findings] for it in (theirs, ours)]
    assert verdicts[0] == verdicts[1]
    with SqliteReader(tmp_path / "b.db") as reader:
        assert [] == reader.rows("SELECT id FROM agent_executions")


# ------------------------------------------------------------------------------------------------------ open and closed


def test_before_opening_and_after_closing_nothing_can_be_asked(tmp_path: Path) -> None:
    """Each call says that it is not open and how to open it; closing is always allowed."""
    tr = blocking(tmp_path / "runs.db", *REPLIES)
    for _ in range(2):
        for ask_for in (
            lambda: tr.run(kit.agent()),
            lambda: tr.parity(kit.agent(STEPS)),
            lambda: tr.increment_agent_stats("a", "u", True),
        ):
            with pytest.raises(BadInput, match="this SyncTrackrecord is not open") as raised:
                ask_for()
            assert "with SyncTrackrecord" in raised.value.cure
        tr.close()
        with tr:
            pass


def test_opening_and_closing_twice_is_opening_and_closing_once(tmp_path: Path) -> None:
    """One thread while it is open, none afterwards; what was closed can be opened again."""
    tr = blocking(tmp_path / "runs.db", *REPLIES)
    for _ in range(2):
        with tr, tr:
            assert 1 == _loops()
            assert "completed" == tr.run(kit.agent(), {}).status
        tr.close()
        assert 0 == _loops()
    with SqliteReader(tmp_path / "runs.db") as reader:
        assert 2 == len(reader.rows("SELECT id FROM agent_executions"))


def test_one_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    """A database that cannot be used is told as in an awaited program, and nothing is left running."""
    (tmp_path / "runs.db").write_text("no database at all, but long enough to be read as one" * 20)
    with pytest.raises(StoreUnusable), blocking(tmp_path / "runs.db", *REPLIES):
        pass
    assert 0 == _loops()


def test_several_threads_may_share_one(tmp_path: Path) -> None:
    """Calls from many threads are carried out side by side, and each gets its own run."""
    outputs: list[object] = []
    with blocking(tmp_path / "runs.db", *REPLIES) as tr:
        threads = [threading.Thread(target=lambda: outputs.append(tr.run(kit.agent(), {}).output)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ["three"] * 8 == outputs


def _loops() -> int:
    return sum(1 for one in threading.enumerate() if one.name == "trackrecord")


# -------------------------------------------------------------------------------------------------------------- Ctrl-C

CHILD = """
import asyncio, sys
from tests.engines import kit
from trackrecord import SyncTrackrecord
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.store.reader import SqliteReader

async def answer(request):
    if not request.turn:
        call = ToolRequest(id="1", name="kit__add", arguments={"a": 1, "b": 2})
        return ModelReply(tool_requests=(call,), usage=Usage(input_tokens=100, output_tokens=10))
    print("asked", flush=True)
    await asyncio.sleep(60)
    return "too late"

path, method = sys.argv[1:]
models = {kit.MODEL: CallableModel(answer)}
agent = kit.agent([{"id": "work", "type": "agent"}])
with SyncTrackrecord(f"sqlite:///{path}", plugins=[kit.tools()], models=models, synchronous="NORMAL") as tr:
    try:
        getattr(tr, method)(agent, {})
    except KeyboardInterrupt:
        with SqliteReader(path) as reader:
            print([row["status"] for row in reader.rows("SELECT status FROM agent_executions")], flush=True)
        raise
"""


def _interrupted(path: Path, folder: Path, method: str, times: int = 1) -> tuple[int, str, str, float]:
    """A program that is interrupted while a model is asked: exit code, what it printed, and how long it took to end."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), method],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert child.stdout is not None
    assert "asked\n" == child.stdout.readline()
    began = time.monotonic()
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.001)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err, time.monotonic() - began


def test_an_interrupted_run_is_recorded_before_the_program_goes_on(tmp_path: Path) -> None:
    """Ctrl-C while a run is awaited: it is cancelled and recorded with what it used, and only then raised, at once."""
    path = tmp_path / "runs.db"
    code, out, err, seconds = _interrupted(path, tmp_path, "run")
    assert (-signal.SIGINT, "['cancelled']\n") == (code, out)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert seconds < 5
    found = kit.tables(path, "last")
    assert ("cancelled", "signal", IN + OUT, 0) == (
        found.execution["status"],
        found.execution["error_code"],
        found.execution["tokens_used"],
        found.execution["usage_complete"],
    )
    assert {"ok", "cancelled"} == set(found.statuses.values())
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]


def test_impatience_loses_no_record(tmp_path: Path) -> None:
    """Ctrl-C twice: the second is raised at once, and closing records the run all the same."""
    path = tmp_path / "runs.db"
    code, _, _, seconds = _interrupted(path, tmp_path, "run", times=2)
    assert (-signal.SIGINT, "cancelled") == (code, kit.tables(path, "last").execution["status"])
    assert seconds < 5


def test_an_interrupted_comparison_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C during parity: the copies it ran on are gone, and the database has no run."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    code, out, _, seconds = _interrupted(tmp_path / "runs.db", folder, "parity")
    assert (-signal.SIGINT, "[]\n", []) == (code, out, list(folder.iterdir()))
    assert seconds < 5
