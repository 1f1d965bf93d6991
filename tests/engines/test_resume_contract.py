"""The contract of resuming, (a) to (g): what a run may count on when it goes on in another process."""

from __future__ import annotations

import ast
import asyncio
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import MODEL, say

from trackrecord import FunctionPlugin, Run, Trackrecord
from trackrecord.context.questions import Question
from trackrecord.context.run_context import RunContext
from trackrecord.models.messages import Conversation, Message, ModelReply, ModelRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify
from trackrecord.workflow.expressions import ExpressionError, compile_expression
from trackrecord.workflow.functions import FUNCTIONS

SOURCE = Path(__file__).parents[2] / "src" / "trackrecord"
ASK: dict[str, Any] = {"id": "ok", "type": "approval", "message": "May it go on?"}
NOW = "2020-02-03T04:05:06.000000Z"


def note(id: str, word: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "action", "plugin": "book", "action": "note", "params": {"word": word}, **more}


def book(**gives: Any) -> tuple[FunctionPlugin, list[Any]]:
    """A plugin, and what it was asked to note; it gives `gives` by the name of what is asked for."""
    noted: list[Any] = []
    plugin = FunctionPlugin("book")

    @plugin.action(name="note", effect="read")
    async def take(word: str) -> str:
        """Write a word down."""
        noted.append(word)
        return f"noted {word}"

    @plugin.action(effect="read")
    async def give(what: str) -> object:
        """Give what there is."""
        noted.append(what)
        return gives[what]

    @plugin.action(effect="read")
    async def take_time(what: str) -> str:
        """Take as long as it does."""
        await asyncio.sleep(gives[what])
        noted.append(what)
        return f"took {what}"

    return plugin, noted


def take_time(what: str) -> dict[str, Any]:
    return {"id": what, "type": "action", "plugin": "book", "action": "take_time", "params": {"what": what}}


