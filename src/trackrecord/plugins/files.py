"""The plugin `files`: read and write the files of one folder, and of no other.

Where a path leads is `root.py`'s business; here is what is done with the file. Never reads more than a call may hold
in memory, never blocks the event loop with a large file, never follows a link.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import translate
from pathlib import Path
from typing import Annotated, Final, TypeVar, cast

from trackrecord.canonical import Json
from trackrecord.clock import stamp
from trackrecord.errors import PluginError
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.plugins.root import Root, explained, kind_of, refused, write_all
from trackrecord.plugins.threads import THREADS

T = TypeVar("T")

MAX_CHARACTERS: Final = 1_000_000
MAX_SCANNED_BYTES: Final = 256 * 1024 * 1024
MAX_TABLE_CHARACTERS: Final = 4_000_000
MAX_LISTED: Final = 100_000
MAX_LINE_BYTES: Final = 64 * 1024
_INLINE_BYTES: Final = 64 * 1024
_NO_CELLS: Final[list[str]] = []

PathText = Annotated[str, {"minLength": 1, "maxLength": 4096}, "path relative to the plugin's folder"]
Content = Annotated[str, {"maxLength": MAX_CHARACTERS}, "the text, written as UTF-8"]


def plugin(options: Mapping[str, Json]) -> FunctionPlugin:
    """The plugin over the folder in the option `root`.

    Raises:
        PluginError: there is no such option, or no such folder.
    """
    root = options.get("root")
    if not isinstance(root, str) or not root:
        raise PluginError("plugin 'files' has no folder", cure="Set its option 'root' to the folder it may use.")
    return over(root)


def over(folder: Path | str) -> FunctionPlugin:
    """The plugin over a folder.

    Raises:
        PluginError: the folder cannot be opened.
    """
    files = Files(Root(folder))
    made = FunctionPlugin("files", description="Text files in one folder.")
    made.action(name="list", effect="read")(files.list)
    made.action(effect="read")(files.info)
    made.action(effect="read")(files.read)
    made.action(effect="read")(files.read_lines)
    made.action(effect="read")(files.read_csv)
    made.action(effect="keyed")(files.write)
    made.action(effect="unsafe")(files.append)
    return made


class Files:
    """What can be done with the files of one root; each public method is one action."""

    def __init__(self, root: Root) -> None:
        """Take the root that every path is relative to."""
        self._root = root

    def list(
        self,
        path: PathText = ".",
        pattern: Annotated[str, {"maxLength": 200}, "only names like this, * and ? allowed"] = "*",
        limit: Annotated[int, {"minimum": 1, "maximum": 10_000}] = 1000,
    ) -> dict[str, Json]:
        """List a folder by name: files, folders and links, with size and time of change."""
        is_wanted = re.compile(translate(pattern)).match
        found: list[tuple[str, dict[str, Json]]] = []
        with self._root.folder(path) as folder, explained(path), os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count == MAX_LISTED:
                    raise refused(path, f"holds more than {MAX_LISTED} entries")
                if is_wanted(entry.name):
                    found.append((entry.name, _described(entry.stat(follow_symlinks=False))))
        found.sort(key=lambda item: item[0])
        return {"items": [{"name": name, **about} for name, about in found[:limit]], "is_complete": len(found) <= limit}

    async def info(self, path: PathText) -> dict[str, Json]:
        """Say whether something is at a path, and its kind, size and time of change."""
        found = self._root.look(path)
        if found is None:
            return {"exists": False, "kind": None, "size": None, "modified_at": None}
        return {"exists": True, **_described(found)}

    async def read(
        self,
        path: PathText,
        offset: Annotated[int, {"minimum": 0}, "byte to start at: next_offset of the call before"] = 0,
        max_characters: Annotated[int, {"minimum": 1, "maximum": MAX_CHARACTERS}] = 100_000,
    ) -> dict[str, Json]:
        """Read a text file, or the next part of it."""
        return await self._with_file(
            path, lambda descriptor: _read_text(descriptor, offset, max_characters), at_most=max_characters * 4
        )

    async def read_lines(
        self,
        path: PathText,
        from_line: Annotated[int, {"minimum": 1}, "first line to look at, counted from 1"] = 1,
        limit: Annotated[int, {"minimum": 1, "maximum": 10_000}, "most lines to return"] = 1000,
        contains: Annotated[str, {"maxLength": 1000}, "only lines that hold this text"] = "",
        is_tail: Annotated[bool, "the last lines instead of the first"] = False,
    ) -> dict[str, Json]:
        """Read lines of a text file with their numbers: from a line on, the last ones, or those that hold a text."""
        return await self._with_file(
            path, lambda descriptor: _read_lines(descriptor, from_line, limit, contains, is_tail=is_tail)
        )

    async def read_csv(
        self,
        path: PathText,
        delimiter: Annotated[str, {"minLength": 1, "maxLength": 1}] = ",",
        has_header: Annotated[bool, "whether the first row names the columns"] = True,
        skip: Annotated[int, {"minimum": 0}, "rows to leave out after the header"] = 0,
        limit: Annotated[int, {"minimum": 1, "maximum": 100_000}, "most rows to return"] = 10_000,
    ) -> dict[str, Json]:
        """Read a CSV file as rows of text by column name; a cell that is not there is null."""
        return await self._with_file(
            path, lambda descriptor: _read_table(descriptor, path, delimiter, skip, limit, has_header=has_header)
        )

    def write(self, path: PathText, text: Content) -> dict[str, Json]:
        """Write a whole text file, replacing it in one step if it exists; missing folders are made."""
        content = _encoded(text)
        was_replaced = self._root.replace(path, content)
        return {"path": path, "bytes_written": len(content), "was_replaced": was_replaced}

    def append(self, path: PathText, text: Content) -> dict[str, Json]:
        """Add text at the end of a file, which is made if missing."""
        content = _encoded(text)
        descriptor = self._root.open_to_append(path)
        try:
            with explained(path, was_sent=True):
                write_all(descriptor, content)
                size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        return {"path": path, "bytes_written": len(content), "size": size}

    async def _with_file(self, path: str, use: Callable[[int], T], at_most: int = MAX_SCANNED_BYTES) -> T:
        def work() -> T:
            descriptor = self._root.open_to_read(path)
            try:
                with explained(path):
                    return use(descriptor)
            finally:
                os.close(descriptor)

        found = self._root.look(path)
        size = 0 if found is None else min(found.st_size, at_most)
        if size <= _INLINE_BYTES:  # a hop to a thread and back costs more than reading this
            return work()
        return cast(T, await THREADS.run(work))


def _described(found: os.stat_result) -> dict[str, Json]:
    kind = kind_of(found.st_mode)
    return {
        "kind": kind,
        "size": found.st_size if kind == "file" else None,
        "modified_at": _moment(found.st_mtime),
    }


def _moment(seconds: float) -> str | None:
    try:
        return stamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):  # file times go beyond the years a datetime has
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read_text(descriptor: int, offset: int, max_characters: int) -> dict[str, Json]:
    raw = os.pread(descriptor, max_characters * 4, offset)  # a character takes four bytes at most
    # surrogateescape keeps every bad byte apart, so the length in bytes of what is returned stays exact
    text = raw.decode("utf-8", "surrogateescape")[:max_characters]
    end = offset + len(text.encode("utf-8", "surrogateescape"))
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    size = os.fstat(descriptor).st_size
    return {
        "text": shown.removeprefix("\ufeff") if offset == 0 else shown,
        "offset": offset,
        "next_offset": end if raw and end < size else None,
        "size": size,
    }


def _lines(descriptor: int) -> Iterator[str]:
    """Lines without their ends; one longer than `MAX_LINE_BYTES` is cut there."""
    with open(descriptor, "rb", closefd=False) as file:
        scanned = 0
        while line := file.readline(MAX_LINE_BYTES):
            scanned += len(line)
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE_BYTES)):
                scanned += len(rest)
            if scanned > MAX_SCANNED_BYTES:
                raise ToolCallFailed(
                    f"no more than {MAX_SCANNED_BYTES} bytes of a file are looked through", was_sent=False
                )
            yield line.rstrip(b"\r\n").decode("utf-8", "replace")


def _read_lines(descriptor: int, from_line: int, limit: int, contains: str, *, is_tail: bool) -> dict[str, Json]:
    found: deque[Json] = deque(maxlen=limit if is_tail else None)
    next_line: int | None = None
    number = 0
    for number, text in enumerate(_lines(descriptor), start=1):
        if number < from_line or contains not in text:
            continue
        if not is_tail and len(found) == limit:
            next_line = number
            break
        found.append({"line": number, "text": text})
    after = next_line if next_line is not None else max(number + 1, from_line)
    return {"items": [*found], "is_complete": next_line is None, "next_line": after}


def _read_table(
    descriptor: int, path: str, delimiter: str, skip: int, limit: int, *, has_header: bool
) -> dict[str, Json]:
    if os.fstat(descriptor).st_size > MAX_SCANNED_BYTES:
        raise refused(path, f"is longer than {MAX_SCANNED_BYTES} bytes; use read_lines")
    with (
        open(descriptor, "rb", closefd=False) as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as text,
    ):
        reader = csv.reader(text, delimiter=delimiter)
        try:
            columns = _column_names(next(reader, _NO_CELLS)) if has_header else []
            return _rows(reader, columns, skip, limit)
        except csv.Error as error:
            raise refused(path, f"is not readable as CSV at line {reader.line_num}: {error}") from None


def _rows(reader: Iterator[list[str]], columns: list[str], skip: int, limit: int) -> dict[str, Json]:
    rows: list[Json] = []
    characters = skipped = 0
    is_complete = True
    for cells in reader:
        if not cells:  # an empty line is no row
            continue
        if skipped < skip:
            skipped += 1
            continue
        if len(rows) == limit or characters > MAX_TABLE_CHARACTERS:
            is_complete = False
            break
        characters += sum(map(len, cells))
        if len(cells) > len(columns):
            columns = _column_names(columns + [""] * (len(cells) - len(columns)))
        rows.append(dict(zip(columns, cells, strict=False)))
    for row in rows:
        if isinstance(row, dict) and len(row) < len(columns):
            row.update(dict.fromkeys(columns[len(row) :]))
    return {"rows": rows, "columns": [*columns], "is_complete": is_complete, "next_skip": skip + len(rows)}


def _column_names(header: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for place, cell in enumerate(header, start=1):
        name = cell.strip() or f"column_{place}"
        unique, count = name, 2
        while unique in names:  # two columns of one name are two columns
            unique, count = f"{name}~{count}", count + 1
        names[unique] = None
    return list(names)
