"""The drawing of an agent, and of a run: what stands above it, and which way its tree is made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackrecord.agent.agent import Agent
from trackrecord.cli.graph.calls import calls
from trackrecord.cli.graph.loop import loop
from trackrecord.cli.graph.node import Drawing
from trackrecord.cli.graph.reading import Traced
from trackrecord.cli.graph.standing import State, of_spans, standings, used
from trackrecord.cli.graph.workflow import workflow
from trackrecord.cli.look import joined
from trackrecord.cli.units import exact, many, milliseconds
from trackrecord.errors import BadAgent
from trackrecord.workflow.steps import Workflow

_UNREADABLE: Final = "The definition of this run cannot be read any more: drawn from what the run left."


def of_agent(agent: Agent) -> Drawing:
    """The workflow of an agent; of one that has none the loop that each of its runs goes through."""
    if agent.workflow is None:
        facts = ("no workflow: the tool-calling loop of AgentKit", f"version {agent.version[:8]}")
        return Drawing(title=agent.name, facts=(joined(facts),), body=loop(agent))
    facts = (many(agent.workflow.declared.steps, "step"), f"version {agent.version[:8]}")
    return Drawing(title=agent.name, facts=(joined(facts),), body=workflow(agent.workflow.steps))


def of_run(run: Traced) -> Drawing:
    """How a run went: on the workflow of the version it followed, or call by call when it followed none."""
    row = run.execution
    steps = _workflow(run.definition) if row["runs_workflow"] else None
    if steps is None:
        body = calls(run.spans)
    else:
        body = workflow(steps.steps, standings(run.spans, pending=run.pending, resting=_resting(run)))
    notes = (_UNREADABLE,) if row["runs_workflow"] and steps is None else ()
    return Drawing(
        title=str(row["agent_name"]), facts=tuple(_facts(run)), body=body, state=str(row["status"]), notes=notes
    )


def _facts(run: Traced) -> list[str]:
    row = run.execution
    took = milliseconds(row["execution_duration_ms"]) if row["completed_at"] is not None else "not ended"
    spans = [span for span in run.spans if span.kind != "epoch"]
    cause = f"cause: {row['error_code']}" if row["error_code"] else ""
    place = f"at {row['error_path']}" if row["error_path"] else ""
    facts = [
        joined((f"run {row['id']}", str(row["engine_title"]), f"version {str(row['agent_version'])[:8]}")),
        joined((exact(row["created_at"]), took, *used(of_spans(spans)))),
        f"{cause} {place}".strip(),
    ]
    return [fact for fact in facts if fact]


def _resting(run: Traced) -> State | None:
    """What has begun in it and not ended; nothing has when the run has ended."""
    if run.execution["completed_at"] is not None:
        return None
    return "waiting" if run.execution["status"] == "waiting" else "running"


def _workflow(definition: Mapping[str, object] | None) -> Workflow | None:
    """The workflow of a stored definition; None when this version cannot read it."""
    if definition is None:
        return None
    try:
        return Agent.from_mapping(definition).workflow
    except BadAgent:
        return None
