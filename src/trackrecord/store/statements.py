"""The hot statements of the SQLite store, as text made once at import from the columns they name.

Must never import SQLAlchemy, and must name columns exactly as `schema` does (a test compares them). Values are bound as
tuples in the order of the column tuples here; `codec` makes those tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trackrecord.memory.recall import MOST_SUMMARIES
from trackrecord.record.intensity import COLUMNS as INTENSITY_FIGURES
from trackrecord.record.rows import TERMINAL_COUNTS

RUN: Final = ("tenant_id", "run_id")

AGENT: Final = ("tenant_id", "id", "user_id", "name", "description", "status", "version", "created_at", "updated_at")
AGENT_VERSION: Final = ("tenant_id", "agent_id", "version", "definition", "design", "created_at")

ACCEPTED: Final = (
    "tenant_id",
    "id",
    "agent_id",
    "agent_version",
    "agent_name",
    "user_id",
    "execution_type",
    "engine",
    "engine_title",
    "runs_workflow",
    "ready_at",
    "parent_run_id",
    "parent_path",
    "origin_run_id",
    "origin_kind",
    "scheduled_at",
    "created_at",
    "declared_steps",
    "declared_branches",
    "declared_loops",
    "declared_parallel",
    "plugins_required",
    "input_count",
    "status",
    "epoch",
)
HELD: Final = ("lease_until", "wait_reason", "hold_id", "started_at", "now_at", "cancel_code")
RESULT: Final = (
    "status",
    "execution_duration_ms",
    "working_duration_ms",
    "error_code",
    "error_message",
    "error_path",
    "logs",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "tokens_used",
    "iterations_count",
    "model_calls_count",
    "priced_calls_count",
    "cost_nanos",
    "retry_count",
    "interruptions_count",
    "unknown_count",
    "tool_calls_count",
    "tool_calls_rejected_count",
    "tool_orchestration_time_ms",
    "provider",
    "model",
    "steps_completed",
    "steps_failed",
    "steps_tolerated",
    "steps_skipped",
    "executed_steps",
    "executed_branches",
    "executed_loop_iterations",
    "executed_parallel",
    "memory_tokens",
    "memory_entry_count",
    "span_count",
    "usage_complete",
    "credits_used",
    "price_table",
    "credit_rule",
    "fold_rule",
)
ENDED: Final = ("completed_at", "agent_seq")

LOG_FIGURES: Final = ("run_output", "full_output", "status", "run_time", "user_credits_used", "run_tokens")
LOG: Final = ("tenant_id", "execution_id", "agent_id", "user_id", *LOG_FIGURES, "created_at")

STATS_KEY: Final = ("tenant_id", "agent_id", "user_id")
STATS_SUMS: Final = (
    "run_count",
    "success_count",
    *TERMINAL_COUNTS.values(),
    "tokens_total",
    "tokens_known_count",
    "duration_ms_total",
    "cost_nanos_total",
    "cost_known_count",
)
STATS_EXTERNAL: Final = ("external_run_count", "external_success_count")
STATS: Final = (*STATS_KEY, *STATS_SUMS, *STATS_EXTERNAL, "last_run_at")

INTENSITY_KEY: Final = ("tenant_id", "agent_id")
INTENSITY: Final = (*INTENSITY_KEY, "agent_seq", *INTENSITY_FIGURES, "updated_at")

ANY_SPAN: Final = (*RUN, "path", "attempt", "kind", "status", "epoch", "start_us", "duration_us", "attributes")
OF_MODEL: Final = (
    "purpose",
    "provider",
    "model",
    "responded_model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "usage_provenance",
    "usage_raw",
    "cost_nanos",
    "cost_usd",
)
OF_TOOL: Final = ("plugin", "action", "success", "items")
OF_STEP: Final = ("step_type", "items")
SPAN: Final = (*ANY_SPAN, *OF_MODEL, *OF_TOOL, "step_type", "error_code", "error_message")
CHECKPOINT: Final = (
    *RUN,
    "path",
    "attempt",
    "state",
    "kind",
    "effect",
    "request_hash",
    "subject",
    "epoch",
    "start_us",
    "outcome",
)
PAYLOAD: Final = (*RUN, "kind", "body", "sha256", "size", "was_truncated")
RUN_MEMORY: Final = (
    "tenant_id",
    "id",
    "agent_id",
    "user_id",
    "run_id",
    "kind",
    "text",
    "importance",
    "created_at",
    "expires_at",
    "source",
)
USER_MEMORY: Final = (
    "tenant_id",
    "id",
    "user_id",
    "agent_id",
    "run_id",
    "kind",
    "text",
    "importance",
    "created_at",
    "expires_at",
    "source",
)
KEPT: Final = ("is_pinned", "erased_at")  # of both kinds of memories: what happens to them later
FEEDBACK: Final = (*RUN, "seq", "user_id", "verdict", "text", "created_at")
EXTERNAL: Final = ("tenant_id", "id", "kind", "agent_id", "user_id", "agent_seq", "fields", "rule", "created_at")
ADJUSTMENT: Final = (*RUN, "seq", "kind", "deltas", "rule", "created_at", "subject")
AUDIT: Final = ("tenant_id", "id", "actor_id", "action", "subject_kind", "subject_id", "details", "created_at")

ACCOUNT: Final = ("tenant_id", "user_id", "balance", "held", "created_at", "updated_at")
CREDIT_ENTRY: Final = (
    "tenant_id",
    "id",
    "user_id",
    "run_id",
    "kind",
    "source",
    "target",
    "amount",
    "note",
    "created_at",
)

QUESTION: Final = (
    *RUN,
    "path",
    "kind",
    "message",
    "approvers",
    "needs",
    "requested_at",
    "expires_at",
    "on_timeout",
    "votes",
)
ANSWER: Final = ("decision", "decided_by", "comment", "decided_at")

SEALED: Final = ("key_id", "nonce", "wrapped_key", "ciphertext")
SECRET: Final = ("tenant_id", "name", "version", *SEALED, "created_at")

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "agents": AGENT,
    "agent_versions": AGENT_VERSION,
    "agent_executions": (*ACCEPTED, *HELD, *ENDED, *(name for name in RESULT if name != "status")),
    "agent_logs": LOG,
    "agent_stats": STATS,
    "agent_intensity_metrics": INTENSITY,
    "run_spans": SPAN,
    "run_checkpoints": CHECKPOINT,
    "run_payloads": PAYLOAD,
    "run_memories": (*RUN_MEMORY, *KEPT, "folded_count"),
    "user_memories": (*USER_MEMORY, *KEPT, "repeat_count"),
    "run_feedback": (*FEEDBACK, "erased_at"),
    "external_executions": EXTERNAL,
    "run_adjustments": ADJUSTMENT,
    "audit_events": AUDIT,
    "approvals": (*QUESTION, *ANSWER),
    "credit_accounts": ACCOUNT,
    "credit_entries": CREDIT_ENTRY,
    "secrets": SECRET,
}


def _insert(table: str, columns: Sequence[str], tail: str = "") -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) {tail}".strip()
    )  # names are ours


def _replace(columns: Sequence[str]) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns)


def _add(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{column} = {table}.{column} + excluded.{column}" for column in columns)


_AGENT_CHANGES: Final = ("user_id", "name", "description", "status", "version")

INSERT_AGENT: Final = _insert("agents", AGENT, "ON CONFLICT (tenant_id, id) DO NOTHING")
SAVE_AGENT: Final = _insert(
    "agents",
    AGENT,
    f"ON CONFLICT (tenant_id, id) DO UPDATE SET {_replace((*_AGENT_CHANGES, 'updated_at'))} WHERE "
    + " OR ".join(f"agents.{column} IS NOT excluded.{column}" for column in _AGENT_CHANGES),
)
INSERT_AGENT_VERSION: Final = _insert(
    "agent_versions", AGENT_VERSION, "ON CONFLICT (tenant_id, agent_id, version) DO NOTHING"
)
INSERT_EXECUTION: Final = _insert("agent_executions", ACCEPTED)
INSERT_HOLDING: Final = _insert("agent_executions", (*ACCEPTED, "hold_id"))
INSERT_LAUNCHED: Final = _insert("agent_executions", (*ACCEPTED, "lease_until", "started_at", "now_at"))
INSERT_ENDED: Final = _insert("agent_executions", (*ACCEPTED[:-2], "epoch", "started_at", "now_at", *RESULT, *ENDED))

BEGIN_RUN: Final = """
UPDATE agent_executions SET status = 'running', epoch = epoch + 1, lease_until = ?, ready_at = NULL, wait_reason = NULL,
    started_at = coalesce(started_at, ?), now_at = coalesce(now_at, ?)
