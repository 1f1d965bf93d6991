"""Adjustments in the database: once per attempt, all or nothing, and the sums equal to a recount throughout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.store import runs

from trackrecord import failpoints
from trackrecord.errors import StoreError, UnknownRun
from trackrecord.record.late_usage import LateUsage
from trackrecord.record.record import Ending
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import verify

CANCELLED = Ending(status="cancelled", error_code="user", error_message="the run was cancelled")
LOST = runs.model_span(1, status="cancelled", usage=UNKNOWN)


def late(run_id: str, **changes: Any) -> LateUsage:
    given: dict[str, Any] = {
        "tenant_id": runs.TENANT,
        "run_id": run_id,
        "path": "turn:1/model",
        "attempt": 1,
        "usage": Usage(input_tokens=5_000, output_tokens=700, cache_read_tokens=4_000),
        "cost_nanos": 123,
    }
    return LateUsage(**(given | changes))


async def cancelled_run(store: SqliteStore, *done: Any, **origin: Any) -> str:
    run = runs.origin(**origin)
    accepting = store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await accepting
    journal = store.journal(begun, "async")
    for span in done or (LOST,):
        journal.append(span, None)
    assert await store.finish(runs.finished(run, begun, done or (LOST,), ending=CANCELLED))
    return run.run_id


def findings(path: Path) -> list[str]:
    """What is wrong with the sums: these runs are made by hand and not whole in other respects."""
    with SqliteReader(path, tenant_id=runs.TENANT) as reader:
        found = verify(reader)
    wanted = ("stats", "intensity", "scores", "agent_seq", "recountable", "records", "parents", "audit")
    return [f"{check.name}: {one}" for check in found.checks if check.name in wanted for one in check.findings]


def figures(path: Path) -> tuple[int, ...]:
    seen = runs.look(path)
    stats = seen.execute(
        "SELECT run_count, tokens_total, tokens_known_count, cost_nanos_total, cost_known_count FROM agent_stats"
    ).fetchone()
    row = seen.execute(
        "SELECT total_tokens, runs_with_tokens, cached_input_tokens, peak_tokens_single_run"
        " FROM agent_intensity_metrics"
    ).fetchone()
    seen.close()
    return (*stats, *row)


async def test_late_usage_is_added_once(store: SqliteStore, path: Path) -> None:
    """The first report counts; the same again, or another of the same attempt, adds nothing; another attempt does."""
    run_id = await cancelled_run(store)
    assert (1, 0, 0, 0, 0, 0, 0, 0, None) == figures(path)
    assert await store.add_late_usage(late(run_id))
    once = (1, 5_700, 1, 123, 1, 5_700, 1, 4_000, 5_700)
    assert once == figures(path)
    before = runs.contents(path)
    assert await store.add_late_usage(late(run_id))
    assert await store.add_late_usage(late(run_id, usage=Usage(input_tokens=9_000, output_tokens=900)))
    assert before == runs.contents(path)
    assert await store.add_late_usage(late(run_id, attempt=2, cost_nanos=None))
    assert (1, 11_400, 1, 123, 1, 11_400, 1, 8_000, 11_400) == figures(path)
    assert [] == findings(path)
    seen = runs.look(path)
    assert [(1, "turn:1/model#1"), (2, "turn:1/model#2")] == seen.execute(
        "SELECT seq, subject FROM run_adjustments ORDER BY seq"
    ).fetchall()
    assert 2 == seen.execute("SELECT count(*) FROM audit_events WHERE action = 'run.adjusted'").fetchone()[0]
    seen.close()
    assert () == (await store.rebuild()).changes


async def test_what_the_span_tells_already_is_not_added_again(store: SqliteStore, path: Path) -> None:
    """Of a call that had told its input when it was cut, the late reply adds the output only."""
    span = replace(LOST, usage=Usage(input_tokens=5_000), cost_nanos=100)
    run_id = await cancelled_run(store, span)
    assert await store.add_late_usage(late(run_id))
    seen = runs.look(path)
    [(deltas,)] = seen.execute("SELECT deltas FROM run_adjustments").fetchall()
    seen.close()
    assert '{"cache_read_tokens":4000,"cost_nanos":23,"output_tokens":700}' == deltas
    assert [] == findings(path)


async def test_a_record_that_tells_all_is_not_adjusted(store: SqliteStore, path: Path) -> None:
    """Whoever lost a run hands in everything it had used: what the record has is known, and nothing is written."""
    run_id = await cancelled_run(store, *runs.spans(2))
    before = runs.contents(path)
    for turn in (1, 2, 3):
        usage = Usage(input_tokens=100, output_tokens=20)
        assert await store.add_late_usage(late(run_id, path=f"turn:{turn}/model", usage=usage, cost_nanos=None))
    assert before == runs.contents(path)


async def test_an_attempt_without_a_span_is_added_whole(store: SqliteStore, path: Path) -> None:
    """What a process had used and not yet stored when it lost its run is no part of the record, and is added."""
    run_id = await cancelled_run(store)
    assert await store.add_late_usage(late(run_id, path="turn:7/model"))
    assert (1, 5_700, 1, 123, 1, 5_700, 1, 4_000, 5_700) == figures(path)
    assert [] == findings(path)


async def test_a_run_that_has_not_ended_is_left_alone(store: SqliteStore, path: Path) -> None:
    """Nothing is adjusted before there is a record; of an unknown run nothing ever is."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    assert not await store.add_late_usage(late(run.run_id))
    assert 0 == runs.count(path, "run_adjustments")
    assert await store.finish(runs.finished(run, begun, ()))
    with pytest.raises(UnknownRun):
        await store.add_late_usage(late("018f0000-0000-7000-8000-00000000dead"))


