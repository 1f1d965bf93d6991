"""The wire to a provider: what one call sends and gets back, seen where the bytes are.

Owns the HTTP transport of the providers we watch: it counts requests, keeps the status and headers of the answer,
bounds its size and its silence, and takes the usage out of it, exactly as the provider wrote it. Never retries, never
follows a redirect, never reads an answer's content. Part of step 4 of the walk.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, cast

from trackrecord.models.messages import ModelCallFailed
from trackrecord.models.providers.figures import Dialect

MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 10.0
_ZIPPED: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_CONTENTS: Final[Mapping[Dialect, str]] = {
    "chat": "choices",
    "responses": "output",
    "messages": "content",
    "gemini": "candidates",
}
_LAST_EVENTS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "message_stop"})


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What one model call has sent and got back so far.

    Attributes:
        dialect: the protocol spoken.
        idle_s: longest silence within an answer that has begun.
        request_count: HTTP requests sent; more than one means that something below us tried again.
        status, headers: of the last answer; None before there was one.
        usage: the provider's own usage object; None when it sent none. Of a stream: the last word on each figure.
        error: the error object within an answer; None when it had none.
        is_stream: whether the answer comes as events.
        has_ended: whether a stream said that it is over.
        failure: what was wrong with the answer, when it was the wire that saw it.
    """

    dialect: Dialect
    idle_s: float
    request_count: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    usage: dict[str, object] | None = None
    error: object = None
    is_stream: bool = False
    has_ended: bool = False
    failure: ModelCallFailed | None = None

    @property
    def is_over(self) -> bool:
        """Whether the answer has come to its end, so that its figures are the last word."""
        return self.has_ended or not self.is_stream

    def fail(self, reason: str, *, code: str = "provider_bad_response", is_transient: bool = False) -> ModelCallFailed:
        """Keep what is wrong with the answer, and give the error to raise."""
        self.failure = ModelCallFailed(reason, code=code, is_transient=is_transient, status=self.status)
        return self.failure


CURRENT: Final[ContextVar[Exchange | None]] = ContextVar("exchange", default=None)


def make_client(family: Any, *, proxy: str | None = None) -> Any:
    """An HTTP client of `httpx` or `httpx2` whose calls are seen by the exchange of the task they are made in.

    The environment's proxies are not read by it; `proxy` is the one to use. No timeouts of its own but connecting.
    """

    class Body(family.AsyncByteStream):
        """The answer's bytes as the SDK sees them."""

        def __init__(self, exchange: Exchange, answer: Any) -> None:
            self._exchange, self._answer = exchange, answer

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in body_of(self._exchange, self._answer):
                yield part

        async def aclose(self) -> None:
            await self._answer.stream.aclose()

    class Transport(family.AsyncHTTPTransport):
        """Sends a request, and shows the answer to the exchange."""

        async def handle_async_request(self, request: Any) -> Any:
            exchange = CURRENT.get()
            waits = {"connect": CONNECT_TIMEOUT_S, "read": None, "write": None, "pool": None}
            request.extensions = {**request.extensions, "timeout": waits}  # total time is our own timer's business
            request.headers["accept-encoding"] = "identity"
            if exchange is not None:
                exchange.request_count += 1
            sent: Any = super()
            answer: Any = await sent.handle_async_request(request)
            if exchange is None:
                return answer
            _see_head(exchange, answer)
            return family.Response(
                answer.status_code,
                headers=_kept_headers(answer),
                stream=Body(exchange, answer),
                extensions=answer.extensions,
            )

    limits = family.Limits(max_connections=1_000, max_keepalive_connections=100)
    transport = Transport(limits=limits, proxy=proxy)
    return family.AsyncClient(transport=transport, timeout=family.Timeout(600.0), follow_redirects=False)


async def body_of(exchange: Exchange, answer: Any) -> AsyncIterator[bytes]:
    """The answer's bytes without its usage, unpacked and bounded; events are passed on whole lines at a time.

    Raises:
        ModelCallFailed: it is too large, packed in a way nobody asked for, or silent for too long.
    """
    parts = _unpacked(exchange, answer)
    if exchange.is_stream:
        kept = b""
        async for part in parts:
            *lines, kept = (kept + part).split(b"\n")
            if lines:
                yield b"".join([_event_line(exchange, line) + b"\n" for line in lines])
        if kept:
            yield _event_line(exchange, kept)
        return
    yield _whole(exchange, b"".join([part async for part in parts]))


def _kept_headers(answer: Any) -> list[tuple[bytes, bytes]]:
    """Headers that still hold once the body is unpacked and rewritten."""
    left_out = (b"content-length", b"content-encoding", b"transfer-encoding")
    return [(name, value) for name, value in answer.headers.raw if name.lower() not in left_out]


def _see_head(exchange: Exchange, answer: Any) -> None:
    exchange.status = answer.status_code
    exchange.headers = {name.lower(): value for name, value in answer.headers.items()}
    exchange.is_stream = exchange.headers.get("content-type", "").startswith("text/event-stream")
    exchange.has_ended = False


