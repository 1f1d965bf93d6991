"""Whole runs against the server: what is asked of it, what the run left, and whether the books of both agree."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from tests.providers.server.provider import Provider
from tests.store import runs

from trackrecord import Agent, FunctionPlugin, Run, Trackrecord
from trackrecord.config import read_settings
from trackrecord.record.redact import forms
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

PROTOCOLS: Final = ("openai-chat", "openai", "anthropic", "google")
ENGINES: Final = ("agentkit", "orchestrator")
KEY: Final = "sk-canary-Zx81kQ0vT4+Lm/9a=="
MODEL: Final = "test-model"
QUICK: Final[Mapping[str, Any]] = {"initial_ms": 1, "max_ms": 1, "retry_after_cap_ms": 40}

_KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY")
_ADDRESSES: Final = {
    "OPENAI_BASE_URL": "/v1",
    "ANTHROPIC_BASE_URL": "",
    "GOOGLE_GEMINI_BASE_URL": "",
}


def abacus() -> FunctionPlugin:
    """The plugin of the runs here: it adds, and looks a name up."""
    plugin = FunctionPlugin("abacus", description="Adds and looks up.")

    @plugin.action(effect="read")
    async def add(a: int, b: int) -> dict[str, int]:
        """Add two numbers."""
        return {"sum": a + b}

    @plugin.action(effect="read")
    async def find(name: str, limit: int = 10) -> dict[str, Any]:
        """Find a name."""
        return {"name": name, "rows": [{"id": n} for n in range(min(limit, 2))]}

    return plugin


def definition(**fields: Any) -> Agent:
    """One agent for both engines: AgentKit talks by itself, the Orchestrator in one bare step."""
    usual: dict[str, Any] = {
        "name": "reckoner",
        "system_prompt": "You reckon.",
        "prompt": "Add what is to be added.",
        "model": f"openai-chat:{MODEL}",
        "plugins_required": ["abacus"],
        "memory": False,
        "workflow_steps": [{"id": "work", "type": "agent"}],
    }
    return Agent.from_mapping(usual | fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a run left.

    Attributes:
        run: as it was returned.
        row: its row of `agent_executions`.
        spans: all of them.
    """

    run: Run
    row: Mapping[str, Any]
    spans: tuple[Span, ...]

    @property
    def calls(self) -> list[Span]:
        """Model attempts, in the order of their places."""
        return [span for span in self.spans if span.kind == "model"]

    @property
    def statuses(self) -> list[str]:
        """How the model attempts ended."""
        return [span.status for span in self.calls]

    @property
    def error(self) -> str:
        """What the record says went wrong."""
        return self.row["error_message"] or ""


@dataclass(slots=True, kw_only=True)
class Lab:
    """One database, one environment; runs are played in it one after the other."""

    path: Path
    patch: pytest.MonkeyPatch
    logged: list[str] = field(default_factory=list[str])

    def connect(self, url: str) -> None:
        """Every provider's address becomes this one, its key the canary."""
        for name, path in _ADDRESSES.items():
            self.patch.setenv(name, f"{url}{path}")
        for name in _KEYS:
            self.patch.setenv(name, KEY)

    def open(self, *, is_streamed: bool = False, **settings: Any) -> Trackrecord:
        """A Trackrecord of this laboratory, not yet opened; `settings` as the environment would give them."""
        given = {"retry": dict(QUICK), "stream": is_streamed, "synchronous": "NORMAL"} | settings
        return Trackrecord(settings=read_settings(db=f"sqlite:///{self.path}", **given), plugins=[abacus()])

    @asynccontextmanager
    async def opened(self, url: str, **settings: Any) -> AsyncIterator[Trackrecord]:
        """A Trackrecord connected to a server, and what it logs listened to."""
        self.connect(url)
        listener = _Listener(self.logged)
        logging.getLogger().addHandler(listener)
        try:
            async with self.open(**settings) as tr:
                yield tr
        finally:
            logging.getLogger().removeHandler(listener)

    async def play(
        self,
        url: str,
        protocol: str,
        *,
        engines: tuple[str, ...] = ENGINES,
        agent: Agent | None = None,
        **settings: Any,
    ) -> list[Played]:
        """A run through each engine."""
        async with self.opened(url, **settings) as tr:
            model = f"{protocol}:{MODEL}" if ":" not in protocol else protocol
            ended = [await tr.run(agent or definition(), engine=engine, model=model) for engine in engines]
        return [self.look(run) for run in ended]

    def look(self, run: Run) -> Played:
        """What a run left in the database."""
        with SqliteReader(self.path) as reader:
            row, spans = reader.execution(run.id), reader.spans(run.id)
        return Played(run=run, row=row, spans=spans)

    def check(self, played: list[Played], provider: Provider | None = None, *, unsent: int = 0) -> None:
        """The books: verified, as many requests as model attempts, every figure in one place only, the key in none.

        `unsent` attempts at most may have been ended before their request had left.
        """
        with SqliteReader(self.path) as reader:
            verification = verify(reader)
        assert () == verification.findings, verification.findings
        if provider is not None:
            assert 0 <= sum(len(one.calls) for one in played) - len(provider.received) <= unsent
        for one in played:
            known = [figures for span in one.calls if span.usage and (figures := span.usage.total_tokens) is not None]
            assert (sum(known) if known else None) == one.row["tokens_used"]
        self.check_canary(played)

    def check_canary(self, played: list[Played]) -> None:
        """The key is in no table, no log line, no error and no answer, in none of its spellings."""
        tables = [str(value) for rows in runs.contents(self.path).values() for row in rows for value in row]
        sinks = {
            "tables": "\n".join(tables),
            "log": "\n".join(self.logged),
            "errors": "\n".join(one.error for one in played),
            "answers": "\n".join(repr(one.run) for one in played),
        }
        assert {} == {
            name: hits for name, text in sinks.items() if (hits := [form for form in forms(KEY) if form in text])
        }


class _Listener(logging.Handler):
    """Keeps every line of every logger."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(level=logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


async def until(condition: Any, *, seconds: float = 5.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
