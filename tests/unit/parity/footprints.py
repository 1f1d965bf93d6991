"""Footprints made by hand: spans folded by the record room, rows laid out as the store would. No database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from trackrecord.canonical import digest, dumps, loads
from trackrecord.clock import new_id
from trackrecord.parity import Comparison, Finding, compare
from trackrecord.parity.footprint import Footprint, Standing, assemble
from trackrecord.record import intensity
from trackrecord.record.closing import close
from trackrecord.record.fold import fold
from trackrecord.record.intensity import DeclaredDesign, IntensityRow
from trackrecord.record.record import Ending, Origin, Record
from trackrecord.record.rows import Rows, rows
from trackrecord.record.spans import Span
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.store.statements import STATS_EXTERNAL, TABLES

TENANT: Final = "018f0000-0000-7000-8000-000000000001"
USER: Final = "018f0000-0000-7000-8000-000000000002"
AGENT: Final = "018f0000-0000-7000-8000-000000000003"
DESIGN: Final = DeclaredDesign(steps=1, plugins=1, fields=2)
DONE: Final = Ending(status="completed", output="high water")
FAILED: Final = Ending(
    status="failed", error_code="model_failed", error_message="no reply at turn:2/model", error_path="turn:2/model"
)
NOW: Final = "2026-01-01T00:00:00.000000Z"


def model(turn: int, **changes: Any) -> Span:
    """A model reply that reported 100 tokens in and 20 out."""
    fields: dict[str, Any] = {
        "path": f"turn:{turn}/model",
        "kind": "model",
        "status": "ok",
        "epoch": 1,
        "start_us": turn * 10_000,
        "duration_us": 5_000,
        "purpose": "work",
        "provider": "scripted",
        "model": "small",
        "usage": Usage(input_tokens=100, output_tokens=20),
    }
    return Span(**(fields | changes))


def unreported(turn: int) -> Span:
    """A model reply whose tokens nobody told."""
    return model(turn, usage=UNKNOWN)


def tool(turn: int, **changes: Any) -> Span:
    """A tool call that worked."""
    fields: dict[str, Any] = {
        "path": f"turn:{turn}/call:1/tool",
        "kind": "tool",
        "status": "ok",
        "epoch": 1,
        "start_us": turn * 10_000 + 5_000,
        "duration_us": 3_000,
        "plugin": "tides",
        "action": "look_up",
        "success": True,
        "items": 1,
    }
    return Span(**(fields | changes))


def recall(tokens: int = 40, entries: int = 2, types: Sequence[str] = ("summaries",)) -> Span:
    """What memory was put in front of the model."""
    figures = {"tokens": tokens, "entries": entries, "types": list(types)}
    return Span(
        path="recall",
        kind="recall",
        status="ok",
        epoch=1,
        start_us=0,
        duration_us=100,
        items=entries,
        attributes={"memory": figures},
    )


TALK: Final = (recall(), model(1), tool(1), model(2))


def inside_a_step(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same work under one step, as the Orchestrator does it."""
    below = tuple(span if span.path == "recall" else replace(span, path=f"s:work/{span.path}") for span in spans)
    step = Span(path="s:work", kind="step", status="ok", epoch=1, start_us=0, duration_us=90_000, step_type="agent")
    return (*below, step)


def agentkit(
    spans: Sequence[Span] = TALK, *, ending: Ending = DONE, elapsed_us: int = 100_000, **more: Any
) -> Footprint:
    """A run of AgentKit."""
    origin = _origin("agentkit", "AgentKit", runs_workflow=False)
    return _left(origin, spans, ending, elapsed_us, **more)


def orchestrator(
    spans: Sequence[Span] = TALK, *, ending: Ending = DONE, elapsed_us: int = 130_000, **more: Any
) -> Footprint:
    """A run of the Orchestrator that did the same work in one step."""
    origin = _origin("orchestrator", "Orchestrator", runs_workflow=True)
    return _left(origin, inside_a_step(spans), ending, elapsed_us, **more)


def finding(compared: Comparison, field: str) -> Finding:
    """What a comparison says of one field."""
    return next(one for one in compared.findings if one.field == field)


def verdict(left: Footprint, right: Footprint, field: str) -> str:
    """The verdict on one field of two footprints."""
    return finding(compare(left, right), field).verdict


def tampered(run: Footprint, column: str, value: Any) -> Footprint:
    """The same footprint with another value in a column of its `agent_executions` row."""
    return reassembled(run, execution={**run.execution, column: value})


def tampered_log(run: Footprint, column: str, value: Any) -> Footprint:
    """The same footprint with another value in a column of its `agent_logs` row."""
    return reassembled(run, log={**(run.log or {}), column: value})


def tampered_logs(run: Footprint, change: Callable[[Any], object]) -> Footprint:
    """The same footprint after `change` was let loose on the JSON of its logs."""
    logs = loads(str(run.execution["logs"]))
    change(logs)
    return tampered(run, "logs", dumps(logs))


