"""The one door: what an engine may ask for, how each question becomes an effect, and which are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.context.kit import NOW, SECRET, Journal, journal_of, live

from trackrecord.agent import Agent, Limits
from trackrecord.canonical import Json, digest
from trackrecord.context.effect import Backoff
from trackrecord.context.run_context import Rejected, RunContext, Surroundings
from trackrecord.errors import ModelFailed, ToolFailed, UnknownEngine, UnknownModel
from trackrecord.memory.recall import Recalled
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import Conversation, Message, Model, ModelReply
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Invocation
from trackrecord.plugins.registry import Registry
from trackrecord.record.spans import Span

KEY = "sk-abcdefghijklmnopqrstuvwx"
calls = FunctionPlugin("calls", description="Notes its calls.")
noted: list[Invocation] = []


@calls.action(effect="read")
async def say(text: str, invocation: Invocation) -> str:
    """Say it."""
    noted.append(invocation)
    return text


@calls.action(effect="unsafe", timeout_ms=5)
async def hang() -> None:
    """Never end."""
    await asyncio.sleep(60)


class Inner:
    """An engine that asks for one call and answers where it is."""

    name = "inner"
    title = "Inner"
    runs_workflow = False
    run_timeout_s = 1.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        await ctx.tool("call:1/tool", "calls", "say", {"text": "inside"})
        return ctx.path("turn:1")


def context(*, tools: str = "none", limits: Limits | None = None, models: Mapping[str, Model] | None = None) -> Any:
    """A context over a journal double, and the run behind it."""
    run = live(Journal(), limits=limits or Limits())

    def resolve(name: str) -> Model:
        found = (models or {}).get(name)
        if found is None:
            raise UnknownModel(f"no {name!r}", cure="Known: none.")
        return found

    around = Surroundings(
        run=run,
        agent=Agent.from_mapping({"name": "a", "prompt": "p", "model": "m:m", "payloads": {"tools": tools}}),
        resolve_model=resolve,
        registry=Registry([calls]),
        memory=None,
        engines={"inner": Inner()},
    )
    return RunContext(around), run


# --------------------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", {}),
        ("redacted", {"arguments": '{"text":"[redacted] [redacted]"}', "result": '"[redacted] [redacted]"'}),
        ("full", {"arguments": f'{{"text":"[redacted] {KEY}"}}', "result": f'"[redacted] {KEY}"'}),
    ],
)
async def test_arguments_and_results_stand_in_the_span_by_policy(policy: str, expected: dict[str, str]) -> None:
    """None keeps neither, redacted both without what looks like a key, full all but what is known to be secret."""
    ctx, run = context(tools=policy)
    await ctx.tool("turn:1/call:1/tool", "calls", "say", {"text": f"{SECRET} {KEY}"})
    [span] = journal_of(run).spans
    assert (expected, "calls", "say") == (span.attributes, span.plugin, span.action)
    assert f"{SECRET} {KEY}" == noted[-1].arguments["text"]


async def test_what_is_kept_of_a_call_is_bounded() -> None:
    """Of huge arguments and results the span has the beginning and says how long they were."""
    ctx, run = context(tools="full")
    await ctx.tool("t/tool", "calls", "say", {"text": "x" * 100_000})
    attributes = journal_of(run).spans[0].attributes
    assert ["100011 characters in all", "100002 characters in all"] == [
        str(attributes[name])[65_536:].removeprefix("… [cut: ").removesuffix("]") for name in ("arguments", "result")
    ]


@pytest.mark.parametrize(
    ("plugin", "action", "arguments", "message"),
    [
        ("calls", "sing", {}, "there is no action calls.sing"),
        ("nobody", "say", {}, "there is no action nobody.say"),
        ("calls", "say", ["text"], "the arguments must be one JSON object"),
        ("calls", "say", {}, '"text" is a required property'),
        ("calls", "say", {"text": 1}, "text: "),
        ("calls", "say", {"text": "x", SECRET: 1}, "[redacted]"),
        ("calls", "x" * 300, {}, "there is no action calls.xxx"),
    ],
)
async def test_a_call_that_does_not_fit_is_never_made(plugin: str, action: str, arguments: Json, message: str) -> None:
    """It leaves one span of status rejected, counted apart, and no checkpoint; the engine gets the words."""
    ctx, run = context()
    count = len(noted)
    with pytest.raises(Rejected) as raised:
        await ctx.tool("turn:1/call:1/tool", plugin, action, arguments)
    assert message in raised.value.message == str(raised.value)
    expected = Span(
        path="turn:1/call:1/tool",
        kind="tool",
        status="rejected",
        epoch=1,
        start_us=journal_of(run).spans[0].start_us,
        duration_us=0,
        plugin=plugin,
        action=action[:200],
        success=False,
        error_code="rejected",
        error_message=raised.value.message,
    )
    assert [expected] == journal_of(run).spans
    measures = run.tally.measures()
    assert (0, 1, count, []) == (
        measures.tool_calls_count,
        measures.tool_calls_rejected_count,
        len(noted),
        journal_of(run).checkpoints,
    )


async def test_a_step_may_declare_an_action_s_class() -> None:
    """What the workflow says of the effect holds: a call declared unsafe has its marker committed."""
    ctx, run = context()
    await ctx.tool("s:a/tool", "calls", "say", {"text": "x"}, effect_class="unsafe")
    assert ["started", "committed"] == journal_of(run).events[:2]
    assert {"unsafe"} == {one.effect for one in journal_of(run).checkpoints}


async def test_the_key_is_that_of_the_place() -> None:
    """Every attempt of a call has the same idempotency key, and no other call has it."""
    ctx, _ = context()
    await ctx.tool("turn:1/call:1/tool", "calls", "say", {"text": "x"})
    assert "run:turn:1/call:1/tool" == noted[-1].idempotency_key


@pytest.mark.parametrize(
    ("given", "limits", "expected"),
    [
        (None, Limits(tool_timeout_ms=1_000), "within 5 ms"),
        (3, Limits(tool_timeout_ms=1_000), "within 3 ms"),
    ],
)
async def test_the_nearest_timeout_holds(given: int | None, limits: Limits, expected: str) -> None:
    """A step's timeout wins over the action's, the action's over the run's; an unsafe call that ran out is unknown."""
    ctx, _ = context(limits=limits)
    with pytest.raises(ToolFailed, match=expected) as raised:
        await ctx.tool("s:a/tool", "calls", "hang", {}, timeout_ms=given)
    assert (True, "s:a/tool", "tool_failed") == (raised.value.is_unknown, raised.value.path, raised.value.code)


async def test_a_request_is_known_by_its_contents() -> None:
    """The hash of a call covers action and arguments, and nothing of where it is made."""
    ctx, run = context()
    for place, text in enumerate(("x", "x", "y")):
        await ctx.tool(f"turn:{place}/tool", "calls", "say", {"text": text})
    first, again, other = (one.request_hash for one in journal_of(run).checkpoints)
    assert digest('calls.say{"text":"x"}') == first == again != other


# -------------------------------------------------------------------------------------------------------------- models


def _request() -> Any:
    talk = Conversation(model="m:m")
    talk.append(Message(role="user", text="hello"))
    return talk.request()


async def test_a_model_is_looked_up_once() -> None:
    """However many requests a run makes, its model is resolved once; the reply is what is stored of it."""
    asked: list[str] = []
    ctx, run = context(models={"m:m": CallableModel(lambda request: ModelReply(text="hi\x00"))})
    resolve = ctx._around.resolve_model
    ctx._around.resolve_model = lambda name: asked.append(name) or resolve(name)
    replies = [await ctx.model(f"turn:{turn}/model", _request()) for turn in (1, 2)]
    assert (["m:m"], ["hi\\u0000"] * 2) == (asked, [reply.text for reply in replies])
    assert {("python", "function", "work")} == {
        (span.provider, span.model, span.purpose) for span in journal_of(run).spans
    }
    assert {_request().hash} == {one.request_hash for one in journal_of(run).checkpoints}


async def test_a_model_that_is_not_there_leaves_no_attempt() -> None:
    """Nothing left, so nothing is unknown: the step fails with the cure and there is no span to count."""
    ctx, run = context()
    with pytest.raises(ModelFailed, match="no 'm:m'") as raised:
        await ctx.model("s:a/model", _request())
    assert ("Known: none.", "s:a/model", []) == (raised.value.cure, raised.value.path, journal_of(run).spans)


@pytest.mark.parametrize(("given", "expected"), [(None, "within 5 ms"), (3, "within 3 ms")])
async def test_a_model_has_its_time(given: int | None, expected: str) -> None:
    """A step's timeout wins over the run's; who gives no answer until then is unavailable."""

    async def think(request: Any) -> ModelReply:
        await asyncio.sleep(60)
        return ModelReply()

    ctx, _ = context(models={"m:m": CallableModel(think)}, limits=Limits(model_timeout_ms=5))
    with pytest.raises(ModelFailed, match=expected) as raised:
        await ctx.model("s:a/model", _request(), timeout_ms=given, backoff=Backoff(max_attempts=1))
    assert "provider_unavailable" == raised.value.code


async def test_a_model_s_failure_names_its_place() -> None:
    """The engine gets the provider's code, where it was, and a message without secrets."""

    def fail(request: Any) -> ModelReply:
        raise ValueError(f"bad key {SECRET}")

    ctx, _ = context(models={"m:m": CallableModel(fail)})
    with pytest.raises(ModelFailed, match=r"the model raised ValueError: bad key \[redacted\]") as raised:
        await ctx.model("turn:1/model", _request())
    assert ("turn:1/model", "model_failed") == (raised.value.path, raised.value.code)


