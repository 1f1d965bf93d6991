"""The spans of a run as a tree and as a waterfall."""

from __future__ import annotations

from typing import Any

from trackrecord.cli.escape import width
from trackrecord.cli.look import Look
from trackrecord.cli.pages.tree import grow, walk
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
    span("turn:1/call:2/tool", "tool", 41, 5, plugin="files", action="read", status="failed"),
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


def test_a_loop_is_a_list_in_time() -> None:
    """Turns and calls in the order they began, retries named."""
    assert [
        (0, "recall memory"),
        (0, "turn 1 small"),
        (0, "turn 1 files.read"),
        (0, "turn 1 files.read"),
        (0, "turn 1 files.read try 2"),
        (0, "turn 2 small"),
    ] == drawn(LOOP)


def test_a_workflow_is_a_tree_by_what_contains_what() -> None:
    """Each try holds its own calls; a span whose step left none hangs from whatever is there."""
    assert [
        (0, "each (map ×2)"),
        (1, "#1 ask (llm)"),
        (2, "small"),
        (1, "#2 ask (llm)"),
        (2, "small"),
        (1, "#2 ask (llm) try 2"),
        (2, "small"),
        (0, "par left x demo.go"),
    ] == drawn(FLOW)


def test_a_step_that_is_one_call_is_one_line() -> None:
    """What the call did says what the step did."""
    assert (1, "#1 ask: small") in drawn(FLOW, is_whole=False)


def test_epochs_follow_each_other() -> None:
    """A resumed run's spans count from its own begin; the tree counts from the first."""
    epochs = [
        span("epoch:1", "epoch", 0, 10, attributes={"began_at": "2026-03-09T08:00:00.000000Z"}),
        span("epoch:2", "epoch", 0, 10, epoch=2, attributes={"began_at": "2026-03-09T08:00:05.000000Z"}),
        span("recall", "recall", 1, 1),
        span("turn:1/model", "model", 2, 1, epoch=2),
    ]

    assert [1_000, 5_002_000] == [node.start_us for node in walk(grow(epochs))]


def test_the_waterfall_shows_where_time_went() -> None:
    """A bar begins where its span began; what did not go well has a sign."""
    assert [
        "Waterfall                            0 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 100 ms",
        "  recall memory             1.0 ms   ▍",
        "  turn 1 small               40 ms   █████████████████▎",
        "  turn 1 files.read          10 ms                    ████▍",
        "  turn 1 files.read         5.0 ms ✗                  ██▍",
        "  turn 1 files.read try 2   5.0 ms                        ██▏",
        "  turn 2 small               40 ms                            █████████████████",
    ] == waterfall(LOOP, Look())


def test_no_line_is_wider_than_the_page() -> None:
    """Whatever the names and times are."""
    deep = [span("/".join(f"s:step_{n}" for n in range(1, depth + 1)), "step", 0, 10**9) for depth in range(1, 17)]

    assert [] == [one for one in waterfall(deep, Look(), most_rows=None) if width(one) > 80]


def test_what_does_not_fit_is_counted() -> None:
    """Levels are folded from the innermost; a long list is cut; nothing is dropped without a word."""
    many = [span(f"turn:{n}/model", "model", n, 1, model="m") for n in range(1, 101)]

    assert "  60 more inside: --all draws every span" == waterfall(many, Look())[-1]
    assert 41 == len(waterfall([*FLOW, *many], Look(), most_rows=40)) - 1
    assert 101 == len(waterfall(many, Look(), most_rows=None))


def test_a_run_without_spans_has_no_waterfall() -> None:
    """A run that was cancelled before anything happened."""
    assert [] == waterfall([], Look())