WHERE tenant_id = ? AND id = ? AND (
    (status = 'queued' AND (ready_at IS NULL OR ready_at <= ?))
    OR (status = 'waiting' AND ready_at <= ?)
    OR (status = 'running' AND lease_until <= ?))
RETURNING epoch, now_at, hold_id, cancel_code, origin_kind
"""
SELECT_STATUS: Final = (
    "SELECT status, epoch, lease_until, ready_at, wait_reason FROM agent_executions WHERE tenant_id = ? AND id = ?"
)
SELECT_HELD: Final = (
    "SELECT 1 FROM agent_executions WHERE tenant_id = ? AND id = ? AND epoch = ? AND status = 'running'"
)
EXTEND_LEASE: Final = (
    "UPDATE agent_executions SET lease_until = ? WHERE tenant_id = ? AND id = ? AND epoch = ? AND status = 'running'"
)
# Each line in the very words of its partial index: else SQLite reads every run there ever was, every two seconds.
SELECT_EXPIRED: Final = """
SELECT tenant_id, id, epoch FROM agent_executions
WHERE status = 'running' AND lease_until <= ?1 AND id > ?3
    OR status IN ('queued', 'waiting') AND status = 'waiting' AND ready_at <= ?1 AND id > ?3
    OR status IN ('queued', 'waiting') AND status = 'queued' AND ready_at IS NULL AND created_at <= ?2 AND id > ?3
