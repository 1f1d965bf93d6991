"""`trackrecord rebuild`: the sums made anew from the records."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.typed import AsJson, Db

if TYPE_CHECKING:
    from trackrecord.store.rebuild import Rebuilt


def command(db: Db = None, is_json: AsJson = False) -> int:
    """Make statistics and intensity anew from the records, and say what changed. No record is touched.

    Exit code: 0 all is well now, 1 something is left that no program can mend.
    """
    reader_of(db).close()  # a database that is not there is an error here, not one to be made
    done = asyncio.run(_rebuild(db))
    if is_json:
        terminal.say_json(done.to_json())
    else:
        from trackrecord.cli.pages.verification import rebuilt_page  # beside the checks of verify

        terminal.say(rebuilt_page(done, terminal.here().out))
    return 0 if not done.unreadable and not done.differing_count else 1


async def _rebuild(db: str | None) -> Rebuilt:
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    async with Trackrecord(db, resumes=False) as tr:
        return await tr.rebuild()
