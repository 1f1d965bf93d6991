"""The Orchestrator: runs an agent's workflow and composes its output. Step 4 of the walk."""

from __future__ import annotations

from collections.abc import Mapping

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.context.run_context import RunContext
from trackrecord.engines.orchestrator.place import Place, outermost
from trackrecord.engines.orchestrator.scheduler import run_list
from trackrecord.errors import InvalidOutput, StepFailed
from trackrecord.json_schema import compile_schema
from trackrecord.workflow.expressions import ExpressionError


class Orchestrator:
    """The engine that carries out an agent's workflow_steps."""

    name = "orchestrator"
    title = "Orchestrator"
    runs_workflow = True
    run_timeout_s = 3600.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        """Every step of the workflow; gives the output, checked against the agent's output schema.

        Raises:
            RunError: a step failed and nothing tolerated it, or the output does not fit.
        """
        if agent.workflow is None:
            raise StepFailed(f"the agent {agent.name!r} has no workflow_steps", cure="Run it with AgentKit.")
        place = outermost(ctx, agent, inputs, run_list)
        last = await run_list(place, agent.workflow.steps)
        output = _composed(agent, place) if agent.output_sources else last
        return _checked(agent, output)


def _composed(agent: Agent, place: Place) -> Json:
    output: dict[str, Json] = {}
    for name, source in agent.output_sources.items():
        try:
            output[name] = source.render(place.scope)  # type: ignore[assignment]  # the runner makes it canonical
        except ExpressionError as error:
            raise StepFailed(f"output {name!r}: {error.message}", cure=error.cure, path="output") from None
    return output


def _checked(agent: Agent, output: Json) -> Json:
    problems = compile_schema(agent.output_schema).problems(output) if agent.output_schema is not None else ()
    if problems:
        raise InvalidOutput(
            f"the output does not fit the output schema: {'; '.join(problems)}",
            cure="Mend the `source` of the field named, or loosen output_schema.",
        )
    return output
