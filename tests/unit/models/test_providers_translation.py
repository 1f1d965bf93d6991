"""Requests and replies across the edge: everything arrives, nothing is added, and no half answer passes for one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import (
    ModelRequest as ProviderRequest,
)
from pydantic_ai.messages import (
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from trackrecord.agent import Limits
from trackrecord.models.messages import Message, ModelCallFailed, ModelRequest, ToolRequest, ToolSpec
from trackrecord.models.providers.replies import reply_of
from trackrecord.models.providers.requests import messages_of, parameters_of, settings_of
from trackrecord.models.providers.unwatched import usage_reported
from trackrecord.record.usage import UNKNOWN, Usage

USED = Usage(input_tokens=10, output_tokens=5)


def parts(message: Any) -> list[Any]:
    return list(message.parts)


def test_a_conversation_becomes_alternating_messages() -> None:
    """System and user share a message, results of one turn share one in their order, and each names its function."""
    asked = (ToolRequest(id="a", name="x__y", arguments={"n": 1}), ToolRequest(id="b", name="x__z", arguments="{bad"))
    translated = messages_of(
        [
            Message(role="system", text="be brief"),
            Message(role="user", text="hello"),
            Message(role="assistant", text="so", tool_requests=asked),
            Message(role="tool", text="1", tool_request_id="a"),
            Message(role="tool", text="no JSON", tool_request_id="b", is_error=True),
        ]
    )
    opening, said, results = translated
    assert isinstance(opening, ProviderRequest)
    assert isinstance(said, ModelResponse)
    assert [("be brief", SystemPromptPart), ("hello", UserPromptPart)] == [
        (part.content, type(part)) for part in parts(opening)
    ]
    text, first, second = parts(said)
    assert ("so", {"n": 1}, "{bad") == (text.content, first.args, second.args)
    one, other = parts(results)
    assert isinstance(one, ToolReturnPart)
    assert [("x__y", "a", "success"), ("x__z", "b", "failed")] == [
        (part.tool_name, part.tool_call_id, part.outcome) for part in (one, other)
    ]


def test_an_assistant_that_only_asks_says_nothing() -> None:
    """No empty text is sent: some providers refuse one."""
    asked = (ToolRequest(id="a", name="x__y", arguments=[1]),)
    [said] = messages_of([Message(role="assistant", text="", tool_requests=asked)])
    [call] = parts(said)
    assert isinstance(call, ToolCallPart)
    assert "[1]" == call.args


def test_a_schema_goes_out_unchanged() -> None:
    """Parameters are the action's JSON Schema, and no strict mode rewrites them."""
    schema = {"type": "object", "title": "T", "properties": {"x": {"type": "integer", "default": 3}}}
    [tool] = parameters_of([ToolSpec(name="x__y", description="d", parameters=schema)]).function_tools
    assert ("x__y", "d", schema, False) == (tool.name, tool.description, tool.parameters_json_schema, tool.strict)


def test_only_wishes_are_sent() -> None:
    """The built-in guard of tokens per call is not a wish; a limit somebody set is."""
    request = ModelRequest(model="m", messages=(), temperature=0.2, max_tokens=Limits().max_tokens_per_call)
    assert {"framing_announcement": "never", "temperature": 0.2} == settings_of(request)
    assert {"framing_announcement": "never"} == settings_of(request, takes_temperature=False)
    asked = ModelRequest(model="m", messages=(), max_tokens=100)
    assert {"framing_announcement": "never", "max_tokens": 100} == settings_of(asked)


def response(*given: Any, finish: str | None = "stop", **fields: Any) -> ModelResponse:
    details = {"provider_details": {"finish_reason": finish}} if finish else {}
    return ModelResponse(parts=list(given), **{"model_name": "m-1", "finish_reason": "stop", **details, **fields})


def test_a_reply_has_text_calls_and_the_providers_words() -> None:
    """Arguments that are an object become one, others stay the text they are; thinking is not part of the answer."""
    reply = reply_of(
        response(
            ThinkingPart(content="hm"),
            TextPart(content="a"),
            TextPart(content="b"),
            ToolCallPart(tool_name="x", args='{"n": 1}', tool_call_id="1"),
            ToolCallPart(tool_name="x", args='{"n": ', tool_call_id="2"),
            ToolCallPart(tool_name="x", args="[1]", tool_call_id="3"),
            ToolCallPart(tool_name="x", args="", tool_call_id="4"),
            finish="tool_calls",
        ),
        USED,
        turn=0,
        first_token_us=7,
    )
    assert ("ab", "m-1", "tool_calls", 7, USED) == (
        reply.text,
        reply.responded_model,
        reply.finish_reason,
        reply.first_token_us,
        reply.usage,
    )
    assert [{"n": 1}, '{"n": ', "[1]", {}] == [one.arguments for one in reply.tool_requests]


def test_calls_without_an_id_get_the_same_one_every_time() -> None:
    """An id made here depends on the place in the conversation alone, so that two runs send the same requests."""
    calls = [ToolCallPart(tool_name="x", args={}) for _ in range(2)]
    assert ["call_3_1", "call_3_2"] == [one.id for one in reply_of(response(*calls), USED, turn=2).tool_requests]


@pytest.mark.parametrize(
    ("given", "has_ended", "code", "is_transient"),
    [
        (response(TextPart(content="half")), False, "provider_unavailable", True),
        (response(TextPart(content="half"), state="incomplete"), True, "provider_unavailable", True),
        (response(TextPart(content="I"), finish_reason="content_filter"), True, "model_failed", False),
        (response(finish=None, finish_reason=None), True, "provider_bad_response", False),
        (response(finish="MALFORMED", finish_reason="error"), True, "provider_bad_response", False),
    ],
)
def test_what_is_no_whole_answer_is_refused(
    given: ModelResponse, has_ended: bool, code: str, is_transient: bool
) -> None:
    """Cut, filtered, empty and malformed answers are failures that keep what they used."""
    with pytest.raises(ModelCallFailed) as failed:
        reply_of(given, USED, turn=0, has_ended=has_ended)
    assert (code, is_transient, USED) == (failed.value.code, failed.value.is_transient, failed.value.usage)


def test_a_refusal_is_told() -> None:
    """A model that refuses says so in the message."""
    refused = response(finish_reason="content_filter", provider_details={"refusal": "I will not."})
    with pytest.raises(ModelCallFailed, match="I will not"):
        reply_of(refused, USED, turn=0)


def test_usage_of_a_provider_we_do_not_watch_is_what_pydantic_ai_says() -> None:
    """Its 0 may mean that nothing was said, so that it is unknown; a reply it could not measure is too."""
    from pydantic_ai.usage import RequestUsage

    given = RequestUsage(input_tokens=10, output_tokens=5, cache_read_tokens=4, details={"reasoning_tokens": 2})
    expected = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, reasoning_tokens=2)
    assert expected == usage_reported(given)
    assert UNKNOWN == usage_reported(RequestUsage())
    assert UNKNOWN == usage_reported(RequestUsage(input_tokens=10, unmeasured_requests=1))
