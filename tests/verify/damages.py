"""Kinds of planted damage: what is done to the database, which checks must see it where, what no rebuild mends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tests.store import runs
from tests.verify import made
from tests.verify.made import CANCELLED, ELSEWHERE, FLOW, LATEST, PRICED, QUEUED, RESEARCHER, RUNNING, SILENT, STRANGER

from trackrecord.tenancy import LOCAL_USER

Place = tuple[str, str]
"""Table and row of a finding."""

STATS: Final = ("agent_stats", f"agent_id={RESEARCHER.id}, user_id={LOCAL_USER}")
METRICS: Final = ("agent_intensity_metrics", f"agent_id={RESEARCHER.id}")
SUMS: Final[Mapping[str, Place]] = {"stats": STATS, "intensity": METRICS, "scores": METRICS}
VERSION: Final = ("agent_versions", f"agent_id={RESEARCHER.id}, version={RESEARCHER.version}")
OF_STATS: Final = f"WHERE agent_id = '{RESEARCHER.id}' AND user_id = '{LOCAL_USER}'"
OF_AGENT: Final = f"WHERE agent_id = '{RESEARCHER.id}'"
TURN: Final = f"run_id={PRICED}, path=turn:1/model, attempt=1"
CALL: Final = f"run_id={PRICED}, path=turn:1/call:1/tool, attempt=1"
OF_TURN: Final = f"WHERE run_id = '{PRICED}' AND path = 'turn:1/model'"
OF_CALL: Final = f"WHERE run_id = '{PRICED}' AND path = 'turn:1/call:1/tool'"
COPY: Final = "tenant_id, {to}, agent_id, user_id, run_output, full_output, status, created_at, run_time"


def run(run_id: str) -> Place:
    return "agent_executions", f"id={run_id}"


def log(run_id: str) -> Place:
    return "agent_logs", f"execution_id={run_id}"


def contents(run_id: str) -> dict[str, Place]:
    """What a change to a run's spans shows in."""
    return {"records": run(run_id), "log_contents": log(run_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One kind of damage.

    Attributes:
        statements: what is done.
        found: the checks that must fail, and a row each must name; all others must be clean.
        stays: those of them that still fail after a rebuild.
    """

    statements: tuple[str, ...]
    found: Mapping[str, Place]
    stays: Collection[str] = ()


def healed(*statements: str, found: Mapping[str, Place]) -> Damage:
    """Damage to sums, which a rebuild mends."""
    return Damage(statements=statements, found=found)


def kept(*statements: str, found: Mapping[str, Place], mended: Collection[str] = ()) -> Damage:
    """Damage that a rebuild reports or leaves alone, except for `mended` checks."""
    return Damage(statements=statements, found=found, stays=found.keys() - set(mended))


def made_child(run_id: str, parent: str) -> str:
    values = f"execution_type = 'child', parent_run_id = '{parent}', parent_path = 's:a/child'"
    return f"UPDATE agent_executions SET {values} WHERE id = '{run_id}'"


def copied_log(to: str) -> str:
    columns = COPY.format(to="execution_id")
    copied = f"SELECT {COPY.format(to=repr(to))} FROM agent_logs WHERE execution_id = '{PRICED}'"
    return f"INSERT INTO agent_logs ({columns}) {copied}"


def adjusted(deltas: str) -> str:
    values = f"'{made.LOCAL_TENANT}', '{PRICED}', 1, 'late', '{deltas}', 'late/1', '{runs.FAR}'"
    return f"INSERT INTO run_adjustments VALUES ({values}, NULL)"


def entry(kind: str, source: str, target: str, amount: int, run_id: str | None = None) -> str:
    run_text = "NULL" if run_id is None else f"'{run_id}'"
    values = f"'{made.LOCAL_TENANT}', '{NOBODY}', '{made.OTHER_USER}', {run_text}, '{kind}', '{source}', '{target}'"
    return f"INSERT INTO credit_entries VALUES ({values}, {amount}, NULL, '{runs.FAR}')"


def account(change: str, user_id: str = made.OTHER_USER) -> str:
    return f"UPDATE credit_accounts SET {change} WHERE user_id = '{user_id}'"


def charged(amount: int) -> str:
    return f"UPDATE credit_entries SET amount = {amount} {OF_HOLD} AND kind = 'charge'"


OF_HOLD: Final = f"WHERE run_id = '{made.OTHER}'"
ACCOUNT: Final = ("credit_accounts", f"user_id={made.OTHER_USER}")
NOBODY: Final = made.run_id(99)

DAMAGES: Final[dict[str, Damage]] = {
    # sums
    "doubled count": healed(f"UPDATE agent_stats SET run_count = 2 * run_count {OF_STATS}", found={"stats": STATS}),
    "drifted statistics": healed(
        f"UPDATE agent_stats SET tokens_total = tokens_total + 7 {OF_STATS}", found={"stats": STATS}
    ),
    "statistics gone": healed(f"DELETE FROM agent_stats {OF_STATS}", found={"stats": STATS}),
    "statistics of nobody": healed(
        f"INSERT INTO agent_stats (tenant_id, agent_id, user_id, run_count, last_run_at)"
        f" VALUES ('{made.LOCAL_TENANT}', '{NOBODY}', 'u', 3, '{runs.FAR}')",
        found={"stats": ("agent_stats", f"agent_id={NOBODY}, user_id=u")},
    ),
    "drifted intensity": healed(
        f"UPDATE agent_intensity_metrics SET total_tokens = total_tokens + 1 {OF_AGENT}", found={"intensity": METRICS}
    ),
    "spoilt set": healed(
        f"UPDATE agent_intensity_metrics SET plugins_ever = 'http' {OF_AGENT}", found={"intensity": METRICS}
    ),
    "metrics gone": healed(f"DELETE FROM agent_intensity_metrics {OF_AGENT}", found={"intensity": METRICS}),
    "edited score": healed(
        f"UPDATE agent_intensity_metrics SET combined_score_thousandths = 1 {OF_AGENT}", found={"scores": METRICS}
    ),
    "forgotten number": healed(
        f"UPDATE agent_intensity_metrics SET agent_seq = agent_seq - 1 {OF_AGENT}", found={"agent_seq": METRICS}
    ),
    "outside run turned": healed(
        f"UPDATE external_executions SET fields = '{{\"success\":false}}' {OF_AGENT} AND kind = 'stats'",
        found={"stats": STATS},
    ),
    "adjustment outside the sums": healed(adjusted('{"input_tokens":9000}'), found=SUMS),
    # records
    "changed total": kept(
        f"UPDATE agent_executions SET tokens_used = tokens_used + 1000 WHERE id = '{PRICED}'",
        found={"records": run(PRICED)},
    ),
    "changed input": kept(
        f"UPDATE agent_executions SET input_tokens = input_tokens + 9000 WHERE id = '{PRICED}'",
        found={"records": run(PRICED), **SUMS},
        mended=SUMS,
    ),
    "changed ending": kept(
        f"UPDATE agent_executions SET status = 'completed' WHERE id = '{SILENT}'",
        found={**contents(SILENT), **SUMS},
        mended=SUMS,
    ),
    "edited logs": kept(
        f"UPDATE agent_executions SET logs = json_set(logs, '$.iterations', 9) WHERE id = '{PRICED}'",
        found={"records": run(PRICED)},
    ),
    "broken logs": kept(
        f"UPDATE agent_executions SET logs = '{{' WHERE id = '{PRICED}'",
        found={"records": run(PRICED), "recountable": run(PRICED)},
    ),
    "edited log": kept(
        f"UPDATE agent_logs SET run_output = json_set(run_output, '$.tokensUsed', 1) WHERE execution_id = '{PRICED}'",
        found={"log_contents": log(PRICED)},
    ),
    "credits edited": kept(
        f"UPDATE agent_executions SET credits_used = 99 WHERE id = '{PRICED}'", found={"credits": run(PRICED)}
    ),
    "credits of the log edited": kept(
        f"UPDATE agent_logs SET user_credits_used = 0 WHERE execution_id = '{PRICED}'", found={"credits": log(PRICED)}
    ),
    "credit rule edited": kept(
        f"UPDATE agent_executions SET credit_rule = 'free/1' WHERE id = '{PRICED}'", found={"credits": run(PRICED)}
    ),
    # ledger
    "balance edited": kept(account("balance = balance + 7"), found={"ledger": ACCOUNT}),
    "held edited": kept(account("held = held - 1", LOCAL_USER), found={"ledger": ("credit_accounts", "")}),
    "account gone": kept(
        f"DELETE FROM credit_accounts WHERE user_id = '{made.OTHER_USER}'",
        found={"ledger": ACCOUNT, "foreign_keys": ("credit_entries", "")},
    ),
    "grant edited": kept(
        f"UPDATE credit_entries SET amount = 51 WHERE user_id = '{made.OTHER_USER}' AND kind = 'grant'",
        found={"ledger": ACCOUNT},
    ),
    "entry of no account": kept(
        entry("grant", "outside", "balance", 5).replace(made.OTHER_USER, STRANGER),
        found={"ledger": ("credit_accounts", f"user_id={STRANGER}"), "foreign_keys": ("credit_entries", "")},
    ),
    "hold left open": kept(
        f"DELETE FROM credit_entries {OF_HOLD} AND kind IN ('charge', 'release')",
        account("balance = balance - 49, held = held + 50"),
        found={"ledger": run(made.OTHER)},
    ),
    "hold resolved before the end": kept(
        entry("charge", "held", "charged", 5, QUEUED).replace(made.OTHER_USER, LOCAL_USER),
        account("held = held - 5", LOCAL_USER),
        found={"ledger": run(QUEUED)},
    ),
    "hold resolved twice": kept(
        "DROP INDEX credit_entries_once",
        entry("release", "held", "balance", 0, made.OTHER),
        found={"ledger": run(made.OTHER)},
    ),
    "hold charged and released in part": kept(
        f"UPDATE credit_entries SET amount = 40 {OF_HOLD} AND kind = 'release'",
        account("balance = balance - 9, held = held + 9"),
        found={"ledger": run(made.OTHER)},
    ),
    "charged more than was used": kept(
        charged(50),
        f"UPDATE credit_entries SET amount = 0 {OF_HOLD} AND kind = 'release'",
        account("balance = balance - 49"),
        found={"ledger": run(made.OTHER)},
    ),
    "charged beyond what was used": kept(
        entry("adjust", "balance", "charged", 3, made.OTHER),
        account("balance = balance - 3"),
        found={"ledger": run(made.OTHER)},
    ),
    "hold of another run": kept(
        f"UPDATE agent_executions SET hold_id = '{NOBODY}' WHERE id = '{made.OTHER}'", found={"ledger": run(made.OTHER)}
    ),
    "hold forgotten": kept(
        f"UPDATE agent_executions SET hold_id = NULL WHERE id = '{made.OTHER}'", found={"ledger": run(made.OTHER)}
    ),
    "entries of another user": kept(
        f"UPDATE credit_entries SET user_id = '{LOCAL_USER}' {OF_HOLD} AND kind = 'release'",
        found={"ledger": run(made.OTHER)},
    ),
    # unknown
    "unknown run written as 0": kept(
        f"UPDATE agent_executions SET input_tokens = 0, output_tokens = 0, tokens_used = 0 WHERE id = '{SILENT}'",
        found={"unknown": run(SILENT), **SUMS},
        mended=SUMS,
    ),
    "unknown log written as 0": kept(
        f"UPDATE agent_logs SET run_tokens = 0 WHERE execution_id = '{SILENT}'", found={"unknown": log(SILENT)}
    ),
    "unknown attempt written as 0": kept(
        f"UPDATE run_spans SET input_tokens = 0 WHERE run_id = '{SILENT}' AND kind = 'model'",
        found={
            "unknown": ("run_spans", f"run_id={SILENT}, path=turn:1/model, attempt=1"),
            "credits": run(SILENT),
            **contents(SILENT),
        },
    ),
    # spans
    "span's tokens changed": kept(
        f"UPDATE run_spans SET input_tokens = input_tokens + 1 {OF_TURN}", found=contents(PRICED)
    ),
    "span deleted": kept(f"DELETE FROM run_spans {OF_CALL}", found=contents(PRICED)),
    "span added": kept(
        "INSERT INTO run_spans (tenant_id, run_id, path, attempt, kind, status, epoch, start_us, duration_us)"
        f" SELECT tenant_id, run_id, 'turn:9/call:1/tool', 1, kind, status, 1, 0, 1 FROM run_spans {OF_CALL}",
        found=contents(PRICED),
    ),
    "span that cannot be read": kept(
        f"UPDATE run_spans SET attributes = '{{' {OF_CALL}", found={**contents(PRICED), "records": ("run_spans", CALL)}
    ),
    "span of nobody": kept(
        f"INSERT INTO run_spans (tenant_id, run_id, path, attempt, kind, status, epoch, start_us, duration_us)"
        f" VALUES ('{made.LOCAL_TENANT}', '{NOBODY}', 'recall', 1, 'recall', 'ok', 1, 0, 1)",
        found={"parents": ("run_spans", f"run_id={NOBODY}"), "foreign_keys": ("run_spans", "")},
    ),
    "span of a later epoch": kept(f"UPDATE run_spans SET epoch = 5 {OF_CALL}", found={"epochs": ("run_spans", CALL)}),
    "checkpoint of a later epoch": kept(
        f"UPDATE run_checkpoints SET epoch = 5 {OF_CALL}", found={"epochs": ("run_checkpoints", CALL)}
    ),
    "effect left open": kept(
        f"UPDATE run_checkpoints SET state = 'started', outcome = NULL, path = 'turn:7/model' {OF_TURN}",
        found={"open_effects": ("run_checkpoints", f"run_id={PRICED}, path=turn:7/model, attempt=1")},
    ),
    "usage on a tool call": kept(
        f"UPDATE run_spans SET usage_provenance = 'reported', input_tokens = 5 {OF_CALL}",
        found={"usage_places": ("run_spans", CALL)},
    ),
    "cost on a tool call": kept(
        f"UPDATE run_spans SET cost_nanos = 5 {OF_CALL}", found={"usage_places": ("run_spans", CALL)}
    ),
    "cost text beside other nanos": kept(
        f"UPDATE run_spans SET cost_usd = '0.5' {OF_TURN}", found={"money": ("run_spans", TURN)}
    ),
    "cost text that is no number": kept(
        f"UPDATE run_spans SET cost_usd = 'cheap' {OF_TURN}", found={"money": ("run_spans", TURN)}
    ),
    # lives of runs
    "log gone": kept(f"DELETE FROM agent_logs WHERE execution_id = '{PRICED}'", found={"logs": run(PRICED)}),
    "log doubled by another id": kept(copied_log(QUEUED), found={"logs": log(QUEUED)}),
    "log of nobody": kept(copied_log(NOBODY), found={"parents": log(NOBODY), "foreign_keys": log(NOBODY)}),
    "log of another user": kept(
        f"UPDATE agent_logs SET user_id = '{made.OTHER_USER}' WHERE execution_id = '{PRICED}'",
        found={"tenants": log(PRICED)},
    ),
    "input gone": kept(
        f"DELETE FROM run_payloads WHERE run_id = '{PRICED}' AND kind = 'input'", found={"accepted": run(PRICED)}
    ),
    "accepted twice": kept(
        "INSERT INTO audit_events SELECT tenant_id, id || 'b', actor_id, action, subject_kind, subject_id, details,"
        f" created_at FROM audit_events WHERE action = 'run.accepted' AND subject_id = '{PRICED}'",
        found={"accepted": run(PRICED)},
    ),
    "ending not audited": kept(
        f"DELETE FROM audit_events WHERE action = 'run.finished' AND subject_id = '{PRICED}'",
        found={"audit": run(PRICED)},
    ),
    "ended by another epoch": kept(
        "UPDATE audit_events SET details = '{\"epoch\":7}'"
        f" WHERE action = 'run.finished' AND subject_id = '{PRICED}'",
        found={"audit": run(PRICED)},
    ),
    "result before the end": kept(
        f"UPDATE agent_executions SET credits_used = 1 WHERE id = '{QUEUED}'", found={"endings": run(QUEUED)}
    ),
    "end without a time": kept(
        "PRAGMA ignore_check_constraints = ON",
        f"UPDATE agent_executions SET completed_at = NULL WHERE id = '{LATEST}'",
        found={"file": ("", ""), "endings": run(LATEST), "recountable": run(LATEST)},
    ),
    "expired lease": kept(
        f"UPDATE agent_executions SET lease_until = '2000-01-01T00:00:00.000000Z' WHERE id = '{RUNNING}'",
        found={"leases": run(RUNNING)},
    ),
    "gap in the order": kept(
        f"UPDATE agent_executions SET agent_seq = 40 WHERE id = '{LATEST}'",
        found={"agent_seq": run(LATEST), "intensity": METRICS},
        mended=["intensity"],
    ),
    "double in the order": kept(
        f"UPDATE external_executions SET agent_seq = 2 {OF_AGENT} AND kind = 'stats'",
        found={"agent_seq": ("external_executions", "")},
    ),
    # owners and definitions
    "memory of another tenant": kept(
        f"UPDATE run_memories SET tenant_id = '{runs.TENANT}' WHERE run_id = '{PRICED}'",
        found={
            "tenants": ("run_memories", f"tenant_id={runs.TENANT}, run_id={PRICED}"),
            "foreign_keys": ("run_memories", ""),
        },
    ),
    "spans of another tenant": kept(
        f"UPDATE run_spans SET tenant_id = '{runs.TENANT}' WHERE run_id = '{PRICED}'",
        found={
            "tenants": ("run_spans", f"tenant_id={runs.TENANT}, run_id={PRICED}"),
            "foreign_keys": ("run_spans", ""),
            "credits": run(PRICED),
            **contents(PRICED),
        },
    ),
    "child of another tenant's run": kept(
        f"UPDATE agent_executions SET parent_run_id = '{ELSEWHERE}' WHERE id = '{CANCELLED}'",
        found={"tenants": run(CANCELLED), "children": run(CANCELLED)},
    ),
    "child without a place": kept(
        f"UPDATE agent_executions SET parent_run_id = '{PRICED}' WHERE id = '{CANCELLED}'",
        found={"children": run(CANCELLED)},
    ),
    "child of its own child": kept(
        made_child(CANCELLED, PRICED),
        made_child(PRICED, CANCELLED),
        found={"children": run(PRICED)},
    ),
    "definition edited": kept(
        f"UPDATE agent_versions SET definition = replace(definition, 'Look', 'Do not look') {OF_AGENT}",
        found={"definitions": VERSION},
    ),
    "definition broken": kept(
        f"UPDATE agent_versions SET definition = '{{' {OF_AGENT}",
        found={"definitions": VERSION},
    ),
    "design edited": kept(
        f"UPDATE agent_versions SET design = json_set(design, '$.steps', 9) {OF_AGENT}",
        found={"definitions": VERSION, "scores": METRICS},
        mended=["scores"],
    ),
    "version gone": kept(
        f"UPDATE agents SET version = 'other' WHERE id = '{FLOW.id}'",
        found={"definitions": ("agents", f"id={FLOW.id}")},
    ),
    "content edited": kept(
        f"UPDATE run_payloads SET body = '\"low water\"' WHERE run_id = '{PRICED}' AND kind = 'output'",
        found={"payloads": ("run_payloads", f"run_id={PRICED}, kind=output")},
    ),
    "adjustment nobody can add": kept(
        adjusted('{"colour":1}'), found={"recountable": ("run_adjustments", f"run_id={PRICED}, seq=1")}
    ),
    "outside run of another rule": kept(
        f"UPDATE external_executions SET rule = 'other/1' {OF_AGENT} AND kind = 'intensity'",
        found={"recountable": ("external_executions", "")},
    ),
    "outside run nobody can add": kept(
        f"UPDATE external_executions SET fields = '{{' {OF_AGENT} AND kind = 'intensity'",
        found={"recountable": ("external_executions", "")},
    ),
}
