"""What nobody thought of: a busy process is killed at any time, again and again."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.crash import busy, story
from tests.crash.killing import EXPIRED, forked
from tests.crash.server import CountingServer, counting, path_of

from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

KILLS = 20


@pytest.fixture
def server() -> Generator[CountingServer]:
    with counting() as one:
        yield one


async def test_killed_at_random_every_run_ends_once(tmp_path: Path, server: CountingServer) -> None:
    """20 kills of a process with eight new runs each: all that were accepted end, once, and every total is right."""
    async with story.opened(tmp_path, server.port):
        pass
    path, chance = tmp_path / "runs.db", random.Random(20)
    killed = 0
    for number in range(KILLS):
        if number % 4 == 0:
            await _all_end(tmp_path, server)
        child = forked(busy.child, str(tmp_path), server.port)
        time.sleep(chance.uniform(0.1, 0.7))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        _expire(path)
    await _all_end(tmp_path, server)
    assert killed >= KILLS - 2  # one may just have been done
    _check(path, server)


async def _all_end(folder: Path, server: CountingServer) -> None:
    async with story.opened(folder, server.port) as tr:
        await story.carried(tr, server.port)


def _expire(path: Path) -> None:
    connection = driver.connect(str(path))
    connection.execute(EXPIRED)
    connection.commit()
    connection.close()


def _check(path: Path, server: CountingServer) -> None:
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
        runs = reader.rows("SELECT id, status, error_code FROM agent_executions")
        logs = Counter(row["execution_id"] for row in reader.rows("SELECT execution_id FROM agent_logs"))
        retried = Counter(
            f"{row['run_id']}:{row['path'].partition('#')[0]}"
            for row in reader.rows("SELECT run_id, path FROM approvals WHERE decision = 'retry'")
        )
    ids = {row["id"] for row in runs}
    assert len(ids) >= 2 * KILLS
    assert {"completed"} <= {row["status"] for row in runs} <= {"completed", "abandoned"}
    assert dict.fromkeys(ids, 1) == logs
    asked = [(effect, key) for effect, key in server.sent if effect in ("keyed", "unsafe")]
    assert {key.partition(":")[0] for _, key in asked} <= ids  # nothing was done for a run that is not recorded
    more = {key: server.done[effect, key] - 1 for effect, key in asked if effect == "unsafe"}
    assert {} == {path_of(key): count for key, count in more.items() if count > 0}
    assert all(server.sent["unsafe", key] <= 1 + retried[key] for key in more)
