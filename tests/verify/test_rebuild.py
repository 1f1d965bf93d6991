"""Rebuild: sums are made anew from the records, everything else is named and left as it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.store import runs
from tests.verify import made
from tests.verify.damages import DAMAGES, OF_AGENT, OF_STATS, STATS, SUMS, Damage, run
from tests.verify.test_damage import failing, verified

from trackrecord import failpoints
from trackrecord.errors import StoreError
from trackrecord.store.rebuild import Rebuilt
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER

SUMS_TABLES = ("agent_stats", "agent_intensity_metrics")


async def rebuilt(path: Path) -> Rebuilt:
    store = SqliteStore.open(path, synchronous="NORMAL")
    try:
        return await store.rebuild()
    finally:
        await store.close()


def others(path: Path) -> dict[str, object]:
    """Every table but the sums."""
    return {name: rows for name, rows in runs.contents(path).items() if name not in SUMS_TABLES}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_rebuild_mends_sums_and_touches_nothing_else(path: Path, damage: Damage) -> None:
    """After a rebuild only what is no sum is still found, and no other table has changed."""
    made.damage(path, *damage.statements)
    before = others(path)
    found = await rebuilt(path)
    assert set(damage.stays) == failing(verified(path))
    assert before == others(path)
    is_of_sums = bool(set(damage.found) - set(damage.stays))
    assert is_of_sums == bool(found.changes)


async def test_a_clean_database_is_left_alone(path: Path) -> None:
    """Where everything fits nothing is written."""
    before = runs.contents(path)
    assert Rebuilt(changes=(), differing=(), differing_count=0, unreadable=()) == await rebuilt(path)
    assert before == runs.contents(path)


async def test_it_names_what_it_changed(path: Path) -> None:
    """Each figure that was rewritten is named with what stood there and what the records add up to."""
    made.damage(path, f"UPDATE agent_stats SET tokens_total = 7 {OF_STATS}")
    found = await rebuilt(path)
    [change] = found.changes
    assert (STATS, "tokens_total", 7) == ((change.table, change.row), change.column, change.stored)
    seen = runs.look(path)
    assert (change.derived,) == seen.execute(f"SELECT tokens_total FROM agent_stats {OF_STATS}").fetchone()
    seen.close()
    assert json.loads(json.dumps(found.to_json()))["changes"][0]["column"] == "tokens_total"


async def test_it_reports_records_that_differ_from_their_spans(path: Path) -> None:
    """A record that is not what its spans say is named and stays; the sums follow the record."""
    made.damage(path, f"UPDATE agent_executions SET input_tokens = input_tokens + 9000 WHERE id = '{made.PRICED}'")
    found = await rebuilt(path)
    assert {run(made.PRICED)} == {(one.table, one.row) for one in found.differing}
    assert {"input_tokens"} == {one.column for one in found.differing}
    assert set(SUMS.values()) == {(one.table, one.row) for one in found.changes}


async def test_an_agent_that_cannot_be_added_up_keeps_its_sums(path: Path) -> None:
    """A row that no rule can read is named, and the sums of its agent are not rewritten without it."""
    made.damage(
        path,
        f"UPDATE agent_executions SET logs = '{{' WHERE id = '{made.PRICED}'",
        f"UPDATE agent_stats SET tokens_total = 7 {OF_STATS}",
    )
    before = runs.contents(path)
    found = await rebuilt(path)
    assert [run(made.PRICED)] == [(one.table, one.row) for one in found.unreadable]
    assert before == runs.contents(path)


async def test_runs_that_ended_just_before_are_counted(path: Path) -> None:
    """A rebuild in the same transaction as finishes sees what they changed, and does not undo it."""
    made.damage(path, f"UPDATE agent_intensity_metrics SET total_tokens = 7 {OF_AGENT}")
    store = SqliteStore.open(path, synchronous="NORMAL")
    with runs.writer_held(store):
        counting = [
            asyncio.ensure_future(store.update_agent_intensity_metrics(LOCAL_TENANT, made.outside(agent_id=agent)))
            for agent in (made.RESEARCHER.id, made.STRANGER)
        ]
        counting.append(asyncio.ensure_future(store.rebuild()))
        await asyncio.sleep(0.5)  # until the survey, on a thread of its own, has handed the rebuild to the writer
        counting.append(asyncio.ensure_future(store.update_agent_intensity_metrics(LOCAL_TENANT, made.outside())))
        await asyncio.sleep(0)
    await asyncio.gather(*counting)
    await store.close()
    assert set() == failing(verified(path))


@pytest.mark.parametrize("place", ["precommit", "postcommit"])
async def test_a_rebuild_is_all_or_nothing(path: Path, place: str) -> None:
    """A fault before the commit leaves the sums as they were; the next rebuild mends them."""
    made.damage(path, f"UPDATE agent_stats SET tokens_total = 7 {OF_STATS}")
    before = runs.contents(path)
    store = SqliteStore.open(path, synchronous="NORMAL")
    with failpoints.armed(f"rebuild.{place}"), pytest.raises(StoreError):
        await store.rebuild()
    if place == "precommit":
        assert before == runs.contents(path)
    await store.rebuild()
    await store.close()
    assert set() == failing(verified(path))


async def test_a_rebuild_that_fails_undoes_only_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier units of the same transaction changed is stored although the rebuild after them failed."""
    made.damage(path, f"UPDATE agent_stats SET tokens_total = 7 {OF_STATS}")

    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("trackrecord.store.sqlite_store.rebuild", fail)
    store = SqliteStore.open(path, synchronous="NORMAL")
    with runs.writer_held(store):
        counted = asyncio.ensure_future(store.update_agent_intensity_metrics(LOCAL_TENANT, made.outside()))
        failed = asyncio.ensure_future(store.rebuild())
        await asyncio.sleep(0.5)
    await counted
    with pytest.raises(StoreError):
        await failed
    await store.increment_agent_stats(LOCAL_TENANT, made.RESEARCHER.id, LOCAL_USER, True)
    await store.close()
    assert {"stats"} == failing(verified(path))


async def test_runs_go_on_after_a_rebuild(path: Path) -> None:
    """The next run of a mended agent is added to the mended sums."""
    made.damage(path, f"UPDATE agent_intensity_metrics SET total_tokens = 7, agent_seq = 40 {OF_AGENT}")
    store = SqliteStore.open(path, synchronous="NORMAL")
    await store.rebuild()
    await made.leave(store, made.Made(run_id=made.run_id(31), spans=runs.spans(1)))
    await store.close()
    assert set() == failing(verified(path))
