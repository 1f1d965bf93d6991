"""The journal: order kept, one commit for all that was appended, nothing after something that could not be stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord import failpoints
from trackrecord.errors import Conflict, StoreError
from trackrecord.record.record import Ending, Origin
from trackrecord.store.journal import BEHIND
from trackrecord.store.protocol import Begun
from trackrecord.store.sqlite import Synchronous
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.store.writer import Unit


async def started(store: SqliteStore) -> tuple[Origin, Begun]:
    run = runs.origin()
    accepting = store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await accepting
    return run, begun


async def test_commit_returns_when_all_appended_is_stored(store: SqliteStore, path: Path) -> None:
    """After a commit, another connection sees every span and checkpoint appended before it."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    for span in runs.spans(3):
        journal.append(span, runs.checkpoint(span))
    await journal.commit()
    assert (7, 7) == (runs.count(path, "run_spans"), runs.count(path, "run_checkpoints"))


async def test_sync_appends_are_stored_without_a_commit(store: SqliteStore, path: Path) -> None:
    """Under sync, what is appended is on its way at once: a later unit of anybody finds it stored."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    journal.append(runs.model_span(1), None)
    await store.expired(1)
    assert 1 == runs.count(path, "run_spans")


async def test_what_follows_at_once_is_sent_when_its_loop_gets_a_turn(store: SqliteStore, path: Path) -> None:
    """Under sync, results that come one right after another are sent together, and at the latest by the next wait."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    for span in runs.spans(20):
        journal.append(span, runs.checkpoint(span))
    await asyncio.sleep(0)
    await store.expired(1)
    assert 41 == runs.count(path, "run_spans")


async def test_a_run_is_behind_when_much_waits(store: SqliteStore) -> None:
    """What a kill may cost is bounded: the run is told to wait, under sync, and a commit is enough."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    assert not journal.is_behind
    with runs.writer_held(store):
        for attempt in range(1, BEHIND + 1):
            assert not journal.is_behind
            journal.append(runs.model_span(attempt), None)
        assert journal.is_behind
    await journal.commit()
    assert not journal.is_behind


async def test_async_is_never_behind(store: SqliteStore) -> None:
    """Under async, a tenth of a second is what a kill may cost, however much happened in it."""
    _, begun = await started(store)
    journal = store.journal(begun, "async")
    with runs.writer_held(store):
        for attempt in range(1, BEHIND + 2):
            journal.append(runs.model_span(attempt), None)
        assert not journal.is_behind


@pytest.mark.parametrize(("synchronous", "is_here"), [("NORMAL", True), ("FULL", False)])
async def test_a_lone_run_commits_where_it_stands(path: Path, synchronous: Synchronous, is_here: bool) -> None:
    """Where a commit does not wait for the disk and nobody else runs, nothing goes to another thread; else all does."""
    store = SqliteStore.open(path, synchronous=synchronous)
    _, begun = await started(store)
    counts: list[int] = []
    handed_over: list[Unit] = []
    submit = store._writer.submit
    store._writer.submit = lambda unit: (handed_over.append(unit), submit(unit))[1]  # type: ignore[method-assign]
    journal = store.journal(begun, "sync")
    for attempt in range(1, 21):
        await asyncio.sleep(0.001)  # the writer may just be about something of its own
        handed_over.clear()
        journal.append(runs.model_span(attempt), None)
        await journal.commit()
        assert attempt == runs.count(path, "run_spans")
        counts.append(len(handed_over))
    assert is_here == (0 in counts)
    await store.close()


async def test_others_get_a_turn_at_every_commit(store: SqliteStore) -> None:
    """A run that does nothing but commit can be cancelled, and holds nobody up."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    turns: list[int] = []
    for attempt in range(1, 6):
        journal.append(runs.model_span(attempt), None)
        asyncio.get_running_loop().call_soon(turns.append, attempt)
        await journal.commit()
        assert attempt in turns


async def test_async_appends_wait_in_memory(store: SqliteStore, path: Path) -> None:
    """Under async, nothing is written for an append, and everything by the finish."""
    run, begun = await started(store)
    journal = store.journal(begun, "async")
    spans = runs.spans(2)
    with runs.writer_held(store):
        for span in spans:
            journal.append(span, runs.checkpoint(span))
        assert 0 == runs.count(path, "run_spans")
        finishing = asyncio.ensure_future(store.finish(runs.finished(run, begun, spans)))
        await asyncio.sleep(0)
    assert await finishing
    assert (6, 5) == (runs.count(path, "run_spans"), runs.count(path, "run_checkpoints"))


async def test_async_appends_are_flushed_within_a_tenth_of_a_second(store: SqliteStore, path: Path) -> None:
    """Under async, what is appended is stored by the writer of its own accord."""
    _, begun = await started(store)
    journal = store.journal(begun, "async")
    journal.append(runs.model_span(1), None)
    async with asyncio.timeout(5):
        while not runs.count(path, "run_spans"):
            await asyncio.sleep(0.01)


async def test_closing_stores_what_waits(store: SqliteStore, path: Path) -> None:
    """Closing the store commits what async journals still hold."""
    _, begun = await started(store)
    store.journal(begun, "async").append(runs.model_span(1), None)
    await store.close()
    assert 1 == runs.count(path, "run_spans")


