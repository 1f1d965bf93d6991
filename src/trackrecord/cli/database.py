"""Which database: the one that was named, else the environment's, else the user's own. Opens it for reading."""

from __future__ import annotations

from pathlib import Path

from trackrecord.places import database_url, named_database, sqlite_path
from trackrecord.store.reader import SqliteReader


def url_of(named: str | None) -> str:
    """The URL of the database; what was named wins over the environment, that over the default."""
    return database_url(named or named_database())


def path_of(named: str | None) -> Path:
    """The file of the database.

    Raises:
        BadInput: it is no URL of a database we know.
    """
    return sqlite_path(url_of(named))


def reader_of(named: str | None) -> SqliteReader:
    """The database, open for reading; to be closed.

    Raises:
        StoreUnusable, SchemaTooNew: there is none, or it cannot be read.
    """
    return SqliteReader(path_of(named))
