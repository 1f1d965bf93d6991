"""`trackrecord show`: the record of one run, on a page, as JSON, or as a page of its own for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.stored import StoredRun, read_run
from trackrecord.cli.target import targets
from trackrecord.cli.typed import AsJson, Db
from trackrecord.clock import now
from trackrecord.errors import StoreError

if TYPE_CHECKING:
    from trackrecord.canonical import Json
    from trackrecord.store.reader import SqliteReader

_HTML = "--html"


def command(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="its id, the beginning of its id, or `last` (which it is without)")
    ] = "last",
    is_whole: Annotated[bool, typer.Option("--all", help="draw every span and print the whole answer")] = False,
    html: Annotated[
        str | None,
        typer.Option(_HTML, metavar="FILE", help="write it as one self-contained page instead; - for standard output"),
    ] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Show the record of a run: how it ended, what it answered, what it used, and where its time went."""
    wanted = targets([(_HTML, html)], is_stdout_free=not is_json)
    with reader_of(db) as reader:
        found = read_run(reader, run)
        added = _added(reader, found) if wanted else None
    if wanted:
        from trackrecord.cli.html.record import record_html  # a page on a terminal needs none of it

        wanted[_HTML].write(record_html(found, now(), added))
    if is_json:
        terminal.say_json(found.to_json())
    elif not wanted:
        terminal.say(record_page(found, terminal.here().out, now(), is_whole=is_whole))
    return 0


def _added(reader: SqliteReader, run: StoredRun) -> Mapping[str, Json] | None:
    """What a run that has ended added to its agent's intensity metrics; None when its rows cannot be added up."""
    if not run.has_ended:
        return None
    from trackrecord.parity import footprint  # the fold, to recompute it
    from trackrecord.parity.added import intensity_recounted

    try:
        return intensity_recounted(footprint(reader, run.run_id))
    except StoreError:
        return None
