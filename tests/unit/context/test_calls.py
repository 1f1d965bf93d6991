"""One attempt of a call: what the outside said, turned into an outcome or a known kind of failure."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.context.kit import USED, model, tool

from trackrecord.canonical import Json, loads
from trackrecord.clock import ticks_us
from trackrecord.context.calls import call_model, call_tool
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform
from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest, ToolRequest
from trackrecord.plugins.protocol import Action, Invocation, Result, ToolCallFailed
from trackrecord.plugins.registry import Registry
from trackrecord.record.usage import UNKNOWN, Usage

REQUEST = ModelRequest(model="scripted:small", messages=())


class Mute(Exception):
    """An error that cannot be described."""

    def __str__(self) -> str:
        raise RuntimeError


class Mail:
    """A plugin of anyone's making: gives or raises what it is told, and keeps the invocation."""

    name = "mail"
    description = "Sends."

    def __init__(self, answer: Any) -> None:
        self.actions = {"send": Action(name="send")}
        self.answer = answer
        self.invocation = Invocation(action="", arguments={})

    async def call(self, invocation: Invocation) -> Any:
        self.invocation = invocation
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Voice:
    """A model of anyone's making."""

    provider = "scripted"
    name = "small"

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.request_seen = REQUEST

    async def request(self, request: ModelRequest) -> Any:
        self.request_seen = request
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def calls(plugin: Mail, arguments: dict[str, Json] | None = None, *, most: int = 1_000, keep: Any = None) -> Perform:
    bound = Registry([plugin]).find("mail", "send")
    assert bound is not None
    return call_tool(bound, {} if arguments is None else arguments, "run:path", most, scrub=str, keep=keep)


# --------------------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result(data={"items": [1, 2]}), ('{"items":[1,2]}', True, 2)),
        (Result(data=None, success=None), ("null", None, None)),
        (Result(data=[]), ("[]", True, 0)),
        (Result(data={1, 2}), ('{"$t":"set","v":"[1,2]"}', True, 1)),
    ],
    ids=["items", "silence", "empty", "a set"],
)
async def test_a_result_becomes_canonical(result: Result, expected: tuple[str, bool | None, int | None]) -> None:
    """Data, what the tool says of itself, and the items in it; what JSON cannot say is a visible tag."""
    text, success, items = expected
    outcome = await calls(Mail(result))(tool())
    assert Outcome(value=loads(text), text=text, success=success, items=items) == outcome


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Result(success=False, error="closed"), "closed"),
        (Result(success=False), "send reported a failure"),
        (ValueError("bad"), "send raised ValueError: bad"),
        (SystemExit(3), "send raised SystemExit: 3"),
        (KeyboardInterrupt(), "send raised KeyboardInterrupt"),
        (GeneratorExit(), "send raised GeneratorExit"),
        (asyncio.CancelledError("mine"), "send raised CancelledError: mine"),
        (Mute(), "send raised Mute: <its text raised RuntimeError>"),
        (None, "send gave a NoneType, not a Result"),
        ({"data": 1}, "send gave a dict, not a Result"),
    ],
    ids=repr,
)
async def test_what_a_tool_does_wrong_is_a_known_failure(answer: Any, message: str) -> None:
    """Whatever a tool raises or hands back, the attempt failed, the run lives, and nothing is tried again."""
    with pytest.raises(EffectFailed) as raised:
        await calls(Mail(answer))(tool("unsafe"))
    failure = raised.value
    assert (message, "tool_failed", "failed", False, False) == (
        failure.message,
        failure.code,
        failure.status,
        failure.is_transient,
        failure.is_unknown,
    )


async def test_a_failure_keeps_what_the_plugin_says_of_it() -> None:
    """Passing or not, whether it left, and how long to wait: as the plugin said."""
    answers = (
        ToolCallFailed("busy", is_transient=True, was_sent=False, has_response=False, retry_after_s=4),
        ToolCallFailed("closed"),
    )
    found: list[EffectFailed] = []
    for answer in answers:
        with pytest.raises(EffectFailed) as raised:
            await calls(Mail(answer))(tool("unsafe"))
        found.append(raised.value)
    assert [("busy", True, False, 4, "connection"), ("closed", False, True, None, "")] == [
        (one.message, one.is_transient, one.was_sent, one.retry_after_s, one.cause) for one in found
    ]


async def test_a_real_cancellation_is_no_failure() -> None:
    """When the task itself is cancelled, the cancellation goes on as what it is."""

    class Slow(Mail):
        async def call(self, invocation: Invocation) -> Any:
            await asyncio.sleep(60)

    work: Any = calls(Slow(None))(tool())
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_tool_is_given_what_it_needs_and_no_more() -> None:
    """A copy of the arguments, the key that is the same for every attempt, and until when somebody waits."""
    plugin = Mail(Result())
    arguments: dict[str, Json] = {"to": ["a"], "more": {"x": [1]}}
    before = ticks_us()
    await calls(plugin, arguments)(tool(timeout_ms=500))
    given = plugin.invocation
    assert ("send", arguments, "run:path") == (given.action, given.arguments, given.idempotency_key)
    assert before + 500_000 <= (given.deadline_us or 0) <= ticks_us() + 500_000
    given.arguments["more"]["x"].append(2)  # type: ignore[index, call-overload, union-attr]  # as a careless tool might
    assert {"to": ["a"], "more": {"x": [1]}} == arguments
    await calls(plugin)(tool())
    assert plugin.invocation.deadline_us is None


