"""Approval and sub_workflow steps: what they ask of the context, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import say
from tests.engines.test_workflows import Flow, add, fail, holds, put

from trackrecord import Run
from trackrecord.canonical import Json
from trackrecord.context.questions import AgentRef, Question
from trackrecord.context.run_context import RunContext
from trackrecord.errors import ToolFailed


class Desk:
    """Stands in for people and for other agents: keeps what was asked, gives what it was told to give."""

    def __init__(self, answer: Json = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    async def approval(self, context: RunContext, relative: str, question: Question) -> Json:
        self.asked.append((context.path(relative), question))
        return self.answer

    async def child(self, context: RunContext, relative: str, agent: AgentRef, inputs: Mapping[str, Json]) -> Json:
        self.asked.append((context.path(relative), (agent, dict(inputs))))
        if self.answer == "fail":
            raise ToolFailed("the child run failed", path=context.path(f"{relative}/child"))
        return self.answer


def at(monkeypatch: pytest.MonkeyPatch, answer: Json) -> Desk:
    desk = Desk(answer)

    async def approval(context: RunContext, relative: str, question: Question) -> Json:
        return await desk.approval(context, relative, question)

    async def child(context: RunContext, relative: str, agent: AgentRef, inputs: Mapping[str, Json]) -> Json:
        return await desk.child(context, relative, agent, inputs)

    monkeypatch.setattr(RunContext, "approval", approval, raising=False)
    monkeypatch.setattr(RunContext, "child", child, raising=False)
    return desk


COUNTER = kit.agent(name="counter")


async def ran(path: Path, *steps: dict[str, Any], inputs: Mapping[str, Any] | None = None) -> Run:
    async with kit.opened(path, say("x"), agents=[COUNTER]) as tr:
        return await tr.run(kit.agent(steps), inputs or {})


def approval(**more: Any) -> dict[str, Any]:
    return {"id": "ok", "type": "approval", "message": "Pay {{ inputs.amount }}?", **more}


APPROVED: Json = {"decision": "approved", "by": "ann", "comment": None}
REJECTED: Json = {"decision": "rejected", "by": "bob", "comment": "too much"}


async def test_an_approval_asks_once_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Message and approvers are filled in; the answer is the step's data."""
    desk = at(monkeypatch, APPROVED)
    step = approval(approvers="{{ inputs.who }}", needs="all", timeout="2d", on_timeout="approve")
    run = await ran(tmp_path / "runs.db", step, inputs={"amount": 5, "who": ["ann", "bob", "ann"]})
    question = Question(
        message="Pay 5?", approvers=("ann", "bob"), needs="all", timeout_ms=172_800_000, on_timeout="approve"
    )
    assert ("completed", APPROVED) == (run.status, run.output)
    assert [("s:ok", question)] == desk.asked


async def test_an_approval_has_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may answer, one is enough, and the question stands until somebody does."""
    desk = at(monkeypatch, APPROVED)
    await ran(tmp_path / "runs.db", approval(), inputs={"amount": 5})
    assert [("s:ok", Question(message="Pay 5?"))] == desk.asked


async def test_a_rejection_is_data_to_branch_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow decides what a no means."""
    at(monkeypatch, REJECTED)
    after = put("after", "{{ steps.ok.data.decision }} by {{ steps.ok.data.by }}")
    run = await ran(tmp_path / "runs.db", approval(), after, inputs={"amount": 5})
    assert ("completed", "rejected by bob") == (run.status, run.output)


async def test_a_rejection_may_fail_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With who said so and why."""
    at(monkeypatch, REJECTED)
    run = await ran(tmp_path / "runs.db", approval(on_reject="fail"), inputs={"amount": 5})
    ending = run.record.ending
    assert ending is not None
    assert ("step_failed", "s:ok") == (ending.error_code, ending.error_path)
    assert "step 'ok' was rejected by bob: too much" == ending.error_message


@pytest.mark.parametrize(
    ("who", "needs", "told"),
    [
        ("ann", "any", "`approvers` must be a list of names, not text"),
        (["ann", 5], "any", "`approvers` must be a list of names, not a list of names, not all of which are"),
        ([" "], "any", "`approvers` must be a list of names, not a list of names, not all of which are"),
        ([], "all", "all of nobody cannot approve"),
        ([f"n{number}" for number in range(1_001)], "any", "1,001 approvers are too many"),
    ],
)
async def test_what_cannot_be_asked_fails_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: Any, needs: str, told: str
) -> None:
    """Nobody is asked when the list of approvers turns out to be none."""
    desk = at(monkeypatch, APPROVED)
    step = approval(approvers="{{ inputs.who }}", needs=needs)
    run = await ran(tmp_path / "runs.db", step, inputs={"amount": 5, "who": who})
    assert (f"step 'ok': {told}", []) == (run.record.ending and run.record.ending.error_message, desk.asked)


async def test_a_message_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is for people to read."""
    desk = at(monkeypatch, APPROVED)
    run = await ran(tmp_path / "runs.db", approval(), inputs={"amount": "9" * 10_001})
    assert ("failed", []) == (run.status, desk.asked)


def sub(**more: Any) -> dict[str, Any]:
    return {"id": "sub", "type": "sub_workflow", **more}


