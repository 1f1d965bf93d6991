"""Who a row belongs to: a known run of the same tenant, agent and user. Set-based, one query a table."""

from __future__ import annotations

from typing import Final

from trackrecord.store.differences import named
from trackrecord.store.reader import SqliteReader
from trackrecord.verify.findings import Notebook

# Spans and checkpoints are looked at where they are read anyway: `records`, `lifecycle`.
_CHILDREN: Final = {
    "agent_logs": "execution_id",
    "run_payloads": "run_id",
    "run_memories": "run_id",
    "run_feedback": "run_id",
    "run_adjustments": "run_id",
    "approvals": "run_id",
}
IS_ELSEWHERE: Final = """
EXISTS (SELECT 1 FROM agent_executions other
        WHERE other.tenant_id IN (SELECT tenant_id FROM agents) AND other.id = {id})
"""
_ORPHANS: Final = f"""
SELECT child.tenant_id, child.{{column}}, count(*), {IS_ELSEWHERE.format(id="child.{column}")}
FROM {{table}} child LEFT JOIN agent_executions run ON run.tenant_id = child.tenant_id AND run.id = child.{{column}}
WHERE run.id IS NULL GROUP BY 1, 2
"""  # noqa: S608  # names are ours
_AUDIT_ELSEWHERE: Final = f"""
SELECT event.tenant_id, event.id, event.subject_id
FROM audit_events event
LEFT JOIN agent_executions run ON run.tenant_id = event.tenant_id AND run.id = event.subject_id
WHERE event.subject_kind = 'run' AND run.id IS NULL AND {IS_ELSEWHERE.format(id="event.subject_id")}
"""  # noqa: S608  # names are ours
_KIN_ELSEWHERE: Final = f"""
SELECT child.tenant_id, child.id, child.{{column}}
FROM agent_executions child
LEFT JOIN agent_executions run ON run.tenant_id = child.tenant_id AND run.id = child.{{column}}
WHERE child.{{column}} IS NOT NULL AND run.id IS NULL AND {IS_ELSEWHERE.format(id="child.{column}")}
"""  # noqa: S608  # names are ours
_STRANGERS: Final = """
SELECT child.tenant_id, child.{key}, child.agent_id, child.user_id, run.agent_id, run.user_id
FROM {table} child JOIN agent_executions run ON run.tenant_id = child.tenant_id AND run.id = child.{column}
WHERE child.agent_id <> run.agent_id OR child.user_id <> run.user_id
"""

_CHILDREN_OUT_OF_PLACE: Final = """
SELECT tenant_id, id, execution_type, parent_run_id, parent_path FROM agent_executions
WHERE (parent_run_id IS NULL) <> (parent_path IS NULL) OR (parent_run_id IS NULL) = (execution_type = 'child')
"""
_OWN_ANCESTORS: Final = """
WITH RECURSIVE line(tenant_id, id, above) AS (
    SELECT tenant_id, id, parent_run_id FROM agent_executions WHERE parent_run_id IS NOT NULL
    UNION
    SELECT line.tenant_id, line.id, run.parent_run_id FROM line
    JOIN agent_executions run ON run.tenant_id = line.tenant_id AND run.id = line.above
    WHERE run.parent_run_id IS NOT NULL)
SELECT tenant_id, id FROM line WHERE id = above
"""


def check_parents(reader: SqliteReader, notebook: Notebook) -> None:
    """Every row about a run has its run, in its own tenant."""
    for table, column in _CHILDREN.items():
        (rows,) = next(reader.tuples(f"SELECT count(*) FROM {table}"))  # noqa: S608  # names are ours
        notebook.count("parents", rows)
        notebook.count("tenants", rows)
        for tenant_id, run_id, orphans, is_elsewhere in reader.tuples(_ORPHANS.format(table=table, column=column)):
            find_orphans(notebook, table, (tenant_id, column, run_id), orphans, is_elsewhere=bool(is_elsewhere))


def find_orphans(notebook: Notebook, table: str, place: tuple[str, str, str], rows: int, *, is_elsewhere: bool) -> None:
    """Note rows without a run: of another tenant's run when there is one, else of none at all."""
    tenant_id, column, run_id = place
    row, count = named(tenant_id, **{column: run_id}), f"{rows} row{'' if rows == 1 else 's'}"
    if is_elsewhere:
        notebook.find("tenants", table, row, f"{count} in tenant {tenant_id}, of a run of another tenant")
    else:
        notebook.find("parents", table, row, f"{count} of a run that is not there")


def is_elsewhere(reader: SqliteReader, run_id: str) -> bool:
    """Whether some tenant has a run of that id."""
    return bool(next(reader.tuples(f"SELECT {IS_ELSEWHERE.format(id='?')}", (run_id,)))[0])


def check_owners(reader: SqliteReader, notebook: Notebook) -> None:
    """Logs and memories name the agent and user of their run; audit rows and related runs are of the same tenant."""
    for table, key, column in (("agent_logs", "execution_id", "execution_id"), ("run_memories", "id", "run_id")):
        for tenant_id, name, agent, user, *run in reader.tuples(_STRANGERS.format(table=table, key=key, column=column)):
            row = named(tenant_id, **{key: name})
            notebook.find("tenants", table, row, f"it names agent {agent}, user {user}; its run {run[0]}, {run[1]}")
    for tenant_id, event_id, run_id in reader.tuples(_AUDIT_ELSEWHERE):
        notebook.find("tenants", "audit_events", named(tenant_id, id=event_id), f"run {run_id} is another tenant's")
    for column in ("parent_run_id", "origin_run_id"):
        for tenant_id, run_id, other in reader.tuples(_KIN_ELSEWHERE.format(column=column)):
            message = f"{column} {other} is another tenant's run"
            notebook.find("tenants", "agent_executions", named(tenant_id, id=run_id), message)


def check_children(reader: SqliteReader, notebook: Notebook) -> None:
    """Who is a child has a parent and a place in it, and no run is its own ancestor."""
    (rows,) = next(reader.tuples("SELECT count(*) FROM agent_executions WHERE parent_run_id IS NOT NULL"))
    notebook.count("children", rows)
    for tenant_id, run_id, kind, parent, path in reader.tuples(_CHILDREN_OUT_OF_PLACE):
        message = f"it is of type {kind}; parent_run_id is {parent}, parent_path {path}"
        notebook.find("children", "agent_executions", named(tenant_id, id=run_id), message)
    for tenant_id, run_id in reader.tuples(_OWN_ANCESTORS):
        notebook.find("children", "agent_executions", named(tenant_id, id=run_id), "it is its own ancestor")
