"""`trackrecord verify`: the oracle."""

from __future__ import annotations

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of, scoring
from trackrecord.cli.typed import AsJson, Db


def command(db: Db = None, is_json: AsJson = False) -> int:
    """Recount everything and name each row that does not add up. Exit code: 0 all is well, 1 something is off."""
    from trackrecord.cli.pages.verification import verification_page  # the fold and every check
    from trackrecord.verify import verify

    with reader_of(db) as reader:
        found = verify(reader, scoring())
    if is_json:
        terminal.say_json(found.to_json())
    else:
        terminal.say(verification_page(found, terminal.here().out))
    return 0 if found.is_clean else 1
