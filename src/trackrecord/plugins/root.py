"""One folder, and no way out of it: every file the `files` plugin touches is opened here.

Never resolves a path to text and opens it later: it walks down one component at a time, each opened relative to the
folder before it and never through a symbolic link, so that a folder swapped for a link meanwhile leads nowhere. Only
regular files are opened; devices, pipes and sockets are looked at, never touched. A hard link is a file of the folder
like any other: only somebody who could read the original can have made it.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from trackrecord.errors import PluginError
from trackrecord.plugins.protocol import ToolCallFailed

EntryKind = Literal["file", "folder", "link", "other"]

MAX_PARTS: Final = 64
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# NONBLOCK: a pipe put in place of the file between look and open must not hold us up
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SHORT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR, errno.ENOMEM})


def kind_of(mode: int) -> EntryKind:
    """What a file mode says the entry is."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def parts_of(path: str) -> list[str]:
    """The components of a relative path; empty for the root itself.

    Raises:
        ToolCallFailed: the path is absolute, climbs, or cannot be a path at all.
    """
    if "\x00" in path:
        raise refused(path, "holds a NUL character")
    if path.startswith("/"):
        raise outside(path, "is absolute; give a path relative to the plugin's folder")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise outside(path, "climbs with '..'; give a path inside the plugin's folder")
    if len(parts) > MAX_PARTS:
        raise refused(path, f"is deeper than {MAX_PARTS} folders")
    return parts


def refused(path: str, reason: str) -> ToolCallFailed:
    """The failure for a path that is never opened: nothing happened, and asking again changes nothing."""
    return ToolCallFailed(f"path {_shown(path)!r} {reason}", is_transient=False, was_sent=False)


def outside(path: str, reason: str) -> ToolCallFailed:
    """The refusal of a path that may lead out of the folder: by policy, whatever is there."""
    return ToolCallFailed(f"path {_shown(path)!r} {reason}", was_refused=True)


def _shown(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:200]}…"


@contextmanager
def explained(path: str, *, was_sent: bool = False) -> Generator[None]:
    """Turn the operating system's refusal into words about the caller's path, without any other path."""
    try:
        yield
    except OSError as error:
        raise _failure(path, error, was_sent=was_sent) from None
    except UnicodeEncodeError as error:  # a lone surrogate cannot be a file name
        raise refused(path, f"cannot be a file name: {error}") from None


def _failure(path: str, error: OSError, *, was_sent: bool) -> ToolCallFailed:
    if error.errno == errno.ELOOP:
        return outside(path, "leads through a symbolic link; links are not followed")
    if error.errno == errno.ENOENT:
        return refused(path, "does not exist in the plugin's folder, which TRACKRECORD_FILES_ROOT names")
    if error.errno == errno.ENOTDIR:
        return refused(path, "leads through something that is not a folder, or through a symbolic link")
    reason = os.strerror(error.errno) if error.errno is not None else type(error).__name__
    is_transient = error.errno in _SHORT_OF
    return ToolCallFailed(f"path {path[:200]!r}: {reason}", is_transient=is_transient, was_sent=was_sent)


