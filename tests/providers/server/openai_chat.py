"""OpenAI Chat Completions: `POST /v1/chat/completions`, as one object or as chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.providers.server.script import Oddity, Reason, Tokens, Turn, shares, split
from tests.providers.server.wire import MESSAGES, Asked, Event, known

PATH: Final = "/v1/chat/completions"
_FINISH: Final = {"stop": "stop", "length": "length", "filtered": "content_filter"}
_KINDS: Final[Mapping[Reason, tuple[str, str | None]]] = {
    "rate_limited": ("requests", "rate_limit_exceeded"),
    "overloaded": ("server_error", None),
    "failed": ("server_error", None),
    "bad_request": ("invalid_request_error", None),
    "bad_key": ("invalid_request_error", "invalid_api_key"),
    "forbidden": ("invalid_request_error", "model_not_allowed"),
    "unknown": ("invalid_request_error", "model_not_found"),
    "filtered": ("invalid_request_error", "content_filter"),
    "too_long": ("invalid_request_error", "context_length_exceeded"),
}


def openai_error(reason: Reason, message: str) -> dict[str, Any]:
    """OpenAI's error body, the same for both of its protocols."""
    kind, code = _KINDS[reason]
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class OpenAIChat:
    """Chat Completions."""

    line_end = "\n"

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked | None:
        if not path.endswith(PATH):  # Groq puts it below /openai
            return None
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return Asked(model=body["model"], is_streamed=body.get("stream") is True, turn=turn)

    def whole(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": turn.text, "refusal": None, "annotations": []}
        if turn.calls:
            message["tool_calls"] = _calls(turn, asked)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(turn)}
        reply = _head(asked, "chat.completion") | {"choices": [choice]}
        return reply if turn.usage is None else reply | {"usage": _usage(turn.usage)}

    def events(self, turn: Turn, asked: Asked) -> list[Event]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if turn.text else None, "refusal": None}]
        deltas += [{"content": piece} for piece in turn.pieces()]
        for place, call in enumerate(_calls(turn, asked)):
            text = call["function"]["arguments"]
            named = {"index": place, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
            deltas.append({"tool_calls": [named]})
            deltas += [{"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in split(text, 3)]
        chunks = [self._chunk(asked, delta, None) for delta in deltas]
        chunks.append(self._chunk(asked, {}, _finish(turn)))
        return [*map(Event, _with_usage(chunks, turn.usage, asked)), Event("[DONE]")]

    def refusal(self, status: int, reason: Reason, message: str) -> dict[str, Any]:
        return openai_error(reason, message)

    def odd(self, oddity: Oddity, turn: Turn, asked: Asked) -> list[Event]:
        whole = self.whole(turn, asked)
        kind = "chat.completion.chunk" if asked.is_streamed else "chat.completion"
        odd: Any = {
            "no choices": whole | {"choices": [], "object": kind},
            "wrong types": whole | {"choices": {"message": 7}, "object": kind, "usage": "plenty"},
            "error inside": openai_error("failed", MESSAGES["failed"]),
            "no object": [1, 2, 3],
        }[oddity]
        return [Event(odd), Event("[DONE]")] if asked.is_streamed else [Event(odd)]

    def _chunk(self, asked: Asked, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _head(asked, "chat.completion.chunk") | {"choices": [choice]}


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{asked.turn + 1}", "object": kind, "created": 1_700_000_000, "model": asked.served}


def _finish(turn: Turn) -> str:
    return "tool_calls" if turn.calls and turn.finish == "stop" else _FINISH[turn.finish]


def _calls(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id or f"call_{asked.turn + 1}_{place}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.text},
        }
        for place, call in enumerate(turn.calls, 1)
    ]


def _usage(tokens: Tokens) -> dict[str, Any]:
    prompt = known(cached_tokens=tokens.cached, cache_write_tokens=tokens.written)
    completion = known(reasoning_tokens=tokens.reasoning)
    usage = {"prompt_tokens": tokens.input, "completion_tokens": tokens.output, "total_tokens": tokens.sum}
    return usage | known(prompt_tokens_details=prompt or None, completion_tokens_details=completion or None)


def _with_usage(chunks: list[dict[str, Any]], tokens: Tokens | None, asked: Asked) -> list[dict[str, Any]]:
    """As asked for by `include_usage`: in a chunk of its own at the end; or as some servers do, in every chunk."""
    if tokens is None:
        return chunks
    whole, last = _usage(tokens), _head(asked, "chat.completion.chunk") | {"choices": []}
    if tokens.placement == "last":
        return [*({**chunk, "usage": None} for chunk in chunks), last | {"usage": whole}]
    if tokens.placement == "repeated":
        return [*chunks[:-2], *({**chunk, "usage": whole} for chunk in chunks[-2:]), last | {"usage": whole}]
    grown = [
        whole | {"completion_tokens": share, "total_tokens": tokens.input + share}
        for share in shares(tokens.output, len(chunks))
    ]
    return [chunk | {"usage": usage} for chunk, usage in zip(chunks, grown, strict=True)]
