"""What the server plays: turns of a conversation and faults on the way, in words that belong to no protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Placement = Literal["last", "cumulative", "repeated"]
Finish = Literal["stop", "length", "filtered"]
Reason = Literal[
    "rate_limited", "overloaded", "failed", "bad_request", "bad_key", "forbidden", "unknown", "filtered", "too_long"
]
Oddity = Literal["no choices", "wrong types", "error inside", "no object"]
Cut = Literal["middle", "character", "argument", "clean"]
Stall = Literal["before headers", "after headers", "after the first event", "midway"]
Drop = Literal["reset", "hang up"]

STATUSES: Final[Mapping[Reason, int]] = {
    "rate_limited": 429,
    "overloaded": 529,
    "failed": 500,
    "bad_request": 400,
    "bad_key": 401,
    "forbidden": 403,
    "unknown": 404,
    "filtered": 400,
    "too_long": 400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a turn has used; any JSON value stands for a figure, so that a provider can be wrong in every way.

    Attributes:
        input: everything sent, cache reads and writes included.
        output: everything produced, reasoning included.
        cached, written: parts of the input; `reasoning`: part of the output; None leaves the field out.
        total: the provider's own total; None makes it the sum.
        placement: where a stream tells it: in the last chunk only, growing from chunk to chunk, or the same in several.
    """

    input: Any = 100
    output: Any = 10
    cached: Any = None
    written: Any = None
    reasoning: Any = None
    total: Any = None
    placement: Placement = "last"

    @property
    def sum(self) -> Any:
        """The total as the provider writes it."""
        if self.total is not None:
            return self.total
        return self.input + self.output if type(self.input) is type(self.output) is int else self.input


def less(whole: Any, *parts: Any) -> Any:
    """A figure without its parts, for protocols that count them apart; a senseless figure stays as it is."""
    return whole - sum(part for part in parts if type(part) is int) if type(whole) is int else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A wish of the model to call a function; text as arguments is written as it stands."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict[str, Any])
    id: str | None = None

    @property
    def text(self) -> str:
        """The arguments as the model writes them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request; nothing does when every field has its default.

    Attributes:
        status, reason, retry_after: a refusal in the protocol's own shape, the header as written.
        body, content_type: bytes instead of an answer.
        odd: an answer that is JSON and no answer.
        bomb_mib: an answer of a few KiB that unpacks to so many MiB.
        cut: where the answer breaks off; `clean` ends the transfer properly, after half of the events.
        stall: where the server falls silent until the client leaves.
        drip_s: seconds between the single bytes of the answer.
        late_s: seconds before the server begins to answer, whoever is still there.
        drop: how the connection ends instead of an answer.
        is_endless: a stream whose first words come again and again.
    """

    status: int = 200
    reason: Reason | None = None
    retry_after: str | None = None
    body: bytes | None = None
    content_type: str = "application/json"
    odd: Oddity | None = None
    bomb_mib: int | None = None
    cut: Cut | None = None
    stall: Stall | None = None
    drip_s: float | None = None
    late_s: float = 0.0
    drop: Drop | None = None
    is_endless: bool = False


def refused(reason: Reason, *, status: int | None = None, retry_after: str | None = None) -> Fault:
    """A refusal, with the status usual for it."""
    return Fault(status=status or STATUSES[reason], reason=reason, retry_after=retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reply of the model, and what goes wrong before it is given.

    Attributes:
        text: what it says; None says nothing.
        calls: functions it asks for.
        usage: None reports none.
        finish: why it stops.
        faults: one for each request of this turn; the request after the last one is answered, and the next one meets
            the first fault again, so that every engine that comes by finds the same.
        for_ever: the faults repeat and no answer comes.
    """

    text: str | None = None
    calls: tuple[Call, ...] = ()
    usage: Tokens | None = field(default_factory=Tokens)
    finish: Finish = "stop"
    faults: tuple[Fault, ...] = ()
    for_ever: bool = False

    def fault(self, nth: int) -> Fault | None:
        """What befalls the nth request of this turn, from 0."""
        if not self.faults:
            return None
        place = nth % (len(self.faults) + (not self.for_ever))
        return self.faults[place] if place < len(self.faults) else None

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt itself was filtered: nothing is said at all."""
        return self.finish == "filtered" and self.text is None and not self.calls

    def pieces(self) -> list[str]:
        """The text as it is streamed: in about four pieces."""
        return split(self.text, 4)


def split(text: str | None, count: int) -> list[str]:
    """A text in about `count` pieces; nothing gives none."""
    if not text:
        return []
    size = -(-len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)]


def shares(figure: Any, count: int) -> list[Any]:
    """A figure growing over `count` chunks up to itself; a senseless one is the same in each."""
    return [figure * n // count if type(figure) is int else figure for n in range(1, count + 1)]
