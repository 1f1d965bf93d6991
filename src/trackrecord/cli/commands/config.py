"""`trackrecord config`: every setting as it holds here, and where it came from. Shows no secret, changes nothing."""

from __future__ import annotations

import os

from trackrecord.canonical import Json
from trackrecord.cli import terminal
from trackrecord.cli.typed import AsJson


def command(is_json: AsJson = False) -> int:
    """Show every setting, its value, and where it comes from; where data is kept; which keys of providers are set.

    Secrets are masked. A TRACKRECORD_ variable that is no setting is told on stderr, with what was probably meant.
    """
    from trackrecord.cli.configured import configured  # pydantic, and everything that has settings
    from trackrecord.cli.pages.config import config_page, warning_lines

    found = configured(os.environ)
    if is_json:
        rows: list[Json] = [
            {"variable": one.variable, "value": one.value, "source": one.source, "meaning": one.says}
            for one in found.settings
        ]
        terminal.say_json(
            {
                "settings": rows,
                "keys": {**found.keys},
                "paths": {**found.paths},
                "warnings": [*found.warnings],
            }
        )
    else:
        terminal.say(config_page(found, terminal.here().out))
    terminal.tell(warning_lines(found, terminal.here().words))
    return 0
