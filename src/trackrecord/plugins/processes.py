"""Processes for functions that may hang, crash or eat memory: beside the event loop, and killable at any moment.

Each call goes to a warden (`warden`), which carries it out in a fresh child of its own; a warden that has answered is
kept for the next call. Arguments and results are canonical JSON; an object never crosses. When a call is given up, its
child and whatever that started are killed before the caller goes on. Must never block the loop, and gives a child
nothing of this process but its search path, its folder and a handful of harmless variables.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from trackrecord.canonical import Json, clean, encode_clean
from trackrecord.clock import ticks_us
from trackrecord.plugins.answers import read_answer
from trackrecord.plugins.frames import SIZE, frame
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed

MAX_CHILDREN: Final = 16
_REUSE_US: Final = 45_000_000  # a warden ends by itself after a minute without a call
_END_S: Final = 1.0
_CHUNK: Final = 1 << 16
_PASSED_ON: Final = (
    *("HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from trackrecord.plugins.warden import main; main()"
)
_Surroundings = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a function is found by whoever imports its module.

    Attributes:
        module, name: as in `import module; module.name`.
        memory_mb: how much memory a call may take; None for no limit.
    """

    module: str
    name: str
    memory_mb: int | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class _Warden:
    """Our end of one warden.

    Attributes:
        surroundings: folder and search path it was started with.
        idle_since_us: when it last answered.
    """

    process: subprocess.Popen[bytes]
    calls: socket.socket
    surroundings: _Surroundings
    idle_since_us: int = field(default_factory=ticks_us)

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """What became of the call, and the child's own answer.

        Raises:
            ConnectionError: the warden is gone.
        """
        await asyncio.get_running_loop().sock_sendall(self.calls, frame(request))
        return await self._receive(), await self._receive()

    async def end(self) -> None:
        """Have it kill what it carries out and go; returns when it has."""
        self.let_go()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_END_S):
                while await asyncio.get_running_loop().sock_recv(self.calls, _CHUNK):
                    pass
        self.bury()

    def let_go(self) -> None:
        """Tell it that nobody waits any more: it kills what it carries out and goes, in its own time."""
        with suppress(OSError):
            self.calls.shutdown(socket.SHUT_WR)

    def bury(self) -> None:
        """Make sure that it is gone, and wait for that: a moment, since it was told or has ended before."""
        self.calls.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.05)
        self.process.kill()
        self.process.wait()

    async def _receive(self) -> bytes:
        size = SIZE.unpack(await self._exactly(SIZE.size))[0]
        return await self._exactly(size)

    async def _exactly(self, size: int) -> bytes:
        loop, found = asyncio.get_running_loop(), bytearray()
        while len(found) < size:
            chunk = await loop.sock_recv(self.calls, min(_CHUNK, size - len(found)))
            if not chunk:
                raise ConnectionError("the warden is gone")
            found += chunk
        return bytes(found)


class Processes:
    """Runs functions in at most `most` processes at once per event loop; the others wait their turn."""

    def __init__(self, most: int = MAX_CHILDREN) -> None:
        """Start no process yet."""
        self._most = most
        self._idle: deque[_Warden] = deque()
        self._ending: list[_Warden] = []
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def call(self, address: Address, invocation: Invocation) -> Result:
        """What the function gives in a process of its own; when this is cancelled, that process is dead first.

        Raises:
            ToolCallFailed: the function raised, or its process ended without an answer.
        """
        if address.module == "__main__":  # importing it elsewhere would run the program once more
            raise ToolCallFailed(
                f"{address.name} stands in the program that was started, where no other process can import it: "
                "move it to a module of its own",
                was_sent=False,
            )
        request = _request(address, invocation)
        async with self._gate():
            warden = self._ready()
            try:
                header, answer = await warden.ask(request)
            except OSError:
                self.drop(warden)
                raise _lost(address) from None
            except asyncio.CancelledError:
                await self._end(warden)
                raise
            except BaseException:  # the loop is being torn down: nothing can be awaited any more
                self.drop(warden)
                raise
            self._keep(warden)
        return read_answer(header, answer, address.name)

    def close(self) -> None:
        """End every process that waits for a call; more are started when they are needed."""
        while self._idle:
            self.drop(self._idle.popleft())
        while self._ending:
            self._ending.pop().bury()

    def forget(self) -> None:
        """Know of no process: after a fork they belong to the other side."""
        self._idle.clear()
        self._ending.clear()

    def drop(self, warden: _Warden) -> None:
        """Let a warden go without waiting for it."""
        warden.let_go()
        self._ending.append(warden)

    async def _end(self, warden: _Warden) -> None:
        try:
            await warden.end()
        except BaseException:  # cancelled once more: it was told to go all the same
            self._ending.append(warden)
            raise

    def _ready(self) -> _Warden:
        """A warden that waits for a call, started in surroundings like ours; the one used last, else a new one."""
        self._tidy()
        surroundings = (os.getcwd(), *(os.path.abspath(place) for place in sys.path))
        for warden in reversed(self._idle):
            if warden.surroundings == surroundings:
                self._idle.remove(warden)
                return warden
        return _started(surroundings)

    def _keep(self, warden: _Warden) -> None:
        warden.idle_since_us = ticks_us()
        self._idle.append(warden)
        while len(self._idle) > self._most:
            self.drop(self._idle.popleft())

    def _tidy(self) -> None:
        while self._idle and ticks_us() - self._idle[0].idle_since_us > _REUSE_US:
            self.drop(self._idle.popleft())
        over = [warden for warden in self._ending if warden.process.poll() is not None]
        for warden in over:
            self._ending.remove(warden)
            warden.bury()

    def _gate(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        return self._gates.setdefault(loop, asyncio.Semaphore(self._most))


def _started(surroundings: _Surroundings) -> _Warden:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        # the interpreter that runs us, and a program of our own: nothing of anybody's input
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", _BOOT, encode_clean(list(surroundings[1:]))],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,
        )
    return _Warden(process=process, calls=ours, surroundings=surroundings)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The variables a process of a tool is given: none that could hold a secret."""
    return {name: ours[name] for name in _PASSED_ON if name in ours}


def _request(address: Address, invocation: Invocation) -> bytes:
    told: dict[str, Json] = {
        "module": address.module,
        "name": address.name,
        "memory_mb": address.memory_mb,
        "invocation": {
            "action": invocation.action,
            "arguments": clean(invocation.arguments),
            "idempotency_key": invocation.idempotency_key,
            "deadline_us": invocation.deadline_us,
            "credentials": clean(dict(invocation.credentials)),
            "result_bytes": invocation.result_bytes,
            "effect": invocation.effect,
        },
    }
    return encode_clean(told).encode()


def _lost(address: Address) -> ToolCallFailed:
    return ToolCallFailed(
        f"the process that runs {address.name} ended: while it imported {address.module!r}, or by somebody's signal",
        has_response=False,
    )


PROCESSES: Final = Processes()
atexit.register(PROCESSES.close)
os.register_at_fork(after_in_child=PROCESSES.forget)
