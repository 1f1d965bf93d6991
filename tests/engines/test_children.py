"""Agents that run other agents: each child is a run of its own, counted once, under its own name and nowhere else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say
from tests.engines.test_resume import expire, findings

from trackrecord import Agent, FunctionPlugin, failpoints
from trackrecord.cli.html.record import record_html
from trackrecord.cli.look import Look
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.runs import runs_note, runs_page
from trackrecord.cli.stored import read_run
from trackrecord.clock import now
from trackrecord.errors import BadAgent, UnknownAgent
from trackrecord.store.driver import driver
from trackrecord.store.family import family
from trackrecord.store.reader import RunFilter, SqliteReader

FIGURES = ("tokens_used", "cost_nanos", "tool_calls_count", "retry_count", "iterations_count", "model_calls_count")


def sub(agent: str, id: str = "sub", **more: Any) -> dict[str, Any]:
    """A step that runs another agent."""
    return {"id": id, "type": "sub_workflow", "agent": agent, **more}


def worker(name: str, steps: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> Agent:
    """An agent of a name: a loop of the kit, or a workflow."""
    return kit.agent(steps, name=name, **fields)


def act(action: str, id: str = "act", **params: Any) -> dict[str, Any]:
    """A step that calls the kit."""
    return {"id": id, "type": "action", "plugin": "kit", "action": action, "params": params}


def executions(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of all runs by agent, each the oldest first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    with SqliteReader(path) as reader:
        for row in reader.rows("SELECT * FROM agent_executions ORDER BY id"):
            found.setdefault(row["agent_name"], []).append(row)
    return found


def one(path: Path, name: str) -> Mapping[str, Any]:
    """The only run of an agent."""
    [row] = executions(path)[name]
    return row


async def test_a_child_is_a_run_of_its_own(tmp_path: Path) -> None:
    """Its record, log, statistics and intensity are its own; its output is data; the parent has no figure."""
    path = tmp_path / "runs.db"
    outer = worker("outer", [sub("inner", inputs={"n": 3}), {"id": "ask", "type": "llm", "prompt": "Say."}])
    async with kit.opened(path, ask("add", a=1, b=2), say("three"), agents=[worker("inner")]) as tr:
        run = await tr.run(outer, {})
    parent, child = one(path, "outer"), one(path, "inner")
    assert "completed" == run.status == child["status"]
    assert ("child", parent["id"], "s:sub/child") == (
        child["execution_type"], child["parent_run_id"], child["parent_path"],
    )  # fmt: skip
    assert (2 * (IN + OUT), 1, 2) == (child["tokens_used"], child["tool_calls_count"], child["iterations_count"])
    assert (IN + OUT, 0, 1, 0) == tuple(
        parent[name] for name in ("tokens_used", "tool_calls_count", "iterations_count", "retry_count")
    )
    tables = kit.tables(path, child["id"])
    assert (1, 2 * (IN + OUT)) == (tables.stats["run_count"], tables.stats["tokens_total"])
    with SqliteReader(path) as reader:
        [span] = [one for one in reader.spans(parent["id"]) if one.kind == "child"]
    assert ("ok", None, child["id"]) == (span.status, span.usage, span.attributes["child_run_id"])
    assert [] == findings(path)


async def test_its_output_is_data(tmp_path: Path) -> None:
    """Whatever its payload policy keeps: what it gave reaches the parent, and no page."""
    path = tmp_path / "runs.db"
    inner = worker("inner", [act("add", a=2, b=3)], payloads={"outputs": "none"})
    outer = worker("outer", [sub("inner", outputs={"five": "{{ output.sum }}"})])
    async with kit.opened(path, say("unused"), agents=[inner]) as tr:
        assert {"five": 5} == (await tr.run(outer, {})).output
    with SqliteReader(path) as reader:
        kept = reader.payload(one(path, "inner")["id"], "output")
    assert kept is not None
    assert kept["body"] is None
    assert [] == findings(path)


async def test_a_failure_is_the_childs_own(tmp_path: Path) -> None:
    """Its error code goes up unchanged, with the id of the run that has the cause; the place is the child's."""
    path = tmp_path / "runs.db"
    outer = worker("outer", [sub("inner")])
    async with kit.opened(path, say("unused"), agents=[worker("inner", [act("fail")])]) as tr:
        run = await tr.run(outer, {})
    ending, child = run.record.ending, one(path, "inner")
    assert ending is not None
    assert ("failed", "tool_failed", "s:sub/child") == (ending.status, ending.error_code, ending.error_path)
    assert str(ending.error_message).startswith(f"child run {child['id']} failed: ")
    assert [] == findings(path)


