"""The transactions of a question on SQLite: it is asked once, answered once, and the answer wakes its run.

Each a function inside one transaction of the writer. Two that answer at once are told apart by a conditional update:
one is stored, the other learns who was faster. Must never commit, and never change what was decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Final, Literal

from trackrecord import clock, failpoints
from trackrecord.canonical import Json, clean, clean_text, dumps, encode_clean
from trackrecord.context.questions import Asked, Standing
from trackrecord.errors import BadInput, Conflict, NotAnApprover, UnknownRun
from trackrecord.sealed import sealed
from trackrecord.store import approval_statements, statements
from trackrecord.store.asked import StoredQuestion, Vote, latest, question
from trackrecord.store.driver import Connection
from trackrecord.store.states import ENDED
from trackrecord.store.transactions import audit
from trackrecord.tenancy import LOCAL_USER

Decision = Literal["approved", "rejected"]
Outcome = Literal["done", "retry"]
TIMED_OUT: Final = "timed out"
_STEPS: Final = re.compile(r"(?:^|/)s:([^/]+)")
MOST_COMMENT: Final = 2_000
MOST_NAME: Final = 200
MOST_DATA: Final = 1 << 20


@sealed
class Answer:
    """What somebody says to a question.

    Attributes:
        path: of the question; None takes the only open one of the run.
        by: who says it, as the question names its approvers.
        actor_id: the user of the installation under whom it is audited.
    """

    tenant_id: str
    run_id: str
    path: str | None
    by: str
    decision: Decision
    comment: str | None
    actor_id: str


@sealed
class Settlement:
    """What became of an effect whose outcome nobody knew.

    Attributes:
        path: the effect's.
        data: what it gave; of `retry` nothing.
    """

    tenant_id: str
    run_id: str
    path: str
    outcome: Outcome
    data: Json
    by: str
    actor_id: str


def ask(connection: Connection, asked: Asked) -> Standing:
    """Store a question unless its run and path have one; how that one stands.

    What became of an effect is asked anew when it was settled as `retry` and then interrupted once more.
    """
    connection.execute(
        statements.INSERT_QUESTION,
        (
            asked.tenant_id,
            asked.run_id,
            _path(connection, asked),
            asked.kind,
            asked.message,
            encode_clean(list(asked.approvers)),
            asked.needs,
            clock.stamp(clock.now()),
            asked.expires_at,
            asked.on_timeout,
            "[]",
        ),
    )
    failpoints.reach("approval.ask")
    return standing(connection, asked.tenant_id, asked.run_id, asked.path)


def standing(connection: Connection, tenant_id: str, run_id: str, path: str) -> Standing:
    """How a question stands.

    Raises:
        BadInput: the run has not asked it.
    """
    found = latest(connection, tenant_id, run_id, path)
    if found is None:
        raise BadInput(f"run {run_id!r} asks nothing at {path!r}", cure="`trackrecord approvals` lists what is open.")
    return found[1]


def expire(connection: Connection, tenant_id: str, run_id: str, path: str) -> Standing:
    """Decide by what no answer counts as, unless somebody was faster or there is time left; how it stands."""
    now = clock.stamp(clock.now())
    bound = (TIMED_OUT, now, tenant_id, run_id, path, now)
    row = connection.execute(approval_statements.EXPIRE, bound).fetchone()
    if row is not None:
        _wake(connection, tenant_id, run_id, now)
        (owner,) = connection.execute(approval_statements.SELECT_OWNER, (tenant_id, run_id)).fetchone()
        details = dumps({"path": path, "decision": row[0], "by": None})
        audit(connection, tenant_id, owner, "approval.decided", run_id, now, details)
    failpoints.reach("approval.expire")
    return standing(connection, tenant_id, run_id, path)


def decide(connection: Connection, answer: Answer) -> StoredQuestion:
    """Count an answer, and decide by it when that is enough; the question as it stands then.

    Raises:
        UnknownRun: there is no such run. BadInput: it asks nothing, not this, or more than one thing.
        Conflict: it has ended, the question is decided, its time is over, or this person has voted.
        NotAnApprover: it is for others to decide.
    """
    tenant_id, run_id, now = answer.tenant_id, answer.run_id, clock.stamp(clock.now())
    status, questions = _questions(connection, tenant_id, run_id)
    asked = _picked(run_id, status, questions, answer.path)
    if asked.kind != "approval":
        raise BadInput(
            f"{asked.place!r} of run {run_id!r} is no approval: nobody knows whether it had its effect",
            cure=f"Say what became of it: trackrecord settle {run_id} {asked.place} --outcome done|retry.",
        )
    _check_open(asked, status, now)
    _check_approver(asked, answer.by)
    vote = Vote(by=answer.by, decision=answer.decision, comment=answer.comment, at=now)
    votes = (*asked.votes, vote)
    key = (tenant_id, run_id, asked.path)
    connection.execute(approval_statements.SAVE_VOTES, (encode_clean([asdict(one) for one in votes]), *key))
    is_decided = _is_enough(asked, votes)
    if is_decided:
        _decide(connection, key, answer.decision, answer.by, answer.comment, now)
    failpoints.reach("approval.decide")
    action = "approval.decided" if is_decided else "approval.voted"
    details = dumps({"path": asked.path, "decision": answer.decision, "by": answer.by})
    audit(connection, tenant_id, answer.actor_id, action, run_id, now, details)
    return question(connection.execute(approval_statements.SELECT_QUESTION, key).fetchone())


def settle(connection: Connection, settlement: Settlement) -> StoredQuestion:
    """Give an effect of unknown outcome the end that a person says it had; the question as it stands then.

    Raises:
        UnknownRun: there is no such run. BadInput: nothing is unknown there.
        Conflict: the run does not wait, or it was settled already.
    """
    tenant_id, run_id, now = settlement.tenant_id, settlement.run_id, clock.stamp(clock.now())
    status, questions = _questions(connection, tenant_id, run_id)
    asked = _picked(run_id, status, questions, settlement.path)
    if asked.kind != "unknown_outcome":
        raise BadInput(
            f"{asked.path!r} of run {run_id!r} is an approval: there is no outcome to be settled",
            cure=f"Decide it: trackrecord approve {run_id} {asked.path}, or reject.",
        )
    _check_open(asked, status, now)
    if status != "waiting":
        raise Conflict(
            f"run {run_id!r} is {status}: an outcome is settled while the run waits for it",
            cure="Try again once `trackrecord approvals` shows it as waiting.",
        )
    key = (tenant_id, run_id, asked.path)
    _close(connection, (tenant_id, run_id, asked.place), settlement)
    _decide(connection, key, settlement.outcome, settlement.by, None, now)
    failpoints.reach("approval.settle")
    details = dumps({"path": asked.place, "outcome": settlement.outcome, "by": settlement.by})
    audit(connection, tenant_id, settlement.actor_id, "outcome.settled", run_id, now, details)
    return question(connection.execute(approval_statements.SELECT_QUESTION, key).fetchone())


def checked_name(by: str) -> str:
    """Who answers, as it is stored.

    Raises:
        BadInput: it names nobody.
    """
    name = clean_text(by.strip())
    if not name or len(name) > MOST_NAME:
        raise BadInput(f"{by[:40]!r} names nobody", cure=f"Give a name of 1 to {MOST_NAME} characters.")
    return name


def checked_comment(comment: str | None) -> str | None:
    """What was said, as it is stored; None when it was nothing.

    Raises:
        BadInput: it is too long.
    """
    words = "" if comment is None else clean_text(comment.strip())
    if len(words) > MOST_COMMENT:
        raise BadInput(f"a comment of {len(words):,} characters is too long", cure=f"Say it in {MOST_COMMENT:,}.")
    return words or None


def checked_data(outcome: str, data: Json) -> Json:
    """What the effect gave, as it is stored.

    Raises:
        BadInput: the outcome is none, it takes no data, or there is too much of it.
    """
    if outcome not in ("done", "retry"):
        raise BadInput(f"{outcome!r} is no outcome", cure="Say `done`, with the data it gave, or `retry`.")
    if outcome == "retry" and data is not None:
        raise BadInput("'retry' takes no data", cure="The effect will give its own; or say `done` with this data.")
    plain = clean(data)
    if len(encode_clean(plain).encode()) > MOST_DATA:
        raise BadInput("the data of the effect has more than 1 MiB", cure="Give the part that the run goes on with.")
    return plain


def _path(connection: Connection, asked: Asked) -> str:
    """Under which path the question is stored."""
    last = latest(connection, asked.tenant_id, asked.run_id, asked.path)
    if asked.kind == "approval" or last is None:
        return asked.path
    at, stands = last
    number = int(at.removeprefix(f"{asked.path}#")) if at != asked.path else 1
    return at if stands.decision is None else f"{asked.path}#{number + 1}"


def _questions(connection: Connection, tenant_id: str, run_id: str) -> tuple[str, list[StoredQuestion]]:
    """The run's status and everything it has asked, the oldest first."""
    row = connection.execute(statements.SELECT_STATUS, (tenant_id, run_id)).fetchone()
    if row is None:
        raise UnknownRun(f"there is no run {run_id!r}", cure="`trackrecord runs` lists them.")
    found = connection.execute(approval_statements.SELECT_QUESTIONS, (tenant_id, run_id))
    return row[0], [question(one) for one in found]


