"""The terminal transaction: all of it or nothing, once, whatever fails inside it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord import failpoints
from trackrecord.errors import StoreError
from trackrecord.record.record import Ending, Origin
from trackrecord.store.protocol import Begun
from trackrecord.store.sqlite_store import SqliteStore

FINISH = (
    "agent_executions",
    "run_spans",
    "agent_logs",
    "agent_stats",
    "run_payloads",
    "run_memories",
    "audit_events",
    "agent_intensity_metrics",
    "precommit",
)
ACCEPT = ("agents", "agent_versions", "agent_executions", "run_payloads", "audit_events", "precommit")


async def started(store: SqliteStore) -> tuple[Origin, Begun]:
    run = runs.origin()
    accepting = store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await accepting
    return run, begun


def one_record(path: Path, run: Origin, spans: int = 22) -> None:
    """Exactly one of everything a finished run leaves."""
    assert (1, 1, 1, 1) == tuple(
        runs.count(path, table)
        for table in ("agent_executions", "agent_logs", "agent_stats", "agent_intensity_metrics")
    )
    assert spans == runs.count(path, "run_spans")
    seen = runs.look(path)
    assert ("completed", 1, 1) == seen.execute(
        "SELECT status, agent_seq, epoch FROM agent_executions WHERE id = ?", (run.run_id,)
    ).fetchone()
    assert (1, 1, 1320) == seen.execute("SELECT run_count, success_count, tokens_total FROM agent_stats").fetchone()
    assert (1, 1, 1320) == seen.execute(
        "SELECT agent_seq, total_executions, total_tokens FROM agent_intensity_metrics"
    ).fetchone()
    seen.close()


async def test_a_finished_run_leaves_one_of_everything(store: SqliteStore, path: Path) -> None:
    """A finish writes the execution, its log, both sums, the journal, the content and an audit row together."""
    run, begun = await started(store)
    journal = store.journal(begun, "sync")
    done = runs.spans()
    for span in done:
        journal.append(span, runs.checkpoint(span))
    assert await store.finish(runs.finished(run, begun, done))
    one_record(path, run)
    assert 21 == runs.count(path, "run_checkpoints")
    assert 2 == runs.count(path, "run_payloads")
    assert 1 == runs.count(path, "run_memories")
    assert 2 == runs.count(path, "audit_events")


@pytest.mark.parametrize("place", FINISH)
async def test_a_fault_at_any_statement_leaves_nothing_of_the_finish(
    store: SqliteStore, path: Path, place: str
) -> None:
    """Whatever statement fails, nothing of the finish is visible, and a retry leaves exactly one record."""
    run, begun = await started(store)
    journal = store.journal(begun, "async")
    done = runs.spans()
    for span in done:
        journal.append(span, runs.checkpoint(span))
    await journal.commit()
    before = runs.contents(path)
    finish = runs.finished(run, begun, done)
    # the minimal record keeps no content and would get past two of these places
    always = replace(finish, minimal=lambda _: replace(finish.rows, execution={}))
    with failpoints.armed(f"finish.{place}"), pytest.raises(StoreError):
        await store.finish(always)
    assert before == runs.contents(path)
    assert await store.finish(finish)
    one_record(path, run)


async def test_a_bad_finish_in_a_group_commit_fails_alone(store: SqliteStore, path: Path) -> None:
    """A finish that cannot be stored is rolled back alone; those in the same transaction are stored and counted."""
    held = [await started(store) for _ in range(3)]
    finishes = [runs.finished(run, begun, runs.spans(1)) for run, begun in held]
    broken = replace(finishes[1].rows, execution=finishes[1].rows.execution | {"iterations_count": -1})
    finishes[1] = replace(finishes[1], rows=broken, minimal=lambda _: broken)
    with runs.writer_held(store):
        waiting = [asyncio.ensure_future(store.finish(finish)) for finish in finishes]
        await asyncio.sleep(0)
    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert (True, True) == (first, third)
    assert isinstance(second, StoreError)
    seen = runs.look(path)
    assert (2, 2, 480) == seen.execute("SELECT run_count, success_count, tokens_total FROM agent_stats").fetchone()
    assert (2, 2) == seen.execute("SELECT agent_seq, total_executions FROM agent_intensity_metrics").fetchone()
    assert "running" == runs.status(path, held[1][0].run_id)
    seen.close()


async def test_sums_that_cannot_be_stored_fail_the_one_that_made_them(store: SqliteStore, path: Path) -> None:
    """When the row that several finishes changed cannot be written, each is stored alone and only the culprit fails."""
    held = [await started(store) for _ in range(3)]
    finishes = [runs.finished(run, begun, runs.spans(1)) for run, begun in held]
    figures = finishes[1].rows.figures
    absurd = replace(figures, data=replace(figures.data, plugins_used=("http",)))
    object.__setattr__(absurd.data, "iterations_count", 2**70)  # past its own check, as a fault of ours would be
    broken = replace(finishes[1].rows, figures=absurd)
    finishes[1] = replace(finishes[1], rows=broken, minimal=lambda _: broken)
    with runs.writer_held(store):
        waiting = [asyncio.ensure_future(store.finish(finish)) for finish in finishes]
        await asyncio.sleep(0)
    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert (True, True) == (first, third)
    assert isinstance(second, StoreError)
    seen = runs.look(path)
    assert (2, 4) == seen.execute("SELECT total_executions, total_iterations FROM agent_intensity_metrics").fetchone()
    assert [(1,), (2,)] == seen.execute(
        "SELECT agent_seq FROM agent_executions WHERE agent_seq IS NOT NULL ORDER BY 1"
    ).fetchall()
    seen.close()


async def test_a_second_finish_is_nothing(store: SqliteStore, path: Path) -> None:
    """The first terminal state wins: a second finish returns False and changes no row."""
    run, begun = await started(store)
    assert await store.finish(runs.finished(run, begun, runs.spans()))
    before = runs.contents(path)
    other = runs.finished(run, begun, runs.spans(2), ending=Ending(status="cancelled", error_code="user"))
    assert not await store.finish(other)
    assert before == runs.contents(path)


async def test_an_older_epoch_cannot_finish(store: SqliteStore, path: Path) -> None:
    """A zombie whose run was begun again elsewhere writes nothing."""
    run, begun = await started(store)
    runs.expire_lease(path, run.run_id)
    again = await store.begin(run.tenant_id, run.run_id)
    assert 2 == again.epoch
    before = runs.contents(path)
    assert not await store.finish(runs.finished(run, begun, runs.spans()))
    assert before == runs.contents(path)
    assert await store.finish(runs.finished(run, again, runs.spans()))


@pytest.mark.parametrize("is_flushed_before", [False, True])
async def test_content_that_cannot_be_stored_leaves_the_minimal_record(
    store: SqliteStore, path: Path, is_flushed_before: bool
) -> None:
    """A finish whose content the database refuses is stored once as the minimal record, with the spans that can be.

    It makes no difference whether the journal met the bad span first, in the same transaction. An effect whose span
    cannot be stored is over all the same.
    """
    run, begun = await started(store)
    journal = store.journal(begun, "async")
    good, bad = runs.model_span(1), runs.tool_span(1, plugin="\ud800")
    with runs.writer_held(store):
        journal.append(good, None)
        journal.append(None, runs.checkpoint(bad, "started"))
        journal.append(bad, runs.checkpoint(bad))
        if is_flushed_before:
            journal.flush()
        finishing = asyncio.ensure_future(store.finish(runs.finished(run, begun, [good, runs.tool_span(1)])))
        await asyncio.sleep(0)
    assert await finishing
    seen = runs.look(path)
    status, message = seen.execute("SELECT status, error_message FROM agent_executions").fetchone()
    assert "completed" == status
    assert "could not be stored" in message
    assert ["epoch:1", "turn:1/model"] == [row[0] for row in seen.execute("SELECT path FROM run_spans ORDER BY path")]
    assert [("done",)] == seen.execute("SELECT state FROM run_checkpoints").fetchall()
    assert 1 == seen.execute("SELECT count(*) FROM agent_logs").fetchone()[0]
    seen.close()


async def test_a_count_beyond_its_column_is_refused_whole(store: SqliteStore, path: Path) -> None:
    """Not even the minimal record can hold a negative count: nothing is written and the run stays running."""
    run, begun = await started(store)
    finish = runs.finished(run, begun, runs.spans())
    broken = replace(finish.rows, execution=finish.rows.execution | {"iterations_count": -1})
    before = runs.contents(path)
    with pytest.raises(StoreError, match="cannot be stored"):
        await store.finish(replace(finish, rows=broken, minimal=lambda _: broken))
    assert before == runs.contents(path)
    assert "running" == runs.status(path, run.run_id)


async def test_finishing_numbers_an_agents_runs_without_gaps(store: SqliteStore, path: Path) -> None:
    """agent_seq is the order of finishing per agent, from 1 without gaps, failures in between or not."""
    held = [await started(store) for _ in range(6)]
    with failpoints.armed("finish.audit_events"), pytest.raises(StoreError):
        await store.finish(runs.finished(*held[5], runs.spans(1)))
    results = await asyncio.gather(*(store.finish(runs.finished(run, begun, runs.spans(1))) for run, begun in held))
    assert [True] * 6 == results
    seen = runs.look(path)
    numbers = [row[0] for row in seen.execute("SELECT agent_seq FROM agent_executions ORDER BY agent_seq")]
    assert [1, 2, 3, 4, 5, 6] == numbers
    assert (6, 6, 6 * 240) == seen.execute(
        "SELECT agent_seq, total_executions, total_tokens FROM agent_intensity_metrics"
    ).fetchone()
    seen.close()


@pytest.mark.parametrize("place", ACCEPT)
async def test_a_fault_while_accepting_leaves_no_run(store: SqliteStore, path: Path, place: str) -> None:
    """An accept that fails anywhere leaves nothing, and accepting again leaves one queued run."""
    run = runs.origin()
    before = runs.contents(path)
    with failpoints.armed(f"accept.{place}"), pytest.raises(StoreError):
        await store.accept(runs.accepted(run))
    assert before == runs.contents(path)
    await store.accept(runs.accepted(run))
    assert "queued" == runs.status(path, run.run_id)
    assert (1, 1, 1) == tuple(runs.count(path, table) for table in ("agents", "agent_versions", "run_payloads"))


async def test_the_same_version_is_stored_once(store: SqliteStore, path: Path) -> None:
    """Two runs of one version share its row; a new version becomes the agent's, a retry of the old one does not."""
    first, second = runs.origin(), runs.origin()
    newer = runs.origin(agent_version="c" * 64)
    for run in (first, second, newer, runs.origin(execution_type="retry")):
        await store.accept(runs.accepted(run))
    seen = runs.look(path)
    assert [("a" * 64,), ("c" * 64,)] == seen.execute("SELECT version FROM agent_versions ORDER BY version").fetchall()
    assert ("c" * 64,) == seen.execute("SELECT version FROM agents").fetchone()
    seen.close()
