"""Agents, tools and models for whole runs, small enough that every figure is known beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackrecord import Agent, FunctionPlugin, Run, Trackrecord
from trackrecord.models.scripted import ScriptedModel
from trackrecord.plugins.protocol import EffectClass
from trackrecord.store.reader import SqliteReader

MODEL = "test:script"
IN, OUT = 100, 10  # tokens of one ordinary reply

BASE_EXCEPTIONS: dict[str, type[BaseException]] = {
    "ValueError": ValueError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
}


def tools(waits: EffectClass = "read", *, haste: float = 1.0) -> FunctionPlugin:
    """The plugin `kit`: sums, failures of every kind, waits of the effect class given, as many times as short."""
    kit = FunctionPlugin("kit", description="Small sums and large failures.")

    @kit.action(effect="read")
    async def add(a: int, b: int) -> dict[str, int]:
        """Add two numbers."""
        return {"sum": a + b}

    @kit.action(effect="read")
    async def fail(kind: str = "ValueError") -> None:
        """Raise."""
        raise BASE_EXCEPTIONS[kind]("it broke")

    @kit.action(effect=waits)
    async def wait(seconds: float) -> str:
        """Take a while."""
        await asyncio.sleep(seconds / haste)
        return "done"

    @kit.action(effect="unsafe")
    async def pay(amount: int) -> dict[str, int]:
        """Pretend to pay."""
        return {"paid": amount}

    return kit


def say(text: str, *, tokens: tuple[int, int] | None = (IN, OUT)) -> dict[str, Any]:
    """A reply of text; `tokens` None reports no usage."""
    return {"text": text, "usage": _usage(tokens)}


def ask(name: str, *, tokens: tuple[int, int] | None = (IN, OUT), **arguments: Any) -> dict[str, Any]:
    """A reply that asks for one call."""
    return {"tool_calls": [{"name": f"kit__{name}", "arguments": arguments}], "usage": _usage(tokens)}


def _usage(tokens: tuple[int, int] | None) -> Any:
    return "none" if tokens is None else {"input": tokens[0], "output": tokens[1]}


def agent(steps: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> Agent:
    """An agent of this kit; a workflow when steps are given."""
    mapping: dict[str, Any] = {"name": "worker", "prompt": "Work.", "model": MODEL, "plugins_required": ["kit"]}
    if steps is not None:
        mapping["workflow_steps"] = list(steps)
    return Agent.from_mapping(mapping | fields)


def opened(
    path: Path, *replies: Mapping[str, Any], script: Mapping[str, Any] | None = None, **options: Any
) -> Trackrecord:
    """A Trackrecord whose model says these replies, turn by turn, or what the script says."""
    given = dict(script) if script is not None else {"replies": list(replies), "then": "repeat_last"}
    model = ScriptedModel.from_mapping(given)
    plugins = options.pop("plugins", [tools()])
    return Trackrecord(f"sqlite:///{path}", plugins=plugins, models={MODEL: model}, synchronous="NORMAL", **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The four rows a run left, and its spans by path and attempt."""

    execution: Mapping[str, Any]
    log: Mapping[str, Any]
    stats: Mapping[str, Any]
    intensity: Mapping[str, Any]
    statuses: Mapping[tuple[str, int], str]


def tables(path: Path, run: Run | str) -> Tables:
    """What stands in the database about a run that was its agent's only one."""
    run_id = run if isinstance(run, str) else run.id
    with SqliteReader(path) as reader:
        execution = reader.execution(run_id)
        log, intensity = reader.log(execution["id"]), reader.intensity(execution["agent_id"])
        [stats] = reader.stats(execution["agent_id"])
        assert log is not None
        assert intensity is not None
        spans = reader.spans(execution["id"])
    return Tables(
        execution=execution,
        log=log,
        stats=stats,
        intensity=intensity,
        statuses={(span.path, span.attempt): span.status for span in spans},
    )


async def quiet(tr: Trackrecord, *, ended: str | None = None) -> None:
    """Return when no run is under way here any more; with `ended`, when that run has ended."""
    async with asyncio.timeout(30):
        while tr._opened().live or (ended is not None and execution(tr._path, ended)["completed_at"] is None):
            await asyncio.sleep(0.02)


def execution(path: Path, run: str = "last") -> Mapping[str, Any]:
    """The row of a run."""
    with SqliteReader(path) as reader:
        return reader.execution(run)


def statuses(path: Path, run_id: str) -> Mapping[tuple[str, int], str]:
    """The stored spans of a run, by path and attempt."""
    with SqliteReader(path) as reader:
        return {(span.path, span.attempt): span.status for span in reader.spans(run_id)}
