"""The sweep: runs nobody carries any more go on once, or end with what was stored of them; others are left alone."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say
from tests.store import runs as stored

from trackrecord import Agent, Trackrecord
from trackrecord.admission import Request, decide
from trackrecord.clock import new_id, now, stamp
from trackrecord.context.live_run import Progress
from trackrecord.dispatch import in_process
from trackrecord.dispatch.in_process import Sweep
from trackrecord.errors import BadAgent, CannotResume, Conflict, PluginNotConnected, StoreBusy
from trackrecord.handles import Started
from trackrecord.plugins.protocol import EffectClass
from trackrecord.runner import Runner
from trackrecord.store import transactions
from trackrecord.store.filing import accepted
from trackrecord.store.protocol import ExpiredRun, FinishedRun
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT
from trackrecord.verify import verify

WAITS = (ask("add", a=1, b=2), ask("wait", seconds=60))


def runner_of(tr: Trackrecord) -> Runner:
    assert tr._runner is not None
    return tr._runner


def opened(path: Path, effect: EffectClass = "read") -> Trackrecord:
    return kit.opened(path, *WAITS, plugins=[kit.tools(effect)], resumes=False)


def taker(path: Path, effect: EffectClass = "read", *, resumes: bool = False) -> Trackrecord:
    """Another process, whose tools take no time."""
    return kit.opened(path, *WAITS, say("fine"), plugins=[kit.tools(effect, haste=1e6)], resumes=resumes)


async def under_way(tr: Trackrecord, agent: Agent | None = None) -> Started:
    """A run whose second tool call is in flight and will be for a minute."""
    is_waiting = asyncio.Event()

    def watch(progress: Progress) -> None:
        if progress.kind == "started" and progress.label == "kit.wait":
            is_waiting.set()

    started = await tr.start(agent or kit.agent(), {}, watcher=watch)
    async with asyncio.timeout(10):
        await is_waiting.wait()
    await asyncio.sleep(0.01)  # its marker and what came before are stored
    return started


async def left_behind(tr: Trackrecord, path: Path, agent: Agent | None = None) -> Started:
    """Such a run whose holder seems to have died: its lease is over. It is still there, and does not know."""
    started = await under_way(tr, agent)
    stored.expire_lease(path, started.run_id)
    return started


async def queued(tr: Trackrecord, path: Path, *, age_s: float = 0, agent: Agent | None = None, **more: Any) -> str:
    """A run that was accepted so long ago, and that nobody has begun."""
    runner, run_id, agent = runner_of(tr), new_id(), agent or kit.agent()
    admitted = decide(Request(agent=agent, inputs={}), runner._standing(agent))
    origin = runner._origin(admitted, run_id)
    assert tr._store is not None
    await tr._store.accept(accepted(origin, admitted.agent, admitted.inputs_text, runner.redactor, asked={}))
    connection = stored.look(path)
    for column, value in {"created_at": stamp(now() - timedelta(seconds=age_s)), **more}.items():
        connection.execute(f"UPDATE agent_executions SET {column} = ? WHERE id = ?", (value, run_id))
    connection.close()
    return run_id


def execution(path: Path, run_id: str) -> Mapping[str, Any]:
    with SqliteReader(path) as reader:
        return reader.execution(run_id)


def findings(path: Path) -> list[object]:
    with SqliteReader(path) as reader:
        return [finding for check in verify(reader).checks for finding in check.findings]


async def drop(*started: Started) -> None:
    """Let go of runs that others have ended: whoever still carries them hears of it."""
    for one in started:
        one.cancel()
    ended = await asyncio.gather(*(one.task for one in started), return_exceptions=True)
    assert [Conflict] * len(started) == [type(error) for error in ended]


# ------------------------------------------------------------------------------------------------------- left behind


@pytest.mark.parametrize(("effect", "status"), [("read", None), ("keyed", "interrupted"), ("unsafe", "unknown")])
async def test_a_run_that_cannot_go_on_ends_once_with_what_was_stored(
    tmp_path: Path, effect: EffectClass, status: str | None
) -> None:
    """One abandoned record with what was stored by then; what was in flight is unknown; a second sweep finds none."""
    path = tmp_path / "runs.db"
    async with opened(path, effect) as tr:
        lost = await left_behind(tr, path)
        assert [True, False] == [await runner_of(tr).abandon(LOCAL_TENANT, lost.run_id) for _ in range(2)]
        await drop(lost)
    found = kit.tables(path, lost.run_id)
    assert ("abandoned", "worker_lost", 2, 0, 2 * (IN + OUT), 2, 2 if status else 1) == tuple(
        found.execution[name]
        for name in (
            "status",
            "error_code",
            "epoch",
            "usage_complete",
            "tokens_used",
            "iterations_count",
            "tool_calls_count",
        )
    )
    assert (status, "interrupted", "ok") == (
        found.statuses.get(("turn:2/call:1/tool", 1)),
        found.statuses["epoch:1", 1],
        found.statuses["epoch:2", 1],
    )
    assert ("❌ AgentKit execution failed", 1, 1, 2 * (IN + OUT)) == (
        found.log["status"],
        found.stats["run_count"],
        found.stats["abandoned_count"],
        found.stats["tokens_total"],
    )
    assert [] == findings(path)


async def test_a_run_left_behind_leaves_a_summary(tmp_path: Path) -> None:
    """The next run is told that this one was abandoned, unless its agent has no memory."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        lost = [await left_behind(tr, path, agent) for agent in (kit.agent(), kit.agent(name="b", memory=False))]
        for one in lost:
            assert await runner_of(tr).abandon(LOCAL_TENANT, one.run_id)
        await drop(*lost)
    with SqliteReader(path) as reader:
        [memory] = reader.rows("SELECT run_id, importance, text FROM run_memories")
    assert (lost[0].run_id, 9) == (memory["run_id"], memory["importance"])
    assert memory["text"].startswith("Was abandoned (worker_lost): the process that ran it died or stood still")


