"""The transactions of a run on SQLite: accept, begin and finish, each a function inside one transaction.

Steps 2, 3 and 7 of 9. Times are the database's, which for SQLite is this host's clock at that moment. Must never commit
or roll back: the writer does. Fixed order of a finish: execution, ledger, journal, log, stats, content,
audit, intensity (the book writes it right before the commit).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, cast

from trackrecord import canonical, clock, failpoints
from trackrecord.context.protocols import Checkpoint
from trackrecord.errors import Conflict, UnknownRun
from trackrecord.record import intensity
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.record import Origin
from trackrecord.record.rows import Rows
from trackrecord.store import asked, codec, kept, postings, statements
from trackrecord.store.driver import Connection
from trackrecord.store.journal import Entry, Waiting, check_held, entry, sorted_out, write_entries
from trackrecord.store.kept import began
from trackrecord.store.notebook import Notebook
from trackrecord.store.protocol import (
    AcceptedRun,
    Begun,
    ChildRun,
    ExpiredRun,
    FinishedRun,
    Kin,
    LeftRun,
    ParkedRun,
    PastRun,
    Reused,
)
from trackrecord.store.writer import is_of_store
from trackrecord.workflow.reusable import Attempt

LEASE_S: Final = 10

_result: Final = itemgetter(*statements.RESULT)
_log_figures: Final = itemgetter(*statements.LOG_FIGURES)
_stats_sums: Final = itemgetter(*statements.STATS_SUMS)


@lru_cache(maxsize=256)
def _text(declared: DeclaredDesign | tuple[str, ...]) -> str:
    """Canonical text of what is the same for every run of an agent."""
    return canonical.dumps(declared)


def lease_end() -> str:
    """When a lease that is taken or extended now is over."""
    return clock.stamp(clock.now() + timedelta(seconds=LEASE_S))


def accept(connection: Connection, run: AcceptedRun, notebook: Notebook) -> None:
    """Insert the agent and its version when new, the run as `queued`, its input and an audit row; hold credits.

    Raises:
        InsufficientCredits: the user has a credit account and nothing in it that could be held.
        CheckpointsGone: what it is to take over is not there any more.
        Conflict: a child's parent is not held by the epoch that starts it, or has a child at that place already.
    """
    now = clock.stamp(clock.now())
    origin = run.origin
    if origin.parent_run_id is not None:
        _check_place(connection, run)
    if not postings.has_account(connection, notebook, origin.tenant_id, origin.user_id):
        _admit(connection, run, notebook, now, statements.INSERT_EXECUTION, ("queued", 0))
        return
    hold_id = clock.new_id()
    _admit(connection, run, notebook, now, statements.INSERT_HOLDING, ("queued", 0, hold_id), hold_id)


def _check_place(connection: Connection, run: AcceptedRun) -> None:
    """A child is accepted once for its place in its parent, and only by the epoch that holds its parent."""
    origin = run.origin
    parent = (origin.tenant_id, origin.parent_run_id)
    held = connection.execute(statements.SELECT_HELD, (*parent, run.parent_epoch)).fetchone()
    there = connection.execute(statements.SELECT_CHILD_AT, (*parent, origin.parent_path)).fetchone()
    if held is None or there is not None:
        raise Conflict(
            f"run {origin.parent_run_id!r} has a child at {origin.parent_path!r} already, or is held by another epoch",
            cure="Nothing was written; whoever holds the run goes on with it.",
        )


def launch(connection: Connection, run: AcceptedRun, begun: Begun, notebook: Notebook) -> None:
    """Accept a run and begin it in one: the same rows, the run as `running` under its first epoch and a lease."""
    state = ("running", begun.epoch, lease_end(), begun.began_at, begun.now)
    _admit(connection, run, notebook, begun.began_at, statements.INSERT_LAUNCHED, state)


def _launch_ended(
    connection: Connection, run: AcceptedRun, begun: Begun, notebook: Notebook, ending: codec.Row
) -> None:
    """Accept, begin and end a run in one: nobody has seen it run, so its row is written once."""
    state = (begun.epoch, begun.began_at, begun.now, *ending)
    _admit(connection, run, notebook, begun.began_at, statements.INSERT_ENDED, state)


def _admit(
    connection: Connection,
    run: AcceptedRun,
    notebook: Notebook,
    now: str,
    insert: str,
    state: codec.Row,
    hold_id: str | None = None,
) -> None:
    origin, tenant_id = run.origin, run.origin.tenant_id
    execute = connection.execute
    if not notebook.holds(run.agent):
        _save_agent(connection, run, now)
    execute(insert, (*_accepted_row(run, now), *state))
    failpoints.reach("accept.agent_executions")
    if hold_id is not None:
        postings.hold(connection, postings.of_run(origin), hold_id, run.most_credits, now)
    execute(statements.INSERT_PAYLOAD, codec.payload_row(tenant_id, origin.run_id, run.input))
    failpoints.reach("accept.run_payloads")
    if run.kept:
        rows = [codec.checkpoint_row(tenant_id, origin.run_id, checkpoint) for checkpoint in run.kept]
        connection.executemany(statements.SAVE_CHECKPOINT, rows)
        failpoints.reach("accept.run_checkpoints")
    if run.reused is not None:
        _take_over(connection, origin, run.reused)
        failpoints.reach("accept.reused")
    audit(connection, tenant_id, origin.user_id, "run.accepted", origin.run_id, now)
    failpoints.reach("accept.audit_events")
    if not _is_again(origin):
        notebook.stored(run.agent)


def _take_over(connection: Connection, origin: Origin, reused: Reused) -> None:
    """Copy what a retry or a fork takes over, and have it begin in its origin's present.

    Raises:
        CheckpointsGone: not all of it is there any more.
    """
    rows = [(origin.run_id, origin.tenant_id, reused.run_id, path, attempt) for path, attempt in reused.attempts]
    if rows and connection.executemany(statements.REUSE_CHECKPOINT, rows).rowcount != len(rows):
        raise kept.gone(reused.run_id)
    connection.execute(statements.FIX_NOW, (reused.now, origin.tenant_id, origin.run_id))


def _is_again(origin: Origin) -> bool:
    """A retry or fork runs an old version on purpose: that does not make it the agent's present one."""
    return origin.execution_type in {"retry", "fork"}


