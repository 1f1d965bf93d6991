"""`trackrecord show`: the record of one run, on a page or as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.stored import read_run
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now


def command(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="its id, the beginning of its id, or `last` (which it is without)")
    ] = "last",
    is_whole: Annotated[bool, typer.Option("--all", help="draw every span and print the whole answer")] = False,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Show the record of a run: how it ended, what it answered, what it used, and where its time went."""
    with reader_of(db) as reader:
        found = read_run(reader, run)
    if is_json:
        terminal.say_json(found.to_json())
    else:
        terminal.say(record_page(found, terminal.here().out, now(), is_whole=is_whole))
    return 0
