"""Feedback: what a person says of a run that has ended, beside its record and never in it.

Each time is a row of its own, the newest counts. The first one makes the run's summary weigh more. Written inside the
writer's transaction; must never change a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trackrecord import clock
from trackrecord.canonical import clean_text, dumps
from trackrecord.errors import BadInput, UnknownRun
from trackrecord.memory.entries import Verdict, clamp_importance, expires_at
from trackrecord.record.redact import Redactor
from trackrecord.store import memory_statements, statements
from trackrecord.store.driver import Connection
from trackrecord.store.states import LIVE
from trackrecord.store.transactions import audit

VERDICTS: Final[tuple[Verdict, ...]] = ("good", "bad")
MOST_CHARACTERS: Final = 2_000
WEIGHT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a person said of a run.

    Attributes:
        seq: 1 for the first time; the highest counts.
        verdict: `good` or `bad`.
        text: in which words, secrets taken out; None without any, or when they were erased.
        earlier: the verdict it takes the place of; None when it is the first.
    """

    run_id: str
    seq: int
    user_id: str
    verdict: Verdict
    text: str | None
    created_at: str
    earlier: Verdict | None = None


def checked(verdict: str, text: str | None, redactor: Redactor) -> tuple[Verdict, str | None]:
    """The verdict and the words as they are stored.

    Raises:
        BadInput: the verdict is none, or the words are too many.
    """
    if verdict not in VERDICTS:
        raise BadInput(f"{verdict!r} is no feedback", cure="Say good or bad, and then why.")
    words = redactor.text(clean_text(text.strip())) if text is not None else ""
    if len(words) > MOST_CHARACTERS:
        raise BadInput(
            f"feedback of {len(words):,} characters is too long", cure=f"Say it in {MOST_CHARACTERS:,} at most."
        )
    return verdict, words or None


def give(
    connection: Connection, tenant_id: str, run_id: str, user_id: str, verdict: Verdict, text: str | None
) -> Feedback:
    """Store one feedback on a run.

    Raises:
        UnknownRun: there is no such run. BadInput: it has not ended.
    """
    row = connection.execute(statements.SELECT_STATUS, (tenant_id, run_id)).fetchone()
    if row is None:
        raise UnknownRun(f"there is no run {run_id!r}", cure="`trackrecord runs` lists them.")
    if row[0] in LIVE:
        raise BadInput(f"run {run_id!r} is {row[0]}: there is nothing to judge yet", cure="Wait until it has ended.")
    last = connection.execute(memory_statements.SELECT_FEEDBACK, (tenant_id, run_id)).fetchone()
    seq, now = (1 if last is None else int(last[0]) + 1), clock.stamp(clock.now())
    connection.execute(statements.INSERT_FEEDBACK, (tenant_id, run_id, seq, user_id, verdict, text, now))
    if last is None:
        _weigh(connection, tenant_id, run_id)
    audit(connection, tenant_id, user_id, "run.feedback", run_id, now, dumps({"seq": seq, "verdict": verdict}))
    return Feedback(
        run_id=run_id,
        seq=seq,
        user_id=user_id,
        verdict=verdict,
        text=text,
        created_at=now,
        earlier=None if last is None else last[2],
    )


def _weigh(connection: Connection, tenant_id: str, run_id: str) -> None:
    """What a person took the trouble to comment on is worth more, and kept for as long as that."""
    rows = connection.execute(memory_statements.SELECT_WEIGHED, (tenant_id, run_id)).fetchall()
    for memory_id, importance, created_at, until in rows:
        weight = clamp_importance(importance + WEIGHT)
        later = max(until, expires_at(weight, created_at))
        connection.execute(memory_statements.SAVE_WEIGHT, (weight, later, tenant_id, memory_id))