def _picked(run_id: str, status: str, questions: Sequence[StoredQuestion], path: str | None) -> StoredQuestion:
    """The question at the path, or the one that a step of this id asks; without a path the only open approval.

    A path may leave its last word out.
    """
    if path is None:
        return _only(run_id, status, questions)
    found = {one.place: one for one in questions if path in (one.path, one.place)}  # the latest at each place
    found = found or {one.place: one for one in questions if one.place.rpartition("/")[0] == path}
    found = found or _of_step(questions, path)
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        places = ", ".join(map(repr, found))
        raise BadInput(f"step {path!r} of run {run_id!r} asks {len(found)} questions", cure=f"Say which: {places}.")
    open_paths = [one.place for one in questions if one.is_open]
    near = get_close_matches(path, [one.place for one in questions], 1)
    cure = f"Did you mean {near[0]!r}? " if near else ""
    cure += f"Open there: {', '.join(map(repr, open_paths))}." if open_paths else "Nothing is open there."
    raise BadInput(f"run {run_id!r} asks nothing at {path!r}", cure=cure)


def _of_step(questions: Sequence[StoredQuestion], step: str) -> dict[str, StoredQuestion]:
    """What steps of this id ask: what is open of it, else the last, which tells why it is not."""
    asked = [one for one in questions if _STEPS.findall(one.place)[-1:] == [step]]
    return {one.place: one for one in [one for one in asked if one.is_open] or asked[-1:]}


