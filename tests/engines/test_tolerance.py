"""What a policy accepts is counted as tolerated, however deep it happened; what none accepts is counted as failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engines.kit import agent, opened, say, tables

from trackrecord import Run
from trackrecord.record.measures import StepCounts


def fails(step_id: str = "bad", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "fail", **more}


def adds(step_id: str, a: int = 1) -> dict[str, Any]:
    return {"id": step_id, "type": "action", "plugin": "kit", "action": "add", "params": {"a": a, "b": 1}}


async def ran(path: Path, *steps: dict[str, Any], **fields: Any) -> Run:
    async with opened(path, say("done")) as tr:
        return await tr.run(agent(steps, **fields), {})


async def test_what_a_map_collects_is_tolerated(tmp_path: Path) -> None:
    """An item that fails under `on_item_error: collect` fails no run, and no step of it counts as failed."""
    only_the_second = {"id": "only", "type": "conditional", "condition": "item == 2", "then": [fails()]}
    each = {"id": "each", "type": "map", "over": [1, 2, 3], "on_item_error": "collect", "steps": [only_the_second]}
    run = await ran(tmp_path / "runs.db", each)
    statuses = tables(tmp_path / "runs.db", run).statuses
    assert "completed" == run.status
    assert ("tolerated", "tolerated") == (
        statuses["s:each/i:2/s:only", 1],
        statuses["s:each/i:2/s:only/b:then/s:bad", 1],
    )
    assert StepCounts(completed=3, tolerated=2) == run.record.measures.steps


async def test_what_fails_inside_a_tolerated_step_is_tolerated(tmp_path: Path) -> None:
    """A container that goes on in spite of a failure accepts the failure of the step inside as well."""
    group = {"id": "group", "type": "parallel", "branches": {"a": [fails()]}, "on_error": "continue"}
    run = await ran(tmp_path / "runs.db", group, adds("after"))
    assert "completed" == run.status
    assert StepCounts(completed=1, tolerated=2) == run.record.measures.steps


async def test_a_fallback_that_fails_is_not_tolerated(tmp_path: Path) -> None:
    """Who replaces a failed step is not covered by the policy that called it in."""
    run = await ran(tmp_path / "runs.db", fails("first", on_error={"fallback": fails("second")}))
    assert ("failed", "tool_failed") == (run.status, run.record.ending and run.record.ending.error_code)
    assert StepCounts(tolerated=1, failed=1) == run.record.measures.steps


async def test_a_step_that_is_retried_counts_by_its_last_try(tmp_path: Path) -> None:
    """Under a tolerant map too, the tries before the last one failed, and the last one is what was accepted."""
    group = {
        "id": "group",
        "type": "parallel",
        "branches": {"a": [fails()]},
        "retry": {"max_attempts": 2, "initial_ms": 0},
    }
    each = {"id": "each", "type": "map", "over": [1], "on_item_error": "collect", "steps": [group]}
    run = await ran(tmp_path / "runs.db", each)
    statuses = tables(tmp_path / "runs.db", run).statuses
    assert ("failed", "tolerated") == (statuses["s:each/i:1/s:group", 1], statuses["s:each/i:1/s:group", 2])
    assert StepCounts(completed=1, tolerated=2) == run.record.measures.steps


async def test_a_budget_is_never_tolerated(tmp_path: Path) -> None:
    """A limit of the run ends it from inside a map that collects everything else, and the step counts as failed."""
    ask = {"id": "ask", "type": "llm", "prompt": "Say something."}
    each = {
        "id": "each",
        "type": "map",
        "over": [1, 2],
        "max_concurrency": 1,
        "on_item_error": "collect",
        "steps": [ask],
    }
    run = await ran(tmp_path / "runs.db", each, limits={"max_tokens_per_run": 50})
    assert "budget_exceeded" == run.status
    assert "failed" == tables(tmp_path / "runs.db", run).statuses["s:each/i:2/s:ask", 1]
