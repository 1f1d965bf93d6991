"""Doubles for the wrappers of the context: a journal that notes the order of events, a clock that only tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from trackrecord.agent import Limits
from trackrecord.canonical import dumps, loads
from trackrecord.context.effect import Backoff, Effect, EffectFailed, Outcome
from trackrecord.context.live_run import LiveRun
from trackrecord.context.protocols import Checkpoint
from trackrecord.record.record import Origin
from trackrecord.record.redact import redactor
from trackrecord.record.spans import Span
from trackrecord.record.usage import Usage

SECRET = "correct-horse-battery"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
QUICK = Backoff(initial_ms=0)
USED = Usage(input_tokens=100, output_tokens=10)

ORIGIN = Origin(
    tenant_id="t",
    run_id="run",
    agent_id="agent",
    user_id="user",
    agent_name="worker",
    agent_version="v",
    engine="agentkit",
    engine_title="AgentKit",
    runs_workflow=False,
)


class Journal:
    """Keeps what it is given, and when: `events` may be shared with whatever else happens in a test.

    Attributes:
        spans, checkpoints: everything appended, in order.
        stored: checkpoints a commit has made durable.
        failure: raised by the next commit.
        is_behind: whether whoever appends should commit.
    """

    is_behind = False

    def __init__(self, events: list[str] | None = None) -> None:
        self.events: list[str] = [] if events is None else events
        self.spans: list[Span] = []
        self.checkpoints: list[Checkpoint] = []
        self.stored: list[Checkpoint] = []
        self.failure: Exception | None = None

    def append(self, span: Span | None, checkpoint: Checkpoint | None) -> None:
        if span is not None:
            self.spans.append(span)
            self.events.append(f"span {span.status}")
        if checkpoint is not None:
            self.checkpoints.append(checkpoint)
            self.events.append(checkpoint.state)

    async def commit(self) -> None:
        await asyncio.sleep(0)  # a real one takes a while, and others go on meanwhile
        if self.failure is not None:
            raise self.failure
        self.stored = list(self.checkpoints)
        self.events.append("committed")


def live(journal: Journal | None = None, **options: Any) -> LiveRun:
    """A run under way, in its first epoch unless told otherwise."""
    fields: dict[str, Any] = {
        "origin": ORIGIN,
        "limits": Limits(),
        "epoch": 1,
        "now": NOW,
        "journal": journal or Journal(),
        "is_sync": True,
        "redactor": redactor([SECRET]),
        "backoff": QUICK,
    }
    return LiveRun(**(fields | options))


def journal_of(run: LiveRun) -> Journal:
    """The double that the run writes to."""
    assert isinstance(run.journal, Journal)
    return run.journal


async def never(effect: Effect) -> Outcome:
    """What must not be done."""
    raise AssertionError(f"{effect.path} was done")


def tool(effect: Any = "read", **fields: Any) -> Effect:
    """A tool call."""
    given: dict[str, Any] = {
        "path": "turn:1/call:1/tool",
        "kind": "tool",
        "effect": effect,
        "request_hash": "asked",
        "perform": never,
        "backoff": QUICK,
        "plugin": "mail",
        "action": "send",
    }
    return Effect(**(given | fields))


def model(**fields: Any) -> Effect:
    """A model call."""
    given: dict[str, Any] = {
        "path": "turn:1/model",
        "kind": "model",
        "effect": "keyed",
        "request_hash": "asked",
        "perform": never,
        "backoff": QUICK,
        "purpose": "work",
        "provider": "scripted",
        "model": "small",
    }
    return Effect(**(given | fields))


def gave(value: Any = "done", **fields: Any) -> Outcome:
    """What a successful attempt gave."""
    return Outcome(value=loads(dumps(value)), text=dumps(value), **fields)


class Outside:
    """What is at the end of the wrappers: gives or raises what it is told, attempt by attempt, the last for ever.

    Attributes:
        asked: the effects that reached it.
    """

    def __init__(self, *answers: Outcome | BaseException, events: list[str] | None = None) -> None:
        self.answers = answers or (gave(),)
        self.events: list[str] = [] if events is None else events
        self.asked: list[Effect] = []

    async def __call__(self, effect: Effect) -> Outcome:
        self.asked.append(effect)
        self.events.append("called")
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def attempts(self) -> list[int]:
        """Which attempts reached it."""
        return [effect.attempt for effect in self.asked]


def failed(message: str = "no", *, code: str = "tool_failed", **fields: Any) -> EffectFailed:
    """A failure of an attempt."""
    return EffectFailed(message, code=code, **fields)


def done(effect: Effect, outcome: str, attempt: int = 1, **fields: Any) -> Checkpoint:
    """The checkpoint an earlier epoch left of a finished attempt."""
    return _checkpoint(effect, attempt, {"state": "done", "outcome": outcome} | fields)


def marker(effect: Effect, attempt: int = 1, **fields: Any) -> Checkpoint:
    """The checkpoint of an attempt that was in flight when its process died."""
    return _checkpoint(effect, attempt, {"state": "started", "start_us": 7} | fields)


def _checkpoint(effect: Effect, attempt: int, fields: dict[str, Any]) -> Checkpoint:
    given: dict[str, Any] = {
        "path": effect.path,
        "attempt": attempt,
        "kind": effect.kind,
        "effect": effect.effect,
        "request_hash": effect.request_hash,
        "subject": effect.subject,
        "epoch": 1,
        "start_us": 0,
    }
    return Checkpoint(**(given | fields))


class Clock:
    """The monotonic clock of a run under test; it moves only when told to."""

    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        return self.us


def clocked(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in place of the monotonic one of live runs."""
    clock = Clock()
    monkeypatch.setattr("trackrecord.context.live_run.ticks_us", clock)
    return clock


def sleepless(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] | None = None) -> list[float]:
    """Nobody waits between attempts; gives the list of the pauses that were asked for."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if meanwhile is not None:
            meanwhile()

    monkeypatch.setattr("trackrecord.context.retry.asyncio", SimpleNamespace(sleep=sleep))
    return pauses
