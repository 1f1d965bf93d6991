"""Where data is kept: the short way says what the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from trackrecord.config import read_settings
from trackrecord.errors import BadInput, StoreUnusable
from trackrecord.places import data_folder, database_url, make_data_folder, named_database, sqlite_path, sqlite_url


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TRACKRECORD_DB": "sqlite:///named.db"},
        {"trackrecord_db": "sqlite:///small.db"},
        {"TRACKRECORD_DB": ""},
        {"XDG_DATA_HOME": "/somewhere/100% mine"},
    ],
    ids=str,
)
def test_the_short_way_and_the_settings_agree(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at runs without loading the settings opens the database that the settings name."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert read_settings().database_url == database_url(named_database())


def test_the_default_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the XDG rule, with the home's own default."""
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert (Path("/data/trackrecord"), "sqlite:////data/trackrecord/runs.db") == (data_folder(), database_url(None))
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert Path("/home/me/.local/share/trackrecord") == data_folder()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///runs.db", "runs.db"),
        ("sqlite:////tmp/runs.db", "/tmp/runs.db"),
        ("sqlite://runs.db", "runs.db"),
        ("sqlite:///my%20runs.db", "my runs.db"),
        ("sqlite:///my runs.db", "my runs.db"),
    ],
)
def test_the_file_of_a_url(url: str, path: str) -> None:
    """Three slashes are relative, four absolute."""
    assert Path(path) == sqlite_path(url)


@pytest.mark.parametrize("path", ["/tmp/runs.db", "/tmp/100% mine/ü #?.db", "runs.db"])
def test_a_file_has_a_url_and_back(path: str) -> None:
    """Whatever its name."""
    assert Path(path) == sqlite_path(sqlite_url(Path(path)))


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("runs.db", "Write sqlite:///runs.db,"),
        ("postgres://host/db", "Write sqlite:///runs.db,"),
        ("sqlite:///", "Write sqlite:///runs.db,"),
    ],
)
def test_what_is_no_url(url: str, cure: str) -> None:
    """The cure can be copied."""
    with pytest.raises(BadInput) as caught:
        sqlite_path(url)

    assert caught.value.cure.startswith(cure)


def test_the_data_folder_is_made_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records hold what people wrote."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "a" / "b"))

    assert (0o700, tmp_path / "a" / "b" / "trackrecord") == (
        make_data_folder().stat().st_mode & 0o777,
        make_data_folder(),
    )


def test_a_data_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error with a way out."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))

    with pytest.raises(StoreUnusable, match="cannot be made"):
        make_data_folder()
