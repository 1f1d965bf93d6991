"""`trackrecord schema`: the JSON Schema of what is written and of what is left, for editors and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord import __version__
from trackrecord.cli import terminal
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.canonical import Json

SCHEMAS: Final = ("agent", "script", "record")


def command(
    what: Annotated[
        str, typer.Argument(metavar="[WHAT]", help="agent (which it is without), script or record")
    ] = "agent",
) -> int:
    """Print a JSON Schema, draft 2020-12: of agent files or scripts, for editors, or of the logs of a run's record.

    `trackrecord new` puts the agent's beside the file it makes, where an editor finds it.
    """
    terminal.say(schema_text(what))
    return 0


def schema_text(what: str) -> str:
    """The text of a schema.

    Raises:
        BadInput: there is none of that name.
    """
    if what not in SCHEMAS:
        raise BadInput(f"there is no schema {what!r}", cure=f"There are {', '.join(SCHEMAS)}.")
    made = {"agent": _agent, "script": _script, "record": _record}[what]()
    return json.dumps(made | {"$comment": f"trackrecord {__version__}"}, indent=2, ensure_ascii=False)


def _agent() -> dict[str, Json]:
    from trackrecord.agent import file_schema  # the whole grammar of steps

    return file_schema.schema()


def _script() -> dict[str, Json]:
    from trackrecord.models import script_schema  # the rules of scripts

    return script_schema.schema()


def _record() -> dict[str, Json]:
    from trackrecord.record import log_schema  # the fold

    return log_schema.schema()
