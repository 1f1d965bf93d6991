"""The wire under a conversation: bounded, judged message by message, and able to say why it ended.

The SDK's own transports read lines, bodies and lists of any size, drop what they cannot parse and answers nobody asked
for, and tell no reason when a connection ends: a call would hang, or fill memory. So its `ClientSession` speaks through
links of ours. Loaded with the first conversation, because of `mcp`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from trackrecord.canonical import cut
from trackrecord.plugins.mcp.trouble import Trouble
from trackrecord.plugins.protocol import ToolCallFailed

MOST_BYTES: Final = 10 << 20  # of one message
MOST_TOOLS: Final = 1_000
MOST_UNASKED: Final = 10_000  # messages that answer nothing, between two requests
_MOST_GIVEN_UP: Final = 10_000
_YIELD_EVERY: Final = 64

Id = str | int


@dataclass(slots=True)
class Exchange:
    """One request on its way.

    Attributes:
        method: what it asks for.
        was_sent: whether it began to leave.
        was_answered: whether its own answer came.
        failure: why there will be no answer, where the wire knows.
    """

    method: str = ""
    was_sent: bool = False
    was_answered: bool = False
    failure: ToolCallFailed | None = None


# set by whoever asks, around the request: the SDK hands a message to `send` in the asking task
EXCHANGE: ContextVar[Exchange | None] = ContextVar("EXCHANGE", default=None)


class Violation(Exception):
    """The other side does not keep to the protocol; nothing more it says can be believed."""


class Link:
    """Both ends of a wire, as the SDK's session takes them.

    Attributes:
        server: the server's name.
        over: set when nothing more will come.
        trouble: why it is over; None while it is not, or when we ended it.
        has_changed: the server said that its list of tools is another one.
        is_closing: what is under way may end, and nothing new may begin.
    """

    def __init__(self, server: str) -> None:
        """Begin with nothing asked."""
        self.server = server
        self.over = asyncio.Event()
        self.trouble: Trouble | None = None
        self.has_changed = False
        self.is_closing = False
        self._asked: dict[Id, Exchange] = {}
        self._given_up: OrderedDict[Id, None] = OrderedDict()
        self._unasked_count = 0
        self._taken_count = 0

    # ---------------------------------------------------------------------------------------- what a kind of link does

    async def start(self) -> None:
        """Get ready to send.

        Raises:
            ToolCallFailed: there is nothing at the other end.
        """

    async def end(self, *, is_gentle: bool) -> None:
        """Let go of everything; `is_gentle` leaves the other side a moment to end by itself."""

    async def _deliver(self, message: SessionMessage, exchange: Exchange | None) -> None:
        """Bring one message on its way; only a request has an exchange."""
        raise AssertionError  # every kind of link has its own

    async def _next(self) -> SessionMessage:
        """The next message.

        Raises:
            EOFError: there will be none.
            Violation: it is none.
        """
        raise AssertionError  # every kind of link has its own

    # ------------------------------------------------------------------------------------------- what the session sees

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message of ours; a request is remembered until it is answered or given up."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            exchange = EXCHANGE.get() or Exchange()
            exchange.method = message.method
            self._asked[message.id] = exchange
            self._unasked_count = 0
            await self._deliver(item, exchange)
            return
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self.give_up((message.params or {}).get("requestId"))
        await self._deliver(item, None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message for the session."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise EOFError from None

    def __aiter__(self) -> Self:
        """Every message until the end."""
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        """The next message for the session; ends with the link, and ends the link when it can no longer be believed."""
        while not self.over.is_set():
            try:
                message = await self._next()
                self._taken_count += 1
                if self._taken_count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)  # a flood must not keep everybody else from their turn
                return message
            except EOFError:
                break
            except Violation as violation:
                self.finish(Trouble(why=str(violation)))
        self.finish(None)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Nothing: whoever made the link ends it."""

    async def __aenter__(self) -> Self:
        """The link."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """Nothing: whoever made the link ends it."""

    # ------------------------------------------------------------------------------------------------- what is judged

    def finish(self, trouble: Trouble | None) -> None:
        """Nothing more will come; the first reason stays."""
        if not self.over.is_set():
            self.trouble = trouble
            self.over.set()

    def give_up(self, request_id: object) -> None:
        """A request is no longer waited for; its answer may still come."""
        if isinstance(request_id, str | int) and self._asked.pop(request_id, None) is not None:
            self._given_up[request_id] = None
            if len(self._given_up) > _MOST_GIVEN_UP:
                self._given_up.popitem(last=False)

    def fail(self, request_id: Id, failure: ToolCallFailed) -> SessionMessage | None:
        """What wakes whoever waits for an answer that will not come; None when nobody does."""
        exchange = self._asked.pop(request_id, None)
        if exchange is None:
            return None
        exchange.failure = failure
        error = ErrorData(code=INTERNAL_ERROR, message=str(failure))
        return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error))

    def judged(self, text: bytes | str, *, only: Id | None = None) -> SessionMessage | None:
        """A message of the other side, fit for the session; None when there is nothing in it for us.

        `only` is the one request that may be answered here; None takes the answer of any.

        Raises:
            Violation: it is no message, or answers what was never asked.
        """
        try:
            message = jsonrpc_message_adapter.validate_json(text, by_name=False)
        except ValueError:
            raise Violation(f"sent what is no JSON-RPC message: {_shown(text)}") from None
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            return self._answer(message, only)
        self._unasked_count += 1
        if self._unasked_count > MOST_UNASKED:
            raise Violation(f"sent more than {MOST_UNASKED:,} messages that answer nothing")
        if isinstance(message, JSONRPCRequest):
            return SessionMessage(message)  # the session answers a ping, and refuses what we do not offer
        self.has_changed |= message.method == "notifications/tools/list_changed"
        return None

    def _answer(self, message: JSONRPCResponse | JSONRPCError, only: Id | None) -> SessionMessage | None:
        request_id = message.id
        if request_id is None:
            said = message.error.message if isinstance(message, JSONRPCError) else ""
            raise Violation(f"could not read a request: {cut(said, 200)}")
        if request_id not in self._asked and isinstance(request_id, str) and request_id.isdecimal():
            request_id = int(request_id)  # some servers make text of every id
        if only is not None and request_id != only:
            raise Violation(f"answered another request than it was sent (id {cut(repr(message.id), 60)})")
        exchange = self._asked.pop(request_id, None)
        if exchange is None:
            if request_id in self._given_up:
                del self._given_up[request_id]
                return None
            raise Violation(f"answered a request that was never made (id {cut(repr(message.id), 60)})")
        exchange.was_answered = True
        message.id = request_id
        if isinstance(message, JSONRPCResponse) and _too_many_tools(message.result):
            exchange.failure = ToolCallFailed(
                f"the MCP server {self.server!r} lists more than {MOST_TOOLS:,} tools", was_sent=False
            )
            error = ErrorData(code=INTERNAL_ERROR, message="too many tools")
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error))
        return SessionMessage(message)


def _too_many_tools(result: dict[str, object]) -> bool:
    """Told here, before anything is made of each of them."""
    tools = result.get("tools")
    return isinstance(tools, list) and len(tools) > MOST_TOOLS  # pyright: ignore[reportUnknownArgumentType]  # anything at all


def _shown(text: bytes | str) -> str:
    """The beginning of what came, for an error."""
    raw = text[:200].encode(errors="replace") if isinstance(text, str) else text[:200]
    return ascii(cut(raw.decode(errors="replace").strip(), 100))
