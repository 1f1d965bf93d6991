"""A provider of models over HTTP, in a process of its own: Chat Completions, whole answers, connections kept.

It asks for ten tool calls, one an answer, then gives the answer, by the messages of the request alone, and counts what
it answered under each caller's path. As cheap as it can be, so that it is not what is measured. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from benchmarks.contestants import ROOT, NotMeasured
from benchmarks.workers import work

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 30.0
_HEAD: Final = re.compile(rb"(?P<method>[A-Z]+) /(?P<caller>[^/ ]+)(?P<path>\S*) HTTP/1\.1\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TALK: Final = b"/v1/chat/completions"


class Provider:
    """The harness's end of it."""

    def __init__(self, port: int) -> None:
        """Use `started`."""
        self._port = port

    def address(self, caller: str) -> str:
        """The base URL that is counted as this caller's."""
        return f"http://{HOST}:{self._port}/{_segment(caller)}/v1"

    def taken(self, caller: str) -> int:
        """The requests answered for this caller since this was last asked.

        Raises:
            NotMeasured: the provider does not say.
        """
        connection = HTTPConnection(HOST, self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", f"/{_segment(caller)}")
            return int(connection.getresponse().read())
        except (OSError, HTTPException, ValueError) as error:
            raise NotMeasured(f"the HTTP provider does not say what it answered: {error}") from None
        finally:
            connection.close()


@contextmanager
def started() -> Iterator[Provider]:
    """The provider on a free port, until the block ends; it ends by itself when this process does.

    Raises:
        NotMeasured: it does not start.
    """
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            written = process.stdout.readline().strip()
            if not written.isdigit():
                raise NotMeasured("the HTTP provider does not start")
            yield Provider(int(written))
        finally:
            process.stdin.close()


class _Connection(asyncio.Protocol):
    """One connection: requests come whole or in parts, one after another."""

    def __init__(self, counts: Counter[bytes]) -> None:
        self._counts = counts
        self._kept = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._kept += data
        while (end := self._kept.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._kept, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._kept) < whole:
                return
            head, body = self._kept[: end + 2], self._kept[end + 4 : whole]
            self._kept = self._kept[whole:]
            self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        asked = _HEAD.match(head)
        if asked is None:
            return _written(b"400 Bad Request", b"not HTTP/1.1")
        if asked["method"] == b"POST" and asked["path"] == _TALK:
            request = json.loads(body)
            turn = sum(message["role"] == "assistant" for message in request["messages"]) + 1
            self._counts[asked["caller"]] += 1
            return _said(turn, request["model"], request["tools"][0]["function"]["name"])
        if asked["method"] == b"GET" and not asked["path"]:
            return _written(b"200 OK", b"%d" % self._counts.pop(asked["caller"], 0))
        return _written(b"404 Not Found", b"{}")


@lru_cache(maxsize=256)
def _said(turn: int, model: str, tool: str) -> bytes:
    """The answer of one turn, head and all; what the tool is called is the caller's to say."""
    message: dict[str, Any] = {"role": "assistant", "content": work.ANSWER}
    if turn <= work.TOOL_CALLS:
        function = {"name": tool, "arguments": f'{{"item":{turn}}}'}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"call_{turn}", "type": "function", "function": function}],
        }
    answer = {
        "id": f"chatcmpl-{turn}",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if turn <= work.TOOL_CALLS else "stop"}
        ],
        "usage": {
            "prompt_tokens": work.INPUT_TOKENS,
            "completion_tokens": work.OUTPUT_TOKENS,
            "total_tokens": work.INPUT_TOKENS + work.OUTPUT_TOKENS,
        },
    }
    return _written(b"200 OK", json.dumps(answer, separators=(",", ":")).encode())


def _written(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _segment(caller: str) -> str:
    return caller.replace(" ", "-")


async def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the harness, which has more to say about it
    counts: Counter[bytes] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(counts), HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)  # connections of clients that keep theirs are nothing to wait for


if __name__ == "__main__":
    asyncio.run(_serve())
