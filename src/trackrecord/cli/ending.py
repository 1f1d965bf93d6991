"""What a command says of the run it has carried out: the answer on stdout, what it used on stderr."""

from __future__ import annotations

import shlex

from trackrecord.cli import terminal
from trackrecord.cli.answer import answer_text
from trackrecord.cli.carrying import Carried
from trackrecord.cli.database import reader_of
from trackrecord.cli.escape import prose
from trackrecord.cli.pages.summary import summary
from trackrecord.cli.pages.waiting import left_behind, waiting
from trackrecord.cli.stored import read_run


def tell_ending(carried: Carried, db: str | None, *, is_json: bool) -> int:
    """Say how it ended, or what it waits for; the exit code."""
    run = carried.run
    option = f" --db {shlex.quote(db)}" if db else ""
    if run is None:
        terminal.tell("stopped before anything ran")
        return carried.exit_code
    place = terminal.here()
    if is_json:
        with reader_of(db) as reader:
            stored = read_run(reader, run.id)
        terminal.say_json(stored.to_json() | {"answer": run.output})
    elif run.parked is None:
        terminal.say(prose(answer_text(run.output)))
    terminal.tell(summary(run.record, place.err, f"trackrecord show {run.id}{option}"))
    if run.parked is not None:
        terminal.tell(waiting(run.parked, run.id, option))
    if carried.left_behind:
        terminal.tell(place.err.dim(left_behind(len(carried.left_behind), option)))
    return carried.exit_code
