"""The first tables: agents, runs and what they left, sums, memories, outside calls, adjustments and audit.

Revision 0001. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID

revision: Final = "0001"
down_revision: Final = None

TEXT: Final = sa.Text()
ID: Final = sa.Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = sa.Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
COUNT: Final = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
DOCUMENT: Final = sa.Text().with_variant(JSONB(), "postgresql")
DOLLARS: Final = sa.Text().with_variant(sa.Numeric(), "postgresql")
ENDED: Final = (
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "budget_exceeded",
    "abandoned",
    "interrupted_unknown_outcome",
)

# Per table: its columns as `name type`, in order; `?` after the type allows NULL, a count without it starts at 0.

AGENTS: Final = """
    tenant_id ID
    id ID
    user_id ID
    name TEXT
    description TEXT
    status TEXT
    version TEXT
    created_at STAMP
    updated_at STAMP
"""
AGENT_VERSIONS: Final = """
    tenant_id ID
    agent_id ID
    version TEXT
    definition TEXT
    design TEXT
    created_at STAMP
"""
AGENT_EXECUTIONS: Final = """
    tenant_id ID
    id ID
    agent_id ID
    agent_version TEXT
    agent_name TEXT
    user_id ID
    execution_type TEXT
    engine TEXT
    engine_title TEXT
    runs_workflow COUNT
    status TEXT
    epoch COUNT
    lease_until STAMP?
    ready_at STAMP?
    wait_reason TEXT?
    hold_id ID?
    parent_run_id ID?
    origin_run_id ID?
    origin_kind TEXT?
    scheduled_at STAMP?
    created_at STAMP
    started_at STAMP?
    now_at STAMP?
    completed_at STAMP?
    agent_seq COUNT?
    declared_steps COUNT
    declared_branches COUNT
    declared_loops COUNT
    declared_parallel COUNT
    plugins_required TEXT
    input_count COUNT
    execution_duration_ms COUNT?
    working_duration_ms COUNT?
    error_code TEXT?
    error_message TEXT?
    error_path TEXT?
    logs DOCUMENT?
    input_tokens COUNT?
    output_tokens COUNT?
    cache_read_tokens COUNT?
    cache_write_tokens COUNT?
    reasoning_tokens COUNT?
    tokens_used COUNT?
    iterations_count COUNT?
    model_calls_count COUNT?
    priced_calls_count COUNT?
    cost_nanos COUNT?
    retry_count COUNT?
    interruptions_count COUNT?
    unknown_count COUNT?
    tool_calls_count COUNT?
    tool_calls_rejected_count COUNT?
    tool_orchestration_time_ms COUNT?
    provider TEXT?
    model TEXT?
    steps_completed COUNT?
    steps_failed COUNT?
    steps_tolerated COUNT?
    steps_skipped COUNT?
    executed_steps COUNT?
    executed_branches COUNT?
    executed_loop_iterations COUNT?
    executed_parallel COUNT?
    memory_tokens COUNT?
    memory_entry_count COUNT?
    span_count COUNT?
    usage_complete COUNT?
    credits_used COUNT?
    price_table TEXT?
    credit_rule TEXT?
    fold_rule TEXT?
"""
AGENT_LOGS: Final = """
    tenant_id ID
    execution_id ID
    agent_id ID
    user_id ID
    run_output TEXT
    full_output DOCUMENT
    status TEXT
    created_at STAMP
    run_time COUNT
    user_credits_used COUNT?
    run_tokens COUNT?
"""
AGENT_STATS: Final = """
    tenant_id ID
    agent_id ID
    user_id ID
    run_count COUNT
    success_count COUNT
    failed_count COUNT
    cancelled_count COUNT
    timed_out_count COUNT
    budget_exceeded_count COUNT
    abandoned_count COUNT
    interrupted_count COUNT
    tokens_total COUNT
    tokens_known_count COUNT
    duration_ms_total COUNT
    cost_nanos_total COUNT
    cost_known_count COUNT
    external_run_count COUNT
    external_success_count COUNT
    last_run_at STAMP
