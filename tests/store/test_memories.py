"""Memories: stored once, found by agent and user, gone when they have expired."""

from __future__ import annotations

from pathlib import Path

from tests.store import runs

from trackrecord.clock import new_id
from trackrecord.store.protocol import Memory
from trackrecord.store.sqlite_store import SqliteStore

LATER = "2998-01-01T00:00:00.000000Z"


def memory(kind: str, text: str, expires_at: str = runs.FAR) -> Memory:
    return Memory(kind=kind, text=text, importance=5, expires_at=expires_at)  # type: ignore[arg-type]


async def test_what_a_run_left_is_recalled_by_the_next(store: SqliteStore) -> None:
    """A summary belongs to the agent and the user, a fact to the user whichever agent asks; newest first."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    await store.finish(runs.finished(run, begun))
    for path, each in enumerate([memory("pattern", "asks in the morning"), memory("fact", "lives by the sea")]):
        await store.memory.remember(
            runs.TENANT, runs.AGENT, runs.USER, each, run_id=run.run_id, path=f"remember:{path}"
        )
    found = await store.memory.entries(runs.TENANT, runs.AGENT, runs.USER, before=LATER)
    assert ["lives by the sea", "asks in the morning", "asked about tides"] == [entry.text for entry in found]
    assert ["fact", "pattern", "summary"] == [entry.kind for entry in found]
    assert {(runs.AGENT, run.run_id)} == {(entry.agent_id, entry.run_id) for entry in found}
    others = await store.memory.entries(runs.TENANT, new_id(), runs.USER, before=LATER)
    assert ["lives by the sea"] == [entry.text for entry in others]
    assert [] == list(await store.memory.entries(runs.TENANT, runs.AGENT, new_id(), before=LATER))
    assert [] == list(await store.memory.entries(new_id(), runs.AGENT, runs.USER, before=LATER))


async def test_only_the_past_is_recalled(store: SqliteStore) -> None:
    """Entries stored at or after the run's present are not seen by it, nor are expired ones."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    long = memory("fact", "kept")
    short = memory("fact", "forgotten", "2500-01-01T00:00:00.000000Z")
    for path, each in enumerate([long, short]):
        await store.memory.remember(runs.TENANT, runs.AGENT, runs.USER, each, run_id=run.run_id, path=str(path))
    assert ["kept"] == [
        entry.text for entry in await store.memory.entries(runs.TENANT, runs.AGENT, runs.USER, before=LATER)
    ]
    early = "2020-01-01T00:00:00.000000Z"
    assert [] == list(await store.memory.entries(runs.TENANT, runs.AGENT, runs.USER, before=early))


async def test_remembering_again_adds_nothing(store: SqliteStore, path: Path) -> None:
    """The same run and path remember once, so that a resumed run may repeat it."""
    run = runs.origin()
    await store.accept(runs.accepted(run))
    for _ in range(2):
        await store.memory.remember(
            runs.TENANT, runs.AGENT, runs.USER, memory("fact", "once"), run_id=run.run_id, path="remember:1"
        )
    assert 1 == runs.count(path, "user_memories")


async def test_recall_reads_no_more_summaries_than_it_may_take(store: SqliteStore) -> None:
    """However many runs an agent has had, the newest five summaries are read, and patterns are not pushed out."""
    first = runs.origin()
    await store.accept(runs.accepted(first))
    others = [memory("pattern", "asks in the morning"), *(memory("summary", f"run {count}") for count in range(9))]
    for place, each in enumerate(others):
        await store.memory.remember(
            runs.TENANT, runs.AGENT, runs.USER, each, run_id=first.run_id, path=f"remember:{place}"
        )
    found = await store.memory.entries(runs.TENANT, runs.AGENT, runs.USER, before=LATER)
    expected = [f"run {count}" for count in (8, 7, 6, 5, 4)] + ["asks in the morning"]
    assert expected == [entry.text for entry in found]
