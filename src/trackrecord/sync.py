"""The one bridge for blocking callers: the same objects, an event loop in its own thread. No second implementation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import wait
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from trackrecord.agent import Agent
from trackrecord.errors import BadInput
from trackrecord.handles import Run, Started
from trackrecord.memory.entries import LearntKind
from trackrecord.parity import Comparison
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.store.asked import StoredQuestion
from trackrecord.store.consolidation import Consolidated
from trackrecord.store.feedback import Feedback
from trackrecord.store.ledger import CreditAccount
from trackrecord.store.memory_book import Erased
from trackrecord.store.memory_lists import StoredMemory
from trackrecord.wiring import Trackrecord

Result = TypeVar("Result")


class SyncTrackrecord:
    """`Trackrecord` for programs without an event loop; takes the same arguments.

    with SyncTrackrecord("sqlite:///runs.db") as tr:
        run = tr.run(Agent.load("agent.yaml"), inputs={"file": "tickets.csv"})
    """

    def __init__(self, database: str | None = None, **options: Any) -> None:
        """Nothing is opened yet; arguments as of `Trackrecord`."""
        self._inner = Trackrecord(database, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the loop and open the database."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="trackrecord", daemon=True)
            self._thread.start()
            try:
                self._wait(self._inner.open())
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database and stop the loop."""
        self.close()

    def close(self) -> None:
        """Cancel and record what is under way, let go of the database and stop the loop; closing twice is nothing."""
        if self._loop is not None:
            try:
                self._wait(self._inner.close(), interrupt=_go_on)
            finally:
                self._stop()

    def run(self, agent: Agent, inputs: Mapping[str, object] | None = None, **options: Any) -> Run:
        """Run an agent to its end; arguments, result and errors as of `Trackrecord.run`.

        Raises:
            KeyboardInterrupt: Ctrl-C came meanwhile; the run is cancelled and recorded first.
        """
        started = self._wait(self._inner.start(agent, inputs, **options))
        return self._wait(_end(started), interrupt=lambda: started.cancel("signal"))

    def retry(self, run_id: str, **options: Any) -> Run:
        """Run again what did not complete, to its end; errors as of `Trackrecord.retry`, else as of `run`."""
        started = self._wait(self._inner.retry(run_id, **options))
        return self._wait(_end(started), interrupt=lambda: started.cancel("signal"))

    def fork(self, run_id: str, from_step: str, **options: Any) -> Run:
        """Run again from a step what has ended, to its end; errors as of `Trackrecord.fork`, else as of `run`."""
        started = self._wait(self._inner.fork(run_id, from_step, **options))
        return self._wait(_end(started), interrupt=lambda: started.cancel("signal"))

    def resume(self, run_id: str, **options: Any) -> Run:
        """Go on with a run that nobody carries, to its end; errors as of `Trackrecord.resume`, else as of `run`."""
        started = self._wait(self._inner.resume(run_id, **options))
        return self._wait(_end(started), interrupt=lambda: started.cancel("signal"))

    def left_behind(self) -> list[str]:
        """Ids of the runs that nobody carries; as `Trackrecord.left_behind`."""
        return self._wait(self._inner.left_behind())

    def cancel(self, run_id: str) -> str:
        """End a run that has not ended, whoever carries it; as `Trackrecord.cancel`."""
        return self._wait(self._inner.cancel(run_id))

    def parity(self, agent: Agent, inputs: Mapping[str, object] | None = None, **options: Any) -> Comparison:
        """Run an agent through two engines and compare what they left; as `Trackrecord.parity`, while this is open."""
        return self._wait(self._inner.parity(agent, inputs, **options))

    def grant_credits(self, amount: int, **options: Any) -> CreditAccount:
        """Give a user credits; as `Trackrecord.grant_credits`."""
        return self._wait(self._inner.grant_credits(amount, **options))

    def adjust_credits(self, amount: int, note: str, **options: Any) -> CreditAccount:
        """Correct a balance, with the reason; as `Trackrecord.adjust_credits`."""
        return self._wait(self._inner.adjust_credits(amount, note, **options))

    def credits(self, **options: Any) -> CreditAccount | None:
        """How a user's credit account stands; as `Trackrecord.credits`."""
        return self._wait(self._inner.credits(**options))

    def increment_agent_stats(self, agent_id_input: str, user_id_input: str, success: bool) -> None:
        """As `Trackrecord.increment_agent_stats`."""
        self._wait(self._inner.increment_agent_stats(agent_id_input, user_id_input, success))

    def update_agent_intensity_metrics(self, data: AgentExecutionData) -> None:
        """As `Trackrecord.update_agent_intensity_metrics`."""
        self._wait(self._inner.update_agent_intensity_metrics(data))

    def feedback(
        self, run_id: str, verdict: Literal["good", "bad"], text: str | None = None, **options: Any
    ) -> Feedback:
        """As `Trackrecord.feedback`."""
        return self._wait(self._inner.feedback(run_id, verdict, text, **options))

    def approvals(self, run_id: str | None = None) -> Sequence[StoredQuestion]:
        """What waits for a person; as `Trackrecord.approvals`."""
        return self._wait(self._inner.approvals(run_id))

    def approve(self, run_id: str, path: str | None = None, **options: Any) -> StoredQuestion:
        """As `Trackrecord.approve`."""
        return self._wait(self._inner.approve(run_id, path, **options))

    def reject(self, run_id: str, path: str | None = None, **options: Any) -> StoredQuestion:
        """As `Trackrecord.reject`."""
        return self._wait(self._inner.reject(run_id, path, **options))

    def settle(
        self, run_id: str, path: str, outcome: Literal["done", "retry"], data: object = None, **options: Any
    ) -> StoredQuestion:
        """As `Trackrecord.settle`."""
        return self._wait(self._inner.settle(run_id, path, outcome, data, **options))

    @property
    def memory(self) -> SyncMemoryBook:
        """As `Trackrecord.memory`, for programs without an event loop."""
        return SyncMemoryBook(self._inner, self._wait)

    def _wait(self, work: Coroutine[Any, Any, Result], *, interrupt: Callable[[], object] | None = None) -> Result:
        """What the work gives.

        Ctrl-C calls `interrupt` in the loop (without one it cancels the work) and is raised when the work has ended; a
        second one is raised at once.
        """
        loop = self._loop
        if loop is None:
            work.close()
            raise BadInput("this SyncTrackrecord is not open", cure="Use `with SyncTrackrecord(…) as tr:`.")
        tasks: list[asyncio.Task[Any] | None] = []

        async def carry() -> Result:
            tasks.append(asyncio.current_task())
            return await work

        def cancel() -> None:
            for task in tasks:
                if task is not None:
                    task.cancel()
            if not tasks:
                loop.call_soon(cancel)  # it is about to begin

        future = asyncio.run_coroutine_threadsafe(carry(), loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(interrupt or cancel)
            wait([future])
            raise

    def _stop(self) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class SyncMemoryBook:
    """`MemoryBook` for programs without an event loop: the same methods with the same arguments."""

    def __init__(self, inner: Trackrecord, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """Made by `SyncTrackrecord.memory`."""
        self._book = inner.memory
        self._wait = wait

    def list(self, **options: Any) -> Sequence[StoredMemory]:
        """As `MemoryBook.list`."""
        return self._wait(self._book.list(**options))

    def get(self, memory: str) -> StoredMemory:
        """As `MemoryBook.get`."""
        return self._wait(self._book.get(memory))

    def add(self, kind: LearntKind, text: str, **options: Any) -> StoredMemory:
        """As `MemoryBook.add`."""
        return self._wait(self._book.add(kind, text, **options))

    def pin(self, memory: str, *, is_pinned: bool = True) -> StoredMemory:
        """As `MemoryBook.pin`."""
        return self._wait(self._book.pin(memory, is_pinned=is_pinned))

    def forget(self, *memories: str) -> int:
        """As `MemoryBook.forget`."""
        return self._wait(self._book.forget(*memories))

    def erase(self, *memories: str, **options: Any) -> Erased:
        """As `MemoryBook.erase`."""
        return self._wait(self._book.erase(*memories, **options))

    def prune(self) -> int:
        """As `MemoryBook.prune`."""
        return self._wait(self._book.prune())

    def consolidate(self, **options: Any) -> Consolidated:
        """As `MemoryBook.consolidate`."""
        return self._wait(self._book.consolidate(**options))


async def _end(started: Started) -> Run:
    return await started.task


def _go_on() -> None:
    """What Ctrl-C does to a close: nothing, for it is recording already."""
