"""Data shapes E1 to E10 in numbers: ten thousand values stored, loaded and found equal, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.store import runs
from tests.store.test_content import NASTY

from trackrecord import canonical
from trackrecord.record.record import Ending
from trackrecord.record.spans import Span
from trackrecord.store import codec, statements
from trackrecord.store.driver import Connection
from trackrecord.store.protocol import Memory
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import verify

WANTED = 10_000
A_RUN = 20  # values of one run
SHORT = st.one_of(
    st.sampled_from([text for text in NASTY if len(text) < 1_000]),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=8),
)
SCALARS = st.one_of(
    SHORT,
    st.integers(),
    st.floats(),
    st.sampled_from([None, True, False, 2**53, 2**63, -(2**63) - 1, 10**4000, "", [], {}]),
    st.binary(max_size=8),
    st.dates(),
    st.timedeltas(),
    st.decimals(),
    st.frozensets(st.integers(), max_size=2),
    st.builds(object),
)
# two levels; deeper ones have tests of their own, and take ten times as long to make
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.one_of(SHORT, st.integers()), SCALARS, max_size=3)
)


@dataclass(slots=True)
class Desk:
    """A real database with its writer, and a reader beside it.

    Attributes:
        count: values stored, loaded and found equal so far.
    """

    path: Path
    loop: asyncio.AbstractEventLoop
    store: SqliteStore
    seen: Connection
    count: int = 0
    texts: set[str] = field(default_factory=set[str])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Generator[Desk]:
    path = tmp_path_factory.mktemp("many") / "runs.db"
    path.write_bytes(template.read_bytes())
    loop = asyncio.new_event_loop()
    made = Desk(path, loop, SqliteStore.open(path, synchronous="NORMAL"), runs.look(path))
    yield made
    loop.run_until_complete(made.store.close())
    made.seen.close()
    loop.close()


def text_of(value: object) -> str:
    """The value as a name, an error or something a model says."""
    return canonical.clean_text(value) if isinstance(value, str) else canonical.dumps(value)


async def carried(store: SqliteStore, values: list[object]) -> tuple[str, list[Span], list[str]]:
    """A run that is handed these values in every place there is; its id, its spans, its checkpoints' outcomes."""
    texts = [text_of(value) for value in values]
    run = runs.origin(agent_name=texts[0], plugins_required=(texts[1],), engine_title=texts[2])
    await store.accept(runs.accepted(run, input=runs.payload("input", {"given": values})))
    begun = await store.begin(run.tenant_id, run.run_id)
    journal = store.journal(begun, "async")
    spans: list[Span] = []
    outcomes: list[str] = []
    for number, (value, text) in enumerate(zip(values, texts, strict=True), 1):
        span = runs.tool_span(
            number,
            plugin=f"p {text}",  # a registry takes no empty name
            action=text,
            error_code="tool_failed",
            error_message=text,
            attributes={"result": canonical.clean(value)},
        )
        outcomes.append(canonical.dumps({"value": value}))
        journal.append(span, runs.checkpoint(span, outcome=outcomes[-1]))
        spans.append(span)
    memories = [Memory(kind="summary", text=text, importance=1, expires_at=runs.FAR) for text in texts]
    ending = Ending(status="failed", error_code="tool_failed", error_message=texts[3], error_path=texts[4])
    finish = runs.finished(
        run, begun, spans, ending=ending, output=runs.payload("output", values), memories=lambda is_first: memories
    )
    assert await store.finish(finish)
    return run.run_id, spans, outcomes


def loaded(seen: Connection, run_id: str, values: list[object], spans: list[Span], outcomes: list[str]) -> None:
    """Whatever was stored is there, and its text is the canonical text to the byte."""
    key, texts = (runs.TENANT, run_id), [text_of(value) for value in values]
    bodies = dict(seen.execute("SELECT kind, body FROM run_payloads WHERE tenant_id = ? AND run_id = ?", key))
    assert {"input": canonical.dumps({"given": values}), "output": canonical.dumps(values)} == bodies
    assert [canonical.clean(value) for value in values] == canonical.loads(bodies["output"])
    by_path = {span.path: span for span in map(codec.span, seen.execute(statements.SELECT_SPANS, key))}
    assert spans == [by_path[span.path] for span in spans]
    stored = {one.path: one.outcome for one in map(codec.checkpoint, seen.execute(statements.SELECT_CHECKPOINTS, key))}
    assert outcomes == [stored[span.path] for span in spans]
    assert (texts[0], texts[2], texts[3], texts[4]) == seen.execute(
        "SELECT agent_name, engine_title, error_message, error_path FROM agent_executions"
        " WHERE tenant_id = ? AND id = ?",
        key,
    ).fetchone()
    remembered = seen.execute("SELECT text FROM run_memories WHERE tenant_id = ? AND run_id = ?", key)
    assert sorted(texts) == sorted(text for (text,) in remembered)


@settings(
    max_examples=WANTED // A_RUN,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values=st.lists(VALUES, min_size=A_RUN, max_size=A_RUN, unique_by=canonical.dumps))
def _store_and_load(desk: Desk, values: list[object]) -> None:
    if desk.count == WANTED:
        return
    run_id, spans, outcomes = desk.loop.run_until_complete(carried(desk.store, values))
    loaded(desk.seen, run_id, values, spans, outcomes)
    desk.count += len(values)
    desk.texts.update(map(text_of, values))


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a value that fails, which may be large
def test_ten_thousand_values_come_back_equal_to_the_byte(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """As input, output, tool result, error, name and memory of five hundred runs: none is refused, none is changed."""
    while desk.count < WANTED:
        _store_and_load(desk)
    with capsys.disabled():
        print(f" [{desk.count:,} values, {len(desk.texts):,} different, all equal]", end="")
    assert WANTED == desk.count
    assert len(desk.texts) > WANTED / 5  # not the same few over and over
    [(count,)] = desk.seen.execute("SELECT count(*) FROM agent_executions WHERE status = 'failed'").fetchall()
    assert WANTED // A_RUN == count
    assert [("ok",)] == desk.seen.execute("PRAGMA integrity_check").fetchall()
    with SqliteReader(desk.path, tenant_id=runs.TENANT) as reader:
        found = {check.name: len(check.findings) for check in verify(reader).checks if check.findings}
    found.pop("definitions", None)  # the agent of these runs is no whole definition
    assert {} == found
