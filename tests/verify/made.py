"""A database of varied runs, every one as the runner would leave it, with ids that tests can name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.store import runs

from trackrecord.agent import Agent
from trackrecord.canonical import dumps
from trackrecord.record.closing import close
from trackrecord.record.design import design_of
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.fold import fold
from trackrecord.record.lost import ABANDONED, lost_spans
from trackrecord.record.record import Ending, Origin
from trackrecord.record.redact import redactor
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.store.filing import accepted, finished
from trackrecord.store.protocol import Begun
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER

SECRET = "correct-horse-battery"
REDACTOR = redactor([SECRET])
OTHER_USER = "018f0000-0000-7000-8000-00000000000a"
STRANGER = "018f0000-0000-7000-8000-00000000000b"  # an agent that is not defined here

RESEARCHER = Agent.from_mapping(
    {"name": "researcher", "prompt": "Look it up.", "model": "scripted:small", "plugins_required": ["http"]}
)
FLOW = Agent.from_mapping(
    {
        "name": "flow",
        "model": "scripted:small",
        "payloads": {"inputs": "none", "outputs": "full"},
        "memory": False,
        "workflow_steps": [
            {"id": "each", "type": "loop", "over": [1, 2], "steps": [{"id": "note", "type": "llm", "prompt": "x"}]}
        ],
    }
)
FOREIGN = Agent.from_mapping({"name": "researcher", "prompt": "Elsewhere."}, tenant_id=runs.TENANT)


def run_id(number: int) -> str:
    """The id of a run of this database."""
    return f"018f0000-0000-7000-8000-0000000001{number:02d}"


PRICED, RETRIED, SILENT, STEPS, CANCELLED, PAID, LOST, OTHER, ELSEWHERE, CUT, LATEST = map(run_id, range(1, 12))
QUEUED, RUNNING, WAITING = map(run_id, range(21, 24))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One run to make."""

    run_id: str
    spans: Sequence[Span] = ()
    agent: Agent = RESEARCHER
    ending: Ending = Ending(status="completed", output="high water")
    inputs: Any = None
    fields: dict[str, Any] | None = None

    @property
    def origin(self) -> Origin:
        """Who and what it is."""
        given: dict[str, Any] = {
            "tenant_id": LOCAL_TENANT,
            "run_id": self.run_id,
            "user_id": LOCAL_USER,
            "agent_id": self.agent.id,
            "agent_name": self.agent.name,
            "agent_version": self.agent.version,
            "declared": design_of(self.agent),
            "plugins_required": tuple(need.name for need in self.agent.plugins),
        }
        return runs.origin(**(given | (self.fields or {})))


async def begun(store: SqliteStore, made: Made) -> Begun:
    """Accept and begin a run."""
    text = dumps({"topic": "tides"} if made.inputs is None else made.inputs)
    await store.accept(accepted(made.origin, made.agent, text, REDACTOR, asked={}))
    return await store.begin(made.origin.tenant_id, made.run_id)


def begun_origin(made: Made, begin: Begun) -> Origin:
    """Who and what it is, with its first start."""
    return replace(made.origin, now=begin.now)


async def leave(store: SqliteStore, made: Made) -> None:
    """A whole run: its spans in the journal, its record in the terminal transaction."""
    begin = await begun(store, made)
    journal = store.journal(begin)
    for span in made.spans:
        done = runs.checkpoint(span)
        journal.append(None, runs.checkpoint(span, "started"))
        journal.append(span, None if span.kind == "step" else done)
    epoch = epoch_span(begin)
    record = close(begun_origin(made, begin), made.ending, fold([*made.spans, epoch]), begin.epoch)
    assert await store.finish(finished(record, made.agent, begin, (epoch,), REDACTOR))


def epoch_span(begin: Begun) -> Span:
    """The span of an epoch that ended by itself after nine milliseconds."""
    return Span(
        path=f"epoch:{begin.epoch}",
        kind="epoch",
        status="ok",
        epoch=begin.epoch,
        start_us=0,
        duration_us=9_000,
        attributes={"began_at": begin.began_at},
    )


async def abandon(store: SqliteStore, path: Path, made: Made) -> None:
    """A run whose process died in its second turn, ended by somebody else."""
    begin = await begun(store, made)
    journal = store.journal(begin)
    journal.append(runs.model_span(1), runs.checkpoint(runs.model_span(1)))
    journal.append(None, runs.checkpoint(runs.model_span(2), "started", subject="scripted:small"))
    await journal.commit()
    runs.expire_lease(path, made.run_id)
    again = await store.begin(made.origin.tenant_id, made.run_id)
    lost = (*lost_spans(again.spans, again.checkpoints, again.epoch, begin.began_at), epoch_span(again))
    record = close(begun_origin(made, again), ABANDONED, fold((*again.spans, *lost)), again.epoch)
    assert await store.finish(finished(record, made.agent, again, lost, REDACTOR))


async def cut(store: SqliteStore, made: Made) -> None:
    """A run with a span the database refuses: what is stored is the minimal record, without that span."""
    begin = await begun(store, made)
    journal = store.journal(begin, "async")
    good, bad, epoch = runs.model_span(1), runs.tool_span(1, plugin="\ud800"), epoch_span(begin)
    record = close(begun_origin(made, begin), made.ending, fold([good, runs.tool_span(1), epoch]), begin.epoch)
    with runs.writer_held(store):
        journal.append(good, None)
        journal.append(bad, None)
        finishing = asyncio.ensure_future(store.finish(finished(record, made.agent, begin, (epoch,), REDACTOR)))
        await asyncio.sleep(0)
    assert await finishing


