"""A real model: one request, one reply, over pydantic-ai. Holds no conversation and never tries again.

Place in the walk: behind step 4, where the scripted model stands in tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import ModelRequestParameters

from trackrecord.canonical import Json
from trackrecord.clock import ticks_us
from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest, ToolSpec
from trackrecord.models.providers.failures import failure_of
from trackrecord.models.providers.figures import Dialect, usage_of
from trackrecord.models.providers.links import Link
from trackrecord.models.providers.replies import reply_of, said_so_far, says_why
from trackrecord.models.providers.requests import messages_of, parameters_of, settings_of
from trackrecord.models.providers.unwatched import usage_reported
from trackrecord.models.providers.wire import CURRENT, Exchange
from trackrecord.record.redact import Redactor
from trackrecord.record.usage import UNKNOWN, Usage

DEFAULT_IDLE_S: Final = 60.0
MAX_PARTIAL_CHARACTERS: Final = 65_536


@dataclass(slots=True, kw_only=True, eq=False)
class RealModel:
    """A model of a provider; a model to the run context like any other. Made by `provider_model`.

    Attributes:
        provider, name: as the agent writes them.
        dialect: the protocol on the wire; None when the wire is not watched.
        make_link: connects, in the event loop that asks first.
        redactor: takes the key out of whatever is told.
        hint: what to do when the key is refused.
        is_streamed: whether replies are streamed.
        idle_s: longest silence within a reply that has begun.
        reads_on: whether a whole reply whose call was cancelled is read to its end all the same, for what it used.
    """

    provider: str
    name: str
    dialect: Dialect | None
    make_link: Callable[[], Link]
    redactor: Redactor
    hint: str
    is_streamed: bool = False
    idle_s: float = DEFAULT_IDLE_S
    reads_on: bool = False
    tells_midway: ClassVar[bool] = True
    _link: Link | None = field(default=None, init=False)
    _takes_temperature: bool = field(default=True, init=False)
    _tools: tuple[Sequence[ToolSpec], ModelRequestParameters] | None = field(default=None, init=False)

    @property
    def span_attributes(self) -> Mapping[str, Json]:
        """What the span of each attempt keeps: whether attempts below ours would have been seen."""
        return {} if self.dialect is not None else {"attempts": "not observed"}

    async def request(self, request: ModelRequest) -> ModelReply:
        """One request, one reply.

        Raises:
            ModelCallFailed: no usable reply, with what the provider said it used.
        """
        midway = request.midway
        if midway is None or self.is_streamed or not self.reads_on:
            return await self._answered(request)
        # a stream that nobody reads is not written; a reply that comes in one piece is made and charged either way
        reading = asyncio.get_running_loop().create_task(self._answered(request))
        reading.add_done_callback(_look_away)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            midway.reading = reading
            raise

    async def _answered(self, request: ModelRequest) -> ModelReply:
        exchange = None if self.dialect is None else Exchange(dialect=self.dialect, idle_s=self.idle_s)
        if exchange is not None and request.midway is not None:
            request.midway.usage = lambda: usage_of(exchange.dialect, exchange.usage, is_final=exchange.is_over)
        token = CURRENT.set(exchange)
        try:
            return await self._ask(request, exchange)
        except Exception as error:
            raise self._failed(error, exchange) from None
        finally:
            CURRENT.reset(token)

    async def close(self) -> None:
        """Let go of the connections; the next request makes new ones."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _ask(self, request: ModelRequest, exchange: Exchange | None) -> ModelReply:
        model = self._linked().model
        messages, parameters = messages_of(request.messages), self._parameters(request.tools)
        settings = settings_of(request, takes_temperature=self._takes_temperature)
        started, first_us = ticks_us(), None
        if self.is_streamed:
            async with model.request_stream(messages, settings, parameters) as stream:
                if request.midway is not None:
                    request.midway.partial = lambda: said_so_far(stream.get(), MAX_PARTIAL_CHARACTERS)
                async for _event in stream:
                    if first_us is None:
                        first_us = ticks_us() - started
            response = stream.get()
        else:
            response = await model.request(messages, settings, parameters)
        # pydantic-ai takes a stream that just stops for one that is over: its end must have been said. And it streams,
        # unasked, what Anthropic would not let it wait for.
        may_be_cut = exchange is not None and exchange.is_stream and not exchange.has_ended
        has_ended = not may_be_cut or says_why(response)
        return reply_of(
            response,
            _used(response, exchange, is_final=has_ended),
            turn=request.turn,
            has_ended=has_ended,
            first_token_us=first_us,
        )

    def _failed(self, error: Exception, exchange: Exchange | None) -> ModelCallFailed:
        usage = (
            UNKNOWN if exchange is None else usage_of(exchange.dialect, exchange.usage, is_final=not exchange.is_stream)
        )
        failure = failure_of(error, provider=self.provider, exchange=exchange, usage=usage, hint=self.hint)
        return ModelCallFailed(
            self.redactor.text(str(failure)),
            code=failure.code,
            is_transient=failure.is_transient,
            retry_after_s=failure.retry_after_s,
            status=failure.status,
            usage=failure.usage,
        )

    def _linked(self) -> Link:
        link = self._link
        if link is None or link.loop is not asyncio.get_running_loop():
            link = self._link = self.make_link()
            self._takes_temperature = _takes_temperature(link.model)
        return link

    def _parameters(self, tools: Sequence[ToolSpec]) -> ModelRequestParameters:
        known = self._tools
        if known is None or known[0] is not tools:  # a conversation hands over the same tuple every turn
            known = self._tools = (tools, parameters_of(tools))
        return known[1]


def _look_away(reading: asyncio.Task[ModelReply]) -> None:
    """A reply that nobody waits for may fail without a word."""
    if not reading.cancelled():
        reading.exception()


def _used(response: ModelResponse, exchange: Exchange | None, *, is_final: bool) -> Usage:
    if exchange is None:
        return usage_reported(response.usage)
    return usage_of(exchange.dialect, exchange.usage, is_final=is_final)


def _takes_temperature(model: Any) -> bool:
    """Whether the model takes a temperature: OpenAI's refuse one while they reason, Anthropic's newer ones always."""
    profile: Mapping[str, object] = model.profile
    if profile.get("anthropic_disallows_sampling_settings", False):
        return False
    if not profile.get("openai_supports_reasoning", False):
        return True
    return not profile.get("thinking_enabled_by_default", True)
