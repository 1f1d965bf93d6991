"""C5: a stream that is cut leaves its part as a part; the whole is asked for again, and the part is never an answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest
from tests.providers.faults import ANSWER, CALL
from tests.providers.lab import ENGINES, KEY, MODEL, PROTOCOLS, Lab, Played, definition, until
from tests.providers.server.provider import serving
from tests.providers.server.script import Cut, Fault, Tokens, Turn

from trackrecord.models.providers import model as real
from trackrecord.record.redact import MASK, forms

EACH: Final = pytest.mark.parametrize("protocol", PROTOCOLS)
CUT_TEXT: Final = Turn(text=ANSWER, faults=(Fault(cut="middle"),))


def partial(one: Played) -> Any:
    """What the first attempt's span kept of what was said."""
    kept = one.calls[0].attributes.get("partial")
    return None if kept is None else json.loads(str(kept))


@EACH
@pytest.mark.parametrize("cut", ["middle", "character", "clean"])
async def test_c5_what_was_said_is_kept_as_a_part(lab: Lab, protocol: str, cut: Cut) -> None:
    """The failed attempt's span holds the beginning of the text; the answer is the second attempt's, whole."""
    turn = Turn(text=ANSWER * 3, faults=(Fault(cut=cut),))
    async with serving(turn) as provider:
        played = await lab.play(provider.url, protocol, is_streamed=True)
    for one in played:
        assert (["failed", "ok"], ANSWER * 3) == (one.statuses, one.run.output)
        said = partial(one)
        if said is not None:  # cut in its very first character, a stream has said nothing
            assert [] == said["tool_requests"]
            assert (ANSWER * 3).startswith(said["text"])
            assert 0 < len(said["text"]) < len(ANSWER * 3)
        assert said is not None or cut == "character"
        assert "partial" not in one.calls[1].attributes
    lab.check(played, provider)


@EACH
async def test_c5_arguments_that_were_cut_are_never_read(lab: Lab, protocol: str) -> None:
    """They are kept as the text they were, no tool is called for them, and the whole call is made once."""
    turns = (Turn(text=ANSWER, calls=(CALL,), faults=(Fault(cut="argument"),)), Turn(text=ANSWER))
    async with serving(*turns) as provider:
        played = await lab.play(provider.url, protocol, is_streamed=True)
    for one in played:
        assert ["failed", "ok", "ok"] == one.statuses
        tools = [span for span in one.spans if span.kind == "tool"]
        assert [("ok", 1)] == [(span.status, span.attempt) for span in tools]
        for request in partial(one)["tool_requests"]:
            assert (str, CALL.name) == (type(request["arguments"]), request["name"])
            with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong with it: it is no whole JSON
                json.loads(request["arguments"])
        assert 1 >= len(partial(one)["tool_requests"])
    lab.check(played, provider)


@EACH
@pytest.mark.parametrize(("policy", "is_kept"), [("none", False), ("redacted", True), ("full", True)])
async def test_c5_the_agents_policy_for_outputs_decides(lab: Lab, protocol: str, policy: str, is_kept: bool) -> None:
    """`none` keeps nothing of it, the others keep it, and none keeps a secret, one that was cut in two included."""
    said = f"The key is {KEY}, and now the rest of it, which is long enough to be cut somewhere behind. " * 3
    turn = Turn(text=said, faults=(Fault(cut="middle"),))
    async with serving(turn) as provider:
        agent = definition(payloads={"outputs": policy})
        played = await lab.play(provider.url, protocol, engines=("agentkit",), agent=agent, is_streamed=True)
    [one] = played
    kept = partial(one)
    assert is_kept == (kept is not None)
    if kept is not None:
        assert MASK in kept["text"]
        assert [] == [form for form in forms(KEY) if form in kept["text"]]
    lab.check(played, provider)


async def test_c5_a_part_is_capped(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was said before the cut, the span keeps its beginning only."""
    monkeypatch.setattr(real, "MAX_PARTIAL_CHARACTERS", 20)
    async with serving(Turn(text=ANSWER * 20, faults=(Fault(cut="middle"),))) as provider:
        [one] = await lab.play(provider.url, "openai-chat", engines=("agentkit",), is_streamed=True)
    assert ANSWER[:20] == partial(one)["text"]


@EACH
async def test_c5_what_was_reported_before_the_cut_counts_with_its_provenance(lab: Lab, protocol: str) -> None:
    """Anthropic reports the input as it begins; figures of output from before the end are no figures."""
    turn = Turn(text=ANSWER * 3, usage=Tokens(placement="cumulative"), faults=(Fault(cut="middle"),))
    async with serving(turn) as provider:
        played = await lab.play(provider.url, protocol, is_streamed=True)
    for one in played:
        first = one.calls[0].usage
        assert first is not None
        assert first.output_tokens is None
        assert ("unknown" if first.input_tokens is None else "reported") == first.provenance
        assert protocol != "anthropic" or first.input_tokens == 100
        assert 0 == one.row["usage_complete"]
    lab.check(played, provider)


@EACH
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["cancelled", "timed_out"])
async def test_c5_a_stream_given_up_midway_leaves_its_part_too(lab: Lab, protocol: str, engine: str, how: str) -> None:
    """Cancelled, or out of its own time: what had been said by then is kept as a part, and is nobody's answer."""
    stall = Turn(text=ANSWER * 3, faults=(Fault(stall="midway"),), for_ever=True)
    agent = definition(limits={"model_timeout_ms": 400 if how == "timed_out" else 60_000})
    async with serving(stall) as provider, lab.opened(provider.url, is_streamed=True, retry={"max_attempts": 1}) as tr:
        started = await tr.start(agent, engine=engine, model=f"{protocol}:{MODEL}")
        if how == "cancelled":
            await until(lambda: provider.received and provider.received[0].sent)
            await asyncio.sleep(0.1)
            started.cancel()
        one = lab.look(await started.task)
    assert [how] == one.statuses
    assert one.run.output is None
    said = partial(one)
    assert said is not None
    assert (ANSWER * 3).startswith(said["text"])
    lab.check([one], provider)
