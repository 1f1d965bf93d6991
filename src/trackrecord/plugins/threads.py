"""Threads for blocking functions, beside the event loop and never in its way.

Not `asyncio.to_thread`: its pool is a handful of threads that a few hung tools use up for everybody, it is joined when
the loop closes, so that one hung tool keeps the process from ending, and a function that raises StopIteration is never
answered. Here a call that was given up loses its place in the count, and every thread is a daemon.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final

MAX_WORKERS: Final = 32
_IDLE_S: Final = 30.0


@dataclass(slots=True, eq=False, kw_only=True)
class _Job:
    work: Callable[[], object]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[tuple[object, BaseException | None]]
    state: str = field(default="queued")  # queued → running → done, or given_up from the first two


class Threads:
    """Runs blocking functions in at most `most` threads, plus those whose caller stopped waiting.

    A thread cannot be stopped: a function that hangs keeps its thread until the process ends.
    """

    def __init__(self, most: int = MAX_WORKERS) -> None:
        """Start no thread yet."""
        self._most = most
        self._queue: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._worker_count = 0
        self._idle_count = 0

    async def run(self, function: Callable[[], object]) -> object:
        """What the function returns, or whatever it raises, of any kind; the caller's context variables are its own.

        When the caller is cancelled, a function that has not started never does; one that runs is left behind.
        """
        loop = asyncio.get_running_loop()
        context = copy_context()
        job = _Job(work=lambda: context.run(function), loop=loop, answer=loop.create_future())
        self._submit(job)
        try:
            value, error = await job.answer
        except asyncio.CancelledError:
            self._give_up(job)
            raise
        if error is None:
            return value
        try:
            raise error
        finally:
            del error, job  # the traceback refers to this frame, and the frame must not refer back

    def _submit(self, job: _Job) -> None:
        with self._changed:
            self._queue.append(job)
            if self._idle_count >= len(self._queue):
                self._changed.notify()
            elif self._worker_count < self._most:
                self._start_worker()

    def _start_worker(self) -> None:
        self._worker_count += 1
        threading.Thread(target=self._work, name="trackrecord-tool", daemon=True).start()

    def _give_up(self, job: _Job) -> None:
        with self._changed:
            if job.state == "running":
                self._worker_count -= 1
                if self._queue and self._worker_count < self._most:
                    self._start_worker()
            elif job.state == "queued":
                self._queue.remove(job)
            job.state = "given_up"

    def _work(self) -> None:
        while (job := self._next()) is not None:
            value, error = _attempt(job.work)
            with self._changed:
                was_given_up = job.state == "given_up"
                job.state = "done"
            _answer(job, value, error)
            del value, error
            if was_given_up:
                return

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._queue:
                self._idle_count += 1
                is_woken = self._changed.wait(_IDLE_S)
                self._idle_count -= 1
                if not is_woken and not self._queue:
                    self._worker_count -= 1
                    return None
            job = self._queue.popleft()
            job.state = "running"
            return job


def _attempt(work: Callable[[], object]) -> tuple[object, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # a tool may raise SystemExit or worse: its caller hears of it, the thread lives
        return None, error


def _answer(job: _Job, value: object, error: BaseException | None) -> None:
    def deliver() -> None:
        if not job.answer.done():
            job.answer.set_result((value, error))

    try:
        job.loop.call_soon_threadsafe(deliver)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


THREADS: Final = Threads()
