"""`trackrecord approvals`: what waits for a person, for whom, and until when."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.answering import naming, open_questions
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.questions import answer_how, questions_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="of this run: its id, the beginning of it, or `last`")
    ] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """List what waits for a person: what is asked, who decides, and until when.

    The oldest stands first. A question of a run that has ended, however it
    ended, waits no more; `trackrecord show RUN` has those too.
    """
    with reader_of(db) as reader:
        run_id = None if run is None else str(reader.execution(run)["id"])
        found = open_questions(reader, run_id)
    if is_json:
        terminal.say_json([asdict(one) for one in found])
        return 0
    place = terminal.here()
    if found:
        terminal.say(questions_page(found, place.out, now()))
        terminal.tell(place.err.dim(f"answer the first: {answer_how(found[0], naming(db))}"))
    else:
        terminal.tell("nothing waits for a person" if run is None else "this run waits for nobody")
    return 0