async def test_a_run_that_is_carried_is_left_alone(tmp_path: Path) -> None:
    """Whoever sweeps, in this process or another: a live lease is nobody else's business, and the run completes."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=0.3), say("fine")) as tr:
        started = await tr.start(kit.agent(), {})
        await asyncio.sleep(0.05)
        assert 0 == await Sweep(runner_of(tr)).once()
        async with taker(path) as other:
            assert 0 == await Sweep(runner_of(other)).once()
        run = await started.task
    assert ("completed", 1) == (run.status, execution(path, run.id)["epoch"])


@pytest.mark.parametrize(
    ("age_s", "more", "ended"),
    [
        (0, {}, 0),
        (transactions.LEASE_S - 3, {}, 0),
        (transactions.LEASE_S + 1, {}, 1),
        (transactions.LEASE_S + 1, {"ready_at": stored.FAR}, 0),
    ],
    ids=["new", "young", "old", "scheduled"],
)
async def test_a_run_nobody_began_is_begun_after_a_while(
    tmp_path: Path, age_s: float, more: dict[str, Any], ended: int
) -> None:
    """Who accepted it died before it began: whoever sweeps begins it; others are given their time."""
    path = tmp_path / "runs.db"
    async with taker(path) as tr:
        run_id = await queued(tr, path, age_s=age_s, **more)
        assert ended == await Sweep(runner_of(tr)).once()
        await kit.quiet(tr)
    found = execution(path, run_id)
    expected = ("completed", None, 1, 3 * (IN + OUT)) if ended else ("queued", None, 0, None)
    assert expected == (found["status"], found["error_code"], found["epoch"], found["tokens_used"])
    assert [] == findings(path)


async def test_the_database_is_swept_when_it_is_opened(tmp_path: Path) -> None:
    """Opening goes on with what dead processes left; the figures are those of an undisturbed run."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        lost, orphan = await left_behind(tr, path), await queued(tr, path, age_s=60)
        async with taker(path, resumes=True) as other:
            await kit.quiet(other)
        await drop(lost)
    assert [("completed", 3 * (IN + OUT))] * 2 == [
        (execution(path, one)["status"], execution(path, one)["tokens_used"]) for one in (lost.run_id, orphan)
    ]
    assert [] == findings(path)


async def test_what_cannot_go_on_here_is_left_for_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process without the plugin a run needs leaves it alone and says so, once; one that has it goes on."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        lost = await left_behind(tr, path)
        async with kit.opened(path, say("unused"), plugins=[], resumes=False) as poor:
            with caplog.at_level(logging.WARNING, "trackrecord"):
                sweep = Sweep(runner_of(poor))
                assert [0, 0] == [await sweep.once(), await sweep.once()]
        assert "running" == execution(path, lost.run_id)["status"]
        async with taker(path, resumes=True) as other:
            await kit.quiet(other)
        await drop(lost)
    said = [record.getMessage() for record in caplog.records]
    assert [True] == ["cannot go on here" in text for text in said if lost.run_id in text]
    assert "completed" == execution(path, lost.run_id)["status"]


