"""Content never makes a write fail: what the canonicaliser lets through is stored, and comes back equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store import runs

from trackrecord import canonical
from trackrecord.clock import new_id
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage
from trackrecord.store import codec, statements
from trackrecord.store.journal import entry, write_entries
from trackrecord.store.protocol import Begun, Memory
from trackrecord.store.sqlite_store import SqliteStore

NASTY = [
    "\ud800 lone", "nul \x00 inside", "'; DROP TABLE agents; --", "<img src=x onerror=alert(1)>", "\u202e reversed",
    "z\u0335\u0321a", "👩‍👩‍👧", "\x1b[2J", "line\r\nbreak", "", " ", "x" * 100_000,
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec=None, exclude_categories=()), max_size=30))
SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, 2**63, -(2**63) - 1, 10**4000]),
    st.floats(),
    st.binary(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(TEXTS, st.integers()), inner, max_size=4)
    ),
    max_leaves=12,
)
COUNTS = st.integers(0, 2**53)
MAYBE = st.one_of(st.none(), COUNTS)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    text = TEXTS.map(canonical.clean_text)
    maybe = st.one_of(st.none(), text)
    usage = Usage(
        input_tokens=draw(MAYBE), output_tokens=draw(MAYBE), cache_read_tokens=draw(MAYBE),
        cache_write_tokens=draw(MAYBE), reasoning_tokens=draw(MAYBE),
        provenance=draw(st.sampled_from(["reported", "estimated", "unknown"])), raw=draw(maybe),
    )  # fmt: skip
    attributes: Any = canonical.clean(draw(st.dictionaries(TEXTS, VALUES, max_size=3)))
    return Span(
        path=draw(text), kind=draw(st.sampled_from(["model", "tool", "step"])), status="ok",
        epoch=draw(st.integers(1, 2**53)), start_us=draw(COUNTS), duration_us=draw(COUNTS),
        attempt=draw(st.integers(1, 2**53)), step_type=draw(maybe), provider=draw(maybe), model=draw(maybe),
        responded_model=draw(maybe), usage=draw(st.sampled_from([None, usage])), cost_nanos=draw(MAYBE),
        cost_usd=draw(st.sampled_from([None, "0.000000000000000001", "12345678901234567890.5"])), plugin=draw(maybe),
        action=draw(maybe), success=draw(st.sampled_from([None, True, False])), items=draw(MAYBE),
        error_code=draw(maybe), error_message=draw(maybe), attributes=attributes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def held(template: Path) -> Any:
    """A begun run on a connection of its own, in a transaction that is never committed."""
    connection = runs.look(template)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("PRAGMA foreign_keys = OFF")
    yield connection
    connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(span=spans(), value=VALUES)
def test_spans_and_checkpoints_come_back_equal(held: Any, span: Span, value: object) -> None:
    """Whatever a tool, a model or a person hands over, the stored span and outcome are what was cleaned, exactly."""
    run = Begun(tenant_id=runs.TENANT, run_id=new_id(), epoch=1, began_at="", now="")
    outcome = runs.checkpoint(span, outcome=canonical.dumps({"value": value}), epoch=1, start_us=0)
    write_entries(held, [entry(run, span, outcome)])
    key = (run.tenant_id, run.run_id)
    assert [span] == [codec.span(row) for row in held.execute(statements.SELECT_SPANS, key)]
    assert [outcome] == [codec.checkpoint(row) for row in held.execute(statements.SELECT_CHECKPOINTS, key)]


@pytest.mark.parametrize("text", NASTY)
async def test_a_run_full_of_nasty_text_leaves_its_record(store: SqliteStore, path: Path, text: str) -> None:
    """Names, inputs, outputs, errors and memories of any text are stored whole, and nothing else is touched."""
    clean = canonical.clean_text(text)
    run = runs.origin(agent_name=clean, plugins_required=(clean,))
    asked = runs.payload("input", {text: text})
    await store.accept(runs.accepted(run, input=asked))
    begun = await store.begin(run.tenant_id, run.run_id)
    plugin = f"plugin {clean}"
    attributes = canonical.clean({text: [text]})
    span = runs.tool_span(1, plugin=plugin, action=clean, error_message=clean, attributes=attributes)
    journal = store.journal(begun, "sync")
    journal.append(span, runs.checkpoint(span, outcome=canonical.dumps({"value": text})))
    memory = Memory(kind="summary", text=clean, importance=1, expires_at=runs.FAR)
    output = runs.payload("output", [text])
    assert await store.finish(runs.finished(run, begun, [span], output=output, memories=lambda is_first: [memory]))
    seen = runs.look(path)
    assert (clean, "completed") == seen.execute("SELECT agent_name, status FROM agent_executions").fetchone()
    assert [(asked.body,), (output.body,)] == seen.execute("SELECT body FROM run_payloads ORDER BY kind").fetchall()
    assert (clean,) == seen.execute("SELECT text FROM run_memories").fetchone()
    assert (plugin,) == seen.execute("SELECT plugin FROM run_spans WHERE kind = 'tool'").fetchone()
    listed = canonical.loads(seen.execute("SELECT logs FROM agent_executions").fetchone()[0])
    assert plugin == listed["toolCalls"][0]["plugin"]  # type: ignore[index,call-overload]
    seen.close()
