"""Which database: the one that was named, else the environment's, else the user's own. Opens it for reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trackrecord.places import database_url, named_database, sqlite_path
from trackrecord.store.reader import SqliteReader

if TYPE_CHECKING:
    from trackrecord.record.intensity import IntensitySettings


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


def scoring() -> IntensitySettings:
    """The ranges and weights this installation scores by.

    Raises:
        BadSettings: a setting cannot be used.
    """
    from trackrecord.config import read_settings  # pydantic: only what scores anew needs the settings
    from trackrecord.record.intensity import IntensitySettings

    return IntensitySettings.from_mapping(read_settings().intensity)
