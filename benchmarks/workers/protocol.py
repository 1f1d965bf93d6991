"""The two ends of the talk between harness and contestant: one JSON object a line, one answer for each request.

A contestant lives as long as the harness keeps it, so that samples of all contestants can take turns. Imported by
workers in environments that hold a peer and nothing else: standard library only.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TextIO

from benchmarks.workers.work import Counter

Answer = dict[str, Any]


class Contestant:
    """What a worker brings; a subclass says how its framework does the work.

    Attributes:
        counter: counts every model reply, tool call and step that really happened.
    """

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.counter = Counter()

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready; gives the versions of what is measured."""
        raise NotImplementedError

    async def run(self) -> object:
        """One run: ten turns with one tool call each, and the answer. What it gives is handed to `proof`."""
        raise NotImplementedError

    async def chain(self, steps: int) -> object:
        """One workflow of that many pure steps, each taking what the one before it gave."""
        raise NotImplementedError(f"{type(self).__name__} has no workflow of pure steps: {steps}")

    async def durable(self, steps: int) -> object:
        """One workflow of that many tool calls in a chain, the result of each kept."""
        raise NotImplementedError(f"{type(self).__name__} has no durable workflow: {steps}")

    async def repeat(self, times: int, *, is_map: bool) -> object:
        """One workflow that does one pure step so often, as a loop or as a map."""
        raise NotImplementedError(f"{type(self).__name__} has no loop: {times}, {is_map}")

    def proof(self, given: list[object]) -> Answer:
        """What the harness needs to check that these runs really happened."""
        return {"answers": len(given)}

    async def close(self) -> None:
        """Let go of everything."""


def serve(contestant: Contestant) -> None:
    """Answer requests until standard input ends; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asyncio.run(_serve(contestant, sys.stdin, answers))


async def _serve(contestant: Contestant, requests: TextIO, answers: TextIO) -> None:
    actions: dict[str, Callable[[dict[str, Any]], Awaitable[Answer]]] = {
        "open": lambda request: _open(contestant, request),
        "loop": lambda request: _loop(contestant, request),
        "crowd": lambda request: _crowd(contestant, request),
        "chain": lambda request: _chain(contestant, request),
        "durable": lambda request: _durable(contestant, request, is_at_once=False),
        "durable_crowd": lambda request: _durable(contestant, request, is_at_once=True),
        "repeat": lambda request: _repeat(contestant, request),
    }
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, requests.readline):
        request = json.loads(line)
        try:
            answer = await actions[request["do"]](request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
    await contestant.close()


async def _open(contestant: Contestant, request: dict[str, Any]) -> Answer:
    return {"versions": await contestant.open(request.get("options", {}))}


async def _loop(contestant: Contestant, request: dict[str, Any]) -> Answer:
    """Seconds per run of `runs` runs, one after the other."""
    return await _timed(contestant, request["runs"], request["runs"], contestant.run, is_at_once=False)


async def _crowd(contestant: Contestant, request: dict[str, Any]) -> Answer:
    """Seconds of `runs` runs at once, and by how much that raised the process's peak of resident memory."""
    before = peak_bytes()
    answer = await _timed(contestant, request["runs"], 1, contestant.run, is_at_once=True)
    after = peak_bytes()
    grown = None if before is None or after is None else after - before
    return answer | {"grown_bytes": grown}


async def _chain(contestant: Contestant, request: dict[str, Any]) -> Answer:
    """Seconds per step of `runs` workflows of `steps` steps, one after the other."""
    steps = request["steps"]
    return await _timed(
        contestant, request["runs"], request["runs"] * steps, lambda: contestant.chain(steps), is_at_once=False
    )


async def _durable(contestant: Contestant, request: dict[str, Any], *, is_at_once: bool) -> Answer:
    """Seconds per step of `runs` durable workflows of `steps` steps, one after the other or all at once."""
    runs, steps = request["runs"], request["steps"]
    return await _timed(contestant, runs, runs * steps, lambda: contestant.durable(steps), is_at_once=is_at_once)


async def _repeat(contestant: Contestant, request: dict[str, Any]) -> Answer:
    """Seconds per time of `runs` workflows that do one step `times` times."""
    runs, times, is_map = request["runs"], request["times"], request.get("is_map", False)
    run = lambda: contestant.repeat(times, is_map=is_map)  # noqa: E731
    return await _timed(contestant, runs, runs * times, run, is_at_once=False)


async def _timed(
    contestant: Contestant, runs: int, parts: int, run: Callable[[], Awaitable[object]], *, is_at_once: bool
) -> Answer:
    counter = contestant.counter = Counter()
    gc.collect()
    started = time.perf_counter()
    if is_at_once:
        given = list(await asyncio.gather(*(run() for _ in range(runs))))
    else:
        given = [await run() for _ in range(runs)]
    seconds = time.perf_counter() - started
    return {"seconds": seconds / parts, "counts": counter.as_dict(), "proof": contestant.proof(given)}


def peak_bytes() -> int | None:
    """The most resident memory this process has had; None where the system does not say.

    Not from getrusage: across exec a child's figure there begins at its parent's.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
