"""Tools that do what tools must not: hang, crash, flood, leak. All but `polite` ones run in a process of their own."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from trackrecord import FunctionPlugin
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed

MB100 = 100 * 1024 * 1024
faulty = FunctionPlugin("faulty", description="Does what it must not.")
state: dict[str, int] = {"calls": 0}
_kept: list[Any] = []  # what a careless tool holds on to


@faulty.action(effect="read", own_process=True)
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@faulty.action(effect="read", timeout_ms=300)
async def hang_in_await() -> None:
    """Wait for ever."""
    await asyncio.sleep(3600)


@faulty.action(effect="unsafe", own_process=True, timeout_ms=1500)
def hang(how: str, note: str) -> None:
    """Never come back; say in a file who hangs."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
    Path(note).write_text(f"{os.getpid()} {grandchild.pid}")
    if how == "loop":
        while True:
            pass
    elif how == "C code":
        max(range(10**15))  # one call that never looks for signals and never lets another thread run
    elif how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
        time.sleep(3600)


@faulty.action(effect="read", own_process=True)
def flood(shape: str) -> Any:
    """Give 100 MB."""
    if shape == "text":
        return "x" * MB100
    if shape == "list":
        return ["x" * 1024] * (MB100 // 1024)
    if shape == "bytes":
        return b"x" * MB100
    for _ in range(100):
        print("x" * (MB100 // 100))
    return "printed"


@faulty.action(effect="read", own_process=True)
def fail(kind: str) -> None:
    """Raise."""
    kinds: dict[str, BaseException] = {
        "ValueError": ValueError("it broke"),
        "SystemExit": SystemExit(0),
        "KeyboardInterrupt": KeyboardInterrupt("it broke"),
        "GeneratorExit": GeneratorExit("it broke"),
        "CancelledError": asyncio.CancelledError("it broke"),
        "StopIteration": StopIteration("it broke"),
        "mute": Mute(),
        "passing": ToolCallFailed("come back later", is_transient=True, retry_after_s=0.0),
    }
    raise kinds[kind]


class Mute(Exception):
    """Raises whenever it is asked to describe itself."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Slow:
    """Hangs whenever it is asked to describe itself."""

    def __str__(self) -> str:
        time.sleep(3600)
        return ""

    __repr__ = __str__


@faulty.action(effect="read", own_process=True)
def exit_at_once() -> None:
    """End the process as if nothing were amiss."""
    os._exit(0)


@faulty.action(effect="read", own_process=True)
def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


@faulty.action(effect="read", own_process=True)
def overflow_stack() -> None:
    """Recurse through C until the stack is used up."""
    sys.setrecursionlimit(10**9)
    nested: Any = []
    for _ in range(10**6):
        nested = [nested]
    repr(nested)


@faulty.action(effect="read", own_process=True)
def recurse() -> None:
    """Recurse without end under the usual limit."""
    recurse()


@faulty.action(effect="read", own_process=True)
def kill_itself() -> None:
    """Die as the system lets a process die when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@faulty.action(effect="read", own_process=True)
def kill_warden() -> None:
    """Kill whoever started the call, too."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


@faulty.action(effect="read", own_process=True, memory_mb=64)
def eat_memory(how: str) -> int:
    """Take more memory than there is."""
    if how == "at once":
        return len(bytearray(1 << 32))
    while True:
        _kept.append(bytearray(1 << 12))


@faulty.action(effect="read", own_process=True)
def close_everything() -> str:
    """Close every file there is."""
    os.closerange(0, 1024)
    return "closed"


@faulty.action(effect="read", own_process=True)
def write_everywhere() -> str:
    """Write nonsense into every file there is, then go."""
    for number in range(3, 64):
        try:
            os.write(number, b'{"data":1}{{{')
        except OSError:
            continue
    os._exit(0)


@faulty.action(effect="read", own_process=True)
def odd(kind: str) -> Any:
    """Give what JSON does not have."""
    cycle: list[Any] = []
    cycle.append(cycle)
    values: dict[str, Any] = {
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "datetime": datetime(2026, 1, 2, tzinfo=UTC),
        "decimal": Decimal("1.10"),
        "object": object(),
        "generator": (one for one in range(3)),
        "cycle": cycle,
        "tuple keys": {(1, 2): 3},
        "mute": Mute(),
        "slow": Slow(),
        "lambda": lambda: None,
        "NaN": float("nan"),
        "a lone surrogate": "a\ud800b",
    }
    return values[kind]


@faulty.action(effect="read", own_process=True)
def change(items: list[int]) -> list[int]:
    """Change its argument and what its module holds."""
    items.append(99)
    state["calls"] += 1
    return [*items, state["calls"]]


@faulty.action(effect="read")
async def change_here(items: list[int]) -> list[int]:
    """Change its argument, inside our own process."""
    items.append(99)
    await asyncio.sleep(0)
    return items


@faulty.action(effect="read", own_process=True)
def gossip(parts: list[str], times: int = 1) -> str:
    """Print a secret to stdout and stderr, from Python and from a program."""
    secret = "".join(parts)
    for _ in range(times):
        print(f"out {secret}")
        print(f"err {secret}", file=sys.stderr)
    subprocess.run(["/bin/echo", f"echo {secret}"], check=True)
    os.write(1, f"raw {secret}\n".encode())
    return "said"


@faulty.action(effect="read", own_process=True)
def environment() -> dict[str, str]:
    """Tell every variable there is."""
    return dict(os.environ)


@faulty.action(effect="read", own_process=True)
def leak() -> list[int]:
    """Open sockets and close none; in one call of ten, leave processes in the background; the numbers of all."""
    gc.disable()
    _kept.extend(socket.socket() for _ in range(5))
    started = [os.getpid()]
    return started if started[0] % 10 else [*started, *_stay_behind()]


def _stay_behind() -> list[int]:
    """Start two processes that never end: one of our group, and one with a session of its own and no parent."""
    reading, writing = os.pipe()
    for moves_away in (False, True):
        if os.fork() == 0:
            if moves_away:
                os.setsid()
                if os.fork():
                    os._exit(0)
            os.write(writing, b"%d " % os.getpid())
            while True:
                signal.pause()
    text = b""
    while text.count(b" ") < 2:
        text += os.read(reading, 100)
    return [int(pid) for pid in text.split()]


@faulty.action(effect="read", own_process=True)
def shrug(how: str) -> Any:
    """Say nothing of how it went."""
    return {"null": {"success": None, "n": 1}, "nothing": {"success": "maybe"}, "result": Result(success=None)}[how]


@faulty.action(effect="keyed", own_process=True)
def told(call: Invocation, when: datetime, n: int) -> dict[str, Any]:
    """Say what the call brought along."""
    has_time = call.deadline_us is not None and call.deadline_us > time.monotonic_ns() // 1000
    return {"key": call.idempotency_key, "year": when.year, "n": n, "has_time": has_time}
