"""When the database cannot write now: locked by another process, or out of space. Nothing is half done."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord.errors import StoreBusy, StoreError
from trackrecord.store import writer
from trackrecord.store.driver import Connection
from trackrecord.store.sqlite_store import SqliteStore


def impatient(connection: Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 20")


async def test_a_locked_database_is_waited_for(store: SqliteStore, path: Path) -> None:
    """While another process holds the lock the writer tries again, whole transactions, and no error reaches anybody."""
    await store._submit("settings", impatient)
    other = runs.look(path)
    other.execute("BEGIN IMMEDIATE")
    run = runs.origin()
    accepting = asyncio.ensure_future(store.accept(runs.accepted(run)))
    beginning = asyncio.ensure_future(store.begin(run.tenant_id, run.run_id))
    done, _ = await asyncio.wait({accepting, beginning}, timeout=0.3)
    assert set() == done
    other.execute("COMMIT")
    await accepting
    assert 1 == (await beginning).epoch
    other.close()


async def test_a_database_locked_for_too_long(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit everyone who waits is told StoreBusy, nothing is written, and later it works."""
    monkeypatch.setattr(writer, "BUSY_LIMIT_S", 0.1)
    await store._submit("settings", impatient)
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    finish = runs.finished(run, begun, runs.spans(1))
    before = runs.contents(path)
    other = runs.look(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await store.finish(finish)
    other.execute("ROLLBACK")
    other.close()
    assert before == runs.contents(path)
    assert await store.finish(finish)


async def accepted_until_refused(store: SqliteStore) -> int:
    """How many more runs fit in the pages the log has already."""
    for count in range(100):
        try:
            await store.accept(runs.accepted(runs.origin()))
        except StoreError as error:
            return count if "no space is left" in error.message else -1
    raise AssertionError("the disk is not full")


@pytest.fixture
def small_disk(tmp_path: Path, template: Path) -> Iterator[Path]:
    """A database on a disk of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mount refused: {mounted.stderr.strip()}")
    try:
        yield Path(shutil.copy(template, place / "runs.db"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_a_full_disk(small_disk: Path) -> None:
    """A full disk refuses what comes, keeps what was stored, and runs in flight finish when there is space again."""
    path = small_disk
    store = SqliteStore.open(path)
    live = runs.origin()
    await store.accept(runs.accepted(live))
    begun = await store.begin(live.tenant_id, live.run_id)
    filler = path.with_name("filler")
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    stored = await accepted_until_refused(store)
    assert stored + 1 == runs.count(path, "agent_executions") == runs.count(path, "run_payloads")
    journal = store.journal(begun, "sync")
    journal.append(runs.model_span(1), None)
    with pytest.raises(StoreError, match="no space is left"):
        await journal.commit()
    finish = runs.finished(live, begun, [runs.model_span(1)])
    with pytest.raises(StoreError, match="no space is left"):
        await store.finish(finish)
    assert "running" == runs.status(path, live.run_id)
    assert 0 == runs.count(path, "agent_logs") == runs.count(path, "run_spans")
    filler.unlink()
    again = store.journal(begun, "sync")
    again.append(runs.model_span(1), None)
    assert await store.finish(finish)
    assert "completed" == runs.status(path, live.run_id)
    assert 2 == runs.count(path, "run_spans")
    await store.close()
