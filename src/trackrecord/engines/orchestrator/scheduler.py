"""The scheduler of one list of steps: whatever is ready runs, a slow step never holds back a ready one."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from trackrecord.canonical import Json
from trackrecord.engines.flight import Flight, failure
from trackrecord.engines.orchestrator.place import Place
from trackrecord.engines.orchestrator.stepping import run_step
from trackrecord.engines.window import first
from trackrecord.workflow.steps import Step, StepList


async def run_list(place: Place, steps: StepList) -> Json:
    """Run a list to its end and give the last step's data; None for an empty list.

    Raises:
        RunError: a step failed and nothing tolerated it; what was in flight is cancelled, its spending kept.
    """
    if not steps.steps:
        return None
    if _is_chain(steps):
        for step in steps.steps:
            await _run_one(place, step)
    else:
        await _Graph(place, steps).run()
    return place.steps.maps[0][steps.steps[-1].id]["data"]


def _is_chain(steps: StepList) -> bool:
    """Whether nothing declares dependencies, so that the steps run in the order written."""
    for step in steps.steps:  # noqa: SIM110  # asked once an iteration, and all() over a generator takes three times as long
        if step.depends_on:
            return False
    return True


async def _run_one(place: Place, step: Step) -> None:
    if place.pulse.is_due():
        await asyncio.sleep(0)
    place.steps.maps[0][step.id] = result = await run_step(place, step)
    if step.output is not None:
        place.names[step.output] = result["data"]


class _Graph:
    """One run of a list whose steps declare dependencies."""

    def __init__(self, place: Place, steps: StepList) -> None:
        self._place = place
        self._steps = steps
        self._open = [len(before) for before in steps.dependencies]
        self._ready: deque[int] = deque(index for index, count in enumerate(self._open) if count == 0)
        self._flight = Flight[None]()

    async def run(self) -> None:
        most = self._place.agent.limits.max_parallel_steps
        try:
            while self._ready or len(self._flight):
                while self._ready and len(self._flight) < most:
                    index = self._ready.popleft()
                    self._flight.start(index, partial(_run_one, self._place, self._steps.steps[index]))
                if len(self._flight):
                    await self._land()
        finally:
            await self._flight.stop()

    async def _land(self) -> None:
        landed = await self._flight.landed()
        failed = [error for _, task in landed if (error := failure(task)) is not None]
        for index, _ in landed:
            for after in self._steps.dependants[index]:
                self._open[after] -= 1
                if self._open[after] == 0:
                    self._ready.append(after)
        if failed:
            raise first(BaseExceptionGroup("steps", failed))
