"""Beginning, leases and taking over: one holder at a time, and nothing of the past lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store import runs

from trackrecord import clock
from trackrecord.errors import Conflict, UnknownRun
from trackrecord.store import statements
from trackrecord.store.leases import Leases
from trackrecord.store.sqlite_store import SqliteStore


async def test_a_run_is_begun_once(store: SqliteStore, path: Path) -> None:
    """Who begins first holds the run; the second is told who does."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    assert (1, (), ()) == (begun.epoch, begun.spans, begun.checkpoints)
    assert "running" == runs.status(path, run.run_id)
    with pytest.raises(Conflict, match="held by epoch 1"):
        await store.begin(run.tenant_id, run.run_id)


async def test_an_unknown_or_foreign_run_is_unknown(store: SqliteStore) -> None:
    """Another tenant's run is as unknown as one that is not there."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    with pytest.raises(UnknownRun):
        await store.begin(run.tenant_id, clock.new_id())
    with pytest.raises(UnknownRun):
        await store.begin(clock.new_id(), run.run_id)


async def test_an_ended_run_cannot_begin(store: SqliteStore) -> None:
    """A terminal state is the end."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await store.finish(runs.finished(run, begun))
    with pytest.raises(Conflict, match="has ended as 'completed'"):
        await store.begin(run.tenant_id, run.run_id)


async def test_a_scheduled_run_waits_for_its_time(store: SqliteStore) -> None:
    """A queued run is not begun before it is due."""
    run = runs.origin()
    await store.accept(runs.accepted(run, scheduled_at=runs.FAR))
    with pytest.raises(Conflict, match="not due before 2999"):
        await store.begin(run.tenant_id, run.run_id)


async def test_the_next_epoch_finds_what_the_last_one_stored(store: SqliteStore, path: Path) -> None:
    """A run whose holder died is listed, begun again, and given its spans, checkpoints and its own present."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    first = await store.begin(run.tenant_id, run.run_id, now="2026-01-02T03:04:05.000006Z")
    assert [] == await store.expired(10)
    journal = store.journal(first, "sync")
    done = runs.spans(2)
    kept = [runs.checkpoint(span) for span in done[:-1]]
    for span, checkpoint in zip(done, kept, strict=False):
        journal.append(span, checkpoint)
    marker = runs.checkpoint(done[-1], "started", effect="unsafe")
    journal.append(None, marker)
    await journal.commit()
    runs.expire_lease(path, run.run_id)
    assert [(run.run_id, 1)] == [(each.run_id, each.epoch) for each in await store.expired(10)]
    second = await store.begin(run.tenant_id, run.run_id)
    assert 2 == second.epoch
    assert "2026-01-02T03:04:05.000006Z" == second.now == first.now
    assert second.began_at > first.began_at > "2026-01-02"
    assert done[:-1] == list(second.spans)
    *others, epoch = second.checkpoints
    assert [*kept, marker] == others
    assert ("epoch:2", "epoch", second.began_at) == (epoch.path, epoch.kind, epoch.subject)


async def test_a_released_run_can_begin_at_once(store: SqliteStore, path: Path) -> None:
    """Letting go ends the lease now instead of in ten seconds."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await store.release(begun)
    assert 2 == (await store.begin(run.tenant_id, run.run_id)).epoch


async def test_live_runs_keep_their_lease(store: SqliteStore, path: Path) -> None:
    """One beat extends every lease this process holds, and none that was taken over."""
    held, lost = runs.origin(), runs.origin()
    leases = Leases()
    for run in (held, lost):
        await store.accept(runs.accepted(run))
        leases.hold(await store.begin(run.tenant_id, run.run_id))
        runs.expire_lease(path, run.run_id)
    await store.begin(lost.tenant_id, lost.run_id)
    runs.expire_lease(path, lost.run_id)
    leases._beat_at = 0.0
    units, wait = leases.due()
    assert wait is not None
    connection = runs.look(path)
    for unit in units:
        unit.write(connection)
    lease = "SELECT lease_until > ? FROM agent_executions WHERE id = ?"
    now = clock.stamp(clock.now())
    assert (1,) == connection.execute(lease, (now, held.run_id)).fetchone()
    assert (0,) == connection.execute(lease, (now, lost.run_id)).fetchone()
    connection.close()


def test_a_process_without_runs_sleeps() -> None:
    """Nothing held, nothing to do, no reason to wake up."""
    assert ([], None) == Leases().due()


def test_looking_for_what_nobody_carries_reads_no_run_that_has_ended(path: Path) -> None:
    """It is done every two seconds on the thread that writes: with a million old runs it must cost what it does now."""
    connection = runs.look(path)
    plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements.SELECT_EXPIRED}", ("", "", ""))]
    connection.close()
    assert [] == [line for line in plan if line.startswith("SCAN")]
