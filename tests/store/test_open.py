"""Opening: a database that cannot be used is refused in one line with its cure, and never replaced by an empty one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.store import runs

from trackrecord.errors import SchemaTooNew, StoreError, StoreUnusable
from trackrecord.store import sqlite
from trackrecord.store.driver import driver
from trackrecord.store.sqlite_store import SqliteStore


@contextmanager
def somebody_else() -> Generator[None]:
    """Have no rights but everybody's."""
    before = os.geteuid()
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def refused(path: Path, error: type[StoreError] = StoreUnusable) -> StoreError:
    """How opening fails: in one line, with a cure, and without changing the directory."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(error) as caught:
        SqliteStore.open(path)
    assert before == (sorted(path.parent.iterdir()) if path.parent.is_dir() else [])
    assert caught.value.cure
    assert "\n" not in f"{caught.value}{caught.value.cure}"
    assert 2 == caught.value.exit_code
    return caught.value


def test_a_missing_directory(tmp_path: Path) -> None:
    """The directory must exist: a mistyped path is no reason to make one."""
    assert "does not exist" in refused(tmp_path / "nowhere" / "runs.db").message


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    """A directory is told apart from a database."""
    assert "is a directory" in refused(tmp_path).message


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else is left exactly as it is."""
    path = tmp_path / "runs.db"
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 100)
    before = path.read_bytes()
    assert "is not a database" in refused(path).message
    assert before == path.read_bytes()


def test_a_database_of_something_else(tmp_path: Path) -> None:
    """A database without our tables is left exactly as it is."""
    path = tmp_path / "runs.db"
    connection = driver.connect(str(path), isolation_level=None)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    with pytest.raises(StoreUnusable, match="database of something else"):
        SqliteStore.open(path)
    assert 0 == runs.count(path, "songs")
    assert 1 == runs.count(path, "sqlite_schema")


def test_a_newer_schema(path: Path) -> None:
    """What a newer version wrote is not touched by this one."""
    connection = runs.look(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999") as caught:
        SqliteStore.open(path)
    assert "pip install -U" in caught.value.cure


def test_a_log_without_its_database(path: Path) -> None:
    """When the database is gone and its log is not, no empty one is put in its place."""
    path.with_name("runs.db-wal").write_bytes(b"x")
    path.unlink()
    assert "is gone but its log" in refused(path).message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("what", ["directory", "file"])
def test_no_right_to_write(path: Path, what: str) -> None:
    """A read-only directory or file is told before anything is tried."""
    place = Path(shutil.copytree(path.parent, "/tmp/trackrecord-read-only", dirs_exist_ok=True))
    try:
        place.chmod(0o555 if what == "directory" else 0o777)
        (place / "runs.db").chmod(0o666 if what == "directory" else 0o444)
        with somebody_else():
            assert "cannot be written" in refused(place / "runs.db").message
            assert "cannot be" in refused(place / "new.db").message if what == "directory" else True
    finally:
        shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_no_right_to_look(path: Path) -> None:
    """A directory one may not enter is an error like any other, not a traceback."""
    path.parent.chmod(0o700)
    with somebody_else(), pytest.raises(StoreUnusable, match="cannot be"):
        SqliteStore.open(path)


@pytest.mark.parametrize("version", [(3, 51, 2), (3, 50, 7), (3, 40, 1)])
def test_a_sqlite_that_corrupts(version: tuple[int, int, int]) -> None:
    """A SQLite with the write-ahead log bug is refused, and the cure names the driver to install."""
    with pytest.raises(StoreUnusable, match=r"3\.51\.3 or newer") as caught:
        sqlite.check_version(version)
    assert "pysqlite3" in caught.value.cure


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 52, 0), (4, 0, 0), driver.sqlite_version_info])
def test_a_sqlite_that_does_not(version: tuple[int, int, int]) -> None:
    """The fixed versions are accepted, and the installed one is one of them."""
    sqlite.check_version(version)


async def test_a_new_database_belongs_to_its_user_alone(tmp_path: Path) -> None:
    """A new file is readable by nobody else, log included, and an empty file is taken for a new one."""
    path = tmp_path / "runs.db"
    path.touch(0o600)
    store = SqliteStore.open(path)
    await store.accept(runs.accepted(runs.origin()))
    assert {0o600} == {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    await store.close()


async def test_the_settings_of_the_connection(path: Path) -> None:
    """Every promise of the store rests on these settings."""
    connection = sqlite.connect(path, "FULL")
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout", "mmap_size")
    actual = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    assert ("wal", 2, 1, 0, 5000, 0) == actual
    connection.close()
    reader = sqlite.connect(path, is_reader=True)
    with pytest.raises(driver.OperationalError, match="readonly"):
        reader.execute("DELETE FROM agents")
    reader.close()


async def test_a_truncated_log_loses_only_its_end(path: Path) -> None:
    """A log cut in the middle of a commit opens as of the commit before."""
    store = SqliteStore.open(path)
    for _ in range(2):
        await store.accept(runs.accepted(runs.origin()))
    copy = path.with_name("copy.db")
    log = path.with_name("runs.db-wal").read_bytes()
    shutil.copy(path, copy)
    copy.with_name("copy.db-wal").write_bytes(log[: len(log) - 100])
    await store.close()
    reopened = SqliteStore.open(copy)
    await reopened.accept(runs.accepted(runs.origin()))
    await reopened.close()
    assert 2 == runs.count(copy, "agent_executions")


async def test_a_closed_store_says_so(path: Path) -> None:
    """After closing nothing is taken, and closing twice is nothing."""
    store = SqliteStore.open(path)
    await store.close()
    await store.close()
    with pytest.raises(StoreUnusable, match="closed"):
        await store.accept(runs.accepted(runs.origin()))