@pytest.mark.parametrize("is_stored_first", [False, True])
async def test_done_replaces_started(store: SqliteStore, path: Path, is_stored_first: bool) -> None:
    """One row per effect attempt: the outcome takes the place of its marker, in memory or in the table."""
    _, begun = await started(store)
    journal = store.journal(begun, "async")
    span = runs.tool_span(1)
    journal.append(None, runs.checkpoint(span, "started"))
    if is_stored_first:
        await journal.commit()
    journal.append(span, runs.checkpoint(span))
    await journal.commit()
    seen = runs.look(path)
    assert [("done", runs.checkpoint(span).outcome)] == seen.execute(
        "SELECT state, outcome FROM run_checkpoints"
    ).fetchall()
    seen.close()


async def test_a_marker_never_replaces_an_outcome(store: SqliteStore, path: Path) -> None:
    """Whatever order they arrive in, what is done stays done."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    span = runs.tool_span(1)
    journal.append(span, runs.checkpoint(span))
    journal.append(None, runs.checkpoint(span, "started"))
    await journal.commit()
    journal.append(None, runs.checkpoint(span, "started"))
    await journal.commit()
    seen = runs.look(path)
    assert [("done",)] == seen.execute("SELECT state FROM run_checkpoints").fetchall()
    seen.close()


async def test_nothing_is_stored_behind_what_could_not_be(store: SqliteStore, path: Path) -> None:
    """Once a unit of a run fails, later ones wait for the finish, and the run is told at its next word."""
    run, begun = await started(store)
    journal = store.journal(begun, "sync")
    good, bad, later = runs.model_span(1), runs.tool_span(1, items=-1), runs.model_span(2)
    journal.append(good, None)
    await journal.commit()
    with runs.writer_held(store):
        journal.append(bad, None)
        journal.flush()
        journal.append(later, None)
        journal.flush()
    with pytest.raises(StoreError):
        await journal.commit()
    last = runs.model_span(3)
    with pytest.raises(StoreError):
        journal.append(last, None)
    assert 1 == runs.count(path, "run_spans")
    failed = Ending(status="failed", error_code="internal", error_message="the store refused a span")
    assert await store.finish(runs.finished(run, begun, [good, later, last], ending=failed))
    seen = runs.look(path)
    assert ["epoch:1", "turn:1/model", "turn:2/model", "turn:3/model"] == [
        row[0] for row in seen.execute("SELECT path FROM run_spans ORDER BY path")
    ]
    assert "failed" == runs.status(path, run.run_id)
    seen.close()


async def test_another_runs_journal_is_not_held_up(store: SqliteStore, path: Path) -> None:
    """A journal that failed stops its own run only, in the same transaction too."""
    (_, one), (_, two) = await started(store), await started(store)
    broken, fine = store.journal(one, "sync"), store.journal(two, "sync")
    with runs.writer_held(store):
        broken.append(runs.tool_span(1, items=-1), None)
        fine.append(runs.tool_span(1), None)
    await fine.commit()
    seen = runs.look(path)
    assert [(two.run_id,)] == seen.execute("SELECT run_id FROM run_spans").fetchall()
    seen.close()


async def test_a_zombies_journal_writes_nothing(store: SqliteStore, path: Path) -> None:
    """An epoch that was overtaken cannot append: Conflict, and no row."""
    run, begun = await started(store)
    journal = store.journal(begun, "sync")
    runs.expire_lease(path, run.run_id)
    await store.begin(run.tenant_id, run.run_id)
    journal.append(runs.model_span(1), None)
    with pytest.raises(Conflict):
        await journal.commit()
    assert 0 == runs.count(path, "run_spans")


async def test_an_ended_run_takes_no_more(store: SqliteStore, path: Path) -> None:
    """After the terminal record nothing is added to the run."""
    run, begun = await started(store)
    journal = store.journal(begun, "sync")
    assert await store.finish(runs.finished(run, begun))
    journal.append(runs.model_span(1), None)
    with pytest.raises(Conflict):
        await journal.commit()
    assert 1 == runs.count(path, "run_spans")


async def test_the_same_attempt_is_stored_once(store: SqliteStore, path: Path) -> None:
    """A span whose run, path and attempt are stored is left as it is."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    journal.append(runs.model_span(1), None)
    await journal.commit()
    journal.append(runs.model_span(1, duration_us=999), None)
    await journal.commit()
    seen = runs.look(path)
    assert [(500,)] == seen.execute("SELECT duration_us FROM run_spans").fetchall()
    seen.close()


@pytest.mark.parametrize("place", ["run_spans", "run_checkpoints", "precommit"])
async def test_a_fault_while_journaling_leaves_none_of_the_unit(store: SqliteStore, path: Path, place: str) -> None:
    """A journal unit is all or nothing; what it held is stored by the finish."""
    run, begun = await started(store)
    journal = store.journal(begun, "async")
    done = runs.spans(1)
    for span in done:
        journal.append(span, runs.checkpoint(span))
    with failpoints.armed(f"journal.{place}"), pytest.raises(StoreError):
        await journal.commit()
    assert (0, 0) == (runs.count(path, "run_spans"), runs.count(path, "run_checkpoints"))
    assert await store.finish(runs.finished(run, begun, done))
    assert (4, 3) == (runs.count(path, "run_spans"), runs.count(path, "run_checkpoints"))


async def test_an_idle_commit_costs_nothing(store: SqliteStore) -> None:
    """A commit with nothing to store does not wait for the writer."""
    _, begun = await started(store)
    journal = store.journal(begun, "sync")
    with runs.writer_held(store):
        await asyncio.wait_for(journal.commit(), 1)
