"""The raw server over streamable HTTP on 127.0.0.1, with what can go wrong on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.plugins.mcp.raw import Raw

SESSION = "session-1"


@dataclass(kw_only=True)
class Web:
    """A server: where it is, how it answers, and what it has seen.

    Attributes:
        fault: what goes wrong with the next calls of a tool; empty for nothing.
        seen: method of HTTP and headers of each request.
    """

    port: int = 0
    fault: str = ""
    is_streamed: bool = False
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@asynccontextmanager
async def serving(folder: Path, *, is_streamed: bool = False) -> AsyncGenerator[Web]:
    """The server for as long as the block lasts."""
    web = Web(is_streamed=is_streamed)
    folder.mkdir(exist_ok=True)
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await answer(web, folder, reader, writer):
                    pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()


async def answer(web: Web, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request; False when there is none, or the connection is to end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    web.seen.append((first.split()[0], headers))
    if not body:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        return True
    message = json.loads(body)
    told: list[bytes] = []
    Raw(folder, "", told.append).take(message)
    if message.get("method") == "tools/call" and web.fault:
        return await go_wrong(web, message, told, writer)
    if "id" not in message or "method" not in message:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    else:
        writer.write(reply(web, b"".join(told)))
    await writer.drain()
    return True


def reply(web: Web, said: bytes) -> bytes:
    """An answer as JSON, or as a stream that ends after it."""
    session = f"Mcp-Session-Id: {SESSION}\r\n".encode()
    if not web.is_streamed:
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + session + length(said)
    other = b'event: message\r\ndata: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}\r\n\r\n'
    event = b": a comment\n\n" + other + b"id: 7\nevent: message\ndata: " + said.strip() + b"\n\n"
    chunk = f"{len(event):x}\r\n".encode() + event + b"\r\n0\r\n\r\n"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        + session
        + b"\r\n"
        + chunk
    )


def length(body: bytes) -> bytes:
    return f"Content-Length: {len(body)}\r\n\r\n".encode() + body


async def go_wrong(web: Web, message: dict[str, Any], told: list[bytes], writer: asyncio.StreamWriter) -> bool:
    """What a hostile or broken server answers to a call."""
    kind, _, more = web.fault.partition(":")
    json_type = b"Content-Type: application/json\r\n"
    match kind:
        case "status":
            told_so = b"no, tok-4d1c0ffee-b0bb1e"
            extra = b"Retry-After: 0\r\n" if more.startswith("5") else b""
            writer.write(f"HTTP/1.1 {more} Whatever\r\n".encode() + extra + length(told_so))
        case "once":
            web.fault = ""
            writer.write(f"HTTP/1.1 {more} Whatever\r\nRetry-After: 0\r\n".encode() + length(b""))
        case "cut":
            writer.write(b"HTTP/1.1 200 OK\r\n" + json_type + b'Content-Length: 100\r\n\r\n{"jsonrpc"')
        case "nothing":
            pass
        case "garbage":
            writer.write(b"HTTP/1.1 200 OK\r\n" + json_type + length(b'{"jsonrpc": "2.0", "id":'))
        case "wrong_id":
            said = json.dumps({"jsonrpc": "2.0", "id": 99, "result": {"content": []}}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\n" + json_type + length(said))
        case "html":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + length(b"<h1>hello</h1>"))
        case "large":
            writer.write(b"HTTP/1.1 200 OK\r\n" + json_type + length(b" " * (11 << 20)))
        case "large_stream":
            data = b"data: " + b"x" * (11 << 20)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + length(data))
        case "empty_stream":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + length(b": nothing\n\n"))
        case "gzip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + json_type + length(b"x"))
        case "redirect":
            writer.write(b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/other?token=1\r\n" + length(b""))
        case "gone":
            web.fault = ""
            writer.write(b"HTTP/1.1 404 Not Found\r\n" + length(b""))
        case "rpc":
            error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": "not these"}}
            writer.write(b"HTTP/1.1 400 Bad\r\n" + json_type + length(json.dumps(error).encode()))
        case "hang":
            await asyncio.sleep(60)
        case _:
            raise AssertionError(web.fault)
    with suppress(OSError):
        await writer.drain()
    return False