ORDER BY id LIMIT 100
"""
PARK_RUN: Final = """
UPDATE agent_executions SET status = 'waiting', wait_reason = ?1, lease_until = NULL,
    ready_at = CASE WHEN cancel_code IS NULL THEN ?2 ELSE ?3 END
WHERE tenant_id = ?4 AND id = ?5 AND epoch = ?6 AND status = 'running' RETURNING cancel_code
"""
SELECT_CHILD_ENDED: Final = (
    "SELECT 1 FROM agent_executions WHERE tenant_id = ? AND parent_run_id = ? AND parent_path = ? "
    "AND completed_at IS NOT NULL"
)
SELECT_CHILD_AT: Final = "SELECT 1 FROM agent_executions WHERE tenant_id = ? AND parent_run_id = ? AND parent_path = ?"
SELECT_CHILD: Final = """
SELECT run.id, run.status, run.completed_at, run.error_code, run.error_message, kept.outcome,
    run.status = 'queued' OR run.status = 'waiting' AND run.ready_at <= ?1
        OR run.status = 'running' AND run.lease_until <= ?1
FROM agent_executions run LEFT JOIN run_checkpoints kept
    ON kept.tenant_id = run.tenant_id AND kept.run_id = run.id AND kept.path = 'output' AND kept.attempt = 1
WHERE run.tenant_id = ?2 AND run.parent_run_id = ?3 AND run.parent_path = coalesce(?4, run.parent_path)
ORDER BY run.id
"""
SELECT_LINEAGE: Final = """
WITH RECURSIVE line(id, parent_run_id, agent_id, agent_version, agent_name, depth) AS (
    SELECT id, parent_run_id, agent_id, agent_version, agent_name, 1 FROM agent_executions
    WHERE tenant_id = ?1 AND id = ?2
    UNION ALL
    SELECT above.id, above.parent_run_id, above.agent_id, above.agent_version, above.agent_name, depth + 1
    FROM line JOIN agent_executions above ON above.tenant_id = ?1 AND above.id = line.parent_run_id
    WHERE depth < ?3)
SELECT agent_id, agent_version, agent_name FROM line ORDER BY depth DESC
"""
READY_PARENT: Final = """
UPDATE agent_executions SET ready_at = ? WHERE tenant_id = ? AND id = ? AND status = 'waiting'
"""
SELECT_CANCELLED: Final = """
SELECT tenant_id, id, epoch, cancel_code FROM agent_executions WHERE status = 'running' AND cancel_code IS NOT NULL
"""
ASK_TO_CANCEL: Final = """
UPDATE agent_executions SET cancel_code = coalesce(cancel_code, ?1),
    ready_at = CASE WHEN status = 'waiting' THEN ?2 ELSE ready_at END
