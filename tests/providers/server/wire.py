"""What a protocol must say of itself for the server to speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.providers.server.script import Oddity, Reason, Turn


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: a JSON value or plain text, with a name where the protocol gives one."""

    data: Any
    name: str | None = None

    def encode(self, end: str = "\n") -> bytes:
        """The event as bytes; characters beyond ASCII stay as they are."""
        text = self.data if isinstance(self.data, str) else dump(self.data)
        named = f"event: {self.name}{end}" if self.name else ""
        return f"{named}data: {text}{end}{end}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        model: the model's name, which also names the conversation.
        is_streamed: whether the answer is to come as events.
        turn: how many replies the conversation in the request already has, from 0.
    """

    model: str
    is_streamed: bool
    turn: int

    @property
    def served(self) -> str:
        """The model that answers, which is not always called what was asked for; one with a price is."""
        return f"{self.model}-served" if self.model.startswith("test-") else self.model


class Wire(Protocol):
    """A protocol: how a request reads, and how an answer, a refusal and an oddity are written."""

    line_end: str

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked | None:
        """What is asked for; None when the path is not this protocol's."""
        ...

    def whole(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        """The answer in one piece."""
        ...

    def events(self, turn: Turn, asked: Asked) -> list[Event]:
        """The answer as events."""
        ...

    def refusal(self, status: int, reason: Reason, message: str) -> dict[str, Any]:
        """The body of an error."""
        ...

    def odd(self, oddity: Oddity, turn: Turn, asked: Asked) -> list[Event]:
        """An answer that is none; of a request that is not streamed, the data of the one event is the body."""
        ...


def dump(value: Any) -> str:
    """JSON as providers write it: short, and with NaN if there is one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def runs(is_reply: Sequence[bool]) -> int:
    """How many unbroken runs of True there are: replies of a conversation whose replies have several items."""
    return sum(now and not before for before, now in zip([False, *is_reply], is_reply, strict=False))


def known(**figures: Any) -> dict[str, Any]:
    """The figures that are not None."""
    return {name: figure for name, figure in figures.items() if figure is not None}


MESSAGES: Mapping[Reason, str] = {
    "rate_limited": "Rate limit reached, please slow down.",
    "overloaded": "Overloaded, please try again.",
    "failed": "The server had an error while processing your request.",
    "bad_request": "The request is not as it should be.",
    "bad_key": "Incorrect API key provided: {key}.",
    "forbidden": "The key {key} may not use this model.",
    "unknown": "The model does not exist.",
    "filtered": "The prompt was filtered by the content policy.",
    "too_long": "prompt is too long: the maximum context length is 8192 tokens.",
}