async def test_an_open_database_is_swept_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left behind later is found as well, and a sweep that fails once is tried again."""
    monkeypatch.setattr(in_process, "SWEEP_S", 0.01)
    path, failures = tmp_path / "runs.db", iter([StoreBusy("locked"), ValueError("a fault of ours")])
    look = SqliteStore.expired

    async def expired(self: SqliteStore, limit: int, after: str = "") -> list[ExpiredRun]:
        if error := next(failures, None):
            raise error
        return await look(self, limit, after)

    async with opened(path) as tr, taker(path, resumes=True) as other:
        monkeypatch.setattr(SqliteStore, "expired", expired)
        lost = await left_behind(tr, path)
        await kit.quiet(other, ended=lost.run_id)
        assert None is next(failures, None)
        await drop(lost)


# ----------------------------------------------------------------------------------------------------- many and at once


async def test_two_sweeps_at_once_carry_a_run_once(tmp_path: Path) -> None:
    """However many look at one moment, in one process or several: one record, one log, one count each."""
    path = tmp_path / "runs.db"
    async with taker(path) as tr, taker(path) as other:
        orphans = [await queued(tr, path, age_s=60) for _ in range(10)]
        sweeps = [Sweep(runner_of(one)) for one in (tr, other, tr, other)]
        assert 10 <= sum(await asyncio.gather(*(sweep.once() for sweep in sweeps)))  # who came second hears of it
        for one in (tr, other):
            await kit.quiet(one)
    with SqliteReader(path) as reader:
        [stats] = reader.stats(kit.agent().id)
        logs = reader.rows("SELECT execution_id FROM agent_logs ORDER BY execution_id")
    assert (10, 10) == (stats["run_count"], stats["success_count"])
    assert sorted(orphans) == [row["execution_id"] for row in logs]
    assert [] == findings(path)


async def test_one_sweep_takes_so_many_and_the_next_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep is bounded, and takes the oldest first."""
    monkeypatch.setattr(in_process, "MOST_AT_ONCE", 2)
    path = tmp_path / "runs.db"
    async with taker(path) as tr:
        orphans = [await queued(tr, path, age_s=60) for _ in range(5)]
        sweep = Sweep(runner_of(tr))
        assert 2 == await sweep.once()
        await kit.quiet(tr)
        assert orphans[2:] == [one for one in orphans if execution(path, one)["status"] == "queued"]
        for count in (2, 1, 0):
            assert count == await sweep.once()
            await kit.quiet(tr)


async def test_what_cannot_go_on_here_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs are left alone, those that came after them are taken up."""
    monkeypatch.setattr(in_process, "MOST_AT_ONCE", 2)
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        for _ in range(5):
            await queued(tr, path, age_s=60)
        mine = await queued(tr, path, age_s=60, agent=kit.agent(plugins_required=[]))
    async with kit.opened(path, say("fine"), plugins=[], resumes=False) as poor:
        sweep = Sweep(runner_of(poor))
        assert [1, 0] == [await sweep.once(), await sweep.once()]
        await kit.quiet(poor, ended=mine)
    assert "completed" == execution(path, mine)["status"]


async def test_what_could_not_go_on_here_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was missing may be there by then, as a server that was down; it is told of once."""
    monkeypatch.setattr(in_process, "ALONE_S", 0.05)
    path, is_down = tmp_path / "runs.db", True
    async with taker(path) as tr:
        ready = tr.mcp.ready

        async def sometimes(*given: Any) -> None:
            if is_down:
                raise PluginNotConnected("the server is down", cure="Wait.")
            await ready(*given)

        monkeypatch.setattr(tr.mcp, "ready", sometimes)
        run_id, sweep = await queued(tr, path, age_s=60), Sweep(runner_of(tr))
        with caplog.at_level(logging.WARNING, "trackrecord"):
            for _ in range(2):
                assert 0 == await sweep.once()
                await asyncio.sleep(0.1)
        assert 1 == len([record for record in caplog.records if run_id in record.getMessage()])
        is_down = False
        assert 1 == await sweep.once()
        await kit.quiet(tr, ended=run_id)
    assert "completed" == execution(path, run_id)["status"]


