"""DBOS: a workflow of steps with its system database on SQLite, as its programming guide writes it.

The functions are plain ones, called in a thread: async ones were slower. The database is taken as it comes, which is a
rollback journal and SQLite's own `FULL`, and once more as a file that was given a write-ahead log before, which is
faster and as durable. The admin server and telemetry are off by their documented settings.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from dbos import DBOS, SetWorkflowID
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.workers import work
from benchmarks.workers.protocol import Contestant, serve
from benchmarks.workers.work import Counter


class Dbos(Contestant):
    """One workflow of as many steps as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {}

    async def open(self, options: dict[str, Any]) -> dict[str, str]:
        """Get ready."""
        if "journal" in options:
            with closing(sqlite3.connect(options["database"].removeprefix("sqlite:///"))) as connection:
                connection.execute(f"PRAGMA journal_mode = {options['journal']}")
        event.listen(Engine, "connect", self._look)
        DBOS(
            config={
                "name": "bench",
                "system_database_url": options["database"],
                "run_admin_server": False,
                "enable_otlp": False,
                "log_level": "ERROR",
            }
        )
        DBOS.launch()
        return {"dbos": version("dbos")}

    async def durable(self, steps: int) -> object:
        """That many steps."""
        name = str(uuid4())
        _Called.counter = self.counter

        def run() -> int:
            with SetWorkflowID(name):
                return _chain(steps)

        assert await asyncio.to_thread(run) == steps
        return name

    def proof(self, given: list[object]) -> dict[str, Any]:
        """The ids by which the outputs are found, and how hard they are written."""
        return {"runs": [str(name) for name in given], "settings": self._settings}

    async def close(self) -> None:
        """Let go of the database."""
        DBOS.destroy()

    def _look(self, connection: Any, record: object) -> None:
        """What each connection of its pool says; all have to say the same."""
        del record
        for name in ("journal_mode", "synchronous"):
            (found,) = connection.execute(f"PRAGMA {name}").fetchone()
            assert self._settings.setdefault(name, found) == found, (name, found)


class _Called:
    """Where calls are counted: functions of a workflow are known by their names and belong to no object."""

    counter = Counter()


@DBOS.step()
def _add_one(value: int) -> int:
    _Called.counter.tools += 1
    return work.add_one(value)


@DBOS.workflow()
def _chain(steps: int) -> int:
    value = 0
    for _ in range(steps):
        value = _add_one(value)
    return value


if __name__ == "__main__":
    serve(Dbos())
