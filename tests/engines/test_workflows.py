"""What each step type does, with every option: output, status of every step, counts, as the definitions say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import IN, OUT, ask, say

from trackrecord import FunctionPlugin, Run
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

NOW = {"initial_ms": 0, "jitter": False}


def add(step_id: str = "add", a: Any = 1, b: Any = 2, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "add", "params": {"a": a, "b": b}, **more}


def fail(step_id: str = "bad", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "fail", **more}


def put(step_id: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "transform", "operation": "set", "value": value, **more}


def wait(step_id: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": seconds}, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A workflow and what must come of it; figures left out are zero, `paths` names only what is told."""

    steps: list[dict[str, Any]]
    output: Any = None
    status: str = "completed"
    error: str | None = None
    error_path: str | None = None
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)  # completed, failed, tolerated, skipped
    executed: tuple[int, int, int, int] | None = None  # steps, branches, loop iterations, parallel
    calls: int = 0
    turns: int = 0
    retries: int = 0
    paths: Mapping[str, str] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    replies: tuple[Mapping[str, Any], ...] = (say("fine"),)


FLOWS: dict[str, Flow] = {
    # --------------------------------------------------------------------------------------------- lists and graphs
    "in a row": Flow(
        steps=[add("a"), add("b", "{{ steps.a.data.sum }}", 4)], output={"sum": 7}, counts=(2, 0, 0, 0), calls=2
    ),
    "a diamond": Flow(
        steps=[
            put("a", 1),
            put("b", "{{ steps.a.data + 1 }}", depends_on=["a"]),
            put("c", "{{ steps.a.data + 2 }}", depends_on=["a"]),
            put("d", "{{ steps.b.data * steps.c.data }}", depends_on=["b", "c"]),
        ],
        output=6,
        counts=(4, 0, 0, 0),
    ),
    "a slow step holds nobody back": Flow(
        steps=[
            wait("slow", 0.3),
            put("quick", 1, depends_on=[]),
            put("after_quick", 2, depends_on=["quick"]),
            put("last", "{{ steps.slow.data }}", depends_on=["slow", "after_quick"]),
        ],
        output="done",
        counts=(4, 0, 0, 0),
        calls=1,
    ),
    "if is false": Flow(
        steps=[put("a", 1), put("b", 2, **{"if": "steps.a.data > 1"}), put("c", "{{ steps.b.status }}")],
        output="skipped",
        counts=(2, 0, 0, 1),
        paths={"s:b": "skipped"},
    ),
    "all dependencies skipped": Flow(
        steps=[put("a", 1, **{"if": "1 > 2"}), put("b", 2, depends_on=["a"]), put("c", 3, depends_on=["b"])],
        output=None,
        counts=(0, 0, 0, 3),
    ),
    "some dependencies skipped": Flow(
        steps=[put("a", 1, **{"if": "1 > 2"}), put("z", 5), put("b", 2, depends_on=["a", "z"])],
        output=2,
        counts=(2, 0, 0, 1),
    ),
    "output binds a name": Flow(
        steps=[put("a", 3, output="three"), put("b", "{{ vars.three + 1 }}")], output=4, counts=(2, 0, 0, 0)
    ),
    "a reference keeps its type, an embedded one is text": Flow(
        steps=[put("a", {"n": 1}), put("b", ["{{ steps.a.data }}", "got {{ steps.a.data }}"])],
        output=[{"n": 1}, 'got {"n":1}'],
        counts=(2, 0, 0, 0),
    ),
    "what a step gives is never parsed again": Flow(
        steps=[put("a", "{{ inputs.text }}"), put("b", "{{ steps.a.data }}")],
        inputs={"text": "{{ 1 + 1 }}"},
        output="{{ 1 + 1 }}",
        counts=(2, 0, 0, 0),
    ),
    "a missing path": Flow(
        steps=[put("a", {"n": 1}), put("b", "{{ steps.a.data.m }}")],
        status="failed",
        error="step_failed",
        error_path="s:b",
        counts=(1, 1, 0, 0),
    ),
    "a missing path with a default": Flow(
        steps=[put("a", {"n": 1}), put("b", "{{ default(steps.a.data.m, 7) }}")], output=7, counts=(2, 0, 0, 0)
    ),
    # ----------------------------------------------------------------------------------------------------- failures
    "a failure stops the run": Flow(
        steps=[fail(), put("after", 1)],
        status="failed",
        error="tool_failed",
        error_path="s:bad/tool",
        counts=(0, 1, 0, 0),
        calls=1,
    ),
    "a tolerated failure": Flow(
        steps=[
            fail(on_error="continue"),
            put("after", ["{{ steps.bad.status }}", "{{ steps.bad.data }}", "{{ steps.bad.error.code }}"]),
        ],
        output=["failed", None, "tool_failed"],
        counts=(1, 0, 1, 0),
        calls=1,
    ),
    "a condition that cannot be decided is a failure of the step": Flow(
        steps=[put("a", 1, **{"if": "inputs.x > 1"}, on_error="continue"), put("b", "{{ steps.a.status }}")],
        inputs={"x": "text"},
        output="failed",
        counts=(1, 0, 1, 0),
    ),
    "a fallback": Flow(
        steps=[
            fail(on_error={"fallback": add("other")}),
            put("after", ["{{ steps.bad.data.sum }}", "{{ steps.bad.status }}"]),
        ],
        output=[3, "failed"],
        counts=(2, 0, 1, 0),
        calls=2,
        paths={"s:bad": "tolerated", "s:bad/s:other": "ok"},
    ),
    "a fallback that fails": Flow(
        steps=[fail(on_error={"fallback": fail("worse")})],
        status="failed",
        error="tool_failed",
        error_path="s:bad/s:worse/tool",
        counts=(0, 1, 1, 0),
        calls=2,
    ),
    "data that does not fit the step's schema": Flow(
        steps=[put("a", "text", output_schema={"type": "integer"})],
        status="failed",
        error="invalid_output",
        error_path="s:a",
        counts=(0, 1, 0, 0),
    ),
    # ------------------------------------------------------------------------------------------------------ actions
    "an action that is not called": Flow(
        steps=[add(a="one")],
        status="failed",
        error="tool_failed",
        error_path="s:add/tool",
        counts=(0, 1, 0, 0),
        paths={"s:add/tool": "rejected"},
    ),
    "an action's own timeout": Flow(
        steps=[wait("slow", 5, timeout_ms=50, retry={"max_attempts": 2, **NOW})],
        status="failed",
        error="tool_failed",
        counts=(0, 1, 0, 0),
        calls=1,
        retries=1,
        paths={"s:slow/tool": "timed_out"},
    ),
    # ---------------------------------------------------------------------------------------------------- llm, agent
    "llm": Flow(steps=[{"id": "a", "type": "llm", "prompt": "Say."}], output="fine", counts=(1, 0, 0, 0), turns=1),
    "llm with an object": Flow(
        steps=[{"id": "a", "type": "llm", "prompt": "Say.", "output_schema": {"type": "object", "required": ["n"]}}],
        replies=(say('```json\n{"n": 4}\n```'),),
        output={"n": 4},
        counts=(1, 0, 0, 0),
        turns=1,
    ),
    "llm classifies": Flow(
        steps=[{"id": "a", "type": "llm", "prompt": "Which?", "labels": ["Spam", "Ham"]}],
        replies=(say(" ham. "),),
        output="Ham",
        counts=(1, 0, 0, 0),
        turns=1,
    ),
    "llm gives no label": Flow(
        steps=[{"id": "a", "type": "llm", "prompt": "Which?", "labels": ["Spam", "Ham"]}],
        replies=(say("Eggs"),),
        status="failed",
        error="invalid_output",
        error_path="s:a/model",
        counts=(0, 1, 0, 0),
        turns=1,
    ),
    "llm tries again": Flow(
        steps=[{"id": "a", "type": "llm", "prompt": "Say.", "retry": {"max_attempts": 3, **NOW}}],
        replies=({**say("fine"), "error": {"status": 503, "times": 2}},),
        output="fine",
        counts=(1, 0, 0, 0),
        turns=1,
        retries=2,
    ),
    "an agent inside": Flow(
        steps=[{"id": "a", "type": "agent"}],
        replies=(ask("add", a=2, b=2), say("4")),
        output="4",
        counts=(1, 0, 0, 0),
        turns=2,
        calls=1,
        paths={"s:a/turn:1/model": "ok", "s:a/turn:1/call:1/tool": "ok", "s:a/turn:2/model": "ok"},
    ),
    # ------------------------------------------------------------------------------------------------- conditionals
    "then": Flow(
        steps=[{"id": "c", "type": "conditional", "condition": "1 < 2", "then": [put("a", 1)], "else": [put("b", 2)]}],
        output={"result": True, "branch": "then"},
        counts=(2, 0, 0, 0),
        executed=(2, 1, 0, 0),
        paths={"s:c/b:then/s:a": "ok"},
    ),
    "an empty else": Flow(
        steps=[{"id": "c", "type": "conditional", "condition": "1 > 2", "then": [put("a", 1)]}],
        output={"result": False, "branch": "else"},
        counts=(1, 0, 0, 0),
        executed=(1, 1, 0, 0),
    ),
    # --------------------------------------------------------------------------------------------------- loops, maps
    "a loop": Flow(
        steps=[{"id": "l", "type": "loop", "over": [1, 2, 3], "as": "n", "steps": [put("a", "{{ n * 10 + index }}")]}],
        output=[10, 21, 32],
        counts=(4, 0, 0, 0),
        executed=(4, 0, 3, 0),
        paths={"s:l/i:3/s:a": "ok"},
    ),
    "a loop over nothing": Flow(
        steps=[{"id": "l", "type": "loop", "over": [], "steps": [put("a", 1)]}],
        output=[],
        counts=(1, 0, 0, 0),
        executed=(1, 0, 0, 0),
    ),
    "a loop over too much": Flow(
        steps=[{"id": "l", "type": "loop", "over": [1, 2, 3], "max_iterations": 2, "steps": [put("a", 1)]}],
        status="failed",
        error="limit_reached",
        error_path="s:l",
        counts=(0, 1, 0, 0),
    ),
    "a loop over no list": Flow(
        steps=[{"id": "l", "type": "loop", "over": "{{ inputs.x }}", "steps": [put("a", 1)]}],
        inputs={"x": "text"},
        status="failed",
        error="step_failed",
        error_path="s:l",
        counts=(0, 1, 0, 0),
    ),
    "while": Flow(
        steps=[
            {
                "id": "l",
                "type": "loop",
                "while": "index < 3",
                "max_iterations": 5,
                "steps": [put("a", "{{ index + 1 }}")],
            }
        ],
        output=[1, 2, 3],
        counts=(4, 0, 0, 0),
        executed=(4, 0, 3, 0),
    ),
    "while for ever": Flow(
        steps=[{"id": "l", "type": "loop", "while": "true", "max_iterations": 3, "steps": [put("a", 1)]}],
        status="failed",
        error="limit_reached",
        counts=(3, 1, 0, 0),
        executed=(4, 0, 3, 0),
    ),
    "a map keeps the order": Flow(
        steps=[
            {
                "id": "m",
                "type": "map",
                "over": [0.2, 0.0, 0.1],
                "steps": [wait("w", "{{ item }}"), put("a", "{{ item }}")],
            }
        ],
        output=[0.2, 0.0, 0.1],
        counts=(7, 0, 0, 0),
        executed=(7, 0, 0, 3),
        calls=3,
    ),
    "a map flattens": Flow(
        steps=[
            {"id": "m", "type": "map", "over": [1, 2], "collect": "flatten", "steps": [put("a", ["{{ item }}", 0])]}
        ],
        output=[1, 0, 2, 0],
        counts=(3, 0, 0, 0),
    ),
    "a map merges": Flow(
        steps=[{"id": "m", "type": "map", "over": ["x"], "collect": "merge", "steps": [put("a", {"k": "{{ item }}"})]}],
        output={"k": "x"},
        counts=(2, 0, 0, 0),
    ),
    "a map sums": Flow(
        steps=[{"id": "m", "type": "map", "over": [1, 2.5], "collect": "sum", "steps": [put("a", "{{ item }}")]}],
        output=3.5,
        counts=(3, 0, 0, 0),
    ),
    "a map that cannot sum": Flow(
        steps=[{"id": "m", "type": "map", "over": ["a"], "collect": "sum", "steps": [put("a", "{{ item }}")]}],
        status="failed",
        error="step_failed",
        error_path="s:m",
        counts=(1, 1, 0, 0),
    ),
    "a map that keeps errors beside results": Flow(
        steps=[
            {
                "id": "m",
                "type": "map",
                "over": [1, 2],
                "on_item_error": "collect",
                "steps": [fail(**{"if": "item == 1"}), put("a", "{{ item }}")],
            }
        ],
        output={
            "results": [2],
            "errors": [{"index": 0, "code": "tool_failed", "message": "fail raised ValueError: it broke"}],
        },
        counts=(2, 0, 1, 1),
        calls=1,
    ),
    # ----------------------------------------------------------------------------------------------------- parallel
    "parallel": Flow(
        steps=[{"id": "p", "type": "parallel", "branches": {"l": [put("a", 1)], "r": [put("b", 2), put("c", 3)]}}],
        output={"l": 1, "r": 3},
        counts=(4, 0, 0, 0),
        executed=(4, 0, 0, 2),
        paths={"s:p/b:r/s:c": "ok"},
    ),
    "parallel lists": Flow(
        steps=[{"id": "p", "type": "parallel", "branches": [[put("a", 1)], [put("b", 2)]]}],
        output={"1": 1, "2": 2},
        counts=(3, 0, 0, 0),
    ),
    # ------------------------------------------------------------------------------------------- retries, timeouts
    "a retried container counts once": Flow(
        steps=[
            {
                "id": "l",
                "type": "loop",
                "over": [1],
                "retry": {"max_attempts": 2, **NOW},
                "steps": [add("a"), fail("b")],
            }
        ],
        status="failed",
        error="tool_failed",
        error_path="s:l/try:2/i:1/s:b/tool",
        counts=(1, 2, 0, 0),
        calls=4,
        retries=1,
        paths={"s:l/i:1/s:a": "ok", "s:l/try:2/i:1/s:a": "ok"},
    ),
    "a container's timeout": Flow(
        steps=[{"id": "l", "type": "loop", "over": [1], "timeout_ms": 50, "steps": [wait("w", 5)]}],
        status="failed",
        error="step_failed",
        error_path="s:l",
        counts=(0, 2, 0, 0),
        calls=1,
        paths={"s:l/i:1/s:w/tool": "cancelled", "s:l/i:1/s:w": "cancelled"},
    ),
    "limits cannot be tolerated": Flow(
        steps=[
            {"id": "a", "type": "llm", "prompt": "One."},
            {"id": "b", "type": "llm", "prompt": "Two.", "on_error": "continue"},
        ],
        agent={"limits": {"max_tokens_per_run": 50}},
        status="budget_exceeded",
        error="token_limit",
        error_path="s:b/model",
        counts=(1, 1, 0, 0),
        turns=1,
    ),
    # -------------------------------------------------------------------------------------------------- delay, output
    "delay": Flow(
        steps=[{"id": "d", "type": "delay", "duration": "20ms"}, put("ok", "{{ steps.d.data.waited_ms >= 20 }}")],
        output=True,
        counts=(2, 0, 0, 0),
        paths={"s:d/wait": "ok"},
    ),
    "waiting is not working": Flow(
        steps=[{"id": "d", "type": "delay", "duration": "600ms"}, put("ok", 1)],
        agent={"limits": {"run_timeout_s": 0.5}},
        output=1,
        counts=(2, 0, 0, 0),
    ),
    "the output is composed of sources": Flow(
        steps=[add("a"), add("b", 5, 5)],
        agent={
            "output_schema": [
                {"name": "first", "type": "integer", "required": True, "source": "{{ steps.a.data.sum }}"},
                {"name": "both", "type": "array", "source": "{{ [steps.a.data.sum, steps.b.data.sum] }}"},
            ]
        },
        output={"first": 3, "both": [3, 10]},
        counts=(2, 0, 0, 0),
        calls=2,
    ),
    "an output that does not fit": Flow(
        steps=[add("a")],
        agent={"output_schema": {"type": "string"}},
        status="failed",
        error="invalid_output",
        counts=(1, 0, 0, 0),
        calls=1,
    ),
}


