"""A file a command is asked to write: looked at before anything runs, written whole or not at all.

`-` is standard output. Writes nothing else and reads nothing.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trackrecord.cli import terminal
from trackrecord.cli.escape import line
from trackrecord.errors import BadInput, TrackrecordError

_STDOUT: Final = "-"
_READABLE: Final = 0o666  # less what the user's own mask takes away
_TEXT: Final = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to write.

    Attributes:
        option: the option it was given with, for what is said about it.
        path: the file, links followed; None for standard output.
    """

    option: str
    path: Path | None

    def write(self, text: str) -> None:
        """Write it; a file is complete or as it was before.

        Raises:
            TrackrecordError: it could not be written; whatever it held before is still there.
        """
        if self.path is None:
            terminal.say(text.removesuffix("\n"))
            return
        data = text.encode(_TEXT, "backslashreplace")
        try:
            if _is_plain(self.path):
                _replace(self.path, data)
            else:
                self.path.write_bytes(data)
        except OSError as error:
            raise TrackrecordError(
                f"{self.option} {str(self.path)!r} could not be written: {error.strerror or error}",
                cure="What was shown is recorded; try another file.",
            ) from error
        terminal.tell(f"{self.option.removeprefix('--')}: {line(str(self.path), 400)}, {len(data):,} bytes")


def targets(named: Iterable[tuple[str, str | None]], *, is_stdout_free: bool = True) -> dict[str, Target]:
    """The files of these options, by option, those that were not given left out.

    Raises:
        BadInput: one cannot be written, or two things would be written to the same place.
    """
    found = {option: target(option, text) for option, text in named if text is not None}
    seen: dict[Path | None, str] = {}
    for option, one in found.items():
        if one.path in seen:
            raise BadInput(f"{seen[one.path]} and {option} name the same place", cure="Name two different files.")
        seen[one.path] = option
    if None in seen and not is_stdout_free:
        raise BadInput(f"{seen[None]} - and --json would both print", cure=f"Name a file for {seen[None]}.")
    return found


def target(option: str, text: str) -> Target:
    """The file of a name.

    Raises:
        BadInput: it cannot be written: no such folder, a folder itself, or no right to.
    """
    if text == _STDOUT:
        return Target(option=option, path=None)
    if not text or "\0" in text:
        raise BadInput(f"{option} {text!r} is no name of a file", cure="Name a file, or - for standard output.")
    try:
        path = _place(Path(text))
        _try(option, text, path)
    except OSError as error:
        raise _refused(option, text, error.strerror or str(error)) from error
    return Target(option=option, path=path)


def _place(path: Path) -> Path:
    """Where it is, links followed; a pipe or a terminal has no place but its name."""
    is_special = path.exists() and not path.is_file() and not path.is_dir()
    return path if is_special else Path(os.path.realpath(path))


def _try(option: str, text: str, path: Path) -> None:
    """Find out whether it can be written, without leaving anything behind."""
    if path.is_dir():
        raise BadInput(f"{option} {text!r} is a folder", cure="Name a file in it.")
    if not path.parent.is_dir():
        raise _refused(option, text, f"there is no folder {str(path.parent)!r}")
    if path.exists() and not os.access(path, os.W_OK):
        raise _refused(option, text, "it may not be written")
    if _is_plain(path):
        with tempfile.TemporaryFile(dir=path.parent):  # the only sure way to know of read-only and full disks
            pass


def _refused(option: str, text: str, reason: str) -> BadInput:
    return BadInput(
        f"{option} {text!r} cannot be written: {reason}", cure="Name another file, or - for standard output."
    )


def _is_plain(path: Path) -> bool:
    """Whether it is a file, or will be one: a pipe or a device is written as it is."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _replace(path: Path, data: bytes) -> None:
    """Put a finished file in the place of the old one, with the rights the old one had."""
    try:
        rights = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        rights = _READABLE & ~mask
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), rights)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
