"""Tables, triggers, migrations and the statements' text: four descriptions of one thing, kept equal here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from tests.store import runs

from trackrecord.record import intensity
from trackrecord.store import approval_statements, memory_statements, sqlite, statements
from trackrecord.store.driver import Connection, driver
from trackrecord.store.migrations import script
from trackrecord.store.protocol import Begun
from trackrecord.store.schema import metadata
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.store.triggers import TRIGGERS

SQL = {name: text for name, text in vars(statements).items() if name.split("_")[0] in {
    "INSERT", "SAVE", "BEGIN", "SELECT", "EXTEND", "FINISH", "ADD", "DELETE"
}}  # fmt: skip
for given, found in [*vars(memory_statements).items(), *vars(approval_statements).items()]:
    if given.isupper() and given not in ("TABLES", "LIVE", "_COLUMNS", "_FROM", "_SELECT", "_WITHDRAWN"):
        many = found if isinstance(found, dict) else {"": found}
        SQL |= {f"{given} {table}".strip(): text for table, text in many.items()}
SQL["ERASE_FEEDBACK"] += ")"  # whose, is added to it


def objects(connection: Connection) -> dict[str, str]:
    """Every table, index and trigger as SQL, without whitespace."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    ).fetchall()
    return {name: re.sub(r"\s+", "", sql) for name, sql in found}


def constraints(sql: str) -> set[str]:
    """The parts of a CREATE TABLE, for they may stand in any order."""
    body = sql[sql.index("(") + 1 :]
    return set(re.split(r",(?=CONSTRAINT|FOREIGNKEY|PRIMARYKEY)", body.replace(")STRICT", "").rstrip(")")))


def test_migrations_make_the_schema(path: Path) -> None:
    """From an empty file, the migrations make exactly the tables, indexes and triggers that the code describes."""
    made = driver.connect(":memory:", isolation_level=None)
    engine = create_engine("sqlite://", module=driver, creator=lambda: made, poolclass=StaticPool)
    metadata.create_all(engine)
    for trigger in TRIGGERS.values():
        made.execute(trigger)
    migrated = runs.look(path)
    expected, actual = objects(made), objects(migrated)
    assert expected.keys() == actual.keys()
    for name, sql in expected.items():
        if sql.startswith("CREATETABLE"):
            assert constraints(sql) == constraints(actual[name]), name
            columns = f"PRAGMA table_info({name})"
            assert made.execute(columns).fetchall() == migrated.execute(columns).fetchall()
        else:
            assert sql == actual[name]
    migrated.close()
    engine.dispose()


def test_the_newest_migration_is_the_one_this_code_writes() -> None:
    """What the store takes for the present schema is the head of the migrations, and it knows every revision."""
    assert sqlite.HEAD == script().get_current_head()
    assert set(sqlite.REVISIONS) == {each.revision for each in script().walk_revisions()}


@pytest.mark.parametrize("table", metadata.tables)
def test_statements_name_the_columns_of_the_schema(table: str) -> None:
    """Each statement's columns are those of its table: none missing, none twice, none made up."""
    named = statements.TABLES[table]
    assert len(named) == len(set(named))
    assert set(metadata.tables[table].columns.keys()) == set(named)


def test_every_table_has_its_statements() -> None:
    """No table is left out of the comparison."""
    assert set(metadata.tables) == set(statements.TABLES)


@pytest.mark.parametrize("name", SQL)
def test_every_statement_compiles(path: Path, name: str) -> None:
    """The database accepts the text of every statement."""
    connection = runs.look(path)
    text = SQL[name]
    numbered = [int(number) for number in re.findall(r"\?(\d+)", text)]
    assert connection.execute(f"EXPLAIN {text}", (None,) * max(numbered, default=text.count("?"))).fetchall()
    connection.close()


