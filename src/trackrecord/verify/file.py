"""The file itself: pages, types and conditions, foreign keys, triggers. What SQLite can tell, named by our ids."""

from __future__ import annotations

from collections import Counter
from typing import Final

from trackrecord.store.differences import named
from trackrecord.store.reader import SqliteReader
from trackrecord.store.triggers import TRIGGERS
from trackrecord.verify.findings import Notebook

_TRIGGERS: Final = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"


def check_file(reader: SqliteReader, notebook: Notebook) -> None:
    """SQLite's own check of every page, type, NOT NULL and CHECK."""
    notebook.count("file")
    for (told,) in reader.tuples("PRAGMA quick_check(1000)"):
        if told != "ok":
            notebook.find("file", "", "", told)


def check_foreign_keys(reader: SqliteReader, notebook: Notebook) -> None:
    """SQLite's own check of every foreign key; rows without a row number are counted here and named under parents."""
    unnamed: Counter[tuple[str, str]] = Counter()
    for table, rowid, parent, _ in reader.tuples("PRAGMA foreign_key_check"):
        if rowid is None:
            unnamed[table, parent] += 1
        else:
            notebook.find("foreign_keys", table, _name(reader, table, rowid), f"it has no parent in {parent}")
    for (table, parent), rows in unnamed.items():
        notebook.find("foreign_keys", table, "", f"{rows} of its rows have no parent in {parent}")
    (tables,) = next(reader.tuples("SELECT count(DISTINCT name) FROM sqlite_schema WHERE sql LIKE '%FOREIGN KEY%'"))
    notebook.count("foreign_keys", tables)


def _name(reader: SqliteReader, table: str, rowid: int) -> str:
    info = reader.tuples("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))
    keys = [name for (name,) in info]
    # the table's name comes from the schema, the columns from its key
    row = next(reader.stream(f"SELECT {', '.join(keys)} FROM {table} WHERE rowid = ?", (rowid,)))  # noqa: S608
    ids = dict(row)
    return named(ids.pop("tenant_id"), **ids)


def check_triggers(reader: SqliteReader, notebook: Notebook) -> None:
    """Every trigger of ours is there with its text."""
    there = dict(reader.tuples(_TRIGGERS))
    for name, text in TRIGGERS.items():
        notebook.count("triggers")
        if name not in there:
            notebook.find("triggers", "sqlite_schema", f"name={name}", "the trigger is not there")
        elif there[name] != text:
            notebook.find("triggers", "sqlite_schema", f"name={name}", f"the trigger says otherwise: {there[name]}")
