"""Named places where a test makes the store raise, stall or die, for real. A no-op unless armed.

Armed by tests in process, or for a child process by its environment:
`TRACKRECORD_FAILPOINTS="finish.precommit=kill,accept.agents=raise"`. Must never be armed by anything else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Literal, cast, get_args

Action = Literal["raise", "kill", "sleep"]
VARIABLE: Final = "TRACKRECORD_FAILPOINTS"

_armed: dict[str, Action] = {}


class FailpointError(Exception):
    """What an armed `raise` raises; no error of ours, so that nothing may expect it."""


def reach(name: str) -> None:
    """Pass, or do what is armed here."""
    if _armed and name in _armed:
        _act(name, _armed[name])


def is_armed() -> bool:
    """Whether any place is armed."""
    return bool(_armed)


@contextmanager
def armed(name: str, action: Action = "raise") -> Generator[None]:
    """Arm one place for the length of a block."""
    _armed[name] = action
    try:
        yield
    finally:
        _armed.pop(name, None)


def arm_from_environment() -> None:
    """Arm what `TRACKRECORD_FAILPOINTS` names; entries whose action is unknown are left out."""
    for entry in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, _, action = entry.partition("=")
        if action in get_args(Action):
            _armed[name.strip()] = cast("Action", action)


def _act(name: str, action: Action) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "sleep":
        time.sleep(1)
        return
    raise FailpointError(name)
