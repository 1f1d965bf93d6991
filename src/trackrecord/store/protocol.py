"""What a store promises: accept, begin, journal and finish a run, each all or nothing. Types only.

`runner` alone calls accept, begin and finish; `context` alone appends to the journal, through its own protocol.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from trackrecord.canonical import Json
from trackrecord.context.protocols import Checkpoint, Journal, MemoryStore
from trackrecord.context.questions import Approvals
from trackrecord.memory.entries import Memory
from trackrecord.record.credits import Credits
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.late_usage import LateUsage
from trackrecord.record.record import Origin
from trackrecord.record.rows import Rows
from trackrecord.record.spans import Span
from trackrecord.sealed import sealed
from trackrecord.workflow.reusable import Attempt

Durability = Literal["sync", "async"]


@sealed
class AgentVersion:
    """An agent as it is stored; the same version is stored once.

    Attributes:
        definition: canonical text of the whole definition.
        version: SHA-256 of what makes the agent behave as it does.
    """

    tenant_id: str
    agent_id: str
    user_id: str
    name: str
    description: str
    status: str
    definition: str
    version: str
    design: DeclaredDesign


@sealed
class Payload:
    """Content of a run under the payload policy.

    Attributes:
        kind: `input` or `output`.
        body: canonical text; None when the policy keeps no content.
        sha256, size: of the whole canonical text, in bytes, before any cut.
        was_truncated: whether the body is only the beginning.
    """

    kind: Literal["input", "output"]
    body: str | None
    sha256: str
    size: int
    was_truncated: bool = False


@sealed
class Hold:
    """Credits that a run holds; resolved by its finish.

    Attributes:
        id: of the ledger's entry.
        amount: how many.
    """

    id: str
    amount: Credits


@sealed
class Reused:
    """Checkpoints that a retry or a fork takes over from its origin.

    Attributes:
        run_id: the origin.
        attempts: which, by path and attempt; each has ended.
        now: stamp of the origin's first start: it is the new run's, too.
    """

    run_id: str
    attempts: tuple[tuple[str, int], ...]
    now: str


@sealed
class AcceptedRun:
    """A run that was admitted: what the accepting transaction writes.

    Attributes:
        kept: checkpoints it begins with: what it was asked for, as far as that stands nowhere else.
        most_credits: what it is to hold when its user has a credit account, or as much of it as is there.
        reused: what it takes over from the run it is a retry or a fork of; None for any other.
        parent_epoch: of a child run: the epoch that must hold its parent; None for the rest.
    """

    origin: Origin
    agent: AgentVersion
    input: Payload
    most_credits: Credits
    scheduled_at: str | None = None
    kept: Sequence[Checkpoint] = ()
    reused: Reused | None = None
    parent_epoch: int | None = None


@sealed
class Begun:
    """A run under a new epoch.

    Attributes:
        epoch: 1 for the first begin.
        began_at: database time of this begin, a stamp.
        now: database time of the first begin, a stamp; `ctx.now`.
        spans: what earlier epochs stored; empty on the first begin.
        checkpoints: what earlier epochs stored; on the first begin only what a retry or a fork has taken over.
        hold: the credits it holds; None when its user had no credit account when it was accepted.
        cancel_code: why it is to end at once; None when nobody has said so.
    """

    tenant_id: str
    run_id: str
    epoch: int
    began_at: str
    now: str
    spans: tuple[Span, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    hold: Hold | None = None
    cancel_code: Literal["user", "signal"] | None = None


@sealed
class FinishedRun:
    """Everything the terminal transaction writes, besides what the journal still holds for the run.

    Attributes:
        begun: the epoch that may write it.
        rows: the four tables' rows.
        minimal: the rows of the minimal record with the reason given, for when `rows` cannot be stored because of
            its content.
        memories: what later runs may recall of it, told whether it is the agent's first to end.
        last_spans: spans that end with the run (its epoch); stored in the same transaction.
        kept: checkpoints that outlive it: of a child run what it gave.
    """

    origin: Origin
    begun: Begun
    rows: Rows
    minimal: Callable[[str], Rows]
    design: DeclaredDesign
    output: Payload | None = None
    memories: Callable[[bool], Sequence[Memory]] = lambda is_first: ()
    last_spans: Sequence[Span] = ()
    kept: Sequence[Checkpoint] = ()


@sealed
class ParkedRun:
    """A run that does not go on for now: what the parking transaction writes.

    Attributes:
        reason: what it waits for, or `handover`: then it stays `running`, and any process may take it at once.
        ready_at: stamp; it is not begun before. None: not before somebody says so.
        paths: the waits and questions it waits for.
        last_spans: spans that end with the epoch.
    """

    begun: Begun
    reason: str
    ready_at: str | None
    paths: tuple[str, ...]
    last_spans: Sequence[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRun:
    """A run that nobody carries: whoever held or was about to begin it is gone, or what it waited for has come."""

    tenant_id: str
    run_id: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRun:
    """What a dead process left of a run, besides its spans and checkpoints.

    Attributes:
        definition: the agent's, as the text that was stored with the run; a later version may not be able to read it.
        started_at: stamp of the first begin; None when nobody has begun it.
        request: what it was asked for, as `store.kept` wrote it; empty when there was nothing to write.
        inputs: canonical text of its inputs; None when they are not kept whole.
        cancel_code: why it is to end at once; None when nobody has said so.
    """

    origin: Origin
    definition: str
    started_at: str | None
    request: Mapping[str, Json]
    inputs: str | None
    cancel_code: Literal["user", "signal"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run as the origin of a retry or a fork.

    Attributes:
        left: who and what it is, and what it was given.
        status: its state.
        error_code, error_path: why and where it failed; None where that is not known.
        attempts: its effects, as far as checkpoints of them are kept.
        is_pruned: whether its checkpoints have been deleted.
    """

    left: LeftRun
    status: str
    error_code: str | None
    error_path: str | None
    attempts: tuple[Attempt, ...]
    is_pruned: bool


