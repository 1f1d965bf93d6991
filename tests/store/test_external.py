"""Runs reported from outside: counted once, kept as rows, replayed in the order they came among our own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord import canonical, failpoints
from trackrecord.clock import new_id
from trackrecord.errors import BadInput, StoreError
from trackrecord.record import intensity
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import IntensityRow, IntensitySettings, RunFigures
from trackrecord.store import statements
from trackrecord.store.protocol import FinishedRun
from trackrecord.store.sqlite_store import SqliteStore


def data(tokens: int, *, was_successful: bool = True) -> AgentExecutionData:
    return AgentExecutionData(
        agent_id=runs.AGENT,
        user_id=runs.USER,
        tokens_used=tokens,
        was_successful=was_successful,
        plugins_used=("mail",),
        execution_duration_ms=5,
    )


async def finished_run(store: SqliteStore, turns: int) -> FinishedRun:
    run = runs.origin()
    accepting = store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await accepting
    finish = runs.finished(run, begun, runs.spans(turns))
    assert await store.finish(finish)
    return finish


async def test_an_outside_run_is_counted_apart_and_together(store: SqliteStore, path: Path) -> None:
    """run_count holds our runs and outside ones; the outside ones have their own counts and rows, so both add up."""
    await finished_run(store, 1)
    for success in (True, False, True):
        await store.increment_agent_stats(runs.TENANT, runs.AGENT, runs.USER, success)
    seen = runs.look(path)
    assert (4, 3, 1, 3, 2, 240) == seen.execute(
        "SELECT run_count, success_count, failed_count, external_run_count, external_success_count, tokens_total"
        " FROM agent_stats"
    ).fetchone()
    assert [("stats", 2, '{"success":true}'), ("stats", 3, '{"success":false}'), ("stats", 4, '{"success":true}')] == (
        seen.execute("SELECT kind, agent_seq, fields FROM external_executions ORDER BY agent_seq").fetchall()
    )
    seen.close()


async def test_an_agent_that_is_not_defined_here_is_counted(store: SqliteStore, path: Path) -> None:
    """An outside engine may report agents of its own: the first call makes the row."""
    agent = new_id()
    await asyncio.gather(*(store.increment_agent_stats(runs.TENANT, agent, runs.USER, True) for _ in range(20)))
    seen = runs.look(path)
    assert [(agent, 20, 20)] == seen.execute("SELECT agent_id, run_count, success_count FROM agent_stats").fetchall()
    seen.close()


async def test_the_stored_sums_equal_a_replay(store: SqliteStore, path: Path) -> None:
    """Our runs and outside ones, absorbed anew in the order of agent_seq, give the stored row and its score."""
    finishes: list[FinishedRun] = []
    for number in range(3):
        finishes.append(await finished_run(store, number + 1))
        await store.update_agent_intensity_metrics(runs.TENANT, data(1000 * number, was_successful=number != 1))
    seen = runs.look(path)
    order = dict(seen.execute("SELECT id, agent_seq FROM agent_executions").fetchall())
    absorbed = {order[finish.origin.run_id]: finish.rows.figures for finish in finishes}
    for sequence, fields in seen.execute("SELECT agent_seq, fields FROM external_executions WHERE kind = 'intensity'"):
        given: dict[str, object] = canonical.loads(fields)  # type: ignore[assignment]
        given |= {name: tuple(given[name]) for name in ("plugins_used", "memory_types")}  # type: ignore[arg-type]
        reported = AgentExecutionData(**given)  # type: ignore[arg-type]
        status = "completed" if reported.was_successful else "failed"
        absorbed[sequence] = RunFigures(data=reported, status=status)
    row = IntensityRow()
    for sequence in sorted(absorbed):
        row = intensity.absorb(row, absorbed[sequence], sequence)
    assert list(range(1, 7)) == sorted(absorbed)
    names = ", ".join(statements.INTENSITY_FIGURES)
    stored = seen.execute(f"SELECT {names} FROM agent_intensity_metrics").fetchone()
    score = intensity.score(row, runs.DESIGN, IntensitySettings())
    expected = intensity.to_columns(row) | intensity.score_columns(score)
    assert expected == dict(zip(statements.INTENSITY_FIGURES, stored, strict=True))
    seen.close()


async def test_what_another_process_wrote_is_seen(store: SqliteStore, path: Path) -> None:
    """The row kept in memory is never preferred to what somebody else has written since."""
    await finished_run(store, 1)
    other = SqliteStore.open(path, synchronous="NORMAL")
    await finished_run(other, 1)
    await finished_run(store, 1)
    await finished_run(other, 1)
    await other.close()
    seen = runs.look(path)
    assert (4, 4, 960) == seen.execute(
        "SELECT agent_seq, total_executions, total_tokens FROM agent_intensity_metrics"
    ).fetchone()
    seen.close()


@pytest.mark.parametrize("place", ["agent_stats", "external_executions", "precommit"])
async def test_a_fault_leaves_neither_count_nor_row(store: SqliteStore, path: Path, place: str) -> None:
    """An outside call is one transaction: the sum and its row, or none."""
    before = runs.contents(path)
    with failpoints.armed(f"external.{place}"), pytest.raises(StoreError):
        await store.increment_agent_stats(runs.TENANT, runs.AGENT, runs.USER, True)
    assert before == runs.contents(path)
    await store.increment_agent_stats(runs.TENANT, runs.AGENT, runs.USER, True)
    assert (1, 1) == (runs.count(path, "agent_stats"), runs.count(path, "external_executions"))


@pytest.mark.parametrize(
    ("agent", "user", "success"),
    [("", runs.USER, True), (runs.AGENT, "\x00", True), (None, runs.USER, True), (runs.AGENT, runs.USER, "yes")],
)
async def test_a_call_that_says_nothing_is_refused(
    store: SqliteStore, path: Path, agent: str, user: str, success: bool
) -> None:
    """Ids must name something and success be a boolean; else nothing is counted."""
    with pytest.raises(BadInput):
        await store.increment_agent_stats(runs.TENANT, agent, user, success)
    assert 0 == runs.count(path, "agent_stats")
