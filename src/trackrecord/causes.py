"""Why a run ended: whatever its engine raised, as an error of the run with the code its record will have. Pure.

Step 4 of the walk, at its end. Must never raise.
"""

from __future__ import annotations

import asyncio

from trackrecord.context.calls import describe, is_real_cancellation
from trackrecord.context.live_run import LiveRun
from trackrecord.errors import Cancelled, Conflict, InternalError, RunError, StoreError, TimedOut, TrackrecordError


def taken_over(run_id: str) -> Conflict:
    """Somebody else has ended the run; its record is theirs."""
    return Conflict(
        f"run {run_id!r} was ended by somebody else while it ran here",
        cure=f"Its record is the one stored: trackrecord show {run_id}.",
    )


def cause(error: BaseException, live: LiveRun, seconds: float) -> RunError:
    """Why the run ended: the run's own errors as they are, the rest by where it came from."""
    if isinstance(error, RunError):
        return error
    if live.cancel_code is not None and isinstance(error, asyncio.CancelledError):
        return Cancelled("the run was cancelled", code=live.cancel_code)
    if is_real_cancellation(error):  # nobody asked this run to stop: the program is shutting its event loop down
        return Cancelled("the program that ran it was stopped", code="signal")
    if isinstance(error, TimeoutError) and live.timeout is not None and live.timeout.expired():
        return TimedOut(
            f"the run worked longer than its {seconds:g} s", cure="Raise limits.run_timeout_s, or do less in one run."
        )
    if isinstance(error, StoreError):
        return InternalError(f"the run was stopped because its journal could not be stored: {error.message}")
    if isinstance(error, TrackrecordError):
        return InternalError(error.message, cure=error.cure)
    return InternalError(f"the engine raised {describe(error)}")