async def test_a_failure_can_be_tolerated(tmp_path: Path) -> None:
    """The step is tolerated like any other, and may fall back."""
    path = tmp_path / "runs.db"
    steps = [sub("inner", on_error="continue"), {"id": "end", "type": "transform", "operation": "set",
             "value": "{{ steps.sub.error.code }}"}]  # fmt: skip
    async with kit.opened(path, say("unused"), agents=[worker("inner", [act("fail")])]) as tr:
        run = await tr.run(worker("outer", steps), {})
    assert ("completed", "tool_failed", 1) == (run.status, run.output, one(path, "outer")["steps_tolerated"])
    assert [] == findings(path)


async def test_a_retried_step_starts_another_child(tmp_path: Path) -> None:
    """Each try has a child at a place of its own; a retry of the step is the parent's."""
    path = tmp_path / "runs.db"
    outer = worker("outer", [sub("inner", retry={"max_attempts": 2, "initial_ms": 1}, on_error="continue")])
    async with kit.opened(path, say("unused"), agents=[worker("inner", [act("fail")])]) as tr:
        await tr.run(outer, {})
    places = [row["parent_path"] for row in executions(path)["inner"]]
    assert ["s:sub/child", "s:sub/try:2/child"] == places
    assert 1 == one(path, "outer")["retry_count"]
    assert [] == findings(path)


@pytest.mark.parametrize(
    ("limits", "status"),
    [({"run_timeout_s": 0.05}, "timed_out"), ({"max_tokens_per_run": 1}, "budget_exceeded")],
)
async def test_a_childs_own_end_is_a_failure_to_its_parent(tmp_path: Path, limits: Any, status: str) -> None:
    """Out of time or money is the child's state; the parent's step has failed, and may be tolerated."""
    path = tmp_path / "runs.db"
    inner = worker("inner", limits=limits)
    async with kit.opened(path, ask("wait", seconds=0.1), agents=[inner]) as tr:
        run = await tr.run(worker("outer", [sub("inner")]), {})
    ending = run.record.ending
    assert ending is not None
    assert (status, "failed", "step_failed") == (one(path, "inner")["status"], ending.status, ending.error_code)
    assert f"ended as {status}" in str(ending.error_message)
    assert [] == findings(path)


async def test_nested_three_deep(tmp_path: Path) -> None:
    """Each is the child of the one above, each with its own figures."""
    path = tmp_path / "runs.db"
    agents = [worker("c"), worker("b", [sub("c")]), worker("a", [sub("b")])]
    async with kit.opened(path, say("deep"), agents=agents) as tr:
        run = await tr.run(worker("top", [sub("a")]), {})
    assert "deep" == run.output
    chain = ["top", "a", "b", "c"]
    for above, below in pairwise(chain):
        assert one(path, above)["id"] == one(path, below)["parent_run_id"]
    assert [0, 0, 0, IN + OUT] == [one(path, name)["tokens_used"] for name in chain]
    assert [] == findings(path)


