"""`trackrecord run`: one run of one agent, its answer on stdout, its record in the database."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.carrying import Wish, carry_out, of_agent
from trackrecord.cli.checking import placed
from trackrecord.cli.ending import tell_ending
from trackrecord.cli.inputs import read_inputs, settings_for
from trackrecord.cli.typed import AsJson, Db

AgentFile = Annotated[str, typer.Argument(metavar="AGENT.yaml", help="the agent's file, YAML or JSON")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="NAME=VALUE",
        help="an input; NAME=@FILE takes a file's text, @- standard input, @@ a plain @; "
        "without any, the agent's example_inputs and the files beside it",
    ),
]
InputJson = Annotated[
    str | None, typer.Option("--input-json", metavar="FILE", help="inputs as one JSON object; - for standard input")
]
Model = Annotated[str | None, typer.Option("--model", metavar="PROVIDER:NAME", help="instead of the agent's model")]


def command(
    agent_file: AgentFile,
    inputs: Inputs = None,
    input_json: InputJson = None,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="agentkit, orchestrator or auto")] = "auto",
    model: Model = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="instead of the agent's prompt")
    ] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Run an agent and record it. The answer goes to stdout, what it used to stderr.

    Exit code: 0 completed, 1 failed, 2 refused or bad input, 3 waiting. Ctrl-C cancels the run and still records it.
    """
    from trackrecord.agent import Agent  # the engines and all they need: half a second that no other command pays
    from trackrecord.wiring import Trackrecord

    agent = Agent.load(agent_file)
    given = read_inputs(inputs or [], input_json, agent.input_schema)
    tr = Trackrecord(settings=settings_for(agent_file, given, db), resumes=False)
    wish = Wish(engine=engine, model=model, prompt=prompt)
    with placed(agent_file):
        carried = carry_out(tr, agent.name, of_agent(tr, agent, given, wish), terminal.here())
    return tell_ending(carried, db, is_json=is_json)
