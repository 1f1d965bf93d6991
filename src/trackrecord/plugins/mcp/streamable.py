"""A server that runs elsewhere, over streamable HTTP: each message a POST, answered by JSON or a stream of events.

Everything leaves through the outbound guard. The SDK's transport reads bodies of any size and connects on its own;
hence this one (see `link`). Redirects are not followed, so that a secret reaches the origin in the operator's file and
no other; nothing is sent but what the protocol and that file say. Loaded with the first conversation over HTTP.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

import httpcore
import httpx
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from trackrecord.canonical import cut
from trackrecord.plugins.mcp.definition import Server
from trackrecord.plugins.mcp.events import Events, TooLarge
from trackrecord.plugins.mcp.link import MOST_BYTES, Exchange, Id, Link, Violation
from trackrecord.plugins.mcp.trouble import Trouble
from trackrecord.plugins.outbound.addresses import DEFAULT_PORTS, OutboundRefused, Policy, read_listed
from trackrecord.plugins.outbound.guard import Guard, GuardedBackend, NotResolved, Resolve, resolve
from trackrecord.plugins.outbound.messages import origin_of, read_url
from trackrecord.plugins.outbound.telling import retry_after_s
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.record.redact import redactor

_CONNECT_S: Final = 10.0
_NOTIFY_S: Final = 5.0
_FAREWELL_S: Final = 1.0
_REST_S: Final = 0.1  # what a server takes to end a stream after its answer, so that the connection can be kept
_MOST_OF_A_REFUSAL: Final = 64 * 1024
_MOST_CONNECTIONS: Final = 32
_SESSION: Final = "mcp-session-id"
_VERSION: Final = "mcp-protocol-version"
_PASSING: Final = frozenset({408, 429})


class HttpLink(Link):
    """The wire to a server elsewhere."""

    def __init__(
        self,
        server: Server,
        credentials: Mapping[str, str],
        *,
        look_up: Resolve = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is connected yet; the last three stand in for the system's resolver, sockets and certificates."""
        super().__init__(server.name)
        self._url = read_url(server.url or "")
        secrets = {name: one.value(credentials) for name, one in server.secrets.items()}
        self._headers = {**server.headers, **secrets}
        self._scrub = redactor(secrets.values()).exact
        policy = Policy(
            listed=read_listed(server.allow),
            ports=DEFAULT_PORTS | {origin_of(self._url).port},  # the operator has written it
            connect_timeout_s=_CONNECT_S,
            listed_in=f"`allow` of the MCP server {server.name!r}",
        )
        is_tls = self._url.scheme == "https"
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=(tls or httpx.create_ssl_context()) if is_tls else None,
            network_backend=GuardedBackend(Guard(policy, look_up), connect_timeout_s=_CONNECT_S, inner=inner),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=2,
            keepalive_expiry=30.0,
        )
        self._session_id: str | None = None
        self._version: str | None = None
        self._messages: asyncio.Queue[SessionMessage | None] = asyncio.Queue()
        self._posts: dict[Id, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()

    async def end(self, *, is_gentle: bool) -> None:
        """Give up what is under way, tell the server that the session is over, and close every connection."""
        self.finish(None)
        tasks = [*self._posts.values(), *self._others]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if is_gentle and self._session_id is not None:
            with suppress(Exception):  # a farewell: whatever comes of it, we are gone
                async with asyncio.timeout(_FAREWELL_S), self._response("DELETE", None, {}, Exchange()):
                    pass
        with suppress(Exception):  # a connection that cannot be closed is closed
            await self._pool.aclose()

    def finish(self, trouble: Trouble | None) -> None:
        """Nothing more will come."""
        super().finish(trouble)
        self._messages.put_nowait(None)

    async def _next(self) -> SessionMessage:
        message = await self._messages.get()
        if message is None:
            raise EOFError
        return message

    async def _deliver(self, message: SessionMessage, exchange: Exchange | None) -> None:
        if self.over.is_set():
            return
        metadata, one = message.metadata, message.message
        headers = (metadata.headers or {}) if isinstance(metadata, ClientMessageMetadata) else {}
        version = {name.lower(): value for name, value in headers.items()}.get(_VERSION)
        self._version = version or self._version
        body = one.model_dump_json(by_alias=True, exclude_unset=True).encode()
        if isinstance(one, JSONRPCRequest) and exchange is not None:
            if one.method == "initialize":
                self._version = None
            self._posts[one.id] = self._task(self._post(body, headers, one.id, exchange))
            self._posts[one.id].add_done_callback(lambda _: self._posted(one.id))
        elif isinstance(one, JSONRPCNotification) and one.method == "notifications/cancelled":
            self._stop((one.params or {}).get("requestId"))
            if self._version not in MODERN_PROTOCOL_VERSIONS:  # there, closing the stream is what cancels
                self._aside(self._tell(body, headers))
        elif isinstance(one, JSONRPCNotification):
            await self._tell(body, headers)
        else:
            self._aside(self._tell(body, headers))

    def _posted(self, request_id: Id) -> None:
        self._posts.pop(request_id, None)
        if self.is_closing and not self._posts:
            self.finish(None)

    def _stop(self, request_id: object) -> None:
        if isinstance(request_id, str | int) and request_id in self._posts:
            self._posts[request_id].cancel()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    async def _tell(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post what is not answered; what becomes of it shows with the next request."""
        with suppress(ToolCallFailed, TimeoutError):
            async with asyncio.timeout(_NOTIFY_S), self._response("POST", body, headers, Exchange()):
                pass

    async def _post(self, body: bytes, headers: Mapping[str, str], request_id: Id, exchange: Exchange) -> None:
        """One request and its answer, or the reason why there is none."""
        try:
            async with self._response("POST", body, headers, exchange) as response:
                self._keep_session(response)
                await self._read(response, request_id, exchange)
            failure = self._failed("ended its reply without an answer", exchange, is_transient=True, has_response=False)
        except ToolCallFailed as failed:
            failure = failed
        except Violation as violation:
            failure = self._failed(str(violation), exchange, has_response=False)
        waking = self.fail(request_id, failure)
        if waking is not None:
            self._messages.put_nowait(waking)

    async def _read(self, response: httpcore.Response, request_id: Id, exchange: Exchange) -> None:
        kind = (_header(response, "content-type") or "").partition(";")[0].strip().lower()
        coding = _header(response, "content-encoding")
        if not 200 <= response.status < 300:
            await self._read_refusal(response, kind, request_id, exchange)
        elif coding not in (None, "", "identity"):
            raise Violation(f"sent a reply in the coding {coding[:40]!r}, which was not asked for")
        elif kind == "text/event-stream":
            await self._read_events(response, request_id)
        elif kind == "application/json":
            self._take(await self._whole(response, MOST_BYTES), request_id)
        else:
            raise Violation(f"sent a reply of the type {kind[:60]!r}")

    async def _read_events(self, response: httpcore.Response, request_id: Id) -> None:
        events = Events(MOST_BYTES)
        patience = asyncio.timeout(None)
        with suppress(TimeoutError):
            async with patience:
                async for piece in self._pieces(response):
                    try:
                        texts = events.add(piece)
                    except TooLarge:
                        raise _too_large() from None
                    for text in texts:
                        if request_id in self._asked:
                            self._take(text.encode(), request_id)
                    if request_id not in self._asked and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + _REST_S)

    async def _read_refusal(self, response: httpcore.Response, kind: str, request_id: Id, exchange: Exchange) -> None:
        """A status that is no success: an error of the protocol where it says so, else what the status means."""
        status = response.status
        location = _header(response, "location")
        if 300 <= status < 400 and location is not None:
            raise self._failed(f"is redirected to {cut(location.partition('?')[0], 200)!r}: name that URL", exchange)
        if status == 404 and self._session_id is not None:
            self.is_closing = True
            raise Trouble(why="has ended the session", is_transient=True).failure(self.server)  # so it did nothing
        body = await self._whole(response, _MOST_OF_A_REFUSAL)
        if kind == "application/json":
            with suppress(Violation):
                message = self.judged(body, only=request_id)
                if message is not None and isinstance(message.message, JSONRPCError):
                    self._messages.put_nowait(message)
                    return
        reason = "" if "html" in kind else cut(" ".join(body.decode(errors="replace").split()), 300)
        is_transient = status in _PASSING or status >= 500
        raise self._failed(
            f"answered {status}{f': {self._scrub(reason)}' if reason else ''}",
            exchange,
            is_transient=is_transient,
            pause_s=retry_after_s(_header(response, "retry-after")) if is_transient else None,
            cause=str(status) if is_transient else "",
        )

    def _take(self, text: bytes, request_id: Id) -> None:
        message = self.judged(text, only=request_id)
        if message is not None:
            self._messages.put_nowait(message)

    async def _whole(self, response: httpcore.Response, most_bytes: int) -> bytes:
        body = bytearray()
        async for piece in self._pieces(response):
            body += piece
            if len(body) > most_bytes:
                raise _too_large()
        return bytes(body)

    def _pieces(self, response: httpcore.Response) -> AsyncIterable[bytes]:
        return cast("AsyncIterable[bytes]", response.stream)

    def _keep_session(self, response: httpcore.Response) -> None:
        given = _header(response, _SESSION)
        if given and len(given) <= 1_024 and given.isascii() and given.isprintable():
            self._session_id = given

    @asynccontextmanager
    async def _response(
        self, method: str, body: bytes | None, headers: Mapping[str, str], exchange: Exchange
    ) -> AsyncGenerator[httpcore.Response]:
        async def trace(name: str, info: Mapping[str, Any]) -> None:
            del info
            if name.endswith("send_request_headers.started"):
                exchange.was_sent = True

        try:
            async with self._pool.stream(
                method,
                self._address(),
                headers=self._wire_headers(body, headers),
                content=body,
                extensions={"trace": trace, "timeout": {"connect": _CONNECT_S}},
            ) as response:
                yield response
        except OutboundRefused as error:
            raise self._failed(f"may not be reached: {error}", exchange) from None
        except NotResolved:
            raise self._failed("has a host without an address", exchange, is_transient=True) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            raise self._failed("cannot be connected to", exchange, is_transient=True) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError):
            raise self._failed(
                "was lost: there was no whole answer", exchange, is_transient=True, has_response=False
            ) from None

    def _address(self) -> httpcore.URL:
        origin = origin_of(self._url)
        return httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=self._url.raw_path)

    def _wire_headers(self, body: bytes | None, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        given = {
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "User-Agent": "trackrecord",
            **self._headers,
            **({} if body is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}),
            **({} if self._session_id is None else {_SESSION: self._session_id}),
            **({} if self._version is None else {_VERSION: self._version}),
            **{name.lower(): value for name, value in headers.items()},
        }
        host = (b"Host", self._url.netloc)
        return [host, *((name.encode("ascii"), value.encode()) for name, value in given.items())]

    def _failed(
        self,
        why: str,
        exchange: Exchange,
        *,
        is_transient: bool = False,
        has_response: bool = True,
        pause_s: float | None = None,
        cause: str = "",
    ) -> ToolCallFailed:
        return ToolCallFailed(
            f"the MCP server {self.server!r} {why}",
            is_transient=is_transient,
            was_sent=exchange.was_sent,
            has_response=has_response,
            retry_after_s=pause_s,
            cause=cause,
        )


def _too_large() -> Violation:
    return Violation(f"sent a reply of more than {MOST_BYTES >> 20} MiB")


def _header(response: httpcore.Response, name: str) -> str | None:
    return next((value.decode("latin-1") for one, value in response.headers if one.lower() == name.encode()), None)