WHERE tenant_id = ?3 AND id = ?4 AND status IN ('queued', 'running', 'waiting') RETURNING status
"""

_NEW: Final = "ON CONFLICT (tenant_id, run_id, path, attempt) DO NOTHING"
INSERT_SPAN: Final = _insert("run_spans", SPAN, _NEW)
# Of a span nothing went wrong with, half the columns are NULL by what it is, and binding a NULL is not free.
INSERT_MODEL_SPAN: Final = _insert("run_spans", (*ANY_SPAN, *OF_MODEL), _NEW)
INSERT_TOOL_SPAN: Final = _insert("run_spans", (*ANY_SPAN, *OF_TOOL), _NEW)
INSERT_STEP_SPAN: Final = _insert("run_spans", (*ANY_SPAN, *OF_STEP), _NEW)
SAVE_CHECKPOINT: Final = _insert(
    "run_checkpoints",
    CHECKPOINT,
    f"ON CONFLICT (tenant_id, run_id, path, attempt) DO UPDATE SET {_replace(CHECKPOINT[4:])} "
    "WHERE run_checkpoints.state = 'started'",
)
SELECT_SPANS: Final = (
    f"SELECT {', '.join(SPAN[2:])} FROM run_spans WHERE tenant_id = ? AND run_id = ? "  # names are ours
    "ORDER BY epoch, start_us, path, attempt"
)
SELECT_CHECKPOINTS: Final = (
    f"SELECT {', '.join(CHECKPOINT[2:])} FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? "  # names are ours
    "ORDER BY epoch, start_us, path, attempt"
)

# A retry or a fork takes checkpoints over as of epoch 0, before its own first.
REUSE_CHECKPOINT: Final = (
    f"INSERT INTO run_checkpoints ({', '.join(CHECKPOINT)}) "  # names are ours
    "SELECT tenant_id, ?, path, attempt, state, kind, effect, request_hash, subject, 0, start_us, outcome "
    "FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND path = ? AND attempt = ? AND state = 'done'"
)
FIX_NOW: Final = "UPDATE agent_executions SET now_at = ? WHERE tenant_id = ? AND id = ?"
SELECT_PAST: Final = "SELECT status, error_code, error_path FROM agent_executions WHERE tenant_id = ? AND id = ?"
SELECT_ATTEMPTS: Final = """
SELECT path, attempt, CASE WHEN state = 'started' OR outcome LIKE '{"settled":"retry"%' THEN 'open'
    WHEN outcome LIKE '{"error":%' THEN 'failure' ELSE 'value' END
FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND kind NOT IN ('request', 'epoch', 'cancel', 'output')
"""
# Every effect that has ended was stored with its checkpoint: one without has lost it.
SELECT_IS_PRUNED: Final = """
SELECT EXISTS (
    SELECT 1 FROM run_spans span WHERE tenant_id = ?1 AND run_id = ?2 AND status IN ('ok', 'failed')
    AND kind IN ('model', 'tool', 'recall', 'remember', 'wait', 'decision', 'child') AND NOT EXISTS (
        SELECT 1 FROM run_checkpoints mark WHERE mark.tenant_id = span.tenant_id AND mark.run_id = span.run_id
        AND mark.path = span.path AND mark.attempt = span.attempt)
) OR EXISTS (
    SELECT 1 FROM agent_executions run WHERE tenant_id = ?1 AND id = ?2 AND origin_kind IN ('retry', 'fork')
    AND NOT EXISTS (
        SELECT 1 FROM run_checkpoints mark WHERE mark.tenant_id = run.tenant_id AND mark.run_id = run.id)
)
"""
SELECT_TENANTS: Final = "SELECT DISTINCT tenant_id FROM agents"
# Ids are in order of time: what is younger than the limit need not be looked at.
SELECT_OLD_CHECKPOINTS: Final = """
SELECT mark.run_id, count(*) FROM run_checkpoints mark
JOIN agent_executions run ON run.tenant_id = mark.tenant_id AND run.id = mark.run_id
WHERE mark.tenant_id = ? AND mark.run_id < ? AND run.completed_at < ?
GROUP BY mark.run_id ORDER BY mark.run_id LIMIT ?
"""
DELETE_CHECKPOINTS: Final = """
DELETE FROM run_checkpoints WHERE tenant_id = ?1 AND run_id = ?2 AND EXISTS (
    SELECT 1 FROM agent_executions WHERE tenant_id = ?1 AND id = ?2 AND completed_at < ?3)
