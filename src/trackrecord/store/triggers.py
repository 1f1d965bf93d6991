"""Triggers that keep history as it was, whoever writes to the file: for SQLite, as text by name.

An ended run never changes; only retention may delete it, and its log, spans and content go with it and not before.
Feedback may lose its text and nothing else. A question to a person is answered once. Audit rows and entries of the
credit ledger stay for good. `verify` compares a database with this text; migrations keep their own frozen copy.
"""

from __future__ import annotations

from typing import Final

from trackrecord.store.states import ENDED, one_of

_RUN_IS_THERE: Final = "EXISTS (SELECT 1 FROM agent_executions WHERE tenant_id = OLD.tenant_id AND id = OLD.{column})"

_FEEDBACK: Final = ("tenant_id", "run_id", "seq", "user_id", "verdict", "created_at")
_ASKED: Final = (
    "tenant_id",
    "run_id",
    "path",
    "kind",
    "message",
    "approvers",
    "needs",
    "requested_at",
    "expires_at",
    "on_timeout",
)


def _trigger(name: str, event: str, table: str, message: str, condition: str | None = None) -> str:
    when = f" WHEN {condition}" if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table}{when} BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _append_only(table: str, column: str) -> dict[str, str]:
    changed, deleted = f"{table}_change", f"{table}_delete"
    return {
        changed: _trigger(changed, "UPDATE", table, f"{table} is append-only"),
        deleted: _trigger(deleted, "DELETE", table, f"{table} goes with its run", _RUN_IS_THERE.format(column=column)),
    }


TRIGGERS: Final[dict[str, str]] = {
    "agent_executions_change": _trigger(
        "agent_executions_change",
        "UPDATE",
        "agent_executions",
        "an ended run never changes",
        one_of("OLD.status", ENDED),
    ),
    "agent_executions_delete": _trigger(
        "agent_executions_delete",
        "DELETE",
        "agent_executions",
        "a run that has not ended cannot be deleted",
        f"NOT {one_of('OLD.status', ENDED)}",
    ),
    **_append_only("agent_logs", "execution_id"),
    **_append_only("run_spans", "run_id"),
    **_append_only("run_feedback", "run_id"),
    "run_feedback_change": _trigger(
        "run_feedback_change",
        "UPDATE",
        "run_feedback",
        "run_feedback changes only by losing its text",
        "NOT (NEW.text IS NULL AND NEW.erased_at IS NOT NULL AND "
        + " AND ".join(f"NEW.{name} IS OLD.{name}" for name in _FEEDBACK)
        + ")",
    ),
    **_append_only("approvals", "run_id"),
    "approvals_change": _trigger(
        "approvals_change",
        "UPDATE",
        "approvals",
        "a question changes only by being answered, and once",
        "OLD.decision IS NOT NULL OR NOT (" + " AND ".join(f"NEW.{name} IS OLD.{name}" for name in _ASKED) + ")",
    ),
    "audit_events_change": _trigger("audit_events_change", "UPDATE", "audit_events", "audit_events is append-only"),
    "credit_entries_change": _trigger(
        "credit_entries_change", "UPDATE", "credit_entries", "credit_entries is append-only"
    ),
    "credit_entries_delete": _trigger(
        "credit_entries_delete", "DELETE", "credit_entries", "credit_entries is append-only"
    ),
    "audit_events_delete": _trigger("audit_events_delete", "DELETE", "audit_events", "audit_events is append-only"),
}
