"""Gemini: `POST /v1beta/models/{model}:generateContent`, and `:streamGenerateContent?alt=sse` for events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.providers.server.script import Call, Oddity, Reason, Tokens, Turn, less, shares
from tests.providers.server.wire import MESSAGES, Asked, Event, known

_PATH: Final = re.compile(r"/v1beta/models/([^:/]+):(generateContent|streamGenerateContent\?alt=sse)")
_FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "filtered": "SAFETY"}
_STATUSES: Final[Mapping[Reason, str]] = {
    "rate_limited": "RESOURCE_EXHAUSTED",
    "overloaded": "UNAVAILABLE",
    "failed": "INTERNAL",
    "bad_request": "INVALID_ARGUMENT",
    "bad_key": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "unknown": "NOT_FOUND",
    "filtered": "INVALID_ARGUMENT",
    "too_long": "INVALID_ARGUMENT",
}


class Gemini:
    """generateContent."""

    line_end = "\r\n"

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked | None:
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        turn = sum(content.get("role") == "model" for content in body["contents"])
        return Asked(model=found[1], is_streamed=found[2] != "generateContent", turn=turn)

    def whole(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        usage = {} if turn.usage is None else {"usageMetadata": _usage(turn.usage)}
        if turn.is_blocked:
            return _blocked(asked) | usage
        parts = [] if turn.text is None else [{"text": turn.text}]
        return _piece(asked, [*parts, *map(_call, turn.calls)], _FINISH[turn.finish]) | usage

    def events(self, turn: Turn, asked: Asked) -> list[Event]:
        if turn.is_blocked:
            return [Event(self.whole(turn, asked))]
        parts = [[{"text": piece}] for piece in turn.pieces()]
        if turn.calls:
            parts.append([*map(_call, turn.calls)])
        parts.append([{"text": ""}])
        pieces = [
            _piece(asked, part, _FINISH[turn.finish] if place == len(parts) else None)
            for place, part in enumerate(parts, 1)
        ]
        return [*map(Event, _with_usage(pieces, turn.usage))]

    def refusal(self, status: int, reason: Reason, message: str) -> dict[str, Any]:
        return {"error": {"code": status, "message": message, "status": _STATUSES[reason]}}

    def odd(self, oddity: Oddity, turn: Turn, asked: Asked) -> list[Event]:
        whole = self.whole(turn, asked)
        odd: Any = {
            "no choices": {name: value for name, value in whole.items() if name != "candidates"},
            "wrong types": whole | {"candidates": {"content": 7}, "usageMetadata": "plenty"},
            "error inside": self.refusal(500, "failed", MESSAGES["failed"]),
            "no object": [1, 2, 3],
        }[oddity]
        return [Event(odd)]


def _piece(asked: Asked, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0, **known(finishReason=finish)}
    return {
        "candidates": [candidate],
        "modelVersion": asked.served,
        "responseId": f"gemini-{asked.turn + 1}",
    }


def _blocked(asked: Asked) -> dict[str, Any]:
    """A prompt that was not answered has no candidates."""
    whole = _piece(asked, [], None)
    return {name: value for name, value in whole.items() if name != "candidates"} | {
        "promptFeedback": {"blockReason": "SAFETY"}
    }


def _call(call: Call) -> dict[str, Any]:
    """Arguments are an object here: text that is none stands as text, which no real server would do."""
    try:
        arguments = json.loads(call.text)
    except ValueError:
        arguments = call.text
    return {"functionCall": {"name": call.name, "args": arguments, **known(id=call.id)}}


def _usage(tokens: Tokens) -> dict[str, Any]:
    """Output without thoughts, which are counted beside it; the total has both."""
    usage = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": less(tokens.output, tokens.reasoning),
        "totalTokenCount": tokens.sum,
    }
    return usage | known(cachedContentTokenCount=tokens.cached, thoughtsTokenCount=tokens.reasoning)


def _with_usage(pieces: list[dict[str, Any]], tokens: Tokens | None) -> list[dict[str, Any]]:
    """Each chunk tells the whole so far, unless the script wants it in the last one only or the same in all."""
    if tokens is None:
        return pieces
    whole = _usage(tokens)
    if tokens.placement == "last":
        return [*pieces[:-1], pieces[-1] | {"usageMetadata": whole}]
    if tokens.placement == "repeated":
        return [piece | {"usageMetadata": whole} for piece in pieces]
    outputs = shares(whole["candidatesTokenCount"], len(pieces))
    return [
        piece | {"usageMetadata": whole | {"candidatesTokenCount": output, "totalTokenCount": tokens.input + output}}
        for piece, output in zip(pieces, outputs, strict=True)
    ]
