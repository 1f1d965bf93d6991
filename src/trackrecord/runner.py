"""START HERE: the walk of one run, from request to response.

Every run of every engine takes these steps and no other: request, admission, dispatch, engine, spans, fold, finish,
exporters, response. Alone calls `store.accept`, `store.begin` and `store.finish`. Never measures anything itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from trackrecord import failpoints
from trackrecord.admission import Admitted, Request, Standing, decide
from trackrecord.agent import Agent
from trackrecord.canonical import Json, clean, encode_clean, loads
from trackrecord.causes import cause, taken_over
from trackrecord.children import Children, FindAgent, Parent, check_agents, end_all, no_agents
from trackrecord.clock import moment, new_id, stamp
from trackrecord.context.effect import Backoff
from trackrecord.context.late import Latecomers
from trackrecord.context.live_run import PATIENCE_S, LiveRun, Parked, Watcher
from trackrecord.context.protocols import Engine, Secrets
from trackrecord.context.questions import AgentRef, Approvals
from trackrecord.context.run_context import RunContext, Surroundings
from trackrecord.context.strands import Scope, enter
from trackrecord.context.summary import told_by_model
from trackrecord.errors import (
    BadAgent,
    Conflict,
    InternalError,
    StoreError,
    UnknownRun,
)
from trackrecord.handles import CancelCode, Run, Started
from trackrecord.models.messages import Model
from trackrecord.plugins.registry import Registry
from trackrecord.record.closing import close
from trackrecord.record.design import design_of
from trackrecord.record.fold import fold
from trackrecord.record.lost import ABANDONED, POISON, cancelled, lost_count, lost_epochs, lost_spans
from trackrecord.record.record import Ending, Origin
from trackrecord.record.redact import Redactor
from trackrecord.record.spans import Span
from trackrecord.redoing import Kind, redone
from trackrecord.reviving import agent_of, asked, request_of
from trackrecord.store.filing import accepted, finished
from trackrecord.store.protocol import Begun, Durability, LeftRun, ParkedRun, Reused, Store
from trackrecord.undisturbed import undisturbed
from trackrecord.workflow.effects import places
from trackrecord.workflow.steps import LlmBody

MOST_LOST: Final = 3  # epochs of a run that may be lost with their process before it is taken for the cause
GRACE_S: Final = 5.0  # how long what is in flight may take when a resumed run is let go of


async def _nothing(agent: Agent) -> None:
    del agent


def _nobody() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Carries runs out; made by the wiring from a store, engines, models and plugins.

    Attributes:
        resolve_model: the model of a name, seen from an agent's own folder.
        default_model: the installation's model; None when it names none.
        summary_model: the installation's model for summaries; None when it names none.
        redactor: knows the secrets of this process.
        secrets: opens what plugins have declared; None when there is no such place.
        most_credits: what a run holds at most of its user's credits; None: what its token limit comes to.
        approvals: keeps the questions that runs ask.
        limits: the installation's, for runs that are resumed; those of a request are in its agent.
        ready: sees that what an agent needs of others is there, before a run is resumed.
        patience_s: the longest wait that a run is not parked for.
        checkpoint_days: for how long after its end a run can be retried and forked.
        find_agent: the agent of a name that another one runs as its child.
        tell: called when a run that waits may be due, so that it is looked for at once.
        step_agents: the agents that a version's steps name, once they have been looked up.
        late: keeps what model calls used when that is learnt after their run has ended; None keeps nothing of it.
    """

    store: Store
    engines: Mapping[str, Engine]
    registry: Registry
    resolve_model: Callable[[str, Agent], Model]
    redactor: Redactor
    secrets: Secrets | None = None
    durability: Durability
    backoff: Backoff = Backoff()
    default_model: str | None = None
    summary_model: str | None = None
    most_credits: int | None = None
    late: Latecomers | None = None
    approvals: Approvals | None = None
    limits: Mapping[str, object] = field(default_factory=dict[str, object])
    ready: Callable[[Agent], Awaitable[None]] = _nothing
    patience_s: float = PATIENCE_S
    checkpoint_days: int = 7
    find_agent: FindAgent = no_agents
    tell: Callable[[], None] = _nobody
    _checked: set[str] = field(default_factory=set[str])  # versions whose actions have been found to be here
    _step_models: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])  # by version
    step_agents: dict[str, tuple[AgentRef, ...]] = field(default_factory=dict[str, tuple[AgentRef, ...]])
    _live: dict[str, Started] = field(default_factory=dict[str, Started])

    async def run(self, request: Request, *, watcher: Watcher | None = None) -> Run:
        """One run from request to response; a failed run is returned, not raised.

        Raises:
            RequestError, Refused: it never became a run.
            StoreError: its record could not be kept.
            CancelledError: the caller's own task was cancelled; the run is cancelled and recorded first.
        """
        started = self.start(request, watcher=watcher)
        try:
            return await asyncio.shield(started.task)
        except asyncio.CancelledError:
            started.cancel("user")
            await asyncio.wait({started.task})
            raise

    def start(
        self,
        request: Request,
        *,
        watcher: Watcher | None = None,
        reused: Reused | None = None,
        parent: Parent | None = None,
    ) -> Started:
        """Begin a run and give a handle to it; admission is decided before this returns. A child is told its parent.

        `reused` is what it takes over from the run that it is a retry or a fork of.

        Raises:
            RequestError, Refused: it never became a run.
        """
        admitted = decide(request, self._standing(request.agent))
        if admitted.agent.version not in self._checked:
            _check_holds_no_secret(admitted.agent, self.redactor)
        self._checked.add(admitted.agent.version)
        for name in self._models(admitted):
            self.resolve_model(name, admitted.agent)  # one that cannot be had is refused, not failed
        check_agents(self, admitted)
        started = Started(new_id())
        above = None if parent is None else self._live.get(parent.run_id)
        started.is_resumed = above is not None and above.is_resumed  # it is let go of, or cancelled, as its parent is
        return self._under_way(started, partial(self._walk, admitted, reused, parent, watcher))

    async def resume(self, tenant_id: str, run_id: str, *, watcher: Watcher | None = None) -> Started:
        """Go on with a run that nobody carries: one that was left behind, or whose time to wait is over.

        Under the definition, the inputs and the present it was accepted with; nothing whose result is stored is done
        again. Conflict comes from the handle's `task` when somebody was faster.

        Raises:
            Conflict: it is under way here.
            UnknownRun: there is no such run.
            CannotResume: what it needs of its first epoch is not there any more.
            RequestError, Refused: it cannot go on here, as it could not begin here.
        """
        left = await self.store.left(tenant_id, run_id)
        admitted: Admitted | None = None
        if left.cancel_code is None:
            request = request_of(left, self.limits)
            await self.ready(request.agent)
            admitted = decide(request, self._standing(request.agent))
            for name in self._models(admitted):
                self.resolve_model(name, admitted.agent)
        if run_id in self._live:
            raise Conflict(f"run {run_id!r} is under way here", cure="Wait for it to end.")
        started = Started(run_id)
        started.is_resumed = True
        return self._under_way(started, partial(self._walk_on, left, admitted, watcher))

    async def redo(
        self, tenant_id: str, run_id: str, kind: Kind, from_step: str | None = None, *, watcher: Watcher | None = None
    ) -> Started:
        """Run again what has ended, as a new run: a retry from where it failed, a fork from a step.

        With the definition, the inputs and the present of its origin; what precedes the place is taken over.

        Raises:
            UnknownRun: there is no such run. BadInput: it cannot be run again like that, or there is no such step.
            CheckpointsGone, CannotResume: what that needs of it is not there any more.
            RequestError, Refused: it cannot run here.
        """
        one = redone(await self.store.past(tenant_id, run_id), kind, from_step, self.limits)
        await self.ready(one.request.agent)
        return self.start(one.request, watcher=watcher, reused=one.reused)

    def _under_way(self, started: Started, walk: Callable[[Started], Coroutine[Any, Any, Run]]) -> Started:
        started.task = asyncio.get_running_loop().create_task(walk(started))
        self._live[started.run_id] = started
        started.task.add_done_callback(lambda _: self._live.pop(started.run_id, None))
        return started

    @property
    def live(self) -> Mapping[str, Started]:
        """The runs under way here, by id."""
        return self._live

    async def stop(self) -> None:
        """End every run under way and wait until each is recorded; late replies are no longer waited for.

        Those that were begun here are cancelled; resumed ones are let go of, for another process to go on with them.
        """
        under_way = list(self._live.values())
        for started in under_way:
            if not started.is_resumed:
                started.cancel("signal")
            elif started.live is not None:
                started.live.drain()
        if under_way:
            tasks = [started.task for started in under_way]
            await asyncio.wait(tasks, timeout=GRACE_S if any(one.is_resumed for one in under_way) else None)
            for started in under_way:
                if not started.task.done() and started.live is not None:
                    started.live.let_go()
            await asyncio.wait(tasks)
        if self.late is not None:
            await self.late.stop()

    async def _walk(
        self,
        admitted: Admitted,
        reused: Reused | None,
        parent: Parent | None,
        watcher: Watcher | None,
        started: Started,
    ) -> Run:
        """Steps 2 to 9."""
        origin = self._origin(admitted, started.run_id, parent)
        begun = await self._begun(admitted, origin, reused, parent, started)
        live = self._live_run(admitted, replace(origin, now=begun.now), begun, watcher)
        return await self._carried(admitted, live, begun, started)

    async def _walk_on(
        self, left: LeftRun, admitted: Admitted | None, watcher: Watcher | None, started: Started
    ) -> Run:
        """Steps 3 to 9 under a later epoch; a run that is to end, or that has lost too many processes, just ends."""
        origin = left.origin
        begun, was_cancelled = await undisturbed(self.store.begin(origin.tenant_id, origin.run_id))
        if was_cancelled:
            started.cancel("signal")
        if begun.cancel_code is not None:
            return await self._closed(left, begun, cancelled(begun.cancel_code))
        lost = lost_epochs(begun.spans, begun.checkpoints, begun.epoch, left.started_at or begun.began_at)
        if lost_count((*begun.spans, *lost)) >= MOST_LOST:
            return await self._closed(left, begun, POISON)
        if admitted is None:  # it was to be cancelled, and is not any more: nobody else can have done that
            raise InternalError(f"run {origin.run_id!r} was to be cancelled when it was looked at, and now is not")
        live = self._live_run(admitted, replace(origin, now=begun.now), begun, watcher)
        for span in lost:
            live.write(span)
        return await self._carried(admitted, live, begun, started)

    async def _carried(self, admitted: Admitted, live: LiveRun, begun: Begun, started: Started) -> Run:
        """Steps 4 to 9, in the epoch that has begun."""
        origin = live.origin
        around = self._surroundings(admitted, live)
        try:
            ending, told = await self._work(admitted, around, started)
            await started.detach()
            if isinstance(ending, Parked):
                return await self._parked(live, begun, ending)
            await self._without_children(
                origin, ending, has_any=around.children is not None and around.children.has_any
            )
        except Conflict:
            self._follow(live, is_lost=True)
            await self.store.release(begun)
            raise
        except BaseException:  # else this process would keep up the lease of a run that it does not carry
            self._follow(live, is_lost=True)
            with suppress(StoreError):
                await self.store.release(begun)
            raise
        epoch = _epoch_span(begun, live.elapsed_us())
        left_over = live.left_over()
        live.tally.add(epoch)
        if live.is_lossy:
            ending = replace(ending, is_lossy=True)
        record = close(live.origin, ending, live.tally.measures(), begun.epoch)
        has_pattern = "pattern" in around.remembered
        run = finished(
            record, admitted.agent, begun, (*left_over, epoch), live.redactor, told=told, has_pattern=has_pattern
        )
        is_finished = await self.store.finish(run)
        self._follow(live, is_lost=not is_finished)
        if not is_finished:
            raise taken_over(origin.run_id)
        self._tell_parent(origin)
        return Run(record=record, output=ending.output)

    async def _without_children(self, origin: Origin, ending: Ending, *, has_any: bool) -> None:
        """End what the run has left of child runs: nobody waits for them any more."""
        if has_any:
            code: CancelCode = "user" if ending.error_code == "user" else "signal"
            await end_all(self, origin.tenant_id, origin.run_id, code)

    def _tell_parent(self, origin: Origin) -> None:
        """A run has ended: the one it is a child of need not wait for its next look at the database."""
        if origin.parent_run_id is None:
            return
        parent = self._live.get(origin.parent_run_id)
        if parent is None or parent.live is None or parent.live.parked is not None:
            self.tell()
        else:
            parent.live.wake("child")

    async def _parked(self, live: LiveRun, begun: Begun, parked: Parked) -> Run:
        """The run lets go of this process; what it waits for, or the sweep, brings it back."""
        epoch = _epoch_span(begun, live.elapsed_us())
        await live.journal.commit()
        code = await self.store.park(
            ParkedRun(
                begun=begun,
                reason=parked.reason,
                ready_at=None if parked.ready_at is None else stamp(parked.ready_at),
                paths=tuple(rest.path for rest in parked.rests),
                last_spans=(epoch,),
            )
        )
        code = code or live.cancel_code
        if code is not None:
            with suppress(Conflict):  # who sweeps was faster, and ends it
                return await self._ended_at_once(live.origin, code)
        live.tally.add(epoch)
        return Run(record=close(live.origin, None, live.tally.measures(), begun.epoch), output=None, parked=parked)

    async def _ended_at_once(self, origin: Origin, code: CancelCode) -> Run:
        """End a run that was parked while somebody wanted it to end: nothing else would bring it back for that."""
        tenant_id, run_id = origin.tenant_id, origin.run_id
        await self.store.ask_to_cancel(tenant_id, run_id, code)
        left = await self.store.left(tenant_id, run_id)
        begun, _ = await undisturbed(self.store.begin(tenant_id, run_id))
        return await self._closed(left, begun, cancelled(begun.cancel_code or code))

    def _follow(self, live: LiveRun, *, is_lost: bool) -> None:
        """Have what is still on its way, and what a lost run has used, added to the record that there is."""
        if self.late is not None and (live.late or is_lost):
            self.late.follow(live, is_lost=is_lost)

    async def _begun(
        self, admitted: Admitted, origin: Origin, reused: Reused | None, parent: Parent | None, started: Started
    ) -> Begun:
        """Steps 2 and 3 in one commit: both are handed to the writer before either is awaited.

        Under `async` it is the commit of the journal's first entries: like them, it may be lost with a killed process.
        What holds credits, takes over what another run has done, or is a child for which its parent looks, is committed
        first under both.
        """
        run = accepted(
            origin,
            admitted.agent,
            admitted.inputs_text,
            self.redactor,
            asked=asked(admitted),
            most_credits=self.most_credits,
            reused=reused,
            parent_epoch=None if parent is None else parent.epoch,
        )
        if (
            self.durability == "async"
            and reused is None
            and parent is None
            and not self.store.has_account(origin.tenant_id, origin.user_id)
        ):
            return self.store.launch(run, now=admitted.request.now)
        accepting = self.store.accept(run)
        beginning = self.store.begin(origin.tenant_id, origin.run_id, now=admitted.request.now)
        both = asyncio.gather(accepting, beginning, return_exceptions=True)
        (_, begun), was_cancelled = await undisturbed(both)  # else it would be begun with nobody to carry it
        if was_cancelled:
            started.cancel("signal")
        await accepting  # what kept it from being accepted comes before what that led to
        if isinstance(begun, BaseException):
            raise begun
        return begun

    async def _work(
        self, admitted: Admitted, around: Surroundings, started: Started
    ) -> tuple[Ending | Parked, str | None]:
        """Steps 4 and 6, as far as they reach the outside: how the run ended, and what a model told of it."""
        ending = await self._carry(admitted, around, started)
        model = self._summary_model(admitted.agent)
        if model is None or isinstance(ending, Parked):
            return ending, None
        return ending, await told_by_model(around, admitted.inputs, ending, model)

    async def _carry(self, admitted: Admitted, around: Surroundings, started: Started) -> Ending | Parked:
        """Step 4: the engine, under the run's timeout; whatever it does becomes an ending, unless all of it waits."""
        live = around.run
        engine = self.engines[admitted.engine]
        seconds = admitted.agent.limits.run_timeout_s or engine.run_timeout_s
        try:
            started.attach(live)
            live.check_cancelled()
            async with asyncio.timeout(max(0.0, seconds - live.worked_s())) as live.timeout:
                live.scope = Scope(timer=live.timeout, rested=live.rested)
                enter(live.scope)
                output = await engine.run(admitted.agent, admitted.inputs, RunContext(around))
                failpoints.reach("engine.end")
        except Conflict:
            raise
        except BaseException as error:
            if live.parked is not None and isinstance(error, asyncio.CancelledError):
                return live.parked  # what waits has no span: should it be cancelled by now, it is parked and ended then
            why = cause(error, live, seconds)
            return Ending(
                status=why.status,
                error_code=why.code,
                error_message=live.error_text(why.message),
                error_path=why.path or None,
            )
        finally:  # one that is over can neither be stopped nor go on
            live.deadline, live.timeout = None if live.timeout is None else live.timeout.when(), None
        return Ending(status="completed", output=_scrubbed(clean(output), live.redactor))

    async def abandon(self, tenant_id: str, run_id: str) -> bool:
        """End a run whose process died and that cannot go on: what was stored of it becomes its record.

        What is not known of it is unknown, never 0. False when somebody else was faster.

        Raises:
            StoreError: its record could not be kept; the run is let go of, and may be ended later.
        """
        try:
            left = await self.store.left(tenant_id, run_id)
            begun, _ = await undisturbed(self.store.begin(tenant_id, run_id))
        except (Conflict, UnknownRun):
            return False
        try:
            await self._closed(left, begun, cancelled(begun.cancel_code) if begun.cancel_code else ABANDONED)
        except Conflict:
            return False
        return True

    async def _closed(self, left: LeftRun, begun: Begun, ending: Ending) -> Run:
        """End a run without its engine; a definition that cannot be read costs it the summary, not the record."""
        try:
            origin = replace(left.origin, now=begun.now)
            has_any = any(one.kind == "child" for one in begun.checkpoints)
            await self._without_children(origin, ending, has_any=has_any)
            lost = lost_spans(begun.spans, begun.checkpoints, begun.epoch, left.started_at or begun.began_at)
            last = (*lost, _epoch_span(begun, 0))
            if self.durability == "async" and lost_count((*begun.spans, *lost)):
                ending = replace(ending, is_lossy=True)
            record = close(origin, ending, fold((*begun.spans, *last)), begun.epoch)
            has_pattern = _has_pattern(begun.spans)
            run = finished(record, agent_of(left), begun, last, self.redactor, has_pattern=has_pattern)
            if not await self.store.finish(run):
                raise taken_over(origin.run_id)
            self._tell_parent(origin)
            return Run(record=record, output=None)
        except BaseException:  # else this process would keep up the lease of a run that it does not carry
            with suppress(StoreError):
                await self.store.release(begun)
            raise

    def _models(self, admitted: Admitted) -> set[str]:
        """Every model this run may ask."""
        agent = admitted.agent
        names = set[str]() if agent.model is None else {agent.model, *agent.fallback_models}
        summing = self._summary_model(agent)
        names |= set[str]() if summing is None else {summing}
        if agent.workflow is None or not self.engines[admitted.engine].runs_workflow:
            return names
        of_steps = self._step_models.get(agent.version)
        if of_steps is None:
            bodies = [step.body for _, step in places(agent.workflow.steps, "")]
            of_steps = frozenset(body.model for body in bodies if isinstance(body, LlmBody) and body.model)
            self._step_models[agent.version] = of_steps
        return names | of_steps

    def _summary_model(self, agent: Agent) -> str | None:
        return agent.memory.summary_model_or(self.summary_model)

    def _standing(self, agent: Agent) -> Standing:
        return Standing(
            engines={name: engine.runs_workflow for name, engine in self.engines.items()},
            plugins=tuple(self.registry.plugins),
            effect_of=None if agent.version in self._checked else self.registry.effect,
            suggest=self.registry.suggest,
            default_model=self.default_model,
            withheld=self.registry.withheld,
        )

    def _origin(self, admitted: Admitted, run_id: str, parent: Parent | None = None) -> Origin:
        request, agent, engine = admitted.request, admitted.agent, self.engines[admitted.engine]
        return Origin(
            tenant_id=request.tenant_id,
            run_id=run_id,
            agent_id=agent.id,
            user_id=request.user_id,
            agent_name=agent.name,
            agent_version=agent.version,
            engine=engine.name,
            engine_title=engine.title,
            runs_workflow=engine.runs_workflow,
            execution_type=request.execution_type,
            declared=design_of(agent),
            plugins_required=tuple(need.name for need in agent.plugins),
            input_count=len(admitted.inputs),
            origin_run_id=request.origin_run_id,
            origin_kind=None if request.origin_run_id is None else request.execution_type,
            parent_run_id=None if parent is None else parent.run_id,
            parent_path=None if parent is None else parent.path,
        )

    def _live_run(self, admitted: Admitted, origin: Origin, begun: Begun, watcher: Watcher | None) -> LiveRun:
        live = LiveRun(
            origin=origin,
            limits=admitted.agent.limits,
            epoch=begun.epoch,
            now=moment(begun.now),
            journal=self.store.journal(begun, self.durability),
            is_sync=self.durability == "sync",
            redactor=self.redactor,
            backoff=self.backoff,
            watcher=watcher,
            held=None if begun.hold is None else begun.hold.amount,
            approvals=self.approvals,
            asks_on_unknown=admitted.agent.on_unknown == "ask",
            patience_s=self.patience_s,
            cancel_code=begun.cancel_code,
        )
        if begun.checkpoints:
            live.resume(begun.spans, begun.checkpoints)
        return live

    def _surroundings(self, admitted: Admitted, live: LiveRun) -> Surroundings:
        agent = admitted.agent
        return Surroundings(
            run=live,
            agent=agent,
            resolve_model=lambda name: self.resolve_model(name, agent),
            registry=self.registry,
            memory=self.store.memory if agent.memory.is_enabled else None,
            engines=self.engines,
            secrets=self.secrets,
            children=Children(
                runner=self,
                parent=live,
                asking=agent,
                now=admitted.request.now,
                may_have=any(past[0].kind == "child" for past in live.checkpoints.values()),
            ),
        )