def tampered_stats(run: Footprint, column: str, value: Any) -> Footprint:
    """The same footprint with another value in the `agent_stats` row after it."""
    assert run.after is not None
    assert run.after.stats is not None
    return replace(run, after=replace(run.after, stats={**run.after.stats, column: value}))


def tampered_intensity(run: Footprint, column: str, value: Any) -> Footprint:
    """The same footprint with another value in the `agent_intensity_metrics` row after it."""
    assert run.after is not None
    assert run.after.intensity is not None
    return replace(run, after=replace(run.after, intensity={**run.after.intensity, column: value}))


def reassembled(run: Footprint, **changes: Any) -> Footprint:
    """The footprint read again after rows of it were changed."""
    fields: dict[str, Any] = {"execution": run.execution, "log": run.log, "spans": run.spans}
    kept: dict[str, Any] = {
        "design": run.design,
        "payloads": run.payloads,
        "before": run.before,
        "after": run.after,
    }
    given = fields | kept | changes
    return assemble(given.pop("execution"), given.pop("log"), given.pop("spans"), **given)


def _origin(engine: str, title: str, *, runs_workflow: bool) -> Origin:
    return Origin(
        tenant_id=TENANT,
        run_id=new_id(),
        agent_id=AGENT,
        user_id=USER,
        agent_name="tides",
        agent_version="a" * 64,
        engine=engine,
        engine_title=title,
        runs_workflow=runs_workflow,
        declared=DESIGN,
        plugins_required=("tides",),
        input_count=1,
        now=NOW,
    )


def _left(
    origin: Origin,
    spans: Sequence[Span],
    ending: Ending,
    elapsed_us: int,
    *,
    earlier: IntensityRow | None = None,
    is_alone: bool = True,
    answer: object = "high water",
) -> Footprint:
    epoch = Span(
        path="epoch:1",
        kind="epoch",
        status="ok",
        epoch=1,
        start_us=0,
        duration_us=elapsed_us,
        attributes={"began_at": NOW},
    )
    own = (*spans, epoch)
    record = close(origin, ending, fold(own), 1)
    made, before_row = rows(record), earlier or IntensityRow.empty()
    sequence = before_row.total_executions + 1
    before = Standing(intensity=None if earlier is None else _intensity(before_row, sequence - 1))
    after_row = intensity.absorb(before_row, made.figures, sequence)
    after = Standing(stats=_stats(made), intensity=_intensity(after_row, sequence))
    output = None if ending.status != "completed" else answer
    return assemble(
        _execution(record, made, sequence),
        {**dict.fromkeys(TABLES["agent_logs"]), **_key(origin), "created_at": NOW, **made.log},
        own,
        design=DESIGN,
        payloads={"input": _payload({"place": "Brest"}), **({} if output is None else {"output": _payload(output)})},
        before=before if is_alone else None,
        after=after if is_alone else None,
    )


def _execution(record: Record, made: Rows, sequence: int) -> dict[str, Any]:
    origin = record.origin
    return {
        **dict.fromkeys(TABLES["agent_executions"]),
        "tenant_id": origin.tenant_id,
        "id": origin.run_id,
        "agent_id": origin.agent_id,
        "user_id": origin.user_id,
        "agent_name": origin.agent_name,
        "agent_version": origin.agent_version,
        "execution_type": origin.execution_type,
        "engine": origin.engine,
        "engine_title": origin.engine_title,
        "runs_workflow": int(origin.runs_workflow),
        "epoch": 1,
        **dict.fromkeys(("created_at", "started_at", "now_at", "completed_at"), NOW),
        "declared_steps": DESIGN.steps,
        "declared_branches": DESIGN.branches,
        "declared_loops": DESIGN.loops,
        "declared_parallel": DESIGN.parallel,
        "plugins_required": dumps(list(origin.plugins_required)),
        "input_count": origin.input_count,
        "agent_seq": sequence,
        **made.execution,
    }


def _key(origin: Origin) -> dict[str, Any]:
    return {
        "tenant_id": origin.tenant_id,
        "execution_id": origin.run_id,
        "agent_id": origin.agent_id,
        "user_id": origin.user_id,
    }


def _stats(made: Rows) -> dict[str, Any]:
    key = {"tenant_id": TENANT, "agent_id": AGENT, "user_id": USER}
    return {**key, **made.stats, **dict.fromkeys(STATS_EXTERNAL, 0), "last_run_at": NOW}


def _intensity(row: IntensityRow, sequence: int) -> dict[str, Any]:
    columns = intensity.to_columns(row) | intensity.score_columns(intensity.score(row, DESIGN))
    return {"tenant_id": TENANT, "agent_id": AGENT, "agent_seq": sequence, "updated_at": NOW, **columns}


def _payload(value: object) -> Mapping[str, Any]:
    text = dumps(value)
    return {"sha256": digest(text), "size": len(text.encode()), "was_truncated": 0}
