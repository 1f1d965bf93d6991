"""What an agent's definition declares, as figures: the same whichever engine runs it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.record.intensity import DeclaredDesign


def design_of(agent: Agent) -> DeclaredDesign:
    """Steps, decisions, loops and parallel steps of the workflow; plugins, fields and trigger of the agent."""
    declared = None if agent.workflow is None else agent.workflow.declared
    return DeclaredDesign(
        steps=0 if declared is None else declared.steps,
        branches=0 if declared is None else declared.branches,
        loops=0 if declared is None else declared.loops,
        parallel=0 if declared is None else declared.parallel,
        plugins=len(agent.plugins),
        fields=_fields(agent.input_schema) + _fields(agent.output_schema),
        trigger="on_demand" if agent.schedule is None else "scheduled",
    )


def _fields(schema: Mapping[str, Json] | None) -> int:
    properties = None if schema is None else schema.get("properties")
    return len(properties) if isinstance(properties, dict) else 0
