"""OpenAI Responses: `POST /v1/responses`, as one object or as the events that build it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.providers.server.openai_chat import openai_error
from tests.providers.server.script import Oddity, Reason, Tokens, Turn, split
from tests.providers.server.wire import MESSAGES, Asked, Event, runs

PATH: Final = "/v1/responses"
_OURS: Final = ("function_call", "reasoning")
_STATUS: Final = {"stop": "completed", "length": "incomplete", "filtered": "incomplete"}
_INCOMPLETE: Final = {"length": {"reason": "max_output_tokens"}, "filtered": {"reason": "content_filter"}}


class OpenAIResponses:
    """Responses."""

    line_end = "\n"

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked | None:
        if path != PATH:
            return None
        given = body["input"] if isinstance(body["input"], list) else []
        turn = runs([item.get("role") == "assistant" or item.get("type") in _OURS for item in given])
        return Asked(model=body["model"], is_streamed=body.get("stream") is True, turn=turn)

    def whole(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        return _response(turn, asked, _STATUS[turn.finish], _items(turn, asked)) | _closing(turn)

    def events(self, turn: Turn, asked: Asked) -> list[Event]:
        begun, items = _response(turn, asked, "in_progress", []), _items(turn, asked)
        if turn.usage is not None and turn.usage.placement != "last":
            begun["usage"] = _usage(turn.usage, 0 if turn.usage.placement == "cumulative" else turn.usage.output)
        said: list[dict[str, Any]] = [{"type": f"response.{name}", "response": begun} for name in _BEGUN]
        for place, item in enumerate(items):
            said += _item_events(item, place)
        ended = "completed" if turn.finish == "stop" else "incomplete"
        said.append({"type": f"response.{ended}", "response": self.whole(turn, asked)})
        return _numbered(said)

    def refusal(self, status: int, reason: Reason, message: str) -> dict[str, Any]:
        return openai_error(reason, message)

    def odd(self, oddity: Oddity, turn: Turn, asked: Asked) -> list[Event]:
        whole = self.whole(turn, asked)
        error = {"code": "server_error", "message": MESSAGES["failed"]}
        failed = whole | {"status": "failed", "error": error, "output": [], "usage": None}
        odd: Any = {
            "no choices": {name: value for name, value in whole.items() if name != "output"},
            "wrong types": whole | {"output": {"type": 7}, "usage": "plenty"},
            "error inside": failed,
            "no object": [1, 2, 3],
        }[oddity]
        if not asked.is_streamed:
            return [Event(odd)]
        if oddity == "no object":
            return [Event(odd, "response.completed")]
        kind = "response.failed" if oddity == "error inside" else "response.completed"
        return _numbered([{"type": kind, "response": odd}])


_BEGUN: Final = ("created", "in_progress")


def _response(turn: Turn, asked: Asked, status: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"resp_{asked.turn + 1}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": asked.served,
        "output": items,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _closing(turn: Turn) -> dict[str, Any]:
    usage = None if turn.usage is None else _usage(turn.usage, turn.usage.output)
    return {"usage": usage, "incomplete_details": _INCOMPLETE.get(turn.finish)}


def _items(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if turn.text is not None:
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        items.append(
            {
                "type": "message",
                "id": f"msg_{asked.turn + 1}",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    for place, call in enumerate(turn.calls, 1):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{asked.turn + 1}_{place}",
                "call_id": call.id or f"call_{asked.turn + 1}_{place}",
                "name": call.name,
                "arguments": call.text,
                "status": "completed",
            }
        )
    return items


def _item_events(item: dict[str, Any], place: int) -> list[dict[str, Any]]:
    at = {"item_id": item["id"], "output_index": place}
    if item["type"] == "message":
        begun, inner = item | {"status": "in_progress", "content": []}, _text_events(item["content"][0], at)
    else:
        begun = item | {"status": "in_progress", "arguments": ""}
        kind = "response.function_call_arguments"
        inner = [{"type": f"{kind}.delta", **at, "delta": piece} for piece in split(item["arguments"], 3)]
        inner.append({"type": f"{kind}.done", **at, "name": item["name"], "arguments": item["arguments"]})
    return [
        {"type": "response.output_item.added", "output_index": place, "item": begun},
        *inner,
        {"type": "response.output_item.done", "output_index": place, "item": item},
    ]


def _text_events(part: dict[str, Any], at: dict[str, Any]) -> list[dict[str, Any]]:
    at = at | {"content_index": 0}
    kind = "response.output_text"
    return [
        {"type": "response.content_part.added", **at, "part": part | {"text": ""}},
        *({"type": f"{kind}.delta", **at, "delta": piece, "logprobs": []} for piece in split(part["text"], 4)),
        {"type": f"{kind}.done", **at, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
    ]


def _usage(tokens: Tokens, output: Any) -> dict[str, Any]:
    """This protocol always has the details; what the turn does not tell is 0 there."""
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached or 0, "cache_write_tokens": tokens.written or 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning or 0},
        "total_tokens": tokens.sum,
    }


def _numbered(said: list[dict[str, Any]]) -> list[Event]:
    return [Event({**data, "sequence_number": number}, data["type"]) for number, data in enumerate(said)]
