"""Runs whose process died go on: nothing whose result is stored is done again, and the record is as if undisturbed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import ask, say

from trackrecord import FunctionPlugin
from trackrecord.errors import StillWaiting, StoreBusy
from trackrecord.plugins.protocol import EffectClass
from trackrecord.store.driver import driver
from trackrecord.store.journal import SqliteJournal
from trackrecord.store.protocol import ParkedRun
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import verify

STEPS: list[dict[str, Any]] = [
    {"id": "one", "type": "action", "plugin": "book", "action": "note", "params": {"word": "one"}},
    {"id": "ask", "type": "llm", "prompt": "Say."},
    {"id": "each", "type": "loop", "over": ["1", "2", "3"], "steps": [
        {"id": "put", "type": "action", "plugin": "book", "action": "note", "params": {"word": "{{ item }}"}},
        {"id": "end", "type": "action", "plugin": "book", "action": "die", "params": {"word": "{{ item }}"}},
    ]},
]  # fmt: skip
CHILD = """
import asyncio, json, sys
from pathlib import Path
from tests.engines import kit, test_resume

async def main(folder: str, effect: str, durability: str, engine: str) -> None:
    folder = Path(folder)
    tr = test_resume.opened(folder, effect, durability=durability)
    async with tr:
        await tr.run(test_resume.worker(engine), {}, engine=engine)

asyncio.run(main(*sys.argv[1:]))
"""


def book(folder: Path, effect: EffectClass) -> FunctionPlugin:
    """A plugin that writes down every call; `die` kills its process the first time it is called with `2`."""
    plugin = FunctionPlugin("book")
    calls, mark = folder / "calls", folder / "died"

    def put(name: str, word: object) -> None:
        with calls.open("a") as file:
            file.write(f"{name} {word}\n")

    @plugin.action(effect="keyed")
    async def note(word: str) -> str:
        """Write a word down."""
        put("note", word)
        return f"noted {word}"

    @plugin.action(effect=effect)
    async def die(word: str) -> str:
        """Write a word down, and die of the second."""
        put("die", word)
        if str(word) == "2" and not mark.exists():
            mark.touch()
            await asyncio.sleep(0.2)  # under `async` the run itself is stored 100 ms after it began
            os.kill(os.getpid(), signal.SIGKILL)
        return f"lived {word}"

    return plugin


def worker(engine: str) -> Any:
    """The agent of these tests, for an engine."""
    steps = STEPS if engine == "orchestrator" else None
    plugins = {"plugins_required": ["book"]}
    return kit.agent(steps, **plugins)


def opened(folder: Path, effect: EffectClass, **options: Any) -> Any:
    """A Trackrecord with that plugin and a model that calls it."""

    def call(name: str, word: str) -> dict[str, Any]:
        return {"tool_calls": [{"name": f"book__{name}", "arguments": {"word": word}}], "usage": _usage()}

    replies = [call("note", "one"), call("die", "1"), call("die", "2"), call("die", "3"), say("done")]
    script = {"replies": replies, "then": "repeat_last"}
    return kit.opened(folder / "runs.db", script=script, plugins=[book(folder, effect)], **options)


def _usage() -> dict[str, int]:
    return {"input": kit.IN, "output": kit.OUT}


def _die(folder: Path, effect: str, durability: str, engine: str) -> None:
    arguments = [sys.executable, "-c", CHILD, str(folder), effect, durability, engine]
    child = subprocess.run(arguments, check=False, timeout=60)
    assert -signal.SIGKILL == child.returncode
    assert (folder / "died").exists()
    expire(folder / "runs.db")


def expire(path: Path) -> None:
    """Let every lease in a database be over."""
    connection = driver.connect(str(path))
    connection.execute(
        "UPDATE agent_executions SET lease_until = '2000-01-01T00:00:00.000000Z' WHERE status = 'running'"
    )
    connection.commit()
    connection.close()


def calls(folder: Path) -> list[str]:
    """What the plugin wrote down."""
    return (folder / "calls").read_text().splitlines()


def facts(path: Path, run: str = "last") -> Mapping[str, Any]:
    """What the record says, without times and what an interruption adds."""
    execution = kit.tables(path, run).execution
    logs = json.loads(execution["logs"])
    names = ("status", "tokens_used", "iterations_count", "tool_calls_count", "retry_count", "steps_completed",
             "steps_failed", "executed_steps", "executed_loop_iterations", "model", "provider")  # fmt: skip
    return {name: execution[name] for name in names} | {
        "calls": [(call["action"], call["success"]) for call in logs["toolCalls"]]
    }


def findings(path: Path) -> list[object]:
    """What verify finds."""
    with SqliteReader(path) as reader:
        return [finding for check in verify(reader).checks for finding in check.findings]


async def undisturbed(tmp_path: Path, engine: str) -> Mapping[str, Any]:
    """The facts of the same run that nobody killed."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    (folder / "died").touch()
    async with opened(folder, "keyed") as tr:
        run = await tr.run(worker(engine), {}, engine=engine)
        assert "completed" == run.status
    return facts(folder / "runs.db", run.id)


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
@pytest.mark.parametrize("effect", ["read", "keyed"])
async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, effect: str, engine: str, durability: str) -> None:
    """The next process that opens the database finishes it: equal figures, no stored effect done again."""
    expected = await undisturbed(tmp_path, engine)
    _die(tmp_path, effect, durability, engine)
    async with opened(tmp_path, effect) as tr:
        await kit.quiet(tr)
    assert expected == facts(tmp_path / "runs.db")
    assert [] == findings(tmp_path / "runs.db")
    if durability == "sync":
        again = (
            ["die 2"] if effect == "keyed" else [line for line in calls(tmp_path) if calls(tmp_path).count(line) > 1]
        )
        assert sorted([*set(calls(tmp_path)), *set(again)]) == sorted(calls(tmp_path))
    execution = kit.tables(tmp_path / "runs.db", "last").execution
    assert 2 == execution["epoch"]
    assert execution["interruptions_count"] in (1, 2)  # the epoch, and an attempt whose end was on its way to the disk


@pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])
async def test_an_unsafe_call_is_never_silently_run_twice(tmp_path: Path, engine: str) -> None:
    """Its run waits for somebody to say what became of it; told `done` it goes on with the data given."""
    expected = await undisturbed(tmp_path, engine)
    _die(tmp_path, "unsafe", "sync", engine)
    async with opened(tmp_path, "unsafe") as tr:
        await kit.quiet(tr)
        waiting = kit.execution(tmp_path / "runs.db")
        assert ("waiting", "unknown_outcome") == (waiting["status"], waiting["wait_reason"])
        [question] = await tr.approvals()
        await tr.settle(waiting["id"], question.path, "done", "lived 2")
        await kit.quiet(tr, ended=waiting["id"])
    assert 1 == calls(tmp_path).count("die 2")
    found = dict(facts(tmp_path / "runs.db"))
    told = [(name, success) for name, success in found.pop("calls")]
    assert [name for name, _ in expected["calls"]] == [name for name, _ in told]
    assert {name: value for name, value in expected.items() if name != "calls"} == found
    assert 1 == kit.execution(tmp_path / "runs.db")["unknown_count"]
    assert [] == findings(tmp_path / "runs.db")


async def test_told_to_retry_it_is_called_again(tmp_path: Path) -> None:
    """`settle --outcome retry` makes it the next attempt, and no retry of ours."""
    _die(tmp_path, "unsafe", "sync", "orchestrator")
    async with opened(tmp_path, "unsafe") as tr:
        await kit.quiet(tr)
        run_id = kit.execution(tmp_path / "runs.db")["id"]
        [question] = await tr.approvals(run_id)
        await tr.settle(run_id, question.path, "retry")
        await kit.quiet(tr, ended=run_id)
    execution = kit.execution(tmp_path / "runs.db")
    assert ("completed", 0, 1) == (execution["status"], execution["retry_count"], execution["unknown_count"])
    assert 2 == calls(tmp_path).count("die 2")
    assert [] == findings(tmp_path / "runs.db")


async def test_poison_ends(tmp_path: Path) -> None:
    """A run that kills every process that runs it is begun three times, and no more."""
    folder = tmp_path
    for _ in range(3):
        (folder / "died").unlink(missing_ok=True)
        arguments = [
            sys.executable,
            "-c",
            GO_ON if (folder / "runs.db").exists() else CHILD,
            str(folder),
            "keyed",
            "sync",
            "orchestrator",
        ]
        child = subprocess.run(arguments, check=False, timeout=60)
        assert -signal.SIGKILL == child.returncode
        expire(folder / "runs.db")
    async with opened(folder, "keyed") as tr:
        await kit.quiet(tr)
    execution = kit.execution(folder / "runs.db")
    assert ("abandoned", "poison", 4, 6) == (
        execution["status"], execution["error_code"], execution["epoch"], execution["interruptions_count"],
    )  # fmt: skip
    assert [] == findings(folder / "runs.db")


