"""Our request as pydantic-ai's: messages, tools, settings. Pure translation: nothing added, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.messages import ModelRequest as ProviderRequest
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from trackrecord.agent import Limits
from trackrecord.canonical import dumps
from trackrecord.models.messages import Message, ModelRequest, ToolRequest, ToolSpec

_UNSET_MAX_TOKENS: Final = Limits().max_tokens_per_call


def messages_of(messages: Sequence[Message]) -> list[ModelMessage]:
    """The conversation; neighbours of the same side share one message, as every provider wants it."""
    translated: list[ModelMessage] = []
    names: dict[str, str] = {}
    parts: list[ModelRequestPart] = []
    for message in messages:
        if message.role == "assistant":
            if parts:
                translated.append(ProviderRequest(parts=parts))
                parts = []
            names.update({one.id: one.name for one in message.tool_requests})
            translated.append(ModelResponse(parts=_said(message)))
        else:
            parts.append(_given(message, names))
    if parts:
        translated.append(ProviderRequest(parts=parts))
    return translated


def parameters_of(tools: Sequence[ToolSpec]) -> ModelRequestParameters:
    """The functions the model may ask for, their JSON Schema as it is; text is always allowed."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=dict(tool.parameters),
                strict=False,  # a provider's strict mode rewrites the schema
            )
            for tool in tools
        ]
    )


def settings_of(request: ModelRequest, *, takes_temperature: bool = True) -> ModelSettings:
    """Temperature and the longest answer, where somebody asked for one.

    The built-in limit of tokens per call is a guard of ours, larger than what most models can write: it is not sent.
    """
    settings: ModelSettings = {"framing_announcement": "never"}
    if request.temperature is not None and takes_temperature:
        settings["temperature"] = request.temperature
    if request.max_tokens is not None and request.max_tokens != _UNSET_MAX_TOKENS:
        settings["max_tokens"] = request.max_tokens
    return settings


def _given(message: Message, names: dict[str, str]) -> ModelRequestPart:
    if message.role == "system":
        return SystemPromptPart(content=message.text)
    if message.role == "user":
        return UserPromptPart(content=message.text)
    request_id = message.tool_request_id or ""
    return ToolReturnPart(
        tool_name=names.get(request_id, request_id),
        content=message.text,
        tool_call_id=request_id,
        outcome="failed" if message.is_error else "success",
    )


def _said(message: Message) -> list[ModelResponsePart]:
    parts: list[ModelResponsePart] = [TextPart(content=message.text)] if message.text else []
    parts.extend(_asked(one) for one in message.tool_requests)
    return parts


def _asked(request: ToolRequest) -> ToolCallPart:
    arguments = request.arguments
    written = arguments if isinstance(arguments, dict | str) else dumps(arguments)
    return ToolCallPart(tool_name=request.name, args=written, tool_call_id=request.id)
