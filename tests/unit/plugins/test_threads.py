"""Rules of the threads that run blocking functions."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from trackrecord.plugins.threads import Threads

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


async def test_runs_beside_the_loop_with_the_callers_context() -> None:
    """A blocking function runs in another thread and still sees the caller's context variables."""
    REQUEST.set("r-1")
    seen = await Threads().run(lambda: (threading.current_thread() is threading.main_thread(), REQUEST.get()))
    assert (False, "r-1") == seen


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
async def test_raises_what_the_function_raised(kind: type[BaseException]) -> None:
    """Whatever kind of exception a function raises reaches its caller, and the thread goes on."""
    threads = Threads(1)

    def work() -> None:
        raise kind("boom")

    with pytest.raises(kind):
        await threads.run(work)
    assert 7 == await threads.run(lambda: 7)


async def test_a_stop_iteration_is_answered_too() -> None:
    """A function that raises StopIteration is an error like any other and never an endless wait."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(Threads().run(lambda: next(iter(()))), timeout=10)


async def test_never_runs_more_than_it_may_and_drops_nothing() -> None:
    """Work beyond the bound waits its turn, and all of it is done."""
    threads, lock, now, peak = Threads(3), threading.Lock(), 0, 0
    gate = threading.Barrier(3)

    def work() -> int:
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
        gate.wait(10)
        with lock:
            now -= 1
        return 1

    assert 12 == sum(await asyncio.gather(*(threads.run(work) for _ in range(12))))  # type: ignore[arg-type]
    assert 3 == peak


async def test_a_hung_function_takes_no_place_once_given_up() -> None:
    """When the caller of a hung function is cancelled, others get its place at once."""
    threads, started, release = Threads(1), threading.Event(), threading.Event()

    def hang() -> None:
        started.set()
        release.wait(30)

    hung = asyncio.create_task(threads.run(hang))
    while not started.is_set():
        await asyncio.sleep(0)
    queued = asyncio.create_task(threads.run(lambda: "answered"))
    await asyncio.sleep(0)
    hung.cancel()
    try:
        assert "answered" == await asyncio.wait_for(queued, timeout=10)
    finally:
        release.set()
    assert hung.cancelled()


async def test_a_function_cancelled_before_it_started_never_runs() -> None:
    """Work that nobody waits for any more is not begun."""
    threads, started, release = Threads(1), threading.Event(), threading.Event()
    ran: list[str] = []
    first = asyncio.create_task(threads.run(lambda: (started.set(), release.wait(30))))
    while not started.is_set():
        await asyncio.sleep(0)
    second = asyncio.create_task(threads.run(lambda: ran.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    release.set()
    await first
    assert "third" == await threads.run(lambda: "third")
    assert ([], True) == (ran, second.cancelled())