async def test_ten_children_at_once(tmp_path: Path) -> None:
    """A map runs ten, each at its own place; a parallel step two."""
    path = tmp_path / "runs.db"
    steps = [
        {"id": "all", "type": "map", "over": list(range(10)), "as": "n",
         "steps": [sub("inner", inputs={"n": "{{ n }}"})]},
        {"id": "both", "type": "parallel", "branches": {"x": [sub("inner", "sx")], "y": [sub("inner", "sy")]}},
    ]  # fmt: skip
    async with kit.opened(path, say("x"), agents=[worker("inner")]) as tr:
        run = await tr.run(worker("outer", steps), {})
    places = {f"s:all/i:{number}/s:sub/child" for number in range(1, 11)}
    places |= {"s:both/b:x/s:sx/child", "s:both/b:y/s:sy/child"}
    children = executions(path)["inner"]
    assert ("completed", places) == (run.status, {row["parent_path"] for row in children})
    assert 12 == len(children) == len({row["agent_seq"] for row in children})
    assert [] == findings(path)


async def test_a_cancelled_parent_ends_its_child_first(tmp_path: Path) -> None:
    """Within a second, with the same reason, each on its own record."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=60), agents=[worker("inner")]) as tr:
        started = await tr.start(worker("outer", [sub("inner")]), {})
        await under_way(path, "inner")
        began = asyncio.get_running_loop().time()
        started.cancel()
        run = await started.task
        assert asyncio.get_running_loop().time() - began < 1
    parent, child = one(path, "outer"), one(path, "inner")
    assert ("cancelled", "cancelled", "user") == (run.status, child["status"], child["error_code"])
    assert child["completed_at"] <= parent["completed_at"]
    assert IN + OUT == child["tokens_used"]
    assert [] == findings(path)


async def under_way(path: Path, name: str) -> None:
    """Return when an agent's run has called its model."""
    async with asyncio.timeout(10):
        while True:
            rows = executions(path).get(name)
            if rows and kit.statuses(path, rows[0]["id"]):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("where", ["run", "step"])
async def test_a_parent_out_of_time_ends_its_child_first(tmp_path: Path, where: str) -> None:
    """Whether the run's time is over or the step's."""
    path = tmp_path / "runs.db"
    outer = worker(
        "outer",
        [sub("inner", **({"timeout_ms": 300} if where == "step" else {}))],
        limits={"run_timeout_s": 0.3 if where == "run" else 60},
    )
    async with kit.opened(path, ask("wait", seconds=60), agents=[worker("inner")]) as tr:
        run = await tr.run(outer, {})
    child = one(path, "inner")
    assert ("timed_out" if where == "run" else "failed") == run.status
    assert ("cancelled", "signal") == (child["status"], child["error_code"])
    assert child["completed_at"] <= one(path, "outer")["completed_at"]
    assert [] == findings(path)


async def test_somebody_else_may_cancel_a_child(tmp_path: Path) -> None:
    """To its parent that is a failure like any other."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=60), agents=[worker("inner")]) as tr:
        started = await tr.start(worker("outer", [sub("inner", on_error="continue")]), {})
        await under_way(path, "inner")
        await tr.cancel(one(path, "inner")["id"])
        run = await started.task
    assert ("completed", "cancelled") == (run.status, one(path, "inner")["status"])
    assert [] == findings(path)


APPROVING = [{"id": "ok", "type": "approval", "message": "Go on?"}]


async def test_a_child_that_waits_has_its_parent_wait(tmp_path: Path) -> None:
    """Neither holds anything; once the child is answered both go on and end, in whichever process."""
    path = tmp_path / "runs.db"
    outer = worker("outer", [sub("inner", outputs={"said": "{{ output.decision }}"})])
    async with kit.opened(path, say("unused"), agents=[worker("inner", APPROVING)]) as tr:
        run = await tr.run(outer, {})
        assert ("waiting", "child") == (run.status, run.parked and run.parked.reason)
        assert {} == tr._opened().live
        assert [("waiting", None)] * 2 == [
            (one(path, n)["status"], one(path, n)["ready_at"]) for n in ("outer", "inner")
        ]
        assert [] == findings(path)
        child_id = one(path, "inner")["id"]
        await tr.approve(child_id)
        await kit.quiet(tr, ended=run.id)
    parent = one(path, "outer")
    assert ["completed", "completed", 2] == [one(path, "inner")["status"], parent["status"], parent["epoch"]]
    with SqliteReader(path) as reader:
        body = (reader.payload(run.id, "output") or {})["body"]
    assert {"said": "approved"} == json.loads(body)
    assert [] == findings(path)


async def test_a_waiting_parent_is_cancelled_with_its_child(tmp_path: Path) -> None:
    """The child first; nothing is left waiting."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused"), agents=[worker("inner", APPROVING)]) as tr:
        run = await tr.run(worker("outer", [sub("inner")]), {})
        await tr.cancel(run.id)
    parent, child = one(path, "outer"), one(path, "inner")
    assert [("cancelled", "user")] * 2 == [(row["status"], row["error_code"]) for row in (parent, child)]
    assert child["completed_at"] <= parent["completed_at"]
    assert [] == findings(path)


