"""What the store writes verifies clean, whatever kind of run it was, and also while others write."""

from __future__ import annotations

from pathlib import Path

from tests.verify import made

from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify


def test_varied_runs_verify_clean(path: Path) -> None:
    with SqliteReader(path) as reader:
        seen = verify(reader)
    for c in seen.checks:
        print(f"{c.name:14}{c.counted:6}{c.finding_count:5}{c.unchecked:5}")
    assert () == seen.findings
