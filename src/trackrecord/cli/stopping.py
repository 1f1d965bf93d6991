"""Signals while a run is under way: the first one cancels it, and its record is still written. Nothing is ever lost.

SIGINT (Ctrl-C), SIGTERM and SIGHUP do the same; a signal that whoever started us wanted ignored stays ignored. A second
one changes nothing, for the record is being written; a third one leaves at once, and the next run here records what
was left, as it does for any process that died.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trackrecord.handles import Started

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST: Final = 3
FIRST_EXIT: Final = 128


class Stopping:
    """Turns signals into the cancellation of one run after the other."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Listen to nothing yet; `say` tells the person what happens."""
        self.number: int | None = None
        self._say = say
        self._count = 0
        self._started: Started | None = None
        self._listening: list[signal.Signals] = []

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that the signal ended; None when there was none."""
        return None if self.number is None else FIRST_EXIT + self.number

    def listen(self) -> None:
        """Take signals from here on; inside a running event loop of the main thread."""
        loop = asyncio.get_running_loop()
        for one in _SIGNALS:
            if signal.getsignal(one) is not signal.SIG_IGN:
                loop.add_signal_handler(one, self._receive, one)
                self._listening.append(one)

    def ignore(self) -> None:
        """Leave signals to Python again."""
        loop = asyncio.get_running_loop()
        while self._listening:
            loop.remove_signal_handler(self._listening.pop())

    def attach(self, started: Started) -> None:
        """The run that the next signal cancels; one that came before is carried out now."""
        self._started = started
        if self.number is not None:
            started.cancel("signal")

    def _receive(self, number: signal.Signals) -> None:
        self._count += 1
        if self.number is None:
            self.number = number
            self._say("stopping: the run is being cancelled and recorded")
            if self._started is not None:
                self._started.cancel("signal")
        elif self._count < _LAST:
            self._say("the record is being written; once more leaves without it")
        else:
            os._exit(FIRST_EXIT + number)