async def test_a_sibling_keeps_a_parent_whose_child_waits(tmp_path: Path) -> None:
    """While one branch works the other rests; the child's end wakes it, without another epoch."""
    path = tmp_path / "runs.db"
    steps = [{"id": "both", "type": "parallel", "branches": {
        "work": [act("wait", "w", seconds=1.5)], "child": [sub("inner")],
    }}]  # fmt: skip
    async with kit.opened(path, say("unused"), agents=[worker("inner", APPROVING)]) as tr:
        started = await tr.start(worker("outer", steps), {})
        async with asyncio.timeout(10):
            while not await tr.approvals():
                await asyncio.sleep(0.02)
        await tr.approve(one(path, "inner")["id"])
        run = await started.task
    assert ("completed", 1) == (run.status, one(path, "outer")["epoch"])
    assert [] == findings(path)


DEATH = """
import asyncio, sys
from pathlib import Path
from tests.engines import test_children

async def main(folder: str, where: str) -> None:
    async with test_children.mortal(Path(folder), where) as tr:
        await tr.run(test_children.OUTER, {})

asyncio.run(main(*sys.argv[1:]))
"""
OUTER = worker("outer", [
    {"id": "before", "type": "llm", "prompt": "Say."}, sub("inner"), act("add", "after", a=1, b=1),
])  # fmt: skip


def mortal(folder: Path, where: str) -> Any:
    """A Trackrecord whose process dies inside the child, once; `where` says whether before or after its model call."""
    mark = folder / "died"
    plugin: FunctionPlugin = kit.tools()

    @plugin.action(effect="keyed")
    async def die() -> str:
        """Kill this process the first time."""
        if not mark.exists():
            mark.touch()
            signal.raise_signal(signal.SIGKILL)
        return "lived"

    ask_step = {"id": "ask", "type": "llm", "prompt": "Say."}
    inner = [act("die"), ask_step] if where == "first" else [ask_step, act("die")]
    return kit.opened(folder / "runs.db", say("done"), plugins=[plugin], agents=[worker("inner", inner)])


@pytest.mark.parametrize("where", ["first", "last", "finish.run_checkpoints", "finish.parent"])
async def test_a_killed_parent_finds_its_child(tmp_path: Path, where: str) -> None:
    """One child run and one record each, with the totals of runs that nobody killed."""
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "died").touch()
    async with mortal(whole, where) as tr:
        await tr.run(OUTER, {})
    at = {}
    if "." in where:  # a statement of the child's finish
        (tmp_path / "died").touch()
        at = {failpoints.VARIABLE: f"{where}=kill"}
    command = [sys.executable, "-c", DEATH, str(tmp_path), where]
    dead = subprocess.run(command, check=False, timeout=60, env=os.environ | at)
    assert -signal.SIGKILL == dead.returncode
    path = tmp_path / "runs.db"
    expire(path)
    async with mortal(tmp_path, where) as tr:
        await kit.quiet(tr, ended=one(path, "outer")["id"])
    for name in ("outer", "inner"):
        expected, found = one(whole / "runs.db", name), one(path, name)
        assert [expected[figure] for figure in FIGURES] == [found[figure] for figure in FIGURES]
        assert ("completed", 2) == (found["status"], found["epoch"])
    assert [] == findings(path)