@sealed
class ChildRun:
    """How a child run stands.

    Attributes:
        status: its state.
        has_ended: whether that is its last.
        is_free: whether nobody carries it and it could go on now.
        error_code, error_message: why it ended as it did; None while it has not, and when it completed.
        outcome: what it gave, as `store.kept` wrote it; None when it gave nothing, or that was not kept.
    """

    run_id: str
    status: str
    has_ended: bool
    is_free: bool
    error_code: str | None
    error_message: str | None
    outcome: str | None


@sealed
class Kin:
    """A run in a line of parents and children: which agent it is of, in which version."""

    agent_id: str
    version: str
    name: str


class Store(Protocol):
    """Runs and what they left, kept by one database."""

    @property
    def memory(self) -> MemoryStore:
        """Memories to recall from."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Questions to people."""
        ...

    def accept(self, run: AcceptedRun) -> Awaitable[None]:
        """Hand the accepting transaction to the writer at once; await the result for its commit.

        Writes the agent and its version when new, the run as `queued`, its input and an audit row; holds credits when
        the user has an account.

        Raises:
            InsufficientCredits: there are none to hold; there is no such run then.
            CheckpointsGone: what it is to take over is not there any more; there is no such run then.
        """
        ...

    async def begin(self, tenant_id: str, run_id: str, *, now: str | None = None) -> Begun:
        """Put a queued, due waiting or orphaned run under a new epoch and a lease.

        `now` fixes the run's first start instead of the database's clock.

        Raises:
            Conflict: somebody holds the run, or it has ended.
            UnknownRun: there is no such run.
        """
        ...

    def launch(self, run: AcceptedRun, *, now: str | None = None) -> Begun:
        """Accept and begin a run of this process in one, under durability `async`; returns at once.

        It is stored with the first of its journal, at most 100 ms later, or with its finish.
        """
        ...

    def has_account(self, tenant_id: str, user_id: str) -> bool:
        """Whether the user has a credit account: its runs must hold credits before they begin, and not be launched."""
        ...

    async def expired(self, limit: int, after: str = "") -> Sequence[ExpiredRun]:
        """Runs that nobody carries and that could go on, the oldest first, from an id on; `begin` takes one over."""
        ...

    async def left(self, tenant_id: str, run_id: str) -> LeftRun:
        """Who and what a run is, from what was stored when it was accepted.

        Raises:
            UnknownRun: there is no such run.
        """
        ...

    async def past(self, tenant_id: str, run_id: str) -> PastRun:
        """A run as the origin of a retry or a fork, from what is stored of it.

        Raises:
            UnknownRun: there is no such run.
        """
        ...

    async def park(self, run: ParkedRun) -> Literal["user", "signal"] | None:
        """Let go of a run that does not go on for now; what it waits for brings it back.

        Gives the code when somebody wanted it to end before it was let go of: it is due at once then.

        Raises:
            Conflict: another epoch holds the run, or it has ended; nothing was written.
        """
        ...

    async def ask_to_cancel(self, tenant_id: str, run_id: str, code: Literal["user", "signal"]) -> str:
        """Say that a run is to end, whoever carries it: its state before. One that waits is ready at once.

        Raises:
            UnknownRun: there is no such run. Conflict: it has ended.
        """
        ...

    def to_cancel(self, begun: Iterable[tuple[str, str, int]]) -> Mapping[str, Literal["user", "signal"]]:
        """Of these runs (tenant, id, epoch), those that somebody wants to end, with the code; a cheap look."""
        ...

    def children(self, tenant_id: str, run_id: str, path: str | None = None) -> Sequence[ChildRun]:
        """The child runs of a run, the oldest first; of one place when a path is given. A cheap look."""
        ...

    def lineage(self, tenant_id: str, run_id: str, most: int) -> Sequence[Kin]:
        """A run and those it is a child of, the outermost first, `most` at most. A cheap look."""
        ...

    def refuse(self, tenant_id: str, user_id: str, subject: tuple[str, str], details: str) -> Awaitable[None]:
        """Note that something was refused: an audit row about a kind and id, with canonical JSON text."""
        ...

    def journal(self, begun: Begun, durability: Durability) -> Journal:
        """The journal of this epoch."""
        ...

    async def prune_memories(self) -> int:
        """Delete the memories that have expired and that nobody pinned; how many."""
        ...

    async def prune_checkpoints(self, days: int) -> int:
        """Delete the checkpoints of runs that ended longer than so many days ago; how many."""
        ...

    async def finish(self, run: FinishedRun) -> bool:
        """The terminal transaction; False, and nothing written, when the run had ended or moved to another epoch."""
        ...

    async def add_late_usage(self, late: LateUsage) -> bool:
        """Add what a model attempt of an ended run has used, once; False while the run has not ended."""
        ...

    async def release(self, begun: Begun) -> None:
        """Let go of a run that this process will not finish, so that another may begin it at once."""
        ...

    async def close(self) -> None:
        """Commit what is under way and let go of the database."""
        ...
