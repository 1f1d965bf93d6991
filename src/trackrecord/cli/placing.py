"""Files put in their places whole, and never over another unless that is wished: then all of them, or none.

Each is written beside its place under a name of its own, and moved there when it is complete; whoever looks sees the
old file, the new one or none, and never a part. Knows nothing of what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from trackrecord.errors import BadInput


def place(texts: Mapping[Path, str], *, over: bool = False) -> None:
    """Write every text to its place; `over` replaces what is there, one file after the other.

    Raises:
        BadInput: a file is there already, or one cannot be written; nothing has been made then. With `over`, what had
            been replaced before stays so.
    """
    made: list[Path] = []
    drafts: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            drafts[path] = _draft(path, text)
        for path, draft in drafts.items():
            _move(draft, path, over=over)
            made.append(path)
    except BaseException:
        for path in () if over else made:
            path.unlink(missing_ok=True)
        raise
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def taken(path: Path) -> BadInput:
    """The error for a file that is there already."""
    return BadInput(f"{str(path)!r} is there already", cure="Give another name, or write it anew with --force.")


def _draft(path: Path, text: str) -> Path:
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".trackrecord-", delete=False) as file:
            draft = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                draft.chmod(0o666 & ~_umask())
            except BaseException:
                draft.unlink()
                raise
            return draft
    except OSError as error:
        raise _unwritable(path, error) from None


def _move(draft: Path, path: Path, *, over: bool) -> None:
    try:
        if over:
            draft.replace(path)
            return
        try:
            os.link(draft, path)  # unlike a rename, refuses to replace
        except PermissionError:  # a file system without links
            _write_new(path, draft.read_text(encoding="utf-8"))
    except FileExistsError:
        raise taken(path) from None
    except OSError as error:
        raise _unwritable(path, error) from None


def _write_new(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _unwritable(path: Path, error: OSError) -> BadInput:
    reason = (error.strerror or str(error)).lower()
    if not path.parent.is_dir():
        return BadInput(f"there is no folder {str(path.parent)!r}", cure=f"Make it: mkdir -p {path.parent}")
    return BadInput(f"{str(path)!r} cannot be written: {reason}", cure="Give a place you may write to.")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