async def test_an_agent_never_runs_inside_itself(tmp_path: Path) -> None:
    """Seen when it would start, with the whole chain; the run above fails and nothing is left open."""
    path = tmp_path / "runs.db"
    a, b = worker("a", [sub("b")]), worker("b", [sub("a")])
    async with kit.opened(path, say("unused"), agents=[a, b]) as tr:
        run = await tr.run(a, {})
    ending = run.record.ending
    assert ending is not None
    assert ("failed", "limit_reached") == (ending.status, ending.error_code)
    assert "'a' → 'b' → 'a'" in str(ending.error_message)
    assert [1, 1] == [len(rows) for rows in executions(path).values()]
    assert [] == findings(path)


async def test_nesting_has_a_bound(tmp_path: Path) -> None:
    """Sixteen runs one in the other, and no seventeenth."""
    path = tmp_path / "runs.db"
    agents = [worker(f"n{number}", [sub(f"n{number + 1}")]) for number in range(1, 17)]
    async with kit.opened(path, say("unused"), agents=[*agents, worker("n17")]) as tr:
        run = await tr.run(agents[0], {})
    assert ("limit_reached", 16) == (run.record.ending and run.record.ending.error_code, len(executions(path)))
    assert [] == findings(path)


async def test_an_unknown_agent_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """With the nearest name; an audit row says who asked for what."""
    path = tmp_path / "runs.db"
    outer = worker("outer", [sub("iner")])
    async with kit.opened(path, say("unused"), agents=[worker("inner")]) as tr:
        with pytest.raises(UnknownAgent) as caught:
            await tr.run(outer, {})
    assert "there is no agent 'iner'" == caught.value.message
    assert "Did you mean 'inner'?" in caught.value.cure
    assert {} == executions(path)
    [row] = audited(path)
    assert (outer.id, {"agent": "iner", "code": "unknown_agent", "version": None}) == row


def audited(path: Path) -> list[tuple[str, Any]]:
    """What was refused: of whom, and what."""
    with SqliteReader(path) as reader:
        rows = reader.rows("SELECT subject_id, details FROM audit_events WHERE action = 'run.refused' ORDER BY id")
        return [(row["subject_id"], json.loads(row["details"])) for row in rows]


async def test_another_tenants_agent_is_not_there(tmp_path: Path) -> None:
    """By name or by id it looks exactly like one that does not exist, to whoever asks; also for a nested child."""
    path = tmp_path / "runs.db"
    inner = worker("secret")
    async with kit.opened(path, say("x")) as tr:
        await tr.run(inner, {})
    connection = driver.connect(str(path))
    connection.execute("PRAGMA foreign_keys = OFF")
    for table in ("agents", "agent_versions"):
        connection.execute(f"UPDATE {table} SET tenant_id = '00000000-0000-4000-8000-000000000009'")
    connection.commit()
    connection.close()
    said: list[str] = []
    async with kit.opened(path, say("x"), agents=[worker("middle", [sub(inner.id)])]) as tr:
        for name in ("secret", inner.id, "nobody-at-all"):
            with pytest.raises(UnknownAgent) as caught:
                await tr.run(worker("outer", [sub(name)]), {})
            said.append(f"{caught.value.message} {caught.value.cure}".replace(name, "NAME"))
        run = await tr.run(worker("outer", [sub("middle")]), {})
    assert 1 == len(set(said))
    assert "secret" not in said[0]
    ending = run.record.ending
    assert ending is not None
    assert ("failed", "step_failed") == (ending.status, ending.error_code)
    assert 4 == len(audited(path))


