"""Processes that are killed at exact places, and processes that write one file at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord import failpoints
from trackrecord.clock import new_id
from trackrecord.store.sqlite_store import SqliteStore

ROOT = Path(__file__).parents[2]

# where the child dies -> what the next process finds: status (None: no run), journaled spans
PLACES: dict[str, tuple[str | None, int]] = {
    "accept.agents": (None, 0),
    "accept.agent_versions": (None, 0),
    "accept.agent_executions": (None, 0),
    "accept.run_payloads": (None, 0),
    "accept.audit_events": (None, 0),
    "accept.precommit": (None, 0),
    "accept.postcommit": ("queued", 0),
    "begin.agent_executions": ("queued", 0),
    "begin.precommit": ("queued", 0),
    "begin.postcommit": ("running", 0),
    "journal.run_spans": ("running", 0),
    "journal.run_checkpoints": ("running", 0),
    "journal.precommit": ("running", 0),
    "journal.postcommit": ("running", 5),
    "finish.agent_executions": ("running", 5),
    "finish.run_spans": ("running", 5),
    "finish.agent_logs": ("running", 5),
    "finish.agent_stats": ("running", 5),
    "finish.run_payloads": ("running", 5),
    "finish.run_memories": ("running", 5),
    "finish.audit_events": ("running", 5),
    "finish.agent_intensity_metrics": ("running", 5),
    "finish.precommit": ("running", 5),
    "finish.postcommit": ("completed", 6),
}


def child(what: str, path: Path, argument: str, place: str | None = None) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    environment.pop(failpoints.VARIABLE, None)
    if place is not None:
        environment[failpoints.VARIABLE] = f"{place}=kill"
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.child", what, str(path), argument],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("place", PLACES)
async def test_a_killed_process_leaves_all_or_nothing(path: Path, place: str) -> None:
    """SIGKILL at any place of any transaction leaves it whole or absent, and the run ends once in another process."""
    run = runs.origin(run_id=new_id())
    killed = child("walk", path, run.run_id, place)
    output = killed.communicate(timeout=60)[0]
    assert -9 == killed.returncode, output
    status, span_count = PLACES[place]
    store = SqliteStore.open(path, synchronous="NORMAL")
    assert (status is not None) == bool(runs.count(path, "agent_executions"))
    if status is None:
        assert 0 == runs.count(path, "audit_events") == runs.count(path, "agents")
        await store.accept(runs.accepted(run))
    else:
        assert status == runs.status(path, run.run_id)
    assert span_count == runs.count(path, "run_spans")
    logs = runs.count(path, "agent_logs")
    assert int(status == "completed") == logs == runs.count(path, "agent_stats")
    if status != "completed":
        runs.expire_lease(path, run.run_id)
        begun = await store.begin(run.tenant_id, run.run_id)
        spans = list(begun.spans) or runs.spans(2)
        journal = store.journal(begun, "async")
        for span in spans:
            journal.append(span, None)
        assert await store.finish(runs.finished(run, begun, spans))
    await store.close()
    seen = runs.look(path)
    assert ("completed", 1) == seen.execute("SELECT status, agent_seq FROM agent_executions").fetchone()
    assert (1, 360) == seen.execute("SELECT run_count, tokens_total FROM agent_stats").fetchone()
    assert (1, 360) == seen.execute("SELECT total_executions, total_tokens FROM agent_intensity_metrics").fetchone()
    assert [("ok",)] == seen.execute("PRAGMA integrity_check").fetchall()
    assert [] == seen.execute("PRAGMA foreign_key_check").fetchall()
    seen.close()


def test_eight_processes_write_one_file(path: Path) -> None:
    """No write is lost and none is counted twice: 8 processes, 40 runs each, and every sum is exact."""
    children = [child("many", path, "40") for _ in range(8)]
    outputs = [each.communicate(timeout=120)[0] for each in children]
    assert [0] * 8 == [each.returncode for each in children], outputs
    seen = runs.look(path)
    assert (320, 320, 320 * 240) == seen.execute(
        "SELECT run_count, success_count, tokens_total FROM agent_stats"
    ).fetchone()
    assert (320, 320, 320 * 240, 320 * 2) == seen.execute(
        "SELECT agent_seq, total_executions, total_tokens, total_iterations FROM agent_intensity_metrics"
    ).fetchone()
    numbers = [row[0] for row in seen.execute("SELECT agent_seq FROM agent_executions ORDER BY agent_seq")]
    assert list(range(1, 321)) == numbers
    assert (320,) == seen.execute("SELECT count(*) FROM agent_logs").fetchone()
    assert (320 * 4,) == seen.execute("SELECT count(*) FROM run_spans").fetchone()
    assert [("ok",)] == seen.execute("PRAGMA integrity_check").fetchall()
    seen.close()


def test_many_processes_make_one_database(tmp_path: Path) -> None:
    """When several processes find no database, one makes it and all can use it."""
    path = tmp_path / "new.db"
    children = [child("open", path, "") for _ in range(3)]
    outputs = [each.communicate(timeout=60)[0] for each in children]
    assert [0] * 3 == [each.returncode for each in children], outputs
    assert 1 == runs.count(path, "alembic_version")
    assert 0o600 == path.stat().st_mode & 0o777


def test_a_killed_migration_is_done_again(tmp_path: Path) -> None:
    """A migration is one transaction: killed before its commit it leaves no table, and the next process makes them."""
    path = tmp_path / "new.db"
    killed = child("open", path, "", "migrate.precommit")
    output = killed.communicate(timeout=60)[0]
    assert -9 == killed.returncode, output
    seen = runs.look(path)
    assert [] == seen.execute("SELECT name FROM sqlite_schema").fetchall()
    seen.close()
    again = child("open", path, "")
    said = again.communicate(timeout=60)[0]
    assert 0 == again.returncode, said
    assert 0 == runs.count(path, "agent_executions")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the fsync fail, and is not installed")
def test_a_failed_fsync_stops_the_store(path: Path) -> None:
    """After an I/O error nothing more is taken, for a failed fsync may not be tried again; a restart recovers."""
    log = path.with_name("strace.log")
    command = [
        "strace",
        "-f",
        "-o",
        str(log),
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:error=EIO:when=6",
    ]
    traced = subprocess.run(
        [*command, sys.executable, "-m", "tests.store.child", "faulty", str(path), "50"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "INJECTED" not in log.read_text():
        pytest.skip("this system does not let strace inject faults")
    said = traced.stdout.split("\n")
    assert said[0].startswith("failed"), traced.stderr
    assert "store_unusable" == said[0].split()[2]
    assert "stopped store_unusable" == said[1]
    stored = int(said[0].split()[1])
    assert runs.count(path, "agent_executions") in {stored, stored + 1}  # the one that failed may have reached the log
    again = child("walk", path, new_id())
    rest = again.communicate(timeout=60)[0]
    assert 0 == again.returncode, rest
