"""The keeper: a small process that starts one MCP server and ends all of it, also when we are killed.

Run by its path in an interpreter without site-packages: imports the standard library only, and nothing of ours. Takes a
socket, limits as JSON, and the server's command. The server gets stdin, stdout and stderr as they are. When the socket
is closed, or the server ends, every process below is killed, whatever group or session it moved to.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

_SUBREAPER = 36  # prctl: orphans below become our children
_DEATH_SIGNAL = 1  # prctl: a child does not outlive us


def main() -> None:
    """Start the server, and stay until it or whoever asked for it is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    limits: dict[str, int] = json.loads(sys.argv[2])
    _prctl(_SUBREAPER, 1)
    heard, ended = os.pipe()
    for end in (heard, ended):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(ended, warn_on_full_buffer=False)
    failed, failing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(sys.argv[3:], limits, failing)
    os.close(failing)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # the server alone holds its pipes: they end with it
        os.dup2(nowhere, standard)
    with suppress(OSError):
        os.setpgid(pid, pid)  # the child does it too: whoever comes first
    problem = os.read(failed, 4_096)
    _attend(pid, control, heard)
    status = _end(pid)
    told = _told(status) if not problem else {"problem": problem.decode(errors="replace")}
    with suppress(OSError):
        control.sendall(json.dumps(told).encode())
    os._exit(0)


def _become(command: list[str], limits: dict[str, int], failing: int) -> None:
    """Turn this process into the server; never returns."""
    try:
        os.setpgid(0, 0)
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        _limit(limits)
        os.set_inheritable(failing, False)
        os.execvp(command[0], command)  # noqa: S606  # the operator's own words, and no shell
    except OSError as error:
        os.write(failing, f"{error.strerror}: {command[0]}".encode(errors="replace"))
    finally:
        os._exit(127)


def _limit(limits: dict[str, int]) -> None:
    import resource  # not everywhere

    for name, most in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _attend(pid: int, control: socket.socket, heard: int) -> None:
    """Return when the server is over or the other side has let go; ask the server to end when told to."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        ready, _, _ = select.select([control, heard], [], [])
        if heard in ready:
            os.read(heard, 4_096)
        if control in ready:
            try:
                asked = control.recv(16)
            except OSError:
                return
            if not asked:
                return
            with suppress(OSError):
                os.killpg(pid, signal.SIGTERM)


def _end(pid: int) -> int:
    """Kill the server's group and every process below us; the server's wait status."""
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)  # nothing, when it is over
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while left := _children():
        for one in left:
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(one, 0)
    return status


def _children() -> set[int]:
    """Processes right below us; none where the system does not tell."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as listed:
                found.update(map(int, listed.read().split()))
    return found


def _told(status: int) -> dict[str, int]:
    code = os.waitstatus_to_exitcode(status)
    return {"exit": code} if code >= 0 else {"signal": -code}


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere a process that leaves the server's group outlives it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
