"""A server that we start: a process with a few variables of its own, spoken to by lines on stdin and stdout.

The SDK's reader takes lines of any length and hands a server half of our environment; hence this one (see `link`). Each
server lives under a keeper, which ends all of it when it is let go of, also when we are killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from mcp.shared.message import SessionMessage

from trackrecord.canonical import cut, encode_clean
from trackrecord.plugins.mcp import keeper
from trackrecord.plugins.mcp.definition import Server
from trackrecord.plugins.mcp.link import MOST_BYTES, Exchange, Link, Violation
from trackrecord.plugins.mcp.printed import Printed
from trackrecord.plugins.mcp.trouble import Trouble
from trackrecord.plugins.protocol import ToolCallFailed

MOST_STRAY_LINES: Final = 1_000
MOST_STRAY_BYTES: Final = 256 * 1024
GRACE_S: Final = 1.0  # to end by itself when stdin is closed, and again when it is asked to
_MOST_WAITING: Final = 16 << 20  # bytes of ours that a server does not read
_KILLED_S: Final = 5.0
PASSED_ON: Final = (
    *("HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"),
)


class StdioLink(Link):
    """The wire to a process of its own.

    Attributes:
        printed: what it writes beside its messages.
    """

    def __init__(self, server: Server, credentials: Mapping[str, str]) -> None:
        """Nothing is started yet."""
        super().__init__(server.name)
        self.printed = Printed()
        self._server = server
        self._environment = environment(server, os.environ, credentials)
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._listening: asyncio.Task[None] | None = None
        self._stray_lines = 0
        self._stray_bytes = 0

    async def start(self) -> None:
        """Start the keeper, which starts the server."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        limits = encode_clean(dict(self._server.limits.as_rlimits()))
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-I", "-S", str(Path(keeper.__file__)), str(theirs.fileno()), limits, *self._server.command),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=self._environment,
                    cwd=self._server.folder,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    limit=MOST_BYTES,
                )
            except OSError as error:
                ours.close()
                raise ToolCallFailed(
                    f"the MCP server {self.server!r} cannot be started: {error.strerror}: {error.filename}",
                    was_sent=False,
                ) from None
        self._control = ours
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def end(self, *, is_gentle: bool) -> None:
        """Close its stdin, ask it to end, kill what is left: all of it is over when this returns."""
        process, control = self._process, self._control
        if process is None or control is None:
            return
        assert process.stdin is not None  # noqa: S101  # started with a pipe
        process.stdin.close()
        if is_gentle and not await self._is_over(GRACE_S):
            with suppress(OSError):
                control.send(b"end")
            await self._is_over(GRACE_S)
        control.close()  # the keeper kills what is left
        if not await self._is_over(_KILLED_S):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._listening is not None:
            await asyncio.wait({self._listening}, timeout=1)
            self._listening.cancel()
            await asyncio.wait({self._listening})
        # a transport that its child's pipes keep open would be told of when it is collected
        cast("asyncio.SubprocessTransport", vars(process)["_transport"]).close()

    async def _is_over(self, seconds: float) -> bool:
        assert self._process is not None  # noqa: S101  # asked by `end` alone
        # not `process.wait()` alone: its pipes may stay open in something that got away
        deadline = asyncio.get_running_loop().time() + seconds
        while self._process.returncode is None:
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    async def _deliver(self, message: SessionMessage, exchange: Exchange | None) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing() or self.over.is_set():
            return  # whoever asks is told by the end of the link
        line = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        if process.stdin.transport.get_write_buffer_size() + len(line) > _MOST_WAITING:
            self.finish(Trouble(why="does not read what it is sent", is_transient=True))
            return
        if exchange is not None:
            exchange.was_sent = True
        process.stdin.write(line)  # whole or not at all: a cancelled call leaves no half of a message
        if exchange is not None:
            with suppress(ConnectionError):
                await process.stdin.drain()

    async def _next(self) -> SessionMessage:
        process = self._process
        assert process is not None  # noqa: S101  # started before anybody reads
        assert process.stdout is not None  # noqa: S101  # started with a pipe
        while True:
            try:
                line = await process.stdout.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                raise Violation(f"sent a message of more than {MOST_BYTES >> 20} MiB") from None
            except (asyncio.IncompleteReadError, ConnectionError):
                self.finish(await self._death())
                raise EOFError from None
            message = self._read(line)
            if message is not None:
                return message

    def _read(self, line: bytes) -> SessionMessage | None:
        """The message of a line; what a server prints by mistake is put with the rest of what it prints."""
        text = line.strip()
        if text[:1] in (b"{", b"["):
            return self.judged(text)
        try:
            text.decode()
        except UnicodeDecodeError:
            raise Violation("sent what is no text") from None
        self._stray_lines += 1
        self._stray_bytes += len(line)
        if self._stray_lines > MOST_STRAY_LINES or self._stray_bytes > MOST_STRAY_BYTES:
            raise Violation("writes more to stdout than its messages")
        self.printed.add(line)
        return None

    async def _listen(self) -> None:
        """Keep what it writes to stderr."""
        assert self._process is not None  # noqa: S101  # started before this
        assert self._process.stderr is not None  # noqa: S101  # started with a pipe
        with suppress(ConnectionError):
            while data := await self._process.stderr.read(65_536):
                self.printed.add(data)

    async def _death(self) -> Trouble:
        """Why its stdout has ended, as the keeper tells it."""
        assert self._control is not None  # noqa: S101  # started before anybody reads
        told: dict[str, object] = {}
        with suppress(TimeoutError, OSError, ValueError):
            async with asyncio.timeout(GRACE_S):
                told = json.loads(await asyncio.get_running_loop().sock_recv(self._control, 8_192))
        if "problem" in told:
            return Trouble(why=f"cannot be started: {cut(str(told['problem']), 300)}")
        if self._listening is not None:
            await asyncio.wait({self._listening}, timeout=0.2)  # its last words come by another pipe
        last = self.printed.last_line()
        if "exit" in told:
            how = f"ended (exit code {told['exit']})"
        elif "signal" in told:
            how = f"was ended by signal {told['signal']}"
        else:
            how = "closed its stdout"
        return Trouble(why=f"{how}{f'; it wrote: {last}' if last else ''}", is_transient=True)


def environment(server: Server, ours: Mapping[str, str], credentials: Mapping[str, str]) -> dict[str, str]:
    """The variables of a server: the few that every program needs, the operator's, and its own secrets.

    Raises:
        ToolCallFailed: there is no such secret.
    """
    kept = {name: ours[name] for name in PASSED_ON if name in ours}
    return {**kept, **server.env, **{name: one.value(credentials) for name, one in server.secrets.items()}}
