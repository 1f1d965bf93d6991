"""A provider's reply as ours: text, tool requests, finish reason, model. Pure; refuses what is no whole answer."""

from __future__ import annotations

from typing import Final, cast

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from trackrecord.canonical import Json, dumps, loads_unique
from trackrecord.models.messages import ModelCallFailed, ModelReply, ToolRequest
from trackrecord.record.usage import Usage

_MADE_UP_ID: Final = "pyd_ai_"  # pydantic-ai's own beginning of an id where the provider gave none


def reply_of(
    response: ModelResponse, usage: Usage, *, turn: int, has_ended: bool = True, first_token_us: int | None = None
) -> ModelReply:
    """The reply of one whole response.

    Args:
        response: what pydantic-ai made of the answer.
        usage: what the provider said it used.
        turn: replies already in the conversation; makes ids where the provider gives none.
        has_ended: whether the answer is known to be whole; one that was cut is never taken for one.
        first_token_us: microseconds to the first event of a stream.

    Raises:
        ModelCallFailed: it was cut, filtered, refused or empty; with what it used.
    """
    finish = _finish(response)
    if not has_ended or response.state in ("incomplete", "interrupted"):
        raise ModelCallFailed(
            "the answer was cut off before its end", code="provider_unavailable", is_transient=True, usage=usage
        )
    if response.finish_reason == "content_filter":
        raise ModelCallFailed(f"the provider kept the answer back ({finish}){_refusal(response)}", usage=usage)
    requests = _requests(response, turn)
    texts = [part.content for part in response.parts if isinstance(part, TextPart)]
    if not requests and (response.finish_reason == "error" or (not texts and not says_why(response))):
        said = f"the answer has neither text nor a tool call{f' ({finish})' if finish else ''}"
        raise ModelCallFailed(said, code="provider_bad_response", usage=usage)
    return ModelReply(
        text="".join(texts) if texts else None,
        tool_requests=requests,
        usage=usage,
        responded_model=response.model_name or None,
        finish_reason=finish,
        first_token_us=first_token_us,
    )


def says_why(response: ModelResponse) -> bool:
    """Whether the provider itself said why it stopped; pydantic-ai fills in a reason where it did not."""
    return response.finish_reason == "content_filter" or bool((response.provider_details or {}).get("finish_reason"))


def said_so_far(response: ModelResponse, most: int) -> Json:
    """What there is of a reply that was cut: its text, and calls with their arguments as they were written, unread.

    At most so many characters of each; None when nothing was said yet.
    """
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    calls: list[Json] = [
        {"name": part.tool_name, "arguments": _as_written(part.args)[:most]}
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]
    return {"text": text[:most], "tool_requests": calls} if text or calls else None


def _as_written(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else "" if arguments is None else dumps(arguments)


def _requests(response: ModelResponse, turn: int) -> tuple[ToolRequest, ...]:
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    return tuple(
        ToolRequest(id=_id(part, turn, place), name=part.tool_name, arguments=_arguments(part.args))
        for place, part in enumerate(calls, 1)
    )


def _id(part: ToolCallPart, turn: int, place: int) -> str:
    given = part.tool_call_id
    # where the provider gave none, the same conversation must have the same ids every time
    return f"call_{turn + 1}_{place}" if not given or given.startswith(_MADE_UP_ID) else given


def _arguments(written: object) -> Json:
    """The arguments as an object; what is none stays the text it is."""
    if written is None or written == "":
        return {}
    if not isinstance(written, str):
        return cast("Json", written)
    try:
        value = loads_unique(written)
    except ValueError:
        return written
    return value if isinstance(value, dict) else written


def _finish(response: ModelResponse) -> str | None:
    """The provider's own word for why it stopped, where pydantic-ai keeps it; else pydantic-ai's."""
    details = response.provider_details or {}
    word = details.get("finish_reason")
    if isinstance(word, str) and word:
        return word
    return response.finish_reason


def _refusal(response: ModelResponse) -> str:
    refusal = (response.provider_details or {}).get("refusal")
    return f": {refusal[:500]}" if isinstance(refusal, str) and refusal else ""