class Heard:
    """A model that says what it is told to, and keeps what it was asked."""

    provider, name = "test", "script"

    def __init__(self, *replies: Mapping[str, Any]) -> None:
        self._model = ScriptedModel.from_mapping({"replies": list(replies), "then": "repeat_last"})
        self.requests: list[ModelRequest] = []

    async def request(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        return await self._model.request(request)


def opened(path: Path, plugin: FunctionPlugin, model: Any = None, **options: Any) -> Trackrecord:
    models = {MODEL: model or Heard(say("said"))}
    return Trackrecord(f"sqlite:///{path}", plugins=[plugin], models=models, synchronous="NORMAL", **options)


def agent(steps: list[dict[str, Any]] | None, **fields: Any) -> Any:
    return kit.agent(steps, **({"plugins_required": ["book"]} | fields))


async def ended(tr: Trackrecord, run: Run) -> Mapping[str, Any]:
    """The row of a run that has been approved, once it has ended."""
    await tr.approve(run.id)
    await kit.quiet(tr, ended=run.id)
    return kit.execution(tr._path, run.id)


def output(path: Path, run: Run) -> str | None:
    with SqliteReader(path) as reader:
        payload = reader.payload(run.id, "output")
    return None if payload is None else payload["body"]


def is_sound(path: Path) -> bool:
    with SqliteReader(path) as reader:
        return not [finding for check in verify(reader).checks for finding in check.findings]


async def in_two_epochs(path: Path, steps: list[dict[str, Any]], plugin: FunctionPlugin, **more: Any) -> Run:
    """A run that is parked by one Trackrecord and goes on in another."""
    async with opened(path, plugin) as tr:
        run = await tr.run(agent(steps), **more)
        assert "waiting" == run.status
    async with opened(path, plugin) as tr:
        assert "completed" == (await ended(tr, run))["status"]
    return run


# ------------------------------------------------------------------------------------------------------------------ (a)


@pytest.mark.parametrize(
    "value",
    [
        {"b": (1, 2), "a": {"z": 1, "y": None}},
        {"when": datetime(2026, 1, 2, tzinfo=UTC), "raw": b"\x00\xff", "set": {3}},
        [float("nan"), float("inf"), 2**60, 1e300, -0.0, 1.0],
        "lone \ud800 and NUL \x00",
        {1: "one", "1": "text", None: "nothing"},
        None,
    ],
    ids=["order and tuples", "what JSON cannot say", "numbers", "text", "keys", "nothing"],
)
async def test_a_an_engine_receives_the_stored_value_live_and_resumed(tmp_path: Path, value: object) -> None:
    """(a) What a step sees of a result is the canonical stored value, the same before and after an interruption."""
    path = tmp_path / "runs.db"
    plugin, noted = book(it={"it": value})
    steps = [
        {"id": "get", "type": "action", "plugin": "book", "action": "give", "params": {"what": "it"}},
        note("live", "{{ json(steps.get.data) }}"),
        ASK,
        note("resumed", "{{ json(steps.get.data) }}"),
        {"id": "end", "type": "transform", "operation": "set", "value": "{{ steps.get.data }}"},
    ]
    run = await in_two_epochs(path, steps, plugin)
    assert "it" == noted[0]
    [live, resumed] = noted[1:]
    assert live == resumed == output(path, run)
    assert is_sound(path)


# ------------------------------------------------------------------------------------------------------------------ (b)


async def test_b_now_is_the_first_start_of_the_run(tmp_path: Path) -> None:
    """(b) Expressions and prompts of a later epoch have the present of the first."""
    path, model = tmp_path / "runs.db", Heard(say("said"))
    plugin, noted = book()
    steps = [note("live", "{{ now }} {{ date(now) }}"), ASK, note("resumed", "{{ now }} {{ date(now) }}"),
             {"id": "work", "type": "agent", "prompt": "Work."}]  # fmt: skip
    async with opened(path, plugin) as tr:
        run = await tr.run(agent(steps), now=NOW)
    async with opened(path, plugin, model) as tr:
        await ended(tr, run)
    [live, resumed] = noted
    assert live == resumed
    assert "2020-02-03" in live
    [request] = model.requests
    assert "2020-02-03" in request.messages[0].text
    assert NOW == kit.execution(path)["now_at"]


async def test_b_the_present_is_kept_without_being_given(tmp_path: Path) -> None:
    """(b) As before, of a run that began when it was asked for."""
    path = tmp_path / "runs.db"
    plugin, noted = book()
    await in_two_epochs(path, [note("live", "{{ now }}"), ASK, note("resumed", "{{ now }}")], plugin)
    [live, resumed] = noted
    assert live == resumed


async def test_b_memories_stored_later_are_not_recalled(tmp_path: Path) -> None:
    """(b) What was remembered before the run's start is recalled in a later epoch, what came since is not."""
    path, model = tmp_path / "runs.db", Heard(say("said"))
    plugin, _ = book()
    steps = [ASK, {"id": "ask", "type": "llm", "prompt": "Say."}]
    async with opened(path, plugin, model) as tr:
        await tr.memory.add("fact", "Ann likes tea.")
        run = await tr.run(agent(steps))
        await tr.memory.add("fact", "Ann likes coffee.")
        await ended(tr, run)
        await ended(tr, await tr.run(agent(steps)))
    first, later = (request.messages[0].text for request in model.requests)
    assert ("tea" in first, "coffee" in first) == (True, False)
    assert ("tea" in later, "coffee" in later) == (True, True)


# ------------------------------------------------------------------------------------------------------------------ (c)


def test_c_expressions_have_no_randomness() -> None:
    """(c) The workflow room imports nothing that is different each time, and no function reads a clock."""
    forbidden = {"random", "secrets", "uuid", "time", "os"}
    for file in sorted((SOURCE / "workflow").rglob("*.py")):
        tree = ast.parse(file.read_text())
        imported = {alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                    for alias in node.names}  # fmt: skip
        imported |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert set() == imported & forbidden, file.name
    assert set() == {"random", "uuid", "shuffle", "choice", "sample", "time", "hash", "id"} & set(FUNCTIONS)
    for text in ("random()", "uuid()", "shuffle([1, 2])", "hash('a')", "id(1)"):
        with pytest.raises(ExpressionError):
            compile_expression(text)


async def test_c_an_expression_gives_the_same_in_every_process() -> None:
    """(c) Not even the order of keys depends on the process: the hash seed is another, the text is not."""
    script = (
        "from trackrecord.workflow.expressions import compile_expression as c;"
        "print(c(\"json({'b': 1, 'a': ['x', 'y'], 'c': {'z': 1, 'y': 2}}) + str(max(['b', 'a'])) + "
        "join(split('q w e'), '-')\").evaluate({}))"
    )
    seen = set[bytes]()
    for seed in ("0", "1", "2"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert 0 == process.returncode
        seen.add(said)
    assert 1 == len(seen)


# ------------------------------------------------------------------------------------------------------------------ (d)


async def test_d_the_stored_winner_of_a_race_wins_again(tmp_path: Path) -> None:
    """(d) On resume the branch that won is the one that counts, though another would be quicker by now."""
    path = tmp_path / "runs.db"
    steps = [
        {"id": "first", "type": "parallel", "join": "any", "branches": {
            "hare": [take_time("hare")], "tortoise": [take_time("tortoise")]}},
        ASK,
        {"id": "end", "type": "transform", "operation": "set", "value": "{{ steps.first.data }}"},
    ]  # fmt: skip
    plugin, noted = book(hare=30, tortoise=0.01)
    async with opened(path, plugin) as tr:
        run = await tr.run(agent(steps))
    quicker, again = book(hare=0, tortoise=30)
    async with opened(path, quicker) as tr:
        execution = await ended(tr, run)
    assert (["tortoise"], []) == (noted, again)
    assert '{"tortoise":"took tortoise"}' == output(path, run)
    assert ("completed", 2) == (execution["status"], execution["executed_parallel"])
    assert is_sound(path)


# ------------------------------------------------------------------------------------------------------------------ (e)


class Fickle:
    """An engine that asks for something else at the same place when it is resumed."""

    name, title, runs_workflow, run_timeout_s = "fickle", "Fickle", False, 30.0

    def __init__(self, asks: str) -> None:
        self.asks = asks

    async def run(self, agent: Any, inputs: Any, ctx: RunContext) -> Any:
        match self.asks:
            case "one":
                await ctx.tool("s:a/tool", "book", "note", {"word": "one"})
            case "another word":
                await ctx.tool("s:a/tool", "book", "note", {"word": "two"})
            case "another action":
                await ctx.tool("s:a/tool", "book", "give", {"what": "one"})
            case _:
                talk = Conversation(model=MODEL)
                talk.append(Message(role="user", text="one"))
                await ctx.model("s:a/tool", talk.request())
        await ctx.approval("s:ok", Question(message="May it?"))
        return "done"


async def _nothing() -> None:
    return None


@pytest.mark.parametrize("asks", ["another word", "another action", "another kind"])
async def test_e_another_request_at_a_place_ends_the_run(tmp_path: Path, asks: str) -> None:
    """(e) A resumed engine that asks for something else than before ends as non_deterministic, and nothing is done."""
    path = tmp_path / "runs.db"
    plugin, noted = book(one=1)
    async with opened(path, plugin, engines=[Fickle("one")]) as tr:
        run = await tr.run(agent(None), engine="fickle")
    async with opened(path, plugin, engines=[Fickle(asks)]) as tr:
        execution = await ended(tr, run)
    assert ("failed", "non_deterministic", "s:a/tool") == tuple(
        execution[name] for name in ("status", "error_code", "error_path")
    )
    assert ["one"] == noted
    assert is_sound(path)


@pytest.mark.parametrize("tolerance", ["fail", "continue"])
async def test_e_a_tool_list_that_has_changed_ends_the_run(tmp_path: Path, tolerance: str) -> None:
    """(e) The model was asked with other tools than there are now; no policy of the step tolerates that."""
    path = tmp_path / "runs.db"
    work = {"id": "work", "type": "agent", "prompt": "Work.", "on_error": tolerance, "retry": {"max_attempts": 2}}
    plugin, _ = book()
    async with opened(path, plugin) as tr:
        run = await tr.run(agent([work, ASK]))
    more, _ = book()
    more.action(name="new", effect="read")(_nothing)
    async with opened(path, more) as tr:
        execution = await ended(tr, run)
    assert ("failed", "non_deterministic", "s:work/turn:1/model") == tuple(
        execution[name] for name in ("status", "error_code", "error_path")
    )
    assert is_sound(path)


# ------------------------------------------------------------------------------------------------------------------ (f)


def _held() -> tuple[int, int, int]:
    """Tasks, threads and open files of this process."""
    files = Path("/proc/self/fd")
    return len(asyncio.all_tasks()), threading.active_count(), len(list(files.iterdir())) if files.exists() else 0


@pytest.mark.parametrize("wait", [ASK, {"id": "rest", "type": "delay", "duration": "1h"}], ids=["approval", "delay"])
async def test_f_a_waiting_run_holds_nothing(tmp_path: Path, wait: dict[str, Any]) -> None:
    """(f) No task, thread, file, lease or place among the runs under way, however many wait."""
    path = tmp_path / "runs.db"
    plugin, _ = book()
    steps = [note("a", "a"), {"id": "both", "type": "parallel", "branches": [[wait], [wait | {"id": "two"}]]}]
    async with opened(path, plugin) as tr:
        for _ in range(20):  # what is made once, for all runs, is there then
            await tr.run(agent(steps))
        before = _held()
        runs = await asyncio.gather(*(tr.run(agent(steps)) for _ in range(20)))
        assert {"waiting"} == {run.status for run in runs}
        await asyncio.sleep(0)
        assert before == _held()
        assert {} == tr._opened().live
        assert tr._store is not None
        assert {} == tr._store._leases._held
        assert [] == list(tr._store._leases.journals())
    with SqliteReader(path) as reader:
        rows = reader.rows("SELECT status, lease_until, epoch FROM agent_executions")
    assert [{"status": "waiting", "lease_until": None, "epoch": 1}] * 40 == [dict(row) for row in rows]
    assert is_sound(path)


# ------------------------------------------------------------------------------------------------------------------ (g)


async def test_g_the_run_timeout_counts_working_time(tmp_path: Path) -> None:
    """(g) Waiting for a person does not use the run's time up, however long."""
    path = tmp_path / "runs.db"
    plugin, _ = book(a=0.1, b=0.1)
    steps = [take_time("a"), ASK, take_time("b")]
    async with opened(path, plugin) as tr:
        run = await tr.run(agent(steps, limits={"run_timeout_s": 1}))
        await asyncio.sleep(1.2)
        execution = await ended(tr, run)
    assert "completed" == execution["status"]
    assert execution["working_duration_ms"] < 1_000 < execution["execution_duration_ms"]


async def test_g_the_run_timeout_goes_on_where_it_was(tmp_path: Path) -> None:
    """(g) What an earlier epoch worked is used up in a later one."""
    path = tmp_path / "runs.db"
    plugin, noted = book(a=0.7, b=0.7)
    async with opened(path, plugin) as tr:
        run = await tr.run(agent([take_time("a"), ASK, take_time("b")], limits={"run_timeout_s": 1}))
        execution = await ended(tr, run)
    assert ("timed_out", "run_timeout", ["a"]) == (execution["status"], execution["error_code"], noted)
    assert 900 <= execution["working_duration_ms"] < 1_600
    assert is_sound(path)


async def test_g_a_run_whose_time_was_used_up_by_a_killed_process(tmp_path: Path) -> None:
    """(g) The time of an epoch that was lost counts as far as it is stored."""
    path = tmp_path / "runs.db"
    plugin, noted = book(a=0.7, b=0.7)
    async with opened(path, plugin) as tr:
        started = await tr.start(agent([take_time("a"), take_time("b")], limits={"run_timeout_s": 1}))
        while not noted:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        lost = driver.connect(str(path))
        lost.execute("UPDATE agent_executions SET lease_until = '2000-01-01T00:00:00.000000Z'")
        lost.commit()
        lost.close()
        async with opened(path, plugin) as other:
            await kit.quiet(other, ended=started.run_id)
        started.cancel()
        await asyncio.gather(started.task, return_exceptions=True)
    execution = kit.execution(path)
    assert ("timed_out", "run_timeout", ["a"]) == (execution["status"], execution["error_code"], noted)
    assert is_sound(path)


@pytest.mark.parametrize("is_parked", [True, False], ids=["parked", "beside work"])
async def test_g_a_step_s_timer_stands_still_while_it_waits(tmp_path: Path, is_parked: bool) -> None:
    """(g) A step that waits for a person does not run out of time, whether or not the rest of the run works on."""
    path = tmp_path / "runs.db"
    plugin, _ = book(a=0.05, beside=1.0, b=0.05)
    inner = {"id": "sub", "type": "sub_workflow", "timeout_ms": 400, "steps": [take_time("a"), ASK, take_time("b")]}
    steps = [inner] if is_parked else [{"id": "both", "type": "parallel", "branches": [[inner], [take_time("beside")]]}]
    async with opened(path, plugin) as tr:
        started = await tr.start(agent(steps))
        await asyncio.sleep(0.7)
        await tr.approve(started.run_id)
        await kit.quiet(tr, ended=started.run_id)
    assert "completed" == kit.execution(path)["status"], kit.execution(path)["error_message"]
    assert is_sound(path)


async def test_g_a_step_s_timer_goes_on_after_a_wait(tmp_path: Path) -> None:
    """(g) Its working time is limited all the same: what it takes in one epoch is what its timer sees."""
    path = tmp_path / "runs.db"
    plugin, noted = book(a=0.05, b=5)
    inner = {"id": "sub", "type": "sub_workflow", "timeout_ms": 300, "steps": [take_time("a"), ASK, take_time("b")]}
    async with opened(path, plugin) as tr:
        run = await tr.run(agent([inner]))
        execution = await ended(tr, run)
    assert ("failed", "step_failed", "s:sub", ["a"]) == (
        execution["status"], execution["error_code"], execution["error_path"], noted,
    )  # fmt: skip
    assert is_sound(path)