def _save_agent(connection: Connection, run: AcceptedRun, now: str) -> None:
    agent, execute = run.agent, connection.execute
    save = statements.INSERT_AGENT if _is_again(run.origin) else statements.SAVE_AGENT
    execute(
        save,
        (
            agent.tenant_id,
            agent.agent_id,
            agent.user_id,
            agent.name,
            agent.description,
            agent.status,
            agent.version,
            now,
            now,
        ),
    )
    failpoints.reach("accept.agents")
    execute(
        statements.INSERT_AGENT_VERSION,
        (agent.tenant_id, agent.agent_id, agent.version, agent.definition, _text(agent.design), now),
    )
    failpoints.reach("accept.agent_versions")


def _accepted_row(run: AcceptedRun, now: str) -> codec.Row:
    origin = run.origin
    declared = origin.declared
    return (
        origin.tenant_id,
        origin.run_id,
        origin.agent_id,
        origin.agent_version,
        origin.agent_name,
        origin.user_id,
        origin.execution_type,
        origin.engine,
        origin.engine_title,
        int(origin.runs_workflow),
        run.scheduled_at,
        origin.parent_run_id,
        origin.parent_path,
        origin.origin_run_id,
        origin.origin_kind,
        run.scheduled_at,
        now,
        declared.steps,
        declared.branches,
        declared.loops,
        declared.parallel,
        _text(origin.plugins_required),
        origin.input_count,
    )