def step(path: str, **fields: Any) -> Span:
    """A step that did what it should."""
    given: dict[str, Any] = {"status": "ok", "epoch": 1, "start_us": 10, "duration_us": 20, "step_type": "transform"}
    return Span(path=path, kind="step", **(given | fields))


def retried() -> list[Span]:
    """A model call that failed and was tried again, a rejected tool call, a recall."""
    recall = Span(
        path="recall",
        kind="recall",
        status="ok",
        epoch=1,
        start_us=1,
        duration_us=5,
        attributes={"memory": {"tokens": 40, "entries": 2, "types": ["summary", "fact"]}},
    )
    return [
        recall,
        runs.model_span(1, status="failed", usage=UNKNOWN, error_code="provider_unavailable"),
        runs.model_span(
            1, attempt=2, start_us=1600, usage=Usage(input_tokens=900, output_tokens=200, cache_read_tokens=300)
        ),
        runs.tool_span(1, status="rejected", success=None, items=None, error_code="unknown_tool"),
        runs.model_span(2),
    ]


def workflow() -> list[Span]:
    """Steps of every ending, and a tool, without a model."""
    return [
        step("s:each/i:1/s:note"),
        step("s:each/i:2/s:note", status="tolerated"),
        step("s:each", step_type="loop", items=2),
        step("s:which", step_type="conditional", items=1),
        step("s:never", status="skipped", duration_us=0),
        runs.tool_span(1, path="s:fetch/tool"),
        step("s:fetch", step_type="plugin_action"),
    ]


ENDED = (
    Made(
        run_id=PRICED,
        spans=[runs.model_span(1, cost_nanos=1_500, cost_usd="0.0000015"), runs.tool_span(1), runs.model_span(2)],
        inputs={"topic": "tides", "key": SECRET},
    ),
    Made(run_id=RETRIED, spans=retried()),
    Made(
        run_id=SILENT,
        spans=[runs.model_span(1, status="failed", usage=UNKNOWN)],
        ending=Ending(status="failed", error_code="model_failed", error_message="no answer", error_path="turn:1/model"),
    ),
    Made(
        run_id=STEPS,
        agent=FLOW,
        spans=workflow(),
        fields={"engine": "orchestrator", "engine_title": "Orchestrator", "runs_workflow": True},
    ),
    Made(
        run_id=CANCELLED,
        spans=runs.spans(1),
        ending=Ending(status="cancelled", error_code="user", error_message="the run was cancelled"),
    ),
    Made(
        run_id=PAID,
        spans=[runs.model_span(1), runs.tool_span(1, status="unknown", success=None, items=None)],
        ending=Ending(status="timed_out", error_code="run_timeout", error_message="too long"),
    ),
    Made(run_id=OTHER, spans=runs.spans(2), fields={"user_id": OTHER_USER}),
    Made(run_id=ELSEWHERE, spans=runs.spans(1), agent=FOREIGN, fields={"tenant_id": runs.TENANT, "user_id": runs.USER}),
)


def outside(**changes: Any) -> AgentExecutionData:
    """A run that ran elsewhere."""
    given: dict[str, Any] = {
        "agent_id": RESEARCHER.id,
        "user_id": LOCAL_USER,
        "tokens_used": 500,
        "was_successful": True,
        "plugins_used": ("mail",),
    }
    return AgentExecutionData(**(given | changes))


async def fill(path: Path) -> None:
    """Every kind of run, one after the other, then some that have not ended."""
    store = SqliteStore.open(path, synchronous="NORMAL")
    await store.ledger.grant(LOCAL_TENANT, OTHER_USER, 50, None, LOCAL_USER)
    for made in ENDED:
        await leave(store, made)
        if made.run_id == RETRIED:
            await store.increment_agent_stats(LOCAL_TENANT, RESEARCHER.id, LOCAL_USER, True)
            await store.update_agent_intensity_metrics(LOCAL_TENANT, outside())
    await abandon(store, path, Made(run_id=LOST))
    await cut(store, Made(run_id=CUT))
    await store.increment_agent_stats(LOCAL_TENANT, STRANGER, OTHER_USER, False)
    await store.update_agent_intensity_metrics(LOCAL_TENANT, outside(agent_id=STRANGER))
    await leave(store, Made(run_id=LATEST, spans=runs.spans(1), inputs={"long": "x" * 1_100_000}))
    await store.ledger.grant(LOCAL_TENANT, LOCAL_USER, 1_000, None, LOCAL_USER)  # the three below hold 200 each
    for made in (Made(run_id=QUEUED), Made(run_id=WAITING)):
        await store.accept(accepted(made.origin, made.agent, "{}", REDACTOR, asked={}))
    running = await begun(store, Made(run_id=RUNNING))
    store.journal(running).append(runs.model_span(1), None)
    await store.close()
    seen = runs.look(path)
    seen.execute("UPDATE agent_executions SET lease_until = ? WHERE id = ?", (runs.FAR, RUNNING))
    seen.execute("UPDATE agent_executions SET status = 'waiting', wait_reason = 'approval' WHERE id = ?", (WAITING,))
    seen.execute(
        "UPDATE agent_executions SET execution_type = 'child', parent_run_id = ?, parent_path = 's:a/child' "
        "WHERE id = ?",
        (RUNNING, WAITING),
    )
    seen.close()


def damage(path: Path, *statements: str) -> None:
    """Change rows behind everybody's back: foreign keys off, triggers away meanwhile and put back word for word."""
    connection = runs.look(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount != 0, statement
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()
