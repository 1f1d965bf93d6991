"""Answering what a run asks, for the commands that do: the run found by what was typed, the answer given and told.

Must never decide: the store says who may, and who was first.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.questions import answer_told
from trackrecord.cli.within import within
from trackrecord.store import approval_statements
from trackrecord.store.asked import StoredQuestion, question
from trackrecord.tenancy import LOCAL_USER

if TYPE_CHECKING:
    from trackrecord.store.reader import SqliteReader
    from trackrecord.wiring import Trackrecord

AskingRun = Annotated[str, typer.Argument(metavar="RUN", help="its id, the beginning of its id, or `last`")]
QuestionPath = Annotated[
    str | None,
    typer.Argument(metavar="[PATH]", help="where it asks, like s:ok/wait or s:ok; not needed when it asks one thing"),
]
By = Annotated[str, typer.Option("--as", metavar="NAME", help="who says so; without it this installation's own user")]
Comment = Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="why; kept, and told to the run")]
BY: Final = LOCAL_USER


def answer(
    run: str,
    db: str | None,
    work: Callable[[Trackrecord, str], Awaitable[StoredQuestion]],
    *,
    is_json: bool,
) -> int:
    """Give an answer to the run that was meant, and tell what it did."""
    with reader_of(db) as reader:
        run_id = str(reader.execution(run)["id"])
    answered = within(db, lambda tr: work(tr, run_id))
    if is_json:
        terminal.say_json(asdict(answered))
        return 0
    place = terminal.here()
    terminal.say(answer_told(answered, place.out))
    terminal.tell(place.err.dim(_next(answered, db)))
    return 0


def open_questions(reader: SqliteReader, run_id: str | None = None) -> list[StoredQuestion]:
    """What waits for a person, the oldest first."""
    given = (reader.tenant_id, run_id, run_id)
    return [question(row) for row in reader.tuples(approval_statements.SELECT_OPEN_QUESTIONS, given)]


def naming(db: str | None) -> str:
    """The option that names this database in a command to be typed; empty when none was named."""
    return f" --db {shlex.quote(db)}" if db else ""


def _next(answered: StoredQuestion, db: str | None) -> str:
    """How the run goes on."""
    if answered.decision is None:
        return ""
    if answered.run_status == "waiting":
        return f"it goes on wherever this database is open, or here: trackrecord resume {answered.run_id}{naming(db)}"
    return "the run is under way, and finds it by itself"
