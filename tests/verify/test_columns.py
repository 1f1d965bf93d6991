"""No column is left out: whatever figure of a record, a log or a sum is changed, some check says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.verify import made
from tests.verify.damages import METRICS, STATS, log, run
from tests.verify.test_damage import failing, is_named, verified
from tests.verify.test_rebuild import rebuilt

from trackrecord.record.intensity import SCORE_COLUMNS
from trackrecord.store import statements

CHANGED = "CASE typeof({column}) WHEN 'integer' THEN {column} + 1 WHEN 'null' THEN {null} ELSE {column} || ' ' END"
TEXTS = {"error_code", "error_message", "error_path", "provider", "model"}
# The price table in force is what it is: nothing else in the database tells which one it was.
UNKNOWABLE = {"price_table"}
RESULT = [column for column in statements.RESULT if column not in {"status", *UNKNOWABLE}]
STATS_COLUMNS = (*statements.STATS_SUMS, *statements.STATS_EXTERNAL, "last_run_at")


def change(path: Path, table: str, column: str, where: str) -> None:
    """Another value of the same type."""
    new = CHANGED.format(column=column, null="'x'" if column in TEXTS else "1")
    # a success more than runs is refused by the table itself: there the count is what goes down
    new = f"{column} - 1" if (table, column) == ("agent_stats", "run_count") else new
    made.damage(path, f"UPDATE {table} SET {column} = {new} WHERE {where}")


@pytest.mark.parametrize("column", RESULT)
def test_every_column_of_a_record_is_checked(path: Path, column: str) -> None:
    """Each result of a run is made again from its spans, or held against its log."""
    if column == "usage_complete":
        made.damage(path, f"UPDATE agent_executions SET usage_complete = 0 WHERE id = '{made.PRICED}'")
    else:
        change(path, "agent_executions", column, f"id = '{made.PRICED}'")
    seen = verified(path)
    found = failing(seen) & {"records", "credits", "unknown"}
    assert found
    assert all(is_named(seen, name, run(made.PRICED)) for name in found)


@pytest.mark.parametrize("column", statements.LOG_FIGURES)
def test_every_column_of_a_log_is_checked(path: Path, column: str) -> None:
    """Each figure and text of a log is made again from the run's spans and ending."""
    change(path, "agent_logs", column, f"execution_id = '{made.PRICED}'")
    seen = verified(path)
    [found] = failing(seen)
    assert is_named(seen, found, log(made.PRICED))


@pytest.mark.parametrize("column", STATS_COLUMNS)
async def test_every_column_of_the_statistics_is_checked_and_mended(path: Path, column: str) -> None:
    """Each amount of `agent_stats` is counted again, named, and put right by a rebuild."""
    change(path, "agent_stats", column, f"agent_id = '{made.RESEARCHER.id}' AND user_id = '{made.LOCAL_USER}'")
    seen = verified(path)
    assert {"stats"} == failing(seen)
    assert is_named(seen, "stats", STATS)
    [mended] = (await rebuilt(path)).changes
    assert column == mended.column
    assert set() == failing(verified(path))


@pytest.mark.parametrize("column", ["agent_seq", *statements.INTENSITY_FIGURES])
async def test_every_column_of_the_metrics_is_checked_and_mended(path: Path, column: str) -> None:
    """Each sum, peak, set and score of `agent_intensity_metrics` is made again, named, and put right by a rebuild."""
    change(path, "agent_intensity_metrics", column, f"agent_id = '{made.RESEARCHER.id}'")
    seen = verified(path)
    expected = "agent_seq" if column == "agent_seq" else "scores" if column in SCORE_COLUMNS else "intensity"
    assert {expected} == failing(seen)
    assert is_named(seen, expected, METRICS)
    [mended] = (await rebuilt(path)).changes
    assert column == mended.column
    assert set() == failing(verified(path))
