"""Where a step stands: its context, the path above it, and what its expressions may see. No scheduling, no effects."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.context.run_context import RunContext
from trackrecord.engines.race import Lane
from trackrecord.sealed import sealed_in_order
from trackrecord.workflow.steps import StepList

_STEPS_PER_BREATH: Final = 64


@dataclass(slots=True)
class Pulse:
    """Lets other work on the event loop breathe while pure steps follow one another without waiting for anything."""

    _steps: int = 0

    def is_due(self) -> bool:
        """Count a step; whether it is time to wait once."""
        self._steps += 1
        return self._steps % _STEPS_PER_BREATH == 0

    async def beat(self) -> None:
        """Count a step; every so often, wait once."""
        if self.is_due():
            await asyncio.sleep(0)


@sealed_in_order
class Place:
    """One scope of a run.

    Attributes:
        above: path of the scope below the context's own, with its trailing `/`; empty at the top.
        scope: roots that expressions see: inputs, steps, vars, item, index, run, env, now.
        steps: results of this scope's steps and of those around it, by id.
        names: values bound by `output`, of this scope and those around it.
        run_list: runs a list of steps at a place and gives the last step's data.
        is_tolerant: whether a step around accepts what fails in here, so that it is tolerated and not failed.
        lane: the place in the innermost race around; None outside of any.
    """

    ctx: RunContext
    agent: Agent
    inputs: Mapping[str, Json]
    above: str
    scope: dict[str, object]
    steps: ChainMap[str, dict[str, Json]]
    names: ChainMap[str, Json]
    run_list: RunList
    pulse: Pulse = field(default_factory=Pulse)
    is_tolerant: bool = False
    lane: Lane | None = None

    def tolerant(self) -> Place:
        """The same place, where whatever fails is accepted further up."""
        return self if self.is_tolerant else replace(self, is_tolerant=True)

    def racing(self, lane: Lane) -> Place:
        """The same place on a lane of a race: whatever fails there, another may make good."""
        return replace(self, is_tolerant=True, lane=lane)

    def has_lost(self) -> bool:
        """Whether what runs here is being stopped because another branch was first."""
        return self.lane is not None and self.lane.is_lost()

    def path_of(self, step_id: str) -> str:
        """The full path of a step of this scope, as a record writes it."""
        return self.ctx.path(f"{self.above}s:{step_id}")

    def below(self, segments: str, bound: Mapping[str, object] | None = None) -> Place:
        """The scope of a body: sees everything here, what it adds stays inside."""
        steps = ChainMap({}, *self.steps.maps)
        names = ChainMap({}, *self.names.maps)
        scope = {**self.scope, **(bound or {}), "steps": steps, "vars": names}
        return Place(
            self.ctx,
            self.agent,
            self.inputs,
            f"{self.above}{segments}/",
            scope,
            steps,
            names,
            self.run_list,
            self.pulse,
            self.is_tolerant,
            self.lane,
        )

    def closed(self, segments: str, inputs: Mapping[str, Json]) -> Place:
        """The scope of a workflow inside this one: it sees its own inputs and nothing of what is here."""
        steps: ChainMap[str, dict[str, Json]] = ChainMap({})
        names: ChainMap[str, Json] = ChainMap({})
        kept = {name: self.scope[name] for name in ("run", "env", "now")}
        scope = {**kept, "inputs": dict(inputs), "steps": steps, "vars": names}
        above = f"{self.above}{segments}/"
        return replace(self, inputs=inputs, above=above, scope=scope, steps=steps, names=names)

    def at(self, segments: str) -> Place:
        """The same scope under another path: a step in its second try, a fallback under its step."""
        return Place(
            self.ctx,
            self.agent,
            self.inputs,
            f"{self.above}{segments}/",
            self.scope,
            self.steps,
            self.names,
            self.run_list,
            self.pulse,
            self.is_tolerant,
            self.lane,
        )


RunList = Callable[[Place, StepList], Awaitable[Json]]


def outermost(ctx: RunContext, agent: Agent, inputs: Mapping[str, Json], run_list: RunList) -> Place:
    """The scope of the whole workflow."""
    steps: ChainMap[str, dict[str, Json]] = ChainMap({})
    names: ChainMap[str, Json] = ChainMap({})
    scope: dict[str, object] = {
        "inputs": dict(inputs),
        "steps": steps,
        "vars": names,
        "run": {"id": ctx.run_id, "agent": agent.name},
        "env": {},
        "now": ctx.now,
    }
    return Place(ctx, agent, inputs, "", scope, steps, names, run_list)
