"""The spans of a run as a tree and as a waterfall."""

from __future__ import annotations

from typing import Any

from trackrecord.cli.escape import width
from trackrecord.cli.look import Look
from trackrecord.cli.pages.tree import Node, grow, walk
from trackrecord.cli.pages.waterfall import waterfall
from trackrecord.record.spans import Span


def span(path: str, kind: Any, start_ms: int, ms: int, **more: Any) -> Span:
    fields: dict[str, Any] = {"status": "ok", "epoch": 1} | more
    return Span(path=path, kind=kind, start_us=start_ms * 1000, duration_us=ms * 1000, **fields)


LOOP = [
    span("turn:2/model", "model", 60, 40, model="small"),
    span("recall", "recall", 0, 1),
    span("turn:1/model", "model", 1, 40, model="small"),
    span("turn:1/call:1/tool", "tool", 41, 10, plugin="files", action="read"),
    span("turn:1/call:2/tool", "tool", 41, 5, plugin="files", action="read", status="failed", error_code="tool_failed"),
    span("turn:1/call:2/tool", "tool", 50, 5, plugin="files", action="read", attempt=2),
]
FLOW = [
    span("s:each", "step", 0, 100, step_type="map", items=2),
    span("s:each/i:1/s:ask", "step", 0, 40, step_type="llm"),
    span("s:each/i:1/s:ask/model", "model", 1, 39, model="small"),
    span("s:each/i:2/s:ask", "step", 0, 20, step_type="llm", status="failed"),
    span("s:each/i:2/s:ask", "step", 25, 70, step_type="llm", attempt=2),
    span("s:each/i:2/s:ask/model", "model", 1, 19, model="small", status="failed"),
    span("s:each/i:2/s:ask/try:2/model", "model", 26, 60, model="small"),
    span("s:par/b:left/s:x/tool", "tool", 30, 1, plugin="demo", action="go"),
]


def drawn(spans: list[Span], **options: Any) -> list[tuple[int, str]]:
    return [(node.depth, node.label) for node in walk(grow(spans, **options))]


def named(spans: list[Span], label: str) -> Node:
    return next(node for node in walk(grow(spans)) if node.label == label)


def test_a_loop_is_a_tree_in_time() -> None:
    """A turn holds its calls in the order they began, a call its attempts; a turn that is one call is one line."""
    assert [
        (0, "recall memory"),
        (0, "turn 1"),
        (1, "small"),
        (1, "files.read"),
        (1, "files.read 2 tries"),
        (2, "try 1 tool_failed"),
        (2, "try 2"),
        (0, "turn 2 › small"),
    ] == drawn(LOOP)


def test_a_workflow_is_a_tree_by_what_contains_what() -> None:
    """Each try holds its own calls; a span whose step left none hangs from whatever is there."""
    assert [
        (0, "each (map ×2)"),
        (1, "#1 › ask (llm)"),
        (2, "small"),
        (1, "#2 › ask (llm) 2 tries"),
        (2, "try 1"),
        (3, "small"),
        (2, "try 2"),
        (3, "small"),
        (0, "par › left › x › demo.go"),
    ] == drawn(FLOW)


def test_an_item_and_a_branch_hold_what_is_in_them() -> None:
    """They leave no span: where they hold two things they are a line, with the time from the first to the last."""
    spans = [
        span("s:par", "step", 0, 50, step_type="parallel", items=2),
        span("s:par/b:a/s:one/tool", "tool", 5, 10, plugin="demo", action="go"),
        span("s:par/b:a/s:two/tool", "tool", 20, 10, plugin="demo", action="go"),
        span("s:par/b:same/s:same/tool", "tool", 0, 1, plugin="demo", action="go"),
    ]

    assert [(1, "same › demo.go"), (1, "a"), (2, "one › demo.go"), (2, "two › demo.go")] == drawn(spans)[1:]
    assert (5_000, 30_000, None) == (named(spans, "a").start_us, named(spans, "a").end_us, named(spans, "a").span)


def test_a_step_that_is_one_call_is_one_line() -> None:
    """What the call did says what the step did; the attempts of the call stay below it."""
    assert (1, "#1 › ask: small") in drawn(FLOW, is_whole=False)
    spans = [
        span("s:x", "step", 0, 50, step_type="action"),
        span("s:x/tool", "tool", 0, 10, plugin="demo", action="go", status="failed", error_code="tool_failed"),
        span("s:x/tool", "tool", 30, 20, plugin="demo", action="go", attempt=2),
    ]
    assert [(0, "x: demo.go 2 tries"), (1, "try 1 tool_failed"), (1, "try 2")] == drawn(spans, is_whole=False)


def test_another_model_in_its_place_is_named() -> None:
    """A call that fell back says to whom, and which attempt was whose."""
    spans = [
        span("turn:1/model", "model", 0, 10, model="large", status="failed", error_code="provider_unavailable"),
        span("turn:1/model", "model", 10, 10, model="small", attempt=2),
    ]
    assert ["turn 1 › large → small 2 tries", "try 1 large", "try 2 small"] == [label for _, label in drawn(spans)]


