"""A retry or a fork is a new run that does nothing again that precedes its place, and counts nothing of it again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit, test_resume
from tests.engines.kit import IN, OUT, ask, say
from tests.engines.test_resume import expire, findings

from trackrecord import Agent, FunctionPlugin, Run, SyncTrackrecord, Trackrecord
from trackrecord.errors import BadInput, CannotResume, CheckpointsGone, PluginNotConnected, UnknownModel, UnknownRun
from trackrecord.models.scripted import ScriptedModel
from trackrecord.redoing import redone
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.tenancy import LOCAL_TENANT

STEPS: list[dict[str, Any]] = [
    {"id": "one", "type": "action", "plugin": "book", "action": "note", "params": {"word": "one {{ now }}"}},
    {"id": "ask", "type": "llm", "prompt": "Say."},
    {"id": "each", "type": "loop", "over": ["1", "2"], "steps": [
        {"id": "put", "type": "action", "plugin": "book", "action": "note", "params": {"word": "put {{ item }}"}},
        {"id": "set", "type": "action", "plugin": "book", "action": "note", "params": {"word": "set {{ item }}"}},
    ]},
    {"id": "both", "type": "parallel", "branches": {
        "left": [{"id": "l", "type": "action", "plugin": "book", "action": "note", "params": {"word": "left"}}],
        "right": [{"id": "r", "type": "action", "plugin": "book", "action": "note", "params": {"word": "right"}}],
    }},
    {"id": "fit", "type": "conditional", "condition": "len(steps.each.data) == 2", "then": [
        {"id": "yes", "type": "action", "plugin": "book", "action": "note", "params": {"word": "yes"}},
    ]},
    {"id": "work", "type": "agent", "prompt": "Work."},
    {"id": "last", "type": "action", "plugin": "book", "action": "note", "params": {"word": "last {{ now }}"}},
]  # fmt: skip
WORDS = ["one", "put 1", "set 1", "put 2", "set 2", "left", "right", "yes", "agent", "last"]
AGAIN: dict[str, tuple[list[str], int]] = {  # calls that happen again, and model calls that do
    "one": (WORDS, 3),
    "ask": (WORDS[1:], 3),
    "each": (WORDS[1:], 2),
    "put": (WORDS[1:], 2),
    "s:each/i:2/s:put": (WORDS[3:], 2),
    "set": (WORDS[2:], 2),
    "both": (WORDS[5:], 2),
    "l": (["left", *WORDS[7:]], 2),
    "r": (["right", *WORDS[7:]], 2),
    "fit": (WORDS[7:], 2),
    "yes": (WORDS[7:], 2),
    "work": (WORDS[8:], 2),
    "s:work/turn:2": (WORDS[9:], 1),
    "last": (WORDS[9:], 0),
}


def noting(word: str) -> dict[str, Any]:
    """A reply that asks for a word to be written down."""
    usage = {"input": IN, "output": OUT}
    return {"tool_calls": [{"name": "book__note", "arguments": {"word": word}}], "usage": usage}


SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"contains": "Say."}, "reply": say("hello")},
        {"when": {"turn": 1}, "reply": noting("agent")},
        {"reply": say("done")},
    ]
}


def book(folder: Path, *more: str) -> FunctionPlugin:
    """A plugin that writes down every call, and fails for the word in the file `broken`, if there is one."""
    plugin = FunctionPlugin("book")

    @plugin.action(effect="unsafe")
    async def note(word: str) -> str:
        """Write a word down."""
        with (folder / "calls").open("a") as file:
            file.write(f"{word}\n")
        broken = folder / "broken"
        if broken.exists() and word.startswith(broken.read_text()):
            raise ValueError("it broke")
        return f"noted {word.split(maxsplit=1)[0]}"

    for name in more:

        @plugin.action(effect="read", name=name)
        async def another() -> str:
            """Do nothing."""
            return ""

    return plugin


def calls(folder: Path, *, whole: bool = False) -> list[str]:
    """What the plugin has written down since last time; without the moment behind a word."""
    path = folder / "calls"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found if whole else [" ".join(word for word in line.split() if "T" not in word) for line in found]


def opened(folder: Path, *more: str, script: Mapping[str, Any] | None = None, **options: Any) -> Trackrecord:
    """A Trackrecord with that plugin."""
    return kit.opened(folder / "runs.db", script=script or SCRIPT, plugins=[book(folder, *more)], **options)


def worker(steps: Sequence[Mapping[str, Any]] | None = STEPS, **fields: Any) -> Agent:
    """The agent of these tests."""
    return kit.agent(steps, plugins_required=["book"], **fields)


async def forked(tr: Trackrecord, run: Run | str, place: str) -> Run:
    """The end of a fork."""
    return await (await tr.fork(run if isinstance(run, str) else run.id, place)).task


async def retried(tr: Trackrecord, run: Run) -> Run:
    """The end of a retry."""
    return await (await tr.retry(run.id)).task


def effects(folder: Path, run: Run) -> list[str]:
    """Paths of the effects that have a span."""
    endings = ("model", "tool", "recall", "wait", "decision")
    return [path for path, _ in kit.statuses(folder / "runs.db", run.id) if path.rpartition("/")[2] in endings]


@pytest.mark.parametrize("place", AGAIN)
async def test_a_fork_does_again_what_does_not_precede_its_place(tmp_path: Path, place: str) -> None:
    """Calls and tokens are those of what was done again; answer, steps and the present are those of the origin."""
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(), {})
        assert "completed" == run.status
        first = calls(tmp_path, whole=True)
        fork = await forked(tr, run, place)
    expected, model_count = AGAIN[place]
    again = calls(tmp_path, whole=True)
    assert sorted(expected) == sorted(" ".join(w for w in line.split() if "T" not in w) for line in again)
    assert set(again) <= set(first)  # `now` too is the same
    assert ("completed", run.output, run.record.origin.now) == (fork.status, fork.output, fork.record.origin.now)
    measures = fork.record.measures
    assert len(expected) == measures.tool_calls_count
    assert (model_count, model_count * (IN + OUT)) == (measures.model_calls_count, measures.tokens.total)
    assert 0 == measures.retry_count
    assert run.record.measures.steps == measures.steps
    assert len(expected) + model_count == len([path for path in effects(tmp_path, fork) if path != "recall"])
    execution = kit.execution(tmp_path / "runs.db", fork.id)
    assert ("fork", "fork", run.id, run.record.origin.agent_version) == tuple(
        execution[name] for name in ("execution_type", "origin_kind", "origin_run_id", "agent_version")
    )
    assert [] == findings(tmp_path / "runs.db")


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_retry_begins_where_the_run_failed(tmp_path: Path, durability: Any) -> None:
    """It counts only what it did itself, and leaves the run that failed as it was."""
    (tmp_path / "broken").write_text("set 2")
    async with opened(tmp_path, durability=durability) as tr:
        run = await tr.run(worker(), {})
        assert ("failed", WORDS[:5]) == (run.status, calls(tmp_path))
        before = kit.execution(tmp_path / "runs.db", run.id)
        (tmp_path / "broken").unlink()
        again = await retried(tr, run)
    assert ("completed", WORDS[4:]) == (again.status, calls(tmp_path))
    assert before == kit.execution(tmp_path / "runs.db", run.id)
    assert 2 * (IN + OUT) == again.record.tokens.total
    assert 6 == again.record.measures.tool_calls_count
    assert [] == findings(tmp_path / "runs.db")


async def test_a_retry_of_a_retry(tmp_path: Path) -> None:
    """What the first retry had taken over, the second one takes over from it."""
    async with opened(tmp_path) as tr:
        (tmp_path / "broken").write_text("left")
        run = await tr.run(worker(), {})
        (tmp_path / "broken").write_text("last")
        calls(tmp_path)
        first = await retried(tr, run)
        assert ("failed", ["left", "yes", "agent", "last"]) == (first.status, calls(tmp_path))
        (tmp_path / "broken").unlink()
        second = await retried(tr, first)
    assert ("completed", ["last"]) == (second.status, calls(tmp_path))
    assert (0, 1) == (second.record.tokens.total, second.record.measures.tool_calls_count)
    execution = kit.execution(tmp_path / "runs.db", second.id)
    assert ("retry", first.id) == (execution["origin_kind"], execution["origin_run_id"])
    assert run.record.origin.now == second.record.origin.now
    assert [] == findings(tmp_path / "runs.db")


async def test_turns(tmp_path: Path) -> None:
    """AgentKit: the turns before are reused with their calls, what it recalled too; that turn is asked for anew."""
    async with opened(tmp_path, script={"replies": [noting("a"), noting("b"), say("done")]}) as tr:
        agent = worker(None)
        run = await tr.run(agent, {})
        assert ("completed", ["a", "b"]) == (run.status, calls(tmp_path))
        fork = await forked(tr, run, "turn:2")
    assert ("completed", "done", ["b"]) == (fork.status, fork.output, calls(tmp_path))
    assert (2, 1, 2 * (IN + OUT)) == (
        fork.record.measures.iterations_count, fork.record.measures.tool_calls_count, fork.record.tokens.total
    )  # fmt: skip
    assert ["turn:2/call:1/tool", "turn:2/model", "turn:3/model"] == sorted(effects(tmp_path, fork))
    assert [] == findings(tmp_path / "runs.db")


async def test_a_failed_turn_is_asked_for_anew(tmp_path: Path) -> None:
    """A retry of AgentKit begins with the turn whose model call failed."""
    async with opened(tmp_path, script={"replies": [noting("a")]}) as tr:  # nothing for the second turn
        run = await tr.run(worker(None), {})
        assert ("failed", "turn:2/model") == (run.status, run.record.ending and run.record.ending.error_path)
    async with opened(tmp_path, script={"replies": [noting("a"), say("done")]}) as tr:
        again = await retried(tr, run)
    assert ("completed", ["a"], ["turn:2/model"]) == (again.status, calls(tmp_path), effects(tmp_path, again))


async def test_a_run_out_of_turns_has_its_last_one_again(tmp_path: Path) -> None:
    """It failed at no place; what it could do differently is its last turn."""
    asking = {"replies": [ask("x")], "then": "repeat_last"}
    async with opened(tmp_path, script=asking) as tr:
        run = await tr.run(worker(None, limits={"max_iterations": 2, "loop_limit": 10}), {})
        assert "max_iterations" == (run.record.ending and run.record.ending.error_code)
        again = await retried(tr, run)
    assert ["turn:2/model"] == [path for path in effects(tmp_path, again) if path.endswith("model")]


async def test_a_run_that_was_stopped_is_retried_from_where_it_was(tmp_path: Path) -> None:
    """A cancelled run failed at no step: all that had ended is reused."""
    steps = [STEPS[0], {"id": "rest", "type": "delay", "duration": "1h"}]
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(steps), {})
        await tr.cancel(run.id)
        assert ["one"] == calls(tmp_path)
        again = await retried(tr, run)
        assert ("waiting", []) == (again.status, calls(tmp_path))
        with pytest.raises(BadInput, match="only a run that has ended can be forked"):
            await tr.fork(again.id, "one")
        with pytest.raises(BadInput, match="only a run that has ended can be retried"):
            await tr.retry(again.id)
    assert [] == findings(tmp_path / "runs.db")


async def test_a_retry_of_a_cancelled_run_is_not_cancelled(tmp_path: Path) -> None:
    """That its origin was to end is no effect that it takes over: it would end as cancelled once it is resumed."""
    steps = [
        STEPS[0],
        {"id": "nap", "type": "delay", "duration": "2s"},
        {"id": "ok", "type": "approval", "message": "?"},
    ]
    async with opened(tmp_path) as tr:
        started = await tr.start(worker(steps), {})
        await asyncio.sleep(0.2)
        started.cancel()
        run = await started.task
        assert "cancelled" == run.status
        again = await retried(tr, run)
        assert "waiting" == again.status
        await tr.approve(again.id)
        await kit.quiet(tr, ended=again.id)
    assert "completed" == kit.execution(tmp_path / "runs.db", again.id)["status"]
    assert [] == findings(tmp_path / "runs.db")


async def test_a_fork_goes_on_after_its_process_died(tmp_path: Path) -> None:
    """Under a later epoch, too, what was taken over is not done again, leaves no span and counts nothing."""
    steps = [*STEPS[:2], {"id": "rest", "type": "delay", "duration": "1h"}, STEPS[-1]]
    path = tmp_path / "runs.db"
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(steps), {})
        await tr.cancel(run.id)
        calls(tmp_path)
        fork = await forked(tr, run, "rest")
        assert "waiting" == fork.status
    _let_pass(path)
    async with opened(tmp_path) as tr:
        await kit.quiet(tr, ended=fork.id)
    assert ["last"] == calls(tmp_path)
    execution = kit.execution(path, fork.id)
    assert ("completed", 2, None, 1) == tuple(
        execution[name] for name in ("status", "epoch", "error_code", "tool_calls_count")
    )
    assert 0 == execution["tokens_used"]
    assert [] == findings(path)


async def test_a_decision_of_a_person_is_reused(tmp_path: Path) -> None:
    """Nobody is asked again about what was approved before the place."""
    steps = [{"id": "ok", "type": "approval", "message": "Go?"}, STEPS[-1]]
    (tmp_path / "broken").write_text("last")
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(steps), {})
        await tr.approve(run.id, comment="yes")
        await kit.quiet(tr, ended=run.id)
        (tmp_path / "broken").unlink()
        again = await retried(tr, run)
        assert [] == await tr.approvals()
    assert "completed" == again.status
    assert ["s:last/tool"] == effects(tmp_path, again)


async def test_recall_is_reused(tmp_path: Path) -> None:
    """What was recalled is what the origin recalled, whatever has been remembered since; it is not counted again."""
    steps = [STEPS[1], STEPS[-1], {"id": "more", "type": "llm", "prompt": "Say. More."}]
    async with opened(tmp_path) as tr:
        await tr.run(worker(steps), {})
        run = await tr.run(worker(steps), {})
        assert 0 < (run.record.measures.memory.tokens or 0)
        fork = await forked(tr, run, "last")
    assert "completed" == fork.status
    assert (0, ["s:last/tool", "s:more/model"]) == (fork.record.measures.memory.tokens, sorted(effects(tmp_path, fork)))
    assert [] == findings(tmp_path / "runs.db")


async def test_a_failure_that_was_accepted_is_reused(tmp_path: Path) -> None:
    """A step that failed and was tolerated does not get another chance by a fork behind it."""
    steps = [STEPS[0] | {"on_error": "continue"}, STEPS[-1]]
    (tmp_path / "broken").write_text("one")
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(steps), {})
        (tmp_path / "broken").unlink()
        calls(tmp_path)
        fork = await forked(tr, run, "last")
    assert ("completed", ["last"]) == (fork.status, calls(tmp_path))
    assert (1, 0) == (fork.record.measures.steps.tolerated, fork.record.measures.retry_count)
    assert [] == findings(tmp_path / "runs.db")


async def test_what_would_be_asked_differently_is_not_reused(tmp_path: Path) -> None:
    """A tool list that has changed since ends the new run: its model would have been asked something else."""
    script = {"replies": [noting("a"), say("done")]}
    async with opened(tmp_path, script=script) as tr:
        run = await tr.run(worker(None), {})
    async with opened(tmp_path, "another", script=script) as tr:
        fork = await forked(tr, run, "turn:2")
    assert ("failed", "non_deterministic") == (fork.status, fork.record.ending and fork.record.ending.error_code)
    assert ["a"] == calls(tmp_path)


async def test_refusals(tmp_path: Path) -> None:
    """What cannot be run again is refused in words, and leaves nothing."""
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(), {})
        with pytest.raises(BadInput, match="has completed: there is nothing to retry") as caught:
            await tr.retry(run.id)
        assert f"trackrecord fork {run.id} --from STEP" in caught.value.cure
        with pytest.raises(BadInput, match="no step 'lasst'") as caught:
            await tr.fork(run.id, "lasst")
        assert "Did you mean 'last'?" in caught.value.cure
        with pytest.raises(UnknownRun):
            await tr.retry("0199-nobody")
    async with kit.opened(tmp_path / "runs.db", say("x")) as tr:
        with pytest.raises(PluginNotConnected):
            await tr.fork(run.id, "last")
    async with Trackrecord(f"sqlite:///{tmp_path / 'runs.db'}", plugins=[book(tmp_path)]) as tr:
        with pytest.raises(UnknownModel):
            await tr.fork(run.id, "last")
    with SqliteReader(tmp_path / "runs.db") as reader:
        assert [(1,)] == list(reader.tuples("SELECT count(*) FROM agent_executions"))


async def test_checkpoints_gone(tmp_path: Path) -> None:
    """Checkpoints are deleted after their days, those of runs that have not ended are kept; verify has no complaint."""
    path = tmp_path / "runs.db"
    waiting_steps = [STEPS[0], {"id": "rest", "type": "delay", "duration": "1h"}, STEPS[-1]]
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(), {})
        waiting = await tr.run(worker(waiting_steps, name="waiter"), {})
    kept = _checkpoint_count(path, run)
    async with opened(tmp_path):
        assert kept == _checkpoint_count(path, run)  # seven days are not over
    settings = Trackrecord(f"sqlite:///{path}").settings.model_copy(update={"checkpoint_days": 0})
    async with opened(tmp_path, settings=settings) as tr:
        assert (0, 2) == (_checkpoint_count(path, run), _checkpoint_count(path, waiting))
        with pytest.raises(CheckpointsGone, match="is not kept any more"):
            await tr.fork(run.id, "last")
    calls(tmp_path)
    _let_pass(path)
    async with opened(tmp_path) as tr:
        await kit.quiet(tr, ended=waiting.id)
    assert ["last"] == calls(tmp_path)
    assert [] == findings(path)


async def test_checkpoints_that_go_while_a_fork_begins(tmp_path: Path) -> None:
    """The transaction that accepts it finds that they are not all there any more: there is no such run then."""
    path = tmp_path / "runs.db"
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(), {})
        runner = tr._opened()
        one = redone(await runner.store.past(LOCAL_TENANT, run.id), "fork", "last", {})
        assert await runner.store.prune_checkpoints(0)
        with pytest.raises(CheckpointsGone):
            await runner.start(one.request, reused=one.reused).task
    with SqliteReader(path) as reader:
        assert [(1,)] == list(reader.tuples("SELECT count(*) FROM agent_executions"))
    assert [] == findings(path)


async def test_an_outcome_that_somebody_settled_is_reused(tmp_path: Path) -> None:
    """What a person said that an interrupted call gave holds for a fork, too, which counts no interruption."""
    test_resume._die(tmp_path, "unsafe", "sync", "orchestrator")
    path = tmp_path / "runs.db"
    async with test_resume.opened(tmp_path, "unsafe") as tr:
        await kit.quiet(tr)
        run_id = kit.execution(path)["id"]
        [question] = await tr.approvals()
        await tr.settle(run_id, question.path, "done", "lived 2")
        await kit.quiet(tr, ended=run_id)
        calls(tmp_path)
        fork = await forked(tr, run_id, "s:each/i:3/s:put")
    assert (["note 3", "die 3"], ["lived 1", "lived 2", "lived 3"]) == (calls(tmp_path), fork.output)
    assert (0, 0) == (fork.record.measures.unknown_count, fork.record.measures.interruptions_count)
    assert [] == findings(path)


async def test_a_secret_is_kept_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was given a secret cannot be retried: nobody kept it."""
    monkeypatch.setenv("SHOP_API_KEY", "sk-31415926535897")
    schema = [{"name": "word", "type": "string"}]
    (tmp_path / "broken").write_text("last")
    async with opened(tmp_path) as tr:
        run = await tr.run(worker(STEPS[-1:], input_schema=schema), {"word": "sk-31415926535897"})
        with pytest.raises(CannotResume, match="held a secret"):
            await tr.retry(run.id)


