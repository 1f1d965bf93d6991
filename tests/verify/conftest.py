"""A database of varied runs per test, copied from one that is made once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.verify import made


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "runs.db"
    asyncio.run(made.fill(path))
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "runs.db"))
