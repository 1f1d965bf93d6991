"""A record that was tampered with is caught, on either side or on both, whatever rule would let it differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.parity import footprints as made
from tests.unit.parity.footprints import agentkit, finding, orchestrator, unreported, verdict

from trackrecord.parity import Footprint, compare
from trackrecord.record import intensity
from trackrecord.store import statements

OWN_WORD = {"status", "error_code", "error_message", "error_path", "price_table", "logs"}  # no span tells these
RECOUNTED = [name for name in statements.RESULT if name not in OWN_WORD]


def changed(value: Any) -> Any:
    return f"{value}x" if isinstance(value, str) else 1 if value is None else value + 1


@pytest.mark.parametrize("column", RECOUNTED)
@pytest.mark.parametrize("make", [agentkit, orchestrator])
def test_a_record_that_contradicts_its_own_spans_differs(make: Callable[[], Footprint], column: str) -> None:
    """Each measured column is held against a recount, also where other work or a rule would excuse a difference."""
    run = make()
    spoilt = made.tampered(run, column, changed(run.execution[column]))
    for left, right in ((spoilt, run), (run, spoilt), (spoilt, spoilt)):
        assert "differs" == verdict(left, right, f"agent_executions.{column}")


@pytest.mark.parametrize("column", RECOUNTED)
def test_a_measured_figure_that_is_not_there_is_not_observed(column: str) -> None:
    """Null where the spans measured something is never equal to anything, not even to another null."""
    spoilt = made.tampered(orchestrator(), column, None)
    expected = "equal" if orchestrator().execution[column] is None else "not observed"
    assert expected == verdict(spoilt, spoilt, f"agent_executions.{column}")
    assert (expected == "equal") == compare(spoilt, spoilt).is_ok()


def test_zero_written_for_unknown_differs() -> None:
    """A 0 where no attempt reported anything is a lie, on one side or on both."""
    spoilt = made.tampered(agentkit((unreported(1),)), "input_tokens", 0)
    honest = orchestrator((unreported(1),))
    assert "differs" == verdict(spoilt, honest, "agent_executions.input_tokens")
    assert "differs" == verdict(spoilt, spoilt, "agent_executions.input_tokens")


def test_a_one_is_not_true() -> None:
    """A value of another type is another value."""
    spoilt = made.tampered_logs(orchestrator(), lambda logs: logs.update(retries=False))
    assert "differs" == verdict(agentkit(), spoilt, "logs.retries")


@pytest.mark.parametrize("column", statements.LOG_FIGURES)
def test_a_tampered_log_differs(column: str) -> None:
    """The log row is held against the same recount."""
    run = orchestrator()
    spoilt = made.tampered_log(run, column, changed((run.log or {})[column]))
    field = {"run_output": "run_output", "full_output": "full_output"}.get(column, f"agent_logs.{column}")
    assert "differs" == verdict(agentkit(), spoilt, field)


def spoil_tokens(logs: Any) -> None:
    logs["tokensUsed"]["prompt"] += 1


def spoil_path(logs: Any) -> None:
    logs["toolCalls"][0]["path"] = "turn:9/call:9/tool"


def spoil_id(logs: Any) -> None:
    logs["executionId"] = "another"


def spoil_flag(logs: Any) -> None:
    logs["agentkit"] = logs["orchestrator"] = True


def spoil_steps(logs: Any) -> None:
    logs["workflow"]["executed"]["steps"] = 9


def spoil_calls(logs: Any) -> None:
    logs["toolCalls"].append(logs["toolCalls"][0])


def spoil_error_path(logs: Any) -> None:
    logs["errorPath"] = "s:elsewhere"


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (spoil_tokens, "logs.tokensUsed.prompt"),
        (spoil_path, "logs.toolCalls[1].path"),
        (spoil_id, "logs.executionId"),
        (spoil_flag, "logs.agentkit"),
        (spoil_steps, "logs.workflow.executed.steps"),
        (spoil_calls, "logs.toolCalls.length"),
        (spoil_error_path, "logs.errorPath"),
    ],
)
def test_tampered_logs_differ(spoil: Callable[[Any], None], field: str) -> None:
    """Also ids, flags, paths and counts that a rule lets differ must be those of the run itself."""
    assert "differs" == verdict(agentkit(), made.tampered_logs(orchestrator(), spoil), field)


def test_a_key_missing_in_the_logs_is_not_observed() -> None:
    """What the definition says can be measured must stand there, on both sides."""
    spoilt = made.tampered_logs(orchestrator(), lambda logs: logs.pop("retries"))
    assert "not observed" == verdict(agentkit(), spoilt, "logs.retries")
    assert "not observed" == verdict(spoilt, spoilt, "logs.retries")


def test_logs_that_are_no_json_differ() -> None:
    """Content that cannot be read is not equal to anything."""
    spoilt = made.tampered(orchestrator(), "logs", "{")
    assert "differs" == verdict(agentkit(), spoilt, "logs")


def test_a_missing_log_row_is_not_observed() -> None:
    """A run that was not logged shows in every column of the log and in both outputs."""
    spoilt = made.reassembled(orchestrator(), log=None)
    compared = compare(spoilt, spoilt)
    of_log = [one for one in compared.findings if one.field.startswith(("agent_logs.", "run_output", "full_output"))]
    assert {"not observed"} == {one.verdict for one in of_log}


@pytest.mark.parametrize("column", [*statements.STATS_SUMS, *statements.STATS_EXTERNAL])
def test_tampered_statistics_differ(column: str) -> None:
    """What the run added to the statistics must be what its record says, nothing more and nothing twice."""
    run = orchestrator()
    assert run.after is not None
    assert run.after.stats is not None
    spoilt = made.tampered_stats(run, column, run.after.stats[column] + 1)
    assert "differs" == verdict(agentkit(), spoilt, f"agent_stats.{column}")


NUMBERS = [
    name
    for name in (*statements.INTENSITY_FIGURES, "agent_seq")
    if name not in intensity.TEXT_COLUMNS and name not in intensity.NULLABLE_COLUMNS
]


@pytest.mark.parametrize("column", [*NUMBERS, "peak_tokens_single_run", "intensity_class", "growth_alert", "rule"])
def test_tampered_intensity_metrics_differ(column: str) -> None:
    """Sums, peaks and scores must be those of the run; a score must be that of its own row."""
    run = orchestrator()
    assert run.after is not None
    assert run.after.intensity is not None
    spoilt = made.tampered_intensity(run, column, changed(run.after.intensity[column]))
    assert "differs" == verdict(agentkit(), spoilt, f"agent_intensity_metrics.{column}")
    assert "differs" == verdict(spoilt, spoilt, f"agent_intensity_metrics.{column}")


def test_missing_sums_are_not_observed() -> None:
    """A run that was not counted anywhere shows in every column of both sums."""
    run = orchestrator()
    spoilt = replace(run, after=replace(run.after or run.before, stats=None, intensity=None))
    compared = compare(agentkit(), spoilt)
    assert "not observed" == finding(compared, "agent_stats.run_count").verdict
    assert "not observed" == finding(compared, "agent_stats.tenant_id").verdict
    assert "not observed" == finding(compared, "agent_intensity_metrics.total_tokens").verdict
    assert "not observed" == finding(compared, "agent_intensity_metrics.combined_score_thousandths").verdict
