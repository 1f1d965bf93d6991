"""`trackrecord cancel`: end a run that has not ended, whoever carries it."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.typed import Db
from trackrecord.cli.within import within

RunId = Annotated[str, typer.Argument(metavar="RUN", help="id of a run, the beginning of one, or `last`")]


def command(run: RunId, db: Db = None) -> int:
    """End a run; what it has used until then is its record. One that another process carries ends within a second.

    Exit code: 0 it has ended or will within a second.
    """
    with reader_of(db) as reader:
        run_id = str(reader.execution(run)["id"])
    before = within(db, lambda tr: tr.cancel(run_id))
    with reader_of(db) as reader:
        status = reader.execution(run_id)["status"]
    if status != "cancelled":
        terminal.say(f"{run_id} is told to stop; whoever carries it records it")
    else:
        terminal.say(f"{run_id} is cancelled; it was {before}")
    terminal.tell(f"  trackrecord show {run_id}")
    return 0
