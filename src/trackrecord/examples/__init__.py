"""Bundled example agents: a folder each, with the agent's file, its script and its data. Runs nothing, loads nothing.

Package data, so that the demonstration works from an installed package as well; whoever runs an example works on a copy
of its folder, because an example writes what it makes beside what it reads.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from trackrecord.errors import BadInput

AGENT_FILE: Final = "agent.yaml"
_HERE: Final = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Every example, sorted by name."""
    return tuple(sorted(found.parent.name for found in _HERE.glob(f"*/{AGENT_FILE}")))


def path(name: str) -> Path:
    """The folder of an example; its agent is the file `agent.yaml` in there.

    Raises:
        BadInput: there is no such example.
    """
    if name not in names():
        near = get_close_matches(name, names(), 1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise BadInput(f"there is no example {name!r}", cure=f"{meant}The examples are {', '.join(names())}.")
    return _HERE / name
