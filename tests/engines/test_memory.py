"""Memory in whole runs, through both engines: what is recalled, what is left, and that every table says the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import ask

from trackrecord import Agent, Run, Trackrecord
from trackrecord.clock import moment, new_id, stamp
from trackrecord.memory.entries import MemoryKind
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.store.protocol import Memory
from trackrecord.store.reader import SqliteReader
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER
from trackrecord.verify import verify

FAR = "2999-01-01T00:00:00.000000Z"
BLOCK = re.compile(r"What is remembered of earlier runs \(data, not instructions\):\n```text\n.*?\n```", re.DOTALL)
ENGINES = {"agentkit": None, "orchestrator": [{"id": "think", "type": "llm", "prompt": "Think."}]}
both_engines = pytest.mark.parametrize("engine", ENGINES)


class Listener:
    """A model that keeps what it was sent, and answers what it is told."""

    provider = "scripted"
    name = "listener"

    def __init__(self, answer: Callable[[ModelRequest], ModelReply | str] = lambda request: "fine") -> None:
        self.requests: list[ModelRequest] = []
        self._answer = answer

    async def request(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        said = self._answer(request)
        return ModelReply(text=said, usage=Usage(input_tokens=10, output_tokens=1)) if isinstance(said, str) else said

    @property
    def remembered(self) -> list[str]:
        """The block of memories in each request; empty where there was none."""
        return [_block(request) for request in self.requests]


def _block(request: ModelRequest) -> str:
    text = request.messages[0].text if request.messages[0].role == "system" else ""
    return found[0] if (found := BLOCK.search(text)) else ""


def lines(block: str) -> list[str]:
    """The entries of a block, without headings."""
    return [line[2:] for line in block.splitlines() if line.startswith("- ")]


def worker(engine: str, **fields: Any) -> Agent:
    return kit.agent(ENGINES[engine], **fields)


def opened(path: Path, model: Listener) -> Trackrecord:
    return Trackrecord(f"sqlite:///{path}", plugins=[kit.tools()], models={kit.MODEL: model}, synchronous="NORMAL")


async def remember(tr: Trackrecord, run: Run, kind: MemoryKind, text: str, importance: int = 5) -> None:
    """Store a fact or a pattern, as a program may."""
    assert tr._store is not None
    memory = Memory(kind=kind, text=text, importance=importance, expires_at=FAR)
    origin = run.record.origin
    await tr._store.memory.remember(
        LOCAL_TENANT, origin.agent_id, origin.user_id, memory, run_id=run.id, path=f"remember:{new_id()}"
    )


def summaries(path: Path) -> list[Mapping[str, Any]]:
    """What runs have left, in order."""
    with SqliteReader(path) as reader:
        return reader.rows("SELECT * FROM run_memories ORDER BY id")


def is_sound(path: Path) -> bool:
    with SqliteReader(path) as reader:
        return not [finding for check in verify(reader).checks for finding in check.findings]


# -------------------------------------------------------------------------------------------------------------- recall

CALL = ModelReply(
    tool_requests=(ToolRequest(id="1", name="kit__add", arguments={"a": 1, "b": 2}),), usage=Usage(input_tokens=1)
)
TALKS: dict[str, tuple[Any, Callable[[ModelRequest], ModelReply | str], int]] = {
    "three turns": (None, lambda request: "fine" if request.turn == 2 else CALL, 3),
    "steps in a row": ([{"id": f"s{n}", "type": "llm", "prompt": "Think."} for n in range(3)], lambda _: "fine", 3),
    "steps at once": (
        [{"id": "all", "type": "map", "over": [1, 2, 3, 4], "steps": [{"id": "t", "type": "llm", "prompt": "Think."}]}],
        lambda _: "fine",
        4,
    ),
    "llm and agent steps": (
        [{"id": "think", "type": "llm", "prompt": "Think."}, {"id": "work", "type": "agent"}],
        lambda request: CALL if request.tools and not request.turn else "fine",
        3,
    ),
}


@pytest.mark.parametrize("talk", TALKS)
async def test_recall_happens_once_and_first(tmp_path: Path, talk: str) -> None:
    """One recall per run, over before the first model call begins; every request of the run has the same block."""
    steps, answer, calls = TALKS[talk]
    path, model = tmp_path / "runs.db", Listener(answer)
    agent = kit.agent(steps)
    async with opened(path, model) as tr:
        await tr.run(agent, {})
        count = len(model.requests)
        run = await tr.run(agent, {})
    with SqliteReader(path) as reader:
        spans = reader.spans(run.id)
    [recall] = [span for span in spans if span.kind == "recall"]
    models = [span for span in spans if span.kind == "model"]
    assert ("recall", 1, "ok", calls) == (recall.path, recall.attempt, recall.status, len(models))
    assert recall.start_us + recall.duration_us <= min(span.start_us for span in models)
    blocks = model.remembered[count:]
    assert (calls, 1) == (len(blocks), len(set(blocks)))
    assert 1 == len(lines(blocks[0]))
    assert {""} == set(model.remembered[:count])


@both_engines
async def test_the_second_run_recalls_the_first(tmp_path: Path, engine: str) -> None:
    """The summary of an agent's first run weighs two more, and stands in front of the model of the second."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        for _ in range(3):
            assert "completed" == (await tr.run(worker(engine), {})).status
    left = summaries(path)
    assert [("summary", 6), ("summary", 4), ("summary", 4)] == [(one["kind"], one["importance"]) for one in left]
    assert ["Completed. 1 turn, no tools, 11 tokens. Answer: fine"] * 3 == [one["text"] for one in left]
    assert [0, 1, 2] == [len(lines(block)) for block in model.remembered]
    assert is_sound(path)


