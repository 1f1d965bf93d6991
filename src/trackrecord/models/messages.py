"""Messages between an engine and a model, and the protocol a model fulfils. Types only; no I/O.

A conversation grows by appending and keeps its own running hash, so that a long history is never walked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from trackrecord.canonical import Json, clean, clean_text, dumps, encode_clean
from trackrecord.record.usage import UNKNOWN, Usage, read
from trackrecord.sealed import maker, sealed

if TYPE_CHECKING:
    from trackrecord.models.midway import Midway

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A function a model may ask for.

    Attributes:
        name: `plugin__action`.
        description: what it does, for the model.
        parameters: JSON Schema of its arguments, unchanged from the action.
    """

    name: str
    description: str
    parameters: Mapping[str, Json]


@sealed
class ToolRequest:
    """A model's wish to call a function.

    Attributes:
        id: the provider's id of this call; unique in the reply.
        name: the function asked for, as written by the model.
        arguments: as the model wrote them: an object, or JSON text that may be anything.
    """

    id: str
    name: str
    arguments: Json


new_tool_request = maker(ToolRequest)


@sealed
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks.
        text: what is said; empty for an assistant that only asks for tools.
        tool_requests: of an assistant message: the calls it asks for, in order.
        tool_request_id: of a tool message: the request it answers; None for the rest.
        is_error: of a tool message: whether it tells of a failure.
    """

    role: Role
    text: str
    tool_requests: tuple[ToolRequest, ...] = ()
    tool_request_id: str | None = None
    is_error: bool = False

    def canonical(self) -> str:
        """Canonical text of the message, for hashing."""
        requests: list[Json] = [[one.id, one.name, one.arguments] for one in self.tool_requests]
        parts: list[Json] = [self.role, self.text, requests, self.tool_request_id, self.is_error]
        try:
            return encode_clean(parts)  # nearly always clean already: what a model or a tool said was cleaned when read
        except (TypeError, ValueError):
            return dumps(parts)


new_message = maker(Message)


@sealed
class ModelRequest:
    """One request to a model, complete.

    Attributes:
        model: `provider:name`.
        messages: the whole conversation, oldest first.
        tools: functions the model may ask for.
        output_schema: JSON Schema the final answer must fit; None for free text.
        temperature: sampling temperature; None leaves it to the provider.
        max_tokens: most output tokens of this call.
        hash: SHA-256 over all of the above, for resume and for comparing engines.
        turn: model replies already in the conversation.
        path: where in the run the request is made; not part of the hash, never sent.
        attempt: which try of this request it is, from 1; not part of the hash, never sent.
        midway: where a model that can tells how far it has come; None when nobody looks. Never sent.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output_schema: Mapping[str, Json] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    hash: str = ""
    turn: int = 0
    path: str = ""
    attempt: int = 1
    midway: Midway | None = None

    def at(self, path: str, attempt: int, midway: Midway | None = None) -> ModelRequest:
        """The same request, made at this place for the `attempt`-th time."""
        if midway is None and attempt == self.attempt and path == self.path:
            return self
        return new_model_request(
            model=self.model,
            messages=self.messages,
            tools=self.tools,
            output_schema=self.output_schema,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            hash=self.hash,
            turn=self.turn,
            path=path,
            attempt=attempt,
            midway=midway,
        )


new_model_request = maker(ModelRequest)


@sealed
class ModelReply:
    """One reply of a model.

    Attributes:
        text: the answer so far; None when the reply only asks for tools.
        tool_requests: functions the model asks for, in order.
        usage: token figures of this reply.
        responded_model: the model the provider says answered; None when it did not say.
        finish_reason: the provider's word for why it stopped; None when it did not say.
        first_token_us: microseconds to the first token when streamed; None when not streamed.
    """

    text: str | None = None
    tool_requests: tuple[ToolRequest, ...] = ()
    usage: Usage = UNKNOWN
    responded_model: str | None = None
    finish_reason: str | None = None
    first_token_us: int | None = None

    def stored(self) -> dict[str, Json]:
        """The reply as plain JSON, everything an engine may see of it; usage stands in the span."""
        return {
            "text": None if self.text is None else clean_text(self.text),
            "tool_requests": [
                {"id": clean_text(one.id), "name": clean_text(one.name), "arguments": clean(one.arguments)}
                for one in self.tool_requests
            ],
            "finish_reason": None if self.finish_reason is None else clean_text(self.finish_reason),
        }


