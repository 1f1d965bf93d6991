"""The eight lines of the checklist, each decided from what two runs left, and the fact it was decided by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from trackrecord.canonical import Json
from trackrecord.parity import added
from trackrecord.parity.comparison import Check
from trackrecord.parity.footprint import Footprint
from trackrecord.record.rows import log_object, rows

Fact = tuple[bool, str]

_TOKEN_COLUMNS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "tokens_used",
    "usage_complete",
)
_DECLARED: Final = ("declared_steps", "declared_branches", "declared_loops", "declared_parallel")
_EXECUTED: Final = ("executed_steps", "executed_branches", "executed_loop_iterations", "executed_parallel")


def checklist(left: Footprint, right: Footprint) -> tuple[Check, ...]:
    """The eight lines for two runs; a line holds when it holds for both."""
    return tuple(_line(name, check, left, right) for name, check in _CHECKS.items())


def _line(name: str, check: Callable[[Footprint], Fact], left: Footprint, right: Footprint) -> Check:
    is_left_ok, left_fact = check(left)
    is_right_ok, right_fact = check(right)
    fact = left_fact if left_fact == right_fact else f"{left.engine}: {left_fact}; {right.engine}: {right_fact}"
    return Check(name=name, is_ok=is_left_ok and is_right_ok, fact=fact)


def _executions_insert(run: Footprint) -> Fact:
    row = run.execution
    closed = row["completed_at"] is not None and row["agent_seq"] is not None and row["logs"] is not None
    return closed, f"one row, {row['status']}, {'closed' if closed else 'not closed'}"


def _logs_insert(run: Footprint) -> Fact:
    if run.log is None:
        return False, "no row"
    expected = rows(run.recounted).log
    off = [name for name in ("status", "run_output", "full_output") if run.log[name] != expected[name]]
    return not off, f"one row, {str(run.log['status'])!r}" if not off else f"one row, but {', '.join(off)} is off"


def _stats_increment(run: Footprint) -> Fact:
    sums = added.stats_added(run)
    if not sums:
        return False, "no row"
    fact = f"run_count +{sums['run_count']}, success_count +{sums['success_count']}{_how(run)}"
    return sums == added.stats_recounted(run), fact


def _intensity_update(run: Footprint) -> Fact:
    sums = added.intensity_added(run)
    if not sums:
        return False, "no row"
    fact = f"total_executions +{sums['total_executions']}, total_tokens +{sums['total_tokens']}{_how(run)}"
    return sums == added.intensity_recounted(run), fact


def _how(run: Footprint) -> str:
    return " (recomputed from its spans)" if run.is_recomputed else ""


def _token_tracking(run: Footprint) -> Fact:
    row, expected = run.execution, rows(run.recounted).execution
    calls = run.recounted.measures.model_calls_count
    fact = f"{_known(row['input_tokens'])} in, {_known(row['output_tokens'])} out, {calls} model calls"
    if not row["usage_complete"]:
        fact += ", not all of them reported"
    return _fits(row, expected, _TOKEN_COLUMNS), fact


def _memory_metadata(run: Footprint) -> Fact:
    row, expected = run.execution, rows(run.recounted).execution
    told, counted = _part(run.logs, "memory"), _part(log_object(run.recounted), "memory")
    is_ok = _fits(row, expected, ("memory_tokens", "memory_entry_count")) and told == counted
    return is_ok, f"{_known(row['memory_entry_count'])} entries, {_known(row['memory_tokens'])} tokens"


def _workflow_complexity(run: Footprint) -> Fact:
    row, expected = run.execution, rows(run.recounted).execution
    design = run.design
    declared = (design.steps, design.branches, design.loops, design.parallel)
    told, counted = _part(run.logs, "workflow"), _part(log_object(run.recounted), "workflow")
    is_ok = _fits(row, expected, _EXECUTED) and declared == tuple(row[name] for name in _DECLARED) and told == counted
    executed = "does not run the workflow" if not row["runs_workflow"] else f"{row['executed_steps']} executed"
    return is_ok, f"{row['declared_steps']} steps declared, {executed}"


def _error_tracking(run: Footprint) -> Fact:
    row, logs = run.execution, run.logs if isinstance(run.logs, dict) else {}
    code = row["error_code"]
    is_success = row["status"] == "completed"
    is_told = [logs.get(name, "") for name in ("errorCode", "error", "errorPath")] == [
        row["error_code"],
        row["error_message"],
        row["error_path"],
    ]
    is_ok = is_told and (code is None) == is_success and (row["error_message"] is None) == is_success
    return is_ok, "no error" if code is None else f"{code} at {row['error_path'] or 'the run itself'}"


def _fits(row: Mapping[str, Any], expected: Mapping[str, Json], names: tuple[str, ...]) -> bool:
    return all(row[name] == expected[name] for name in names)


def _part(logs: Json, name: str) -> Json:
    return logs.get(name) if isinstance(logs, dict) else None


def _known(figure: int | None) -> str:
    return "unknown" if figure is None else str(figure)


_CHECKS: Final[Mapping[str, Callable[[Footprint], Fact]]] = {
    "executions insert": _executions_insert,
    "logs insert": _logs_insert,
    "stats increment": _stats_increment,
    "intensity update": _intensity_update,
    "token tracking": _token_tracking,
    "memory metadata": _memory_metadata,
    "workflow complexity": _workflow_complexity,
    "error tracking": _error_tracking,
}
