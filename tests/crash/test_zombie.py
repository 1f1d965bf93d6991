"""A process that stood still past its lease finds its run finished elsewhere: nothing it writes changes the record."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from tests.crash import story
from tests.crash.comparing import differences, left
from tests.crash.killing import Place, Stage, forked, fresh, go_on, let_go, overdone, staged
from tests.crash.server import CountingServer, counting

from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

OF_THE_RECORD = ("agent_executions", "agent_logs", "run_spans", "run_checkpoints", "run_payloads", "run_memories",
                 "user_memories", "approvals")  # fmt: skip
AND_ITS_SUMS = ("agent_stats", "agent_intensity_metrics", "run_adjustments", "audit_events", "credit_accounts",
                "credit_entries")  # fmt: skip
MODEL = ("s:work/turn:3/model", 1)
PLACES = [  # all with nothing on its way to the disk: who stands still in a transaction holds everybody up
    Place("tool.before@s:sort/case:1/s:heavy/tool#1", "start", ("s:sort/case:1/s:heavy/tool", 1)),
    Place(None, "start", ("s:sub/s:deep/tool", 1)),
    Place("tool.after@s:each/i:1/s:pay/tool#1", "start", ("s:each/i:1/s:pay/tool", 1)),
    Place(None, "start", MODEL),
    Place("tool.done@s:look/tool#1", "start", ("s:look/tool", 1)),
    Place("wait.done@s:rest/wait#1", "start", ("s:rest/wait", 1)),  # its next write is the finish
]


@pytest.fixture(scope="module")
def server() -> Generator[CountingServer]:
    with counting() as one:
        yield one


def stopped(stage: Stage, folder: Path, place: Place) -> ForkServerProcess:
    """A process that stands still at the place."""
    server = stage.server
    server.signal = signal.SIGSTOP
    server.fatal = place.effect if place.name is None else None
    points = {} if place.name is None else {place.when: place.name}
    child = forked(story.child, str(folder), server.port, "sync", points, "stop")
    until = time.monotonic() + 30
    while _state(child) != "T":
        assert child.is_alive()
        assert time.monotonic() < until
        time.sleep(0.01)
    server.fatal = None
    return child


def _state(child: ForkServerProcess) -> str:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(") ")[2][0]


def rows(path: Path, tables: tuple[str, ...]) -> dict[str, Any]:
    """Everything in these tables."""
    connection = driver.connect(str(path))
    found = {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in tables}
    connection.close()
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what a process does is read from /proc")
@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_a_zombie_changes_nothing(tmp_path: Path, server: CountingServer, place: Place) -> None:
    """Its writes touch no row of the record; it hears of it and drops the run; no unsafe call is made twice."""
    server.reset()
    stage = await staged(server, tmp_path)
    server.reset()
    folder = fresh(tmp_path, "stopped", stage.blank)
    path = folder / "runs.db"
    zombie = stopped(stage, folder, place)
    try:
        let_go(stage, folder)
        assert [] == differences(stage.expected, await go_on(stage, folder))
        is_model = place.effect == MODEL
        tables = OF_THE_RECORD if is_model else OF_THE_RECORD + AND_ITS_SUMS
        before = rows(path, tables)
    finally:
        os.kill(zombie.pid or 0, signal.SIGCONT)
        zombie.join(30)
    is_swept = is_model or "s:rest" in str(place)  # after the approval the run is carried in the background there
    assert (0 if is_swept else story.LOST) == zombie.exitcode
    assert before == rows(path, tables)
    found = left(path)
    assert [] == overdone(stage, found, "async")  # what it does before it hears is repeated with the same key
    with SqliteReader(path) as reader:
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
        late = reader.rows("SELECT kind FROM run_adjustments")
    assert int(is_model) == len(late)  # what the lost attempt has used is told after all