@pytest.mark.parametrize("place", [1, 3, 13])
async def test_whichever_run_it_is_the_sums_equal_a_recount(store: SqliteStore, path: Path, place: int) -> None:
    """First, in the middle or last of fifteen runs, of which outside ones are some: peaks, last ten, score agree."""
    ids: list[str] = []
    for number in range(13):
        ids.append(await cancelled_run(store, agent_version=f"{number % 3}" * 64))
        if number == 5:
            await store.increment_agent_stats(runs.TENANT, runs.AGENT, runs.USER, True)
            await cancelled_run(store, *runs.spans(3))
    assert await store.add_late_usage(late(ids[place - 1]))
    assert [] == findings(path)
    await store.increment_agent_stats(runs.TENANT, runs.AGENT, runs.USER, False)
    assert await store.add_late_usage(late(ids[place - 1], attempt=2))
    assert [] == findings(path)


@pytest.mark.parametrize("place", ["run_adjustments", "agent_stats", "audit_events", "precommit"])
async def test_an_adjustment_is_all_or_nothing(store: SqliteStore, path: Path, place: str) -> None:
    """A fault at any of its statements leaves everything as it was, and it can be made again."""
    run_id = await cancelled_run(store)
    before = runs.contents(path)
    with failpoints.armed(f"adjust.{place}"), pytest.raises(StoreError):
        await store.add_late_usage(late(run_id))
    assert before == runs.contents(path)
    assert await store.add_late_usage(late(run_id))
    assert (1, 5_700, 1, 123, 1, 5_700, 1, 4_000, 5_700) == figures(path)
    assert [] == findings(path)


async def test_the_table_itself_allows_each_subject_once(store: SqliteStore, path: Path) -> None:
    """Also a program that goes past us cannot adjust the same attempt twice."""
    run_id = await cancelled_run(store)
    await store.add_late_usage(late(run_id))
    seen = runs.look(path)
    again = (
        "INSERT INTO run_adjustments SELECT tenant_id, run_id, 9, kind, deltas, rule, created_at, subject"
        " FROM run_adjustments"
    )
    with pytest.raises(driver.IntegrityError):
        seen.execute(again)
    seen.close()
