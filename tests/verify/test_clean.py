"""What the store writes verifies clean, whatever kind of run it was, and also while others write."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store import runs
from tests.verify import made

from trackrecord.record.intensity import IntensitySettings, Range
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import Check, verify
from trackrecord.verify.rules import RULES


@pytest.fixture
def reader(path: Path) -> Iterator[SqliteReader]:
    with SqliteReader(path) as opened:
        yield opened


def checks(reader: SqliteReader) -> dict[str, Check]:
    return {check.name: check for check in verify(reader).checks}


def test_varied_runs_verify_clean(reader: SqliteReader) -> None:
    """Completed, failed, retried, unknown, abandoned, cut, outside and unfinished runs keep every rule."""
    seen = verify(reader)
    assert () == seen.findings
    assert seen.is_clean
    assert tuple(RULES) == tuple(check.name for check in seen.checks)


def test_every_rule_is_held_against_something(reader: SqliteReader) -> None:
    """A check that looked at nothing proves nothing: this database has rows for each of them."""
    assert [] == [name for name, check in checks(reader).items() if check.counted == 0]


def test_what_cannot_be_checked_is_said(reader: SqliteReader) -> None:
    """Contents that are masked, cut or not kept, and a record whose spans the database refused, count as unchecked."""
    seen = checks(reader)
    assert {"records": 1, "log_contents": 1, "credits": 1, "payloads": 3} == {
        name: check.unchecked for name, check in seen.items() if check.unchecked
    }
    assert all(seen[name].limits for name in ("records", "log_contents", "payloads"))
    assert verify(reader).not_checked


def test_an_empty_database_is_clean(tmp_path: Path) -> None:
    """Where nothing ran nothing can be wrong."""
    path = tmp_path / "runs.db"
    asyncio.run(SqliteStore.open(path).close())
    with SqliteReader(path) as opened:
        assert () == verify(opened).findings


def test_a_program_can_read_the_result(reader: SqliteReader) -> None:
    """The result is plain JSON, with every check, its rule and its counts."""
    seen = verify(reader, verified_at="2026-01-01T00:00:00.000000Z")
    told = json.loads(json.dumps(seen.to_json()))
    assert (True, "2026-01-01T00:00:00.000000Z") == (told["clean"], told["verifiedAt"])
    assert list(RULES) == [check["name"] for check in told["checks"]]
    assert all(check["rule"] and check["title"] and check["findings"] == [] for check in told["checks"])


def test_a_lease_is_judged_by_the_time_of_the_verification(reader: SqliteReader) -> None:
    """The running run is held until its lease passes; from then on it is a finding."""
    assert verify(reader, verified_at="2026-01-01T00:00:00.000000Z").is_clean
    [finding] = verify(reader, verified_at=runs.FAR).findings
    assert ("agent_executions", f"id={made.RUNNING}") == (finding.table, finding.row)


def test_scores_of_other_settings_are_found(reader: SqliteReader) -> None:
    """Scores are a cache: with other ranges they are out of date, while the sums are still right."""
    settings = IntensitySettings(tokens_per_run=Range(0, 50))
    seen = verify(reader, settings)
    assert {"scores"} == {check.name for check in seen.checks if not check.is_clean}


def test_nothing_is_written(reader: SqliteReader, path: Path) -> None:
    """A verification leaves every row as it was."""
    before = runs.contents(path)
    verify(reader)
    assert before == runs.contents(path)


async def test_it_sees_one_state_while_others_write(path: Path) -> None:
    """Runs that end meanwhile are wholly seen or not at all."""
    store = SqliteStore.open(path, synchronous="NORMAL")
    is_over = False

    async def write() -> None:
        number = 30
        while not is_over:
            await made.leave(store, made.Made(run_id=made.run_id(number), spans=runs.spans(2)))
            number += 1

    def look() -> list[object]:
        with SqliteReader(path) as opened:
            return [finding for _ in range(5) for finding in verify(opened).findings]

    writing = asyncio.ensure_future(write())
    found = await asyncio.get_running_loop().run_in_executor(None, look)
    is_over = True
    await writing
    await store.close()
    assert [] == found
    with SqliteReader(path) as opened:
        assert verify(opened).is_clean


def test_verifying_never_loads_sqlalchemy(path: Path) -> None:
    """The command answers at once: no table description and no migration is imported to compare with."""
    code = (
        "import sys\nfrom trackrecord.store.reader import SqliteReader\nfrom trackrecord.verify import verify\n"
        f"with SqliteReader({str(path)!r}) as reader:\n    verify(reader)\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'genai_prices') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == told.stdout.strip()
