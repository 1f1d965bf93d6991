"""What went wrong, in words: every error of this package with its cure, and any other in one line. Pure."""

from __future__ import annotations

from typing import Final

from trackrecord.cli.escape import line, prose
from trackrecord.cli.look import Look, paragraph
from trackrecord.errors import BadAgent, BadSettings, TrackrecordError

_REPORT: Final = (
    "This is a fault of trackrecord: please report it with this line and what you typed. "
    "TRACKRECORD_DEBUG=1 shows where it happened."
)


def told(error: TrackrecordError, look: Look) -> str:
    """The message, every problem of a file with its line, and the cure."""
    lines = _first(look, error.message)
    if isinstance(error, BadAgent | BadSettings):
        for problem in error.problems:
            if problem.line is None and not problem.path and problem.message == f"{error.message}.":
                lines.extend(text for text in paragraph(prose(problem.cure), look.width) if text)
                continue
            where = f"line {problem.line}" if problem.line is not None else ""
            head = " ".join(part for part in (where, line(problem.path, 200)) if part)
            if head:
                lines.append(f"  {look.heading(head)}")
            lines.extend(f"    {text}" for text in paragraph(prose(problem.message), look.width - 4))
            lines.extend(f"    {text}" for text in paragraph(prose(problem.cure), look.width - 4) if text)
    if error.cure:
        lines.extend(paragraph(prose(error.cure), look.width))
    return "\n".join(lines)


def usage(message: str, cure: str, look: Look) -> str:
    """A command line that cannot be understood."""
    return "\n".join([*_first(look, message), *paragraph(prose(cure), look.width)])


def unexpected(error: BaseException, look: Look) -> str:
    """A fault of ours, on one line and one more."""
    text = line(f"{type(error).__name__}: {error}", 400)
    return "\n".join([*_first(look, f"unexpected {text}"), *paragraph(_REPORT, look.width)])


def _first(look: Look, message: str) -> list[str]:
    first, *more = paragraph(f"error: {prose(message)}", look.width)
    return [look.paint("error:", "red", "bold") + first.removeprefix("error:"), *more]