def test_rows_and_statements_agree() -> None:
    """What the record room makes by column is what the finish writes, name by name."""
    stamp = "2026-01-01T00:00:00.000000Z"
    run = runs.origin()
    begun = Begun(tenant_id=run.tenant_id, run_id=run.run_id, epoch=1, began_at=stamp, now=stamp)
    made = runs.finished(run, begun, runs.spans(1)).rows
    assert set(statements.RESULT) == made.execution.keys()
    assert set(statements.LOG_FIGURES) == made.log.keys()
    assert set(statements.STATS_SUMS) == made.stats.keys()
    assert statements.INTENSITY_FIGURES == intensity.COLUMNS


def test_every_key_starts_with_the_tenant() -> None:
    """Each primary key, unique index and foreign key has tenant_id first: no row can belong to another tenant."""
    for table in metadata.tables.values():
        assert "tenant_id" == next(iter(table.primary_key.columns)).name
        assert all("tenant_id" == next(iter(index.columns)).name for index in table.indexes if index.unique)
        for key in table.foreign_key_constraints:
            assert ("tenant_id", "tenant_id") == (key.column_keys[0], key.elements[0].column.name)


def test_a_running_store_never_loads_sqlalchemy(path: Path) -> None:
    """On a migrated database the store imports neither SQLAlchemy nor Alembic, which cost 0.4 s."""
    code = (
        "import sys; from trackrecord.store.sqlite_store import SqliteStore; import asyncio\n"
        f"async def main():\n    await SqliteStore.open({str(path)!r}).close()\n"
        "asyncio.run(main()); print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == told.stdout.strip()


async def finished_run(path: Path) -> str:
    store = SqliteStore.open(path, synchronous="NORMAL")
    run = runs.origin()
    await store.accept(runs.accepted(run))
    begun = await store.begin(run.tenant_id, run.run_id)
    assert await store.finish(runs.finished(run, begun, runs.spans(1)))
    await store.close()
    return run.run_id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agent_executions SET error_message = 'crashed'",
        "UPDATE agent_executions SET status = 'abandoned'",
        "UPDATE agent_logs SET run_tokens = 0",
        "UPDATE run_spans SET input_tokens = 0",
        "UPDATE audit_events SET action = 'nothing'",
        "DELETE FROM agent_logs",
        "DELETE FROM run_spans",
        "DELETE FROM audit_events",
        "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events",
    ],
)
async def test_history_cannot_be_rewritten(path: Path, statement: str) -> None:
    """Whoever writes to the file, an ended run, its log and spans, and the audit trail stay as they were."""
    await finished_run(path)
    before = runs.contents(path)
    connection = runs.look(path)
    connection.execute("PRAGMA recursive_triggers = ON")
    with pytest.raises(driver.IntegrityError):
        connection.execute(statement)
    connection.close()
    assert before == runs.contents(path)


async def test_retention_deletes_a_run_with_all_that_is_its_own(path: Path) -> None:
    """Deleting an ended run takes its log, spans and content along and leaves sums and audit; a live run stays."""
    run_id = await finished_run(path)
    store = SqliteStore.open(path)
    live = runs.origin()
    await store.accept(runs.accepted(live))
    await store.close()
    connection = runs.look(path)
    connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(driver.IntegrityError, match="has not ended"):
        connection.execute("DELETE FROM agent_executions WHERE id = ?", (live.run_id,))
    connection.execute("DELETE FROM agent_executions WHERE id = ?", (run_id,))
    connection.close()
    own = ("agent_logs", "run_spans", "run_memories")
    assert (0, 0, 0) == tuple(runs.count(path, table) for table in own)
    assert (1, 3) == (runs.count(path, "agent_stats"), runs.count(path, "audit_events"))


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "done"), ("iterations_count", -1), ("iterations_count", "many"), ("epoch", None), ("runs_workflow", 2)],
)
async def test_the_database_refuses_what_makes_no_sense(path: Path, column: str, value: object) -> None:
    """States, counts and types are checked by the tables themselves."""
    store = SqliteStore.open(path)
    await store.accept(runs.accepted(runs.origin()))
    await store.close()
    connection = runs.look(path)
    with pytest.raises(driver.IntegrityError):
        connection.execute(f"UPDATE agent_executions SET {column} = ?", (value,))
    connection.close()
