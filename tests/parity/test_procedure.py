"""`parity AGENT` and `parity RUN_A RUN_B`: who runs where, what is written, what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.parity.conversations import DONE, LOOK, Conversation, asks, call, definition
from tests.parity.desk import Desk
from tests.store import runs as made

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.config import read_settings
from trackrecord.context.protocols import Engine
from trackrecord.context.run_context import RunContext
from trackrecord.errors import BadInput, StoreUnusable, UnknownEngine, UnknownModel, UnknownRun
from trackrecord.models.scripted import ScriptedModel
from trackrecord.parity import Comparison, Finding, compare_runs
from trackrecord.store.driver import driver
from trackrecord.store.reader import RunFilter, SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER
from trackrecord.wiring import Trackrecord

PLAIN = Conversation(replies=[asks(LOOK), DONE])


class Shortcut:
    """An outside engine that asks once, without tools, and answers something of its own."""

    name = "shortcut"
    title = "Shortcut"
    runs_workflow = False
    run_timeout_s = 10.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        return "shortcut"


class Forger(Shortcut):
    """An outside engine that has AgentKit do the work and then answers something else."""

    name = "forger"
    title = "Forger"

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        await ctx.nested("agentkit", "inner", agent, inputs)
        return "something else"


class Optimist(Shortcut):
    """An outside engine that calls every failure a success."""

    name = "optimist"
    title = "Optimist"

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        try:
            return await ctx.nested("agentkit", "inner", agent, inputs)
        except Exception:
            return "all is well"


def agent_of(conversation: Conversation = PLAIN) -> Agent:
    return Agent.from_mapping(definition(conversation))


def opened(path: Path, conversation: Conversation = PLAIN, engines: Sequence[Engine] = ()) -> Trackrecord:
    settings = read_settings(db=f"sqlite:///{path}", synchronous="NORMAL", retry={"initial_ms": 0, "max_ms": 0})
    model = ScriptedModel.from_mapping(conversation.script, name="talk")
    return Trackrecord(settings=settings, plugins=[Desk().plugin], models={"mine:talk": model}, engines=engines)


def finding(compared: Comparison, field: str) -> Finding:
    return next(one for one in compared.findings if one.field == field)


# what is written --------------------------------------------------------------------------------------------------


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Parity takes an empty database of its own when there is none yet."""
    path = tmp_path / "runs.db"
    assert (await opened(path).parity(agent_of())).is_ok(same_work=True)
    assert [] == list(tmp_path.iterdir())


async def test_the_database_itself_is_not_written(tmp_path: Path) -> None:
    """Both runs happen on copies: the file, its runs and its sums stay as they were, also while it is open."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        await tr.run(agent_of(), engine="agentkit")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    await opened(path).parity(agent_of())
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    async with opened(path) as tr:
        await tr.parity(agent_of())
        with SqliteReader(path) as reader:
            assert 1 == len(reader.runs(RunFilter()))


async def test_no_run_recalls_another(tmp_path: Path) -> None:
    """Both see the agent's past and neither sees the other, at one and the same moment."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        await tr.run(agent_of(), engine="agentkit")
    compared = await opened(path).parity(agent_of())
    memory = finding(compared, "agent_executions.memory_entry_count")
    now = finding(compared, "agent_executions.now_at")
    assert (1, 1) == (memory.left, memory.right)
    assert ("equal", now.left) == (now.verdict, now.right)


async def test_what_each_added_is_measured_around_it(tmp_path: Path) -> None:
    """Row after less row before, however many runs the agent has had."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        for _ in range(3):
            await tr.run(agent_of(), engine="agentkit")
    compared = await opened(path).parity(agent_of())
    runs, tokens = finding(compared, "agent_stats.run_count"), finding(compared, "agent_stats.tokens_total")
    assert (1, 1) == (runs.left, runs.right)
    assert finding(compared, "agent_executions.tokens_used").left == tokens.left
    assert not compared.left.is_recomputed
    assert not compared.right.is_recomputed


async def test_a_run_that_is_alive_in_the_database_is_not_ended_on_the_copy(tmp_path: Path) -> None:
    """A copy is not swept: ending somebody's live run there would count it as added by ours."""
    path, agent = tmp_path / "runs.db", agent_of()
    async with opened(path) as tr:
        run = await tr.run(agent, engine="agentkit")
    store = SqliteStore.open(path, synchronous="NORMAL")
    version = run.record.origin.agent_version
    own = made.origin(tenant_id=LOCAL_TENANT, user_id=LOCAL_USER, agent_id=agent.id, agent_version=version)
    await store.accept(made.accepted(own))
    await store.begin(LOCAL_TENANT, own.run_id)
    await store.close()
    made.expire_lease(path, own.run_id)
    compared = await opened(path).parity(agent)
    assert compared.is_ok(same_work=True)
    assert "running" == made.status(path, own.run_id)


