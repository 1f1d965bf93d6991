"""Whole runs for the store's tests: real spans, folded and closed by the record room."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from trackrecord import canonical
from trackrecord.clock import new_id
from trackrecord.context.protocols import Checkpoint
from trackrecord.context.questions import Asked
from trackrecord.record.closing import close, minimal
from trackrecord.record.credits import Credits
from trackrecord.record.fold import Tally
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.record import Ending, Origin
from trackrecord.record.rows import rows
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage
from trackrecord.store.driver import Connection, driver
from trackrecord.store.protocol import AcceptedRun, AgentVersion, Begun, FinishedRun, Memory, Payload
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.store.writer import Unit

TENANT = "018f0000-0000-7000-8000-000000000001"
USER = "018f0000-0000-7000-8000-000000000002"
AGENT = "018f0000-0000-7000-8000-000000000003"
DESIGN = DeclaredDesign(steps=3, branches=1, plugins=2, fields=4)
FAR = "2999-01-01T00:00:00.000000Z"


def origin(**changes: Any) -> Origin:
    """A run of the one agent of these tests."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "run_id": new_id(),
        "agent_id": AGENT,
        "user_id": USER,
        "agent_name": "researcher",
        "agent_version": "a" * 64,
        "engine": "agentkit",
        "engine_title": "AgentKit",
        "runs_workflow": False,
        "declared": DESIGN,
        "plugins_required": ("http",),
        "input_count": 1,
    }
    return Origin(**(fields | changes))


def payload(kind: Any, value: Any) -> Payload:
    """Content kept whole."""
    text = canonical.dumps(value)
    return Payload(kind=kind, body=text, sha256=canonical.digest(text), size=len(text.encode()))


def accepted(run: Origin, **changes: Any) -> AcceptedRun:
    """The accepting transaction of a run."""
    agent = AgentVersion(
        tenant_id=run.tenant_id,
        agent_id=run.agent_id,
        user_id=run.user_id,
        name=run.agent_name,
        description="reads things",
        status="active",
        definition='{"name":"researcher"}',
        version=run.agent_version,
        design=run.declared,
    )
    return AcceptedRun(
        **(
            {"origin": run, "agent": agent, "input": payload("input", {"topic": "tides"}), "most_credits": Credits(200)}
            | changes
        )
    )


def model_span(turn: int, **changes: Any) -> Span:
    """A model reply that reported 100 tokens in and 20 out."""
    fields: dict[str, Any] = {
        "path": f"turn:{turn}/model",
        "kind": "model",
        "status": "ok",
        "epoch": 1,
        "start_us": turn * 1000,
        "duration_us": 500,
        "purpose": "work",
        "provider": "scripted",
        "model": "small",
        "usage": Usage(input_tokens=100, output_tokens=20),
    }
    return Span(**(fields | changes))


def tool_span(turn: int, **changes: Any) -> Span:
    """A tool call that worked."""
    fields: dict[str, Any] = {
        "path": f"turn:{turn}/call:1/tool",
        "kind": "tool",
        "status": "ok",
        "epoch": 1,
        "start_us": turn * 1000 + 500,
        "duration_us": 300,
        "plugin": "http",
        "action": "get",
        "success": True,
        "items": 1,
        "attributes": {"asked": {"url": "https://example.org/tides", "page": turn}},
    }
    return Span(**(fields | changes))


def checkpoint(span: Span, state: Any = "done", **changes: Any) -> Checkpoint:
    """What a resume needs of a span's effect."""
    fields: dict[str, Any] = {
        "path": span.path,
        "attempt": span.attempt,
        "state": state,
        "kind": span.kind,
        "effect": "read",
        "request_hash": "b" * 64,
        "epoch": span.epoch,
        "start_us": span.start_us,
        "outcome": '{"value":{"text":"high water at noon"}}' if state == "done" else None,
    }
    return Checkpoint(**(fields | changes))


def spans(turns: int = 10) -> list[Span]:
    """A tool loop: a model reply and a tool call per turn, then the answer."""
    loop = [span for turn in range(1, turns + 1) for span in (model_span(turn), tool_span(turn))]
    return [*loop, model_span(turns + 1)]


def finished(
    run: Origin,
    begun: Begun,
    done: Sequence[Span] = (),
    *,
    ending: Ending | None = None,
    **changes: Any,
) -> FinishedRun:
    """The terminal transaction of a run that did these spans."""
    epoch = Span(
        path=f"epoch:{begun.epoch}", kind="epoch", status="ok", epoch=begun.epoch, start_us=0, duration_us=9000
    )
    epoch = replace(epoch, attributes={"began_at": begun.began_at})
    tally = Tally()
    for span in (*done, epoch):
        tally.add(span)
    record = close(run, ending or Ending(status="completed", output="high water"), tally.measures(), begun.epoch)
    fields: dict[str, Any] = {
        "origin": run,
        "begun": begun,
        "rows": rows(record),
        "minimal": lambda reason: rows(minimal(record, reason)),
        "design": run.declared,
        "output": payload("output", "high water"),
        "memories": lambda is_first: (Memory(kind="summary", text="asked about tides", importance=5, expires_at=FAR),),
        "last_spans": (epoch,),
    }
    return FinishedRun(**(fields | changes))


def asked(run_id: str, **changes: Any) -> Asked:
    """An approval that anybody may give within the next centuries."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "run_id": run_id,
        "path": "s:ok/wait",
        "kind": "approval",
        "message": "Send it?",
        "expires_at": FAR,
    }
    return Asked(**(fields | changes))


def park(path: Path, run_id: str, reason: str = "approval") -> None:
    """Make a run rest, as it does when all that it could do waits."""
    connection = look(path)
    connection.execute(
        "UPDATE agent_executions SET status = 'waiting', wait_reason = ?, lease_until = NULL WHERE id = ?",
        (reason, run_id),
    )
    connection.close()


def look(path: Path) -> Connection:
    """Another connection, to see what is really there."""
    return driver.connect(str(path), isolation_level=None)


def count(path: Path, table: str) -> int:
    """How many rows a table has."""
    connection = look(path)
    try:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        connection.close()


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    connection = look(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows_of = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    connection.close()
    return rows_of


def status(path: Path, run_id: str) -> str:
    """The stored status of a run."""
    connection = look(path)
    found = connection.execute("SELECT status FROM agent_executions WHERE id = ?", (run_id,)).fetchone()
    connection.close()
    return found[0]


def expire_lease(path: Path, run_id: str) -> None:
    """Make a run look as if whoever held it had died ten seconds ago."""
    connection = look(path)
    connection.execute(
        "UPDATE agent_executions SET lease_until = '2000-01-01T00:00:00.000000Z' WHERE id = ?", (run_id,)
    )
    connection.close()


@contextmanager
def writer_held(store: SqliteStore) -> Generator[None]:
    """Keep the writer busy, so that all that is submitted in the block waits for one transaction."""
    is_reached, go_on = Event(), Event()

    def wait(_: Connection) -> None:
        is_reached.set()
        assert go_on.wait(10)

    store._writer.submit(Unit(wait))
    assert is_reached.wait(10)
    try:
        yield
    finally:
        go_on.set()
