"""What a command says of the run it has carried out: the answer on stdout, what it used on stderr."""

from __future__ import annotations

from trackrecord.cli import terminal
from trackrecord.cli.answer import answer_text
from trackrecord.cli.answering import naming, open_questions
from trackrecord.cli.carrying import Carried
from trackrecord.cli.database import reader_of
from trackrecord.cli.escape import prose
from trackrecord.cli.look import paragraph
from trackrecord.cli.pages.questions import answer_how
from trackrecord.cli.pages.summary import summary
from trackrecord.cli.pages.waiting import left_behind, waiting
from trackrecord.cli.stored import read_run
from trackrecord.context.live_run import Parked


def tell_ending(carried: Carried, db: str | None, *, is_json: bool) -> int:
    """Say how it ended, or what it waits for; the exit code."""
    run = carried.run
    option = naming(db)
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
        _tell_waiting(run.parked, run.id, db)
    if carried.left_behind:
        terminal.tell(place.err.dim(left_behind(len(carried.left_behind), option)))
    return carried.exit_code


def _tell_waiting(parked: Parked, run_id: str, db: str | None) -> None:
    """What the run asks, and how it is answered; or what else it waits for."""
    look = terminal.here().err
    with reader_of(db) as reader:
        questions = open_questions(reader, run_id)
    for one in questions:
        told = paragraph(prose(one.message), look.width - 2)
        terminal.tell("\n".join(f"  {text}" for text in (*told, look.dim(answer_how(one, naming(db))))))
    if not questions:
        terminal.tell(waiting(parked, run_id, naming(db)))
