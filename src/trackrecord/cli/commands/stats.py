"""`trackrecord stats`: what an agent's runs add up to."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.stats import stats_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now


def command(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="its name, its id, or the beginning of its id")],
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Show what an agent's runs add up to, per user: how they ended, tokens, cost, time."""
    with reader_of(db) as reader:
        found = reader.agent(agent)
        rows = reader.stats(str(found["id"]))
    if is_json:
        terminal.say_json({"agent": dict(found), "stats": [dict(row) for row in rows]})
    else:
        terminal.say(stats_page(found, rows, terminal.here().out, now()))
    return 0
