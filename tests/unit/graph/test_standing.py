"""How the steps of a run went, added up over iterations, items, branches and tries."""

from __future__ import annotations

from typing import Any

from trackrecord.cli.graph.calls import calls
from trackrecord.cli.graph.standing import UNREACHED, of_spans, standings, told
from trackrecord.record.spans import Span, new_span
from trackrecord.record.usage import UNKNOWN, Usage


def span(path: str, kind: Any = "step", status: Any = "ok", **more: Any) -> Span:
    return new_span(path=path, kind=kind, status=status, **({"epoch": 1, "start_us": 0, "duration_us": 1_000} | more))


def model(path: str, tokens: int | None, **more: Any) -> Span:
    usage = UNKNOWN if tokens is None else Usage(input_tokens=tokens - 1, output_tokens=1)
    return span(path, "model", usage=usage, purpose="work", model="m", **more)


def test_a_step_in_a_loop_is_told_once() -> None:
    """Four iterations: how often it ended how, all their tokens and all their time; the loop has the tokens too."""
    spans = [span("s:each", items=4, duration_us=9_000)]
    for number in range(1, 5):
        status = "tolerated" if number == 3 else "ok"
        code = {"error_code": "model_failed"} if number == 3 else {}
        spans += [span(f"s:each/i:{number}/s:ask", status=status, **code)]
        spans += [model(f"s:each/i:{number}/s:ask/model", 100)]
    found = standings(spans)

    ask = found["ask"]
    assert ("tolerated", (("ok", 3), ("tolerated", 1)), 4_000, 400) == (
        ask.state,
        ask.times,
        ask.duration_us,
        ask.tokens,
    )
    assert ("~ 4 times: 3 completed", "1 failed, tolerated · 4.0 ms", "400 tokens", "model_failed") == told(ask)
    assert ("✓ completed · 9.0 ms", "4 iterations · 400 tokens") == told(found["each"], "iteration")


def test_attempts_of_a_call_are_counted_apart() -> None:
    """Three attempts of one call; what an attempt did not report is not nought."""
    spans = [span("s:ask"), model("s:ask/model", None, attempt=1), model("s:ask/model", None, attempt=2)]
    found = standings([*spans, model("s:ask/model", 50, attempt=3)])["ask"]

    assert (1, 3, 50, 2) == (found.calls, found.attempts, found.tokens, found.unreported)
    assert ("✓ completed · 1.0 ms", "3 attempts of 1 call", "50 tokens, 2 attempts unreported") == told(found)
    assert "tokens unknown" in told(standings(spans)["ask"])[-1]


def test_another_try_of_a_step_is_the_same_step() -> None:
    """It went as its last try did; what happened in the first one counts as well."""
    spans = [
        span("s:x", status="failed", error_code="step_failed"),
        span("s:x", attempt=2),
        span("s:x/s:y", status="failed", error_code="step_failed"),
        span("s:x/try:2/s:y"),
    ]
    found = standings(spans)

    assert ("ok", (("ok", 1),), 2) == (found["x"].state, found["x"].times, found["x"].tries)
    assert ("ok", (("ok", 1),)) == (found["y"].state, found["y"].times)
    assert ("✓ completed · 2.0 ms", "2 tries") == told(found["x"])


def test_what_has_begun_and_not_ended() -> None:
    """Of a run that goes on it is under way or waits; of one that has ended it was cut off."""
    spans = [span("s:par/b:left/s:a"), model("s:par/b:right/s:b/turn:1/model", 5)]

    running = standings(spans, resting="running")
    assert ("running", "ok", "running") == tuple(running[key].state for key in ("par", "a", "b"))
    waiting = standings([], pending=("s:ok/wait",), resting="waiting")
    assert ("‖ waiting",) == told(waiting["ok"])
    assert "interrupted" == standings(spans)["par"].state
    assert UNREACHED == standings(spans).get("nowhere", UNREACHED)


def test_a_second_try_that_goes_on() -> None:
    """The first one has left its span; the step is under way again."""
    spans = [span("s:x", status="failed"), span("s:x/s:y"), span("s:x/try:2/s:y")]

    assert "running" == standings(spans, resting="running")["x"].state


def test_runs_that_a_step_started() -> None:
    """Their ids are told; their figures are their own."""
    found = standings([span("s:sub"), span("s:sub/child", "child", attributes={"child_run_id": "r-1"})])["sub"]

    assert (("r-1",), None, 0) == (found.children, found.tokens, found.calls)
    assert "run r-1" in told(found)


def test_a_rejected_call_was_never_made() -> None:
    """It is no attempt and took no time."""
    found = of_spans([span("turn:1/call:1/tool", "tool", "rejected", plugin="p", action="a", error_code="rejected")])

    assert ("! rejected, never called",) == told(found)
    assert 0 == found.attempts


def test_the_turns_of_a_loop() -> None:
    """A turn holds its model's reply and then its tools, side by side; one that failed did not fail the turn."""
    spans = [
        span("recall", "recall"),
        span("turn:1/call:1/tool", "tool", plugin="p", action="a", start_us=10),
        span("turn:1/call:2/tool", "tool", "failed", plugin="p", action="b", start_us=11, error_code="tool_failed"),
        model("turn:1/model", 10),
        model("turn:2/model", 20, start_us=5_000),
        span("", "epoch"),
    ]
    arm = calls(spans)
    recall, first, second = arm.nodes

    assert ("recall memory", "turn 1", "turn 2") == (recall.title, first.title, second.title)
    assert ((0, 1), (1, 2)) == arm.edges
    assert ["m", "p.a", "p.b"] == [node.title for node in first.arms[0].nodes]
    assert ((0, 1), (0, 2)) == first.arms[0].edges
    assert first.standing is not None
    assert ("ok", 1_011, 10) == (first.standing.state, first.standing.duration_us, first.standing.tokens)