"""
AGENT_INTENSITY_METRICS: Final = """
    tenant_id ID
    agent_id ID
    agent_seq COUNT
    total_executions COUNT
    successful_executions COUNT
    cancelled_executions COUNT
    timed_out_executions COUNT
    budget_exceeded_executions COUNT
    abandoned_executions COUNT
    interrupted_executions COUNT
    total_tokens COUNT
    runs_with_tokens COUNT
    peak_tokens_single_run COUNT?
    input_tokens COUNT
    runs_with_input_tokens COUNT
    output_tokens COUNT
    runs_with_output_tokens COUNT
    cached_input_tokens COUNT
    runs_with_cached_input_tokens COUNT
    memory_tokens COUNT
    runs_with_memory_tokens COUNT
    total_duration_ms COUNT
    runs_with_duration COUNT
    peak_duration_ms COUNT?
    total_iterations COUNT
    runs_with_iterations COUNT
    total_retries COUNT
    runs_with_retries COUNT
    runs_recovered_by_retry COUNT
    total_tool_calls COUNT
    runs_with_tool_calls COUNT
    distinct_plugins_total COUNT
    plugins_ever TEXT
    tool_orchestration_time_ms COUNT
    runs_with_tool_orchestration COUNT
    executed_steps_total COUNT
    executed_branches_total COUNT
    executed_loop_iterations_total COUNT
    executed_parallel_total COUNT
    runs_with_workflow COUNT
    memory_entries_total COUNT
    runs_with_memory_entries COUNT
    memory_types_ever TEXT
    creation_tokens_used COUNT?
    recent_output_tokens TEXT
    token_complexity_thousandths COUNT?
    execution_complexity_thousandths COUNT?
    plugin_complexity_thousandths COUNT?
    workflow_complexity_thousandths COUNT?
    memory_complexity_thousandths COUNT?
    growth_thousandths COUNT
    execution_score_thousandths COUNT
    creation_score_thousandths COUNT
    combined_score_thousandths COUNT
    pricing_multiplier_thousandths COUNT
    coverage_thousandths COUNT
    intensity_class TEXT
    growth_alert TEXT
    rule TEXT
    updated_at STAMP
"""
RUN_SPANS: Final = """
    tenant_id ID
    run_id ID
    path TEXT
    attempt COUNT
    kind TEXT
    status TEXT
    epoch COUNT
    start_us COUNT
    duration_us COUNT
    purpose TEXT?
    step_type TEXT?
    provider TEXT?
    model TEXT?
    responded_model TEXT?
    input_tokens COUNT?
    output_tokens COUNT?
    cache_read_tokens COUNT?
    cache_write_tokens COUNT?
    reasoning_tokens COUNT?
    usage_provenance TEXT?
    usage_raw TEXT?
    cost_nanos COUNT?
    cost_usd DOLLARS?
    plugin TEXT?
    action TEXT?
    success COUNT?
    items COUNT?
    error_code TEXT?
    error_message TEXT?
    attributes TEXT?
"""
RUN_CHECKPOINTS: Final = """
    tenant_id ID
    run_id ID
    path TEXT
    attempt COUNT
    state TEXT
    kind TEXT
    effect TEXT
    request_hash TEXT
    subject TEXT
    epoch COUNT
    start_us COUNT
    outcome TEXT?
"""
RUN_PAYLOADS: Final = """
    tenant_id ID
    run_id ID
    kind TEXT
    body TEXT?
    sha256 TEXT
    size COUNT
    was_truncated COUNT
"""
RUN_MEMORIES: Final = """
    tenant_id ID
    id ID
    agent_id ID
    user_id ID
    run_id ID
    kind TEXT
    text TEXT
    importance COUNT
    created_at STAMP
    expires_at STAMP
"""
USER_MEMORIES: Final = """
    tenant_id ID
    id ID
    user_id ID
    agent_id ID?
    run_id ID?
    kind TEXT
    text TEXT
    importance COUNT
    created_at STAMP
    expires_at STAMP
"""
EXTERNAL_EXECUTIONS: Final = """
    tenant_id ID
    id ID
    kind TEXT
    agent_id ID
    user_id ID
    agent_seq COUNT
    fields TEXT
    rule TEXT
    created_at STAMP
"""
RUN_ADJUSTMENTS: Final = """
    tenant_id ID
    run_id ID
    seq COUNT
    kind TEXT
    deltas TEXT
    rule TEXT
    created_at STAMP
"""
AUDIT_EVENTS: Final = """
    tenant_id ID
    id ID
    actor_id ID
    action TEXT
    subject_kind TEXT
    subject_id ID
    details TEXT
    created_at STAMP