FILE = """
name: editor
prompt: Work.
model: scripted:script.yaml
plugins_required: [book]
workflow_steps:
  - {id: one, type: action, plugin: book, action: note, params: {word: one}}
  - {id: rest, type: delay, duration: 1h}
  - {id: ask, type: llm, prompt: Say.}
  - {id: last, type: action, plugin: book, action: note, params: {word: "last"}}
"""


@pytest.mark.parametrize("how", ["resume", "retry", "fork"])
async def test_a_definition_that_was_edited_meanwhile(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run stays with the definition it was accepted with, and finds its model's script beside the agent's file."""
    folder, elsewhere = tmp_path / "agents", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "script.yaml").write_text(json.dumps({"replies": [say("hello")], "then": "repeat_last"}))
    (folder / "agent.yaml").write_text(FILE)
    path = tmp_path / "runs.db"
    (tmp_path / "broken").write_text("last" if how == "retry" else "never")

    def here() -> Trackrecord:
        return Trackrecord(f"sqlite:///{path}", plugins=[book(tmp_path)], synchronous="NORMAL")

    async with here() as tr:
        run = await tr.run(Agent.load(folder / "agent.yaml"), {})
        assert ("waiting", ["one"]) == (run.status, calls(tmp_path))
        if how != "resume":
            _let_pass(path)
            tr._sweep.tell()  # type: ignore[union-attr]
            await kit.quiet(tr, ended=run.id)
            calls(tmp_path)
    (folder / "agent.yaml").write_text(FILE.replace('"last"', "other").replace("word: one", "word: first"))
    monkeypatch.chdir(elsewhere)
    _let_pass(path)
    (tmp_path / "broken").unlink()
    async with here() as tr:
        edited = Agent.load(folder / "agent.yaml")
        assert edited.version != run.record.origin.agent_version
        await tr.run(edited, {})  # the agent's present version is another one now
        if how == "resume":
            await kit.quiet(tr, ended=run.id)
            ended = run.id
        else:
            ended = (await (retried(tr, run) if how == "retry" else forked(tr, run, "ask"))).id
    assert ["first", "last"] == sorted(calls(tmp_path))
    execution = kit.execution(path, ended)
    assert ("completed", run.record.origin.agent_version) == (execution["status"], execution["agent_version"])
    with SqliteReader(path) as reader:
        assert edited.version == reader.agent("editor")["version"]  # a retry of an old version does not bring it back
    assert [] == findings(path)


def test_blocking_callers(tmp_path: Path) -> None:
    """The bridge has both."""
    (tmp_path / "broken").write_text("last")
    models = {kit.MODEL: ScriptedModel.from_mapping(SCRIPT)}
    with SyncTrackrecord(f"sqlite:///{tmp_path / 'runs.db'}", plugins=[book(tmp_path)], models=models) as tr:
        run = tr.run(worker(), {})
        (tmp_path / "broken").unlink()
        assert ("failed", "completed") == (run.status, tr.retry(run.id).status)
        assert "completed" == tr.fork(run.id, "ask").status


def _let_pass(path: Path) -> None:
    """Let every wait of a database be over."""
    expire(path)
    connection = driver.connect(str(path))
    connection.execute("UPDATE agent_executions SET ready_at = '2020-01-01T00:00:00.000000Z' WHERE status = 'waiting'")
    connection.execute(
        "UPDATE run_checkpoints SET subject = '2020-01-01T00:00:00.000000Z 2020-01-01T01:00:00.000000Z' "
        "WHERE kind = 'wait' AND state = 'started'"
    )
    connection.commit()
    connection.close()


def _checkpoint_count(path: Path, run: Run) -> int:
    with SqliteReader(path) as reader:
        return next(reader.tuples("SELECT count(*) FROM run_checkpoints WHERE run_id = ?", (run.id,)))[0]
