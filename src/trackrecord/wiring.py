"""The composition root: the one module that names concrete engines, stores, models and plugins.

`Trackrecord` is what a program holds: open it, run agents, look at what they left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from trackrecord.admission import Request
from trackrecord.agent import Agent
from trackrecord.canonical import clean_text, dumps, loads
from trackrecord.config import Settings, read_settings, secrets_of
from trackrecord.context.effect import Backoff
from trackrecord.context.late import Latecomers
from trackrecord.context.live_run import Watcher
from trackrecord.context.protocols import Engine
from trackrecord.dispatch.in_process import MOST_AT_ONCE, Sweep
from trackrecord.engines.agentkit import AgentKit
from trackrecord.engines.orchestrator import Orchestrator
from trackrecord.errors import BadInput, Conflict
from trackrecord.handles import Run, Started
from trackrecord.models.messages import Model
from trackrecord.models.registry import Models
from trackrecord.parity import Comparison, run_apart
from trackrecord.places import data_folder, make_data_folder, mcp_file_of, sqlite_path
from trackrecord.plugins.entry_points import connected
from trackrecord.plugins.mcp.servers import Look, Servers
from trackrecord.plugins.protocol import Plugin
from trackrecord.plugins.registry import Registry
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import IntensitySettings
from trackrecord.record.record import ExecutionType
from trackrecord.record.redact import redactor
from trackrecord.roster import Roster, by_name
from trackrecord.runner import Runner
from trackrecord.store.asked import StoredQuestion
from trackrecord.store.feedback import Feedback
from trackrecord.store.ledger import CreditAccount
from trackrecord.store.memory_book import MemoryBook
from trackrecord.store.protocol import Durability
from trackrecord.store.rebuild import Rebuilt
from trackrecord.store.sealing import key_of, read_key
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER


class Trackrecord:
    """Runs agents and keeps their track record in one database.

    async with Trackrecord("sqlite:///runs.db") as tr:
        run = await tr.run(Agent.load("agent.yaml"), inputs={"file": "tickets.csv"})
        print(run.record.tokens.input, run.output)
    """

    def __init__(
        self,
        database: str | None = None,
        *,
        plugins: Iterable[Plugin] = (),
        models: Mapping[str, Model] | None = None,
        engines: Iterable[Engine] = (),
        agents: Iterable[Agent] = (),
        durability: Durability | None = None,
        synchronous: Literal["FULL", "NORMAL"] | None = None,
        settings: Settings | None = None,
        mcp_file: str | os.PathLike[str] | None = None,
        resumes: bool = True,
    ) -> None:
        """Nothing is opened yet.

        Args:
            database: URL like `sqlite:///runs.db`; None takes TRACKRECORD_DB, then the user's data folder.
            plugins: connected beside the built-in ones; one of the same name replaces a built-in.
            models: models by full name (`mine:fast`), beside those that can be had by `provider:name`.
            engines: further engines, beside AgentKit and the Orchestrator.
            agents: agents that others may run by name, before files beside them and those that are stored.
            durability: `sync` or `async`; None takes the setting.
            synchronous: how hard SQLite syncs; None takes the setting, then FULL under `sync` and NORMAL under `async`.
            settings: all settings; None reads the environment.
            resumes: whether runs that nobody carries any more go on here, in the background: those a killed process
                left behind, and those whose time to wait is over. Without it `resume` takes up one by one.
            mcp_file: file of MCP servers; None takes the setting, then `mcp.yaml` in the user's configuration folder.

        Raises:
            BadSettings: a setting or the file cannot be used. PluginError: a plugin is badly made.
        """
        self.settings = settings or read_settings(db=database)
        self.database = database or self.settings.database_url
        self._path = sqlite_path(self.database)
        self._durability: Durability = durability or self.settings.durability
        given = synchronous or self.settings.synchronous
        self._synchronous: Literal["FULL", "NORMAL"] = given or ("FULL" if self._durability == "sync" else "NORMAL")
        self.mcp = Servers(mcp_file_of(mcp_file or self.settings.mcp_file))
        files, http = {"root": self.settings.files_root}, self.settings.http.model_dump()
        known = connected(plugins, self.settings.plugins, {"files": files, "http": http})
        self._registry = Registry([*self.mcp.plugins, *known], withheld=self.mcp.withheld)
        self._models = Models(
            extra=dict(models or {}),
            is_streamed=self.settings.stream,
            idle_s=self.settings.stream_idle_s,
            reads_on=self.settings.late_usage_s > 0,
        )
        self._engines: dict[str, Engine] = {engine.name: engine for engine in (AgentKit(), Orchestrator(), *engines)}
        self._agents = by_name(agents)
        self._store: SqliteStore | None = None
        self._runner: Runner | None = None
        self._sweep: Sweep | None = None
        self._resumes = resumes
        self._limits = self.settings.limits.model_dump(exclude_none=True)

    async def open(self) -> Self:
        """Open the database, making or migrating it when needed; goes on with what a killed process left behind.

        Raises:
            StoreUnusable, SchemaTooNew: the database cannot be used.
            BadSettings: its secrets were sealed with another key, or one is wanted and there is no key.
        """
        if self._store is None:
            if self._path.parent == data_folder():
                make_data_folder()
            self._store = self._open_store(self._path)
            try:
                self._runner = self._made_runner(self._store)
                self._sweep = Sweep(self._runner, resumes=self._resumes)
                await self._sweep.start()
            except BaseException:
                await self.close()
                raise
        return self

    async def close(self) -> None:
        """Cancel and record what is under way, then let go of the database."""
        store, runner, sweep = self._store, self._runner, self._sweep
        async with AsyncExitStack() as last_first:  # whatever one of them raises, the others are closed as well
            if store is not None:
                last_first.push_async_callback(self._closed, store)
            last_first.push_async_callback(self._models.close)
            last_first.push_async_callback(self.mcp.close)
            if runner is not None:
                last_first.push_async_callback(runner.stop)
            if sweep is not None:
                last_first.push_async_callback(sweep.stop)

    async def _closed(self, store: SqliteStore) -> None:
        self._store = self._runner = self._sweep = None
        await store.close()

    async def __aenter__(self) -> Self:
        """Open."""
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def run(
        self,
        agent: Agent,
        inputs: Mapping[str, object] | None = None,
        *,
        engine: str = "auto",
        model: str | None = None,
        prompt: str | None = None,
        execution_type: ExecutionType = "manual",
        user_id: str = LOCAL_USER,
        watcher: Watcher | None = None,
        now: str | None = None,
    ) -> Run:
        """Run an agent to its end and give its record and answer; a failed run is returned, not raised.

        Args:
            agent: what to run.
            inputs: values by name; None takes the agent's example_inputs, or none.
            engine: `agentkit`, `orchestrator`, another engine's name, or `auto`.
            model: replaces the agent's model.
            prompt: replaces the agent's prompt.
            execution_type: what started it.
            user_id: whose run it is.
            watcher: is told of everything that begins and ends.
            now: stamp that fixes the run's first start; None takes the database's clock.

        Raises:
            RequestError, Refused: it never became a run; nothing was spent.
            StoreError: its record could not be kept.
        """
        request = self._request(agent, inputs, engine, model, prompt, execution_type, user_id, now)
        await self._ready(agent, self._opened_store())
        return await self._opened().run(request, watcher=watcher)

    async def start(
        self,
        agent: Agent,
        inputs: Mapping[str, object] | None = None,
        *,
        engine: str = "auto",
        model: str | None = None,
        prompt: str | None = None,
        execution_type: ExecutionType = "manual",
        user_id: str = LOCAL_USER,
        watcher: Watcher | None = None,
        now: str | None = None,
    ) -> Started:
        """Begin a run and give a handle: `run_id`, `cancel()`, and `task` to await its end. Arguments as in `run`.

        Raises:
            RequestError, Refused: it never became a run; nothing was spent. InsufficientCredits comes from `task`:
                credits are held in the transaction that stores the run.
        """
        request = self._request(agent, inputs, engine, model, prompt, execution_type, user_id, now)
        await self._ready(agent, self._opened_store())
        return self._opened().start(request, watcher=watcher)

    async def resume(self, run_id: str, *, watcher: Watcher | None = None) -> Started:
        """Go on with a run that nobody carries, here and now; a handle as of `start`.

        One that was left behind by a process that died, or that waits and whose time has come. Nothing whose result is
        stored is done again.

        Raises:
            UnknownRun: there is no such run. CannotResume: what it needs is not there any more.
            RequestError, Refused: it cannot go on here. Conflict comes from the handle's `task`: the run is not due,
                has ended, or is carried by somebody.
        """
        return await self._opened().resume(LOCAL_TENANT, run_id, watcher=watcher)

    async def left_behind(self) -> list[str]:
        """Ids of the runs that nobody carries and that could go on; the oldest first, a hundred at most.

        Raises:
            StoreError: they could not be read.
        """
        found = await self._opened_store().expired(MOST_AT_ONCE)
        return [one.run_id for one in found if one.run_id not in self._opened().live]

    async def retry(self, run_id: str, *, watcher: Watcher | None = None) -> Started:
        """Run again what did not complete, as a new run from where it failed; a handle as of `start`.

        It has the definition, the inputs and the present of its origin. What precedes the place is taken over: that is
        neither done nor counted again.

        Raises:
            RequestError: it is none that can be retried, or what that needs is not kept. Refused: it cannot run here.
        """
        return await self._opened().redo(LOCAL_TENANT, run_id, "retry", watcher=watcher)

    async def fork(self, run_id: str, from_step: str, *, watcher: Watcher | None = None) -> Started:
        """Run again what has ended, however it did, as a new run from a step on; otherwise as `retry`.

        `from_step` is the id of a step, its path like `s:each/i:3/s:put`, or a turn like `turn:2` of AgentKit.

        Raises:
            BadInput: there is no such step, or the run has not ended. The others as of `retry`.
        """
        return await self._opened().redo(LOCAL_TENANT, run_id, "fork", from_step, watcher=watcher)

    async def cancel(self, run_id: str) -> str:
        """End a run that has not ended, whoever carries it; its state before.

        One that is carried ends within a second, at its next await; what it has spent is recorded.

        Raises:
            UnknownRun: there is no such run. Conflict: it has ended.
        """
        here = self._opened().live.get(run_id)
        if here is not None and not here.task.done():
            here.cancel()
            return "running"
        before = await self._opened_store().ask_to_cancel(LOCAL_TENANT, run_id, "user")
        with suppress(Conflict):  # somebody carries it, and ends it
            await (await self.resume(run_id)).task
        return before

    async def parity(
        self,
        agent: Agent,
        inputs: Mapping[str, object] | None = None,
        *,
        engines: Sequence[str] = ("agentkit", "orchestrator"),
        model: str | None = None,
    ) -> Comparison:
        """Run an agent through two engines and compare what they left, field by field.

        Each runs alone on its own copy of this database, which is not written and need not be open; but models and
        tools are really called, once by each engine.

        Args:
            agent: what to run.
            inputs: values by name; None takes the agent's example_inputs, or none.
            engines: two names; `parities` takes more.
            model: replaces the agent's model.

        Raises:
            RequestError, Refused: a run was refused; nothing was compared.
        """
        if len(engines) != 2:
            raise BadInput(f"{len(engines)} engines are not a pair", cure="Name two; `parities` compares more.")
        return (await self.parities(agent, inputs, engines=engines, model=model))[0]

    async def parities(
        self,
        agent: Agent,
        inputs: Mapping[str, object] | None = None,
        *,
        engines: Sequence[str] = ("agentkit", "orchestrator"),
        model: str | None = None,
    ) -> tuple[Comparison, ...]:
        """As `parity`, for two engines or more: the first one's run compared with each other's, in the order given."""

        async def carry_out(path: Path, engine: str, now: str) -> str:
            # no sweep here: on a copy it would end runs that are alive in the database itself
            store = self._open_store(path)
            try:
                runner = self._made_runner(store)
                request = self._request(agent, inputs, engine, model, None, "test", LOCAL_USER, now)
                await self._ready(agent, store)
                ended = await runner.run(request)
                await runner.stop()
                return ended.id
            finally:
                await store.close()

        try:
            return await run_apart(
                engines,
                carry_out,
                source=self._path,
                agent_id=agent.id,
                user_id=LOCAL_USER,
                settings=IntensitySettings.from_mapping(self.settings.intensity),
            )
        finally:
            if self._store is None:  # else other runs may be talking to them
                await self.mcp.close()
                await self._models.close()

    async def increment_agent_stats(self, agent_id_input: str, user_id_input: str, success: bool) -> None:
        """Count a run that happened elsewhere in `agent_stats`; kept apart as external, so a recount still fits."""
        await self._opened_store().increment_agent_stats(LOCAL_TENANT, agent_id_input, user_id_input, success)

    async def update_agent_intensity_metrics(self, data: AgentExecutionData) -> None:
        """Add a run that happened elsewhere to its agent's intensity metrics; kept apart as external."""
        await self._opened_store().update_agent_intensity_metrics(LOCAL_TENANT, data)

    async def set_secret(self, name: str, value: str) -> int:
        """Seal a secret under its name, in place of what was there; its version. Plugins are given it by that handle.

        Raises:
            BadInput: name or value cannot be used. BadSettings: there is no key to seal it with, or it is another one.
        """
        return await self._opened_store().secrets.put(LOCAL_TENANT, name, value)

    async def delete_secret(self, name: str) -> None:
        """Forget a secret.

        Raises:
            BadInput: there is no such secret.
        """
        await self._opened_store().secrets.delete(LOCAL_TENANT, name)

    async def rotate_secrets(self, key: str) -> int:
        """Wrap every secret under a new key, all of them or none; how many. The settings must name it from then on.

        Raises:
            BadSettings: the new key is none, or the present one is not there or another one.
        """
        return await self._opened_store().secrets.rotate(LOCAL_TENANT, read_key(key, "the new key"))

    @property
    def memory(self) -> MemoryBook:
        """What is remembered of earlier runs: to look at, add to, pin, forget, erase, prune and consolidate."""
        store = self._opened_store()
        return MemoryBook(store.memory, store.path, self._opened().redactor)

    async def feedback(
        self, run_id: str, verdict: Literal["good", "bad"], text: str | None = None, *, user_id: str = LOCAL_USER
    ) -> Feedback:
        """Say that a run was good or bad, and why; later runs of the agent recall it with the run's summary.

        Each time adds a row and the newest counts; the run's record does not change. The first one makes the run's
        summary weigh 3 more.

        Raises:
            UnknownRun: there is no such run. BadInput: it has not ended, the verdict is none, or the text is too long.
        """
        return await self.memory.feedback(run_id, verdict, text, user_id)

    async def approvals(self, run_id: str | None = None) -> list[StoredQuestion]:
        """What waits for a person, the oldest first: of one run, or of all that have not ended."""
        return self._opened_store().approvals.open(LOCAL_TENANT, run_id)

    async def approve(
        self, run_id: str, path: str | None = None, *, by: str = LOCAL_USER, comment: str | None = None
    ) -> StoredQuestion:
        """Approve what a run asks; without a path the only question that is open. How it stands then.

        Of two that decide at once one wins. A question for which all must approve is open until they have.

        Args:
            run_id: the run; it must not have ended.
            path: of the question, with or without its last word (`s:ok/wait`, `s:ok`), or the id of the step (`ok`).
            by: who says so; one of the question's approvers when it has any.
            comment: why; kept with the decision, and told to the run.

        Raises:
            UnknownRun: there is no such run. BadInput: it asks nothing, not this, or more than one thing.
            Conflict: it has ended, somebody was faster, the time is over, or this person has voted.
            NotAnApprover: it is for others to decide.
        """
        return await self._decide(run_id, path, by, "approved", comment)

    async def reject(
        self, run_id: str, path: str | None = None, *, by: str = LOCAL_USER, comment: str | None = None
    ) -> StoredQuestion:
        """Reject what a run asks; arguments and errors as of `approve`. One rejection decides."""
        return await self._decide(run_id, path, by, "rejected", comment)

    async def settle(
        self,
        run_id: str,
        path: str,
        outcome: Literal["done", "retry"],
        data: object = None,
        *,
        by: str = LOCAL_USER,
    ) -> StoredQuestion:
        """Say what became of a call of unknown outcome, so that its run goes on; how the question stands then.

        Args:
            run_id: the run; it must be waiting.
            path: of the call, with or without its last word, like `s:send/tool` or `s:send`.
            outcome: `done`: it had its effect; `retry`: it had none, and is called again.
            data: what it gave, when it is done; known secrets are taken out.
            by: who says so.

        Raises:
            UnknownRun: there is no such run. BadInput: nothing is unknown there, or the data cannot be used.
            Conflict: it has ended, it does not wait, or somebody was faster.
        """
        approvals, redactor = self._opened_store().approvals, self._opened().redactor
        given = loads(redactor.exact_json(dumps(data)))
        settled = await approvals.settle(LOCAL_TENANT, run_id, path, outcome, given, by)
        self._nudge(run_id)
        return settled

    async def _decide(
        self, run_id: str, path: str | None, by: str, decision: Literal["approved", "rejected"], comment: str | None
    ) -> StoredQuestion:
        approvals, redactor = self._opened_store().approvals, self._opened().redactor
        words = None if comment is None else redactor.text(clean_text(comment))
        decided = await approvals.decide(LOCAL_TENANT, run_id, path, by, decision, words)
        self._nudge(run_id)
        return decided

    def _nudge(self, run_id: str) -> None:
        """A run has been answered: what carries runs here need not wait for its next look at the database."""
        here = self._opened().live.get(run_id)
        if here is not None and here.live is not None:
            here.live.wake("approval")
        self._tell()

    def _tell(self) -> None:
        if self._sweep is not None:
            self._sweep.tell()

    async def grant_credits(self, amount: int, *, user_id: str = LOCAL_USER, note: str | None = None) -> CreditAccount:
        """Give a user credits; the first grant opens the account, and limits the runs that begin after it.

        Raises:
            BadInput: the amount is no whole number from 1, or the note is too long.
        """
        return await self._opened_store().ledger.grant(LOCAL_TENANT, user_id, amount, note, LOCAL_USER)

    async def adjust_credits(
        self, amount: int, note: str, *, user_id: str = LOCAL_USER, run_id: str | None = None
    ) -> CreditAccount:
        """Correct a balance by an amount of either sign, with the reason; with a run, give back what it was charged.

        Adds to the ledger and changes nothing in it.

        Raises:
            BadInput: there is no account, it has not so much, or the run was not charged so much.
        """
        ledger = self._opened_store().ledger
        return await ledger.adjust(LOCAL_TENANT, user_id, amount, note, LOCAL_USER, run_id)

    async def credits(self, user_id: str = LOCAL_USER) -> CreditAccount | None:
        """How a user's credit account stands; None when there is none, and runs are metered only."""
        found = self._opened_store().ledger.accounts(LOCAL_TENANT, user_id)
        return found[0] if found else None

    async def look_at_server(self, name: str) -> Look:
        """The tools of an MCP server, as they are and as they were approved; `mcp.approve` approves what this showed.

        Need not be open for a server that is given no secret.

        Raises:
            BadSettings: there is no such server.
        """

        def opened(handles: Sequence[str]) -> Mapping[str, str]:
            return self._opened_store().secrets.open(LOCAL_TENANT, handles) if handles else {}

        return await self.mcp.look(name, opened)

    async def rebuild(self) -> Rebuilt:
        """Make the statistics and intensity metrics anew from the records; says what changed and what it left alone."""
        return await self._opened_store().rebuild()

    async def _ready(self, agent: Agent, store: SqliteStore) -> None:
        """See that what the agent needs of others is as it was approved."""
        needed = [need.name for need in agent.plugins if not need.is_optional]
        await self.mcp.ready(needed, partial(store.secrets.open, LOCAL_TENANT))

    def _request(
        self,
        agent: Agent,
        inputs: Mapping[str, object] | None,
        engine: str,
        model: str | None,
        prompt: str | None,
        execution_type: ExecutionType,
        user_id: str,
        now: str | None,
    ) -> Request:
        return Request(
            agent=agent.with_limits(self._limits),
            inputs=(agent.example_inputs or {}) if inputs is None else inputs,
            engine=engine,
            execution_type=execution_type,
            prompt=prompt,
            model=model,
            user_id=user_id,
            now=now,
        )

    def _open_store(self, path: Path) -> SqliteStore:
        return SqliteStore.open(
            path,
            durability=self._durability,
            synchronous=self._synchronous,
            intensity_settings=IntensitySettings.from_mapping(self.settings.intensity),
            key=key_of(self.settings.secrets),
        )

    def _opened(self) -> Runner:
        if self._runner is None:
            raise BadInput("this Trackrecord is not open", cure="Use `async with Trackrecord(…) as tr:`.")
        return self._runner

    def _opened_store(self) -> SqliteStore:
        self._opened()
        assert self._store is not None  # noqa: S101  # opened and closed together with the runner
        return self._store

    def _made_runner(self, store: SqliteStore) -> Runner:
        retry = self.settings.retry
        handles = sorted({one for name in self._registry.plugins for one in self._registry.credentials(name)})
        store.secrets.check(LOCAL_TENANT, handles)
        known = (*secrets_of(os.environ), *store.secrets.open(LOCAL_TENANT, handles).values())
        return Runner(
            store=store,
            engines=self._engines,
            registry=self._registry,
            resolve_model=self._resolve,
            redactor=redactor(known),
            secrets=store.secrets,
            durability=self._durability,
            backoff=Backoff(
                max_attempts=retry.max_attempts,
                initial_ms=retry.initial_ms,
                multiplier=retry.multiplier,
                max_ms=retry.max_ms,
                retry_after_cap_ms=retry.retry_after_cap_ms,
            ),
            default_model=self.settings.model,
            summary_model=self.settings.memory.summary_model,
            most_credits=self.settings.credits.hold,
            approvals=store.approvals,
            limits=self._limits,
            checkpoint_days=self.settings.checkpoint_days,
            ready=lambda agent: self._ready(agent, store),
            find_agent=Roster(self._agents, store.definitions).find,
            tell=self._tell,
            late=Latecomers(store.add_late_usage, patience_s=self.settings.late_usage_s),
        )

    def _resolve(self, name: str, agent: Agent) -> Model:
        folder = None if agent.path is None else Path(agent.path)
        return self._models.resolve(name, base=folder.parent if folder is not None and folder.is_file() else folder)
