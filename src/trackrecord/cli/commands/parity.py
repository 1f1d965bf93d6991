"""`trackrecord parity`: what two engines, or two runs, left, compared field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.checking import placed
from trackrecord.cli.commands.run import InputJson, Inputs, Model
from trackrecord.cli.database import reader_of, scoring
from trackrecord.cli.inputs import read_inputs, settings_for
from trackrecord.cli.target import Target, targets
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.parity import Comparison

_BOTH = "agentkit,orchestrator"


def command(
    what: Annotated[list[str], typer.Argument(metavar="AGENT.yaml | RUN_A RUN_B", help="an agent's file, or two runs")],
    inputs: Inputs = None,
    input_json: InputJson = None,
    engines: Annotated[str | None, typer.Option("--engines", metavar="A,B", help=f"engines ({_BOTH})")] = None,
    model: Model = None,
    same_work: Annotated[
        bool, typer.Option("--same-work", help="other work counts as a difference: the engines had to do the same")
    ] = False,
    is_whole: Annotated[bool, typer.Option("--all", help="list every field, equal ones too")] = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="write it as one self-contained page too; - prints it")
    ] = None,
    xml: Annotated[
        str | None,
        typer.Option("--junit", metavar="FILE", help="write it as JUnit XML too, a case per field; - prints it"),
    ] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Compare what two engines left of the same agent, or what two runs left, field by field.

    An agent is really run, once by each engine, each alone on a copy of the database. Exit code: 0 the records agree,
    1 a field differs or was not observed. With --json a line per comparison.
    """
    wanted = targets([("--html", html), ("--junit", xml)], is_stdout_free=not is_json)
    if len(what) == 2:
        _check_alone(inputs, input_json, engines, model)
        found = (_of_runs(what[0], what[1], db),)
    elif len(what) == 1:
        found = _of_agent(what[0], inputs or [], input_json, engines or _BOTH, model, db)
    else:
        raise BadInput(f"{len(what)} things to compare", cure="Name one agent file, or two runs.")
    if not any(one.path is None for one in wanted.values()):
        _print(found, same_work=same_work, is_whole=is_whole, is_json=is_json)
    _write(found, wanted, same_work=same_work)
    return 0 if all(comparison.is_ok(same_work=same_work) for comparison in found) else 1


def _print(found: Sequence[Comparison], *, same_work: bool, is_whole: bool, is_json: bool) -> None:
    from trackrecord.cli.pages.parity import parity_page  # with the verdicts and all they rest on

    look = terminal.here().out
    for place, comparison in enumerate(found):
        if is_json:
            terminal.say_json(comparison.to_json())
            continue
        page = parity_page(comparison, look, same_work=same_work, is_whole=is_whole)
        terminal.say(f"\n{page}" if place else page)


def _write(found: Sequence[Comparison], wanted: Mapping[str, Target], *, same_work: bool) -> None:
    if "--html" in wanted:
        from trackrecord.cli.html.parity import parity_html  # a page on a terminal needs none of it

        wanted["--html"].write(parity_html(found, now(), same_work=same_work))
    if "--junit" in wanted:
        from trackrecord.cli.junit import junit

        wanted["--junit"].write(junit(found, same_work=same_work))


def _of_runs(left: str, right: str, db: str | None) -> Comparison:
    from trackrecord.parity import compare_runs  # the fold, to recompute what the runs added

    with reader_of(db) as reader:
        return compare_runs(reader, left, right, settings=scoring())


def _of_agent(
    file: str, pairs: Sequence[str], document: str | None, engines: str, model: str | None, db: str | None
) -> tuple[Comparison, ...]:
    from trackrecord.agent import Agent  # the engines and all they need
    from trackrecord.wiring import Trackrecord

    if not Path(file).suffix and not Path(file).exists():
        raise BadInput(f"there is no agent file {file!r}", cure="Name an agent file, or two runs.")
    agent = Agent.load(file)
    given = read_inputs(pairs, document, agent.input_schema)
    names = tuple(name.strip() for name in engines.split(",") if name.strip())
    tr = Trackrecord(settings=settings_for(file, given, db), resumes=False)
    with placed(file):
        return asyncio.run(tr.parities(agent, given, engines=names, model=model))


def _check_alone(inputs: Sequence[str] | None, document: str | None, engines: str | None, model: str | None) -> None:
    """Refuse what means nothing for two runs that are there already."""
    given = [("-i", inputs), ("--input-json", document), ("--engines", engines), ("--model", model)]
    named = [name for name, value in given if value]
    if named:
        raise BadInput(f"two runs have had their {', '.join(named)}", cure="Leave it out, or name one agent file.")
