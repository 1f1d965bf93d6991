"""Failures keep the truth: whatever ends a run, on either engine, what it had spent is in all four tables, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say

from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

LLM = {"id": "think", "type": "llm", "prompt": "Think."}
ADD = {"id": "add", "type": "action", "plugin": "kit", "action": "add", "params": {"a": 1, "b": 2}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A way to fail: the script, the step that does it, and what must stand in the record."""

    replies: tuple[Mapping[str, Any], ...] = (say("fine"),)
    step: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    status: str = "failed"
    error_code: str = "tool_failed"
    tokens: int | None = IN + OUT
    iterations: int = 1
    tool_calls: int = 2
    known_calls: int | None = None


def _fail(kind: str) -> Mapping[str, Any]:
    return {"id": "boom", "type": "action", "plugin": "kit", "action": "fail", "params": {"kind": kind}}


_MODEL_DOWN = {"error": {"status": 400, "message": "no such thing"}}
_BOOM_LLM = {"id": "boom", "type": "llm", "prompt": "Boom."}
_SCRIPT_BOOM = {"when": {"contains": "Boom."}, "reply": _MODEL_DOWN}

STEPS: dict[str, Case] = {
    "model error": Case(step=_BOOM_LLM, error_code="model_failed", tool_calls=1, tokens=IN + OUT),
    **{f"tool raises {kind}": Case(step=_fail(kind)) for kind in kit.BASE_EXCEPTIONS},
    "step's own timeout": Case(
        step={
            "id": "boom",
            "type": "action",
            "plugin": "kit",
            "action": "wait",
            "params": {"seconds": 5},
            "timeout_ms": 50,
            "retry": {"max_attempts": 1},
        }
    ),
    "bad reference": Case(
        step={
            "id": "boom",
            "type": "transform",
            "operation": "set",
            "value": "{{ steps.add.data.nothing }}",
        },
        error_code="step_failed",
        tool_calls=1,
    ),
    "answer does not fit": Case(
        step={"id": "boom", "type": "llm", "prompt": "Again.", "output_schema": SCHEMA},
        error_code="invalid_output",
        tokens=2 * (IN + OUT),
        iterations=2,
        tool_calls=1,
    ),
    "token limit": Case(
        step={"id": "boom", "type": "llm", "prompt": "Again."},
        agent={"limits": {"max_tokens_per_run": IN}},
        status="budget_exceeded",
        error_code="token_limit",
        tool_calls=1,
    ),
    "run timeout": Case(
        step={"id": "boom", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 5}},
        agent={"limits": {"run_timeout_s": 0.3}},
        status="timed_out",
        error_code="run_timeout",
    ),
}

