"""`trackrecord run`: one run of one agent, its answer on stdout, its record in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.answer import answer_text
from trackrecord.cli.answering import naming, open_questions
from trackrecord.cli.carrying import WAITING, Carried, Wish, carry_out
from trackrecord.cli.checking import placed
from trackrecord.cli.database import reader_of
from trackrecord.cli.escape import prose
from trackrecord.cli.inputs import read_inputs, settings_for
from trackrecord.cli.look import paragraph
from trackrecord.cli.pages.questions import answer_how
from trackrecord.cli.pages.summary import summary
from trackrecord.cli.stored import read_run
from trackrecord.cli.typed import AsJson, Db

if TYPE_CHECKING:
    from trackrecord.runner import Run

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
    tr = Trackrecord(settings=settings_for(agent_file, given, db))
    wish = Wish(engine=engine, model=model, prompt=prompt)
    with placed(agent_file):
        carried = carry_out(tr, agent, given, wish, terminal.here())
    if carried.run is None:
        terminal.tell("stopped before anything ran")
    else:
        _print(carried.run, carried, db, is_json=is_json)
    return carried.exit_code


def _print(run: Run, carried: Carried, db: str | None, *, is_json: bool) -> None:
    place = terminal.here()
    again = f"trackrecord show {run.id}{naming(db)}"
    is_waiting = carried.exit_code == WAITING
    if is_json:
        with reader_of(db) as reader:
            stored = read_run(reader, run.id)
        terminal.say_json(stored.to_json() | {"answer": run.output})
    elif not is_waiting:
        terminal.say(prose(answer_text(run.output)))
    terminal.tell(summary(run.record, place.err, again))
    if is_waiting:
        _tell_questions(run.id, db)


def _tell_questions(run_id: str, db: str | None) -> None:
    """What the run asks, and how it is answered."""
    look = terminal.here().err
    with reader_of(db) as reader:
        questions = open_questions(reader, run_id)
    for one in questions:
        told = paragraph(prose(one.message), look.width - 2)
        terminal.tell("\n".join(f"  {text}" for text in (*told, look.dim(answer_how(one, naming(db))))))