def begin(connection: Connection, tenant_id: str, run_id: str, fixed_now: str | None) -> Begun:
    """Put the run under a new epoch and a lease, and load what earlier epochs stored.

    Raises:
        Conflict: somebody holds the run, it is not due, or it has ended.
        UnknownRun: there is no such run.
    """
    now = clock.stamp(clock.now())
    row = connection.execute(
        statements.BEGIN_RUN, (lease_end(), now, fixed_now or now, tenant_id, run_id, now, now, now)
    ).fetchone()
    failpoints.reach("begin.agent_executions")
    if row is None:
        raise _refusal(connection, tenant_id, run_id)
    epoch, now_at, hold_id, cancel_code, origin_kind = row
    hold = None if hold_id is None else postings.held(connection, tenant_id, hold_id)
    key = (tenant_id, run_id)
    if epoch == 1:
        return Begun(
            tenant_id=tenant_id,
            run_id=run_id,
            epoch=1,
            began_at=now,
            now=now_at,
            checkpoints=_checkpoints(connection, key) if origin_kind in ("retry", "fork") else (),
            hold=hold,
            cancel_code=cancel_code,
        )
    connection.execute(statements.SAVE_CHECKPOINT, codec.checkpoint_row(tenant_id, run_id, began(epoch, now)))
    failpoints.reach("begin.run_checkpoints")
    checkpoints = _checkpoints(connection, key)
    return Begun(
        tenant_id=tenant_id,
        run_id=run_id,
        epoch=epoch,
        began_at=now,
        now=now_at,
        spans=tuple(map(codec.span, connection.execute(statements.SELECT_SPANS, key))),
        checkpoints=checkpoints,
        hold=hold,
        cancel_code=cancel_code or kept.wish_of(checkpoints),
    )


def _has_come(connection: Connection, tenant_id: str, run_id: str, paths: Sequence[str]) -> bool:
    """Whether something that a run waits for has come before the run was parked."""
    key = (tenant_id, run_id)
    ended = (connection.execute(statements.SELECT_CHILD_ENDED, (*key, path)).fetchone() for path in paths)
    return asked.has_come(connection, *key, paths) or any(found is not None for found in ended)


def _checkpoints(connection: Connection, key: tuple[str, str]) -> tuple[Checkpoint, ...]:
    return tuple(map(codec.checkpoint, connection.execute(statements.SELECT_CHECKPOINTS, key)))


def park(connection: Connection, run: ParkedRun) -> str | None:
    """Let go of a run that does not go on for now; what has been decided meanwhile brings it back at once.

    Gives the code under which somebody wants it to end: nobody who carries runs looks at one that waits.

    Raises:
        Conflict: another epoch holds the run, or it has ended.
    """
    begun = run.begun
    tenant_id, run_id = begun.tenant_id, begun.run_id
    check_held(connection, begun)
    write_entries(connection, [entry(begun, span, None) for span in run.last_spans])
    failpoints.reach("park.run_spans")
    now = clock.stamp(clock.now())
    cancel_code: str | None = None
    if run.reason == "handover":
        connection.execute(statements.EXTEND_LEASE, (now, tenant_id, run_id, begun.epoch))
    else:
        ready_at = now if _has_come(connection, tenant_id, run_id, run.paths) else run.ready_at
        given = (run.reason, ready_at, now, tenant_id, run_id, begun.epoch)
        (cancel_code,) = connection.execute(statements.PARK_RUN, given).fetchone()
    failpoints.reach("park.agent_executions")
    return cancel_code


def ask_to_cancel(connection: Connection, tenant_id: str, run_id: str, code: str) -> str:
    """Say that a run is to end, whoever carries it; its state before.

    Raises:
        UnknownRun: there is no such run. Conflict: it has ended.
    """
    given = (code, clock.stamp(clock.now()), tenant_id, run_id)
    row = connection.execute(statements.ASK_TO_CANCEL, given).fetchone()
    if row is None:
        raise _refusal(connection, tenant_id, run_id)
    return row[0]


def expired(connection: Connection, limit: int, after: str) -> list[ExpiredRun]:
    """Running runs whose lease is over, queued ones nobody began for as long as a lease lasts, waiting ones now due."""
    now = clock.now()
    given = (clock.stamp(now), clock.stamp(now - timedelta(seconds=LEASE_S)), after)
    rows = connection.execute(statements.SELECT_EXPIRED, given).fetchmany(limit)
    return [ExpiredRun(tenant_id=tenant_id, run_id=run_id, epoch=epoch) for tenant_id, run_id, epoch in rows]


