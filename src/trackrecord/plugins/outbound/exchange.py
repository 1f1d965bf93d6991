"""One request and its answer, through the guard: redirects, bounds and time are looked after here.

Keeps no cookie and no connection from one request to the next, takes no proxy from the environment, and repeats
nothing: the context does that. Says of every failure whether the request had left and whether an answer came.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import httpcore
import httpx

from trackrecord.plugins.outbound.addresses import OutboundRefused, Policy
from trackrecord.plugins.outbound.decoding import ACCEPTED, BadBody, decoder, too_large
from trackrecord.plugins.outbound.guard import Guard, GuardedBackend, NotResolved, Resolve, resolve
from trackrecord.plugins.outbound.messages import Answer, Headers, Outgoing, location_of, origin_of, redirected
from trackrecord.plugins.protocol import ToolCallFailed


class Outbound:
    """Sends requests where the policy lets them go."""

    def __init__(
        self,
        policy: Policy,
        *,
        look_up: Resolve = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take what may be reached; the others stand in for the system's resolver, sockets and certificates."""
        self._policy = policy
        self._backend = GuardedBackend(Guard(policy, look_up), connect_timeout_s=policy.connect_timeout_s, inner=inner)
        self._tls = tls

    async def send(self, request: Outgoing) -> Answer:
        """The answer to a request, of whatever status, redirects followed.

        Raises:
            ToolCallFailed: it was refused, got no answer, or one that is too large, broken or redirected too often.
        """
        progress = _Progress(request)
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                return await self._follow(progress)
        except TimeoutError:
            why = f"was not over within {self._policy.timeout_s:g} s"
            has_response = not progress.is_sending
            raise progress.failed(why, is_transient=True, has_response=has_response, cause="timeout") from None

    async def _follow(self, progress: _Progress) -> Answer:
        while True:
            async with self._response(progress) as response:
                headers = _text_headers(response)
                location = location_of(response.status, headers)
                if location is None:
                    return await self._answer(response, headers, progress)
            if progress.redirect_count == self._policy.max_redirects:
                raise progress.failed(f"is redirected once more; {self._policy.max_redirects} times is the most")
            try:
                following = redirected(progress.request, response.status, location)
            except OutboundRefused as error:
                raise progress.refused(error) from None
            progress.follow(following)

    @asynccontextmanager
    async def _response(self, progress: _Progress) -> AsyncGenerator[httpcore.Response]:
        request = progress.request
        if self._tls is None and request.url.scheme == "https":
            self._tls = httpx.create_ssl_context()  # once: reading the certificates takes a while
        # a pool of its own: no connection outlives the request, and none is shared
        pool = httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=self._backend, max_connections=1)
        try:
            async with (
                pool,
                pool.stream(
                    request.method,
                    _address(request),
                    headers=_wire_headers(request),
                    content=request.body,
                    extensions={"trace": progress.trace},
                ) as response,
            ):
                yield response
        except OutboundRefused as error:
            raise progress.refused(error) from None
        except NotResolved:
            raise progress.failed("found no address of this host", is_transient=True) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise _not_connected(error, progress) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise _lost(error, progress) from None

    async def _answer(self, response: httpcore.Response, headers: Headers, progress: _Progress) -> Answer:
        answer = Answer(status=response.status, url=progress.request.url, headers=headers, body=b"")
        most_bytes = self._policy.max_bytes
        try:
            body = decoder(answer.header("content-encoding") or "", most_bytes)
            if int(answer.header("content-length") or 0) > most_bytes:  # h11 has seen to it that it is a number
                raise too_large(most_bytes)
            async for piece in cast(AsyncIterable[bytes], response.stream):
                body.add(piece)
            return replace(answer, body=body.finish())
        except BadBody as error:
            raise progress.failed(f"answered {response.status}, but {error}") from None


@dataclass(slots=True)
class _Progress:
    """How far an exchange has come, which decides what its failure means.

    Attributes:
        request: the present one.
        was_sent: whether it or one before it began to leave.
        is_sending: whether it did itself.
        redirect_count: redirects followed so far.
    """

    request: Outgoing
    was_sent: bool = False
    is_sending: bool = False
    redirect_count: int = 0

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """What httpcore tells while it works."""
        del info
        if name.endswith("send_request_headers.started"):
            self.was_sent = self.is_sending = True

    def follow(self, request: Outgoing) -> None:
        """Go on with the request that a redirect leads to."""
        self.request, self.is_sending = request, False
        self.redirect_count += 1

    def failed(
        self, why: str, *, is_transient: bool = False, has_response: bool = True, cause: str = ""
    ) -> ToolCallFailed:
        """The failure, in words that name no path, no header and no address."""
        after = f" (redirect {self.redirect_count})" if self.redirect_count else ""
        return ToolCallFailed(
            f"{self.request}{after} {why}",
            is_transient=is_transient,
            was_sent=self.was_sent,
            has_response=has_response,
            cause=cause,
        )

    def refused(self, error: OutboundRefused) -> ToolCallFailed:
        """Policy said no."""
        failure = self.failed(f"was refused: {error}")
        failure.was_refused = not self.was_sent  # a redirect that is not followed is an answer to a call that was made
        return failure


def _not_connected(error: Exception, progress: _Progress) -> ToolCallFailed:
    if _caused_by(error, ssl.SSLCertVerificationError):
        return progress.failed("has no certificate that can be trusted")
    if _caused_by(error, ssl.SSLError):
        return progress.failed("could not agree on an encryption", is_transient=True)
    cause = "timeout" if isinstance(error, httpcore.ConnectTimeout) else ""
    return progress.failed("could not connect", is_transient=True, cause=cause)


def _lost(error: Exception, progress: _Progress) -> ToolCallFailed:
    has_response = not progress.is_sending
    if isinstance(error, httpcore.LocalProtocolError):
        return progress.failed("cannot be sent: the request is no HTTP")
    if any(getattr(cause, "error_status_hint", None) == 431 for cause in error.args):  # h11: more than it holds
        return progress.failed("answered with too large a header", has_response=has_response)
    return progress.failed("was lost: there was no whole answer", is_transient=True, has_response=has_response)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _address(request: Outgoing) -> httpcore.URL:
    origin = origin_of(request.url)
    return httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=request.url.raw_path)


def _wire_headers(request: Outgoing) -> list[tuple[bytes, bytes]]:
    # Host is written here: httpcore would write an IPv6 address without its brackets
    framing = [(b"Host", request.url.netloc), (b"Accept-Encoding", ACCEPTED.encode())]
    given = [(name.encode("ascii"), value.encode()) for name, value in (*request.headers, *request.secret_headers)]
    if request.body is not None:
        framing.append((b"Content-Length", str(len(request.body)).encode()))
    return [*framing, *given]


def _text_headers(response: httpcore.Response) -> Headers:
    return tuple((name.decode("latin-1").lower(), _text(value)) for name, value in response.headers)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
