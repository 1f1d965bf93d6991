"""RunContext: what an engine is given. Model, tool, memory, waits, decision, step, nested engine, child run: measured.

An engine that wants to be recorded has nothing to do, and cannot write a record. Step 4 and 5 of the walk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from trackrecord import failpoints
from trackrecord.canonical import Json, clean, clean_text, cut, digest, encode_clean, loads
from trackrecord.clock import now, stamp
from trackrecord.context.calls import call_model, call_tool, rejected_span
from trackrecord.context.children import running
from trackrecord.context.effect import (
    NO_BACKOFF,
    Alternative,
    Backoff,
    Effect,
    EffectFailed,
    Outcome,
    Perform,
    new_effect,
    new_outcome,
)
from trackrecord.context.failing import failing_inside, failing_outside
from trackrecord.context.limits import limiting
from trackrecord.context.live_run import LiveRun
from trackrecord.context.midway import Watched
from trackrecord.context.protocols import ChildRuns, MemoryStore, Secrets
from trackrecord.context.questions import AgentRef, Question
from trackrecord.context.recording import recording
from trackrecord.context.replay import replaying
from trackrecord.context.retry import retrying
from trackrecord.context.step import StepScope
from trackrecord.context.timeout import timing_out
from trackrecord.context.waits import asking, sleeping
from trackrecord.errors import (
    BadInput,
    Conflict,
    ModelFailed,
    StepFailed,
    StoreError,
    ToolFailed,
    TrackrecordError,
    UnknownEngine,
)
from trackrecord.memory.entries import LearntKind, Memory, expires_at
from trackrecord.memory.recall import Recalled, recall
from trackrecord.memory.remembering import IMPORTANCE, MOST_PER_RUN, one_line
from trackrecord.models.messages import Model, ModelReply, ModelRequest, restore_reply
from trackrecord.models.midway import Midway
from trackrecord.plugins.protocol import EffectClass
from trackrecord.plugins.registry import Registry
from trackrecord.record.spans import Purpose
from trackrecord.sealed import maker, sealed

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.agent.policies import PayloadChoice
    from trackrecord.context.protocols import Engine

MAX_KEPT_CHARACTERS = 65_536
_NOTHING_RECALLED = Recalled(text="", tokens=0, entry_count=0, types=())


class Rejected(Exception):
    """A tool call that was never made; the engine tells the model or fails the step with these words.

    Attributes:
        message: what was wrong with the call.
    """

    def __init__(self, message: str) -> None:
        """Keep the words."""
        super().__init__(message)
        self.message = message


@sealed
class ToolAnswer:
    """What a tool gave: `data` as plain JSON, `text` the same as canonical text."""

    data: Json
    text: str


_new_tool_answer = maker(ToolAnswer)


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What the wiring and the runner put within a context's reach; one per run.

    Attributes:
        resolve_model: the model of a name like `scripted:file.yaml`.
        registry: connected plugins.
        memory: where recall reads and remember writes; None when the agent has no memory.
        secrets: where declared handles are opened; None when there is no such place.
        children: its child runs; None where no run can have any.
        engines: engines by name, for `nested`.
        models: models already resolved in this run.
        recalled, recall_lock: what recall gave, once it has; and who may ask first.
        remembered: kinds of what the run has remembered, one entry each time; `remembering` more are on their way.
    """

    run: LiveRun
    agent: Agent
    resolve_model: Callable[[str], Model]
    registry: Registry
    memory: MemoryStore | None
    engines: Mapping[str, Engine]
    secrets: Secrets | None = None
    children: ChildRuns | None = None
    models: dict[str, Model] = field(default_factory=dict[str, Model])
    recalled: Recalled | None = None
    recall_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    remembered: list[LearntKind] = field(default_factory=list[LearntKind])
    remembering: int = 0


