"""A run as its row says: the record made from the columns of `agent_executions`. Pure; reads nothing.

`recount` adds up these records, `refold` puts a record made from spans beside them. Must never mend what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from trackrecord.canonical import loads
from trackrecord.record.closing import MINIMAL
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.measures import Executed, Measures, MemoryUse, Tokens
from trackrecord.record.record import Ending, Record
from trackrecord.record.recount import origin_of
from trackrecord.store import statements

Row = Mapping[str, Any]

ADJUSTABLE: Final = (
    "execution_duration_ms",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "iterations_count",
    "cost_nanos",
    "retry_count",
    "tool_calls_count",
    "tool_orchestration_time_ms",
    "executed_steps",
    "executed_branches",
    "executed_loop_iterations",
    "executed_parallel",
    "memory_tokens",
    "memory_entry_count",
)
"""Columns of a run that sums are made from, and that an adjustment may therefore add to."""

COLUMNS: Final = (
    "tenant_id",
    "id",
    *statements.ORIGIN,
    "status",
    "epoch",
    "now_at",
    "completed_at",
    "agent_seq",
    "declared_steps",
    "declared_branches",
    "declared_loops",
    "declared_parallel",
    "plugins_required",
    "logs",
    "price_table",
    "credit_rule",
    "fold_rule",
    *ADJUSTABLE,
)
"""Columns that `record` reads."""


def declared(row: Row) -> DeclaredDesign:
    """What the run's own row says its agent declares; plugins, fields and trigger are in the version's design."""
    return DeclaredDesign(
        steps=row["declared_steps"],
        branches=row["declared_branches"],
        loops=row["declared_loops"],
        parallel=row["declared_parallel"],
    )


def is_minimal(row: Row) -> bool:
    """Whether the record had to be stored without its content, and perhaps without some of its spans."""
    return str(row["error_message"] or "").startswith(MINIMAL)


def counted_record(row: Row, deltas: Mapping[str, int]) -> Record:
    """The record as it was stored, with its adjustments: as far as sums are made from it.

    Raises:
        ValueError, TypeError, KeyError: the row holds what no finish would write.
    """
    logs = cast("Row", loads(row["logs"]))

    def figure(column: str) -> int | None:
        value, delta = row[column], deltas.get(column)
        return value if delta is None else (value or 0) + delta

    def count(column: str) -> int:
        return figure(column) or 0

    return Record(
        origin=origin_of(row, declared(row)),
        ending=Ending(status=row["status"]),
        measures=Measures(
            tokens=Tokens(
                input=figure("input_tokens"), output=figure("output_tokens"), cache_read=figure("cache_read_tokens")
            ),
            iterations_count=count("iterations_count"),
            cost_nanos=figure("cost_nanos"),
            retry_count=count("retry_count"),
            tool_calls_count=count("tool_calls_count"),
            tool_orchestration_us=count("tool_orchestration_time_ms") * 1000,
            plugins_used=tuple(logs["pluginsUsed"]),
            executed=Executed(
                steps=count("executed_steps"),
                branches=count("executed_branches"),
                loop_iterations=count("executed_loop_iterations"),
                parallel=count("executed_parallel"),
            ),
            memory=MemoryUse(
                tokens=count("memory_tokens"),
                entry_count=count("memory_entry_count"),
                types=tuple(logs["memory"]["types"]),
            ),
            duration_us=count("execution_duration_ms") * 1000,
        ),
        epoch=row["epoch"],
        credits_used=None,
        price_table=row["price_table"],
        credit_rule=row["credit_rule"],
        fold_rule=row["fold_rule"],
    )