def test_epochs_follow_each_other() -> None:
    """A resumed run's spans count from its own begin; the tree counts from the first, and shows the time between.

    A process that died and a run that was parked are told apart.
    """
    began = {"began_at": "2026-03-09T08:00:00.000000Z"}
    epochs = [
        span("epoch:1", "epoch", 0, 10, status="interrupted", attributes=began),
        span("epoch:2", "epoch", 0, 10, epoch=2, attributes={"began_at": "2026-03-09T08:00:05.000000Z"}),
        span("recall", "recall", 1, 1),
        span("turn:1/model", "model", 2, 1, epoch=2),
    ]

    assert [(1_000, "recall memory"), (10_000, "no process"), (5_002_000, "turn 1 › model")] == [
        (node.start_us, node.label) for node in walk(grow(epochs))
    ]
    assert "  no process        5.0 s ↯ ┄┄┄┄" in "\n".join(waterfall(epochs, Look()))
    parked = [span("epoch:1", "epoch", 0, 10, attributes=began), *epochs[1:]]
    drawing = "\n".join(waterfall(parked, Look()))
    assert "  waiting           5.0 s ‖ ┄┄┄┄" in drawing
    assert "‖ waited, held by no process" in drawing


def test_the_waterfall_shows_where_time_went() -> None:
    """A bar begins where its span began, one for each attempt; what did not go well has a sign, told below."""
    assert [
        "Waterfall                          0 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 100 ms",
        "  recall memory           1.0 ms   ▌",
        "  turn 1                   54 ms   ━━━━━━━━━━━━━━━━━━━━━━━━",
        "  ├ small                  40 ms   ██████████████████",
        "  ├ files.read             10 ms                     ████▌",
        "  └ files.read 2 tries     14 ms ↻                   ▒▒  ██▎",
        "    ├ try 1 tool_failed   5.0 ms ✗                   ▒▒",
        "    └ try 2               5.0 ms                         ██▎",
        "  turn 2 › small           40 ms                             ██████████████████",
        "  ✗ failed · ↻ ok after a retry",
    ] == waterfall(LOOP, Look())


def test_no_meaning_is_in_a_colour_alone() -> None:
    """Without colours an attempt that failed, a wait and a rejected call still look like what they are."""
    spans = [
        span("turn:1/call:1/tool", "tool", 0, 50, status="failed"),
        span("s:nap/wait", "wait", 0, 50),
        span("turn:1/call:2/tool", "tool", 0, 0, status="rejected"),
        span("s:gone/tool", "tool", 0, 50, status="interrupted"),
        span("s:who/tool", "tool", 0, 50, status="unknown"),
    ]
    text = "\n".join(waterfall(spans, Look()))

    assert [True] * 8 == [sign in text for sign in ("✗ ▒", "░░", "! ", "↯ ▒", "? ▒", "never called", "died", "unknown")]


def test_no_line_is_wider_than_the_page() -> None:
    """Whatever the names and times are, on any terminal."""
    deep = [span("/".join(f"s:step_{n}" for n in range(1, depth + 1)), "step", 0, 10**9) for depth in range(1, 17)]
    wide = [span("s:日本語の長い名前のステップ" * 8, "step", 0, 5), *deep]

    for columns in (60, 80, 120):
        assert [] == [one for one in waterfall(wide, Look(width=columns), most_rows=None) if width(one) > columns]


def test_what_does_not_fit_is_counted() -> None:
    """A long list is cut; nothing is dropped without a word."""
    many = [span(f"turn:{n}/model", "model", n, 1, model="m") for n in range(1, 101)]

    assert "  60 more inside: --all draws every span" == waterfall(many, Look())[-1]
    assert 101 == len(waterfall(many, Look(), most_rows=None))


def test_what_holds_a_failure_is_opened_first() -> None:
    """What went well inside is folded, with how much it is; what did not is not."""
    spans = [span("s:each", "step", 0, 100, step_type="map", items=30)]
    for item in range(1, 31):
        spans += [span(f"s:each/i:{item}/s:{name}/tool", "tool", item, 1, action=name) for name in ("a", "b")]
    spans[-1] = span("s:each/i:30/s:b/tool", "tool", 90, 1, action="b", status="failed")
    lines = waterfall(spans, Look())

    assert ["  └ #30", "    ├ a › a", "    └ b › b"] == [line[:16].rstrip() for line in lines[-5:-2]]
    assert 29 == sum(" +2 " in line for line in lines)
    assert ["  ✗ failed", "  58 more inside: --all draws every span"] == lines[-2:]


def test_a_run_without_spans_has_no_waterfall() -> None:
    """A run that was cancelled before anything happened."""
    assert [] == waterfall([], Look())
