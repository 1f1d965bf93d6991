"""Accepting, running and ending: what each transaction leaves, exactly once. Set-based, one query a rule."""

from __future__ import annotations

from typing import Final

from trackrecord.store import statements
from trackrecord.store.differences import named
from trackrecord.store.reader import SqliteReader
from trackrecord.store.states import LIVE, one_of
from trackrecord.verify.findings import Notebook
from trackrecord.verify.owners import find_orphans, is_elsewhere

_HAS_ENDED: Final = f"NOT {one_of('run.status', LIVE)}"
_RESULTS: Final = (*statements.ENDED, *(column for column in statements.RESULT if column != "status"))
_HELD: Final = ("lease_until", "ready_at", "wait_reason")

_TOLD: Final = """
SELECT tenant_id, subject_id, sum(action = 'run.accepted') AS accepted, sum(action = 'run.finished') AS finished,
       max(CASE WHEN action = 'run.finished' THEN details END) AS details
FROM audit_events WHERE subject_kind = 'run' GROUP BY tenant_id, subject_id
"""
_ACCEPTED: Final = f"""
SELECT run.tenant_id, run.id, input.run_id IS NOT NULL, coalesce(told.accepted, 0)
FROM agent_executions run
LEFT JOIN run_payloads input ON input.tenant_id = run.tenant_id AND input.run_id = run.id AND input.kind = 'input'
LEFT JOIN ({_TOLD}) told ON told.tenant_id = run.tenant_id AND told.subject_id = run.id
WHERE input.run_id IS NULL OR coalesce(told.accepted, 0) <> 1
"""  # noqa: S608  # names are ours
_AUDIT: Final = f"""
SELECT run.tenant_id, run.id, run.status, run.epoch, coalesce(told.finished, 0), told.details
FROM agent_executions run LEFT JOIN ({_TOLD}) told ON told.tenant_id = run.tenant_id AND told.subject_id = run.id
WHERE coalesce(told.finished, 0) <> {_HAS_ENDED}
   OR told.finished = 1 AND NOT (json_valid(told.details) AND told.details ->> 'epoch' = run.epoch)
"""  # noqa: S608  # names are ours
_ENDINGS: Final = f"""
SELECT run.tenant_id, run.id, run.status, run.completed_at, run.agent_seq, run.lease_until
FROM agent_executions run
WHERE {_HAS_ENDED} AND (run.completed_at IS NULL OR run.agent_seq IS NULL
                        OR coalesce({", ".join(f"run.{column}" for column in _HELD)}) IS NOT NULL)
   OR NOT ({_HAS_ENDED}) AND coalesce({", ".join(f"run.{column}" for column in _RESULTS)}) IS NOT NULL
"""  # noqa: S608  # names are ours
_LOGS: Final = f"""
SELECT run.tenant_id, run.id, run.status, log.execution_id IS NOT NULL
FROM agent_executions run
LEFT JOIN agent_logs log ON log.tenant_id = run.tenant_id AND log.execution_id = run.id
WHERE (log.execution_id IS NOT NULL) <> ({_HAS_ENDED})
"""  # noqa: S608  # names are ours
_LEASES: Final = "SELECT tenant_id, id, epoch, lease_until FROM agent_executions WHERE status = 'running'"
_CHECKPOINTS: Final = f"""
SELECT held.tenant_id, held.run_id, held.rows, held.epoch, held.open, run.epoch, {_HAS_ENDED}
FROM (SELECT tenant_id, run_id, count(*) AS rows, max(epoch) AS epoch, sum(state = 'started') AS open
      FROM run_checkpoints GROUP BY tenant_id, run_id) held
LEFT JOIN agent_executions run ON run.tenant_id = held.tenant_id AND run.id = held.run_id
"""  # noqa: S608  # names are ours
_LATE: Final = "SELECT path, attempt, epoch FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND epoch > ?"
_OPEN: Final = """
SELECT path, attempt, epoch FROM run_checkpoints mark
WHERE tenant_id = ? AND run_id = ? AND state = 'started' AND NOT EXISTS (
    SELECT 1 FROM run_spans span WHERE span.tenant_id = mark.tenant_id AND span.run_id = mark.run_id
    AND span.path = mark.path AND span.attempt = mark.attempt)
"""


def _runs(reader: SqliteReader, condition: str = "true") -> int:
    # the condition is our own text
    return next(reader.tuples(f"SELECT count(*) FROM agent_executions run WHERE {condition}"))[0]  # noqa: S608