# other engines, other work ----------------------------------------------------------------------------------------


async def test_more_engines_are_compared_with_the_first(tmp_path: Path) -> None:
    """`parities` gives a comparison for each engine after the first, in order."""
    tr = opened(tmp_path / "runs.db", engines=[Shortcut()])
    found = await tr.parities(agent_of(), engines=("agentkit", "orchestrator", "shortcut"))
    assert [("agentkit", "orchestrator"), ("agentkit", "shortcut")] == [
        (one.left.engine, one.right.engine) for one in found
    ]
    assert [True, False] == [one.is_ok(same_work=True) for one in found]


async def test_a_workflow_that_does_the_job_with_fewer_turns_is_other_work(tmp_path: Path) -> None:
    """Plain parity holds between a loop and a workflow of plain steps; `same_work` does not."""
    replies = [asks(LOOK), "Ada has 2."]
    rules = [{"when": {"path": "s:tell/model"}, "reply": "Ada has 2."}]
    steps = [
        {"id": "fetch", "type": "action", "plugin": "desk", "action": "look_up", "params": {"name": "Ada"}},
        {"id": "tell", "type": "llm", "prompt": "How many? {{ steps.fetch.data.rows }}"},
    ]
    agent = Agent.from_mapping({**definition(PLAIN), "workflow_steps": steps})
    model = ScriptedModel.from_mapping({"replies": replies, "rules": rules}, name="talk")
    settings = read_settings(db=f"sqlite:///{tmp_path / 'runs.db'}", synchronous="NORMAL")
    tr = Trackrecord(settings=settings, plugins=[Desk().plugin], models={"mine:talk": model})
    compared = await tr.parity(agent)
    assert () == compared.failures()
    turns = finding(compared, "agent_executions.iterations_count")
    assert ("other work", 2, 1) == (turns.verdict, turns.left, turns.right)
    assert "equal" == finding(compared, "agent_executions.tool_calls_count").verdict
    assert not compared.is_ok(same_work=True)


async def test_an_engine_that_changes_the_answer_differs(tmp_path: Path) -> None:
    """The same replies and results with another answer at the end: the output's hash tells."""
    compared = await opened(tmp_path / "runs.db", engines=[Forger()]).parity(agent_of(), engines=("agentkit", "forger"))
    off = {one.field for one in compared.failures(same_work=True)}
    assert {"run_payloads.output.sha256", "run_payloads.output.size"} == off


async def test_an_engine_that_hides_a_failure_differs(tmp_path: Path) -> None:
    """Status, success, error and the counts of both sums must tell the same end."""
    failing = Conversation(replies=[asks(LOOK), {"error": {"status": 400}}])
    tr = opened(tmp_path / "runs.db", failing, engines=[Optimist()])
    compared = await tr.parity(agent_of(failing), engines=("agentkit", "optimist"))
    off = {one.field for one in compared.failures()}
    assert {
        "agent_executions.status",
        "agent_executions.error_code",
        "agent_logs.status",
        "logs.success",
        "execution_data.was_successful",
        "agent_stats.success_count",
        "agent_intensity_metrics.successful_executions",
    } <= off


async def test_an_unsafe_tool_is_called_once_by_each_engine(tmp_path: Path) -> None:
    """Parity really runs the agent; nothing is called more often than by two plain runs."""
    stamping = Conversation(replies=[asks(call("stamp", paper="A1")), DONE])
    compared = await opened(tmp_path / "runs.db", stamping).parity(agent_of(stamping))
    found = finding(compared, "agent_executions.tool_calls_count")
    assert (1, 1) == (found.left, found.right)


