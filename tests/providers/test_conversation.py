"""One conversation over four protocols, through both engines, streamed and whole: the same work, the same record."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from tests.providers.lab import MODEL, PROTOCOLS, Lab, abacus, definition
from tests.providers.server.provider import serving
from tests.providers.server.script import Call, Tokens, Turn

EACH = pytest.mark.parametrize("protocol", PROTOCOLS)
STREAMED = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
ADD: Final = Call(name="abacus__add", arguments={"a": 2, "b": 3})
FIND: Final = Call(name="abacus__find", arguments={"name": "Zoë — größer", "limit": 1})
TURNS: Final = (
    Turn(text="Ich zähle größere Äpfel.", calls=(ADD,), usage=Tokens(input=120, output=30, cached=40, reasoning=7)),
    Turn(calls=(FIND, ADD), usage=Tokens(input=200, output=25, cached=120, written=16, reasoning=0)),
    Turn(text="Fünf Äpfel für Zoë.", usage=Tokens(input=300, output=12, cached=160)),
)
# what the protocols cannot say of it: Gemini has no cache writes, Responses says 0 where others say nothing
FIGURES: Final = [(120, 30, 40, None, 7), (200, 25, 120, 16, 0), (300, 12, 160, None, None)]
TOLD: Final[dict[str, list[tuple[int | None, ...]]]] = {
    "openai-chat": FIGURES,
    "openai": [(120, 30, 40, 0, 7), (200, 25, 120, 16, 0), (300, 12, 160, 0, 0)],
    "anthropic": FIGURES,
    "google": [(120, 30, 40, None, 7), (200, 25, 120, None, 0), (300, 12, 160, None, None)],
}
WORK: Final = (
    "status error_code iterations_count tool_calls_count tool_calls_rejected_count retry_count model_calls_count "
    "tokens_used input_tokens output_tokens usage_complete credits_used interruptions_count unknown_count model"
).split()


@EACH
@STREAMED
async def test_every_protocol_tells_the_same_story(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """Answer, calls, turns and totals are the script's, whatever the protocol and the engine; figure by figure."""
    async with serving(*TURNS) as provider:
        played = await lab.play(provider.url, protocol, is_streamed=is_streamed)

    lab.check(played, provider)
    assert ["answered"] * 6 == provider.ends()
    assert [is_streamed] * 6 == [one.is_streamed for one in provider.received]
    expected: dict[str, Any] = dict.fromkeys(WORK, 0) | {
        "status": "completed",
        "error_code": None,
        "iterations_count": 3,
        "model_calls_count": 3,
        "tool_calls_count": 3,
        "tokens_used": 687,
        "input_tokens": 620,
        "output_tokens": 67,
        "usage_complete": 1,
        "credits_used": 1,
        "model": MODEL,
    }
    for one in played:
        assert "Fünf Äpfel für Zoë." == one.run.output
        assert expected == {name: one.row[name] for name in WORK}
        assert TOLD[protocol] == [
            (
                span.usage.input_tokens,
                span.usage.output_tokens,
                span.usage.cache_read_tokens,
                span.usage.cache_write_tokens,
                span.usage.reasoning_tokens,
            )
            for span in one.calls
            if span.usage is not None
        ]
        assert ["abacus.add", "abacus.find", "abacus.add"] == [
            f"{use.plugin}.{use.action}" for use in one.run.record.measures.tool_calls
        ]


@EACH
@STREAMED
async def test_a_span_tells_what_the_provider_said_of_itself(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """Asked and answering model, why it stopped, where the figures come from, and the first token of a stream."""
    async with serving(*TURNS) as provider:
        [played] = await lab.play(provider.url, protocol, engines=("agentkit",), is_streamed=is_streamed)

    stops = {
        "openai-chat": ["tool_calls", "tool_calls", "stop"],
        "openai": ["completed"] * 3,
        "anthropic": ["tool_use", "tool_use", "end_turn"],
        "google": ["STOP"] * 3,
    }
    for span, stop in zip(played.calls, stops[protocol], strict=True):
        assert span.usage is not None
        first_us = span.attributes.get("first_token_us")
        assert (protocol, MODEL, f"{MODEL}-served", "reported", stop) == (
            span.provider,
            span.model,
            span.responded_model,
            span.usage.provenance,
            span.attributes.get("finish_reason"),
        )
        assert is_streamed == (isinstance(first_us, int) and 0 < first_us <= span.duration_us)


@EACH
@STREAMED
async def test_parity_finds_no_difference(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """AgentKit and the Orchestrator's bare step leave the same record of the same work, and send the same bytes."""
    async with serving(*TURNS) as provider:
        lab.connect(provider.url)
        result = await lab.open(is_streamed=is_streamed).parity(definition(), model=f"{protocol}:{MODEL}")

    assert [] == [(one.verdict, one.field, one.left, one.right) for one in result.failures(same_work=True)]
    assert [] == [line for line in result.checklist if not line.is_ok]
    sent = [one.body for one in provider.received]
    assert 6 == len(sent)
    assert sent[:3] == sent[3:]


@EACH
async def test_the_provider_is_told_everything(lab: Lab, protocol: str) -> None:
    """Prompts, the schemas of the tools as they are, the model's own calls and every result reach the provider."""
    async with serving(*TURNS) as provider:
        [played] = await lab.play(provider.url, protocol, engines=("agentkit",))

    body = provider.received[-1].body
    told = json.dumps(body, ensure_ascii=False).replace("\\", "").replace('"', "").replace(": ", ":")
    said = ["You reckon.", "Add what is to be added.", "Ich zähle größere Äpfel.", "sum:5", "name:Zoë — größer"]
    assert [] == [words for words in said if words not in told]
    schemas = [json.dumps(dict(action.parameters), sort_keys=True) for action in abacus().actions.values()]
    assert [] == [schema for schema in schemas if schema not in json.dumps(body, sort_keys=True)]
    assert "completed" == played.run.status