GO_ON = """
import asyncio, sys
from pathlib import Path
from tests.engines import kit, test_resume

async def main(folder: str, effect: str, *rest: str) -> None:
    async with test_resume.opened(Path(folder), effect) as tr:
        await kit.quiet(tr)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_long_delay_holds_nothing(tmp_path: Path) -> None:
    """The run waits without a task, a lease or a timer, and goes on when its time has come; its data says how long."""
    steps = [
        {"id": "rest", "type": "delay", "duration": "1h"},
        {"id": "two", "type": "transform", "operation": "set", "value": 2},
    ]
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as tr:
        run = await tr.run(kit.agent(steps), {})
        assert ("waiting", "delay") == (run.status, run.parked and run.parked.reason)
        with pytest.raises(StillWaiting):
            run.raise_for_status()
        assert {} == tr._opened().live
    waiting = kit.execution(path)
    assert ("waiting", "delay", None, 1) == tuple(
        waiting[name] for name in ("status", "wait_reason", "lease_until", "epoch")
    )
    assert [] == findings(path)
    connection = driver.connect(str(path))
    connection.execute("UPDATE agent_executions SET ready_at = '2020-01-01T00:00:00.000000Z'")
    connection.execute(
        "UPDATE run_checkpoints SET subject = ? WHERE kind = 'wait'",
        ("2020-01-01T00:00:00.000000Z 2020-01-01T01:00:00.000000Z",),
    )
    connection.commit()
    connection.close()
    async with kit.opened(path, say("unused")) as tr:
        await kit.quiet(tr, ended=run.id)
    execution = kit.execution(path)
    assert ("completed", 2, 2) == (execution["status"], execution["epoch"], execution["steps_completed"])
    assert execution["working_duration_ms"] <= execution["execution_duration_ms"]
    assert [] == findings(path)


async def test_a_branch_that_works_keeps_the_run(tmp_path: Path) -> None:
    """While one branch works, a branch that waits does not park the run; once it waits too, it is parked."""
    steps = [{"id": "both", "type": "parallel", "branches": {
        "long": [{"id": "rest", "type": "delay", "duration": "1h"}],
        "work": [{"id": "w", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 0.3}}],
    }}]  # fmt: skip
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as tr:
        run = await tr.run(kit.agent(steps), {})
    assert "waiting" == run.status
    assert [("s:both/b:work/s:w", "ok"), ("s:both/b:work/s:w/tool", "ok")] == sorted(
        (path, status) for (path, _), status in kit.statuses(path, run.id).items() if path.startswith("s:")
    )
    assert [] == findings(path)


async def test_a_failure_ends_what_waits_deep_inside(tmp_path: Path) -> None:
    """What waits beside a failure is stopped, not parked, though for a moment nothing can go on: all is recorded."""
    ok = {"id": "ok", "type": "approval", "message": "May it?"}
    steps = [{"id": "all", "type": "parallel", "branches": {
        "fails": [{"id": "bad", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 0.1}},
                  {"id": "end", "type": "action", "plugin": "kit", "action": "fail"}],
        "works": [{"id": "w", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 30}}],
        "waits": [{"id": "one", "type": "loop", "over": [1, 2], "concurrency": 2, "steps": [
            {"id": "two", "type": "loop", "over": [1, 2], "concurrency": 2, "steps": [ok]}]}],
    }}]  # fmt: skip
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused")) as tr:
        run = await tr.run(kit.agent(steps), {})
    assert ("failed", "tool_failed") == (run.status, kit.execution(path)["error_code"])
    waited = [(place, status) for (place, _), status in kit.statuses(path, run.id).items() if "b:waits" in place]
    assert 1 + 2 + 4 + 4 == len(waited)
    assert {"cancelled"} == {status for _, status in waited}
    assert [] == findings(path)


async def test_a_waiting_run_can_be_cancelled(tmp_path: Path) -> None:
    """It ends as cancelled, with what it had used; the wait it was in is cancelled too."""
    steps = [{"id": "ask", "type": "llm", "prompt": "Say."}, {"id": "rest", "type": "delay", "duration": "1h"}]
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("hello")) as tr:
        run = await tr.run(kit.agent(steps), {})
        assert "waiting" == await tr.cancel(run.id)
    execution = kit.execution(path)
    assert ("cancelled", "user", kit.IN + kit.OUT) == tuple(
        execution[n] for n in ("status", "error_code", "tokens_used")
    )
    assert "cancelled" == kit.statuses(path, run.id)["s:rest/wait", 1]
    assert [] == findings(path)


async def test_a_run_carried_elsewhere_is_cancelled_within_a_second(tmp_path: Path) -> None:
    """Whoever carries it looks, and stops at the next await."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=60)) as tr, kit.opened(path, say("unused")) as other:
        started = await tr.start(kit.agent(), {})
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
        assert "running" == await other.cancel(started.run_id)
        run = await asyncio.wait_for(started.task, 5)
        assert asyncio.get_running_loop().time() - began < 1.5
    assert ("cancelled", "user") == (run.status, kit.execution(path)["error_code"])
    assert [] == findings(path)


