"""`trackrecord runs`: the list, newest first, and what narrows it down."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Final

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.runs import runs_note, runs_page
from trackrecord.cli.signs import STATUSES
from trackrecord.cli.stored import execution_json
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import moment, now, stamp
from trackrecord.errors import BadInput
from trackrecord.store.reader import MAX_LISTED, RunFilter

_SPAN: Final = re.compile(r"(\d{1,6})\s*(s|min|m|h|d|w)")
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_LIMIT: Final = 20


def command(
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="of this agent: its name or id")] = None,
    engine: Annotated[str | None, typer.Option("--engine", metavar="NAME", help="by this engine")] = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATE", help="in this state, like failed")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="begun since: 30m, 2h, 3d, or 2026-03-09T08:00:00Z")
    ] = None,
    limit: Annotated[str, typer.Option("--limit", "-n", metavar="N", help="at most so many (20)")] = str(_LIMIT),
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """List runs, newest first."""
    most = read_limit(limit)
    wanted = RunFilter(
        agent=agent,
        engine=engine,
        status=None if status is None else read_status(status),
        since=None if since is None else read_since(since, now()),
        limit=most + 1,
    )
    with reader_of(db) as reader:
        found = reader.runs(wanted)
    rows = found[:most]
    if is_json:
        terminal.say_json([execution_json(row) for row in rows])
        return 0
    place = terminal.here()
    if rows:
        terminal.say(runs_page(rows, place.out, now()))
        terminal.tell(place.err.dim(runs_note(rows)))
    else:
        is_narrowed = any(value is not None for value in (agent, engine, status, since))
        terminal.tell("no run fits" if is_narrowed else "no runs yet: trackrecord demo makes two")
    if len(found) > most:
        terminal.tell(place.err.dim(f"there are more: --limit {min(most * 5, MAX_LISTED)}"))
    return 0


def read_status(text: str) -> str:
    """A run's state as it is stored.

    Raises:
        BadInput: there is none of that name.
    """
    wanted = text.strip().lower().replace("-", "_").replace(" ", "_")
    if wanted in STATUSES:
        return wanted
    near = get_close_matches(wanted, STATUSES, 1)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise BadInput(f"--status {text!r} is no state of a run", cure=f"{meant}There are {', '.join(STATUSES)}.")


def read_since(text: str, present: datetime) -> str:
    """The stamp of a moment, or of so long before the present.

    Raises:
        BadInput: it is neither.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        if span is not None:
            return stamp(present - timedelta(seconds=int(span[1]) * _UNITS[span[2]]))
        return stamp(moment(text.strip()))
    except (ValueError, OverflowError) as error:
        reason = str(error) if "zone" in str(error) else f"--since {text!r} is no time"
        raise BadInput(reason, cure="Write 30m, 2h, 3d, or a moment like 2026-03-09T08:00:00Z.") from None


def read_limit(text: str) -> int:
    """A number of runs.

    Raises:
        BadInput: it is no whole number from 1 to 100,000.
    """
    if text.strip().isdecimal() and 1 <= int(text) < MAX_LISTED:
        return int(text)
    raise BadInput(f"--limit {text!r} is no number of runs", cure=f"Write a whole number from 1 to {MAX_LISTED - 1:,}.")
