"""The warden: a small process that carries calls out, each in a fresh child of its own, and leaves nothing behind.

Started by `processes` as an own session, with a socket as stdin and stdout; it ends when that is closed. Imports a
function's module once and forks for every call, so that a call costs a few milliseconds and begins with the module as
it was loaded. Must never run a tool itself: what kills a child must not kill the warden. A guard against accidents, not
a sandbox: a child has the rights of its user.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from types import FrameType
from typing import Any, Final, cast

from trackrecord.canonical import Json, dumps, encode_clean, loads
from trackrecord.plugins.childcall import carry_out, describe
from trackrecord.plugins.credentials import Credentials
from trackrecord.plugins.frames import SIZE, frame
from trackrecord.plugins.protocol import Invocation
from trackrecord.plugins.signatures import Signature, read_signature

IDLE_S: Final = 60
PRINTED_BYTES: Final = 8_192
_CHUNK: Final = 1 << 16
_SUBREAPER: Final = 36  # prctl: orphans below become our children, whatever session they moved to
_DEATH_SIGNAL: Final = 1  # prctl: a child does not outlive us


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, as it came over the socket.

    Attributes:
        module, name: where the function is found.
        memory_mb: how much memory the call may take beside what the process has; None for no limit.
    """

    module: str
    name: str
    memory_mb: int | None
    invocation: Invocation


@dataclass(slots=True, kw_only=True)
class _Child:
    """A call under way: the process and the reading ends of its pipes."""

    pid: int
    answers: int
    prints: int
    most_bytes: int
    answer: bytearray
    printed: bytearray
    printed_size: int = 0

    def take_answer(self) -> bool:
        """Read some of the answer; False at its end."""
        found = _read(self.answers)
        if len(self.answer) < self.most_bytes:
            self.answer += found
        return bool(found)

    def take_prints(self) -> bool:
        """Read some of what it prints, and keep the beginning; False at its end."""
        found = _read(self.prints)
        self.printed += found[: max(0, PRINTED_BYTES - len(self.printed))]
        self.printed_size += len(found)
        return bool(found)


class Warden:
    """Serves the calls that come over one socket, one after the other."""

    def __init__(self, calls: socket.socket) -> None:
        """Become what orphans fall to, and hear of every child's end."""
        self._calls = calls
        self._functions: dict[tuple[str, str], tuple[Callable[..., object], Signature]] = {}
        self._heard, self._ended = os.pipe()
        for end in (self._heard, self._ended):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, _hear)
        signal.set_wakeup_fd(self._ended, warn_on_full_buffer=False)
        _prctl(_SUBREAPER, 1)

    def serve(self) -> None:
        """Carry calls out until the other side is gone, or asks for nothing for a minute."""
        while (request := self._next()) is not None:
            try:
                function, signature = self._function(request)
            except BaseException as error:  # importing runs anyone's code
                self._reply({"problem": describe(error)}, b"")
                continue
            kept = _children()
            child = self._fork(request, function, signature)
            has_ended = self._attend(child)
            status = _end(child.pid, kept)
            os.set_blocking(child.answers, False)
            os.set_blocking(child.prints, False)
            if not has_ended:
                return
            self._reply(_header(status, child), _rest(child))

    def _next(self) -> Request | None:
        self._calls.settimeout(IDLE_S)
        try:
            size = self._receive(SIZE.size)
            body = None if size is None else self._receive(SIZE.unpack(size)[0])
        except TimeoutError:
            return None
        return None if body is None else _request(body)

    def _receive(self, size: int) -> bytes | None:
        found = bytearray()
        while len(found) < size:
            chunk = self._calls.recv(min(_CHUNK, size - len(found)))
            if not chunk:
                return None
            found += chunk
        return bytes(found)

    def _reply(self, header: dict[str, Json], answer: bytes) -> None:
        self._calls.settimeout(None)
        self._calls.sendall(frame(encode_clean(header).encode()) + frame(answer))

    def _function(self, request: Request) -> tuple[Callable[..., object], Signature]:
        place = (request.module, request.name)
        if place not in self._functions:
            found: Any = import_module(request.module)
            for name in request.name.split("."):
                found = getattr(found, name)
            self._functions[place] = found, read_signature(found, f"{request.module}.{request.name}")
        return self._functions[place]

    def _fork(self, request: Request, function: Callable[..., object], signature: Signature) -> _Child:
        answers, answer_end = os.pipe()
        prints, print_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_child(print_end, answers, prints)
                carry_out(request.invocation, function, signature, request.memory_mb, answer_end)
            finally:
                os._exit(70)  # not reached unless something is wrong with us
        os.close(answer_end)
        os.close(print_end)
        with suppress(OSError):
            os.setpgid(pid, pid)  # the child does it too: whoever comes first
        most = 2 * request.invocation.result_bytes + _CHUNK  # escaped a second time, a text may take twice its size
        return _Child(pid=pid, answers=answers, prints=prints, most_bytes=most, answer=bytearray(), printed=bytearray())

    def _become_child(self, print_end: int, *others: int) -> None:
        os.setpgid(0, 0)
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(print_end, 1)
        os.dup2(print_end, 2)
        for end in (print_end, self._heard, self._ended, *others):
            os.close(end)
        self._calls.close()
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")  # when the machine runs out of memory, the tool goes first

    def _attend(self, child: _Child) -> bool:
        """Read what the child says until it has ended; False when whoever asked is gone."""
        with selectors.DefaultSelector() as selector:
            for source, take in (
                (self._calls, None),
                (self._heard, lambda: bool(os.read(self._heard, _CHUNK))),
                (child.answers, child.take_answer),
                (child.prints, child.take_prints),
            ):
                selector.register(source, selectors.EVENT_READ, take)
            while not _has_ended(child.pid):
                for key, _ in selector.select():
                    if key.data is None:
                        return False  # nothing is sent during a call: this is its end
                    if not cast("Callable[[], bool]", key.data)():
                        selector.unregister(key.fileobj)
        return True


