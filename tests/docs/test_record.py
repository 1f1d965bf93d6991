"""The record and the tables: every column, public field, key of the logs, status and path segment is on its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from tests.docs import pages
from tests.docs.pages import REFERENCE, SOURCE, names, only

from trackrecord import Agent, AgentExecutionData, SyncTrackrecord
from trackrecord.canonical import Json, loads
from trackrecord.record.record import Status
from trackrecord.record.spans import Purpose, SpanKind, SpanStatus
from trackrecord.store.reader import SqliteReader

RECORD = REFERENCE / "record.md"
TABLES = REFERENCE / "tables.md"


def test_tables_and_columns() -> None:
    """Each table and column is there, in the order of the schema, with whether it may be null."""
    from trackrecord.store import schema

    documented = [one for one in pages.tables(TABLES) if one.header == ("column", "null", "is")]
    expected = {
        name: [(column.name, "yes" if column.nullable else "no") for column in table.columns]
        for name, table in schema.metadata.tables.items()
    }
    assert expected == {one.heading: [(only(name), null) for name, null, _ in one.rows] for one in documented}
    assert all(about for one in documented for *_, about in one.rows)


def test_public_fields() -> None:
    """The nineteen public fields are there, in their order."""
    expected = [field.name for field in fields(AgentExecutionData)]
    assert 19 == len(expected)
    assert expected == names(RECORD, "AgentExecutionData", "field")


def keys_of(value: Json, place: str = "") -> Iterator[str]:
    """Places of all leaves; the entries of a list of objects are one place, a list of plain values is a leaf."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from keys_of(item, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from keys_of(value[0], f"{place}[]")
    else:
        yield place


def test_keys_of_the_logs(tmp_path: Path) -> None:
    """Each key of the logs is there in its order, and what both engines leave has no other."""
    agent = Agent.from_mapping(
        {
            "name": "a",
            "model": "scripted:s.yaml",
            "plugins_required": ["time"],
            "workflow_steps": [{"id": "ask", "type": "agent"}],
        },
        base=tmp_path,
    )
    (tmp_path / "s.yaml").write_text("replies: [{tool_calls: [{name: time__now}]}, done]")
    with SyncTrackrecord(f"sqlite:///{tmp_path}/runs.db") as tr:
        ran = [tr.run(agent, engine=engine) for engine in ("agentkit", "orchestrator")]
    left = [stored_logs(tmp_path / "runs.db", run.id) for run in ran]
    documented = names(RECORD, "JSON of the logs", "key")
    assert set(documented) == set(keys_of(left[1]))
    executed = {key for key in documented if key.startswith("workflow.executed.")}
    assert set(documented) - executed | {"workflow.executed"} == set(keys_of(left[0]))


def stored_logs(database: Path, run_id: str) -> Json:
    with SqliteReader(database) as reader:
        return loads(str(reader.execution(run_id)["logs"]))


def literals(alias: object) -> list[str]:
    """The words of a Literal, or of a union of Literals, in order."""
    return [word for part in get_args(alias) for word in (literals(part) if get_args(part) else [part])]


@pytest.mark.parametrize(
    ("title", "alias"),
    [
        ("kind", SpanKind),
        ("status", SpanStatus),
        ("purpose of a model attempt", Purpose),
    ],
)
def test_words_of_spans(title: str, alias: object) -> None:
    """Each kind, status and purpose of a span is there."""
    table = next(one for one in pages.tables(RECORD) if one.heading == "Spans" and one.header[0] == title)
    assert set(literals(alias)) == {only(cell) for cell in table.column(title)}


def test_statuses_of_runs() -> None:
    """Each status of a run is there."""
    assert literals(Status) == names(RECORD, "Statuses", "status")


def test_segments_of_paths() -> None:
    """Each segment that engines and context write is explained, and no other; the page's example uses known ones."""
    written = [path.read_text() for room in ("engines", "context", "record") for path in (SOURCE / room).rglob("*.py")]
    numbered = {name for text in written for name in re.findall(r"\b([a-z]+):(?:\{|\d+\")", text)}
    endings = {name for text in written for name in re.findall(r"/([a-z]+)\"", text)} | {"recall", "summary"}
    segments = names(RECORD, "Paths", "segment")
    assert len(segments) == len(set(segments))
    assert numbered | endings == {re.sub(r":<(id|n|name)>$", "", one) for one in segments}
    listed = next(one for one in pages.blocks(RECORD) if one.language == "text")
    used = {part.partition(":")[0] for row in listed.text.splitlines() for part in row.split(" |")[0].split("/")}
    assert used <= numbered | endings