# what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engines", [(), ("agentkit",), ("agentkit", "agentkit"), ("agentkit", "orchestrator", "x")])
async def test_parity_takes_two_different_engines(engines: Sequence[str], tmp_path: Path) -> None:
    """Anything else compares nothing and runs nothing."""
    with pytest.raises(BadInput):
        await opened(tmp_path / "runs.db").parity(agent_of(), engines=engines)


async def test_a_refused_run_is_refused(tmp_path: Path) -> None:
    """What no engine would run is no parity but the refusal itself."""
    with pytest.raises(UnknownEngine):
        await opened(tmp_path / "runs.db").parity(agent_of(), engines=("agentkit", "orchestra"))
    with pytest.raises(BadInput, match="workflow_steps"):
        await opened(tmp_path / "runs.db").parity(agent_of(Conversation(replies=[], agent={"workflow_steps": None})))
    nameless = agent_of(Conversation(replies=[], agent={"model": None}))
    with pytest.raises(UnknownModel):
        await opened(tmp_path / "runs.db").parity(nameless)


async def test_sums_that_cannot_be_read_are_told_with_their_cure(tmp_path: Path) -> None:
    """A database whose sums are damaged is no ground to compare on; the cure is named and nothing runs."""
    path = tmp_path / "runs.db"
    async with opened(path) as tr:
        await tr.run(agent_of(), engine="agentkit")
    connection = driver.connect(str(path), isolation_level=None)
    connection.execute("UPDATE agent_intensity_metrics SET plugins_ever = '{'")
    connection.close()
    with pytest.raises(StoreUnusable, match="plugins_ever") as caught:
        await opened(path).parity(agent_of())
    assert "rebuild" in caught.value.cure


# two runs that are there ------------------------------------------------------------------------------------------


async def two_runs(path: Path) -> tuple[str, str]:
    async with opened(path) as tr:
        first = await tr.run(agent_of(Conversation(replies=[], agent={"memory": False})), engine="agentkit")
        other = await tr.run(agent_of(Conversation(replies=[], agent={"memory": False})), engine="orchestrator")
    return first.id, other.id


async def test_two_runs_of_one_database_are_compared(tmp_path: Path) -> None:
    """Runs among others compare as runs alone do, and what they added is recomputed and labelled so."""
    path = tmp_path / "runs.db"
    first, other = await two_runs(path)
    with SqliteReader(path) as reader:
        compared = compare_runs(reader, first, other)
    assert () == compared.failures(same_work=True)
    assert (True, True) == (compared.left.is_recomputed, compared.right.is_recomputed)
    assert all(line.is_ok for line in compared.checklist)


async def test_a_tampered_run_in_the_database_differs(tmp_path: Path) -> None:
    """A record that was changed after the fact no longer fits its own spans, and parity says so."""
    path = tmp_path / "runs.db"
    first, other = await two_runs(path)
    connection = driver.connect(str(path), isolation_level=None)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE agent_executions SET input_tokens = input_tokens + 5 WHERE id = ?", (other,))
    connection.close()
    with SqliteReader(path) as reader:
        compared = compare_runs(reader, first, other)
    assert ["agent_executions.input_tokens", "execution_data.input_tokens"] == [
        one.field for one in compared.failures()
    ]
    assert {"differs"} == {one.verdict for one in compared.failures()}


async def test_a_run_that_has_not_ended_has_no_record_yet(tmp_path: Path) -> None:
    """Only ended runs are compared; an unknown one is unknown."""
    path = tmp_path / "runs.db"
    first, _ = await two_runs(path)
    store = SqliteStore.open(path, synchronous="NORMAL")
    queued = made.origin(tenant_id=LOCAL_TENANT)
    await store.accept(made.accepted(queued))
    await store.close()
    with SqliteReader(path) as reader:
        with pytest.raises(BadInput, match="queued"):
            compare_runs(reader, first, queued.run_id)
        with pytest.raises(UnknownRun):
            compare_runs(reader, first, "no such run")