async def test_a_sweep_that_is_ending_a_run_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To begin a run is not given up midway; the sweep stops all the same once that is done."""
    path, is_beginning, begin = tmp_path / "runs.db", asyncio.Event(), SqliteStore.begin

    async def slow(self: SqliteStore, *given: Any, **more: Any) -> Any:
        is_beginning.set()
        await asyncio.sleep(0.1)
        return await begin(self, *given, **more)

    async def cannot(*given: Any, **more: Any) -> Any:
        raise CannotResume("it cannot be read", cure="Start anew.")

    async with taker(path) as tr:
        monkeypatch.setattr(SqliteStore, "begin", slow)
        monkeypatch.setattr(Runner, "resume", cannot)
        monkeypatch.setattr(in_process, "SWEEP_S", 0.01)
        sweep = Sweep(runner_of(tr))
        await sweep.start()
        run_id = await queued(tr, path, age_s=60)
        await is_beginning.wait()
        async with asyncio.timeout(5):
            await sweep.stop()
    assert "abandoned" == execution(path, run_id)["status"]


# ------------------------------------------------------------------------------------------------- what cannot be read


def _no_longer_an_agent(mapping: Mapping[str, object], **more: Any) -> Agent:
    raise BadAgent("the agent: 1 problem")


def _a_fault_of_ours(mapping: Mapping[str, object], **more: Any) -> Agent:
    raise KeyError("steps")


@pytest.mark.parametrize("load", [_no_longer_an_agent, _a_fault_of_ours])
async def test_a_definition_that_no_longer_loads_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Agent]
) -> None:
    """A run of an older version's agent ends as abandoned, without a summary; every other run goes on."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr, taker(path) as other:
        lost = [await left_behind(tr, path, kit.agent(name=name)) for name in ("old", "new")]
        real = Agent.from_mapping

        def from_mapping(mapping: Mapping[str, object], **more: Any) -> Agent:
            return load(mapping, **more) if mapping.get("name") == "old" else real(mapping, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Agent, "from_mapping", from_mapping)
            assert 2 == await Sweep(runner_of(other)).once()
            await kit.quiet(other)
        await drop(*lost)
    assert [("abandoned", 2 * (IN + OUT)), ("completed", 3 * (IN + OUT))] == [
        (execution(path, one.run_id)["status"], execution(path, one.run_id)["tokens_used"]) for one in lost
    ]
    with SqliteReader(path) as reader:
        assert [lost[1].run_id] == [row["run_id"] for row in reader.rows("SELECT run_id FROM run_memories")]
    assert [] == findings(path)


@pytest.mark.parametrize("definition", ["{not json", "[]", "null", '{"name":7}'])
async def test_a_damaged_definition_costs_no_record(tmp_path: Path, definition: str) -> None:
    """Whatever the text has become: the run ends as abandoned, with what it had used."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        lost = await left_behind(tr, path)
        connection = stored.look(path)
        connection.execute("UPDATE agent_versions SET definition = ?", (definition,))
        connection.close()
        async with taker(path) as other:
            assert 1 == await Sweep(runner_of(other)).once()
        await drop(lost)
    found = kit.tables(path, lost.run_id)
    assert ("abandoned", 2 * (IN + OUT), 1) == (
        found.execution["status"],
        found.execution["tokens_used"],
        found.stats["abandoned_count"],
    )
    assert 2 == json.loads(found.execution["logs"])["iterations"]


async def test_a_run_that_cannot_be_stored_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When one record cannot be stored, the others are; that run is let go of, named in the log, and ended later."""
    path = tmp_path / "runs.db"
    async with taker(path) as tr:
        orphans = [await queued(tr, path, age_s=60) for _ in range(3)]
        finish, sweep = SqliteStore.finish, Sweep(runner_of(tr))

        async def full(self: SqliteStore, run: FinishedRun) -> bool:
            if run.origin.run_id == orphans[0]:
                self._leases.let_go(run.begun)
                raise StoreBusy("the disk is full")
            return await finish(self, run)

        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "trackrecord"):
            patch.setattr(SqliteStore, "finish", full)
            assert 3 == await sweep.once()
            await kit.quiet(tr)
        assert [f"run {orphans[0]} was taken up and could not go on: the disk is full"] == [
            text for record in caplog.records if orphans[0] in (text := record.getMessage())
        ]
        assert tr._store is not None
        assert {} == tr._store._leases._held
        stored.expire_lease(path, orphans[0])
        assert 1 == await sweep.once()
        await kit.quiet(tr)
    assert ["completed"] * 3 == [execution(path, one)["status"] for one in orphans]
    assert [2, 1, 1] == [execution(path, one)["epoch"] for one in orphans]
    assert [] == findings(path)


