"""The recount: the record a run's spans add up to, whatever its row says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.parity import footprints as made

from trackrecord.record.recount import recount
from trackrecord.record.rows import rows


def row(**changes: Any) -> dict[str, Any]:
    """A finished run's row, changed."""
    return {**made.agentkit().execution, **changes}


SPANS = made.agentkit().spans


def test_a_recount_is_the_record_that_was_stored() -> None:
    """Row, spans and design of a run give the very rows it was stored with."""
    run = made.orchestrator()
    again = rows(recount(run.execution, run.spans, run.design))
    assert again.execution == {name: run.execution[name] for name in again.execution}


def test_no_figure_of_the_row_is_believed() -> None:
    """Measured columns are not looked at: the spans alone tell them."""
    spoilt = row(input_tokens=9, tool_calls_count=None, execution_duration_ms=0, iterations_count=77, epoch=5)
    assert recount(row(), SPANS, made.DESIGN).measures == recount(spoilt, SPANS, made.DESIGN).measures
    assert 1 == recount(spoilt, SPANS, made.DESIGN).epoch


def test_how_it_ended_is_the_rows_own_word() -> None:
    """No span tells status and error: they are taken over."""
    ended = row(status="failed", error_code="model_failed", error_message="no", error_path="turn:1/model")
    ending = recount(ended, SPANS, made.DESIGN).ending
    assert ending is not None
    assert ("failed", "model_failed", "no", "turn:1/model") == (
        ending.status,
        ending.error_code,
        ending.error_message,
        ending.error_path,
    )


def test_a_run_under_way_has_no_ending() -> None:
    """The recount of a run that goes on is its partial record."""
    assert recount(row(status="running"), SPANS, made.DESIGN).ending is None


def test_the_price_table_of_its_day_stays() -> None:
    """A newer table in this installation does not make an old record wrong."""
    assert "genai-prices/0.0.1" == recount(row(price_table="genai-prices/0.0.1"), SPANS, made.DESIGN).price_table


def test_what_a_dead_process_left_is_never_complete() -> None:
    """An abandoned run may have lost what it had not stored."""
    assert recount(row(), SPANS, made.DESIGN).usage_complete
    assert not recount(row(status="abandoned"), SPANS, made.DESIGN).usage_complete


def test_what_a_resumed_run_says_was_lost_is_believed() -> None:
    """Only the run itself could tell whether a dead process of its took anything along; a first epoch lost nothing."""
    assert not recount(row(epoch=2, usage_complete=0), SPANS, made.DESIGN).usage_complete
    assert recount(row(epoch=1, usage_complete=0), SPANS, made.DESIGN).usage_complete


def test_a_minimal_record_keeps_its_figures_and_lists_nothing() -> None:
    """The record stored when its content could not be is whole in every figure."""
    told = row(status="failed", error_code="internal", error_message="the full record could not be stored (too big)")
    measures = recount(told, SPANS, made.DESIGN).measures
    assert (1, ()) == (measures.tool_calls_count, measures.tool_calls)


def test_a_missing_column_is_named() -> None:
    """A row that is none says which column it lacks."""
    with pytest.raises(KeyError, match="error_message"):
        recount({}, SPANS, made.DESIGN)
