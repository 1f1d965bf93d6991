"""Named places where a test makes the program raise, stall, stand still or die, for real. A no-op unless armed.

Armed by tests in process, or for a child process by its environment:
`TRACKRECORD_FAILPOINTS="finish.precommit=kill,accept.agents=raise"`. Places that many pass say where they are, so that
one passage can be picked: `tool.after@s:each/i:2/s:pay/tool=kill`, with `#2` behind it of the second attempt only.
Before a process is killed or stopped the place is written to the file named by `TRACKRECORD_FAILPOINTS_TOLD`, so that
a test sees where it died. Must never be armed by anything but a test.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Literal, cast, get_args

Action = Literal["raise", "kill", "stop", "sleep"]
VARIABLE: Final = "TRACKRECORD_FAILPOINTS"
TOLD: Final = "TRACKRECORD_FAILPOINTS_TOLD"

points: Final[dict[str, Action]] = {}
"""What is armed; a hot path looks whether it is empty before it says where it is."""


class FailpointError(Exception):
    """What an armed `raise` raises; no error of ours, so that nothing may expect it."""


def reach(name: str, path: str = "", attempt: int = 1) -> None:
    """Pass, or do what is armed here: under the name, the name at this path, or that at this attempt."""
    if points:
        place = armed_at(name, path, attempt)
        if place is not None:
            _act(place, points[place])


def armed_at(name: str, path: str = "", attempt: int = 1) -> str | None:
    """The armed place that is reached here; None when there is none."""
    return next((one for one in (name, f"{name}@{path}", f"{name}@{path}#{attempt}") if one in points), None)


def is_armed() -> bool:
    """Whether any place is armed."""
    return bool(points)


@contextmanager
def armed(name: str, action: Action = "raise") -> Generator[None]:
    """Arm one place for the length of a block."""
    points[name] = action
    try:
        yield
    finally:
        points.pop(name, None)


def arm_from_environment() -> None:
    """Arm what `TRACKRECORD_FAILPOINTS` names; entries whose action is unknown are left out."""
    for entry in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, _, action = entry.rpartition("=")
        if action in get_args(Action):
            points[name.strip()] = cast("Action", action)


def _act(name: str, action: Action) -> None:
    match action:
        case "kill":
            _tell(name)
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":  # until somebody sends SIGCONT
            _tell(name)
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(1)
        case "raise":
            raise FailpointError(name)


def _tell(name: str) -> None:
    file = os.environ.get(TOLD)
    if file:
        with open(file, "a", encoding="utf-8") as told:
            told.write(f"{name}\n")