def _check_holds_no_secret(agent: Agent, known: Redactor) -> None:
    """A definition is stored as it is, and its version is its hash: no mask could be put into it.

    A secret that is one plain word is not looked for: it would refuse whoever writes that word.

    Raises:
        BadAgent: it holds the value of a secret.
    """
    if any(known.holds_a_key(text) for text in (agent.definition, agent.name, agent.description)):
        raise BadAgent(
            f"the definition of {known.text(agent.name)!r} holds the value of a secret of this process",
            cure="Take it out: name the handle of a stored secret (`trackrecord secrets set`), or give it as an input.",
        )


def _scrubbed(output: Json, known: Redactor) -> Json:
    """The answer without known secrets: an input that is handed on was never stored, and is not given out either."""
    if known.knows_nothing:
        return output
    text = encode_clean(output)
    scrubbed = known.exact_json(text)
    return output if scrubbed == text else loads(scrubbed)


def _has_pattern(spans: Sequence[Span]) -> bool:
    """Whether a run remembered a pattern, from the spans that are stored of it."""
    kept = (span.attributes.get("memory") for span in spans if span.kind == "remember" and span.status == "ok")
    return any(isinstance(one, dict) and one.get("kind") == "pattern" for one in kept)


def _epoch_span(begun: Begun, elapsed_us: int) -> Span:
    return Span(
        path=f"epoch:{begun.epoch}",
        kind="epoch",
        status="ok",
        epoch=begun.epoch,
        start_us=0,
        duration_us=elapsed_us,
        attributes={"began_at": begun.began_at},
    )
