"""Remembering in whole runs, through both engines: what a model may keep, for whom, how much, and what nobody keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import say

from trackrecord import Agent, Run
from trackrecord.clock import new_id
from trackrecord.context.run_context import RunContext
from trackrecord.errors import BadAgent, StoreError
from trackrecord.memory.remembering import MOST_CHARACTERS, MOST_PER_RUN
from trackrecord.store.memories import SqliteMemories
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

SECRET = "correct-horse-battery-staple"
ENGINES = {"agentkit": None, "orchestrator": [{"id": "work", "type": "agent"}]}
both_engines = pytest.mark.parametrize("engine", ENGINES)
PLACE = {"agentkit": "", "orchestrator": "s:work/"}


def keep(*texts: str, kind: str = "fact") -> dict[str, Any]:
    """A reply that asks for these to be remembered."""
    return calls(*({"kind": kind, "text": text} for text in texts))


def calls(*arguments: Mapping[str, Any]) -> dict[str, Any]:
    asked = [{"name": "memory__remember", "arguments": dict(one)} for one in arguments]
    return {"tool_calls": asked, "usage": {"input": kit.IN, "output": kit.OUT}}


def worker(engine: str, **fields: Any) -> Agent:
    steps = ENGINES[engine]
    return kit.agent(steps, **({"memory": {"remember": True}, "plugins_required": []} | fields))


def learnt(path: Path) -> list[Mapping[str, Any]]:
    with SqliteReader(path) as reader:
        return reader.rows("SELECT * FROM user_memories ORDER BY created_at, text")


def spans(path: Path, run: Run, kind: str = "remember") -> list[tuple[str, str]]:
    with SqliteReader(path) as reader:
        return [(span.path, span.status) for span in reader.spans(run.id) if span.kind == kind]


def is_sound(path: Path) -> bool:
    with SqliteReader(path) as reader:
        return not [finding for check in verify(reader).checks for finding in check.findings]


@both_engines
async def test_what_a_model_keeps_is_recalled_by_later_runs(tmp_path: Path, engine: str) -> None:
    """A fact and a pattern, each an effect at a place of its own, stored with the run that left them."""
    path = tmp_path / "runs.db"
    reply = calls({"kind": "fact", "text": " Lives  by\nthe sea. "}, {"kind": "pattern", "text": "Asks on Mondays."})
    async with kit.opened(path, reply, say("done")) as tr:
        run = await tr.run(worker(engine), {})
        later = await tr.run(worker(engine), {})
    call = f"{PLACE[engine]}turn:1/call"
    assert [(f"{call}:1/remember:1", "ok"), (f"{call}:2/remember:1", "ok")] == spans(path, run)
    kept = [
        (row["kind"], row["text"], row["importance"], row["source"]) for row in learnt(path) if row["run_id"] == run.id
    ]
    assert [("fact", "Lives by the sea.", 5, "run"), ("pattern", "Asks on Mondays.", 7, "run")] == sorted(kept)
    assert ("patterns", "summaries", "user_context") == later.record.measures.memory.types
    assert is_sound(path)


@both_engines
async def test_it_counts_as_no_tool_call(tmp_path: Path, engine: str) -> None:
    """Remembering is an effect of its own kind: no plugin was used, and its tokens are those of the model calls."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, keep("Likes tea."), say("done")) as tr:
        run = await tr.run(worker(engine), {})
    measures = run.record.measures
    assert (0, 0, (), 2) == (
        measures.tool_calls_count,
        measures.tool_calls_rejected_count,
        measures.plugins_used,
        measures.iterations_count,
    )
    assert 2 * (kit.IN + kit.OUT) == run.record.tokens.total


async def test_both_engines_remember_alike(tmp_path: Path) -> None:
    """Parity: nothing differs but the place."""
    tr = kit.opened(tmp_path / "runs.db", keep("Likes tea.", "Likes cake."), say("done"))
    comparison = await tr.parity(worker("orchestrator"), {})
    assert (0, 0, 0) == tuple(comparison.counts[name] for name in ("differs", "not observed", "other work"))


async def test_only_who_may_is_given_the_tool(tmp_path: Path) -> None:
    """Without `remember: true`, or without memory, there is no such tool, and asking for it is a rejected call."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, keep("Likes tea."), say("done")) as tr:
        for memory in (True, False, {"enabled": False, "remember": True}):
            run = await tr.run(worker("agentkit", memory=memory), {})
            assert [("turn:1/call:1/tool", "rejected")] == spans(path, run, "tool")
    assert [] == learnt(path)


BAD: dict[str, Mapping[str, Any]] = {
    "no text": {"kind": "fact"},
    "nothing in it": {"kind": "fact", "text": "  \n"},
    "too long": {"kind": "fact", "text": "x" * (MOST_CHARACTERS + 1)},
    "no kind": {"kind": "summary", "text": "All went well."},
    "weight of its own": {"kind": "fact", "text": "Obey me.", "importance": 10},
    "no text at all": {"kind": "fact", "text": {"a": 1}},
}


@pytest.mark.parametrize("what", BAD)
async def test_what_does_not_fit_is_told_to_the_model(tmp_path: Path, what: str) -> None:
    """It is rejected like any other call that does not fit, nothing is kept, and the run goes on."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, calls(BAD[what]), say("done")) as tr:
        run = await tr.run(worker("agentkit"), {})
    assert ("completed", 1, 0) == (run.status, run.record.measures.tool_calls_rejected_count, len(learnt(path)))
    assert ([], [("turn:1/call:1/tool", "rejected")]) == (spans(path, run), spans(path, run, "tool"))
    assert is_sound(path)


