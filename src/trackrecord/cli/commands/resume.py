"""`trackrecord resume`: go on with a run that nobody carries any more, or with all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.carrying import Begin, Carried, carry_out
from trackrecord.cli.database import reader_of
from trackrecord.cli.ending import tell_ending
from trackrecord.cli.escape import line
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now, stamp
from trackrecord.errors import Conflict

if TYPE_CHECKING:
    from trackrecord.cli.live import View
    from trackrecord.handles import Started
    from trackrecord.wiring import Trackrecord

_LOOK_S = 0.5

RunId = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="id of a run, its beginning, or `last`; without it, all that can go on"),
]


def command(run: RunId = None, db: Db = None, is_json: AsJson = False) -> int:
    """Go on with a run whose process died, or that waited and whose time has come; nothing stored is done again.

    Exit code: as of `run`; without RUN 0 when each of them completed or waits again.
    """
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    tr = Trackrecord(db, resumes=False)
    if run is None:
        return _all(tr, db)
    with reader_of(db) as reader:
        found = reader.execution(run)
    run_id, name = str(found["id"]), str(found["agent_name"])
    carried = carry_out(tr, name, _resuming(tr, run_id, db), terminal.here())
    return tell_ending(carried, db, is_json=is_json)


def _resuming(tr: Trackrecord, run_id: str, db: str | None) -> Begin:
    async def begin(view: View) -> Started:
        await _until_free(run_id, db, view)
        return await tr.resume(run_id, watcher=view.watch)

    return begin


async def _until_free(run_id: str, db: str | None, view: View) -> None:
    """Wait for the lease of whoever carried it last to end; whoever still carries it keeps it up.

    Raises:
        Conflict: somebody carries it.
    """
    first: str | None = None
    while True:
        with reader_of(db) as reader:
            row = reader.execution(run_id)
        until = row["lease_until"]
        if row["status"] != "running" or until is None or until <= stamp(now()):
            return
        if first is None:
            first = until
            view.say("the process that carried it may have died: waiting for its lease to end, 10 s at most")
        elif until > first:
            raise Conflict(
                f"run {run_id!r} is carried by another process", cure=f"Watch it: trackrecord show {run_id}."
            )
        await asyncio.sleep(_LOOK_S)


def _all(tr: Trackrecord, db: str | None) -> int:
    """Go on with everything that nobody carries, all at once."""
    reader_of(db).close()  # one that is not there is an error here, not one to be made

    async def work() -> list[Carried]:
        async with tr:
            started = [await tr.resume(run_id) for run_id in await tr.left_behind()]
            if not started:
                return []
            terminal.tell(f"going on with {len(started)}: " + ", ".join(one.run_id for one in started))
            ended = await asyncio.gather(*(one.task for one in started), return_exceptions=True)
            return [_carried(one.run_id, end) for one, end in zip(started, ended, strict=True)]

    carried = asyncio.run(work())
    if not carried:
        terminal.say("nothing to go on with: no run was left behind, and none that waits is due")
    for one in carried:
        if one.run is not None:
            status = one.run.status
            terminal.say(f"{one.run.id}  {status}  {line(one.run.record.origin.agent_name, 40)}")
    return max((one.exit_code for one in carried), default=0)


def _carried(run_id: str, ended: object) -> Carried:
    from trackrecord.handles import Run  # loaded by now

    if isinstance(ended, Run):
        return Carried(run=ended, exit_code=0 if ended.status in ("completed", "waiting") else 1)
    terminal.tell(f"{run_id} could not go on: {ended}")
    return Carried(run=None, exit_code=1)
