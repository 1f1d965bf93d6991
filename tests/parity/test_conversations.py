"""AgentKit against an Orchestrator of one bare agent step: the same conversation leaves the same record, every time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.parity.conversations import CONVERSATIONS, Conversation, definition
from tests.parity.desk import Desk

from trackrecord.agent import Agent
from trackrecord.clock import new_id
from trackrecord.config import read_settings
from trackrecord.models.messages import Model, ModelReply, ModelRequest
from trackrecord.models.scripted import ScriptedModel
from trackrecord.parity import Comparison, run_apart
from trackrecord.store.protocol import Memory
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER
from trackrecord.wiring import Trackrecord

STEP = "s:work/"
ENGINES = ("agentkit", "orchestrator")


class Listening:
    """A scripted model that remembers what it was asked."""

    def __init__(self, conversation: Conversation) -> None:
        self._model = ScriptedModel.from_mapping(conversation.script, name="talk")
        self.provider, self.name = conversation.priced_as or (self._model.provider, self._model.name)
        self.asked: list[ModelRequest] = []

    async def request(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        return await self._model.request(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a conversation through both engines."""

    comparison: Comparison
    asked: list[ModelRequest]


_PLAYED: dict[str, Played] = {}


async def played(name: str, folder: Path) -> Played:
    """The conversation through both engines; once, however many tests look at it."""
    if name not in _PLAYED:
        model = Listening(CONVERSATIONS[name])
        comparison = await compared(CONVERSATIONS[name], folder / "runs.db", model)
        _PLAYED[name] = Played(comparison=comparison, asked=model.asked)
    return _PLAYED[name]


async def compared(conversation: Conversation, path: Path, model: Model) -> Comparison:
    """Each engine alone on a copy of a database with the agent's past in it."""
    agent, desk = Agent.from_mapping(definition(conversation)), Desk()
    await give_past(conversation, path)
    if not conversation.cancels:
        return await opened(path, model, desk).parity(agent, conversation.inputs)

    async def carry_out(copy: Path, engine: str, now: str) -> str:
        async with opened(copy, model, desk) as alone:
            desk.started = await alone.start(agent, conversation.inputs, engine=engine, now=now)
            return (await desk.started.task).id

    return (await run_apart(ENGINES, carry_out, source=path, agent_id=agent.id, user_id=LOCAL_USER))[0]


def opened(path: Path, model: Model, desk: Desk) -> Trackrecord:
    settings = read_settings(db=f"sqlite:///{path}", synchronous="NORMAL", retry={"initial_ms": 0, "max_ms": 0})
    return Trackrecord(settings=settings, plugins=[desk.plugin], models={"mine:talk": model})


async def give_past(conversation: Conversation, path: Path) -> None:
    agent = Agent.from_mapping(definition(Conversation(replies=[])))
    for answer in conversation.history:
        model = ScriptedModel.from_mapping({"replies": [answer]})
        async with opened(path, model, Desk()) as tr:
            (await tr.run(agent, engine="agentkit")).raise_for_status()
    if conversation.facts:
        store = SqliteStore.open(path, synchronous="NORMAL")
        for fact in conversation.facts:
            memory = Memory(kind="fact", text=fact, importance=5, expires_at="2999-01-01T00:00:00.000000Z")
            key = (LOCAL_TENANT, agent.id, LOCAL_USER)
            await store.memory.remember(*key, memory, run_id=new_id(), path="remember:1")
        await store.close()


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_both_engines_leave_the_same_record(name: str, tmp_path: Path) -> None:
    """Nothing differs, nothing goes unobserved, no other work was done, and all eight lines of the checklist hold."""
    result = (await played(name, tmp_path)).comparison

    assert [] == [(one.verdict, one.field, one.left, one.right) for one in result.failures(same_work=True)]
    assert [] == [line for line in result.checklist if not line.is_ok]
    assert {"differs": 0, "not observed": 0, "other work": 0}.items() <= result.counts.items()


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_the_conversation_is_what_it_is_called(name: str, tmp_path: Path) -> None:
    """It ends as it says and shows what it is for, so that none passes by being another one."""
    conversation = CONVERSATIONS[name]
    result = (await played(name, tmp_path)).comparison

    expected = {"status": conversation.status, "error_code": conversation.code, **conversation.shows}
    shown = {one.field.removeprefix("agent_executions."): one.left for one in result.findings}
    assert expected == {column: shown[column] for column in expected}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_the_bare_step_sends_byte_equal_requests(name: str, tmp_path: Path) -> None:
    """Every request of the step is the request AgentKit sends at the same place: by hash, and message by message."""
    asked = (await played(name, tmp_path)).asked

    own = [one for one in asked if not one.path.startswith(STEP)]
    inside = [one for one in asked if one.path.startswith(STEP)]
    assert own
    assert {True} == {len(one.hash) == 64 for one in own}
    assert [(one.path, one.attempt, one.hash) for one in own] == [
        (one.path.removeprefix(STEP), one.attempt, one.hash) for one in inside
    ]
    assert [dataclasses.replace(one, path="") for one in own] == [dataclasses.replace(one, path="") for one in inside]


def test_there_are_conversations_enough() -> None:
    """Fewer than twenty would leave kinds of turns and ends out; the ends of the list are all here."""
    codes = {conversation.code for conversation in CONVERSATIONS.values()}
    expected = (
        "invalid_output max_iterations token_limit cost_limit loop_detected model_failed provider_unavailable "
        "provider_bad_response run_timeout user signal limit_reached"
    )
    assert len(CONVERSATIONS) >= 20
    assert set(expected.split()) | {None} == codes