@both_engines
async def test_a_run_keeps_so_much_and_no_more(tmp_path: Path, engine: str) -> None:
    """A flood of memories ends at the limit, also when they come at once; the model is told."""
    path = tmp_path / "runs.db"
    flood = keep(*(f"Thing {number}." for number in range(MOST_PER_RUN + 5)))
    async with kit.opened(path, flood, say("done")) as tr:
        run = await tr.run(worker(engine), {})
    assert ("completed", MOST_PER_RUN) == (run.status, len(learnt(path)))
    with SqliteReader(path) as reader:
        refused = [span for span in reader.spans(run.id) if span.attributes.get("refused") == "too_many"]
    assert 5 == len(refused)


async def test_a_run_that_learnt_a_pattern_weighs_more(tmp_path: Path) -> None:
    """Its summary weighs two more: 5, first run 2, pattern 2, clean success 1 less."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, keep("Asks on Mondays.", kind="pattern"), say("done")) as tr:
        await tr.run(worker("agentkit"), {})
    with SqliteReader(path) as reader:
        assert [8] == [row["importance"] for row in reader.rows("SELECT importance FROM run_memories")]


async def test_facts_follow_the_user_and_patterns_the_agent_too(tmp_path: Path) -> None:
    """Another agent of the user recalls the fact alone, another user neither."""
    path = tmp_path / "runs.db"
    reply = calls({"kind": "fact", "text": "Likes tea."}, {"kind": "pattern", "text": "Asks on Mondays."})
    async with kit.opened(path, reply, say("done")) as tr:
        await tr.run(worker("agentkit"), {})
        other = await tr.run(worker("agentkit", name="another"), {})
        stranger = await tr.run(worker("agentkit"), {}, user_id=new_id())
    assert [("user_context",), ()] == [run.record.measures.memory.types for run in (other, stranger)]


async def test_no_secret_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the memory nor in a span, whoever asked for it."""
    monkeypatch.setenv("DESK_PASSWORD", SECRET)
    path = tmp_path / "runs.db"
    async with kit.opened(path, keep(f"The password is {SECRET}."), say("done")) as tr:
        await tr.run(worker("agentkit"), {})
    assert ["The password is [redacted]."] == [row["text"] for row in learnt(path)]
    assert SECRET.encode() not in path.read_bytes()


async def test_a_store_that_cannot_keep_it_is_told_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed effect with its span; the run goes on and is recorded."""

    async def full(*_: Any, **__: Any) -> None:
        raise StoreError("no space is left")

    monkeypatch.setattr(SqliteMemories, "remember", full)
    path = tmp_path / "runs.db"
    async with kit.opened(path, keep("Likes tea."), say("done")) as tr:
        run = await tr.run(worker("agentkit"), {})
    assert ("completed", [("turn:1/call:1/remember:1", "failed")]) == (run.status, spans(path, run))
    assert is_sound(path)


def test_a_plugin_of_that_name_cannot_be_required_beside_it() -> None:
    """`memory__remember` would stand for two things."""
    with pytest.raises(BadAgent) as caught:
        worker("agentkit", plugins_required=["memory"])
    assert ["plugins_required"] == [problem.path for problem in caught.value.problems]


class Own:
    """An engine of somebody else that remembers by itself."""

    name, title, runs_workflow, run_timeout_s = "own", "Own", False, 10.0

    def __init__(self, *texts: str) -> None:
        self.kept: list[bool] = []
        self._texts: Sequence[str] = texts

    async def run(self, agent: Agent, inputs: Mapping[str, Any], ctx: RunContext) -> str:
        del agent, inputs
        for number, text in enumerate(self._texts, 1):
            self.kept.append(await ctx.remember(f"remember:{number}", "fact", text))
        return "done"


async def test_any_engine_may_remember(tmp_path: Path) -> None:
    """The door is the context's: one place, one memory, whoever carries the run out."""
    path, own = tmp_path / "runs.db", Own("Likes tea.", "Likes cake.")
    async with kit.opened(path, say("unused"), engines=[own]) as tr:
        run = await tr.run(worker("agentkit", memory=True), {}, engine="own")
    assert ("completed", [True, True]) == (run.status, own.kept)
    assert ["Likes cake.", "Likes tea."] == sorted(row["text"] for row in learnt(path))
    assert [("remember:1", "ok"), ("remember:2", "ok")] == spans(path, run)
    assert is_sound(path)


@pytest.mark.parametrize(("memory", "text"), [(False, "Likes tea."), (True, ""), (True, "x" * 501)])
async def test_an_engine_that_may_not_ends_its_run(tmp_path: Path, memory: bool, text: str) -> None:
    """An agent without memory, or a text that cannot be kept, is the engine's fault; its run is recorded."""
    path, own = tmp_path / "runs.db", Own(text)
    async with kit.opened(path, say("unused"), engines=[own]) as tr:
        run = await tr.run(worker("agentkit", memory=memory), {}, engine="own")
    assert ("failed", [], []) == (run.status, own.kept, learnt(path))
    assert is_sound(path)
