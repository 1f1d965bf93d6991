"""From the schema before it to the one with feedback: what was remembered is still there, in its place."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import create_engine
from tests.store import runs

from trackrecord.store import sqlite
from trackrecord.store.driver import driver
from trackrecord.store.migrations import script
from trackrecord.store.sqlite_store import SqliteStore

NOW = "2026-01-01T00:00:00.000000Z"
LATER = "2998-01-01T00:00:00.000000Z"


def made_before(path: Path) -> None:
    """A database of revision 0002 with a run, and a memory of every kind in both tables."""
    path.touch()
    engine = create_engine("sqlite://", module=driver, creator=lambda: sqlite.connect(path))
    revisions = script()

    def missing(revision: object, _: object) -> object:
        return revisions._upgrade_revs("0002", revision)

    with engine.connect() as connection, EnvironmentContext(Config(), revisions, fn=missing) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
        connection.commit()
    engine.dispose()
    old = runs.look(path)
    agent = (runs.TENANT, runs.AGENT)
    old.execute("INSERT INTO agents VALUES (?, ?, ?, 'reader', '', 'active', 'v', ?, ?)", (*agent, runs.USER, NOW, NOW))
    old.execute("INSERT INTO agent_versions VALUES (?, ?, 'v', '{}', '{}', ?)", (*agent, NOW))
    old.execute(
        "INSERT INTO agent_executions (tenant_id, id, agent_id, agent_version, agent_name, user_id, execution_type, "
        "engine, engine_title, status, created_at, plugins_required) "
        "VALUES (?, 'r', ?, 'v', 'reader', ?, 'manual', 'agentkit', 'AgentKit', 'queued', ?, '[]')",
        (*agent, runs.USER, NOW),
    )
    for kind in ("summary", "pattern", "fact"):
        tail = (kind, f"{kind} of the run", 5, NOW, runs.FAR)
        old.execute(
            "INSERT INTO run_memories VALUES (?, ?, ?, ?, 'r', ?, ?, ?, ?, ?)",
            (runs.TENANT, kind, runs.AGENT, runs.USER, *tail),
        )
    tail = ("fact", "fact of the user", 5, NOW, runs.FAR)
    old.execute(
        "INSERT INTO user_memories VALUES (?, 'own', ?, NULL, NULL, ?, ?, ?, ?, ?)", (runs.TENANT, runs.USER, *tail)
    )
    old.close()


async def test_memories_of_an_older_database_are_kept(tmp_path: Path) -> None:
    """Summaries stay with their run, what was learnt moves to the user's table, and all of it is recalled."""
    path = tmp_path / "runs.db"
    made_before(path)
    store = SqliteStore.open(path)
    found = await store.memory.entries(runs.TENANT, runs.AGENT, runs.USER, before=LATER)
    await store.close()
    expected = {"summary of the run", "pattern of the run", "fact of the run", "fact of the user"}
    assert expected == {entry.text for entry in found}
    assert (1, 3) == (runs.count(path, "run_memories"), runs.count(path, "user_memories"))
    seen = runs.look(path)
    assert [("rule",)] == seen.execute("SELECT DISTINCT source FROM run_memories").fetchall()
    assert [] == seen.execute("PRAGMA foreign_key_check").fetchall()
    assert [] == seen.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'earlier%'").fetchall()
    seen.close()