def left(connection: Connection, tenant_id: str, run_id: str) -> LeftRun:
    """Who and what a run is, from what was stored when it was accepted.

    Raises:
        UnknownRun: there is no such run.
    """
    row = connection.execute(statements.SELECT_LEFT, (tenant_id, run_id)).fetchone()
    if row is None:
        raise UnknownRun(f"there is no run {run_id!r}", cure="Check the id.")
    *figures, plugins, now_at, cancel_code, design, definition, started_at, body, sha256, outcome = row
    fields: dict[str, Any] = dict(zip(statements.ORIGIN, figures, strict=True))
    fields["runs_workflow"] = bool(fields["runs_workflow"])
    fields["plugins_required"] = tuple(cast("list[str]", canonical.loads(plugins)))
    return LeftRun(
        origin=Origin(
            tenant_id=tenant_id,
            run_id=run_id,
            now=now_at or clock.stamp(clock.now()),
            declared=DeclaredDesign(**cast("dict[str, Any]", canonical.loads(design))),
            **fields,
        ),
        definition=definition,
        started_at=started_at,
        cancel_code=cancel_code,
        request=kept.request_of(outcome),
        inputs=kept.inputs_of(outcome, body, sha256),
    )


def past(connection: Connection, tenant_id: str, run_id: str) -> PastRun:
    """A run as the origin of a retry or a fork, from what is stored of it.

    Raises:
        UnknownRun: there is no such run.
    """
    key = (tenant_id, run_id)
    run = left(connection, tenant_id, run_id)
    status, error_code, error_path = connection.execute(statements.SELECT_PAST, key).fetchone()
    return PastRun(
        left=run,
        status=status,
        error_code=error_code,
        error_path=error_path,
        attempts=tuple(Attempt(*row) for row in connection.execute(statements.SELECT_ATTEMPTS, key)),
        is_pruned=bool(connection.execute(statements.SELECT_IS_PRUNED, key).fetchone()[0]),
    )


def _refusal(connection: Connection, tenant_id: str, run_id: str) -> Conflict | UnknownRun:
    row = connection.execute(statements.SELECT_STATUS, (tenant_id, run_id)).fetchone()
    if row is None:
        return UnknownRun(f"there is no run {run_id!r}", cure="Check the id.")
    status, epoch, lease_until, ready_at, reason = row
    if status == "running":
        return Conflict(f"run {run_id!r} is held by epoch {epoch} until {lease_until}", cure="Wait for it to end.")
    if status == "waiting" and reason in {"approval", "unknown_outcome"}:
        return Conflict(
            f"run {run_id!r} waits for somebody to answer", cure=f"trackrecord approvals {run_id} says what it asks."
        )
    if status in {"queued", "waiting"}:
        return Conflict(f"run {run_id!r} is {status} and not due before {ready_at}", cure="Wait until it is due.")
    return Conflict(f"run {run_id!r} has ended as {status!r}", cure="Start a new run; an ended one never changes.")


def finish(
    connection: Connection,
    run: FinishedRun,
    rows: Rows,
    taken: Sequence[Waiting],
    notebook: Notebook,
    *,
    is_minimal: bool = False,
) -> bool:
    """Write the terminal record with all that belongs to it; False when the run had ended or moved to another epoch.

    What the journal still held is written with it, the opening of the run included. The minimal record keeps no
    content, and of the entries those that can be stored.
    """
    origin, begun = run.origin, run.begun
    tenant_id, run_id = origin.tenant_id, origin.run_id
    now = clock.stamp(clock.now())
    execute = connection.execute
    key = (tenant_id, origin.agent_id)
    sums = notebook.intensity.read(connection, key)
    sequence = sums.sequence + 1
    opening, entries = sorted_out(taken)
    ending = (*_result(rows.execution), now, sequence)
    if opening is not None:
        _launch_ended(connection, opening.run, begun, notebook, ending)
    elif execute(statements.FINISH_EXECUTION, (*ending, tenant_id, run_id, begun.epoch)).rowcount != 1:
        return False
    failpoints.reach("finish.agent_executions")
    if begun.hold is not None:
        postings.settle(
            connection, postings.of_run(origin), begun.hold, cast("int | None", rows.execution["credits_used"]), now
        )
    if is_minimal:
        _write_storable(connection, entries)
    else:
        write_entries(connection, entries)
    failpoints.reach("finish.run_spans")
    execute(statements.INSERT_LOG, (tenant_id, run_id, origin.agent_id, origin.user_id, *_log_figures(rows.log), now))
    failpoints.reach("finish.agent_logs")
    add_stats(connection, (tenant_id, origin.agent_id, origin.user_id), rows.stats, (0, 0), now)
    failpoints.reach("finish.agent_stats")
    if not is_minimal:
        _write_content(connection, run, now, is_first=sequence == 1)
    if origin.parent_run_id is not None:
        connection.execute(statements.READY_PARENT, (now, tenant_id, origin.parent_run_id))
        failpoints.reach("finish.parent")
    audit(connection, tenant_id, origin.user_id, "run.finished", run_id, now, f'{{"epoch":{begun.epoch}}}')
    failpoints.reach("finish.audit_events")
    notebook.intensity.change(key, sequence, intensity.absorb(sums.row, rows.figures, sequence), run.design)
    return True


