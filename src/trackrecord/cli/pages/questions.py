"""Questions to people on a page: what waits for whom and until when, and how it was decided. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from trackrecord.cli.escape import line, prose
from trackrecord.cli.look import Look, paragraph, spread, wrapped
from trackrecord.cli.pages.runs import id_length
from trackrecord.cli.units import ago, duration, exact
from trackrecord.clock import moment
from trackrecord.tenancy import LOCAL_USER

if TYPE_CHECKING:
    from trackrecord.store.asked import StoredQuestion

_ENDS: Final = {"approve": "approved", "reject": "rejected"}
_OUTCOMES: Final = {"done": "it had its effect", "retry": "it had none, and is called again"}


def questions_page(questions: Sequence[StoredQuestion], look: Look, now: datetime) -> str:
    """What waits for a person, the oldest first: a paragraph each."""
    length = id_length(list({one.run_id for one in questions}))
    blocks: list[str] = []
    for one in questions:
        name = f"{_sign(one, look)} {one.run_id[:length]}  {look.paint(line(one.agent_name, look.width - 40), 'bold')}"
        head = spread(look, name, f"asked {ago(one.requested_at, now)}")
        body = [look.dim(line(one.place, 400)), *_message(one, look), *open_facts(one, look.width - 2, now)]
        blocks.append("\n".join([head, *(f"  {text}" for text in body)]))
    return "\n\n".join(blocks)


def question_lines(questions: Sequence[StoredQuestion], look: Look, now: datetime) -> list[str]:
    """The section of a run's page about what it asked of people; empty when it asked nothing."""
    lines = [look.heading("Asked of people")] if questions else []
    for one in questions:
        lines.append(f"  {_sign(one, look)} {line(one.place, look.width - 4)}")
        lines += [f"    {text}" for text in _message(one, look)]
        told = open_facts(one, look.width - 4, now) if one.is_open else [fate(one)]
        lines += [f"    {look.dim(text)}" for each in told for text in paragraph(each, look.width - 4)]
    return lines


def open_facts(one: StoredQuestion, columns: int, now: datetime) -> list[str]:
    """Who may decide an open question, who has, and until when."""
    if one.kind == "unknown_outcome":
        until = "" if one.expires_at is None else f"until {_moment(one.expires_at, now)}, then the run ends"
        return wrapped(("say what became of it", until), columns=columns)
    voted = ", ".join(f"{who(vote.by)} {vote.decision}" for vote in one.votes)
    until = "" if one.expires_at is None else f"until {_moment(one.expires_at, now)}, then {_ENDS[one.on_timeout]}"
    parts = (f"for {approvers(one)}", f"so far {voted}" if voted else "", until)
    return [text for part in wrapped(parts, columns=columns) for text in paragraph(part, columns)]


def fate(one: StoredQuestion) -> str:
    """How a question was decided: by whom, after how long, and with which words; or why it never was."""
    if one.decision is None:
        went_on = one.is_withdrawn and one.run_status in ("running", "waiting", "completed")
        return "withdrawn: the run went on without it" if went_on else "the run ended before anybody answered"
    took = _between(one.requested_at, str(one.decided_at))
    said = f": {line(one.comment, 500)}" if one.comment and one.decided_by is not None else ""
    if one.decided_by is None:
        return f"{one.decision} after {took}, for nobody answered in time"
    what = f"{one.decision}, for {_OUTCOMES[one.decision]}" if one.decision in _OUTCOMES else one.decision
    return f"{what} by {who(one.decided_by)} after {took}{said}"


def answer_told(one: StoredQuestion, look: Look) -> str:
    """What an answer did."""
    at = f"run {one.run_id[:13]}: {line(one.place, 200)}"
    if one.decision is None:
        left = ", ".join(map(who, one.missing))
        return f"{at}: {len(one.votes)} of {len(one.approvers)} have approved; it waits for {left}"
    style = "red" if one.decision == "rejected" else "green"
    told = look.paint(one.decision, style)
    if one.decision in _OUTCOMES:
        return f"{at} is settled as {told}: {_OUTCOMES[one.decision]}"
    return f"{at} is {told} by {who(str(one.decided_by))}"


def answer_how(one: StoredQuestion, db: str = "") -> str:
    """The command that answers an open question."""
    if one.kind == "unknown_outcome":
        return f"trackrecord settle {one.run_id[:13]} {line(one.place, 400)} --outcome done|retry{db}"
    name = " --as NAME" if one.approvers else ""
    return f"trackrecord approve|reject {one.run_id[:13]} {line(one.place, 400)}{name}{db}"


def approvers(one: StoredQuestion) -> str:
    """Who may decide, in words."""
    if not one.approvers:
        return "anybody"
    *most, last = [who(name) for name in one.approvers]
    word = "and" if one.needs == "all" else "or"
    return f"{', '.join(most)} {word} {last}" if most else last


def who(name: str) -> str:
    """Somebody's name; of this installation's own user what it is."""
    return "the local user" if name == LOCAL_USER else line(name, 60)


def waits(reason: str | None, since: str | None, until: str | None, now: datetime) -> str:
    """What a waiting run waits for, since when and until when, as a sentence without its end."""
    if reason == "approval":
        return joined_up("waits for a person", since and f"since {_moment(since, now)}")
    if reason == "unknown_outcome":
        what = "waits for a person to say whether an unsafe call had its effect"
        return joined_up(what, since and f"since {_moment(since, now)}")
    if reason == "delay":
        return joined_up("waits", until and f"until {_moment(until, now)}")
    if reason == "child":
        return "waits for a run that it started"
    return joined_up("is waiting", reason and f"for {line(reason, 40)}")


def joined_up(first: str, then: str | None) -> str:
    """Two parts of a sentence, of which the second may be missing."""
    return f"{first} {then}" if then else first


def _sign(one: StoredQuestion, look: Look) -> str:
    if not one.is_open and one.decision is None:
        return look.dim("-")
    if one.decision is None:
        return look.paint("?" if one.kind == "unknown_outcome" else "‖", "cyan")
    return look.paint("✗", "red") if one.decision == "rejected" else look.paint("✓", "green")


def _message(one: StoredQuestion, look: Look) -> list[str]:
    return paragraph(prose(one.message), look.width - 4)


def _between(first: str, then: str) -> str:
    return duration(max(0, round((moment(then) - moment(first)) / timedelta(microseconds=1))))


def _moment(stamp: str, now: datetime) -> str:
    """A moment with how far it is, ahead or behind."""
    ahead = moment(stamp) - now
    if ahead <= timedelta():
        return f"{exact(stamp)} ({ago(stamp, now)})"
    return f"{exact(stamp)} (in {duration(round(ahead / timedelta(microseconds=1)))})"
