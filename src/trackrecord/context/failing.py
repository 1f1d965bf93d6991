"""Places around each attempt where a test kills the process; in the chain of wrappers only while something is armed.

`<kind>.marker` before its marker, `.before` when that is stored and nothing has left, `.after` when the outside has
answered and nothing of it is stored, `.done` when its result is committed. Must never change an outcome.
"""

from __future__ import annotations

from trackrecord import failpoints
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun


def failing_outside(run: LiveRun, proceed: Perform) -> Perform:
    """Around what records: `marker` and `done`."""

    async def pass_by(effect: Effect) -> Outcome:
        failpoints.reach(f"{effect.kind}.marker", effect.path, effect.attempt)
        try:
            outcome = await proceed(effect)
        except EffectFailed:
            await _done(run, effect)
            raise
        await _done(run, effect)
        return outcome

    return pass_by


def failing_inside(run: LiveRun, proceed: Perform) -> Perform:
    """Within what records: `before` and `after`."""
    del run  # every wrapper is given the run; this one needs nothing of it

    async def pass_by(effect: Effect) -> Outcome:
        failpoints.reach(f"{effect.kind}.before", effect.path, effect.attempt)
        try:
            outcome = await proceed(effect)
        except EffectFailed:
            failpoints.reach(f"{effect.kind}.after", effect.path, effect.attempt)
            raise
        failpoints.reach(f"{effect.kind}.after", effect.path, effect.attempt)
        return outcome

    return pass_by


async def _done(run: LiveRun, effect: Effect) -> None:
    name = f"{effect.kind}.done"
    if failpoints.armed_at(name, effect.path, effect.attempt) is not None:
        await run.journal.commit()
        failpoints.reach(name, effect.path, effect.attempt)
