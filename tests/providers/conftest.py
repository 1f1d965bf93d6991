"""A laboratory per test: an empty database, the keys and addresses of four providers, and both engines."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import ssl
from pathlib import Path

import pytest
from tests.providers.lab import Lab

from trackrecord.store.sqlite_store import SqliteStore


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables: making one takes longer than most tests here."""
    path = tmp_path_factory.mktemp("empty") / "runs.db"

    async def make() -> None:
        await SqliteStore.open(path, synchronous="NORMAL").close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def _loaded() -> None:
    """The SDKs take seconds to load, which no time limit of a test should meet."""
    for room in ("models", "providers"):
        for name in ("openai", "anthropic", "google"):
            importlib.import_module(f"pydantic_ai.{room}.{name}")


@pytest.fixture(autouse=True)
def _no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client reads the world's certificates, which takes longer than a test; nothing here is signed by them."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


@pytest.fixture
def lab(_loaded: None, _empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(path=Path(shutil.copy(_empty, tmp_path / "runs.db")), patch=monkeypatch)
