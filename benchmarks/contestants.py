"""The contestants and the processes they live in. Knows how to talk to one, and nothing of figures.

A contestant stays alive between samples, so that samples of all of them can take turns on a noisy machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".venv-bench"
PATIENCE_S: Final = 600.0
LONGEST_LINE: Final = 1 << 24

# The documented switches; without a key nothing would leave the machine, but spans would be made all the same.
_NO_TELEMETRY: Final = {
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "true",
    "OTEL_SDK_DISABLED": "true",
}


class NotMeasured(Exception):  # named after what happened, like the errors of the package
    """Something could not be measured; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who is measured.

    Attributes:
        name: for the table.
        worker: module under `benchmarks.workers`.
        environment: environment of a peer under the cache folder; None is this project's own.
        options: what its worker is opened with; who keeps something gets a database of its own besides.
    """

    name: str
    worker: str
    environment: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_ours(self) -> bool:
        """Whether it keeps a record that can be checked."""
        return self.environment is None

    @property
    def has_database(self) -> bool:
        """Whether it keeps anything at all: ours always, a peer where what is kept is compared."""
        return "synchronous" in self.options

    def over(self, address: str) -> Contestant:
        """The same with a real model, behind the provider at this address, instead of one in its own process."""
        return replace(self, options={**self.options, "provider": address})

    @property
    def python(self) -> Path:
        """The interpreter it runs on."""
        return Path(sys.executable) if self.environment is None else CACHE / self.environment / "bin" / "python"


def ours(durability: str, synchronous: str, *, effect: str = "read") -> Contestant:
    """Trackrecord at one durability, its tools of one effect class."""
    name = f"trackrecord {durability} {synchronous}" + ("" if effect == "read" else f" {effect}")
    options = {"durability": durability, "synchronous": synchronous, "effect": effect}
    return Contestant(name=name, worker="trackrecord", options=options)


def keeping(peer: Contestant, synchronous: str) -> Contestant:
    """A peer that keeps the result of every step in SQLite, written as hard as `synchronous` says."""
    return replace(peer, name=f"{peer.name}, {synchronous}", options={**peer.options, "synchronous": synchronous})


PYDANTIC_AI: Final = Contestant(name="pydantic-ai", worker="pydantic_ai", environment="pydantic_ai")
OPENAI_AGENTS: Final = Contestant(name="openai-agents", worker="openai_agents", environment="openai_agents")
LANGGRAPH: Final = Contestant(name="langgraph", worker="langgraph", environment="langgraph")
LANGGRAPH_SYNC: Final = Contestant(
    name="langgraph invoke", worker="langgraph", environment="langgraph", options={"sync": True}
)
# both wait for the disk at each commit; the second is what anybody can make of the first's file, once and for good
DBOS: Final = Contestant(name="dbos", worker="dbos", environment="dbos", options={"synchronous": "FULL"})
DBOS_WAL: Final = replace(DBOS, name="dbos on a WAL", options={"synchronous": "FULL", "journal": "wal"})


class Worker:
    """One contestant's process."""

    def __init__(self, contestant: Contestant, process: asyncio.subprocess.Process, log: Any, database: Path) -> None:
        """Use `started`."""
        self.contestant = contestant
        self.versions: dict[str, str] = {}
        self.database = database
        self._process = process
        self._log = log

    @classmethod
    async def started(cls, contestant: Contestant, folder: Path) -> Worker:
        """A contestant that is ready; what it keeps lies in `folder`.

        Raises:
            NotMeasured: it does not start.
        """
        log = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # lives as long as the process
        process = await asyncio.create_subprocess_exec(
            str(contestant.python),
            "-m",
            f"benchmarks.workers.{contestant.worker}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=environment(),
            limit=LONGEST_LINE,
        )
        place = Path(tempfile.mkdtemp(dir=folder))
        worker = cls(contestant, process, log, place / "runs.db")
        options = dict(contestant.options)
        if contestant.has_database:
            options["database"] = f"sqlite:///{worker.database}"
        try:
            worker.versions = (await worker.ask({"do": "open", "options": options}))["versions"]
        except BaseException:
            await worker.close()
            raise
        return worker

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            NotMeasured: it failed, ended or gave no answer in time.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            line = await asyncio.wait_for(stdout.readline(), PATIENCE_S)
        except (TimeoutError, OSError) as error:
            raise NotMeasured(f"{self.contestant.name} gave no answer: {error or type(error).__name__}") from None
        if not line:
            raise NotMeasured(f"{self.contestant.name} ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotMeasured(f"{self.contestant.name}: {answer['error']}")
        return answer

    async def close(self) -> None:
        """Let it finish and wait for its end; one that does not end by itself is ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def environment() -> dict[str, str]:
    """This process's, without what would change the work: settings of ours, telemetry of theirs, uncompiled modules."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRACKRECORD_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | _NO_TELEMETRY
