"""`trackrecord settle`: what became of a call whose outcome nobody knows."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli.answering import BY, AskingRun, By, answer
from trackrecord.cli.inputs import read_data
from trackrecord.cli.typed import AsJson, Db
from trackrecord.errors import BadInput


def command(
    run: AskingRun,
    path: Annotated[str, typer.Argument(metavar="PATH", help="of the call, like s:send/tool or s:send")],
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", metavar="done|retry", help="it had its effect, or it had none: call it again"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="JSON", help="what it gave when it is done; @FILE, or - for standard input"),
    ] = None,
    by: By = BY,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Say what became of a call that was interrupted and may have had its effect.

    Its run waits for this and goes on with the answer: `done` takes the data
    as what the call gave, null without any; `retry` calls it again.
    """
    if outcome not in ("done", "retry"):
        what = "nothing is said of the outcome" if outcome is None else f"--outcome {outcome!r} is no outcome"
        raise BadInput(what, cure="Look whether it had its effect, then write --outcome done or --outcome retry.")
    given = None if data is None else read_data(data)
    return answer(run, db, lambda tr, run_id: tr.settle(run_id, path, outcome, given, by=by), is_json=is_json)
