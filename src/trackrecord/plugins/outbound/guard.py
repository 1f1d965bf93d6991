"""Resolve once, check every address, connect to a checked one: the backend under every connection that leaves.

Never connects to a name, and never resolves again between the check and the connection, so that a second answer of a
hostile name server reaches nothing. TLS and the Host header keep the name: they are made by the layers above, which
never see an address. Loaded with the first request, because of httpcore.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, cast

import httpcore

from trackrecord.plugins.outbound.addresses import OutboundRefused, Policy
from trackrecord.plugins.threads import Threads

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

MOST_TRIED: Final = 4
# apart from the threads of tools: a name server that hangs holds up nothing but look-ups, and hung tools no look-up
_THREADS: Final = Threads(16)


class NotResolved(Exception):
    """A host has no address, or its name server does not say."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address the system's resolver knows for a host.

    Raises:
        NotResolved: it knows none.
    """
    found: list[str] = []

    def look_up() -> None:
        found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))

    try:
        await _THREADS.run(look_up)
    except (OSError, UnicodeError):  # gaierror; a label that is too long or empty cannot be encoded
        raise NotResolved from None
    return found


class Guard:
    """The door itself, whatever library knocks: a host and a port in, addresses that may be connected to out."""

    def __init__(self, policy: Policy, look_up: Resolve = resolve) -> None:
        """Take what may be reached, and who knows the addresses of a host."""
        self._policy = policy
        self._look_up = look_up

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Checked addresses of a host, to be connected to as they are.

        Raises:
            OutboundRefused: the port, or one of the addresses, may not be reached.
            NotResolved: the host has no address.
        """
        self._policy.check_port(host, port)
        found = await self._look_up(host, port)
        if not found:
            raise NotResolved
        return [str(address) for address in self._policy.check(host, port, found)]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects the way httpcore does, to addresses that were checked and to nothing else."""

    def __init__(
        self, guard: Guard, *, connect_timeout_s: float = 10.0, inner: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        """Take the guard; `inner` opens the connections, httpcore's own backend when None."""
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        # for pyright httpcore's own backend may be missing: httpx always brings what it needs
        self._inner = inner if inner is not None else cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first checked address that answers.

        Raises:
            OutboundRefused, NotResolved: see `Guard.addresses`.
            httpcore.ConnectError, httpcore.ConnectTimeout: none of them answers.
        """
        addresses = await self._guard.addresses(host, port)
        patience_s = self._connect_timeout_s if timeout is None else min(timeout, self._connect_timeout_s)
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses[:MOST_TRIED]:
            try:
                return await self._inner.connect_tcp(address, port, patience_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[_SocketOption] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never.

        Raises:
            OutboundRefused: always.
        """
        raise OutboundRefused("a socket file may not be reached")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)
