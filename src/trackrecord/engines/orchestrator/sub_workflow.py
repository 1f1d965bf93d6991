"""A workflow inside a workflow: steps of this run in a scope of their own, or another agent as a child run."""

from __future__ import annotations

from trackrecord.canonical import Json, clean
from trackrecord.context.questions import AgentRef
from trackrecord.engines.orchestrator.place import Place
from trackrecord.workflow.steps import SubWorkflowBody


async def run_sub_workflow(place: Place, body: SubWorkflowBody, segment: str) -> Json:
    """The mapped outputs; what the last step or the child run gave when nothing is mapped."""
    inputs = clean(body.inputs.render(place.scope))
    assert isinstance(inputs, dict)  # noqa: S101  # the grammar takes nothing but a mapping
    scope = place.scope
    if body.steps is not None:
        inside = place.closed(segment, inputs)
        output, scope = await place.run_list(inside, body.steps), inside.scope
    else:
        child = AgentRef(name=body.agent or "", version=body.version)
        output = await place.ctx.child(f"{place.above}{segment}", child, inputs)
    return output if body.outputs is None else clean(body.outputs.render({**scope, "output": output}))
