"""Anthropic Messages: `POST /v1/messages`, as one message or as the events that build it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.providers.server.script import Call, Oddity, Reason, Tokens, Turn, less, shares, split
from tests.providers.server.wire import MESSAGES, Asked, Event, known

PATH: Final = "/v1/messages"
_FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal"}
_KINDS: Final[Mapping[Reason, str]] = {
    "rate_limited": "rate_limit_error",
    "overloaded": "overloaded_error",
    "failed": "api_error",
    "bad_request": "invalid_request_error",
    "bad_key": "authentication_error",
    "forbidden": "permission_error",
    "unknown": "not_found_error",
    "filtered": "invalid_request_error",
    "too_long": "invalid_request_error",
}


class AnthropicMessages:
    """Messages."""

    line_end = "\n"

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked | None:
        if path.removesuffix("?beta=true") != PATH:
            return None
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return Asked(model=body["model"], is_streamed=body.get("stream") is True, turn=turn)

    def whole(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [] if turn.text is None else [{"type": "text", "text": turn.text}]
        blocks += [{**_block(asked, place, call), "input": _object(call)} for place, call in enumerate(turn.calls, 1)]
        ended = {"content": blocks, "stop_reason": _finish(turn)}
        message = _message(asked) | ended
        return message if turn.usage is None else message | {"usage": _usage(turn.usage)}

    def events(self, turn: Turn, asked: Asked) -> list[Event]:
        blocks: list[list[dict[str, Any]]] = []
        if turn.text is not None:
            texts: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in turn.pieces()]
            blocks.append(_streamed({"type": "text", "text": ""}, texts, 0))
        for place, call in enumerate(turn.calls, 1):
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *split(call.text, 3)]]
            blocks.append(_streamed({**_block(asked, place, call), "input": {}}, pieces, len(blocks)))
        begun = {"type": "message_start", "message": _message(asked) | _begun(turn.usage)}
        said = [begun, {"type": "ping"}, *(event for block in blocks for event in block), *_deltas(turn)]
        return [Event(data, data["type"]) for data in [*said, {"type": "message_stop"}]]

    def refusal(self, status: int, reason: Reason, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": _KINDS[reason], "message": message}, "request_id": "req_1"}

    def odd(self, oddity: Oddity, turn: Turn, asked: Asked) -> list[Event]:
        whole = self.whole(turn, asked)
        error = {"type": "error", "error": {"type": "overloaded_error", "message": MESSAGES["overloaded"]}}
        odd: Any = {
            "no choices": {name: value for name, value in whole.items() if name != "content"},
            "wrong types": whole | {"content": {"type": 7}, "usage": "plenty"},
            "error inside": error,
            "no object": [1, 2, 3],
        }[oddity]
        if not asked.is_streamed:
            return [Event(odd)]
        begun = Event({"type": "message_start", "message": _message(asked) | _begun(turn.usage)}, "message_start")
        if oddity == "error inside":
            return [begun, Event(error, "error")]
        if oddity == "no object":
            return [Event(odd, "message_start")]
        block = {"type": "content_block_start", "index": "zero", "content_block": 7}
        said = [{"type": "message_start", "message": odd}, block, {"type": "message_stop"}]
        return [Event(data, data["type"]) for data in said]


def _message(asked: Asked) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.turn + 1}",
        "type": "message",
        "role": "assistant",
        "model": asked.served,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _finish(turn: Turn) -> str:
    return "tool_use" if turn.calls and turn.finish == "stop" else _FINISH[turn.finish]


def _block(asked: Asked, place: int, call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id or f"toolu_{asked.turn + 1}_{place}", "name": call.name}


def _object(call: Call) -> Any:
    """Arguments are an object here: text that is none stands as text, which no real server would do."""
    try:
        return json.loads(call.text)
    except ValueError:
        return call.text


def _streamed(block: dict[str, Any], deltas: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _usage(tokens: Tokens) -> dict[str, Any]:
    """Input without what the cache served or took, which are counted beside it."""
    reasoning = None if tokens.reasoning is None else {"thinking_tokens": tokens.reasoning}
    return {
        "input_tokens": less(tokens.input, tokens.cached, tokens.written),
        "output_tokens": tokens.output,
        **known(
            cache_read_input_tokens=tokens.cached,
            cache_creation_input_tokens=tokens.written,
            output_tokens_details=reasoning,
        ),
    }


def _begun(tokens: Tokens | None) -> dict[str, Any]:
    """The message as it begins: its input is known, of its output one token."""
    if tokens is None:
        return {}
    begun = _usage(tokens) | ({} if tokens.placement == "repeated" else {"output_tokens": 1})
    return {"usage": begun}


def _deltas(turn: Turn) -> list[dict[str, Any]]:
    """The end of the message; its usage is the whole so far, and some servers send it more than once."""
    ended = {"type": "message_delta", "delta": {"stop_reason": _finish(turn), "stop_sequence": None}}
    tokens = turn.usage
    if tokens is None:
        return [ended]
    whole = _usage(tokens)
    if tokens.placement == "last":
        return [ended | {"usage": whole}]
    outputs = shares(tokens.output, 3) if tokens.placement == "cumulative" else [tokens.output] * 3
    open_ended = ended | {"delta": {"stop_reason": None, "stop_sequence": None}}
    return [
        (ended if place == 3 else open_ended) | {"usage": whole | {"output_tokens": output}}
        for place, output in enumerate(outputs, 1)
    ]
