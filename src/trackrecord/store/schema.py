"""The tables, once, for SQLite and PostgreSQL: keys, checks, indexes and the triggers that keep history as it was.

Imported only by migrations, tests and tools: SQLAlchemy costs 0.4 s, so the running store uses `statements`, and a test
proves that both name the same columns. Must never be used to create tables: a database is made by `migrations`.

Times are fixed-width UTC stamps, ids 36-character text, counts integers, unknown is NULL. Tables are STRICT on SQLite,
so a value of the wrong type is refused there as it is on PostgreSQL. Every key starts with tenant_id, and every child
points at its parent with it, so no row can belong to another tenant than its parent.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID

from trackrecord.record import intensity
from trackrecord.store.pockets import ONCE, moves
from trackrecord.store.states import ENDED, LIVE, one_of

ID: Final = Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
COUNT: Final = Integer().with_variant(BigInteger(), "postgresql")
DOCUMENT: Final = Text().with_variant(JSONB(), "postgresql")
DOLLARS: Final = Text().with_variant(Numeric(), "postgresql")

metadata: Final = MetaData()

_Column = Column[Any]


def _id(name: str, *, null: bool = False) -> _Column:
    return Column(name, ID, nullable=null)


def _stamp(name: str, *, null: bool = False) -> _Column:
    return Column(name, STAMP, nullable=null)


def _text(name: str, *, null: bool = False) -> _Column:
    return Column(name, Text(), nullable=null)


def _count(name: str) -> _Column:
    """An amount that is always known."""
    return Column(name, COUNT, nullable=False, server_default=text("0"))


def _figure(name: str) -> _Column:
    """An amount that may be unknown: NULL, never 0."""
    return Column(name, COUNT, nullable=True)


def _document(name: str, *, null: bool = False) -> _Column:
    return Column(name, DOCUMENT, nullable=null)


def _table(name: str, key: str, *parts: Any, clustered: bool = False) -> Table:
    """A table whose counts may not be negative; `clustered` stores rows in key order, without a second tree."""
    counted = [part.name for part in parts if isinstance(part, Column) and part.type is COUNT]  # pyright: ignore[reportUnknownMemberType]  # generic over any type
    checks = (
        [CheckConstraint(" AND ".join(f"{column} >= 0" for column in counted), f"{name}_counts")] if counted else []
    )
    return Table(
        name,
        metadata,
        *parts,
        PrimaryKeyConstraint(*key.split(), name=f"{name}_key"),
        *checks,
        sqlite_strict=True,
        sqlite_with_rowid=not clustered,
    )


def _intensity(name: str) -> _Column:
    if name in intensity.TEXT_COLUMNS:
        return _text(name, null=name in intensity.NULLABLE_COLUMNS)
    return _figure(name) if name in intensity.NULLABLE_COLUMNS else _count(name)


def _child(columns: str, parent: str, key: str, *, cascade: bool = False) -> ForeignKeyConstraint:
    names = columns.split()
    return ForeignKeyConstraint(
        names, [f"{parent}.{name}" for name in key.split()], ondelete="CASCADE" if cascade else None
    )


def _of_run() -> ForeignKeyConstraint:
    """The row goes when retention deletes its run, and only then."""
    return _child("tenant_id run_id", "agent_executions", "tenant_id id", cascade=True)


agents = _table(
    "agents",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("user_id"),
    _text("name"),
    _text("description"),
    _text("status"),
    _text("version"),  # of the latest run accepted, or of the latest definition saved
    _stamp("created_at"),
    _stamp("updated_at"),
    CheckConstraint(one_of("status", ("draft", "active", "archived")), "agents_status"),
    Index("agents_by_name", "tenant_id", "name"),
)

agent_versions = _table(
    "agent_versions",
    "tenant_id agent_id version",
    _id("tenant_id"),
    _id("agent_id"),
    _text("version"),  # SHA-256 of what makes the agent behave as it does
    _text("definition"),  # canonical JSON text
    _text("design"),  # the declared design, canonical JSON text
    _stamp("created_at"),
    _child("tenant_id agent_id", "agents", "tenant_id id"),
)

agent_executions = _table(
    "agent_executions",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("agent_id"),
    _text("agent_version"),
    _text("agent_name"),
    _id("user_id"),
    _text("execution_type"),
    _text("engine"),
    _text("engine_title"),
    _count("runs_workflow"),  # 0 or 1
    _text("status"),
    _count("epoch"),
    _stamp("lease_until", null=True),
    _stamp("ready_at", null=True),  # not to be begun before; NULL while queued: at once
    _text("wait_reason", null=True),
    _id("hold_id", null=True),
    _id("parent_run_id", null=True),
    _id("origin_run_id", null=True),
    _text("origin_kind", null=True),
    _stamp("scheduled_at", null=True),
    _stamp("created_at"),
    _stamp("started_at", null=True),  # first begin
    _stamp("now_at", null=True),  # what the run takes for the present
    _stamp("completed_at", null=True),
    _figure("agent_seq"),  # order of finishing per agent, from 1 without gaps; shared with external_executions
    _count("declared_steps"),
    _count("declared_branches"),
    _count("declared_loops"),
    _count("declared_parallel"),
    _text("plugins_required"),  # JSON list
    _count("input_count"),
    _figure("execution_duration_ms"),
    _figure("working_duration_ms"),
    _text("error_code", null=True),
    _text("error_message", null=True),
    _text("error_path", null=True),
    _document("logs", null=True),
    _figure("input_tokens"),
    _figure("output_tokens"),
    _figure("cache_read_tokens"),
    _figure("cache_write_tokens"),
    _figure("reasoning_tokens"),
    _figure("tokens_used"),
    _figure("iterations_count"),
    _figure("model_calls_count"),
    _figure("priced_calls_count"),
    _figure("cost_nanos"),
    _figure("retry_count"),
    _figure("interruptions_count"),
    _figure("unknown_count"),
    _figure("tool_calls_count"),
    _figure("tool_calls_rejected_count"),
    _figure("tool_orchestration_time_ms"),
    _text("provider", null=True),
    _text("model", null=True),
    _figure("steps_completed"),
    _figure("steps_failed"),
    _figure("steps_tolerated"),
    _figure("steps_skipped"),
    _figure("executed_steps"),
    _figure("executed_branches"),
    _figure("executed_loop_iterations"),
    _figure("executed_parallel"),
    _figure("memory_tokens"),
    _figure("memory_entry_count"),
    _figure("span_count"),
    _figure("usage_complete"),  # 0 or 1
    _figure("credits_used"),
    _text("price_table", null=True),
    _text("credit_rule", null=True),
    _text("fold_rule", null=True),
    _text("cancel_code", null=True),  # somebody wants it to end; whoever carries it looks
    _text("parent_path", null=True),  # of a child run: where in its parent
    CheckConstraint(one_of("status", (*LIVE, *ENDED)), "agent_executions_status"),
    CheckConstraint(
        one_of("execution_type", ("manual", "scheduled", "api", "queue", "webhook", "test", "child", "retry", "fork")),
        "agent_executions_type",
    ),
    CheckConstraint(
        f"{one_of('status', ENDED)} = (completed_at IS NOT NULL AND agent_seq IS NOT NULL)", "agent_executions_ended"
    ),
    CheckConstraint("runs_workflow <= 1 AND usage_complete <= 1", "agent_executions_flags"),
    _child("tenant_id agent_id agent_version", "agent_versions", "tenant_id agent_id version"),
    Index("agent_executions_by_agent", "tenant_id", "agent_id", "agent_seq", unique=True),
    Index(  # a place of a run has one child: who would start a second one finds the first
        "agent_executions_children",
        "tenant_id",
        "parent_run_id",
        "parent_path",
        unique=True,
        sqlite_where=text("parent_run_id IS NOT NULL"),
        postgresql_where=text("parent_run_id IS NOT NULL"),
    ),
    Index(
        "agent_executions_cancelled",
        "tenant_id",
        "id",
        sqlite_where=text("status = 'running' AND cancel_code IS NOT NULL"),
        postgresql_where=text("status = 'running' AND cancel_code IS NOT NULL"),
    ),
    Index(
        "agent_executions_leased",
        "lease_until",
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
    Index(
        "agent_executions_ready",
        "ready_at",
        "id",
        sqlite_where=text("status IN ('queued', 'waiting')"),
        postgresql_where=text("status IN ('queued', 'waiting')"),
    ),
)

agent_logs = _table(
    "agent_logs",
    "tenant_id execution_id",
    _id("tenant_id"),
    _id("execution_id"),
    _id("agent_id"),
    _id("user_id"),
    _text("run_output"),  # JSON text
    _document("full_output"),
    _text("status"),
    _stamp("created_at"),
    _count("run_time"),  # milliseconds
    _figure("user_credits_used"),
    _figure("run_tokens"),
    _child("tenant_id execution_id", "agent_executions", "tenant_id id", cascade=True),
    Index("agent_logs_by_agent", "tenant_id", "agent_id", "created_at"),
)

agent_stats = _table(
    "agent_stats",
    "tenant_id agent_id user_id",
    _id("tenant_id"),
    _id("agent_id"),
    _id("user_id"),
    _count("run_count"),
    _count("success_count"),
    _count("failed_count"),
    _count("cancelled_count"),
    _count("timed_out_count"),
    _count("budget_exceeded_count"),
    _count("abandoned_count"),
    _count("interrupted_count"),
    _count("tokens_total"),
    _count("tokens_known_count"),
    _count("duration_ms_total"),
    _count("cost_nanos_total"),
    _count("cost_known_count"),
    _count("external_run_count"),  # part of run_count
    _count("external_success_count"),  # part of success_count
    _stamp("last_run_at"),
    CheckConstraint("success_count <= run_count", "agent_stats_success"),
)

agent_intensity_metrics = _table(
    "agent_intensity_metrics",
    "tenant_id agent_id",
    _id("tenant_id"),
    _id("agent_id"),
    _count("agent_seq"),  # the last one given out
    *(_intensity(name) for name in intensity.COLUMNS),
    _stamp("updated_at"),
)

run_spans = _table(
    "run_spans",
    "tenant_id run_id path attempt",
    _id("tenant_id"),
    _id("run_id"),
    _text("path"),
    _count("attempt"),
    _text("kind"),
    _text("status"),
    _count("epoch"),
    _count("start_us"),  # since that epoch's begin
    _count("duration_us"),
    _text("purpose", null=True),
    _text("step_type", null=True),
    _text("provider", null=True),
    _text("model", null=True),
    _text("responded_model", null=True),
    _figure("input_tokens"),  # cache reads and writes included
    _figure("output_tokens"),  # reasoning included
    _figure("cache_read_tokens"),
    _figure("cache_write_tokens"),
    _figure("reasoning_tokens"),
    _text("usage_provenance", null=True),  # NULL unless a model attempt
    _text("usage_raw", null=True),
    _figure("cost_nanos"),
    Column("cost_usd", DOLLARS, nullable=True),
    _text("plugin", null=True),
    _text("action", null=True),
    _figure("success"),  # 0 or 1
    _figure("items"),
    _text("error_code", null=True),
    _text("error_message", null=True),
    _text("attributes", null=True),  # canonical JSON text; NULL when empty
    CheckConstraint("attempt >= 1 AND epoch >= 1", "run_spans_numbers"),
    CheckConstraint(
        "usage_provenance IS NOT NULL OR coalesce(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, "
        "reasoning_tokens) IS NULL",
        "run_spans_usage",
    ),
    _of_run(),
    clustered=True,
)

run_checkpoints = _table(
    "run_checkpoints",
    "tenant_id run_id path attempt",
    _id("tenant_id"),
    _id("run_id"),
    _text("path"),
    _count("attempt"),
    _text("state"),
    _text("kind"),
    _text("effect"),
    _text("request_hash"),
    _text("subject"),  # `provider:model` or `plugin.action`; empty for the other kinds
    _count("epoch"),
    _count("start_us"),
    _text("outcome", null=True),  # canonical JSON text; NULL while started
    CheckConstraint(one_of("state", ("started", "done")), "run_checkpoints_state"),
    CheckConstraint(one_of("effect", ("read", "keyed", "unsafe")), "run_checkpoints_effect"),
    CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", "run_checkpoints_outcome"),
    _of_run(),
    clustered=True,
)

run_payloads = _table(
    "run_payloads",
    "tenant_id run_id kind",
    _id("tenant_id"),
    _id("run_id"),
    _text("kind"),
    _text("body", null=True),  # canonical text under the payload policy; NULL when none is kept or it was erased
    _text("sha256"),  # of the whole text, before any cut
    _count("size"),  # bytes of the whole text
    _count("was_truncated"),  # 0 or 1
    CheckConstraint(one_of("kind", ("input", "output")), "run_payloads_kind"),
    _of_run(),
)

run_memories = _table(
    "run_memories",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("agent_id"),
    _id("user_id"),
    _id("run_id"),
    _text("kind"),
    _text("text", null=True),  # NULL when it was erased
    _count("importance"),
    _stamp("created_at"),
    _stamp("expires_at"),
    _text("source"),
    _count("folded_count"),  # further runs it stands for, beside its own
    _count("is_pinned"),  # 0 or 1
    _stamp("erased_at", null=True),
    CheckConstraint(one_of("kind", ("summary",)), "run_memories_kind"),
    CheckConstraint(one_of("source", ("rule", "model", "folded")), "run_memories_source"),
    CheckConstraint("importance BETWEEN 1 AND 10", "run_memories_importance"),
    CheckConstraint("is_pinned <= 1 AND (text IS NULL) = (erased_at IS NOT NULL)", "run_memories_flags"),
    _of_run(),
    Index("run_memories_by_agent", "tenant_id", "agent_id", "user_id", "kind", "created_at"),
    Index("run_memories_by_expiry", "expires_at"),
    Index("run_memories_by_run", "tenant_id", "run_id"),
)

run_feedback = _table(
    "run_feedback",
    "tenant_id run_id seq",
    _id("tenant_id"),
    _id("run_id"),
    _count("seq"),  # the highest is what counts
    _id("user_id"),  # who gave it
    _text("verdict"),
    _text("text", null=True),  # NULL when none was given, or it was erased
    _stamp("created_at"),
    _stamp("erased_at", null=True),
    CheckConstraint(one_of("verdict", ("good", "bad")), "run_feedback_verdict"),
    CheckConstraint("text IS NULL OR erased_at IS NULL", "run_feedback_erased"),
    _of_run(),
    clustered=True,
)

user_memories = _table(
    "user_memories",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("user_id"),
    _id("agent_id", null=True),  # of a fact: who learnt it; of a pattern: whose it is
    _id("run_id", null=True),  # no key to the run: what was learnt outlives it
    _text("kind"),
    _text("text", null=True),  # NULL when it was erased
    _count("importance"),
    _stamp("created_at"),
    _stamp("expires_at"),
    _text("source"),
    _count("repeat_count"),  # equal ones that were merged into it
    _count("is_pinned"),  # 0 or 1
    _stamp("erased_at", null=True),
    CheckConstraint(one_of("kind", ("fact", "pattern")), "user_memories_kind"),
    CheckConstraint(one_of("source", ("run", "person")), "user_memories_source"),
    CheckConstraint("kind = 'fact' OR agent_id IS NOT NULL", "user_memories_owner"),
    CheckConstraint("importance BETWEEN 1 AND 10", "user_memories_importance"),
    CheckConstraint("is_pinned <= 1 AND (text IS NULL) = (erased_at IS NOT NULL)", "user_memories_flags"),
    Index("user_memories_by_expiry", "expires_at"),
    Index("user_memories_by_run", "tenant_id", "run_id"),
    Index("user_memories_by_user", "tenant_id", "user_id", "created_at"),
)

external_executions = _table(
    "external_executions",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _text("kind"),  # `stats` or `intensity`: which of the two sums it was added to
    _id("agent_id"),
    _id("user_id"),
    _count("agent_seq"),
    _text("fields"),  # canonical JSON text of what the caller gave
    _text("rule"),
    _stamp("created_at"),
    CheckConstraint(one_of("kind", ("stats", "intensity")), "external_executions_kind"),
    Index("external_executions_by_agent", "tenant_id", "agent_id", "agent_seq", unique=True),
)

run_adjustments = _table(
    "run_adjustments",
    "tenant_id run_id seq",
    _id("tenant_id"),
    _id("run_id"),
    _count("seq"),
    _text("kind"),
    _text("deltas"),  # canonical JSON text, amounts by column; may be negative
    _text("rule"),
    _stamp("created_at"),
    _text("subject", null=True),  # what it is about; of late usage the attempt, `turn:1/model#1`
    _of_run(),
    Index(
        "run_adjustments_once",
        "tenant_id",
        "run_id",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text("subject IS NOT NULL"),
        postgresql_where=text("subject IS NOT NULL"),
    ),
    clustered=True,
)

audit_events = _table(
    "audit_events",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("actor_id"),
    _text("action"),  # `run.accepted`, `run.finished`, …
    _text("subject_kind"),
    _id("subject_id"),
    _text("details"),  # canonical JSON text
    _stamp("created_at"),
    clustered=True,
)

_OPEN: Final = text("decision IS NULL")
approvals = _table(
    "approvals",
    "tenant_id run_id path",
    _id("tenant_id"),
    _id("run_id"),
    _text("path"),  # the effect that waits for the answer
    _text("kind"),
    _text("message"),
    _text("approvers"),  # JSON list of names; empty: anybody
    _text("needs"),  # of approvers: any or all
    _stamp("requested_at"),
    _stamp("expires_at", null=True),  # from then on no answer counts
    _text("on_timeout"),
    _text("votes"),  # JSON list of {by, decision, comment, at}
    _text("decision", null=True),  # NULL while it is open
    _text("decided_by", null=True),  # NULL while it is open, and when time decided
    _text("comment", null=True),
    _stamp("decided_at", null=True),
    CheckConstraint(one_of("needs", ("any", "all")), "approvals_needs"),
    CheckConstraint(one_of("on_timeout", ("approve", "reject")), "approvals_on_timeout"),
    CheckConstraint(
        f"kind = 'approval' AND (decision IS NULL OR {one_of('decision', ('approved', 'rejected'))})"
        f" OR kind = 'unknown_outcome' AND (decision IS NULL OR {one_of('decision', ('done', 'retry'))})",
        "approvals_decision",
    ),
    CheckConstraint(
        "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NOT NULL OR decided_by IS NULL)",
        "approvals_decided",
    ),
    _of_run(),
    Index("approvals_open", "tenant_id", "requested_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    clustered=True,
)

secrets = _table(
    "secrets",
    "tenant_id name version",
    _id("tenant_id"),
    _text("name"),
    _count("version"),
    _text("key_id"),  # of the key that wraps the data key
    _text("nonce"),  # this and the next two: base64
    _text("wrapped_key"),
    _text("ciphertext"),
    _stamp("created_at"),
    clustered=True,
)

credit_accounts = _table(
    "credit_accounts",
    "tenant_id user_id",
    _id("tenant_id"),
    _id("user_id"),
    _count("balance"),  # credits that can be held or taken now
    _count("held"),  # credits that runs under way hold
    _stamp("created_at"),
    _stamp("updated_at"),
    clustered=True,
)

credit_entries = _table(
    "credit_entries",
    "tenant_id id",
    _id("tenant_id"),
    _id("id"),
    _id("user_id"),
    _id("run_id", null=True),  # no key to the run: the ledger outlives it
    _text("kind"),
    _text("source"),  # the pocket that the amount leaves
    _text("target"),  # the pocket that it enters
    _count("amount"),
    _text("note", null=True),
    _stamp("created_at"),
    CheckConstraint(moves(), "credit_entries_moves"),
    CheckConstraint("run_id IS NOT NULL OR kind = 'grant' OR kind = 'adjust'", "credit_entries_run"),
    _child("tenant_id user_id", "credit_accounts", "tenant_id user_id"),
    Index("credit_entries_by_user", "tenant_id", "user_id", "id"),
    Index("credit_entries_by_run", "tenant_id", "run_id"),
    Index(
        "credit_entries_once",
        "tenant_id",
        "run_id",
        "kind",
        unique=True,
        sqlite_where=text(one_of("kind", ONCE)),
        postgresql_where=text(one_of("kind", ONCE)),
    ),
    clustered=True,
)
