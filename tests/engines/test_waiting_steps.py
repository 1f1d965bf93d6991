"""Steps that wait and races, across the death of a process and across parking: one winner, one answer, one record."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import say
from tests.engines.test_resume import book, calls, expire, facts, findings
from tests.engines.test_workflows import put

from trackrecord import FunctionPlugin
from trackrecord.plugins.protocol import EffectClass
from trackrecord.store.reader import SqliteReader


def note(step_id: str, word: str, action: str = "note") -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "book", "action": action, "params": {"word": word}}


def rest(step_id: str, length: str) -> dict[str, Any]:
    return {"id": step_id, "type": "delay", "duration": length}


def race(a: list[Any], b: list[Any]) -> dict[str, Any]:
    return {"id": "r", "type": "parallel", "join": "any", "branches": {"a": a, "b": b}}


RACES: Mapping[str, list[dict[str, Any]]] = {
    "after the decision": [
        race([rest("a0", "300ms"), note("a1", "one")], [note("b1", "two"), rest("b2", "20s"), note("b3", "never")]),
        note("end", "2", "die"),
    ],
    "in the winner's branch": [
        race(
            [rest("a0", "300ms"), note("a1", "one"), note("a2", "2", "die")],
            [note("b1", "two"), rest("b2", "20s"), note("b3", "never")],
        ),
    ],
}
CHILD = """
import asyncio, sys
from tests.engines import kit, test_waiting_steps as here
from pathlib import Path

async def main(folder: str, name: str) -> None:
    async with here.opened(Path(folder)) as tr:
        await tr.run(here.worker(name), {})

asyncio.run(main(*sys.argv[1:]))
"""


def worker(name: str) -> Any:
    return kit.agent(RACES[name], plugins_required=["book"])


def opened(folder: Path) -> Any:
    return kit.opened(folder / "runs.db", say("unused"), plugins=[book(folder, "keyed")])


def steps_of(path: Path) -> dict[str, str]:
    """Status of every step a run left."""
    with SqliteReader(path) as reader:
        return {span.path: span.status for span in reader.spans(reader.execution("last")["id"]) if span.kind == "step"}


@pytest.mark.parametrize("name", RACES)
async def test_a_killed_race_has_the_same_winner(tmp_path: Path, name: str) -> None:
    """The record is that of a run nobody killed; a loser whose race was decided is not run again."""
    calm = tmp_path / "calm"
    calm.mkdir()
    (calm / "died").touch()
    async with opened(calm) as tr:
        run = await tr.run(worker(name), {})
    assert "completed" == run.status
    child = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), name], check=False, timeout=60)
    assert -signal.SIGKILL == child.returncode
    expire(tmp_path / "runs.db")
    async with opened(tmp_path) as tr:
        await kit.quiet(tr)
    assert facts(calm / "runs.db") == facts(tmp_path / "runs.db")
    assert steps_of(calm / "runs.db") == steps_of(tmp_path / "runs.db")
    assert "tolerated" == steps_of(tmp_path / "runs.db")["s:r/b:b/s:b2"]
    assert "never" not in " ".join(calls(tmp_path))
    assert [] == findings(tmp_path / "runs.db")


async def test_a_race_between_people_and_time_is_parked(tmp_path: Path) -> None:
    """While all its branches wait the run holds nothing; an answer ends the race, and the clock with it."""
    path = tmp_path / "runs.db"
    ok = {"id": "ok", "type": "approval", "message": "Go?"}
    steps = [race([ok], [rest("b", "1h")]), put("last", "{{ steps.r.data.a.decision }}")]
    async with kit.opened(path, say("unused")) as tr:
        run = await tr.run(kit.agent(steps), {})
        assert "waiting" == run.status
        await tr.approve(run.id, by="ann")
        await kit.quiet(tr, ended=run.id)
    execution = kit.execution(path)
    statuses = steps_of(path)
    assert ("completed", 0) == (execution["status"], execution["steps_failed"])
    assert ("ok", "tolerated") == (statuses["s:r/b:a/s:ok"], statuses["s:r/b:b/s:b"])
    assert [] == findings(path)


@pytest.mark.parametrize(("answer", "data"), [("approve", "approved ann yes"), ("reject", "rejected ann yes")])
async def test_an_approval_waits_for_a_person(tmp_path: Path, answer: str, data: str) -> None:
    """Across a restart of the process; the answer is the step's data, and what was done before is not done again."""
    path = tmp_path / "runs.db"
    steps = [
        {"id": "ask", "type": "llm", "prompt": "Say."},
        {"id": "ok", "type": "approval", "message": "Send {{ steps.ask.data }}?", "approvers": ["ann", "bob"]},
        put("last", "{{ steps.ok.data.decision }} {{ steps.ok.data.by }} {{ steps.ok.data.comment }}"),
    ]
    async with kit.opened(path, say("hello")) as tr:
        run = await tr.run(kit.agent(steps), {})
        assert ("waiting", "approval") == (run.status, run.parked and run.parked.reason)
    async with kit.opened(path, say("another")) as tr:
        [question] = await tr.approvals(run.id)
        assert ("Send hello?", "s:ok/wait") == (question.message, question.path)
        await getattr(tr, answer)(run.id, by="ann", comment="yes")
        await kit.quiet(tr, ended=run.id)
    with SqliteReader(path) as reader:
        output = reader.payload(run.id, "output")
    assert output is not None
    assert f'"{data}"' == output["body"]
    execution = kit.execution(path)
    assert ("completed", 1, kit.IN + kit.OUT) == (
        execution["status"],
        execution["iterations_count"],
        execution["tokens_used"],
    )
    assert [] == findings(path)