def check_accepted(reader: SqliteReader, notebook: Notebook) -> None:
    """Every run has its input and one `run.accepted`."""
    notebook.count("accepted", _runs(reader))
    for tenant_id, run_id, has_input, accepted in reader.tuples(_ACCEPTED):
        row = named(tenant_id, id=run_id)
        if not has_input:
            notebook.find("accepted", "agent_executions", row, "there is no input for it in run_payloads")
        if accepted != 1:
            notebook.find("accepted", "agent_executions", row, f"{accepted} audit rows say `run.accepted`")


def check_endings(reader: SqliteReader, notebook: Notebook) -> None:
    """Ended runs have all of an ending, others nothing of one."""
    notebook.count("endings", _runs(reader))
    for tenant_id, run_id, status, completed_at, agent_seq, lease_until in reader.tuples(_ENDINGS):
        message = (
            f"it has not ended ({status}) but has results, an end time or a place in the order"
            if status in LIVE
            else f"it has ended ({status}) with completed_at {completed_at}, agent_seq {agent_seq}, lease {lease_until}"
        )
        notebook.find("endings", "agent_executions", named(tenant_id, id=run_id), message)


def check_logs(reader: SqliteReader, notebook: Notebook) -> None:
    """Ended runs have their log, others none; the key of the table keeps a run from having two."""
    notebook.count("logs", _runs(reader))
    for tenant_id, run_id, status, has_log in reader.tuples(_LOGS):
        if has_log:
            row = named(tenant_id, execution_id=run_id)
            notebook.find("logs", "agent_logs", row, f"there is a log of a run that has not ended ({status})")
        else:
            row = named(tenant_id, id=run_id)
            notebook.find("logs", "agent_executions", row, f"it has ended ({status}) and has no log")


def check_audit(reader: SqliteReader, notebook: Notebook) -> None:
    """Ended runs have one `run.finished` of their epoch, others none."""
    notebook.count("audit", _runs(reader))
    for tenant_id, run_id, status, epoch, finished, details in reader.tuples(_AUDIT):
        row = named(tenant_id, id=run_id)
        told = f" with {details}" if finished else ""
        message = f"it is {status} in epoch {epoch}; {finished} audit rows say `run.finished`{told}"
        notebook.find("audit", "agent_executions", row, message)


def check_leases(reader: SqliteReader, notebook: Notebook, now: str) -> None:
    """Nothing runs that nobody holds."""
    for tenant_id, run_id, epoch, lease_until in reader.tuples(_LEASES):
        notebook.count("leases")
        if lease_until is None or lease_until <= now:
            message = f"it is running in epoch {epoch} under a lease that passed at {lease_until}"
            notebook.find("leases", "agent_executions", named(tenant_id, id=run_id), message)


def check_checkpoints(reader: SqliteReader, notebook: Notebook) -> None:
    """Checkpoints belong to a run, to an epoch it has reached, and leave nothing open when it has ended."""
    for tenant_id, run_id, rows, epoch, opened, run_epoch, has_ended in reader.tuples(_CHECKPOINTS):
        notebook.count("epochs", rows)
        notebook.count("open_effects", rows)
        if run_epoch is None:
            place, there = (tenant_id, "run_id", run_id), is_elsewhere(reader, run_id)
            find_orphans(notebook, "run_checkpoints", place, rows, is_elsewhere=there)
            continue
        if epoch > run_epoch:
            _find_late(reader, notebook, (tenant_id, run_id), run_epoch)
        if opened and has_ended:
            _find_open(reader, notebook, (tenant_id, run_id))


def _find_late(reader: SqliteReader, notebook: Notebook, run: tuple[str, str], run_epoch: int) -> None:
    for path, attempt, epoch in reader.tuples(_LATE, (*run, run_epoch)):
        row = named(run[0], run_id=run[1], path=path, attempt=attempt)
        notebook.find("epochs", "run_checkpoints", row, f"it is of epoch {epoch}, its run only of {run_epoch}")


def _find_open(reader: SqliteReader, notebook: Notebook, run: tuple[str, str]) -> None:
    for path, attempt, epoch in reader.tuples(_OPEN, run):
        row = named(run[0], run_id=run[1], path=path, attempt=attempt)
        notebook.find("open_effects", "run_checkpoints", row, f"it began in epoch {epoch} and there is no span of it")