new_model_reply = maker(ModelReply)


def restore_reply(stored: Mapping[str, Json]) -> ModelReply:
    """The reply of a stored outcome, as the engine saw it the first time; usage is not part of it."""
    requests = stored["tool_requests"]
    assert isinstance(requests, list)  # noqa: S101  # written by `stored` above; anything else is a fault of ours
    return new_model_reply(
        text=_text(stored["text"]),
        tool_requests=tuple(
            new_tool_request(id=str(one["id"]), name=str(one["name"]), arguments=one["arguments"])
            for one in requests
            if isinstance(one, dict)
        ),
        finish_reason=_text(stored["finish_reason"]),
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


class ModelCallFailed(Exception):
    """A model call that gave no usable reply; raised by models, turned into a span and a retry by the context.

    Attributes:
        code: provider_unavailable (may be tried again), model_failed or provider_bad_response.
        is_transient: whether another attempt makes sense (timeout, connection, 408, 429, 5xx).
        retry_after_s: seconds the provider asked to wait; None when it did not.
        status: HTTP status when there was one.
        usage: tokens the provider reported for the failed call; unknown when it did not.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "model_failed",
        is_transient: bool = False,
        retry_after_s: float | None = None,
        status: int | None = None,
        usage: Usage = UNKNOWN,
    ) -> None:
        """Keep what the provider said."""
        super().__init__(message)
        self.code = code
        self.is_transient = is_transient
        self.retry_after_s = retry_after_s
        self.status = status
        self.usage = usage


class Model(Protocol):
    """A model one can send a request to; holds no conversation.

    One may also have `span_attributes`, a mapping of plain JSON that the span of every attempt keeps, and
    `tells_midway = True` when it fills in `request.midway`.
    """

    provider: str
    name: str

    async def request(self, request: ModelRequest) -> ModelReply:
        """One request, one reply; no retries of its own.

        Raises:
            ModelCallFailed: no usable reply.
        """
        ...


@dataclass(slots=True)
class Conversation:
    """A growing list of messages with its running hash; appending is the only change.

    Attributes:
        turn: assistant messages so far.
    """

    model: str
    tools: tuple[ToolSpec, ...] = ()
    output_schema: Mapping[str, Json] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    messages: list[Message] = field(default_factory=list[Message])
    turn: int = 0

    def __post_init__(self) -> None:
        """Start the hash with everything that is not a message."""
        tools = [[tool.name, tool.description, dict(tool.parameters)] for tool in self.tools]
        head = dumps([self.model, tools, self.output_schema, self.temperature, self.max_tokens])
        self._hash = hashlib.sha256(head.encode())

    _hash: hashlib._Hash = field(init=False, repr=False)  # pyright: ignore[reportPrivateUsage]  # the stdlib's only name

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        self.messages.append(message)
        self.turn += message.role == "assistant"
        self._hash.update(f"\n{message.canonical()}".encode())

    def request(self, path: str = "") -> ModelRequest:
        """The request that sends the conversation as it stands, made at this place of the run."""
        return new_model_request(
            model=self.model,
            messages=tuple(self.messages),
            tools=self.tools,
            output_schema=self.output_schema,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            hash=self._hash.hexdigest(),
            turn=self.turn,
            path=path,
        )


__all__ = [
    "Conversation",
    "Message",
    "Model",
    "ModelCallFailed",
    "ModelReply",
    "ModelRequest",
    "Role",
    "ToolRequest",
    "ToolSpec",
    "new_message",
    "read",
    "restore_reply",
]
