"""The record: who ran what, how it ended, and what it measured. Derived from spans, never written by an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from trackrecord.canonical import Json
from trackrecord.errors import TerminalStatus
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.measures import Measures, Tokens
from trackrecord.sealed import sealed

FOLD_RULE: Final = "fold/1"

ExecutionType = Literal["manual", "scheduled", "api", "queue", "webhook", "test", "child", "retry", "fork"]
Status = Literal["queued", "running", "waiting"] | TerminalStatus
TERMINAL: Final = frozenset(
    {"completed", "failed", "cancelled", "timed_out", "budget_exceeded", "abandoned", "interrupted_unknown_outcome"}
)


@sealed
class Origin:
    """Who and what a run is; known at admission and unchanged from then on.

    Attributes:
        tenant_id, user_id, agent_id: 36-character ids.
        agent_version: SHA-256 of the agent's definition.
        engine: `agentkit`, `orchestrator` or an adapter's name.
        engine_title: the engine's name as people write it.
        declared: what the definition declares, the same whichever engine ran.
        runs_workflow: whether that engine carries out workflow steps; else executed counts are unknown.
        plugins_required: what the agent requires, called or not.
        input_count: input values used.
        parent_run_id, parent_path: of a child run: whose child it is, and the path of its effect there; else None.
        origin_run_id, origin_kind: of retry and fork runs; None otherwise.
        now: stamp of the run's first start; expressions, dates and prompts use it.
    """

    tenant_id: str
    run_id: str
    agent_id: str
    user_id: str
    agent_name: str
    agent_version: str
    engine: str
    engine_title: str
    runs_workflow: bool
    execution_type: ExecutionType = "manual"
    declared: DeclaredDesign = field(default_factory=DeclaredDesign)
    plugins_required: tuple[str, ...] = ()
    input_count: int = 0
    parent_run_id: str | None = None
    parent_path: str | None = None
    origin_run_id: str | None = None
    origin_kind: str | None = None
    now: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended.

    Attributes:
        status: terminal state.
        output: the answer, canonical; None when there was none.
        error_code, error_message, error_path: the first untolerated failure's cause, redacted; None when completed.
        is_lossy: whether measurements may have been lost with a killed process.
    """

    status: TerminalStatus
    output: Json = None
    error_code: str | None = None
    error_message: str | None = None
    error_path: str | None = None
    is_lossy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One complete record of one run.

    Attributes:
        origin: who and what.
        ending: how; None while the run goes on (a partial record).
        measures: the fold of its spans.
        epoch: the epoch that wrote it.
        credits_used: what the user is charged by the credit rule, from known tokens; None when none are known.
        price_table, credit_rule, fold_rule: the rules in force.
    """

    origin: Origin
    ending: Ending | None
    measures: Measures
    epoch: int
    credits_used: int | None
    price_table: str
    credit_rule: str
    fold_rule: str = FOLD_RULE

    @property
    def is_success(self) -> bool:
        """Whether the answer was given and fits the output schema."""
        return self.ending is not None and self.ending.status == "completed"

    @property
    def tokens(self) -> Tokens:
        """Token figures of the run."""
        return self.measures.tokens

    @property
    def duration_ms(self) -> int:
        """Wall time of the run in milliseconds, gaps between epochs included."""
        return round(self.measures.duration_us / 1000)

    @property
    def usage_complete(self) -> bool:
        """Whether nothing of what was used is unknown or lost."""
        return self.measures.usage_complete and not (self.ending is not None and self.ending.is_lossy)