@pytest.mark.parametrize("name", FLOWS)
async def test_a_workflow_leaves_what_its_definition_says(tmp_path: Path, name: str) -> None:
    """Output, ending, status of every step and every count are those of the definition, and everything verifies."""
    await holds(FLOWS[name], tmp_path / "runs.db")


async def holds(flow: Flow, path: Path) -> Run:
    """Run a workflow and compare what it left with what must come of it."""
    async with kit.opened(path, *flow.replies) as tr:
        run = await asyncio.wait_for(tr.run(kit.agent(flow.steps, **flow.agent), flow.inputs), 20)
    ending, measures = run.record.ending, run.record.measures
    assert ending is not None
    assert (flow.status, flow.error, flow.output) == (run.status, ending.error_code, run.output), ending.error_message
    if flow.error_path is not None:
        assert flow.error_path == ending.error_path
    steps = measures.steps
    assert flow.counts == (steps.completed, steps.failed, steps.tolerated, steps.skipped)
    assert (flow.calls, flow.turns, flow.retries) == (
        measures.tool_calls_count,
        measures.iterations_count,
        measures.retry_count,
    )
    if flow.executed is not None:
        executed = measures.executed
        assert flow.executed == (executed.steps, executed.branches, executed.loop_iterations, executed.parallel)
    assert flow.turns * (IN + OUT) == (measures.tokens.total or 0)
    with SqliteReader(path) as reader:
        found = {span.path: span.status for span in reader.spans(run.id)}
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    assert flow.paths == {path: found.get(path) for path in flow.paths}
    return run


