"""One reply of a script, compiled: what is always the same is built once, the rest is filled in per request. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import Json, clean, dumps
from trackrecord.models.messages import Message, ModelCallFailed, ModelReply, ModelRequest, ToolRequest
from trackrecord.record.usage import Usage
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.references import Template

CHARACTERS_PER_TOKEN: Final = 4
SCOPE_ROOTS: Final = ("inputs", "vars")
_KEPT_TURNS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedError:
    """A failure instead of a reply.

    Attributes:
        times: fails the first so many attempts of a request; None fails every one.
        code, message, status, is_transient, retry_after_s, usage: as of ModelCallFailed.
    """

    code: str
    message: str
    is_transient: bool
    status: int | None
    retry_after_s: float | None
    times: int | None
    usage: Usage

    def is_due(self, attempt: int) -> bool:
        """Whether this attempt fails."""
        return self.times is None or attempt <= self.times

    def failure(self) -> ModelCallFailed:
        """The failure to raise."""
        return ModelCallFailed(
            self.message,
            code=self.code,
            is_transient=self.is_transient,
            retry_after_s=self.retry_after_s,
            status=self.status,
            usage=self.usage,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """A tool call of a reply.

    Attributes:
        name: the function asked for.
        arguments: an object, or raw text that may be broken JSON; ignored when there is a template.
        template: fills the arguments in from the conversation; None when they are always the same.
        id: None makes `call_<turn>_<place>`.
    """

    name: str
    arguments: Json
    template: Template | None = None
    id: str | None = None


@dataclass(slots=True, kw_only=True)
class ScriptedReply:
    """What a script answers at one place.

    Attributes:
        where: its place in the script, for messages.
        text: None when it only asks for tools; ignored when there is a template.
        template: fills the text in from the conversation.
        is_json: whether a value the template gives is written as JSON even when it is text.
        usage: what the provider reports; None counts a token for every four characters, rounded up.
        delay_s: seconds before it answers or fails.
        error: a failure instead of the reply, or before it.
    """

    where: str
    text: str | None = None
    template: Template | None = None
    is_json: bool = False
    calls: tuple[ScriptedCall, ...] = ()
    usage: Usage | None = None
    responded_model: str | None = None
    finish_reason: str | None = None
    delay_s: float = 0.0
    error: ScriptedError | None = None
    _is_filled_in: bool = field(init=False, default=False)
    _size: int = field(init=False, default=0)
    _kept: dict[int, ModelReply] = field(init=False, default_factory=dict[int, ModelReply])

    def __post_init__(self) -> None:
        """Measure whatever no request can change."""
        self._is_filled_in = self.template is not None or any(call.template is not None for call in self.calls)
        if not self._is_filled_in:
            self._size = _size(self.text, [(call.name, call.arguments) for call in self.calls])

    def build(self, request: ModelRequest, turn: int) -> ModelReply:
        """The reply to this request, the `turn`-th of its conversation.

        Raises:
            ModelCallFailed: a reference in it finds nothing in the conversation.
        """
        if self._is_filled_in:
            text, requests = self._filled_in(request, turn)
            size = _size(text, [(one.name, one.arguments) for one in requests])
            return self._reply(text, requests, self.usage or _counted(_input_tokens(request), size))
        kept = self._kept.get(turn)
        if self.usage is not None:
            return kept or self._keep(turn, self._requests(turn), self.usage)
        # the same turn of another run mostly has a request of the same size: then nothing need be built
        input_tokens = _input_tokens(request)
        if kept is not None and kept.usage.input_tokens == input_tokens:
            return kept
        requests = self._requests(turn) if kept is None else kept.tool_requests
        return self._keep(turn, requests, _counted(input_tokens, self._size))

    def _keep(self, turn: int, requests: tuple[ToolRequest, ...], usage: Usage) -> ModelReply:
        reply = self._reply(self.text, requests, usage)
        if turn <= _KEPT_TURNS:
            self._kept[turn] = reply
        return reply

    def _reply(self, text: str | None, requests: tuple[ToolRequest, ...], usage: Usage) -> ModelReply:
        return ModelReply(
            text=text,
            tool_requests=requests,
            usage=usage,
            responded_model=self.responded_model,
            finish_reason=self.finish_reason,
        )

    def _requests(self, turn: int) -> tuple[ToolRequest, ...]:
        return tuple(
            ToolRequest(id=call.id or f"call_{turn}_{place}", name=call.name, arguments=call.arguments)
            for place, call in enumerate(self.calls, 1)
        )

    def _filled_in(self, request: ModelRequest, turn: int) -> tuple[str | None, tuple[ToolRequest, ...]]:
        scope = conversation_scope(request.messages)
        try:
            text = self.text if self.template is None else self._written(self.template.render(scope))
            requests = tuple(
                ToolRequest(
                    id=call.id or f"call_{turn}_{place}",
                    name=call.name,
                    arguments=call.arguments if call.template is None else clean(call.template.render(scope)),
                )
                for place, call in enumerate(self.calls, 1)
            )
        except ExpressionError as error:
            raise ModelCallFailed(f"{self.where}: {error.message}") from None
        return text, requests

    def _written(self, value: object) -> str:
        return value if isinstance(value, str) and not self.is_json else dumps(value)


def conversation_scope(messages: Sequence[Message]) -> Mapping[str, Json]:
    """What references of a script see: `inputs`, and `vars.results`, `vars.last_result` of the tools called so far.

    A result that is JSON is a value, any other text stays text; `last_result` is null before the first.
    """
    results = [_value(message.text) for message in messages if message.role == "tool"]
    last = results[-1] if results else None
    return {"inputs": _inputs(messages), "vars": {"results": results, "last_result": last}}


def _inputs(messages: Sequence[Message]) -> Json:
    """The object of the last fenced block that closes a user message; an empty one when there is none."""
    for message in reversed(messages):
        if message.role == "user":
            value = _fenced(message.text)
            if isinstance(value, dict):
                return value
    return {}


def _fenced(text: str) -> Json:
    body, _, fence = text.rstrip().rpartition("\n")
    if len(fence) < 3 or fence.strip("`"):
        return None
    opening = f"{fence}json\n"
    start = 0 if body.startswith(opening) else body.rfind(f"\n{opening}") + 1
    return _value(body[start + len(opening) :]) if body.startswith(opening, start) else None


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _input_tokens(request: ModelRequest) -> int:
    return _tokens(sum([len(message.text) for message in request.messages]))


def _counted(input_tokens: int, output_size: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=_tokens(output_size))


def _size(text: str | None, calls: Sequence[tuple[str, Json]]) -> int:
    """Characters of a reply: its text, and name and arguments of each call."""
    asked = sum(len(name) + len(given if isinstance(given, str) else dumps(given)) for name, given in calls)
    return len(text or "") + asked


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
