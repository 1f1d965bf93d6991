"""The child runs of one run: started once for each place, found again when it is resumed, ended before it ends.

Step 4 of the walk, from the parent's side; the child takes the whole walk itself. A place of a run has one child: the
accepting transaction is the fence, and its epoch is the child's own. Must never add anything of a child to its parent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast

from trackrecord.admission import Admitted, Request
from trackrecord.canonical import Json, dumps
from trackrecord.context.protocols import ChildEnd
from trackrecord.context.questions import AgentRef
from trackrecord.errors import (
    CannotResume,
    Conflict,
    LimitReached,
    Refused,
    RequestError,
    TerminalStatus,
    UnknownAgent,
)
from trackrecord.sealed import sealed
from trackrecord.store.kept import output_of
from trackrecord.store.protocol import ChildRun, Kin
from trackrecord.workflow.effects import places
from trackrecord.workflow.steps import SubWorkflowBody

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.context.live_run import LiveRun
    from trackrecord.handles import Started
    from trackrecord.runner import Runner

MAX_DEPTH: Final = 16
LOOK_S: Final = 0.1
ENDING_S: Final = 30.0  # how long it is waited for another process to end a child; a lease is over before that

FindAgent = Callable[[str, AgentRef, "Agent"], "Agent"]
"""The agent of a name for a tenant, seen from the agent that asks; raises UnknownAgent, BadAgent."""


@sealed
class Parent:
    """Whose child a run is, and the epoch that must hold that one while it is accepted."""

    run_id: str
    path: str
    epoch: int


def no_agents(tenant_id: str, wanted: AgentRef, asking: Agent) -> Agent:
    """Where agents cannot be had by name."""
    raise UnknownAgent(f"there is no agent {wanted.name!r}", cure="Agents cannot be had by name here.")


@dataclass(slots=True, kw_only=True)
class Children:
    """Implements `ChildRuns` for one epoch of one run.

    Attributes:
        asking: the parent's agent; names are looked up from its folder.
        now: the present that the parent was given, for its children as well; None when it was given none.
        may_have: whether an earlier epoch may have started one.
    """

    runner: Runner
    parent: LiveRun
    asking: Agent
    now: str | None = None
    may_have: bool = False
    _ids: dict[str, str] = field(default_factory=dict[str, str])
    _line: list[Kin] | None = None

    async def carry(self, path: str, agent: AgentRef, inputs: Mapping[str, Json]) -> ChildEnd | None:
        """Start the child of a place, or go on with the one that is there, and wait while it is carried here.

        Raises:
            RequestError, Refused, LimitReached: it cannot be started. Conflict: the parent is held by another epoch.
            StoreError: it could not be stored.
        """
        found = self._found(path)
        if found is not None and found.has_ended:
            return _end(found)
        if found is None:
            started = await self._started(path, agent, inputs)
        else:
            started = await self._taken_up(found)
            if started is None:
                return None
        try:
            run = await asyncio.shield(started.task)
        except Conflict:
            if self._found(path) is None:  # it was never accepted: the parent is not ours any more
                raise
            return None
        except (RequestError, Refused):
            self._ids.pop(path, None)
            raise
        ending = run.record.ending
        if ending is None:
            return None
        return ChildEnd(
            run_id=run.id,
            status=ending.status,
            output=run.output,
            error_code=ending.error_code,
            error_message=ending.error_message,
        )

    async def end(self, path: str, code: Literal["user", "signal"]) -> None:
        """Cancel the child of a place, wherever it is, and return when its end is recorded.

        Raises:
            StoreError: it could not be stored.
        """
        here = self.runner.live.get(self._ids.get(path, ""))
        if here is not None:
            here.cancel(code)
            await asyncio.wait({here.task})
        found = self._found(path)
        if found is not None and not found.has_ended:
            await end(self.runner, self.parent.origin.tenant_id, self.parent.origin.run_id, found, code)

    def let_go(self, path: str) -> None:
        """Have the child of a place go on in another process."""
        here = self.runner.live.get(self._ids.get(path, ""))
        if here is not None and here.live is not None:
            here.live.drain()

    @property
    def has_any(self) -> bool:
        """Whether the run may have child runs."""
        return self.may_have or bool(self._ids)

    def _found(self, path: str) -> ChildRun | None:
        if not self.may_have and path not in self._ids:
            return None
        origin = self.parent.origin
        found = self.runner.store.children(origin.tenant_id, origin.run_id, path)
        if not found:
            return None
        self._ids[path] = found[0].run_id
        return found[0]

    async def _taken_up(self, found: ChildRun) -> Started | None:
        """The child under way here; None when it waits, or another process has it."""
        runner, tenant_id = self.runner, self.parent.origin.tenant_id
        here = runner.live.get(found.run_id)
        if here is not None or not found.is_free:
            return here
        try:
            return await runner.resume(tenant_id, found.run_id)
        except CannotResume:
            await runner.abandon(tenant_id, found.run_id)
        except (Conflict, RequestError, Refused):  # somebody was faster, or another process has what it needs
            pass
        return None

    async def _started(self, path: str, wanted: AgentRef, inputs: Mapping[str, Json]) -> Started:
        origin, runner = self.parent.origin, self.runner
        agent = self._agent(wanted)
        self._check_line(agent)
        request = Request(
            agent=agent.with_limits(runner.limits),
            inputs=inputs,
            execution_type="child",
            tenant_id=origin.tenant_id,
            user_id=origin.user_id,
            now=self.now,
        )
        await runner.ready(agent)
        started = runner.start(request, parent=Parent(run_id=origin.run_id, path=path, epoch=self.parent.epoch))
        self._ids[path] = started.run_id
        return started

    def _agent(self, wanted: AgentRef) -> Agent:
        origin = self.parent.origin
        try:
            return self.runner.find_agent(origin.tenant_id, wanted, self.asking)
        except UnknownAgent:
            refused(self.runner, origin.tenant_id, origin.user_id, ("run", origin.run_id), wanted)
            raise

    def _check_line(self, agent: Agent) -> None:
        """A run has no ancestor of its own agent's version, and not more than fifteen.

        Raises:
            LimitReached: it would.
        """
        if self._line is None:
            origin = self.parent.origin
            self._line = list(self.runner.store.lineage(origin.tenant_id, origin.run_id, MAX_DEPTH))
        chain = " → ".join(repr(one.name) for one in self._line) + f" → {agent.name!r}"
        if any((one.agent_id, one.version) == (agent.id, agent.version) for one in self._line):
            raise LimitReached(f"it would run inside itself: {chain}", cure="Have no agent run one that runs it.")
        if len(self._line) >= MAX_DEPTH:
            raise LimitReached(
                f"it would be nested deeper than {MAX_DEPTH}: {chain}", cure="Put what it does into the run itself."
            )


def check_agents(runner: Runner, admitted: Admitted) -> None:
    """The agents that a run's steps name must be there; those that theirs name are seen when they start.

    Raises:
        UnknownAgent, BadAgent: one is not, or cannot be used.
    """
    agent, request = admitted.agent, admitted.request
    if agent.workflow is None or not runner.engines[admitted.engine].runs_workflow:
        return
    named = runner.step_agents.get(agent.version)
    if named is None:
        bodies = [step.body for _, step in places(agent.workflow.steps, "")]
        named = tuple(
            AgentRef(name=body.agent, version=body.version)
            for body in bodies
            if isinstance(body, SubWorkflowBody) and body.agent is not None
        )
        runner.step_agents[agent.version] = named
    for one in named:
        try:
            runner.find_agent(request.tenant_id, one, agent)
        except UnknownAgent:
            refused(runner, request.tenant_id, request.user_id, ("agent", agent.id), one)
            raise


async def end(runner: Runner, tenant_id: str, parent_id: str, child: ChildRun, code: Literal["user", "signal"]) -> None:
    """Cancel a child run, whoever carries it, and return when its end is recorded.

    Raises:
        StoreError: it could not be stored.
    """
    with suppress(Conflict):  # it has ended meanwhile
        await runner.store.ask_to_cancel(tenant_id, child.run_id, code)
    clock = asyncio.get_running_loop().time
    until = clock() + ENDING_S
    while clock() < until:
        found = next(one for one in runner.store.children(tenant_id, parent_id) if one.run_id == child.run_id)
        if found.has_ended:
            return
        here = runner.live.get(child.run_id)
        if here is None and found.is_free:
            with suppress(Conflict):
                here = await runner.resume(tenant_id, child.run_id)
        if here is None:
            await asyncio.sleep(LOOK_S)
            continue
        here.cancel(code)
        await asyncio.wait({here.task})


async def end_all(runner: Runner, tenant_id: str, parent_id: str, code: Literal["user", "signal"]) -> None:
    """Cancel every child run of a run that is about to end, so that each is recorded before it.

    Raises:
        StoreError: it could not be stored.
    """
    unended = [one for one in runner.store.children(tenant_id, parent_id) if not one.has_ended]
    await asyncio.gather(*(end(runner, tenant_id, parent_id, one, code) for one in unended))


def refused(runner: Runner, tenant_id: str, user_id: str, subject: tuple[str, str], wanted: AgentRef) -> None:
    """Leave an audit row of a name that is no agent of this tenant, whoever else may have one of that name."""
    details = dumps({"agent": wanted.name, "version": wanted.version, "code": UnknownAgent.code})
    written = asyncio.ensure_future(runner.store.refuse(tenant_id, user_id, subject, details))
    written.add_done_callback(lambda one: one.cancelled() or one.exception())  # looked at: the refusal stands anyway


def _end(found: ChildRun) -> ChildEnd:
    is_lost = found.status == "completed" and found.outcome is None
    return ChildEnd(
        run_id=found.run_id,
        status=cast("TerminalStatus", found.status),
        output=None if found.outcome is None else output_of(found.outcome),
        is_output_lost=is_lost,
        error_code=found.error_code,
        error_message=found.error_message,
    )
