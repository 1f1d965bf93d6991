"""`trackrecord agents`: who has run here."""

from __future__ import annotations

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.runs import agents_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now


def command(db: Db = None, is_json: AsJson = False) -> int:
    """List the agents that have run here, with their runs and how many of them completed."""
    with reader_of(db) as reader:
        rows = reader.agents()
    if is_json:
        terminal.say_json([dict(row) for row in rows])
    elif rows:
        terminal.say(agents_page(rows, terminal.here().out, now()))
    else:
        terminal.tell("no agent has run yet: trackrecord demo runs one")
    return 0
