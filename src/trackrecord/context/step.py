"""The span of one try of a step. Pure steps cost one of these and nothing else."""

from __future__ import annotations

import asyncio
from types import TracebackType

from trackrecord.context.limits import span_limit
from trackrecord.context.live_run import LiveRun
from trackrecord.errors import RunError
from trackrecord.record.spans import SpanStatus, new_span

_LOST = "stopped: another branch was first"


class StepScope:
    """A step while it runs; what is set on it stands in its span.

    Attributes:
        status: how it ends when no error leaves it.
        items: iterations, branches or items a container started; 1 for a decision; None for the rest.
        error: the cause of a failure that a policy accepts.
        has_lost: whether it is being stopped because another branch of a race was first: no failure of the run.
    """

    __slots__ = ("_attempt", "_path", "_run", "_started_us", "_type", "error", "has_lost", "items", "status")

    def __init__(self, run: LiveRun, path: str, step_type: str, attempt: int) -> None:
        """Made by `RunContext.step`."""
        self._run = run
        self._path = path
        self._type = step_type
        self._attempt = attempt
        self.status: SpanStatus = "ok"
        self.items: int | None = None
        self.error: RunError | None = None
        self.has_lost = False
        self._started_us = 0

    def __enter__(self) -> StepScope:
        """Start the clock.

        Raises:
            LimitReached: the run has as many spans as it may.
        """
        if self._run.tally.span_count >= self._run.limits.max_spans:
            raise span_limit(self._run.limits.max_spans, self._path)
        self._started_us = self._run.elapsed_us()
        if self._run.watcher is not None:
            self._run.announce(self._path, "step", self._type)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the span; an error goes on to whoever is next."""
        if error is not None:
            if self._run.parked is not None and isinstance(error, asyncio.CancelledError):
                return  # the run does not go on for now; the step is not over
            self.status = self._ending(error)
            if isinstance(error, RunError):
                self.error = error
        cause = self.error
        self._run.write(
            new_span(
                path=self._path,
                attempt=self._attempt,
                kind="step",
                status=self.status,
                epoch=self._run.epoch,
                start_us=self._started_us,
                duration_us=self._run.elapsed_us() - self._started_us,
                step_type=self._type,
                items=self.items,
                error_code=None if cause is None else cause.code,
                error_message=self._told(),
            )
        )

    def _told(self) -> str | None:
        if self.has_lost:
            return _LOST
        return None if self.error is None else self._run.error_text(self.error.message)

    def _ending(self, error: BaseException) -> SpanStatus:
        if not isinstance(error, asyncio.CancelledError):
            return "failed"
        return "tolerated" if self.has_lost else "cancelled"