def _only(run_id: str, status: str, questions: Sequence[StoredQuestion]) -> StoredQuestion:
    approvals = [one for one in questions if one.kind == "approval"]
    undecided = [one for one in approvals if one.is_open]
    if len(undecided) == 1:
        return undecided[0]
    if undecided:
        paths = ", ".join(repr(one.path) for one in undecided)
        raise BadInput(f"run {run_id!r} asks {len(undecided)} questions", cure=f"Say which: {paths}.")
    if approvals:
        return max(approvals, key=lambda one: one.decided_at or "")  # whoever decided it was faster
    if status in ENDED:
        raise Conflict(f"run {run_id!r} has ended as {status!r}", cure="It asks nothing any more.")
    others = [one.place for one in questions if one.is_open]
    cure = f"Settle {others[0]!r}: nobody knows its outcome." if others else "`trackrecord approvals` lists who asks."
    raise BadInput(f"run {run_id!r} ({status}) asks for no approval", cure=cure)


def _check_open(asked: StoredQuestion, status: str, now: str) -> None:
    at = f"{asked.place!r} of run {asked.run_id!r}"
    decided = f"{at} was decided by {_who(asked)} at {asked.decided_at}: {asked.decision}"
    if status in ENDED:
        told = f"; {decided}" if asked.decision is not None else ""
        raise Conflict(f"run {asked.run_id!r} has ended as {status!r}{told}", cure="Nothing was changed.")
    if asked.decision is not None:
        raise Conflict(decided, cure="Nothing was changed: the first decision counts.")
    if asked.is_withdrawn:
        raise Conflict(
            f"{at} is asked no more: another branch was first, one beside it failed, or time was over",
            cure="Nothing was changed. `trackrecord approvals` lists what is open.",
        )
    if asked.expires_at is not None and asked.expires_at <= now:
        raise Conflict(
            f"the time to answer {at} was over at {asked.expires_at}",
            cure="Nothing was changed: what no answer counts as was settled when it was asked.",
        )