# ------------------------------------------------------------------------------------------------------------ the rest


async def test_a_wait_of_the_whole_run_has_its_place() -> None:
    """An engine may wait without being in a step."""
    ctx, run = context()
    assert 0 == await ctx.sleep("", until=NOW)
    assert [("wait", "wait", "ok")] == [(span.path, span.kind, span.status) for span in journal_of(run).spans]


async def test_an_engine_s_words_reach_whoever_watches() -> None:
    """A note is told with its place, and recorded nowhere."""
    ctx, run = context()
    told: list[tuple[str, str, str]] = []
    run.watcher = lambda one: told.append((one.kind, one.path, one.label))
    ctx.note("turn:1", "thinking")
    assert ([("note", "turn:1", "thinking")], []) == (told, journal_of(run).events)


async def test_an_agent_without_memory_recalls_nothing() -> None:
    """Asking is harmless: no text, no span, no figure."""
    ctx, run = context()
    assert Recalled() == await ctx.recall()
    assert [] == journal_of(run).spans


async def test_an_engine_inside_works_under_its_own_path() -> None:
    """Its places are below the step that called it, its spending is this run's."""
    ctx, run = context()
    answer = await ctx.nested("inner", "s:ask", ctx._around.agent, {})
    assert "s:ask/turn:1" == answer
    assert ["s:ask/call:1/tool"] == [span.path for span in journal_of(run).spans]
    assert "run:s:ask/call:1/tool" == noted[-1].idempotency_key


async def test_an_engine_that_is_not_there_is_unknown() -> None:
    """The error names the engines there are."""
    ctx, _ = context()
    with pytest.raises(UnknownEngine, match="there is no engine 'outer'") as raised:
        await ctx.nested("outer", "s:ask", ctx._around.agent, {})
    assert "Known: inner." == raised.value.cure


async def test_a_skipped_step_leaves_its_span() -> None:
    """A step that does not run is recorded as skipped, and as nothing else."""
    ctx, run = context()
    ctx.skip("s:a", "action")
    assert [("s:a", "skipped", "action")] == [
        (span.path, span.status, span.step_type) for span in journal_of(run).spans
    ]


async def test_a_choice_becomes_canonical() -> None:
    """The engine gets the decision as a resumed run would."""
    ctx, run = context()

    async def choose() -> Any:
        return {"who": {2, 1}}

    assert {"who": {"$t": "set", "v": "[1,2]"}} == await ctx.decide("s:a", choose)
    assert [("s:a/decision", "decision")] == [(span.path, span.kind) for span in journal_of(run).spans]