@pytest.mark.parametrize(("data", "is_cut"), [("x" * 98, False), ("x" * 99, True), ("é" * 49, False), ("é" * 50, True)])
async def test_a_result_is_kept_up_to_its_size(data: str, is_cut: bool) -> None:
    """Up to so many bytes of canonical text are kept whole; of more, the beginning, the size and the hash."""
    outcome = await calls(Mail(Result(data=data)), most=100)(tool())
    whole = f'"{data}"'.encode()
    if not is_cut:
        assert (data, {}) == (outcome.value, outcome.attributes)
        return
    assert {"$t": "cut", "v": whole[:100].decode(errors="ignore")} == outcome.value == loads(outcome.text)
    assert {"truncated": {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}} == outcome.attributes
    assert (True, 1) == (outcome.success, outcome.items)


@pytest.mark.parametrize(("keep", "expected"), [(None, {}), (str.upper, {"result": '"SAID"'})])
async def test_a_result_is_shown_only_under_the_policy(keep: Any, expected: dict[str, Json]) -> None:
    """The span has the result's text as the policy leaves it, or nothing of it."""
    assert expected == (await calls(Mail(Result(data="said")), keep=keep)(tool())).attributes


# -------------------------------------------------------------------------------------------------------------- models


async def test_a_reply_becomes_an_outcome() -> None:
    """The value is what an engine may see of the reply; use and the answering model are the span's."""
    reply = ModelReply(
        text="hi", usage=USED, responded_model="small-2", finish_reason="stop", first_token_us=9, tool_requests=()
    )
    outcome = await call_model(Voice(reply), REQUEST)(model())
    assert {"text": "hi", "tool_requests": [], "finish_reason": "stop"} == outcome.value == loads(outcome.text)
    assert (USED, "small-2", {"finish_reason": "stop", "first_token_us": 9}) == (
        outcome.usage,
        outcome.responded_model,
        outcome.attributes,
    )


async def test_a_model_is_told_place_and_attempt() -> None:
    """Path and attempt go along with each request, and are no part of its hash."""
    voice = Voice(ModelReply(text="hi"))
    await call_model(voice, replace(REQUEST, hash="h"))(model(attempt=3))
    assert ("turn:1/model", 3, "h") == (voice.request_seen.path, voice.request_seen.attempt, voice.request_seen.hash)


@pytest.mark.parametrize(
    ("answer", "code", "cause", "is_transient", "tokens"),
    [
        (ModelCallFailed("x"), "model_failed", "", False, None),
        (ModelCallFailed("x", is_transient=True), "model_failed", "connection", True, None),
        (ModelCallFailed("x", is_transient=True, status=429), "model_failed", "429", True, None),
        (ModelCallFailed("x", status=401), "model_failed", "401", False, None),
        (ModelCallFailed("x", code="provider_bad_response", usage=USED), "provider_bad_response", "", False, 110),
        (ModelCallFailed("x", usage=Usage(input_tokens=-1)), "model_failed", "", False, None),
        (ValueError("x"), "model_failed", "", False, None),
        (SystemExit(), "model_failed", "", False, None),
        (asyncio.CancelledError(), "model_failed", "", False, None),
        (None, "provider_bad_response", "", False, None),
        ("just text", "provider_bad_response", "", False, None),
        (ModelReply(text=7, usage=USED), "provider_bad_response", "", False, 110),  # type: ignore[arg-type]  # not text
    ],
    ids=repr,
)
async def test_what_a_model_does_wrong_is_a_known_failure(
    answer: Any, code: str, cause: str, is_transient: bool, tokens: int | None
) -> None:
    """Whatever a model raises or hands back: a code, a cause a policy may name, and what it used as far as it said."""
    with pytest.raises(EffectFailed) as raised:
        await call_model(Voice(answer), REQUEST)(model())
    failure = raised.value
    assert (code, cause, is_transient) == (failure.code, failure.cause, failure.is_transient)
    assert tokens == (failure.usage or UNKNOWN).total_tokens


async def test_a_model_s_wish_to_wait_is_kept() -> None:
    """How long the provider asks to wait reaches the retry."""
    with pytest.raises(EffectFailed) as raised:
        await call_model(Voice(ModelCallFailed("slow down", is_transient=True, retry_after_s=9)), REQUEST)(model())
    assert 9 == raised.value.retry_after_s


async def test_two_calls_of_one_reply_share_no_id() -> None:
    """Results are told apart by the id of their call: a second one of the same id gets its place in the reply."""
    for given, expected in (("abaa", ["a", "b", "a~3", "a~4"]), ("aa", ["a", "a~2"]), ("a", ["a"])):
        asked = tuple(ToolRequest(id=name, name="mail__send", arguments={}) for name in given)
        outcome = await call_model(Voice(ModelReply(tool_requests=asked)), REQUEST)(model())
        value: Any = outcome.value
        assert expected == [one["id"] for one in value["tool_requests"]]


async def test_an_effect_is_performed_by_its_own_call() -> None:
    """An effect carries what performs it, so that the wrappers need to know neither model nor tool."""
    effect: Effect = tool(perform=calls(Mail(Result(data=1))))
    assert 1 == (await effect.perform(effect)).value