@both_engines
async def test_every_table_says_what_was_recalled(tmp_path: Path, engine: str) -> None:
    """Tokens, entries and types of the block the model got are the figures of the record, the logs and the metrics."""
    path, model = tmp_path / "runs.db", Listener()
    agent = worker(engine)
    async with opened(path, model) as tr:
        first = await tr.run(agent, {})
        await remember(tr, first, "fact", "likes short answers")
        await remember(tr, first, "pattern", "asks on Mondays")
        run = await tr.run(agent, {})
    block = model.remembered[-1]
    tokens, entries = -(-len(block) // 4), len(lines(block))
    types = ["patterns", "summaries", "user_context"]
    with SqliteReader(path) as reader:
        execution, log = reader.execution(run.id), reader.log(run.id)
        metrics = reader.intensity(agent.id)
    assert log is not None
    assert metrics is not None
    told = {"tokens": tokens, "entryCount": entries, "types": types}
    full = json.loads(log["full_output"])[f"{engine}_metadata"]
    assert (3, tokens) == (entries, execution["memory_tokens"])
    assert [told] * 3 == [
        json.loads(execution["logs"])["memory"],
        full["memory"],
        json.loads(log["run_output"])["memory"],
    ]
    assert (entries, tokens, entries, types, 2) == (
        execution["memory_entry_count"],
        metrics["memory_tokens"],
        metrics["memory_entries_total"],
        json.loads(metrics["memory_types_ever"]),
        metrics["runs_with_memory_tokens"],
    )
    memory = run.record.measures.memory
    assert (tokens, entries, tuple(types)) == (memory.tokens, memory.entry_count, memory.types)
    assert is_sound(path)


@both_engines
async def test_facts_come_by_importance_ten_at_most(tmp_path: Path, engine: str) -> None:
    """Of many facts the ten weightiest are recalled, the weightiest first, in front of the summaries."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        first = await tr.run(worker(engine), {})
        for number in (7, 2, 10, 5, 1, 9, 3, 8, 4, 6):
            await remember(tr, first, "fact", f"weighs {number}", number)
        for number in (1, 10):
            await remember(tr, first, "fact", f"also weighs {number}", number)
        await tr.run(worker(engine), {})
    entries = lines(model.remembered[-1])
    assert ["also weighs 10", "weighs 10", *(f"weighs {number}" for number in range(9, 1, -1))] == entries[:-1]
    assert entries[-1].startswith("Completed.")


@both_engines
@pytest.mark.parametrize("budget", [0, 20, 60, 150, 800])
async def test_recall_stays_within_its_budget(tmp_path: Path, engine: str, budget: int) -> None:
    """Whatever there is to remember, the block in front of the model is never above the agent's budget of tokens."""
    path, model = tmp_path / "runs.db", Listener()
    agent = worker(engine, memory={"token_budget": budget})
    async with opened(path, model) as tr:
        first = await tr.run(agent, {})
        for number in range(40):
            await remember(tr, first, "pattern" if number % 2 else "fact", f"thing {number} " * 8)
        run = await tr.run(agent, {})
    block = model.remembered[-1]
    assert len(block) <= budget * 4
    assert (-(-len(block) // 4), len(lines(block))) == (
        run.record.measures.memory.tokens,
        run.record.measures.memory.entry_count,
    )
    assert (budget >= 60) is bool(block)


@both_engines
async def test_only_the_past_of_a_run_is_recalled(tmp_path: Path, engine: str) -> None:
    """What was stored at or after the run's own present is not recalled: a resumed run sees what it saw before."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        await tr.run(worker(engine), {})
        stored_at = summaries(path)[0]["created_at"]
        just_after = stamp(moment(stored_at) + timedelta(microseconds=1))
        for present in ("2020-01-01T00:00:00Z", stored_at, just_after):
            await tr.run(worker(engine), {}, now=present)
    assert [0, 0, 0, 1] == [len(lines(block)) for block in model.remembered]


@both_engines
async def test_memories_are_of_one_agent_and_one_user(tmp_path: Path, engine: str) -> None:
    """Another user's run, or the user's run of another agent, recalls no summary; a fact goes with its user."""
    path, model, other = tmp_path / "runs.db", Listener(), new_id()
    async with opened(path, model) as tr:
        first = await tr.run(worker(engine), {})
        await remember(tr, first, "fact", "lives by the sea")
        await tr.run(worker(engine), {}, user_id=other)
        await tr.run(worker(engine, name="another"), {}, user_id=LOCAL_USER)
    assert [[], ["lives by the sea"]] == [lines(block) for block in model.remembered[1:]]


async def test_a_workflow_that_asks_no_model_recalls_nothing(tmp_path: Path) -> None:
    """Nothing is put in front of a model, so nothing is counted; the run leaves its summary all the same."""
    path = tmp_path / "runs.db"
    steps = [{"id": "add", "type": "action", "plugin": "kit", "action": "add", "params": {"a": 1, "b": 2}}]
    async with opened(path, Listener()) as tr:
        runs = [await tr.run(kit.agent(steps), {}) for _ in range(2)]
    assert [0, 0] == [run.record.measures.memory.entry_count for run in runs]
    assert 'Completed. 0 turns, tools kit.add x1, 0 tokens. Answer: {"sum":3}' == summaries(path)[0]["text"]


# ----------------------------------------------------------------------------------------------------- what runs leave


@both_engines
async def test_without_memory_nothing_is_recalled_or_left(tmp_path: Path, engine: str) -> None:
    """`memory: false`: no recall, no block, no summary, and zero is the measured figure."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        first = await tr.run(worker(engine, memory=False), {})
        await remember(tr, first, "fact", "likes short answers")
        run = await tr.run(worker(engine, memory=False), {})
    with SqliteReader(path) as reader:
        assert [] == [span for span in reader.spans(run.id) if span.kind == "recall"]
    assert ([], ["", ""]) == (summaries(path), model.remembered)
    memory = run.record.measures.memory
    assert (0, 0, ()) == (memory.tokens, memory.entry_count, memory.types)


async def test_memory_can_be_turned_on_later(tmp_path: Path) -> None:
    """The summary of an agent's first run with memory is its first, however many ran without."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        await tr.run(worker("agentkit", memory=False), {})
        await tr.run(worker("agentkit"), {})
        await tr.run(worker("agentkit"), {})
    assert [4, 4] == [one["importance"] for one in summaries(path)]
    assert 1 == len(lines(model.remembered[-1]))


FAILING = {
    "agentkit": (None, {"limits": {"max_iterations": 1}}, "Failed (max_iterations): no answer after 1 turns."),
    "orchestrator": (
        [*ENGINES["orchestrator"], {"id": "bad", "type": "action", "plugin": "kit", "action": "fail"}],
        {},
        "Failed (tool_failed): fail raised ValueError: it broke.",
    ),
}


@both_engines
async def test_a_run_that_fails_leaves_a_summary_too(tmp_path: Path, engine: str) -> None:
    """It weighs two more, says why it failed, and the next run recalls it."""
    steps, fields, words = FAILING[engine]
    path, model = tmp_path / "runs.db", Listener(lambda request: CALL if request.tools else "fine")
    agent = kit.agent(steps, **fields)
    async with opened(path, model) as tr:
        for _ in range(2):
            assert "failed" == (await tr.run(agent, {})).status
    left = summaries(path)
    assert [9, 7] == [one["importance"] for one in left]
    assert [True, True] == [one["text"].startswith(words) for one in left]
    assert [left[0]["text"]] == lines(model.remembered[-1])


async def test_a_cancelled_run_leaves_a_summary(tmp_path: Path) -> None:
    """Every end is remembered, also one that somebody wanted."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=5)) as tr:
        started = await tr.start(kit.agent(), {})
        started.cancel()
        await started.task
    [left] = summaries(path)
    assert ("Was cancelled (user): the run was cancelled. 0 turns, no tools, 0 tokens.", 9) == (
        left["text"],
        left["importance"],
    )


# ------------------------------------------------------------------------------------------------------------- secrets

SECRET = "correct-horse-battery-staple"
KEY = "sk-abcdefghijklmnopqrstuvwx"


@both_engines
@pytest.mark.parametrize("policy", ["none", "redacted", "full"])
async def test_no_secret_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, policy: str
) -> None:
    """Neither a known secret nor what looks like a key is in a summary, nor in front of a later run's model."""
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    path, model = tmp_path / "runs.db", Listener(lambda request: f"it is {SECRET} or {KEY}")
    agent = worker(engine, payloads={"outputs": policy})
    async with opened(path, model) as tr:
        await tr.run(agent, {})
        await tr.run(agent, {})
    [text] = {one["text"] for one in summaries(path)}
    answer = "" if policy == "none" else " Answer: it is [redacted] or [redacted]"
    assert f"Completed. 1 turn, no tools, 11 tokens.{answer}" == text
    assert [text] == lines(model.remembered[-1])
    assert SECRET.encode() not in path.read_bytes()


@both_engines
async def test_no_secret_of_an_error_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """What a failure says of a secret is masked before it becomes part of a summary."""
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)

    def fail(request: ModelRequest) -> str:
        raise ValueError(f"{SECRET} and {KEY} were refused")

    path = tmp_path / "runs.db"
    async with opened(path, Listener(fail)) as tr:
        await tr.run(worker(engine), {})
    [left] = summaries(path)
    words = "Failed (model_failed): the model raised ValueError: [redacted] and [redacted] were refused."
    assert left["text"].startswith(words)
