"""Server-sent events, piece by piece and never beyond a bound. Pure; knows nothing of what they hold."""

from __future__ import annotations

import re
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a \r at the very end may be half of a line's end


class TooLarge(Exception):
    """A stream, or one event of it, is larger than the bound."""


class Events:
    """Takes a stream in pieces, and gives the data of each event that is whole."""

    def __init__(self, most_bytes: int) -> None:
        """Begin; the whole stream may have so many bytes."""
        self._most_bytes = most_bytes
        self._size = 0
        self._rest: list[bytes] = []
        self._data: list[str] = []
        self._kind = ""

    def add(self, piece: bytes) -> list[str]:
        """The data of the messages that this piece completes.

        Raises:
            TooLarge: it makes the stream larger than the bound.
        """
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise TooLarge
        self._rest.append(piece)
        if not any(end in one for one in self._rest[-2:] for end in (b"\n", b"\r")):
            return []  # a long line is put together once, not with every piece
        *lines, rest = _LINE_END.split(b"".join(self._rest))
        self._rest = [rest]
        return [data for line in lines if (data := self._line(line.decode(errors="replace"))) is not None]

    def _line(self, line: str) -> str | None:
        if line == "":
            data, kind, self._data, self._kind = self._data, self._kind, [], ""
            return "\n".join(data) if data and kind in ("", "message") else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        return None
