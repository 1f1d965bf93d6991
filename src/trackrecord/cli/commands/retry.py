"""`trackrecord retry`: run again what did not complete, as a new run from where it failed."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.again import settings_again
from trackrecord.cli.carrying import carry_out
from trackrecord.cli.database import reader_of
from trackrecord.cli.ending import tell_ending
from trackrecord.cli.typed import AsJson, Db

RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="id of a run that has ended, the beginning of one, or `last`")
]


def command(run: RunId, db: Db = None, is_json: AsJson = False) -> int:
    """Run again what did not complete, as a new run that begins where the other one failed.

    What precedes that place is taken over: it is not done again, and what it used is not counted again. The definition,
    the inputs and the date are those of the run that failed.

    Exit code: as of `run`.
    """
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    with reader_of(db) as reader:
        found = reader.execution(run)
        settings = settings_again(reader, str(found["id"]), db)
    run_id = str(found["id"])
    tr = Trackrecord(settings=settings, resumes=False)
    carried = carry_out(
        tr, str(found["agent_name"]), lambda view: tr.retry(run_id, watcher=view.watch), terminal.here()
    )
    return tell_ending(carried, db, is_json=is_json)