def main() -> None:
    """Serve the socket that is stdin; stdin, stdout and stderr then lead nowhere."""
    calls = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    cast("Any", sys.stdout).reconfigure(line_buffering=True)  # else a crash would take what was printed along
    import resource  # not everywhere

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        Warden(calls).serve()
    finally:
        os._exit(0)  # at once: whoever closed the socket waits for that


def _request(body: bytes) -> Request:
    told = cast("dict[str, Any]", loads(body.decode()))
    call: dict[str, Any] = told["invocation"]
    return Request(
        module=told["module"],
        name=told["name"],
        memory_mb=told["memory_mb"],
        invocation=replace(Invocation(**call), credentials=Credentials(call["credentials"])),
    )


def _has_ended(pid: int) -> bool:
    """Whether the child is over; it is left to be waited for, so that its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(pid: int, kept: frozenset[int]) -> int:
    """Kill the child's group and every process below us but those kept; the child's wait status."""
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # nothing, when it is over
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while orphans := _children() - kept:
        for orphan in orphans:
            with suppress(OSError):
                os.kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, 0)
    return status


def _children() -> frozenset[int]:
    """Processes right below us; none where the system does not tell."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as listed:
                found.update(map(int, listed.read().split()))
    return frozenset(found)


def _read(end: int) -> bytes:
    try:
        return os.read(end, _CHUNK)
    except BlockingIOError:  # somebody who got away holds the other end: nothing more is waited for
        return b""


def _rest(child: _Child) -> bytes:
    """The whole answer; all who could write are dead, so the pipes come to an end."""
    while child.take_answer():
        pass
    os.close(child.answers)
    return bytes(child.answer) if len(child.answer) <= child.most_bytes else b""


def _header(status: int, child: _Child) -> dict[str, Json]:
    while child.take_prints():
        pass
    os.close(child.prints)
    printed = child.printed.decode(errors="replace")
    if child.printed_size > len(child.printed):
        printed += f"… [cut: {child.printed_size} bytes in all]"
    code = os.waitstatus_to_exitcode(status)
    header = {"exit": code if code >= 0 else None, "signal": -code if code < 0 else None, "printed": printed}
    return cast("dict[str, Json]", loads(dumps(header)))


def _hear(_number: int, _frame: FrameType | None) -> None:
    """Nothing: the signal is heard through the pipe."""


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere a child that leaves its group outlives the call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
