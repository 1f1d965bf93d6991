"""`trackrecord intensity`: how heavy an agent is."""

from __future__ import annotations

from typing import Annotated

import typer

from trackrecord.canonical import Json, loads
from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.intensity import intensity_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.store.reader import Row

_LISTS = ("plugins_ever", "memory_types_ever", "recent_output_tokens")


def command(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="its name, its id, or the beginning of its id")],
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Show how heavy an agent is: its scores with their parts, its class, and how much of them is known."""
    with reader_of(db) as reader:
        found = reader.agent(agent)
        row = reader.intensity(str(found["id"]))
    if is_json:
        terminal.say_json({"agent": dict(found), "intensity": None if row is None else _json(row)})
    elif row is None:
        terminal.tell("no run of this agent has ended yet, so there is nothing to score")
    else:
        terminal.say(intensity_page(found, row, terminal.here().out))
    return 0


def _json(row: Row) -> dict[str, Json]:
    return {**row, **{name: loads(row[name]) for name in _LISTS}}
