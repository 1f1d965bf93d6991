"""Memories on a page: a list of them, one of them whole, and what people said of a run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from trackrecord.cli.escape import line
from trackrecord.cli.look import Column, Look, pad, paragraph, spread, table
from trackrecord.cli.pages.runs import id_length
from trackrecord.cli.units import ago, count, exact, many
from trackrecord.clock import moment
from trackrecord.tenancy import LOCAL_USER

if TYPE_CHECKING:
    from trackrecord.store.feedback import Feedback
    from trackrecord.store.memory_lists import StoredMemory
    from trackrecord.store.reader import Row

_COLUMNS: Final = (
    Column(title="memory"),
    Column(title="kind"),
    Column(title="imp", is_right=True),
    Column(title="kept", is_right=True),
    Column(title="agent", least=8),
    Column(title="user", least=5, most=13),
    Column(title="what", least=10),
)
_SOURCES: Final = {
    "rule": "summed up by rule",
    "model": "summed up by a model",
    "folded": "folded by rule",
    "run": "remembered by a run",
    "person": "added by a person",
}
_LABEL: Final = 10
_INDENT: Final = 8  # of what was said, behind `good` or `bad`


def memory_list(memories: Sequence[StoredMemory], look: Look, now: datetime) -> str:
    """A line per memory; of an erased one only its figures are left."""
    length = id_length([one.id for one in memories])
    drawn = [
        (
            one.id[:length],
            one.kind,
            str(one.importance),
            _kept(one, now),
            line(one.agent_name or "", 40),
            "" if one.user_id == LOCAL_USER else line(one.user_id, 13),
            line(" ".join((one.text or "").split()), look.width) if one.text is not None else "(erased)",
        )
        for one in memories
    ]
    return "\n".join(table(look, _COLUMNS, drawn))


def memory_page(memory: StoredMemory, look: Look, now: datetime) -> str:
    """One memory: all of its text, where it came from, and for how long it is kept."""
    kept = _kept(memory, now)
    state = kept if memory.is_pinned or memory.erased_at is not None else f"kept {kept} more"
    head = spread(look, look.paint(memory.kind, "bold"), f"importance {memory.importance} · {state}")
    text = "(erased)" if memory.text is None else line(memory.text, 40 * look.width)
    body = [f"  {part}" for part in paragraph(text, look.width - 2)]
    rows = {
        "agent": line(memory.agent_name or memory.agent_id or "", look.width - 14),
        "user": "" if memory.user_id == LOCAL_USER else line(memory.user_id, 40),
        "source": _SOURCES.get(memory.source, memory.source),
        "run": memory.run_id or "",
        "stands for": many(memory.folded_count + 1, "run") if memory.folded_count else "",
        "said": f"{count(memory.repeat_count + 1)} times" if memory.repeat_count else "",
        "stored": f"{exact(memory.created_at)} ({ago(memory.created_at, now)})",
        "until": "" if memory.is_pinned else exact(memory.expires_at),
        "erased": "" if memory.erased_at is None else exact(memory.erased_at),
    }
    facts = [f"  {look.dim(pad(name, _LABEL))}  {value}" for name, value in rows.items() if value]
    return "\n".join([head, look.dim(f"memory {memory.id}"), "", *body, "", *facts])


def feedback_lines(rows: Sequence[Row], look: Look, now: datetime) -> list[str]:
    """What people said of a run, the newest first, which is the one that counts."""
    if not rows:
        return []
    lines = [look.heading("Feedback")]
    for place, row in enumerate(rows):
        words = "(erased)" if row["erased_at"] is not None else line(str(row["text"] or ""), 3 * look.width)
        verdict, when = str(row["verdict"]), ago(row["created_at"], now)
        first, *more = paragraph(f"{words} ({when})".strip(), look.width - _INDENT)
        shown = [f"  {verdict:<4}  {first}", *(" " * _INDENT + text for text in more)]
        lines += shown if place == 0 else [look.dim(text) for text in shown]
    return lines


def feedback_told(given: Feedback, look: Look) -> str:
    """What a feedback did."""
    style = "green" if given.verdict == "good" else "red"
    before = "" if given.earlier is None else f", in place of {given.earlier}: the newest counts"
    return f"run {given.run_id[:13]} is called {look.paint(given.verdict, style)}{before}"


def _kept(memory: StoredMemory, now: datetime) -> str:
    """For how long it is kept yet."""
    if memory.erased_at is not None:
        return "erased"
    if memory.is_pinned:
        return "pinned"
    left = moment(memory.expires_at) - now
    return "expired" if left.total_seconds() <= 0 else f"{left.days} d" if left.days else "< 1 d"
