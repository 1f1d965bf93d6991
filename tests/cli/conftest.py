"""A desk for every test: a folder of its own to work in, agents in it, and a way to type commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from tests.cli.agents import FILES

from trackrecord.cli import main


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """Stdout as JSON."""
        return orjson.loads(self.out)


Type = Callable[..., Typed]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder one works in, with the agents of these tests; data is kept below it."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("NO_COLOR", "COLUMNS", "TRACKRECORD_DB", "TRACKRECORD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def typed(desk: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command line in this process."""

    def run(*words: str) -> Typed:
        capsys.readouterr()
        code = main(words)
        out, err = capsys.readouterr()
        return Typed(code, out, err)

    return run


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process of its own needs to start fast: bytecode that is kept for the next one."""
    kept = {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}
    return kept if os.environ.get("PYTHONDONTWRITEBYTECODE") else {}


@pytest.fixture
def children(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process that is started from here on starts fast."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def started(desk: Path, children: None) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command line as a process of its own, as a shell does."""
    del children

    def start(*words: str, **options: object) -> subprocess.Popen[bytes]:
        given: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": dict(os.environ),
        }
        return subprocess.Popen([sys.executable, "-m", "trackrecord", *words], **(given | options))  # type: ignore[call-overload]

    return start
