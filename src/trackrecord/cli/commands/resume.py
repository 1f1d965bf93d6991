"""`trackrecord resume`: go on with a run that nobody carries any more, or with all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.again import settings_again
from trackrecord.cli.carrying import Begin, Carried, carry_out
from trackrecord.cli.database import reader_of
from trackrecord.cli.ending import tell_ending
from trackrecord.cli.escape import line
from trackrecord.cli.typed import AsJson, Db
from trackrecord.cli.units import many
from trackrecord.cli.within import within
from trackrecord.clock import now, stamp
from trackrecord.errors import Conflict

if TYPE_CHECKING:
    from trackrecord.cli.live import View
    from trackrecord.config import Settings
    from trackrecord.handles import Run, Started
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
    if run is None:
        return _all(db)
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    with reader_of(db) as reader:
        found = reader.execution(run)
        settings = settings_again(reader, str(found["id"]), db)
    tr = Trackrecord(settings=settings, resumes=False)
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


def _all(db: str | None) -> int:
    """Go on with everything that nobody carries; at once what finds its files in the same folder."""
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    left = within(db, lambda tr: tr.left_behind())
    folders: dict[str | None, tuple[Settings, list[str]]] = {}
    with reader_of(db) as reader:
        for run_id in left:
            settings = settings_again(reader, run_id, db)
            folders.setdefault(settings.files_root, (settings, []))[1].append(run_id)
    if not left:
        terminal.say("nothing to go on with: no run was left behind, and none that waits is due")
    code = 0
    for settings, run_ids in folders.values():
        terminal.tell(f"going on with {many(len(run_ids), 'run')}: {', '.join(run_ids)}")
        for one in asyncio.run(_together(Trackrecord(settings=settings, resumes=False), run_ids)):
            code = max(code, one.exit_code)
            if one.run is not None:
                terminal.say(f"{one.run.id}  {one.run.status}  {line(one.run.record.origin.agent_name, 40)}")
    return code


async def _together(tr: Trackrecord, run_ids: Sequence[str]) -> list[Carried]:
    async with tr:
        ended = await asyncio.gather(*(_one(tr, run_id) for run_id in run_ids), return_exceptions=True)
    return [_carried(run_id, end) for run_id, end in zip(run_ids, ended, strict=True)]


async def _one(tr: Trackrecord, run_id: str) -> Run:
    return await (await tr.resume(run_id)).task


def _carried(run_id: str, ended: object) -> Carried:
    from trackrecord.handles import Run  # loaded by now

    if isinstance(ended, Run):
        return Carried(run=ended, exit_code=0 if ended.status in ("completed", "waiting") else 1)
    terminal.tell(f"{run_id} could not go on: {ended}")
    return Carried(run=None, exit_code=1)