async def test_an_approval_inside_containers_goes_on_where_it_was(tmp_path: Path) -> None:
    """Sub_workflow, switch, map and loop around it run again from the top, and give what they gave."""
    path = tmp_path / "runs.db"
    ok = {"id": "ok", "type": "approval", "message": "{{ inputs.n }}?"}
    sub = {"id": "sub", "type": "sub_workflow", "inputs": {"n": "{{ item }}"}, "steps": [ok]}
    pick = {"id": "pick", "type": "switch", "value": "{{ item }}", "cases": {"2": [sub]}, "default": [put("no", 1)]}
    steps = [{"id": "m", "type": "map", "over": [1, 2, 3], "steps": [pick, put("end", "{{ steps.pick.data.case }}")]}]
    async with kit.opened(path, say("unused")) as tr:
        run = await tr.run(kit.agent(steps), {})
        [question] = await tr.approvals(run.id)
        assert ("2?", "s:m/i:2/s:pick/case:1/s:sub/s:ok/wait") == (question.message, question.path)
        await tr.approve(run.id)
        await kit.quiet(tr, ended=run.id)
    execution = kit.execution(path)
    assert ("completed", 11, 0) == (execution["status"], execution["steps_completed"], execution["steps_failed"])
    assert (3, 3) == (execution["executed_branches"], execution["executed_parallel"])
    assert [] == findings(path)


@pytest.mark.parametrize("effect", ["read", "unsafe"])
async def test_a_step_that_ran_out_of_time_has_done_so_for_a_resumed_run(tmp_path: Path, effect: EffectClass) -> None:
    """However fast it would be now: what came after it has seen that it failed, and nobody is asked about its call."""
    path, plugin, calls = tmp_path / "runs.db", FunctionPlugin("slow"), list[str]()

    @plugin.action(effect=effect)
    async def go() -> str:
        """Take long the first time."""
        calls.append("go")
        await asyncio.sleep(30 if len(calls) == 1 else 0)
        return "fast"

    steps: list[dict[str, Any]] = [
        {"id": "c", "type": "loop", "over": ["1"], "timeout_ms": 100, "on_error": "continue", "steps": [
            {"id": "g", "type": "action", "plugin": "slow", "action": "go", "params": {}}]},
        {"id": "say", "type": "llm", "prompt": "It was {{ steps.c.status }}."},
        {"id": "ok", "type": "approval", "message": "Go on?"},
    ]  # fmt: skip
    async with kit.opened(path, say("so"), plugins=[plugin], resumes=False) as tr:
        run = await tr.run(kit.agent(steps, plugins_required=["slow"]), {})
        assert "waiting" == run.status
        await tr.approve(run.id)
        again = await (await tr.resume(run.id)).task
    assert ("completed", ["go"]) == (again.status, calls)
    assert "tolerated" == kit.statuses(path, run.id)["s:c", 1]
    assert [] == findings(path)


async def test_a_secret_among_the_approvers_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the message: it is taken out before the question is kept."""
    secret = "sk-" + "verysecretvalue1234567890"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    steps = [{"id": "ok", "type": "approval", "message": "{{ inputs.k }}?", "approvers": ["{{ inputs.k }}", "ann"]}]
    schema = {"type": "object", "properties": {"k": {"type": "string"}}}
    async with kit.opened(tmp_path / "runs.db", say("unused"), resumes=False) as tr:
        run = await tr.run(kit.agent(steps, input_schema=schema), {"k": secret})
        [asked] = await tr.approvals(run.id)
        assert "ann" == (await tr.approve(run.id, by="ann")).decided_by
    assert "ann" in asked.approvers
    assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())
