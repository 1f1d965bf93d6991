"""Where data is kept: the user's folders, the database of an installation, the file of a database URL.

Standard library only, so that looking at runs need not load the settings. Makes the data folder when asked to, and
nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from trackrecord.errors import BadInput, StoreUnusable

_SCHEMES: Final = ("sqlite:///", "sqlite://")


def data_folder() -> Path:
    """Where data is kept when nobody says: the XDG data folder of the user."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "trackrecord"


def config_folder() -> Path:
    """Where a user's own files of settings are looked for: the XDG configuration folder of the user."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "trackrecord"


def mcp_file_of(named: str | os.PathLike[str]) -> Path | None:
    """The file of MCP servers: the one that was named, else the user's own where there is one."""
    if named:
        return Path(named).expanduser().absolute()
    found = config_folder() / "mcp.yaml"
    return found if found.is_file() else None


def make_data_folder() -> Path:
    """The data folder, made when it is not there yet; for the user alone.

    Raises:
        StoreUnusable: it cannot be made.
    """
    folder = data_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusable(
            f"the data folder {str(folder)!r} cannot be made: {error.strerror}",
            cure="Name a database elsewhere: --db, TRACKRECORD_DB, or XDG_DATA_HOME for the folder.",
        ) from error
    return folder


def named_database() -> str | None:
    """The database that the environment names in TRACKRECORD_DB, in small letters too; None when it names none."""
    return next((value for name, value in os.environ.items() if name.upper() == "TRACKRECORD_DB" and value), None)


def database_url(named: str | None) -> str:
    """The URL of the database that was named; that of the data folder's when none was."""
    return named or sqlite_url(data_folder() / "runs.db")


def sqlite_url(path: Path) -> str:
    """The database URL of a file; the inverse of `sqlite_path`."""
    return f"sqlite:///{quote(str(path))}"


def sqlite_path(url: str) -> Path:
    """The file of a database URL, relative paths from here.

    Raises:
        BadInput: it is no URL of a database we know.
    """
    for prefix in _SCHEMES:
        if url.startswith(prefix) and url.removeprefix(prefix).strip("/"):
            return Path(unquote(url.removeprefix(prefix))).expanduser()
    meant = "runs.db" if "://" in url or not url.strip("/:") else url
    raise BadInput(f"{url!r} is no database URL", cure=f"Write sqlite:///{meant}, or sqlite:////absolute/path/runs.db.")