def _flaky() -> tuple[FunctionPlugin, dict[str, list[str]]]:
    """A plugin whose actions fail once, one for each effect class, and the keys they were called with."""
    kit_plugin, keys = FunctionPlugin("kit", description="Fails once."), dict[str, list[str]]()

    def made(effect: Any) -> None:
        async def call(call: Any) -> str:
            keys.setdefault(effect, []).append(call.idempotency_key)
            if len(keys[effect]) == 1:
                raise ToolCallFailed("try again", is_transient=True, has_response=effect != "unsafe")
            return "done"

        from trackrecord.plugins.protocol import Invocation

        call.__annotations__["call"] = Invocation
        kit_plugin.action(name=effect, description="Fail once.", effect=effect)(call)

    for effect in ("read", "keyed", "unsafe"):
        made(effect)
    return kit_plugin, keys


@pytest.mark.parametrize(
    ("effect", "status", "calls", "in_flight"),
    [("read", "completed", 2, "failed"), ("keyed", "completed", 2, "failed"), ("unsafe", "failed", 1, "unknown")],
)
async def test_what_may_be_repeated_is_retried(
    tmp_path: Path, effect: str, status: str, calls: int, in_flight: str
) -> None:
    """A transient failure is retried for read and keyed effects, with one key; an unsafe one is never called twice."""
    plugin, keys = _flaky()
    path = tmp_path / "runs.db"
    step = {"id": "a", "type": "action", "plugin": "kit", "action": effect}
    if effect != "unsafe":
        step["retry"] = {"max_attempts": 2, **NOW}  # type: ignore[assignment]  # a step holds anything
    async with kit.opened(path, say("unused"), plugins=[plugin]) as tr:
        run = await tr.run(kit.agent([step]), {})
    assert (status, calls, 1) == (run.status, len(keys[effect]), len(set(keys[effect])))
    assert (1, calls - 1) == (run.record.measures.tool_calls_count, run.record.measures.retry_count)
    assert in_flight == kit.tables(path, run).statuses["s:a/tool", 1]
    assert int(effect == "unsafe") == run.record.measures.unknown_count