def _write_storable(connection: Connection, entries: Sequence[Entry]) -> None:
    for one in entries:
        if not _is_written(connection, one):
            _, _, checkpoint, _ = one
            _is_written(connection, ("", None, checkpoint, None))  # else the effect would seem to go on for ever


def _is_written(connection: Connection, entry: Entry) -> bool:
    connection.execute("SAVEPOINT entry")
    is_written = True
    try:
        write_entries(connection, [entry])
    except Exception as error:
        if is_of_store(error):
            raise
        connection.execute("ROLLBACK TO entry")
        is_written = False
    connection.execute("RELEASE entry")
    return is_written


def _write_content(connection: Connection, run: FinishedRun, now: str, *, is_first: bool) -> None:
    origin = run.origin
    if run.output is not None:
        connection.execute(statements.INSERT_PAYLOAD, codec.payload_row(origin.tenant_id, origin.run_id, run.output))
        failpoints.reach("finish.run_payloads")
    for checkpoint in run.kept:
        row = codec.checkpoint_row(origin.tenant_id, origin.run_id, checkpoint)
        connection.execute(statements.SAVE_CHECKPOINT, row)
        failpoints.reach("finish.run_checkpoints")
    for memory in run.memories(is_first):
        connection.execute(
            statements.INSERT_RUN_MEMORY,
            (
                origin.tenant_id,
                clock.new_id(),
                origin.agent_id,
                origin.user_id,
                origin.run_id,
                memory.kind,
                memory.text,
                memory.importance,
                now,
                memory.expires_at,
                memory.source,
            ),
        )
        failpoints.reach("finish.run_memories")


def add_stats(
    connection: Connection, key: tuple[str, str, str], sums: Mapping[str, int], external: tuple[int, int], now: str
) -> None:
    """Add amounts to the statistics of (tenant, agent, user); the first one makes the row."""
    connection.execute(statements.ADD_STATS, (*key, *_stats_sums(sums), *external, now))


def children(connection: Connection, tenant_id: str, run_id: str, path: str | None) -> list[ChildRun]:
    """The child runs of a run, or that of one place."""
    given = (clock.stamp(clock.now()), tenant_id, run_id, path)
    return [
        ChildRun(
            run_id=child_id,
            status=status,
            has_ended=completed_at is not None,
            is_free=bool(is_free),
            error_code=error_code,
            error_message=error_message,
            outcome=outcome,
        )
        for child_id, status, completed_at, error_code, error_message, outcome, is_free in connection.execute(
            statements.SELECT_CHILD, given
        )
    ]


def lineage(connection: Connection, tenant_id: str, run_id: str, most: int) -> list[Kin]:
    """A run and those it is a child of, the outermost first."""
    rows = connection.execute(statements.SELECT_LINEAGE, (tenant_id, run_id, most))
    return [Kin(agent_id=agent_id, version=version, name=name) for agent_id, version, name in rows]


def refuse(connection: Connection, tenant_id: str, actor_id: str, subject: tuple[str, str], details: str) -> None:
    """Note that something was refused."""
    given = (tenant_id, clock.new_id(), actor_id, "run.refused", *subject, details, clock.stamp(clock.now()))
    connection.execute(statements.INSERT_AUDIT, given)


def audit(
    connection: Connection, tenant_id: str, actor_id: str, action: str, run_id: str, now: str, details: str = "{}"
) -> None:
    """Add an audit row about a run; `details` is canonical JSON text."""
    connection.execute(
        statements.INSERT_AUDIT, (tenant_id, clock.new_id(), actor_id, action, "run", run_id, details, now)
    )
