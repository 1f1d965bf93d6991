"""The one bridge for blocking callers: the same objects, an event loop in its own thread. No second implementation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from trackrecord.agent import Agent
from trackrecord.errors import BadInput
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.runner import Run
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
        """Commit what is under way, let go of the database and stop the loop."""
        if self._loop is not None:
            try:
                self._wait(self._inner.close())
            finally:
                self._stop()

    def run(self, agent: Agent, inputs: Mapping[str, object] | None = None, **options: Any) -> Run:
        """Run an agent to its end; arguments, result and errors as of `Trackrecord.run`. Ctrl-C cancels and records."""
        return self._wait(self._inner.run(agent, inputs, **options))

    def increment_agent_stats(self, agent_id_input: str, user_id_input: str, success: bool) -> None:
        """As `Trackrecord.increment_agent_stats`."""
        self._wait(self._inner.increment_agent_stats(agent_id_input, user_id_input, success))

    def update_agent_intensity_metrics(self, data: AgentExecutionData) -> None:
        """As `Trackrecord.update_agent_intensity_metrics`."""
        self._wait(self._inner.update_agent_intensity_metrics(data))

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            work.close()
            raise BadInput("this SyncTrackrecord is not open", cure="Use `with SyncTrackrecord(…) as tr:`.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()  # the run is cancelled and recorded before this thread goes on
            self._settle()
            raise

    def _settle(self) -> None:
        """Wait until everything cancelled has been recorded."""
        if self._loop is None:
            return

        async def others() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            if tasks:
                await asyncio.wait(tasks, timeout=10)

        asyncio.run_coroutine_threadsafe(others(), self._loop).result()

    def _stop(self) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