"""

ORIGIN: Final = (
    "agent_id",
    "user_id",
    "agent_name",
    "agent_version",
    "engine",
    "engine_title",
    "runs_workflow",
    "execution_type",
    "input_count",
    "parent_run_id",
    "parent_path",
    "origin_run_id",
    "origin_kind",
)
SELECT_LEFT: Final = (
    f"SELECT {', '.join(f'run.{column}' for column in ORIGIN)}, run.plugins_required, run.now_at, run.cancel_code, "
    "design, definition, started_at, given.body, given.sha256, kept.outcome "
    "FROM agent_executions run JOIN agent_versions version ON version.tenant_id = run.tenant_id "
    "AND version.agent_id = run.agent_id AND version.version = run.agent_version "
    "LEFT JOIN run_payloads given ON given.tenant_id = run.tenant_id AND given.run_id = run.id "
    "AND given.kind = 'input' "
    "LEFT JOIN run_checkpoints kept ON kept.tenant_id = run.tenant_id AND kept.run_id = run.id "
    "AND kept.path = 'request' AND kept.attempt = 1 "
    "WHERE run.tenant_id = ? AND run.id = ?"
)

FINISH_EXECUTION: Final = (
    f"UPDATE agent_executions SET {', '.join(f'{column} = ?' for column in (*RESULT, *ENDED))}, "  # names are ours
    "lease_until = NULL, ready_at = NULL, wait_reason = NULL "
    f"WHERE tenant_id = ? AND id = ? AND epoch = ? AND (status = 'running' OR status = 'waiting' OR status = 'queued')"
)
INSERT_LOG: Final = _insert("agent_logs", LOG)
ADD_STATS: Final = _insert(
    "agent_stats",
    STATS,
    f"ON CONFLICT (tenant_id, agent_id, user_id) DO UPDATE SET {_add('agent_stats', (*STATS_SUMS, *STATS_EXTERNAL))}, "
    "last_run_at = max(agent_stats.last_run_at, excluded.last_run_at)",
)
SAVE_STATS: Final = _insert(
    "agent_stats", STATS, f"ON CONFLICT (tenant_id, agent_id, user_id) DO UPDATE SET {_replace(STATS[3:])}"
)
DELETE_STATS: Final = "DELETE FROM agent_stats WHERE tenant_id = ? AND agent_id = ? AND user_id = ?"
SELECT_INTENSITY: Final = (
    f"SELECT agent_seq, {', '.join(INTENSITY_FIGURES)} FROM agent_intensity_metrics "  # names are ours
    "WHERE tenant_id = ? AND agent_id = ?"
)
SAVE_INTENSITY: Final = _insert(
    "agent_intensity_metrics", INTENSITY, f"ON CONFLICT (tenant_id, agent_id) DO UPDATE SET {_replace(INTENSITY[2:])}"
)
DELETE_INTENSITY: Final = "DELETE FROM agent_intensity_metrics WHERE tenant_id = ? AND agent_id = ?"
INSERT_PAYLOAD: Final = _insert("run_payloads", PAYLOAD)
_ONCE: Final = "ON CONFLICT (tenant_id, id) DO NOTHING"
INSERT_RUN_MEMORY: Final = _insert("run_memories", RUN_MEMORY, _ONCE)
INSERT_USER_MEMORY: Final = _insert("user_memories", USER_MEMORY, _ONCE)
INSERT_FEEDBACK: Final = _insert("run_feedback", FEEDBACK)
# Every run leaves a summary and recall takes the newest few: reading them all would make each run a little slower than
# the one before. Among equals the later one comes first, as the index has them: sorting by more takes twice as long.
# The limits are literals: with a bound one SQLite compiles the statement anew at each use, five times as slow.
MAX_RECALLED: Final = 500
_FEEDBACK_BEFORE: Final = """(SELECT {column} FROM run_feedback said
    WHERE said.tenant_id = memory.tenant_id AND said.run_id = memory.run_id AND memory.source <> 'folded'
        AND said.created_at < ?
    ORDER BY seq DESC LIMIT 1)"""
_IS_KEPT: Final = "text IS NOT NULL AND created_at < ? AND (is_pinned = 1 OR expires_at > ?)"
SELECT_MEMORIES: Final = f"""
SELECT * FROM (
    SELECT kind, text, importance, created_at, agent_id, run_id, is_pinned,
        {_FEEDBACK_BEFORE.format(column="verdict")}, {_FEEDBACK_BEFORE.format(column="text")} FROM run_memories memory
    WHERE tenant_id = ? AND agent_id = ? AND user_id = ? AND kind = 'summary' AND {_IS_KEPT}
    ORDER BY created_at DESC LIMIT {MOST_SUMMARIES})
