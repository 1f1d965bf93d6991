"""What the context needs from rooms it may not import: journal, memories, secrets, child runs. Handed in by others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from trackrecord.canonical import Json
from trackrecord.context.questions import AgentRef
from trackrecord.errors import TerminalStatus
from trackrecord.memory.entries import Memory, MemoryEntry
from trackrecord.plugins.protocol import EffectClass
from trackrecord.record.spans import Span
from trackrecord.sealed import maker, sealed

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.context.run_context import RunContext


CANCEL: Final = "cancel"
"""Path and kind of the checkpoint that says that a run is to end; its subject is the code."""


@sealed
class Checkpoint:
    """What a resumed run needs of one effect attempt.

    Attributes:
        path, attempt: which effect attempt.
        state: `started` (a marker) or `done`; done replaces started.
        kind: the effect's kind.
        subject: `provider:model` or `plugin.action`, to name it to people; empty for the other kinds.
        effect: its class.
        request_hash: SHA-256 of what was asked for.
        epoch: the epoch that wrote it.
        start_us: microseconds since that epoch's begin at which it started.
        outcome: canonical text, `{"value": …}` or `{"error": …}`; None while started.
    """

    path: str
    attempt: int
    state: Literal["started", "done"]
    kind: str
    effect: EffectClass
    request_hash: str
    epoch: int
    start_us: int
    subject: str = ""
    outcome: str | None = None


new_checkpoint = maker(Checkpoint)


class Journal(Protocol):
    """The append-only journal of one run in one epoch."""

    def append(self, span: Span | None, checkpoint: Checkpoint | None) -> None:
        """Take one finished span, or one checkpoint, or both; returns at once.

        Under `sync` they are on their way to the writer when the engine next waits, under `async` within 100 ms.
        A `done` checkpoint replaces a `started` one of the same path and attempt.

        Raises:
            Conflict, StoreError: something appended earlier could not be stored; the run must stop. What is given now
                is kept for the run's end all the same.
        """
        ...

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that whoever appends should commit before going on."""
        ...

    async def commit(self) -> None:
        """Return when everything appended so far is committed.

        Raises:
            Conflict: another epoch holds the run, or it has ended; nothing was written.
            StoreError: it could not be stored; the run must stop.
        """
        ...


class MemoryStore(Protocol):
    """Memories of an agent and its user."""

    async def entries(self, tenant_id: str, agent_id: str, user_id: str, *, before: str) -> Sequence[MemoryEntry]:
        """Entries stored strictly before the stamp `before`, newest first; the recall picks among them."""
        ...

    async def remember(
        self, tenant_id: str, agent_id: str, user_id: str, memory: Memory, *, run_id: str, path: str
    ) -> None:
        """Keep a memory; the same run and path keep it once.

        Raises:
            StoreError: it could not be stored.
        """
        ...


@sealed
class ChildEnd:
    """How a child run ended.

    Attributes:
        output: what it gave; None when it did not complete, or gave nothing.
        is_output_lost: whether it completed and what it gave is not there any more.
        error_code, error_message: why it did not complete; None when it did.
    """

    run_id: str
    status: TerminalStatus
    output: Json = None
    is_output_lost: bool = False
    error_code: str | None = None
    error_message: str | None = None


class ChildRuns(Protocol):
    """The child runs of one run, each at a place of its own."""

    @property
    def has_any(self) -> bool:
        """Whether the run may have child runs."""
        ...

    async def carry(self, path: str, agent: AgentRef, inputs: Mapping[str, Json]) -> ChildEnd | None:
        """Start the child of a place, or go on with the one that is there, and wait while it is carried here.

        None when it has not ended and is not carried here: it waits, or another process has it.

        Raises:
            RequestError, Refused, LimitReached: it cannot be started; there is no such run.
            Conflict: another epoch holds the parent, or it has ended.
            StoreError: it could not be stored.
        """
        ...

    async def end(self, path: str, code: Literal["user", "signal"]) -> None:
        """Cancel the child of a place, wherever it is, and return when its end is recorded; nothing without one.

        Raises:
            StoreError: it could not be stored.
        """
        ...

    def let_go(self, path: str) -> None:
        """Have the child of a place go on in another process, as its parent will."""
        ...


class Secrets(Protocol):
    """Secrets by handle, sealed at rest."""

    def open(self, tenant_id: str, names: Iterable[str]) -> Mapping[str, str]:
        """Their values; those that are not stored are left out. Takes well under a millisecond.

        Raises:
            BadSettings: there is no key, or it is another one than sealed them.
            StoreError: they cannot be read.
        """
        ...


class Engine(Protocol):
    """What carries a run out; reaches the outside only through the context and knows nothing of tables.

    Attributes:
        name: `agentkit`, `orchestrator` or an adapter's name.
        title: the name as people write it; stands in the log's sentence.
        runs_workflow: whether it carries out workflow steps; else executed counts are unknown.
        run_timeout_s: working time a run may take when the agent sets none.
    """

    name: str
    title: str
    runs_workflow: bool
    run_timeout_s: float

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        """Carry one run out and give its answer.

        Raises:
            RunError: the run ended badly; what was spent until then is recorded all the same.
        """
        ...