async def test_agents_are_found_beside_the_file_and_in_the_database(tmp_path: Path) -> None:
    """A file first, then what has run here; a version by its beginning; a broken file is told with its problems."""
    path, folder = tmp_path / "runs.db", tmp_path / "agents"
    folder.mkdir()
    (folder / "outer.yaml").write_text(
        "name: outer\nworkflow_steps:\n- id: sub\n  type: sub_workflow\n  agent: inner\n"
    )
    old, new = worker("inner", prompt="Old."), worker("inner", prompt="New.")
    steps = [sub("inner", version=old.version[:12])]
    async with kit.opened(path, say("x")) as tr:
        await tr.run(old, {})
        await tr.run(new, {})
        outer = Agent.load(folder / "outer.yaml")
        assert "completed" == (await tr.run(outer, {})).status
        assert new.version == executions(path)["inner"][-1]["agent_version"]
        assert "completed" == (await tr.run(worker("pinned", steps), {})).status
        assert old.version == executions(path)["inner"][-1]["agent_version"]
        with pytest.raises(UnknownAgent, match="no version 'ffff'"):
            await tr.run(worker("pinned", [sub("inner", version="ffff")]), {})
        (folder / "inner.yaml").write_text(f"name: inner\nprompt: Beside.\nmodel: {kit.MODEL}\n")
        assert "completed" == (await tr.run(outer, {})).status
        assert executions(path)["inner"][-1]["agent_version"] not in (old.version, new.version)
        (folder / "inner.yaml").write_text("name: inner\npromt: Beside.\n")
        with pytest.raises(BadAgent, match=r"inner\.yaml"):
            await tr.run(outer, {})
    assert [] == findings(path)


async def test_each_run_holds_credits_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is charged for what it used itself; without credits left for a child the step fails."""
    monkeypatch.setenv("TRACKRECORD_CREDITS__HOLD", "5")
    path = tmp_path / "runs.db"
    outer = worker("outer", [{"id": "ask", "type": "llm", "prompt": "Say."}, sub("inner", on_error="continue")])
    async with kit.opened(path, say("x", tokens=(1000, 0)), agents=[worker("inner")]) as tr:
        await tr.grant_credits(10)
        await tr.run(outer, {})
        account = await tr.credits()
        assert account is not None
        assert (8, 0) == (account.balance, account.held)
        await tr.adjust_credits(-4, "to have too few for two")
        run = await tr.run(outer, {})
        assert ("completed", 1) == (run.status, executions(path)["outer"][-1]["steps_completed"])
    assert [1, 1] == [row["credits_used"] for row in executions(path)["outer"]]
    assert [] == findings(path)


async def test_what_it_used_with_its_children_is_made_when_asked_for(tmp_path: Path) -> None:
    """All runs below, each once; a page shows it beside the run's own figures, and none is stored."""
    path = tmp_path / "runs.db"
    agents = [
        worker("c", [act("add", a=1, b=1), {"id": "ask", "type": "llm", "prompt": "Say."}]),
        worker("b", [sub("c")]),
    ]
    outer = worker("outer", [{"id": "ask", "type": "llm", "prompt": "Say."}, sub("b"), sub("c", "again")])
    async with kit.opened(path, say("x"), agents=agents) as tr:
        run = await tr.run(outer, {})
    with SqliteReader(path) as reader:
        found = read_run(reader, run.id)
        whole = family(reader, run.id)
        assert family(reader, executions(path)["c"][0]["id"]) is None
    assert whole is not None
    totals = whole.totals
    assert (4, 0, 3 * (IN + OUT), 0, 2) == (
        totals.runs, totals.unended, totals.tokens, totals.tokens_unknown, totals.tool_calls,
    )  # fmt: skip
    credits = [row["credits_used"] or 0 for rows in executions(path).values() for row in rows]
    assert sum(credits) == totals.credits
    assert IN + OUT == one(path, "outer")["tokens_used"]
    page = record_page(found, Look(width=120), now())
    assert "with them, 4 runs in all: 330 tokens" in page
    for row in whole.children:
        assert f"{row['agent_name']} {row['id'][:13]}" in page
    assert str(whole.children[0]["id"]) in record_html(found, now())
    told = found.to_json()
    assert 4 == told["inclusive"]["runs"]
    assert ["b", "c"] == [row["agent_name"] for row in told["children"]]
    with SqliteReader(path) as reader:
        rows = reader.runs(RunFilter())
    assert "↳ b" in runs_page(rows, Look(), now())
    assert "child of another run" in runs_note(rows)
