"""The scheduler of one list of steps: whatever is ready runs, a slow step never holds back a ready one."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from trackrecord.canonical import Json
from trackrecord.context.strands import as_strand, here
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
    return place.steps[steps.steps[-1].id]["data"]


def _is_chain(steps: StepList) -> bool:
    """Whether nothing declares dependencies, so that the steps run in the order written."""
    return not any(step.depends_on for step in steps.steps)


async def _run_one(place: Place, step: Step) -> None:
    await place.pulse.beat()
    place.steps[step.id] = result = await run_step(place, step)
    if step.output is not None:
        place.names[step.output] = result["data"]


class _Graph:
    """One run of a list whose steps declare dependencies."""

    def __init__(self, place: Place, steps: StepList) -> None:
        self._place = place
        self._steps = steps
        self._open = [len(before) for before in steps.dependencies]
        self._ready: deque[int] = deque(index for index, count in enumerate(self._open) if count == 0)
        self._flying: dict[asyncio.Task[None], int] = {}
        self._scope = here()

    async def run(self) -> None:
        most = self._place.agent.limits.max_parallel_steps
        try:
            while self._ready or self._flying:
                while self._ready and len(self._flying) < most:
                    self._start(self._ready.popleft())
                if self._flying:
                    await self._land()
        finally:
            await self._abandon()

    def _start(self, index: int) -> None:
        if self._scope is not None:
            self._scope.begin()
        work = as_strand(self._scope, partial(_run_one, self._place, self._steps.steps[index]))
        self._flying[asyncio.get_running_loop().create_task(work)] = index

    async def _land(self) -> None:
        done = await self._awaited()
        failed = [error for task in done if (error := task.exception()) is not None]
        for task in done:
            index = self._flying.pop(task)
            for after in self._steps.dependants[index]:
                self._open[after] -= 1
                if self._open[after] == 0:
                    self._ready.append(after)
        if failed:
            raise first(BaseExceptionGroup("steps", failed))

    async def _awaited(self) -> set[asyncio.Task[None]]:
        """Those that have ended; this strand rests meanwhile, and goes on in the place of one of them."""
        scope = self._scope
        if scope is None:
            return (await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED))[0]
        scope.rest()
        try:
            done, _ = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            scope.begin()
            raise
        scope.rest(len(done) - 1)
        return done

    async def _abandon(self) -> None:
        """Cancel what is in flight and wait for it, so that its spans are written before the run ends."""
        for task in self._flying:
            task.cancel()
        if self._flying:
            await asyncio.wait(self._flying)
            if self._scope is not None:
                self._scope.rest(len(self._flying))
