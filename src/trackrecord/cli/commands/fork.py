"""`trackrecord fork`: run again what has ended, as a new run from a step on."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.again import settings_again
from trackrecord.cli.carrying import carry_out
from trackrecord.cli.commands.retry import RunId
from trackrecord.cli.database import reader_of
from trackrecord.cli.ending import tell_ending
from trackrecord.cli.typed import AsJson, Db
from trackrecord.errors import BadInput

From = Annotated[
    str | None,
    typer.Option("--from", metavar="STEP", help="id of the step to begin at, its path, or a turn like turn:2"),
]


def command(run: RunId, from_step: From = None, db: Db = None, is_json: AsJson = False) -> int:
    """Run again what has ended, however it did, as a new run from a step on.

    That step and all that depends on it are done anew; what precedes it is taken over, and not counted again. The
    definition, the inputs and the date are those of the other run.

    Exit code: as of `run`.
    """
    if not from_step or not from_step.strip():
        raise BadInput("it is not said where to begin", cure="Write --from STEP: the id of a step, or turn:2.")
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    with reader_of(db) as reader:
        found = reader.execution(run)
        settings = settings_again(reader, str(found["id"]), db)
    run_id, place = str(found["id"]), from_step
    tr = Trackrecord(settings=settings, resumes=False)
    carried = carry_out(
        tr, str(found["agent_name"]), lambda view: tr.fork(run_id, place, watcher=view.watch), terminal.here()
    )
    return tell_ending(carried, db, is_json=is_json)
