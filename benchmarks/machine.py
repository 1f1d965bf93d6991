"""What the machine was like while something was measured: cores, load, and how long a write takes to reach the disk.

Peers write nothing, so a busy disk slows our side alone and no ratio evens that out: it has to be told.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.contestants import CACHE

_WRITES = 50
_BLOCK = b"\0" * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One look at it.

    Attributes:
        load: processes that wanted a core, over the last minute.
        sync_ms: median time until 4 KiB at the end of a file are on the disk.
    """

    python: str
    cores: int
    load: float
    sync_ms: float


def look() -> Machine:
    """The machine as it is now."""
    return Machine(
        python=platform.python_version(), cores=os.cpu_count() or 1, load=os.getloadavg()[0], sync_ms=_sync_ms()
    )


def _sync_ms() -> float:
    CACHE.mkdir(exist_ok=True)
    times: list[float] = []
    with tempfile.TemporaryFile(dir=CACHE, buffering=0) as file:
        for _ in range(_WRITES):
            file.write(_BLOCK)
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1e3)
    return median(times)
