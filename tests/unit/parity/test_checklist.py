"""The eight lines of the checklist: each holds for two good records, and fails for its own damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.parity import footprints as made
from tests.unit.parity.footprints import agentkit, orchestrator, unreported

from trackrecord.parity import Footprint
from trackrecord.parity.checklist import checklist

LINES = [
    "executions insert",
    "logs insert",
    "stats increment",
    "intensity update",
    "token tracking",
    "memory metadata",
    "workflow complexity",
    "error tracking",
]


def test_two_good_records_hold_all_eight_lines() -> None:
    """Every line holds and says by which fact."""
    lines = checklist(agentkit(), orchestrator())
    assert LINES == [line.name for line in lines]
    assert all(line.is_ok for line in lines)
    assert all(line.fact for line in lines)


def test_failed_runs_hold_all_eight_lines_too() -> None:
    """A failure that is recorded well is tracked well."""
    lines = {line.name: line for line in checklist(agentkit(ending=made.FAILED), orchestrator(ending=made.FAILED))}
    assert all(line.is_ok for line in lines.values())
    assert "model_failed at turn:2/model" == lines["error tracking"].fact


def test_unknown_tokens_are_tracked() -> None:
    """What no model reported is unknown, said so, and no fault of the record."""
    silent = (unreported(1),)
    line = next(one for one in checklist(agentkit(silent), orchestrator(silent)) if one.name == "token tracking")
    assert line.is_ok
    assert "unknown in, unknown out, 1 model calls, not all of them reported" == line.fact


def without_log(run: Footprint) -> Footprint:
    return made.reassembled(run, log=None)


def without_sums(run: Footprint) -> Footprint:
    return replace(run, after=replace(run.after or run.before, stats=None, intensity=None))


def forget(key: str) -> Callable[[Any], None]:
    return lambda logs: logs.pop(key)


DAMAGE: list[tuple[str, Callable[[Footprint], Footprint]]] = [
    ("executions insert", lambda run: made.tampered(run, "completed_at", None)),
    ("logs insert", without_log),
    ("logs insert", lambda run: made.tampered_log(run, "status", "❌ Orchestrator execution failed")),
    ("stats increment", without_sums),
    ("stats increment", lambda run: made.tampered_stats(run, "run_count", 2)),
    ("intensity update", without_sums),
    ("intensity update", lambda run: made.tampered_intensity(run, "total_executions", 2)),
    ("token tracking", lambda run: made.tampered(run, "input_tokens", 7)),
    ("token tracking", lambda run: made.tampered(run, "cache_read_tokens", 0)),
    ("memory metadata", lambda run: made.tampered(run, "memory_tokens", 0)),
    ("memory metadata", lambda run: made.tampered_logs(run, forget("memory"))),
    ("workflow complexity", lambda run: made.tampered(run, "declared_steps", 9)),
    ("workflow complexity", lambda run: made.tampered(run, "executed_steps", None)),
    ("workflow complexity", lambda run: made.tampered_logs(run, forget("workflow"))),
    ("error tracking", lambda run: made.tampered(run, "error_code", "model_failed")),
    ("error tracking", lambda run: made.tampered_logs(run, forget("errorCode"))),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_line_fails_for_its_own_damage(name: str, damage: Callable[[Footprint], Footprint]) -> None:
    """No line is a constant: damage to either of the two runs turns it."""
    spoilt = damage(orchestrator())
    for lines in (checklist(agentkit(), spoilt), checklist(spoilt, agentkit())):
        assert name in {line.name for line in lines if not line.is_ok}
