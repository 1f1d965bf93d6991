"""What a plugin is: named actions with a schema, an effect class and one async call. Types only.

A plugin never learns which run calls it, keeps no record and does not retry; the context does all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from trackrecord.canonical import Json
from trackrecord.sealed import maker, sealed

EffectClass = Literal["read", "keyed", "unsafe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a plugin can do.

    Attributes:
        name: lower-case identifier, unique in the plugin.
        description: what it does, for a model and for people.
        parameters: JSON Schema (2020-12) of its arguments, an object schema.
        output: JSON Schema of its data; None when it does not say.
        effect: `read` may be repeated freely, `keyed` with the same idempotency key, `unsafe` never.
        timeout_ms: longest a call may take; None takes the run's tool timeout.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=lambda: {"type": "object", "properties": {}})
    output: Mapping[str, Json] | None = None
    effect: EffectClass = "unsafe"
    timeout_ms: int | None = None


@sealed
class Invocation:
    """One call of an action.

    Attributes:
        action: the action's name.
        arguments: validated against its parameters; a copy of the caller's, free to change.
        idempotency_key: `run:path`, the same for every attempt of this call.
        deadline_us: monotonic microseconds (`clock.ticks_us`) at which the caller stops waiting.
        credentials: secrets by handle, empty when the plugin has none.
        result_bytes: how much of the result's canonical text is kept; the rest need not be handed over.
        effect: the class this call is treated by: the action's own, unless the step says otherwise.
    """

    action: str
    arguments: dict[str, Json]
    idempotency_key: str = ""
    deadline_us: int | None = None
    credentials: Mapping[str, str] = field(default_factory=dict[str, str])
    result_bytes: int = 1 << 20
    effect: EffectClass = "unsafe"


new_invocation = maker(Invocation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What a result was before a plugin cut it.

    Attributes:
        size: bytes of its canonical text.
        sha256: of that text.
        items: how many items it held, as `items.count_items` counts; None when there was no data.
    """

    size: int
    sha256: str
    items: int | None


@sealed
class Result:
    """What a call gave.

    Attributes:
        data: anything; made canonical by the context before anybody sees it.
        success: what the tool itself says of it; None when it does not say.
        error: the tool's own words when success is False; None otherwise.
        whole: what the data was before it was cut: then `data` is the beginning of its canonical text; None when it
            was not cut.
        printed: what the tool wrote to stdout and stderr, where that could be told apart from others' output.
    """

    data: object = None
    success: bool | None = True
    error: str | None = None
    whole: Whole | None = None
    printed: str | None = None


new_result = maker(Result)


class ToolCallFailed(Exception):
    """A call that gave no result; raised by plugins, recorded and perhaps retried by the context.

    Attributes:
        is_transient: another attempt makes sense (timeout, connection, 408, 429, 5xx).
        was_sent: whether the call may have had its effect: False only when it provably never left.
        was_refused: whether a policy said no before anything left: no call was made, its span is `rejected`, and no
            other attempt is made.
        has_response: whether the other side answered: then the failure is known, not unknown.
        retry_after_s: seconds the other side asked to wait; None when it did not.
        cause: short name a retry policy may match: timeout, connection, 429, 500, …; empty for connection when it is
            transient.
        is_out_of_memory: it ended because memory ran out.
        printed: what the tool wrote to stdout and stderr, as in `Result`.
    """

    def __init__(
        self,
        message: str,
        *,
        is_transient: bool = False,
        was_sent: bool = True,
        was_refused: bool = False,
        has_response: bool = True,
        retry_after_s: float | None = None,
        cause: str = "",
        is_out_of_memory: bool = False,
        printed: str | None = None,
    ) -> None:
        """Keep what is known of the failure."""
        super().__init__(message)
        self.is_transient = is_transient
        self.was_sent = was_sent and not was_refused
        self.was_refused = was_refused
        self.has_response = has_response
        self.retry_after_s = retry_after_s
        self.cause = cause
        self.is_out_of_memory = is_out_of_memory
        self.printed = printed


class Plugin(Protocol):
    """A named set of actions.

    One that needs secrets has an attribute `credentials` as well, a tuple of the handles it is given with each call.
    """

    @property
    def name(self) -> str:
        """Lower-case identifier without a double underscore."""
        ...

    @property
    def description(self) -> str:
        """What it is for, one sentence; for the model's prompt."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """Actions by name."""
        ...

    async def call(self, invocation: Invocation) -> Result:
        """Carry one action out.

        Raises:
            ToolCallFailed: there is no result. Any other exception counts as a known failure.
        """
        ...