UNION ALL
SELECT * FROM (
    SELECT kind, text, importance, created_at, coalesce(agent_id, ''), run_id, is_pinned, NULL, NULL FROM user_memories
    WHERE tenant_id = ? AND user_id = ? AND agent_id = ? AND kind = 'pattern' AND {_IS_KEPT}
    ORDER BY is_pinned DESC, created_at DESC LIMIT {MAX_RECALLED})
UNION ALL
SELECT * FROM (
    SELECT kind, text, importance, created_at, coalesce(agent_id, ''), run_id, is_pinned, NULL, NULL FROM user_memories
    WHERE tenant_id = ? AND user_id = ? AND kind = 'fact' AND {_IS_KEPT}
    ORDER BY is_pinned DESC, created_at DESC LIMIT {MAX_RECALLED})
"""
SELECT_DESIGN: Final = """
SELECT design FROM agent_versions JOIN agents USING (tenant_id, version)
WHERE agents.tenant_id = ? AND agents.id = ? AND agent_versions.agent_id = agents.id
"""
INSERT_EXTERNAL: Final = _insert("external_executions", EXTERNAL)
INSERT_ADJUSTMENT: Final = _insert("run_adjustments", ADJUSTMENT)
INSERT_AUDIT: Final = _insert("audit_events", AUDIT)
OPEN_ACCOUNT: Final = _insert("credit_accounts", ACCOUNT, "ON CONFLICT (tenant_id, user_id) DO NOTHING")
SELECT_ACCOUNT: Final = "SELECT balance, held FROM credit_accounts WHERE tenant_id = ? AND user_id = ?"
# The condition, not the look before it, is what keeps two from having the same credits.
MOVE_CREDITS: Final = """
UPDATE credit_accounts SET balance = balance + ?1, held = held + ?2, updated_at = ?3
WHERE tenant_id = ?4 AND user_id = ?5 AND balance + ?1 >= 0 AND held + ?2 >= 0
"""
INSERT_CREDIT_ENTRY: Final = _insert("credit_entries", CREDIT_ENTRY)
SELECT_CREDIT_HOLD: Final = "SELECT amount FROM credit_entries WHERE tenant_id = ? AND id = ?"
SELECT_CHARGED: Final = """
SELECT coalesce(sum(CASE WHEN target = 'charged' THEN amount WHEN source = 'charged' THEN -amount END), 0)
FROM credit_entries WHERE tenant_id = ? AND run_id = ? AND user_id = ?
"""
SELECT_CREDIT_SUMS: Final = """
SELECT account.user_id, account.balance, account.held,
    coalesce(sum(CASE WHEN target = 'charged' THEN amount WHEN source = 'charged' THEN -amount END), 0) AS charged,
    coalesce(sum(CASE WHEN source = 'outside' THEN amount WHEN target = 'outside' THEN -amount END), 0) AS granted
FROM credit_accounts account
LEFT JOIN credit_entries entry ON entry.tenant_id = account.tenant_id AND entry.user_id = account.user_id
WHERE account.tenant_id = ? AND account.user_id = coalesce(?, account.user_id)
GROUP BY account.tenant_id, account.user_id ORDER BY account.user_id
"""
INSERT_QUESTION: Final = _insert("approvals", QUESTION, "ON CONFLICT (tenant_id, run_id, path) DO NOTHING")
INSERT_SECRET: Final = _insert("secrets", SECRET)
SELECT_SECRET: Final = (
    f"SELECT version, {', '.join(SEALED)} FROM secrets WHERE tenant_id = ? AND name = ? ORDER BY version DESC LIMIT 1"
)
SELECT_SECRETS: Final = (
    f"SELECT name, version, {', '.join(SEALED)} FROM secrets WHERE tenant_id = ? ORDER BY name, version"
)
SAVE_WRAPPING: Final = "UPDATE secrets SET key_id = ?, wrapped_key = ? WHERE tenant_id = ? AND name = ? AND version = ?"
DELETE_SEALED: Final = "DELETE FROM secrets WHERE tenant_id = ? AND name = ?"