PLACES: dict[str, Any] = {
    "in a row": lambda boom: [LLM, ADD, boom],
    "in a loop": lambda boom: [
        {
            "id": "each",
            "type": "loop",
            "over": [1, 2],
            "steps": [
                {**LLM, "if": "index == 0"},
                {**ADD, "if": "index == 0"},
                {**boom, "if": "index == 1"},
            ]
            if boom["type"] != "transform"
            else [{**LLM, "if": "index == 0"}, {**ADD, "if": "index == 0"}, boom],
        }
    ],
    "in a parallel branch": lambda boom: [
        {
            "id": "both",
            "type": "parallel",
            "max_concurrency": 1,
            "branches": {
                "a": [LLM, ADD],
                "b": [boom if boom["type"] != "transform" else {**boom, "value": "{{ inputs.no }}"}],
            },
        }
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", STEPS)
async def test_a_workflow_that_fails_keeps_what_it_spent(tmp_path: Path, name: str, place: str) -> None:
    """Status, error code, tokens and calls of a failed workflow stand in all four tables, wherever the step was."""
    case = STEPS[name]
    agent = kit.agent(PLACES[place](case.step), **case.agent)
    script = {"rules": [_SCRIPT_BOOM], "replies": list(case.replies), "then": "repeat_last"}
    path = tmp_path / "runs.db"
    async with kit.opened(path, script=script) as tr:
        run = await tr.run(agent, {})
    _check(path, run.id, case, "❌ Orchestrator execution failed")


LOOPS: dict[str, Case] = {
    "model error on turn 3": Case(
        replies=(ask("add", a=1, b=1), ask("add", a=1, b=2), _MODEL_DOWN),
        error_code="model_failed",
        tokens=2 * (IN + OUT),
        iterations=2,
    ),
    "answer does not fit, twice": Case(
        replies=(ask("add", a=1, b=1), ask("add", a=1, b=2), say("no"), say("still no")),
        agent={"output_schema": SCHEMA},
        error_code="invalid_output",
        tokens=4 * (IN + OUT),
        iterations=4,
    ),
    "too many turns": Case(
        replies=(ask("add", a=1, b=1), ask("add", a=1, b=2)),
        agent={"limits": {"max_iterations": 2}},
        error_code="max_iterations",
        tokens=2 * (IN + OUT),
        iterations=2,
    ),
    "the same call again and again": Case(
        replies=(ask("add", a=1, b=1),), error_code="loop_detected", tokens=3 * (IN + OUT), iterations=3, tool_calls=3
    ),
    "token limit": Case(
        replies=(ask("add", a=1, b=1), ask("add", a=1, b=2), say("never asked")),
        agent={"limits": {"max_tokens_per_run": 2 * IN}},
        status="budget_exceeded",
        error_code="token_limit",
        tokens=2 * (IN + OUT),
        iterations=2,
    ),
    "run timeout in a tool": Case(
        replies=(ask("add", a=1, b=1), ask("wait", seconds=5)),
        agent={"limits": {"run_timeout_s": 0.3}},
        status="timed_out",
        error_code="run_timeout",
        tokens=2 * (IN + OUT),
        iterations=2,
    ),
    "usage unknown on one turn": Case(
        replies=(ask("add", a=1, b=1), ask("add", tokens=None, a=1, b=2), _MODEL_DOWN),
        error_code="model_failed",
        tokens=IN + OUT,
        iterations=2,
    ),
    "usage unknown on every turn": Case(
        replies=(ask("add", tokens=None, a=1, b=1), ask("add", tokens=None, a=1, b=2), _MODEL_DOWN),
        error_code="model_failed",
        tokens=None,
        iterations=2,
    ),
    "too many spans": Case(
        replies=(ask("add", a=1, b=1), ask("add", a=1, b=2), ask("add", a=1, b=3)),
        agent={"limits": {"max_spans": 5}},
        error_code="limit_reached",
        tokens=3 * (IN + OUT),
        iterations=3,
    ),
}


@pytest.mark.parametrize("name", LOOPS)
async def test_a_tool_calling_loop_that_fails_keeps_what_it_spent(tmp_path: Path, name: str) -> None:
    """Every end of AgentKit's loop keeps the tokens and calls spent until then, in all four tables."""
    case = LOOPS[name]
    path = tmp_path / "runs.db"
    async with kit.opened(path, *case.replies) as tr:
        run = await tr.run(kit.agent(**({"memory": False} | case.agent)), {})
    _check(path, run.id, case, "❌ AgentKit execution failed")


@pytest.mark.parametrize("kind", kit.BASE_EXCEPTIONS)
async def test_agentkit_tells_the_model_of_a_failed_tool(tmp_path: Path, kind: str) -> None:
    """A tool that raises, of whatever kind, is a failed call the model is told of; the run goes on."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("fail", kind=kind), say("I could not.")) as tr:
        run = await tr.run(kit.agent(), {})
    found = kit.tables(path, run)
    assert ("completed", "I could not.") == (run.status, run.output)
    [call] = json.loads(found.execution["logs"])["toolCalls"]
    assert (False, "tool_failed", f"fail raised {kind}: it broke") == (
        call["success"],
        call["errorCode"],
        call["error"],
    )
    assert 1 == found.execution["tool_calls_count"]


ENGINES = {
    "agentkit": ((ask("add", a=1, b=1), ask("wait", seconds=5)), None, 2 * (IN + OUT)),
    "orchestrator": (
        (say("fine"),),
        [
            LLM,
            {
                "id": "both",
                "type": "parallel",
                "branches": {
                    "a": [ADD],
                    "b": [
                        {"id": "slow", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 5}}
                    ],
                },
            },
        ],
        IN + OUT,
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_cancelled_run_is_recorded_with_what_it_spent(tmp_path: Path, engine: str) -> None:
    """Cancelling ends a run at once; what is in flight is closed as cancelled, and everything spent is kept."""
    replies, steps, tokens = ENGINES[engine]
    path = tmp_path / "runs.db"
    seen = asyncio.Event()

    def watch(progress: Any) -> None:
        if progress.kind == "started" and progress.label == "kit.wait":
            seen.set()

    async with kit.opened(path, *replies) as tr:
        started = await tr.start(kit.agent(steps), {}, watcher=watch)
        await asyncio.wait_for(seen.wait(), 5)
        await asyncio.sleep(0.01)
        started.cancel()
        run = await asyncio.wait_for(started.task, 1)
    case = Case(status="cancelled", error_code="user", tokens=tokens, iterations=tokens // (IN + OUT))
    _check(path, run.id, case, f"❌ {run.record.origin.engine_title} execution failed")
    assert "cancelled" in kit.tables(path, run).statuses.values()


async def test_the_caller_s_own_cancellation_is_raised_after_the_run_is_recorded(tmp_path: Path) -> None:
    """When the task that waits is cancelled, the run is recorded as cancelled first and the cancellation goes on."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=5)) as tr:
        waiting = asyncio.ensure_future(tr.run(kit.agent(), {}))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert "cancelled" == kit.tables(path, "last").execution["status"]


async def test_closing_records_what_is_under_way(tmp_path: Path) -> None:
    """Closing the database cancels and records the runs that are under way; none is left running."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=5)) as tr:
        started = await tr.start(kit.agent(), {})
        await asyncio.sleep(0.1)
    assert ("cancelled", "signal") == (
        (await started.task).status,
        kit.tables(path, started.run_id).execution["error_code"],
    )


async def test_siblings_of_a_failed_branch_keep_their_tokens(tmp_path: Path) -> None:
    """A branch that fails cancels its siblings; what they had used by then is still counted."""
    steps = [
        {
            "id": "both",
            "type": "parallel",
            "branches": {
                "a": [
                    LLM,
                    {"id": "slow", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 5}},
                ],
                "b": [{"id": "pause", "type": "delay", "duration": "100ms"}, _fail("ValueError")],
            },
        }
    ]
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("fine")) as tr:
        run = await tr.run(kit.agent(steps), {})
    _check(path, run.id, Case(tokens=IN + OUT, iterations=1, tool_calls=2), "❌ Orchestrator execution failed")
    assert "cancelled" == kit.tables(path, run).statuses["s:both/b:a/s:slow/tool", 1]


def _check(path: Path, run_id: str, case: Case, sentence: str) -> None:
    found = kit.tables(path, run_id)
    execution, log, stats, intensity = found.execution, found.log, found.stats, found.intensity
    logs = json.loads(execution["logs"])
    assert (case.status, case.error_code) == (execution["status"], execution["error_code"]), execution["error_message"]
    assert (case.tokens, case.iterations, case.tool_calls) == (
        execution["tokens_used"],
        execution["iterations_count"],
        execution["tool_calls_count"],
    )
    assert (sentence, case.tokens) == (log["status"], log["run_tokens"])
    assert (case.tokens, case.status, case.error_code) == (
        json.loads(log["run_output"])["tokensUsed"],
        logs["status"],
        logs["errorCode"],
    )
    assert (1, 0, case.tokens or 0) == (stats["run_count"], stats["success_count"], stats["tokens_total"])
    assert (1, 0, case.tokens or 0, case.iterations, case.tool_calls) == (
        intensity["total_executions"],
        intensity["successful_executions"],
        intensity["total_tokens"],
        intensity["total_iterations"],
        intensity["total_tool_calls"],
    )
    assert int(case.tokens is not None) == intensity["runs_with_tokens"]
    with SqliteReader(path) as reader:
        found_wrong = [finding for check in verify(reader).checks for finding in check.findings]
    assert [] == found_wrong
