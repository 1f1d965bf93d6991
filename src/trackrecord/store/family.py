"""A run with the runs it started: its children, and what all of them together used. Reads; adds up and stores nothing.

A parent's row never holds a figure of its children, so that no sum over rows counts anything twice: what a run used
with all its descendants is made here, each time it is asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final

from trackrecord.canonical import Json
from trackrecord.store.reader import Row, SqliteReader

_CHILDREN: Final = """
SELECT id, agent_id, agent_name, agent_version, engine, status, error_code, parent_path, tokens_used, cost_nanos,
    tool_calls_count, credits_used, execution_duration_ms, created_at, completed_at
FROM agent_executions WHERE tenant_id = ? AND parent_run_id = ? ORDER BY id
"""
# UNION, not UNION ALL: rows that damage has made their own ancestors are counted once, and it ends.
_TOTALS: Final = """
WITH RECURSIVE family(id) AS (
    SELECT ?2 UNION
    SELECT child.id FROM family
    JOIN agent_executions child ON child.tenant_id = ?1 AND child.parent_run_id = family.id),
later(id, tokens, cost) AS (
    SELECT run_id, sum(coalesce(deltas ->> 'input_tokens', 0) + coalesce(deltas ->> 'output_tokens', 0)),
        sum(deltas ->> 'cost_nanos')
    FROM run_adjustments WHERE tenant_id = ?1 AND run_id IN (SELECT id FROM family) AND json_valid(deltas)
    GROUP BY run_id)
SELECT count(*) AS runs, sum(run.completed_at IS NULL) AS unended,
    sum(CASE WHEN later.tokens IS NULL THEN tokens_used ELSE coalesce(tokens_used, 0) + later.tokens END) AS tokens,
    sum(run.completed_at IS NOT NULL AND tokens_used IS NULL AND later.tokens IS NULL) AS tokens_unknown,
    sum(CASE WHEN later.cost IS NULL THEN cost_nanos ELSE coalesce(cost_nanos, 0) + later.cost END) AS cost_nanos,
    sum(run.completed_at IS NOT NULL AND cost_nanos IS NULL AND later.cost IS NULL) AS cost_unknown,
    sum(tool_calls_count) AS tool_calls, sum(credits_used) AS credits, sum(execution_duration_ms) AS duration_ms
FROM family JOIN agent_executions run ON run.tenant_id = ?1 AND run.id = family.id LEFT JOIN later ON later.id = run.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a run and all its descendants used; late usage is in it.

    Attributes:
        runs: how many they are, the run itself among them.
        unended: those that have not ended, whose figures are not known yet and not in here.
        tokens, cost_nanos: sums of what is known; None when nothing is. So many ended runs of unknown figure are left
            out: `tokens_unknown`, `cost_unknown`.
        tool_calls, credits: sums; None while no run has ended.
        duration_ms: of all runs added up; more than the time that passed, for a run lasts while its children do.
    """

    runs: int
    unended: int
    tokens: int | None
    tokens_unknown: int
    cost_nanos: int | None
    cost_unknown: int
    tool_calls: int | None
    credits: int | None
    duration_ms: int | None

    def to_json(self) -> dict[str, Json]:
        """The same for a program to read."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The children of a run, the oldest first, and what it used with them and theirs."""

    children: tuple[Row, ...]
    totals: Totals


def family(reader: SqliteReader, run_id: str) -> Family | None:
    """The children of a run; None when it has none."""
    children = reader.rows(_CHILDREN, (reader.tenant_id, run_id))
    if not children:
        return None
    [row] = reader.rows(_TOTALS, (reader.tenant_id, run_id))
    return Family(children=tuple(children), totals=Totals(**{one.name: row[one.name] for one in fields(Totals)}))