async def test_a_named_agent_is_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its inputs are filled in once; its output is the data."""
    desk = at(monkeypatch, {"n": 3})
    step = sub(agent="counter", version=COUNTER.version[:4], inputs={"x": "{{ inputs.a }}", "y": ["{{ inputs.b }}"]})
    run = await ran(tmp_path / "runs.db", step, inputs={"a": 1, "b": "{{ 1 + 1 }}"})
    assert ("completed", {"n": 3}) == (run.status, run.output)
    assert [
        ("s:sub", (AgentRef(name="counter", version=COUNTER.version[:4]), {"x": 1, "y": ["{{ 1 + 1 }}"]}))
    ] == desk.asked


async def test_outputs_map_what_a_child_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over `output`, and over what is around the step."""
    at(monkeypatch, {"n": 3})
    step = sub(agent="counter", outputs={"count": "{{ output.n }}", "of": "{{ steps.a.data }}"})
    run = await ran(tmp_path / "runs.db", put("a", "apples"), step)
    assert {"count": 3, "of": "apples"} == run.output


async def test_a_child_that_fails_fails_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cause goes on unchanged, and a policy of the step may accept it."""
    at(monkeypatch, "fail")
    run = await ran(tmp_path / "one.db", sub(agent="counter"))
    ending = run.record.ending
    assert ("tool_failed", "s:sub/child") == (ending and ending.error_code, ending and ending.error_path)
    run = await ran(tmp_path / "two.db", sub(agent="counter", on_error="continue"), put("a", "{{ steps.sub.status }}"))
    assert ("completed", "failed") == (run.status, run.output)


INLINE: dict[str, Flow] = {
    "the last step's data": Flow(
        steps=[put("a", 2), sub(steps=[put("b", "{{ inputs.n * 2 }}")], inputs={"n": "{{ steps.a.data }}"})],
        output=4,
        counts=(3, 0, 0, 0),
        executed=(3, 0, 0, 0),
        paths={"s:sub": "ok", "s:sub/s:b": "ok"},
    ),
    "mapped outputs": Flow(
        steps=[
            sub(
                steps=[put("b", 1, output="one"), put("c", 2)],
                outputs={
                    "b": "{{ steps.b.data }}",
                    "one": "{{ vars.one }}",
                    "last": "{{ output }}",
                    "n": "{{ inputs.n }}",
                },
                inputs={"n": 9},
            ),
            put("after", "{{ steps.sub.data.n }}"),
        ],
        output=9,
        counts=(4, 0, 0, 0),
    ),
    "inputs are filled in once": Flow(
        steps=[sub(steps=[put("b", "{{ inputs.text }}")], inputs={"text": "{{ inputs.text }}"})],
        inputs={"text": "{{ inputs.secret }}", "secret": "x"},
        output="{{ inputs.secret }}",
        counts=(2, 0, 0, 0),
    ),
    "inside a loop": Flow(
        steps=[
            {
                "id": "l",
                "type": "loop",
                "over": [1, 2],
                "steps": [sub(steps=[add("b", "{{ inputs.n }}", 1)], inputs={"n": "{{ item }}"})],
            }
        ],
        output=[{"sum": 2}, {"sum": 3}],
        counts=(5, 0, 0, 0),
        calls=2,
        paths={"s:l/i:2/s:sub/s:b/tool": "ok"},
    ),
    "one inside another": Flow(
        steps=[
            sub(
                steps=[
                    {
                        "id": "deep",
                        "type": "sub_workflow",
                        "inputs": {"m": "{{ inputs.n }}"},
                        "steps": [put("b", "{{ inputs.m }}")],
                    }
                ],
                inputs={"n": 5},
            )
        ],
        output=5,
        counts=(3, 0, 0, 0),
        paths={"s:sub/s:deep/s:b": "ok"},
    ),
    "a graph of its own": Flow(
        steps=[sub(steps=[put("b", 1), put("c", "{{ steps.b.data + 1 }}", depends_on=["b"])])],
        output=2,
        counts=(3, 0, 0, 0),
    ),
    "a failure inside is tolerated outside": Flow(
        steps=[sub(steps=[fail()], on_error="continue"), put("a", "{{ steps.sub.error.code }}")],
        output="tool_failed",
        counts=(1, 0, 2, 0),
        calls=1,
    ),
    "tried again": Flow(
        steps=[sub(steps=[fail()], retry={"max_attempts": 2, "initial_ms": 0})],
        status="failed",
        error="tool_failed",
        error_path="s:sub/try:2/s:bad/tool",
        counts=(0, 2, 0, 0),
        calls=2,
        retries=1,
    ),
    "an output that is not there": Flow(
        steps=[sub(steps=[put("b", {})], outputs={"x": "{{ output.gone }}"})],
        status="failed",
        error="step_failed",
        error_path="s:sub",
        counts=(1, 1, 0, 0),
    ),
}


@pytest.mark.parametrize("name", INLINE)
async def test_inline_steps_run_in_this_run(tmp_path: Path, name: str) -> None:
    """In a scope of their own, under the step's path, counted like any other."""
    await holds(INLINE[name], tmp_path / "runs.db")


async def test_an_agent_step_inside_shows_the_inner_inputs(tmp_path: Path) -> None:
    """The loop inside is given the sub_workflow's inputs, not the run's."""
    path = tmp_path / "runs.db"
    script = {
        "rules": [{"when": {"contains": '"inner"'}, "reply": {"text": "saw the inner ones"}}],
        "replies": [{"text": "saw something else"}],
    }
    async with kit.opened(path, script=script) as tr:
        steps = [sub(steps=[{"id": "b", "type": "agent"}], inputs={"inner": 1})]
        run = await tr.run(kit.agent(steps), {"outer": 2})
    assert "saw the inner ones" == run.output
