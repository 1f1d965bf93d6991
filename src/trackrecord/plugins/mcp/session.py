"""One conversation with a server, in a task of its own: opened, asked by whoever calls, over when its link is over.

Never retries and never opens itself again: `connection` does that. A call that is given up tells the server so and
leaves the conversation as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION
from pydantic import TypeAdapter, ValidationError

from trackrecord import __version__
from trackrecord.canonical import Json, cut
from trackrecord.plugins.mcp.definition import Server
from trackrecord.plugins.mcp.link import EXCHANGE, MOST_TOOLS, Exchange, Link
from trackrecord.plugins.mcp.printed import Printed
from trackrecord.plugins.mcp.stdio import StdioLink
from trackrecord.plugins.mcp.tools import Tool, read_tool
from trackrecord.plugins.mcp.trouble import Trouble, unsent
from trackrecord.plugins.protocol import ToolCallFailed

MOST_PAGES: Final = 100
MOST_LISTED_BYTES: Final = 16 << 20
_ANY_RESULT: Final[Any] = TypeAdapter(dict[str, Any])  # judged by the protocol's own schema before this
_NO_SUCH_PROTOCOL: Final = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)

T = TypeVar("T")


class Session:
    """A conversation with one server.

    Attributes:
        credentials: the secrets it was opened with.
        link: its wire.
    """

    def __init__(self, server: Server, link: Link, credentials: Mapping[str, str]) -> None:
        """Made by `open`."""
        self.link = link
        self.credentials = dict(credentials)
        self._server = server
        self._client: ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_gentle = True
        self._is_open = False

    @classmethod
    async def open(cls, server: Server, credentials: Mapping[str, str]) -> Self:
        """Start or reach the server, and shake hands.

        Raises:
            ToolCallFailed: it cannot be had; nothing that matters was sent.
        """
        session = cls(server, _link(server, credentials), credentials)
        ready: asyncio.Future[ToolCallFailed | None] = asyncio.get_running_loop().create_future()
        session._task = asyncio.get_running_loop().create_task(session._live(ready))
        try:
            failure = await ready
        except asyncio.CancelledError:
            await session.close(is_gentle=False)
            raise
        if failure is not None:
            await session.close(is_gentle=False)
            raise unsent(failure)
        return session

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self.link.is_closing and not self.link.over.is_set()

    @property
    def printed(self) -> Printed | None:
        """What the server writes beside its messages; None where that does not reach us."""
        return self.link.printed if isinstance(self.link, StdioLink) else None

    async def tools(self) -> tuple[Tool, ...]:
        """Every tool the server offers now.

        Raises:
            ToolCallFailed: it does not say, or offers more than any agent could use.
        """
        self.link.has_changed = False
        found: list[Tool] = []
        cursors: set[str | None] = {None}
        size, cursor = 0, None
        while True:
            page = await self._asked("tools/list", self._listing(cursor))
            for one in page.tools:
                tool = read_tool(one.model_dump(by_alias=True, mode="json", exclude_none=True))
                found.append(tool)
                size += len(tool.name) + len(tool.description) + len(str(tool.parameters)) + len(str(tool.output))
            cursor = page.next_cursor
            if not cursor:
                return self._distinct(found)
            if len(found) > MOST_TOOLS or size > MOST_LISTED_BYTES or len(cursors) >= MOST_PAGES:
                most = f"{MOST_TOOLS:,} tools, {MOST_PAGES} pages or {MOST_LISTED_BYTES >> 20} MiB"
                raise self._failed(f"lists more than {most}")
            if cursor in cursors:
                raise self._failed("lists its tools in a circle: a page leads to one that was there before")
            cursors.add(cursor)

    async def call(self, name: str, arguments: dict[str, Json], meta: dict[str, Json] | None) -> Mapping[str, Json]:
        """What a tool gave, in MCP's own words.

        Raises:
            ToolCallFailed: there is no result.
        """
        params = types.CallToolRequestParams.model_validate(
            {"name": name, "arguments": arguments, **({} if meta is None else {"_meta": meta})}, by_name=False
        )
        # not `call_tool`: that lists tools behind our back and checks results in pure Python
        request = types.CallToolRequest(params=params)
        return await self._asked("tools/call", self._present.send_request(request, _ANY_RESULT))

    async def close(self, *, is_gentle: bool = True) -> None:
        """End it; whatever waits for an answer is told."""
        self._is_gentle = is_gentle and self.is_alive
        self.link.finish(None)
        if self._task is not None:
            if not self._is_open:
                self._task.cancel()  # it may wait for a greeting that never comes
            await asyncio.wait({self._task})

    async def fail(self, trouble: Trouble) -> None:
        """End it for a reason that everybody who waits is told."""
        self.link.finish(trouble)
        await self.close(is_gentle=False)

    # ------------------------------------------------------------------------------------------------------- its task

    async def _live(self, ready: asyncio.Future[ToolCallFailed | None]) -> None:
        try:
            await self.link.start()
            info = types.Implementation(name="trackrecord", version=__version__)
            async with ClientSession(self.link, self.link, client_info=info) as self._client:
                failure = await self._shaken_hands()
                self._is_gentle = self._is_open = failure is None
                _tell(ready, failure)
                if failure is None:
                    await self.link.over.wait()
        except ToolCallFailed as failure:
            _tell(ready, failure)
        except Exception as error:  # whatever the library makes of a hostile server: it ends the conversation, not us
            why = f"broke the conversation: {cut(f'{type(error).__name__}: {error}', 300)}"
            self.link.finish(Trouble(why=why))
        finally:
            self.link.finish(None)
            await self.link.end(is_gentle=self._is_gentle and self.link.trouble is None)
            _tell(ready, self._lost(Exchange()))

    async def _shaken_hands(self) -> ToolCallFailed | None:
        """Why the two sides cannot talk; None when they can. Returned: the library wraps whatever is raised here."""
        seconds = self._server.start_timeout_s
        try:
            async with asyncio.timeout(seconds):
                await self._hello()
        except TimeoutError:
            why = f"did not answer `initialize` within {seconds:g} s"
            return Trouble(why=why, is_transient=True, cause="timeout").failure(self._server.name)
        except ToolCallFailed as failure:
            return failure
        return None

    async def _hello(self) -> None:
        client = self._present
        try:
            await self._asked("initialize", client.initialize(), passing=_NO_SUCH_PROTOCOL)
        except MCPError:  # a server of the protocol that has no handshake any more
            await self._asked("server/discover", client.discover())

    # --------------------------------------------------------------------------------------------------- its requests

    @property
    def _present(self) -> ClientSession:
        assert self._client is not None  # noqa: S101  # there from the handshake on
        return self._client

    def _listing(self, cursor: str | None) -> Any:
        params = None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
        return self._present.list_tools(params=params)

    async def _asked(self, what: str, work: Any, *, passing: Sequence[int] = ()) -> Any:
        """What a request gives; `passing` are the error codes that are the caller's business."""
        exchange = Exchange()
        token = EXCHANGE.set(exchange)
        try:
            return await work
        except MCPError as error:
            if exchange.failure is not None:
                raise exchange.failure from None
            if not exchange.was_answered:
                raise self._lost(exchange) from None
            if error.code in passing:
                raise
            raise self._failed(f"answered `{what}` with an error: {cut(error.message, 2_000)}") from None
        except (ValidationError, ValueError, RuntimeError) as error:
            raise self._failed(f"gave an answer to `{what}` that does not fit MCP: {_first(error)}") from None
        finally:
            EXCHANGE.reset(token)

    def _lost(self, exchange: Exchange) -> ToolCallFailed:
        trouble = self.link.trouble or Trouble(why="was let go of", is_transient=True)
        return trouble.failure(self._server.name, was_sent=exchange.was_sent)

    def _failed(self, why: str) -> ToolCallFailed:
        return ToolCallFailed(f"the MCP server {self._server.name!r} {why}")

    def _distinct(self, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        names = [tool.name for tool in tools]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise self._failed(f"lists two tools named {cut(twice, 100)!r}")
        if len(tools) > MOST_TOOLS:
            raise self._failed(f"lists more than {MOST_TOOLS:,} tools")
        return tuple(tools)


def _link(server: Server, credentials: Mapping[str, str]) -> Link:
    if server.url is None:
        return StdioLink(server, credentials)
    from trackrecord.plugins.mcp.streamable import HttpLink  # httpx takes a while, and a started server needs none

    return HttpLink(server, credentials)


def _first(error: Exception) -> str:
    """What is wrong first, and where."""
    if isinstance(error, ValidationError):
        [one, *_] = error.errors(include_url=False, include_context=False, include_input=False)
        return cut(f"{'.'.join(map(str, one['loc']))}: {one['msg']}", 200)
    return cut(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)


def _tell(ready: asyncio.Future[ToolCallFailed | None], failure: ToolCallFailed | None) -> None:
    with suppress(asyncio.InvalidStateError):
        ready.set_result(failure)
