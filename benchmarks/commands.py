"""Whole commands, from the start of their process to its end, as a shell would see them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contestants import CACHE, ROOT, NotMeasured, environment
from benchmarks.environments import locked, prepare

PATIENCE_S: Final = 60.0
_LEAST_ID: Final = 8  # a shorter beginning of an id would mean most runs there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started.

    Attributes:
        words: the program and its arguments; it stands beside the interpreter of its environment.
        environment: environment of a peer under the cache folder; None is this project's own.
        says: what has to be found on its standard output, or it did not do its work.
        lists: runs that have to be there, a line each that begins with the beginning of its id.
    """

    words: tuple[str, ...]
    environment: str | None = None
    says: Sequence[str] = ()
    lists: Sequence[str] = ()

    @property
    def name(self) -> str:
        """For the table: the program and its command, without options that only say where something is."""
        return " ".join(self.words[:2])

    @property
    def program(self) -> Path:
        """The program's own file."""
        folder = Path(sys.executable).parent if self.environment is None else CACHE / self.environment / "bin"
        return folder / self.words[0]

    def prepare(self) -> dict[str, str]:
        """See to its environment; gives the version of a peer's package, which is named like its program.

        Raises:
            NotMeasured: it cannot be made, or the program is not in it.
        """
        if self.environment is not None:
            prepare(self.environment)
        if not os.access(self.program, os.X_OK):
            raise NotMeasured(f"{self.name}: there is no program {self.words[0]} beside the interpreter")
        return {} if self.environment is None else {self.words[0]: locked(self.environment, self.words[0])}

    def seconds(self) -> float:
        """From start to end, once.

        Raises:
            NotMeasured: it failed, took too long, or did not say what it should.
        """
        started = time.perf_counter()
        try:
            done = subprocess.run(
                [str(self.program), *self.words[1:]],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotMeasured(f"{self.name}: {error}") from None
        seconds = time.perf_counter() - started
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise NotMeasured(f"{self.name} ended with {done.returncode}: {said[-300:]}")
        lacking = self._lacking(done.stdout)
        if lacking is not None:
            raise NotMeasured(f"{self.name} does not say {lacking!r}")
        return seconds

    def _lacking(self, said: str) -> str | None:
        """Something that should have been said and was not."""
        begun = {line.split()[0] for line in said.splitlines() if line.strip()}
        unsaid = (one for one in self.says if one not in said)
        unlisted = (run for run in self.lists if not any(run[:end] in begun for end in range(_LEAST_ID, len(run) + 1)))
        return next(unsaid, None) or next(unlisted, None)