@pytest.mark.parametrize("who", ["another process", "this one"])
async def test_a_cancel_that_comes_while_a_run_is_parked_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Whoever carried it looks no more, and nothing else would bring it back: it ends at once."""
    path, park = tmp_path / "runs.db", SqliteStore.park
    async with kit.opened(path, say("unused"), resumes=False) as tr:

        async def cancelled_meanwhile(self: SqliteStore, run: ParkedRun) -> Any:
            if who == "this one":
                assert "running" == await tr.cancel(run.begun.run_id)
            else:
                await self.ask_to_cancel(run.begun.tenant_id, run.begun.run_id, "user")
            return await park(self, run)

        monkeypatch.setattr(SqliteStore, "park", cancelled_meanwhile)
        run = await tr.run(kit.agent([{"id": "ok", "type": "approval", "message": "Go?"}]), {})
    assert ("cancelled", "user") == (run.status, kit.execution(path)["error_code"])
    assert [] == findings(path)


async def test_a_parked_run_that_is_to_end_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the process die before it has ended it, the next one does."""
    path, park = tmp_path / "runs.db", SqliteStore.park

    async def cancelled_meanwhile(self: SqliteStore, run: ParkedRun) -> Any:
        await self.ask_to_cancel(run.begun.tenant_id, run.begun.run_id, "user")
        await park(self, run)

    async with kit.opened(path, say("unused"), resumes=False) as tr:
        monkeypatch.setattr(SqliteStore, "park", cancelled_meanwhile)
        run = await tr.run(kit.agent([{"id": "ok", "type": "approval", "message": "Go?"}]), {})
        assert "waiting" == run.status
    async with kit.opened(path, say("unused")) as other:
        await kit.quiet(other, ended=run.id)
    assert "cancelled" == kit.execution(path)["status"]


async def test_a_run_that_another_process_ended_first_was_cancelled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep of another process may be faster than whoever cancels: no error."""
    path, wish = tmp_path / "runs.db", SqliteStore.ask_to_cancel
    options: dict[str, Any] = {"resumes": False}
    async with kit.opened(path, say("unused"), **options) as tr, kit.opened(path, say("unused"), **options) as other:
        run = await tr.run(kit.agent([{"id": "ok", "type": "approval", "message": "Go?"}]), {})

        async def overtaken(self: SqliteStore, *given: Any) -> str:
            before = await wish(self, *given)
            await (await other.resume(run.id)).task
            return before

        monkeypatch.setattr(SqliteStore, "ask_to_cancel", overtaken)
        assert "waiting" == await tr.cancel(run.id)
    assert "cancelled" == kit.execution(path)["status"]


async def test_a_run_that_could_not_be_parked_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the process would keep up the lease of a run that it does not carry, and nobody would ever go on with it."""
    path, commit = tmp_path / "runs.db", SqliteJournal.commit
    async with kit.opened(path, say("unused"), resumes=False) as tr:
        started = await tr.start(kit.agent([{"id": "ok", "type": "approval", "message": "Go?"}]), {})

        async def locked(self: SqliteJournal) -> None:
            if started.live is not None and started.live.parked is not None:
                raise StoreBusy("locked")
            await commit(self)

        with monkeypatch.context() as patch:
            patch.setattr(SqliteJournal, "commit", locked)
            with pytest.raises(StoreBusy):
                await started.task
        again = await (await tr.resume(started.run_id)).task
        assert "waiting" == again.status
        await tr.approve(again.id)
        assert "completed" == (await (await tr.resume(again.id)).task).status
    assert [] == findings(path)