async def _unpacked(exchange: Exchange, answer: Any) -> AsyncIterator[bytes]:
    packing = exchange.headers.get("content-encoding", "identity").lower()
    if packing not in ("identity", *_ZIPPED):
        raise exchange.fail(f"the answer is packed as {packing!r}, which was not asked for")
    unzip = zlib.decompressobj(_ZIPPED[packing]) if packing in _ZIPPED else None
    size = 0
    async for part in _awaited(exchange, answer.stream):
        if unzip is not None:
            part = _unzipped(exchange, unzip, part, MAX_REPLY_BYTES + 1 - size)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            raise exchange.fail(f"the answer is larger than {MAX_REPLY_BYTES:,} bytes")
        yield part


def _unzipped(exchange: Exchange, unzip: Any, part: bytes, most: int) -> bytes:
    """At most so many bytes of what is packed in a part: a small one may unpack to gigabytes."""
    try:
        return unzip.decompress(part, most)
    except zlib.error as error:
        raise exchange.fail(f"the answer cannot be unpacked: {error}") from None


async def _awaited(exchange: Exchange, stream: Any) -> AsyncIterator[bytes]:
    """The parts as they come, with an end to waiting for the next one."""
    parts = aiter(stream)
    while True:
        timer = asyncio.timeout(exchange.idle_s)
        try:
            async with timer:
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not timer.expired():
                raise
            silence = f"the answer stopped coming for {exchange.idle_s:g} s"
            raise exchange.fail(silence, code="provider_unavailable", is_transient=True) from None
        yield part


def _whole(exchange: Exchange, body: bytes) -> bytes:
    """A whole answer without its usage; what is no JSON object is passed on as it is."""
    value = _object(body)
    if value is None:
        return body
    error = value.get("error")
    if error is not None:
        exchange.error = error
    was_taken = _take_usage(exchange, value)
    if error is None and exchange.status is not None and 200 <= exchange.status < 300:
        _check_shape(exchange, value)
    return _dumped(value) if was_taken else body


def _check_shape(exchange: Exchange, value: Mapping[str, object]) -> None:
    """An answer without the list its words stand in is none; the SDKs would take it for one that says nothing.

    Raises:
        ModelCallFailed: there is no such list.
    """
    name = _CONTENTS[exchange.dialect]
    held = value.get(name)
    is_blocked = exchange.dialect == "gemini" and "promptFeedback" in value
    if not is_blocked and (not isinstance(held, list) or (not held and exchange.dialect in ("chat", "gemini"))):
        raise exchange.fail(f"the answer has no {name}")


def _event_line(exchange: Exchange, line: bytes) -> bytes:
    """One line of an event stream without its usage."""
    if not line.startswith(b"data:"):
        return line
    data = line[5:].strip()
    if data == b"[DONE]":
        exchange.has_ended = True
        return line
    # most lines are a word or two of text: only those that may say something to us are worth parsing
    if not any(word in data for word in (b'"usage', b'"error"', b'"type"')):
        return line
    value = _object(data)
    if value is None:
        return line
    if value.get("error") is not None:
        exchange.error = value["error"]
    if value.get("type") in _LAST_EVENTS:
        exchange.has_ended = True
    was_taken = _take_usage(exchange, value)
    within = value.get("response")
    if value.get("type") == "response.completed" and isinstance(within, dict):
        _check_shape(exchange, cast("dict[str, object]", within))
    return b"data: " + _dumped(value) if was_taken else line


def _take_usage(exchange: Exchange, value: dict[str, object]) -> bool:
    """Move the usage objects out of an answer into the exchange; whether there were any.

    The SDK would read them strictly and lose the whole reply over one figure that makes no sense.
    """
    if exchange.dialect == "gemini":
        return _take(exchange, value, "usageMetadata")
    within = value.get({"responses": "response", "messages": "message", "chat": "x_groq"}[exchange.dialect])
    was_taken = _take(exchange, value, "usage")
    if isinstance(within, dict):
        was_taken |= _take(exchange, cast("dict[str, object]", within), "usage")
    return was_taken


def _take(exchange: Exchange, holder: dict[str, object], name: str) -> bool:
    found = holder.get(name)
    if found is None:
        if exchange.dialect != "messages" or holder.get("type") not in ("message", "message_delta"):
            return False
        found = {}
    if isinstance(found, dict):
        told = {key: one for key, one in cast("dict[str, object]", found).items() if one is not None}
        if told:
            exchange.usage = {**(exchange.usage or {}), **told}
    else:
        exchange.usage = {**(exchange.usage or {}), name: found}
    # Anthropic's SDK has no reply without usage, so that it gets one that says nothing
    if exchange.dialect == "messages":
        holder[name] = {"input_tokens": 0, "output_tokens": 0}
    else:
        del holder[name]
    return True


def _object(text: bytes) -> dict[str, object] | None:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