def _who(asked: StoredQuestion) -> str:
    return "nobody in time" if asked.decided_by is None else _named(asked.decided_by)


def _named(by: str) -> str:
    return "the local user" if by == LOCAL_USER else repr(by)


def _check_approver(asked: StoredQuestion, by: str) -> None:
    if asked.approvers and by not in asked.approvers:
        near = get_close_matches(by, asked.approvers, 1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise NotAnApprover(
            f"{_named(by)} may not decide {asked.path!r} of run {asked.run_id!r}",
            cure=f"{hint}It is for {', '.join(map(repr, asked.approvers))} to decide; say who you are: --as NAME.",
        )
    for vote in asked.votes:
        if vote.by == by:
            raise Conflict(
                f"{_named(by)} has voted on {asked.path!r} of run {asked.run_id!r} already, "
                f"at {vote.at}: {vote.decision}",
                cure=f"Nothing was changed; it waits for {', '.join(map(repr, asked.missing))}.",
            )


def _is_enough(asked: StoredQuestion, votes: Sequence[Vote]) -> bool:
    """Whether the last vote decides."""
    if asked.needs == "any" or votes[-1].decision == "rejected":
        return True
    return set(asked.approvers) <= {vote.by for vote in votes}


def _decide(
    connection: Connection, key: tuple[str, str, str], decision: str, by: str, comment: str | None, now: str
) -> None:
    tenant_id, run_id, path = key
    if connection.execute(approval_statements.DECIDE, (decision, by, comment, now, *key)).rowcount != 1:
        raise Conflict(f"{path!r} of run {run_id!r} was decided meanwhile", cure="Nothing was changed.")
    _wake(connection, tenant_id, run_id, now)


def _wake(connection: Connection, tenant_id: str, run_id: str, now: str) -> None:
    """Make a waiting run due: whoever sweeps takes it."""
    connection.execute(approval_statements.WAKE_RUN, (now, tenant_id, run_id, now))


def _close(connection: Connection, key: tuple[str, str, str], settlement: Settlement) -> None:
    """Make the attempt that was open a finished one, with what is said of it as its outcome."""
    row = connection.execute(approval_statements.SELECT_LAST_ATTEMPT, key).fetchone()
    outcome = {"settled": settlement.outcome} | ({"value": settlement.data} if settlement.outcome == "done" else {})
    attempt, state = (0, "done") if row is None else row
    closing = (encode_clean(outcome), *key, attempt)
    if state != "started" or connection.execute(approval_statements.SETTLE_CHECKPOINT, closing).rowcount != 1:
        raise Conflict(
            f"no attempt is open at {key[2]!r} of run {key[1]!r}", cure="Nothing was changed: its outcome is known."
        )