async def test_stopping_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `stop` nothing is looked for any more; stopping what was never started is nothing."""
    monkeypatch.setattr(in_process, "SWEEP_S", 0.001)
    counted: list[int] = []
    look = SqliteStore.expired

    async def expired(self: SqliteStore, limit: int, after: str = "") -> list[ExpiredRun]:
        counted.append(limit)
        return await look(self, limit, after)

    monkeypatch.setattr(SqliteStore, "expired", expired)
    async with taker(tmp_path / "runs.db", resumes=True) as tr:
        await asyncio.sleep(0.05)
        assert len(counted) > 2
        assert tr._sweep is not None
        await tr._sweep.stop()
        count = len(counted)
        await asyncio.sleep(0.02)
        assert count == len(counted)
        await tr._sweep.stop()
        await Sweep(runner_of(tr)).stop()


# -------------------------------------------------------------------------------------------------------------- zombies

# A process with a short lease, told when to stand still; what it says last is what its caller got.
CHILD = """
import asyncio, sys
from pathlib import Path
from tests.engines import kit
from tests.engines.kit import ask, say
from trackrecord.errors import TrackrecordError
from trackrecord.store import leases, transactions

transactions.LEASE_S, leases.BEAT_S = 1, 0.2

STEPS = [
    {"id": "think", "type": "llm", "prompt": "Think."},
    {"id": "wait", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 2.5}},
]

def tell(seen):
    print(seen.kind, seen.label, flush=True)

async def main(path: str, effect: str, durability: str, engine: str) -> None:
    script = [ask("add", a=1, b=2), ask("wait", seconds=2.5), say("fine")] if engine == "agentkit" else [say("fine")]
    tr = await kit.opened(Path(path), *script, plugins=[kit.tools(effect)], durability=durability).open()
    await tr._sweep.stop()  # this one only stands still
    try:
        run = await tr.run(kit.agent(STEPS), {}, engine=engine, watcher=tell)
        print("ended", run.status, flush=True)
    except TrackrecordError as error:
        print("raised", type(error).__name__, error.code, error.message, "|", error.cure, flush=True)
    await tr.close()

asyncio.run(main(*sys.argv[1:]))
"""


def standing_still(path: Path, *given: str) -> subprocess.Popen[str]:
    """A process that has stopped in the middle of a run."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line == "started kit.wait\n":
            break
    time.sleep(0.17)  # between two flushes: one that stops inside a transaction keeps everybody out
    child.send_signal(signal.SIGSTOP)
    return child


def awake(child: subprocess.Popen[str]) -> str:
    """Let it go on; the last thing it says."""
    child.send_signal(signal.SIGCONT)
    out, err = child.communicate(timeout=30)
    assert (0, "") == (child.returncode, err)
    return out.splitlines()[-1]


# where they stand still, and what is left to do: AgentKit has a model to ask, this workflow only has to finish
ZOMBIES = [
    ("unsafe", "sync", "agentkit"),
    ("read", "async", "agentkit"),
    ("read", "sync", "orchestrator"),
    ("unsafe", "async", "orchestrator"),
]


async def test_a_zombie_writes_nothing_and_hears_of_it(tmp_path: Path) -> None:
    """It stands still past its lease, its run ends elsewhere, it goes on: no row changes, its caller is told."""
    paths = {case: tmp_path / f"{'-'.join(case)}.db" for case in ZOMBIES}
    starting = [asyncio.to_thread(standing_still, path, *case) for case, path in paths.items()]
    zombies = await asyncio.gather(*starting)
    try:
        await asyncio.sleep(1.1)  # their leases are one second here
        for path in paths.values():
            async with opened(path) as other:
                assert await runner_of(other).abandon(LOCAL_TENANT, execution(path, "last")["id"])
            assert ("abandoned", 2) == (execution(path, "last")["status"], execution(path, "last")["epoch"])
        before = [stored.contents(path) for path in paths.values()]
        words = await asyncio.gather(*(asyncio.to_thread(awake, zombie) for zombie in zombies))
    finally:
        for zombie in zombies:
            zombie.kill()
    for case, said, rows in zip(ZOMBIES, words, before, strict=True):
        path = paths[case]
        assert said.startswith("raised Conflict conflict run "), (case, said)
        assert execution(path, "last")["id"] in said, (case, said)
        assert not said.endswith("| "), (case, said)
        assert rows == stored.contents(path), case
        assert [] == findings(path), case
