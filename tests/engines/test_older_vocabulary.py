"""The older vocabulary runs, not only loads: every type and field of it does what its name today does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines.kit import say
from tests.engines.test_asking import APPROVED, at
from tests.engines.test_workflows import Flow, holds

from trackrecord.context.questions import Question


def add(step_id: str, a: Any = 1, b: Any = 2, **more: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "type": "plugin_action",
        "plugin": "kit",
        "action": "add",
        "params": {"a": a, "b": b},
        **more,
    }


def put(step_id: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "transform", "config": {"operation": "set", "value": value}, **more}


def fail(step_id: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "plugin_action", "plugin": "kit", "action": "fail", **more}


FLOWS: Mapping[str, Flow] = {
    "plugin_action, dependencies, ids of the older form": Flow(
        steps=[add("step-1"), add("2", "{{ steps.step_1.data.sum }}", dependencies=["step-1"])],
        output={"sum": 5},
        counts=(2, 0, 0, 0),
        calls=2,
        paths={"s:_2/tool": "ok"},
    ),
    "ai_processing": Flow(
        steps=[{"id": "a", "type": "ai_processing", "prompt": "Say.", "params": {"x": "{{ inputs.x }}"}}],
        inputs={"x": 1},
        output="fine",
        counts=(1, 0, 0, 0),
        turns=1,
    ),
    "llm_decision": Flow(
        steps=[{"id": "a", "type": "llm_decision", "prompt": "Which?", "labels": ["red", "green"]}],
        replies=(say("Green."),),
        output="green",
        counts=(1, 0, 0, 0),
        turns=1,
    ),
    "branch with then_steps and else_steps": Flow(
        steps=[
            {
                "id": "a",
                "type": "branch",
                "condition": "1 > 2",
                "then_steps": [put("b", 1)],
                "else_steps": [put("c", 2)],
            }
        ],
        output={"result": False, "branch": "else"},
        counts=(2, 0, 0, 0),
        executed=(2, 1, 0, 0),
        paths={"s:a/b:else/s:c": "ok"},
    ),
    "branch with cases": Flow(
        steps=[{"id": "a", "type": "branch", "evaluate": "{{ inputs.x }}", "cases": {"1": [add("b")]}}],
        inputs={"x": 1},
        output={"case": "1"},
        counts=(2, 0, 0, 0),
        executed=(2, 1, 0, 0),
        calls=1,
        paths={"s:a/case:1/s:b": "ok"},
    ),
    "executeIf": Flow(
        steps=[put("a", 1, executeIf="1 > 2"), put("b", "{{ steps.a.status }}")],
        output="skipped",
        counts=(1, 0, 0, 1),
    ),
    "iteration with iterateOver, loopSteps and maxIterations": Flow(
        steps=[
            {
                "id": "l",
                "type": "iteration",
                "iterateOver": "{{ inputs.n }}",
                "maxIterations": 2,
                "loopSteps": [add("a", "{{ item }}", 1)],
            }
        ],
        inputs={"n": [1, 2]},
        output=[{"sum": 2}, {"sum": 3}],
        counts=(3, 0, 0, 0),
        executed=(3, 0, 2, 0),
        calls=2,
    ),
    "more than maxIterations": Flow(
        steps=[{"id": "l", "type": "iteration", "iterateOver": [1, 2], "maxIterations": 1, "loopSteps": [put("a", 1)]}],
        status="failed",
        error="limit_reached",
        counts=(0, 1, 0, 0),
    ),
    "parallel: true on a loop": Flow(
        steps=[
            {
                "id": "l",
                "type": "loop",
                "parallel": True,
                "iterateOver": [0.3, 0.3, 0.3],
                "timeout_ms": 800,
                "loopSteps": [
                    {
                        "id": "w",
                        "type": "plugin_action",
                        "plugin": "kit",
                        "action": "wait",
                        "params": {"seconds": "{{ item }}"},
                    }
                ],
            }
        ],
        output=["done"] * 3,
        counts=(4, 0, 0, 0),
        calls=3,
    ),
    "parallel: true on neighbours": Flow(
        steps=[
            put("a", 1),
            put("b", 2, parallel=True),
            put("c", 3, parallel=True),
            put("d", "{{ steps.b.data + steps.c.data }}"),
        ],
        output=5,
        counts=(4, 0, 0, 0),
    ),
    "parallel_group": Flow(
        steps=[{"id": "p", "type": "parallel_group", "steps": [put("a", 1), add("b")]}],
        output={"1": 1, "2": {"sum": 3}},
        counts=(3, 0, 0, 0),
        executed=(3, 0, 0, 2),
        calls=1,
    ),
    "parallel: true as a type": Flow(
        steps=[{"id": "p", "parallel": True, "steps": [put("a", 1), put("b", 2)]}],
        output={"1": 1, "2": 2},
        counts=(3, 0, 0, 0),
    ),
    "scatter_gather": Flow(
        steps=[
            {
                "id": "m",
                "type": "scatter_gather",
                "scatter": {
                    "input": [1, 2],
                    "maxConcurrency": 1,
                    "itemVariable": "n",
                    "steps": [put("a", ["{{ n }}"])],
                },
                "gather": {"operation": "flatten"},
            }
        ],
        output=[1, 2],
        counts=(3, 0, 0, 0),
        executed=(3, 0, 0, 2),
    ),
    "validation": Flow(
        steps=[
            {
                "id": "v",
                "type": "validation",
                "input": "{{ inputs.x }}",
                "schema": {"type": "string"},
                "onValidationFail": "skip",
            },
            add("a", dependencies=["v"]),
        ],
        inputs={"x": 1},
        counts=(0, 0, 0, 2),
    ),
    "comparison": Flow(
        steps=[{"id": "c", "type": "comparison", "operation": "deep_equals", "left": {"a": 1}, "right": {"a": 1.0}}],
        output=True,
        counts=(1, 0, 0, 0),
    ),
    "continueOnError": Flow(
        steps=[fail("a", continueOnError=True), put("b", "{{ steps.a.status }}")],
        output="failed",
        counts=(1, 0, 1, 0),
        calls=1,
    ),
    "retryPolicy": Flow(
        steps=[
            {
                "id": "l",
                "type": "iteration",
                "iterateOver": [1],
                "loopSteps": [fail("a")],
                "retryPolicy": {"maxRetries": 2, "backoffMs": 0, "backoffMultiplier": 2},
            }
        ],
        status="failed",
        error="tool_failed",
        counts=(0, 2, 0, 0),
        calls=3,
        retries=2,
    ),
    "sub_workflow": Flow(
        steps=[
            {
                "id": "s",
                "type": "sub_workflow",
                "workflowSteps": [put("a", "{{ inputs.n + 1 }}")],
                "inputMapping": {"n": "{{ inputs.x }}"},
                "outputMapping": {"m": "{{ steps.a.data }}"},
            }
        ],
        inputs={"x": 1},
        output={"m": 2},
        counts=(2, 0, 0, 0),
    ),
    "delay": Flow(
        steps=[{"id": "d", "type": "delay", "duration_ms": 0}, put("a", "{{ steps.d.data.waited_ms < 1000 }}")],
        output=True,
        counts=(2, 0, 0, 0),
    ),
}


@pytest.mark.parametrize("name", FLOWS)
async def test_the_older_vocabulary_runs(tmp_path: Path, name: str) -> None:
    """Output, ending and counts are those of the same workflow in today's words."""
    await holds(FLOWS[name], tmp_path / "runs.db")


async def test_human_approval_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its older fields."""
    desk = at(monkeypatch, APPROVED)
    step = {
        "id": "ok-1",
        "type": "human_approval",
        "message": "Go?",
        "approvers": ["ann"],
        "approvalType": "all",
        "onTimeout": "approve",
        "timeout": 60_000,
    }
    await holds(Flow(steps=[step], output=APPROVED, counts=(1, 0, 0, 0)), tmp_path / "runs.db")
    question = Question(message="Go?", approvers=("ann",), needs="all", timeout_ms=60_000, on_timeout="approve")
    assert [("s:ok_1", question)] == desk.asked