class RunContext:
    """The one door of an engine to the outside, at one place (`prefix`) of a run."""

    __slots__ = ("_around", "_perform", "_run", "prefix")

    def __init__(self, around: Surroundings, *, prefix: str = "", perform: Perform | None = None) -> None:
        """Made by the runner, and by `nested` for a place further down."""
        self._around = around
        self._run = around.run
        self.prefix = prefix
        self._perform = perform or _wrapped(around.run)

    @property
    def now(self) -> datetime:
        """First start of the run; expressions, dates and prompts use it, so that a resumed run sees the same."""
        return self._run.now

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._run.origin.run_id

    @property
    def registry(self) -> Registry:
        """Connected plugins; to look at, calls go through `tool`."""
        return self._around.registry

    def path(self, relative: str) -> str:
        """The full path of a place below this context's."""
        return f"{self.prefix}{relative}"

    def note(self, relative: str, text: str) -> None:
        """Tell whoever watches the run; recorded nowhere."""
        self._run.note(self.path(relative), text)

    async def model(
        self,
        relative: str,
        request: ModelRequest,
        *,
        purpose: Purpose = "work",
        backoff: Backoff | None = None,
        timeout_ms: int | None = None,
    ) -> ModelReply:
        """One reply to one request; retried for transient causes.

        Raises:
            ModelFailed: no usable reply; the attempts and what they used are recorded.
            BudgetExceeded, LimitReached, Cancelled: the run may not go on.
        """
        path = self.path(relative)
        agent = self._around.agent
        others = agent.fallback_models if request.model == agent.model else ()
        models = [self._model(name, path) for name in (request.model, *others)]
        model = models[0]
        effect = new_effect(
            path=path,
            kind="model",
            effect="keyed",
            request_hash=request.hash,
            perform=call_model(model, request),
            timeout_ms=timeout_ms or self._run.limits.model_timeout_ms,
            backoff=backoff or self._run.backoff,
            purpose=purpose,
            provider=model.provider,
            model=model.name,
            attributes=getattr(model, "span_attributes", {}),
            watched=self._watched(models),
            alternatives=_alternatives(request, models[1:]) if others else (),
        )
        try:
            outcome = await self._perform(effect)
        except EffectFailed as failure:
            raise ModelFailed(failure.message, code=failure.code, path=path) from None
        assert isinstance(outcome.value, dict)  # noqa: S101  # written by call_model; anything else is a fault of ours
        return restore_reply(outcome.value)

    async def tool(
        self,
        relative: str,
        plugin: str,
        action: str,
        arguments: Json,
        *,
        backoff: Backoff | None = None,
        timeout_ms: int | None = None,
        effect_class: EffectClass | None = None,
    ) -> ToolAnswer:
        """One result of one action; retried for transient causes unless it is unsafe.

        Raises:
            Rejected: there is no such action, or the arguments do not fit; nothing was called.
            ToolFailed: the call failed, or nobody knows whether it did.
            LimitReached, Cancelled: the run may not go on.
        """
        path = self.path(relative)
        bound = self._around.registry.find(plugin, action)
        if bound is None:
            raise self.reject(relative, plugin, action, f"there is no action {plugin}.{action}")
        if not isinstance(arguments, dict):
            raise self.reject(relative, plugin, action, "the arguments must be one JSON object")
        problems = bound.problems(arguments)
        if problems:
            raise self.reject(relative, plugin, action, "; ".join(problems))
        limits = self._run.limits
        text, keep = encode_clean(arguments), self._kept(self._around.agent.payloads.tools)
        effect = new_effect(
            path=path,
            kind="tool",
            effect=effect_class or bound.action.effect,
            request_hash=digest(f"{plugin}.{action}{text}"),
            perform=call_tool(
                bound,
                arguments,
                f"{self.run_id}:{path}",
                limits.tool_result_bytes,
                scrub=self._run.redactor.exact_json,
                keep=keep,
                credentials=self._opened,
            ),
            timeout_ms=timeout_ms or bound.action.timeout_ms or limits.tool_timeout_ms,
            backoff=backoff or self._run.backoff,
            plugin=plugin,
            action=action,
            attributes={} if keep is None else {"arguments": keep(text)},
        )
        try:
            outcome = await self._perform(effect)
        except EffectFailed as failure:
            raise ToolFailed(failure.message, code=failure.code, path=path, is_unknown=failure.is_unknown) from None
        return _new_tool_answer(data=outcome.value, text=outcome.text)

    def reject(self, relative: str, plugin: str | None, action: str, reason: str) -> Rejected:
        """Record a tool call that is not made, and give the error to raise or to tell the model."""
        message = self._run.error_text(reason)
        self._run.write(rejected_span(self._run, self.path(relative), plugin, action, message))
        return Rejected(message)

    async def recall(self) -> Recalled:
        """What the agent remembers, once per run at path `recall`; empty text when it has no memory.

        Raises:
            ModelFailed: never; reading the memories failed: StoreError.
        """
        around = self._around
        if around.memory is None:
            return _NOTHING_RECALLED
        async with around.recall_lock:
            if around.recalled is None:
                around.recalled = await self._recall(around.memory)
        return around.recalled

    async def remember(self, relative: str, kind: LearntKind, text: str) -> bool:
        """Keep a fact about the user, or a pattern of the agent's work, for later runs, without the secrets in it.

        False when the run has kept as much as it may. `relative` ends in `remember:<n>`: a place remembers once,
        however often the run is resumed.

        Raises:
            BadInput: the agent has no memory, or the text is empty or too long.
            ToolFailed: it could not be stored.
            LimitReached, Cancelled: the run may not go on.
        """
        around, run = self._around, self._run
        if around.memory is None:
            raise BadInput("an agent without memory remembers nothing", cure="Remove `memory: false` from its file.")
        line = one_line(kind, run.redactor.text(clean_text(text)))
        effect = Effect(
            path=self.path(relative),
            kind="remember",
            effect="keyed",
            request_hash=digest(f"{kind} {line}"),
            perform=self._keeping(around.memory, kind, line),
            backoff=NO_BACKOFF,
            attributes={"memory": {"kind": kind, "characters": len(line)}},
        )
        try:
            is_kept = (await self._perform(effect)).value is True
        except EffectFailed as failure:
            raise ToolFailed(failure.message, code=failure.code, path=effect.path) from None
        if is_kept:
            around.remembered.append(kind)
        return is_kept

    async def sleep(self, relative: str, *, until: datetime, since: datetime | None = None) -> int:
        """Wait until a moment; milliseconds waited, counted from when the wait first began, at `since` or now.

        Raises:
            Cancelled: the run may not go on.
        """
        # no moment is part of what is asked for: one that a duration led to is another when the run is resumed
        effect = self._plain_effect(
            f"{relative}/wait" if relative else "wait", "wait", "", sleeping(self._run, since or now(), until)
        )
        value = (await self._perform(effect)).value
        return value if isinstance(value, int) else 0

    async def approval(self, relative: str, question: Question) -> dict[str, Json]:
        """Ask people and wait for their decision, holding nothing: {decision: approved or rejected, by, comment}.

        `by` and `comment` are None when nobody said them; on a timeout `by` is None.

        Raises:
            Cancelled: the run may not go on.
        """
        asked = encode_clean([question.message, *question.approvers])
        effect = self._plain_effect(f"{relative}/wait", "wait", asked, asking(self._run, question))
        value = (await self._perform(effect)).value
        assert isinstance(value, dict)  # noqa: S101  # written by `asking`
        return value

    async def decide(self, relative: str, choose: Callable[[], Awaitable[Json]]) -> Json:
        """A choice that a resumed run must not make again: the stored one when there is one, else `choose`'s."""

        async def decision(effect: Effect) -> Outcome:
            del effect
            value = clean(await choose())
            return new_outcome(value=value, text=encode_clean(value))

        return (await self._perform(self._plain_effect(f"{relative}/decision", "decision", "", decision))).value

    def decided(self, relative: str) -> Json:
        """What an earlier epoch of the run chose at a place with `decide`; None when nothing was."""
        for checkpoint in self._run.checkpoints.get(self.path(f"{relative}/decision"), ()):
            outcome = loads(checkpoint.outcome or "{}")
            if isinstance(outcome, dict) and "value" in outcome:
                return outcome["value"]
        return None

    def step(self, relative: str, step_type: str, *, attempt: int = 1) -> AbstractContextManager[StepScope]:
        """The span of one try of a step: enter, set `items` and `status`, leave; an error leaving it is recorded."""
        return StepScope(self._run, f"{self.prefix}{relative}", step_type, attempt)

    def skip(self, relative: str, step_type: str) -> None:
        """Record a step that does not run."""
        with StepScope(self._run, self.path(relative), step_type, 1) as scope:
            scope.status = "skipped"

    async def nested(self, engine: str, relative: str, agent: Agent, inputs: Mapping[str, Json]) -> Json:
        """Another engine inside this run, under a path of its own; its spending is this run's.

        Raises:
            UnknownEngine: there is no engine of that name.
            RunError: as that engine's `run`.
        """
        found = self._around.engines.get(engine)
        if found is None:
            raise UnknownEngine(f"there is no engine {engine!r}", cure=f"Known: {', '.join(self._around.engines)}.")
        below = RunContext(self._around, prefix=f"{self.path(relative)}/", perform=self._perform)
        return await found.run(agent, inputs, below)

    async def child(self, relative: str, agent: AgentRef, inputs: Mapping[str, Json]) -> Json:
        """Another agent as a run of its own, with its own record; gives its output. Its spending is never this run's.

        A resumed run finds the child it has; one that is cancelled, or out of time, ends it first.

        Raises:
            StepFailed: it ended badly or could not be started; `code` is its own error code when it failed.
            LimitReached, Cancelled: the run may not go on.
        """
        path, children = self.path(f"{relative}/child"), self._around.children
        if children is None:
            raise StepFailed("no other agent can be run from here", path=path)
        effect = new_effect(
            path=path,
            kind="child",
            effect="keyed",
            request_hash=digest(encode_clean([agent.name, agent.version, dict(inputs)])),
            perform=running(self._run, children, agent, inputs),
            backoff=NO_BACKOFF,
        )
        try:
            return (await self._perform(effect)).value
        except EffectFailed as failure:
            raise StepFailed(failure.message, code=failure.code, path=path) from None

    def _watched(self, models: Sequence[Model]) -> Watched | None:
        """What tells how far a call of these models has come; None when none of them does."""
        if not any(getattr(one, "tells_midway", False) for one in models):
            return None
        return Watched(Midway(), self._kept(self._around.agent.payloads.outputs))

    def _kept(self, policy: PayloadChoice) -> Callable[[str], str] | None:
        """How a policy of the agent keeps canonical text in a span; None keeps none."""
        run = self._run
        if policy == "none":
            return None

        def keep(text: str) -> str:
            redactor = run.redactor  # as it is then: the call may have opened secrets of its own
            scrubbed = redactor.json(text) if policy == "redacted" else redactor.exact_json(text)
            return cut(scrubbed, MAX_KEPT_CHARACTERS)

        return keep

    def _opened(self, handles: Sequence[str]) -> Mapping[str, str]:
        """The secrets of these handles; from here on they are kept out of all that is stored of the run."""
        if self._around.secrets is None:
            return {}
        opened = self._around.secrets.open(self._run.origin.tenant_id, handles)
        self._run.learn(opened.values())
        return opened

    def _keeping(self, memory: MemoryStore, kind: LearntKind, line: str) -> Perform:
        around, run = self._around, self._run
        importance = IMPORTANCE[kind]

        async def keep(effect: Effect) -> Outcome:
            if len(around.remembered) + around.remembering >= MOST_PER_RUN:
                return Outcome(value=False, text="false", attributes={"refused": "too_many"})
            origin = run.origin
            around.remembering += 1
            one = Memory(kind=kind, text=line, importance=importance, expires_at=expires_at(importance, now()))
            try:
                await run.journal.commit()  # nothing is remembered of a run that is not stored, or is held by another
                await memory.remember(
                    origin.tenant_id, origin.agent_id, origin.user_id, one, run_id=origin.run_id, path=effect.path
                )
            except Conflict:
                raise
            except StoreError as error:
                raise EffectFailed(f"it could not be remembered: {error.message}", code="tool_failed") from None
            finally:
                around.remembering -= 1
            return Outcome(value=True, text="true", items=1)

        return keep

    async def _recall(self, memory: MemoryStore) -> Recalled:
        origin, policy = self._run.origin, self._around.agent.memory
        before = stamp(self.now)

        async def read(effect: Effect) -> Outcome:
            del effect
            entries = await memory.entries(origin.tenant_id, origin.agent_id, origin.user_id, before=before)
            found = recall(entries, token_budget=policy.token_budget, before=before)
            figures: dict[str, Json] = {
                "tokens": found.tokens,
                "entries": found.entry_count,
                "types": list(found.types),
            }
            value: dict[str, Json] = {"text": found.text, **figures}
            return new_outcome(
                value=value,
                text=encode_clean(value),
                items=found.entry_count,
                attributes={"memory": figures, "tokens_source": "estimated"},
            )

        effect = self._root_effect("recall", "recall", digest(f"{policy.token_budget} {before}"), read)
        value = (await self._perform(effect)).value
        assert isinstance(value, dict)  # noqa: S101  # written by `read` above
        tokens, entries, types = value["tokens"], value["entries"], value["types"]
        return Recalled(
            text=str(value["text"]),
            tokens=tokens if isinstance(tokens, int) else 0,
            entry_count=entries if isinstance(entries, int) else 0,
            types=tuple(str(one) for one in types) if isinstance(types, list) else (),
        )

    def _model(self, name: str, path: str) -> Model:
        known = self._around.models.get(name)
        if known is None:
            try:
                known = self._around.resolve_model(name)
            except TrackrecordError as error:
                raise ModelFailed(error.message, cure=error.cure, path=path) from None
            self._around.models[name] = known
        return known

    def _plain_effect(self, relative: str, kind: str, request: str, perform: Perform) -> Effect:
        return self._root_effect(self.path(relative), kind, digest(request), perform)

    def _root_effect(self, path: str, kind: str, request_hash: str, perform: Perform) -> Effect:
        return new_effect(
            path=path,
            kind=kind,  # type: ignore[arg-type]  # only called with kinds of the grammar, above
            effect="read",
            request_hash=request_hash,
            perform=perform,
            backoff=NO_BACKOFF,
        )


def _wrapped(run: LiveRun) -> Perform:
    async def perform(effect: Effect) -> Outcome:
        return await effect.perform(effect)

    chain = timing_out(run, perform)
    if failpoints.points:
        chain = failing_outside(run, recording(run, failing_inside(run, chain)))
    else:
        chain = recording(run, chain)
    return replaying(run, retrying(run, limiting(run, chain)))


def _alternatives(request: ModelRequest, models: Sequence[Model]) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            perform=call_model(one, request),
            provider=one.provider,
            model=one.name,
            attributes=getattr(one, "span_attributes", {}),
        )
        for one in models
    )
