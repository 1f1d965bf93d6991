"""HTTP/1.1 as far as the server needs it: reading a request, framing an answer, and breaking the rules on purpose."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_WORDS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request as it came, its body read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body; a test that sends anything else has a fault of its own."""
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read


async def read_request(reader: asyncio.StreamReader) -> Head | None:
    """The next request of a connection; None when the client is done with it."""
    try:
        begin = await reader.readexactly(1)
        if not begin.isalpha():  # a handshake of TLS, say: whoever speaks something else is hung up on
            return None
        head = (begin + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Head(method=method, path=path, headers=headers, body=body)


class Answer:
    """One answer on its way: begun with its head, sent in parts, ended or broken off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def begin(self, status: int, headers: Mapping[str, str], *, length: int | None) -> None:
        """The head; no length means chunks."""
        framing = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        lines = [f"{name}: {value}" for name, value in {**headers, **framing}.items()]
        word = _WORDS.get(status, "Whatever")
        self._writer.write("\r\n".join([f"HTTP/1.1 {status} {word}", *lines, "", ""]).encode("latin-1"))

    async def send(self, data: bytes, *, is_chunk: bool) -> None:
        """A part of the body."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data) if is_chunk else data)
        await self._writer.drain()

    async def end(self) -> None:
        """The end of a chunked body."""
        await self.send(b"", is_chunk=True)

    async def client_left(self) -> None:
        """Wait until the client has closed its side."""
        try:
            while await self._reader.read(1024):
                pass
        except ConnectionError:
            return

    async def break_off(self) -> None:
        """Close although more was promised, everything sent so far delivered."""
        self._writer.close()
        await self._writer.wait_closed()

    def reset(self) -> None:
        """Close with a reset, as a crashed machine or a firewall does."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@cache
def bomb(mib: int) -> bytes:
    """A gzip stream that unpacks to so many MiB of spaces."""
    return gzip.compress(b" " * (mib << 20), mtime=0)


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
