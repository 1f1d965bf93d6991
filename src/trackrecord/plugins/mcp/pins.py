"""What was approved of each server: whole declarations with their hashes, in a file beside the operator's own.

Written whole or not at all, for its owner alone. Never changed but by an approval, and never believed where a hash does
not fit what it stands beside.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from trackrecord.canonical import Json, clean
from trackrecord.clock import now, stamp
from trackrecord.errors import BadSettings
from trackrecord.plugins.mcp.tools import Tool, restored

VERSION: Final = 1
_MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What was approved of one server.

    Attributes:
        at: stamp of the approval.
        tools: the tools, as they were then.
    """

    at: str
    tools: tuple[Tool, ...]


def pin_path(file: Path) -> Path:
    """Where the approvals of an operator's file stand: `mcp.approved.json` beside `mcp.yaml`."""
    return file.with_name(f"{file.stem}.approved.json")


def read_pins(path: Path) -> dict[str, Approval]:
    """What was approved, by server; nothing when there is no such file.

    Raises:
        BadSettings: it cannot be read, or was written by something else.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _unusable(path, "it is larger than any we write")
        told = clean(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    except (ValueError, RecursionError):
        raise _unusable(path, "it is no JSON") from None
    if not isinstance(told, dict) or told.get("version") != VERSION or not isinstance(told.get("servers"), dict):
        raise _unusable(path, f"it is no file of approvals of version {VERSION}")
    return {name: _approval(path, name, given) for name, given in cast("dict[str, Json]", told["servers"]).items()}


def approve(file: Path, server: str, tools: Sequence[Tool]) -> Approval:
    """Keep what is approved of a server from now on, in place of what was; the others' approvals stay.

    Raises:
        BadSettings: the file of approvals cannot be read or written; it is as it was.
    """
    path = pin_path(file)
    approval = Approval(at=stamp(now()), tools=tuple(tools))
    try:
        with file.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # two approvals at once: neither may lose the other
            _write(path, {**read_pins(path), server: approval})
    except OSError as error:
        raise BadSettings(
            f"the approval cannot be kept in {str(path)!r}: {error.strerror}",
            cure="Make its folder writable for whoever approves.",
        ) from None
    return approval


def _write(path: Path, approvals: Mapping[str, Approval]) -> None:
    told = {
        "version": VERSION,
        "servers": {
            name: {"approved_at": one.at, "tools": [{**tool.stored(), "sha256": tool.sha256} for tool in one.tools]}
            for name, one in sorted(approvals.items())
        },
    }
    descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file, ensure_ascii=False, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _approval(path: Path, name: str, given: Json) -> Approval:
    tools = given.get("tools") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(tools, list):
        raise _unusable(path, f"what it holds of {name!r} cannot be read")
    found: list[Tool] = []
    for one in tools:
        tool = restored(one) if isinstance(one, dict) else None
        if tool is None or not isinstance(one, dict) or one.get("sha256") != tool.sha256 or tool.problem() is not None:
            raise _unusable(path, f"a tool of {name!r} is not what its hash says")
        found.append(tool)
    return Approval(at=str(given.get("approved_at")), tools=tuple(found))


def _unusable(path: Path, why: str) -> BadSettings:
    return BadSettings(
        f"the approvals of MCP servers in {str(path)!r} cannot be used: {why}",
        cure="Move the file away, look with `trackrecord mcp list`, and approve anew.",
    )
