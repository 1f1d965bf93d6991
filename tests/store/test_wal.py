"""The log's own thread: it ends when it is told to, costs no commit anything, and keeps the log small."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.store import runs

from trackrecord.errors import StoreUnusable
from trackrecord.store.driver import driver
from trackrecord.store.sqlite import connect
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.store.wal import LOOK_EVERY, WORTH_PAGES, WalKeeper
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER


def test_it_ends_whenever_it_is_told_to(path: Path) -> None:
    """A wish that comes at the same moment as the end is never the one that is heard alone."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for place in range(300):
            keeper = WalKeeper(lambda: connect(path), threading.Lock())
            for _ in range(2 * LOOK_EVERY + place % 3):
                keeper.committed()
            ending = threading.Thread(target=keeper.close, daemon=True)
            ending.start()
            ending.join(10)
            assert not ending.is_alive()
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_without_threads_a_commit_is_a_commit(
    path: Path, synchronous: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing after a commit may fail it: what is stored is told as stored, and is not stored again."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "trackrecord-wal":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    store = SqliteStore.open(path, synchronous=synchronous)
    calls = LOOK_EVERY + 8
    for _ in range(calls):
        await store.increment_agent_stats(LOCAL_TENANT, LOCAL_USER, LOCAL_USER, True)
    await store.close()
    counted = runs.look(path).execute("SELECT run_count, external_run_count FROM agent_stats").fetchall()
    assert [(calls, calls)] == counted
    assert calls == runs.count(path, "external_executions")


async def test_the_log_begins_anew(path: Path) -> None:
    """However much is written, the log is copied back and used again from its start: it stays a few times its worth."""
    store = SqliteStore.open(path, synchronous="NORMAL")
    text = "x" * 4_000
    for turn in range(40):
        run = runs.origin()
        await store.accept(runs.accepted(run, input=runs.payload("input", [text] * 100)))
        if turn % 8 == 7:
            await asyncio.sleep(0.05)
        for _ in range(8):
            await store.expired(1)
    size = Path(f"{path}-wal").stat().st_size
    await store.close()
    assert 0 < size < 6 * WORTH_PAGES * 4_120


class Failing:
    """A connection whose disk fails when it is to commit, and when it is to take back what was written."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        if sql in ("COMMIT", "ROLLBACK"):
            error = driver.OperationalError("disk I/O error")
            error.sqlite_errorcode = driver.SQLITE_IOERR
            raise error
        return self._connection.execute(sql, *given)


async def test_whoever_waits_hears_of_a_disk_that_takes_nothing_back(store: SqliteStore) -> None:
    """A rollback that fails ends no thread in silence: this write is told of it, and so is every later one."""
    writer: Any = store._writer
    whole, writer._connection = writer._connection, Failing(writer._connection)
    for _ in range(2):
        with pytest.raises(StoreUnusable):
            async with asyncio.timeout(5):
                await store.increment_agent_stats(LOCAL_TENANT, LOCAL_USER, LOCAL_USER, True)
    writer._connection = whole