"""

RUN_IS_THERE: Final = "EXISTS (SELECT 1 FROM agent_executions WHERE tenant_id = OLD.tenant_id AND id = OLD."


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"{column} = '{value}'" for value in values) + ")"


def _trigger(name: str, event: str, table: str, message: str, condition: str) -> str:
    when = f" WHEN {condition}" if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table}{when} BEGIN SELECT RAISE(ABORT, '{message}'); END"


TRIGGERS: Final = (
    _trigger(
        "agent_executions_change",
        "UPDATE",
        "agent_executions",
        "an ended run never changes",
        _one_of("OLD.status", ENDED),
    ),
    _trigger(
        "agent_executions_delete",
        "DELETE",
        "agent_executions",
        "a run that has not ended cannot be deleted",
        "NOT " + _one_of("OLD.status", ENDED),
    ),
    _trigger("agent_logs_change", "UPDATE", "agent_logs", "agent_logs is append-only", ""),
    _trigger(
        "agent_logs_delete", "DELETE", "agent_logs", "agent_logs goes with its run", RUN_IS_THERE + "execution_id)"
    ),
    _trigger("run_spans_change", "UPDATE", "run_spans", "run_spans is append-only", ""),
    _trigger("run_spans_delete", "DELETE", "run_spans", "run_spans goes with its run", RUN_IS_THERE + "run_id)"),
    _trigger("audit_events_change", "UPDATE", "audit_events", "audit_events is append-only", ""),
    _trigger("audit_events_delete", "DELETE", "audit_events", "audit_events is append-only", ""),
)

TYPES: Final = {"TEXT": TEXT, "ID": ID, "STAMP": STAMP, "COUNT": COUNT, "DOCUMENT": DOCUMENT, "DOLLARS": DOLLARS}


def _columns(text: str) -> list[sa.Column[Any]]:
    columns: list[sa.Column[Any]] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        name, kind = line.split()
        is_nullable = kind.endswith("?")
        starts_at = sa.text("0") if kind == "COUNT" else None
        columns.append(sa.Column(name, TYPES[kind.removesuffix("?")], nullable=is_nullable, server_default=starts_at))
    return columns


def _counts(table: str, text: str) -> list[sa.CheckConstraint]:
    counted = [line.split()[0] for line in text.split("\n") if line.strip() and "COUNT" in line]
    return [sa.CheckConstraint(" AND ".join(f"{name} >= 0" for name in counted), f"{table}_counts")] if counted else []


def _table(name: str, text: str, key: str, *constraints: sa.Constraint, is_clustered: bool = False) -> None:
    op.create_table(
        name,
        *_columns(text),
        sa.PrimaryKeyConstraint(*key.split(), name=f"{name}_key"),
        *_counts(name, text),
        *constraints,
        sqlite_strict=True,
        sqlite_with_rowid=not is_clustered,
    )


def _parent(columns: str, table: str, key: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(columns.split(), [f"{table}.{name}" for name in key.split()], ondelete=ondelete)


def upgrade() -> None:
    """Make the tables, their indexes and, on SQLite, their triggers."""
    _table(
        "agents",
        AGENTS,
        "tenant_id id",
        sa.CheckConstraint(_one_of("status", ("draft", "active", "archived")), "agents_status"),
    )
    _table(
        "agent_versions",
        AGENT_VERSIONS,
        "tenant_id agent_id version",
        _parent("tenant_id agent_id", "agents", "tenant_id id"),
    )
    _table(
        "agent_executions",
        AGENT_EXECUTIONS,
        "tenant_id id",
        _parent("tenant_id agent_id agent_version", "agent_versions", "tenant_id agent_id version"),
        sa.CheckConstraint(
            _one_of("status", ENDED) + " = (completed_at IS NOT NULL AND agent_seq IS NOT NULL)",
            "agent_executions_ended",
        ),
        sa.CheckConstraint("runs_workflow <= 1 AND usage_complete <= 1", "agent_executions_flags"),
        sa.CheckConstraint(_one_of("status", ("queued", "running", "waiting", *ENDED)), "agent_executions_status"),
        sa.CheckConstraint(
            _one_of(
                "execution_type", ("manual", "scheduled", "api", "queue", "webhook", "test", "child", "retry", "fork")
            ),
            "agent_executions_type",
        ),
    )
    _table(
        "agent_logs",
        AGENT_LOGS,
        "tenant_id execution_id",
        _parent("tenant_id execution_id", "agent_executions", "tenant_id id", "CASCADE"),
    )
    _table(
        "agent_stats",
        AGENT_STATS,
        "tenant_id agent_id user_id",
        sa.CheckConstraint("success_count <= run_count", "agent_stats_success"),
    )
    _table("agent_intensity_metrics", AGENT_INTENSITY_METRICS, "tenant_id agent_id")
    _table(
        "run_spans",
        RUN_SPANS,
        "tenant_id run_id path attempt",
        _parent("tenant_id run_id", "agent_executions", "tenant_id id", "CASCADE"),
        sa.CheckConstraint("attempt >= 1 AND epoch >= 1", "run_spans_numbers"),
        sa.CheckConstraint(
            "usage_provenance IS NOT NULL OR coalesce(input_tokens, output_tokens, cache_read_tokens, "
            "cache_write_tokens, reasoning_tokens) IS NULL",
            "run_spans_usage",
        ),
        is_clustered=True,
    )
    _table(
        "run_checkpoints",
        RUN_CHECKPOINTS,
        "tenant_id run_id path attempt",
        _parent("tenant_id run_id", "agent_executions", "tenant_id id", "CASCADE"),
        sa.CheckConstraint(_one_of("effect", ("read", "keyed", "unsafe")), "run_checkpoints_effect"),
        sa.CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", "run_checkpoints_outcome"),
        sa.CheckConstraint(_one_of("state", ("started", "done")), "run_checkpoints_state"),
        is_clustered=True,
    )
    _table(
        "run_payloads",
        RUN_PAYLOADS,
        "tenant_id run_id kind",
        _parent("tenant_id run_id", "agent_executions", "tenant_id id", "CASCADE"),
        sa.CheckConstraint(_one_of("kind", ("input", "output")), "run_payloads_kind"),
    )
    _table(
        "run_memories",
        RUN_MEMORIES,
        "tenant_id id",
        _parent("tenant_id run_id", "agent_executions", "tenant_id id", "CASCADE"),
        sa.CheckConstraint("importance BETWEEN 1 AND 10", "run_memories_importance"),
        sa.CheckConstraint(_one_of("kind", ("summary", "fact", "pattern")), "run_memories_kind"),
    )
    _table(
        "user_memories",
        USER_MEMORIES,
        "tenant_id id",
        sa.CheckConstraint("importance BETWEEN 1 AND 10", "user_memories_importance"),
        sa.CheckConstraint(_one_of("kind", ("summary", "fact", "pattern")), "user_memories_kind"),
    )
    _table(
        "external_executions",
        EXTERNAL_EXECUTIONS,
        "tenant_id id",
        sa.CheckConstraint(_one_of("kind", ("stats", "intensity")), "external_executions_kind"),
    )
    _table(
        "run_adjustments",
        RUN_ADJUSTMENTS,
        "tenant_id run_id seq",
        _parent("tenant_id run_id", "agent_executions", "tenant_id id", "CASCADE"),
        is_clustered=True,
    )
    _table("audit_events", AUDIT_EVENTS, "tenant_id id", is_clustered=True)
    op.create_index("agents_by_name", "agents", ["tenant_id", "name"])
    op.create_index(
        "agent_executions_by_agent", "agent_executions", ["tenant_id", "agent_id", "agent_seq"], unique=True
    )
    op.create_index(
        "agent_executions_children",
        "agent_executions",
        ["tenant_id", "parent_run_id"],
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.create_index(
        "agent_executions_leased",
        "agent_executions",
        ["lease_until"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "agent_executions_ready",
        "agent_executions",
        ["ready_at", "id"],
        sqlite_where=sa.text("status IN ('queued', 'waiting')"),
        postgresql_where=sa.text("status IN ('queued', 'waiting')"),
    )
    op.create_index("agent_logs_by_agent", "agent_logs", ["tenant_id", "agent_id", "created_at"])
    op.create_index("run_memories_by_agent", "run_memories", ["tenant_id", "agent_id", "user_id", "kind", "created_at"])
    op.create_index("run_memories_by_run", "run_memories", ["tenant_id", "run_id"])
    op.create_index("user_memories_by_user", "user_memories", ["tenant_id", "user_id", "created_at"])
    op.create_index(
        "external_executions_by_agent", "external_executions", ["tenant_id", "agent_id", "agent_seq"], unique=True
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)