class Root:
    """A folder that was opened once; every method takes paths relative to it.

    The folder is held open, so renaming it or replacing it by a link does not move the root.
    """

    __slots__ = ("_folder",)

    def __init__(self, folder: Path | str) -> None:
        """Open the folder.

        Raises:
            PluginError: it is no folder or cannot be opened, or this system cannot open files relative to a folder.
        """
        if os.open not in os.supports_dir_fd or os.stat not in os.supports_dir_fd:
            raise PluginError(
                "the plugin 'files' needs a system that opens files relative to a folder", cure="Use Linux."
            )
        try:
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PluginError(
                f"the folder {os.fspath(folder)!r} of plugin 'files' cannot be opened: {error.strerror}",
                cure="Name an existing folder this process may read.",
            ) from None

    def __del__(self) -> None:
        """Close the folder."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            os.close(folder)

    def look(self, path: str) -> os.stat_result | None:
        """What is at the path, links not followed; None when there is nothing.

        Raises:
            ToolCallFailed: the path leads outside or through something that is not a folder.
        """
        parts = parts_of(path)
        with explained(path):
            try:
                with self._parent(parts) as (folder, name):
                    return os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None

    @contextmanager
    def folder(self, path: str) -> Generator[int]:
        """An open descriptor of the folder at the path, closed on leaving.

        Raises:
            ToolCallFailed: there is no such folder inside the root.
        """
        with explained(path):
            descriptor = self._walk(parts_of(path), is_made=False)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_to_read(self, path: str) -> int:
        """A descriptor of the regular file at the path; the caller closes it.

        Raises:
            ToolCallFailed: there is no regular file there, or it lies outside.
        """
        parts = parts_of(path)
        with explained(path), self._parent(parts) as (folder, name):
            _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
            return _checked(os.open(name, os.O_RDONLY | _FILE, dir_fd=folder), path)

    def open_to_append(self, path: str) -> int:
        """A descriptor at the end of the file, made if missing, its folders too; the caller closes it.

        Raises:
            ToolCallFailed: something else than a regular file is there, or it lies outside.
        """
        parts = _file_parts(path)
        with explained(path), self._parent(parts, is_made=True) as (folder, name):
            flags = os.O_WRONLY | os.O_APPEND | _FILE
            try:
                _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
            except FileNotFoundError:
                flags |= os.O_CREAT
            return _checked(os.open(name, flags, 0o666, dir_fd=folder), path)

    def replace(self, path: str, content: bytes) -> bool:
        """Put the whole content at the path in one step, folders made as needed; whether a file was replaced.

        A reader sees the old content or the new, never half of it.

        Raises:
            ToolCallFailed: something else than a regular file is there, it lies outside, or it cannot be written.
        """
        parts = _file_parts(path)
        with explained(path, was_sent=True), self._parent(parts, is_made=True) as (folder, name):
            try:
                before = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                before = None
            else:
                _check_regular(before, path)
            _replace_in(folder, name, content, None if before is None else stat.S_IMODE(before.st_mode))
            return before is not None

    @contextmanager
    def _parent(self, parts: list[str], *, is_made: bool = False) -> Generator[tuple[int, str]]:
        folder = self._walk(parts[:-1], is_made=is_made)
        try:
            yield folder, parts[-1] if parts else "."
        finally:
            os.close(folder)

    def _walk(self, parts: list[str], *, is_made: bool) -> int:
        current = os.open(".", _FOLDER, dir_fd=self._folder)
        for part in parts:
            try:
                following = _open_folder(part, current, is_made=is_made)
            finally:
                os.close(current)
            current = following
        return current


def _open_folder(name: str, parent: int, *, is_made: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if not is_made:
            raise
    with suppress(FileExistsError):  # somebody else made it, or put a link there: the open decides
        os.mkdir(name, dir_fd=parent)
    return os.open(name, _FOLDER, dir_fd=parent)


def _file_parts(path: str) -> list[str]:
    parts = parts_of(path)
    if not parts or path.endswith("/"):
        raise refused(path, "names a folder, not a file")
    return parts


def _check_regular(found: os.stat_result, path: str) -> None:
    kind = kind_of(found.st_mode)
    if kind == "link":
        raise outside(path, "is a symbolic link; links are not followed")
    if kind == "folder":
        raise refused(path, "is a folder, not a file")
    if kind == "other":
        raise refused(path, "is not a regular file")


def _checked(descriptor: int, path: str) -> int:
    try:
        _check_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _replace_in(folder: int, name: str, content: bytes, mode: int | None) -> None:
    draft = f".{secrets.token_hex(8)}.part"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o666, dir_fd=folder)
    try:
        try:
            if mode is not None:
                os.fchmod(descriptor, mode)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte, however little the system takes at a time."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
