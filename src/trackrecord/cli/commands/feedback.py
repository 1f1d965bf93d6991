"""`trackrecord feedback`: what a person says of a run, for the runs after it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.memory import feedback_told
from trackrecord.cli.typed import AsJson, Db
from trackrecord.cli.within import within
from trackrecord.memory.entries import Verdict


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="its id, the beginning of its id, or `last`")],
    verdict: Annotated[str, typer.Argument(metavar="good|bad", help="whether it did well")],
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="why, in a sentence or two")] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Say that a run was good or bad, and why.

    Later runs of the agent recall it behind the run's summary, which weighs 3 more from then on. The record of the run
    stays as it is. Said again, the newest word counts.
    """
    with reader_of(db) as reader:
        run_id = str(reader.execution(run)["id"])
    given = within(db, lambda tr: tr.feedback(run_id, cast("Verdict", verdict), text))
    if is_json:
        terminal.say_json(asdict(given))
    else:
        terminal.say(feedback_told(given, terminal.here().out))
    return 0
