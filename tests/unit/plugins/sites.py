"""Web servers on 127.0.0.1 that answer whatever a test writes down, and names and wires that lead there.

Nothing here reaches further than the machine: the resolver is a table, and every address is dialled at 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore

from trackrecord.plugins.outbound.exchange import Outbound
from trackrecord.plugins.outbound.guard import resolve
from trackrecord.plugins.outbound.messages import Answer, Outgoing, read_url

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
Writing = Callable[[asyncio.StreamWriter], Awaitable[None]]
Reply = bytes | Writing


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that reached a site."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    server_name: str | None = None


@dataclass(kw_only=True)
class Site:
    """A server: what it answers by path, and what it has seen."""

    port: int
    replies: dict[str, Reply] = field(default_factory=dict[str, Reply])
    seen: list[Seen] = field(default_factory=list[Seen])
    server_names: list[str | None] = field(default_factory=list[str | None])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [one.path for one in self.seen]


def reply(
    body: bytes | str = b"", status: int = 200, headers: Iterable[tuple[str, str]] = (), *, length: int | None = None
) -> bytes:
    """A whole response; `length` lies about how long it is."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    lines.append(f"Content-Length: {len(raw) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + raw


def json(text: str, status: int = 200) -> bytes:
    return reply(text, status, [("Content-Type", "application/json")])


def redirect(place: str, status: int = 302) -> bytes:
    return reply(b"moved", status, [("Location", place)])


@asynccontextmanager
async def serving(replies: Mapping[str, Reply], tls: ssl.SSLContext | None = None) -> AsyncGenerator[Site]:
    """A site for as long as the block lasts; paths it does not know get 404."""
    tasks: set[asyncio.Task[Any]] = set()
    site = Site(port=0, replies=dict(replies))
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: site.server_names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            await _serve_one(site, reader, writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _serve_one(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    site.seen.append(Seen(method=method, path=path, headers=headers, body=body))
    answer = site.replies.get(path.partition("?")[0], reply("no such page", 404))
    if isinstance(answer, bytes):
        writer.write(answer)
        await writer.drain()
    else:
        # whoever asked may hang up in the middle of it
        both = [asyncio.ensure_future(answer(writer)), asyncio.ensure_future(reader.read())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)


@dataclass
class Names:
    """A resolver: the answers of a host, one after the other, the last one for ever; others are really looked up."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        known = self.answers.get(host)
        if known is None:
            return await resolve(host, port)
        return known.pop(0) if len(known) > 1 else known[0]


class Wires(httpcore.AsyncNetworkBackend):
    """Dials a site whatever the address, and remembers which it was; those that are dead refuse."""

    def __init__(self, port: int, dead: Iterable[str] = ()) -> None:
        self.port = port
        self.dead = set(dead)
        self.dialled: list[tuple[str, int]] = []
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return await self._inner.connect_tcp("127.0.0.1", self.port)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def get(door: Outbound, url: str, method: str = "GET", **fields: Any) -> Answer:
    """The answer to a plain request."""
    return await door.send(Outgoing(method=method, url=read_url(url), **fields))


def pieces(*written: bytes, pause_s: float = 0.0, then: str = "close") -> Writing:
    """Writes these one after the other; `then` closes, hangs, or repeats the last for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        for piece in written:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        while then == "repeat":
            writer.write(written[-1])
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then == "hang":
            await asyncio.Event().wait()

    return write


def bomb(megabytes: int) -> bytes:
    """A gzip file of that many megabytes of nothing; a thousandth of that when packed."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(megabytes)), packer.flush()])


def gzipped(body: bytes, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A response whose body, packed already, says that it is gzip."""
    return reply(body, headers=[("Content-Encoding", "gzip"), *headers])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HOSTILE: dict[str, Reply] = {
    "/loop": redirect("/loop"),
    "/inside": redirect("http://169.254.169.254/latest/meta-data/"),
    "/huge": pieces(reply(b"x", length=10_000_000_000), then="hang"),
    "/endless": pieces(CHUNKED, b"10000\r\n" + bytes(0x10000) + b"\r\n", then="repeat"),
    "/slow": pieces(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause_s=0.01, then="repeat"),
    "/bomb": gzipped(bomb(128)),
    "/cookies": pieces(b"HTTP/1.1 200 OK\r\n", b"Set-Cookie: a=" + b"b" * 4000 + b"\r\n", then="repeat"),
    "/short": reply(b"only this", length=100),
    "/garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "/silent": pieces(),
    "/mute": pieces(b"", then="hang"),
    "/brotli": reply(b"??", headers=[("Content-Encoding", "br")]),
    "/twofold": reply(b"??", headers=[("Content-Encoding", "gzip, gzip")]),
    "/broken": gzipped(b"no gzip at all"),
    "/cut": gzipped(bomb(1)[:-20]),
}
"""What a hostile or broken server may do, by path."""
