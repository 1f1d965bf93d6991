"""Runs that ran elsewhere, reported from outside: each is a row of `external_executions` and part of the sums.

They share the agent's order of finishing with our own runs, so that a rebuild replays both in the order they came.
Must never touch `agent_executions`: what ran elsewhere has no record here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from trackrecord import canonical, clock, failpoints
from trackrecord.errors import BadInput
from trackrecord.record import intensity
from trackrecord.record.execution_data import AgentExecutionData, check_id
from trackrecord.record.intensity import DeclaredDesign, RunFigures
from trackrecord.store import statements
from trackrecord.store.driver import Connection
from trackrecord.store.intensity_book import IntensityBook
from trackrecord.store.transactions import add_stats

STATS_RULE: Final = "external-stats/1"

_NOTHING: Final = dict.fromkeys(statements.STATS_SUMS, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsCall:
    """One call of `increment_agent_stats`, checked."""

    tenant_id: str
    agent_id: str
    user_id: str
    success: bool


def stats_call(tenant_id: str, agent_id: str, user_id: str, success: bool) -> StatsCall:
    """The call as given.

    Raises:
        BadInput: an id is empty or not text, or `success` is no boolean.
    """
    check_id("agent_id_input", agent_id)
    check_id("user_id_input", user_id)
    if type(success) is not bool:
        raise BadInput(f"success is {success!r}, which is neither true nor false", cure="Give success as a boolean.")
    return StatsCall(tenant_id=tenant_id, agent_id=agent_id, user_id=user_id, success=success)


def amounts(success: bool) -> dict[str, int]:
    """What one call of `increment_agent_stats` adds to `agent_stats`; a recount adds the same."""
    return _NOTHING | {"run_count": 1, "success_count": int(success), "failed_count": int(not success)}


def figures(data: AgentExecutionData) -> RunFigures:
    """What one call of `update_agent_intensity_metrics` adds to the intensity metrics; a recount adds the same."""
    return RunFigures(data=data, status="completed" if data.was_successful else "failed")


def given_success(fields: str) -> bool:
    """What `increment_agent_stats` was told, from the text that was kept of it.

    Raises:
        ValueError, KeyError, TypeError: the text is none that was kept.
    """
    success = cast("dict[str, Any]", canonical.loads(fields))["success"]
    if type(success) is not bool:
        raise TypeError(f"success is {success!r}")
    return success


def given_data(fields: str) -> AgentExecutionData:
    """What `update_agent_intensity_metrics` was told, from the text that was kept of it.

    Raises:
        ValueError, TypeError, BadInput: the text is none that was kept.
    """
    return AgentExecutionData(**cast("dict[str, Any]", canonical.loads(fields)))


def increment(connection: Connection, call: StatsCall, book: IntensityBook) -> None:
    """Count the run into `agent_stats`; a failure counts as `failed`, for nothing else was said."""
    now = clock.stamp(clock.now())
    key = (call.tenant_id, call.agent_id, call.user_id)
    add_stats(connection, key, amounts(call.success), (1, int(call.success)), now)
    failpoints.reach("external.agent_stats")
    sums = book.read(connection, (call.tenant_id, call.agent_id))
    sequence = sums.sequence + 1
    fields = canonical.dumps({"success": call.success})
    _keep(connection, "stats", key, sequence, fields, STATS_RULE, now)
    design = present_design(connection, call.tenant_id, call.agent_id)
    book.change((call.tenant_id, call.agent_id), sequence, sums.row, design)


def absorb(connection: Connection, tenant_id: str, data: AgentExecutionData, book: IntensityBook) -> None:
    """Add the run to `agent_intensity_metrics`."""
    now = clock.stamp(clock.now())
    sums = book.read(connection, (tenant_id, data.agent_id))
    sequence = sums.sequence + 1
    fields = canonical.dumps(asdict(data))
    _keep(connection, "intensity", (tenant_id, data.agent_id, data.user_id), sequence, fields, intensity.RULE, now)
    row = intensity.absorb(sums.row, figures(data), sequence)
    book.change((tenant_id, data.agent_id), sequence, row, present_design(connection, tenant_id, data.agent_id))


def _keep(
    connection: Connection, kind: str, key: tuple[str, str, str], sequence: int, fields: str, rule: str, now: str
) -> None:
    tenant_id, agent_id, user_id = key
    connection.execute(
        statements.INSERT_EXTERNAL, (tenant_id, clock.new_id(), kind, agent_id, user_id, sequence, fields, rule, now)
    )
    failpoints.reach("external.external_executions")


def present_design(connection: Connection, tenant_id: str, agent_id: str) -> DeclaredDesign:
    """The declared design of the agent's present version; an empty one for an agent that is not defined here."""
    row = connection.execute(statements.SELECT_DESIGN, (tenant_id, agent_id)).fetchone()
    if row is None:
        return DeclaredDesign()
    return DeclaredDesign(**cast("dict[str, Any]", canonical.loads(row[0])))
