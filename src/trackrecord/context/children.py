"""Child runs: another agent as a run of its own, at a place of this one. Waits for its end; ends it with its parent.

While the child is carried here its strand is at work; while it waits, or another process has it, the strand rests. What
the child used is the child's alone: the span here holds its time and its id, and no figure of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from trackrecord.canonical import Json, encode_clean
from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform, new_outcome
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import ChildEnd, ChildRuns
from trackrecord.context.questions import AgentRef
from trackrecord.errors import Conflict, LimitReached, Refused, RequestError, StoreError
from trackrecord.undisturbed import undisturbed

LOOK_S: Final = 1.0  # how often it is looked whether a child has ended in another process


def running(run: LiveRun, children: ChildRuns, agent: AgentRef, inputs: Mapping[str, Json]) -> Perform:
    """Run an agent as a child of this place; gives its output."""

    async def child(effect: Effect) -> Outcome:
        await run.journal.commit()  # the marker first: a child is never there without its parent's
        try:
            end = await _ended(run, children, effect.path, agent, inputs)
        except asyncio.CancelledError:
            await _left(run, children, effect.path)
            raise
        except (RequestError, Refused, LimitReached) as error:
            code = error.code if isinstance(error, LimitReached) else "step_failed"
            cure = f". {error.cure}" if error.cure else ""
            raise EffectFailed(f"{agent.name!r} was not started: {error.message}{cure}", code=code) from None
        return _outcome(end)

    return child


async def _ended(run: LiveRun, children: ChildRuns, path: str, agent: AgentRef, inputs: Mapping[str, Json]) -> ChildEnd:
    end = await children.carry(path, agent, inputs)
    while end is None:
        await run.wait(path, "child", look_s=LOOK_S)
        end = await children.carry(path, agent, inputs)
    return end


async def _left(run: LiveRun, children: ChildRuns, path: str) -> None:
    """What waited for the child is being stopped: the child ends first, or goes on elsewhere as its parent does."""
    if run.parked is not None and run.cancel_code is None:
        if run.parked.reason == "handover":
            children.let_go(path)
        return
    try:
        await undisturbed(run.journal.commit())
    except Conflict:  # the parent is another process's by now, and its child as well
        children.let_go(path)
        return
    except StoreError:  # whatever is wrong with the journal, the child has one of its own
        pass
    await undisturbed(children.end(path, run.cancel_code or "signal"))


def _outcome(end: ChildEnd) -> Outcome:
    told: dict[str, Json] = {"child_run_id": end.run_id}
    if end.is_output_lost:
        raise EffectFailed(f"child run {end.run_id} completed, and what it gave was not kept", code="internal")
    if end.status == "completed":
        return new_outcome(value=end.output, text=encode_clean(end.output), attributes=told)
    why = f": {end.error_message}" if end.error_message else ""
    if end.status == "failed":
        message, code = f"child run {end.run_id} failed{why}", end.error_code or "step_failed"
    else:  # the other codes belong to states that this run is not in
        of = f" ({end.error_code})" if end.error_code else ""
        message, code = f"child run {end.run_id} ended as {end.status}{of}{why}", "step_failed"
    raise EffectFailed(message, code=code, attributes=told)
