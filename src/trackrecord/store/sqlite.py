"""Opening a SQLite file: the right library, safe settings, our schema or a plain error. Knows nothing of runs.

Must never make a new database where another should be, and never open one it does not understand.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from trackrecord.errors import SchemaTooNew, StoreBusy, StoreError, StoreUnusable
from trackrecord.store.driver import Connection, driver

Synchronous = Literal["FULL", "NORMAL"]

LEAST_VERSION: Final = (3, 51, 3)
HEAD: Final = "0008"  # the revision this code writes; a test compares it with the newest migration
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
BUSY_TIMEOUT_MS: Final = 5000


def check_version(version: tuple[int, ...] = driver.sqlite_version_info) -> None:
    """Refuse a SQLite whose write-ahead log can corrupt a file that two processes write.

    Raises:
        StoreUnusable: the library is older than 3.51.3.
    """
    if version < LEAST_VERSION:
        raise StoreUnusable(
            f"SQLite {'.'.join(map(str, version))} can corrupt a database that two processes write; "
            f"{'.'.join(map(str, LEAST_VERSION))} or newer is needed",
            cure="Install a newer driver: pip install -U 'pysqlite3>=0.6.1'.",
        )


def open_database(path: Path, synchronous: Synchronous) -> Connection:
    """A writing connection to the database at `path`, made and migrated when it is new or of an older version.

    Raises:
        StoreUnusable: it cannot be read or written, or is not our database.
        SchemaTooNew: a newer version of this package wrote it.
        StoreBusy: another process held it for too long.
    """
    check_version()
    _prepare_file(path)
    try:
        connection = connect(path, synchronous)
    except driver.Error as error:
        raise store_error(error, path) from error
    try:
        _ensure_schema(connection, path)
    except driver.Error as error:
        connection.close()
        raise store_error(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: Path, synchronous: Synchronous = "FULL", *, is_reader: bool = False) -> Connection:
    """A connection with our settings; `is_reader` refuses writes."""
    connection = driver.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,  # we say BEGIN IMMEDIATE ourselves: a deferred BEGIN loses its transaction when busy
        check_same_thread=False,  # one thread at a time uses it: the writer's lock sees to that
        timeout=BUSY_TIMEOUT_MS / 1000,
    )
    try:
        _configure(connection, synchronous, is_reader)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: Connection, synchronous: Synchronous, is_reader: bool) -> None:
    execute = connection.execute
    # Waiting: another process may hold the write lock; wait for it instead of failing.
    execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    # Durability: WAL lets readers and the writer work at once; FULL makes every commit survive a power cut.
    mode = execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreUnusable(
            f"the file system refuses a write-ahead log (journal mode {mode!r})",
            cure="Keep the database on a local disk.",
        )
    execute(f"PRAGMA synchronous = {synchronous}")
    # Safety: children without parents are refused; functions in a doctored schema are not run.
    execute("PRAGMA foreign_keys = ON")
    execute("PRAGMA trusted_schema = OFF")
    # Speed: 8 MiB of pages stay in memory. No mmap: an I/O error would be a signal instead of an error.
    execute("PRAGMA cache_size = -8192")
    execute("PRAGMA mmap_size = 0")
    # The log is copied back by a thread of its own (`wal`); where that does not keep up, or nobody runs one, a commit
    # that finds 64 MiB of log does it, and the space is given back afterwards.
    execute("PRAGMA wal_autocheckpoint = 16000")
    execute("PRAGMA journal_size_limit = 67108864")
    if is_reader:
        execute("PRAGMA query_only = ON")


def _prepare_file(path: Path) -> None:
    try:
        _check_place(path)
        if not path.exists():
            _create_file(path)
    except OSError as error:
        raise StoreUnusable(
            f"{str(path)!r} cannot be reached: {error.strerror}", cure="Give a path in a directory you may write."
        ) from error
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise StoreUnusable(f"{str(path)!r} cannot be written", cure="Give this user the right to read and write it.")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise StoreUnusable(f"{str(path)!r} is a directory", cure="Give the path of a database file.")
    if not path.parent.is_dir():
        raise StoreUnusable(
            f"the directory {str(path.parent)!r} does not exist", cure="Create it, or give another path."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        raise StoreUnusable(
            f"the directory {str(path.parent)!r} cannot be written",
            cure="SQLite keeps its log beside the database: allow it, or give another path.",
        )


def _create_file(path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise StoreUnusable(
            f"{str(path)!r} is gone but its log {log.name!r} is there",
            cure="Put the database back beside its log, or move the log away to start anew.",
        )
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return  # another process was faster


def check_schema(connection: Connection, path: Path) -> None:
    """Refuse to read a database that is not ours, newer, or not migrated yet.

    Raises:
        StoreUnusable, SchemaTooNew: it is one of these.
    """
    revision = _known_revision(connection, path)
    if revision != HEAD:
        raise StoreUnusable(
            f"{str(path)!r} has an older schema ({revision!r}, not {HEAD!r})",
            cure="Open it for writing once, for instance with `trackrecord run`, to migrate it.",
        )


def _known_revision(connection: Connection, path: Path) -> str | None:
    revision = _revision(connection, path)
    if revision is not None and revision not in REVISIONS:
        raise SchemaTooNew(
            f"{str(path)!r} was written by a newer version (schema {revision!r}, this one knows {HEAD!r})",
            cure="Upgrade: pip install -U trackrecord.",
        )
    return revision


def _ensure_schema(connection: Connection, path: Path) -> None:
    if _known_revision(connection, path) == HEAD:
        return
    from trackrecord.store.migrations import upgrade_sqlite  # SQLAlchemy and Alembic cost 0.4 s: only to migrate

    upgrade_sqlite(lambda: connect(path))


def _revision(connection: Connection, path: Path) -> str | None:
    """The revision of the schema; None in an empty database."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not names:
        return None
    row = (
        connection.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in names else None
    )
    if row is None or "agent_executions" not in names:
        raise StoreUnusable(
            f"{str(path)!r} is a database of something else", cure="Give another path; nothing was changed in it."
        )
    return str(row[0])


def store_error(error: Exception, path: Path | str = "the database") -> StoreError:
    """Our error for one of SQLite's, with the cure for what it says."""
    code = primary_code(error)
    if code in {driver.SQLITE_BUSY, driver.SQLITE_LOCKED}:
        return StoreBusy(f"{str(path)!r} stayed locked by another process", cure="End what holds it, then try again.")
    if code == driver.SQLITE_FULL:
        return StoreError(f"no space is left for {str(path)!r}", cure="Free some space; unfinished runs then go on.")
    if code == driver.SQLITE_NOTADB:
        return StoreUnusable(f"{str(path)!r} is not a database", cure="Give another path; nothing was changed in it.")
    if code == driver.SQLITE_CORRUPT:
        return StoreUnusable(f"{str(path)!r} is damaged: {error}", cure="Restore it from a backup.")
    if code == driver.SQLITE_READONLY:
        return StoreUnusable(f"{str(path)!r} cannot be written: {error}", cure="Give this user the right to write it.")
    if code == driver.SQLITE_IOERR:
        return StoreUnusable(f"{str(path)!r} failed on its disk: {error}", cure="Check the disk, then start again.")
    if code == driver.SQLITE_CANTOPEN:
        return StoreUnusable(f"{str(path)!r} cannot be opened: {error}", cure="Check the path and its rights.")
    return StoreError(f"{str(path)!r} refused a write: {error}", cure="Report this with the message.")


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code of an error; None when it did not come from SQLite itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
