"""Where output goes: what the terminal can do, answers to stdout, everything said about them to stderr. Alone prints.

Whatever is handed in is fit to be printed already: escaped by whoever drew it.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TextIO

from trackrecord.cli.escape import in_json
from trackrecord.cli.look import LEAST_WIDTH, MOST_WIDTH, WIDTH, Look

if TYPE_CHECKING:
    from trackrecord.canonical import Json

_UNBROKEN: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """What can be drawn here.

    Attributes:
        out: how pages on stdout look.
        err: how pages on stderr look.
        words: how an error looks: broken into lines only where somebody reads it, so that a search finds all of it.
        is_live: whether stderr can be redrawn in place.
    """

    out: Look
    err: Look
    words: Look
    is_live: bool


def here() -> Terminal:
    """The terminal of this process; one that is no terminal is 80 columns wide and has no colours."""
    is_watched = _is_terminal(sys.stderr)
    err = _look(sys.stderr)
    return Terminal(
        out=_look(sys.stdout),
        err=err,
        words=err if is_watched else replace(err, width=_UNBROKEN),
        is_live=is_watched and not _is_dumb(),
    )


def say(text: str) -> None:
    """Print what was asked for."""
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()  # what is said about it must not overtake it


def say_json(value: Json) -> None:
    """Print canonical JSON on one line; what a terminal could act on is escaped, which changes no value."""
    from trackrecord.canonical import dumps  # hashes and JSON: the front page needs neither

    say(in_json(dumps(value)))


def tell(text: str) -> None:
    """Print something about it, beside the answer."""
    if text:
        sys.stderr.write(f"{text}\n")


def prepare() -> None:
    """Make both streams take any character: what their encoding lacks is shown as an escape instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Let the rest of the output go nowhere, so that the interpreter does not complain of it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _look(stream: TextIO) -> Look:
    is_terminal = _is_terminal(stream)
    columns = shutil.get_terminal_size((WIDTH, 24)).columns if is_terminal or "COLUMNS" in os.environ else WIDTH
    has_colour = is_terminal and not _is_dumb() and not os.environ.get("NO_COLOR")
    return Look(width=min(MOST_WIDTH, max(LEAST_WIDTH, columns)), has_colour=has_colour)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("", "dumb")
