"""The fold against stories told step by step: order, prefixes, nesting, and every definition at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.stories import USAGES, Story, monotone, origin, stories

from trackrecord.errors import TerminalStatus
from trackrecord.record.closing import close
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.fold import Tally, fold
from trackrecord.record.measures import MemoryUse
from trackrecord.record.record import Ending
from trackrecord.record.rows import execution_data, rows
from trackrecord.record.spans import Span

EXAMPLES = settings(max_examples=60)


@EXAMPLES
@given(stories())
def test_a_story_adds_up_to_what_was_told(story: Story) -> None:
    """Every figure of the fold is the one that was counted while the run happened, whatever contains what."""
    measures = fold(story.spans)
    tokens, executed, steps = measures.tokens, measures.executed, measures.steps
    ended = list(story.endings.values())

    for figure in ("input", "output", "cache_read", "cache_write", "reasoning"):
        assert story.sum(figure) == getattr(tokens, figure) or (not story.leaves and getattr(tokens, figure) == 0)
    assert (story.sum("cost") if story.leaves else 0) == measures.cost_nanos
    assert (len(story.leaves), story.turns) == (measures.model_calls_count, measures.iterations_count)
    assert story.retries == measures.retry_count
    assert (story.interruptions, story.unknown) == (measures.interruptions_count, measures.unknown_count)
    assert (story.tool_calls, story.rejected) == (measures.tool_calls_count, measures.tool_calls_rejected_count)
    assert (tuple(sorted(story.plugins)), len(story.ticks)) == (measures.plugins_used, measures.tool_orchestration_us)
    assert (ended.count("ok"), ended.count("tolerated"), ended.count("skipped"), len(ended)) == (
        steps.completed, steps.tolerated, steps.skipped, steps.total,
    )  # fmt: skip
    assert len(ended) - ended.count("skipped") == executed.steps
    assert (story.decisions, story.iterations) == (executed.branches, executed.loop_iterations)
    assert (story.parallel, len(story.waits - story.busy)) == (executed.parallel, measures.waited_us)
    assert (story.is_complete, len(story.spans)) == (measures.usage_complete, measures.span_count)


@EXAMPLES
@given(stories(), st.randoms(use_true_random=False))
def test_any_order_of_the_spans_gives_the_same_measures(story: Story, random: Any) -> None:
    """However branches interleave, and in whatever order a database gives them back, the measures are the same."""
    shuffled = list(story.spans)
    random.shuffle(shuffled)
    assert fold(story.spans) == fold(shuffled) == fold(reversed(story.spans))


@EXAMPLES
@given(stories(), st.data())
def test_a_fold_goes_on_where_it_stopped(story: Story, data: st.DataObject) -> None:
    """Asking in the middle changes nothing: the fold of two parts, one after the other, is the fold of the whole."""
    cut = data.draw(st.integers(0, len(story.spans)))
    tally = Tally()
    for span in story.spans[:cut]:
        tally.add(span)
    middle = tally.measures()
    for span in story.spans[cut:]:
        tally.add(span)

    assert fold(story.spans[:cut]) == middle
    assert fold(story.spans) == tally.measures() == tally.measures()


@EXAMPLES
@given(stories())
def test_what_has_been_measured_is_never_taken_back(story: Story) -> None:
    """From one span to the next every sum, count and set stays or grows, and known stays known."""
    tally = Tally()
    before = monotone(tally.measures())
    for span in story.spans:
        tally.add(span)
        now = monotone(tally.measures())
        assert {} == {name: (before[name], now[name]) for name in now if now[name] < before[name]}
        before = now


STATUSES: list[TerminalStatus] = ["completed", "failed", "cancelled", "timed_out", "budget_exceeded", "abandoned"]


@EXAMPLES
@given(stories(), st.sampled_from(STATUSES), st.booleans(), st.data())
def test_a_run_may_end_after_any_span(
    story: Story, status: TerminalStatus, runs_workflow: bool, data: st.DataObject
) -> None:
    """Wherever it is cut off, the record is valid: its rows can be made and its public figures are accepted."""
    spans = story.spans[: data.draw(st.integers(0, len(story.spans)))]
    run = origin(runs_workflow=runs_workflow)
    partial = close(run, None, fold(spans), 1)
    ended = close(run, Ending(status=status), partial.measures, 1)
    made = rows(ended)

    assert partial.measures == ended.measures
    assert isinstance(execution_data(ended), AgentExecutionData)
    assert (status, ended.tokens.total) == (made.execution["status"], made.execution["tokens_used"])
    assert 1 == made.stats["run_count"]


# -------------------------------------------------------------------------------------------------------------- nesting


@EXAMPLES
@given(stories())
def test_containers_measure_nothing(story: Story) -> None:
    """Taking out the span of every step leaves what models, tools and waits used exactly as it was."""
    whole, effects = fold(story.spans), fold([span for span in story.spans if span.kind != "step"])
    for figure in (
        "tokens", "iterations_count", "model_calls_count", "cost_nanos", "priced_calls_count", "interruptions_count",
        "unknown_count", "tool_calls_count", "tool_calls_rejected_count", "tool_orchestration_us", "tool_calls",
        "plugins_used", "models", "provider", "model", "waited_us", "usage_complete",
    ):  # fmt: skip
        assert getattr(whole, figure) == getattr(effects, figure), figure


SEGMENTS = st.lists(
    st.sampled_from(["s:x", "s:y", "i:1", "i:12", "b:left", "case:2", "case:default", "turn:3", "call:1", "try:2"]),
    min_size=1,
    max_size=6,
).map(lambda segments: "/".join(["s:outer", *segments]))


@EXAMPLES
@given(stories(), SEGMENTS)
def test_the_depth_of_nesting_is_no_figure(story: Story, above: str) -> None:
    """The same work anywhere else in a run measures the same; only where it happened differs."""
    moved = fold([replace(span, path=f"{above}/{span.path}") for span in story.spans])
    here = fold(story.spans)
    where = {use.path: use for use in here.tool_calls}
    assert replace(here, tool_calls=()) == replace(moved, tool_calls=())
    assert [where[use.path.removeprefix(f"{above}/")] for use in moved.tool_calls] == [
        replace(use, path=use.path.removeprefix(f"{above}/")) for use in moved.tool_calls
    ]


@EXAMPLES
@given(stories(), stories())
def test_two_branches_add_up(left: Story, right: Story) -> None:
    """Side by side, two pieces of work use what they use alone: no figure is shared, none is counted twice."""
    in_left = [replace(span, path=f"s:p/b:left/{span.path}") for span in left.spans]
    in_right = [replace(span, path=f"s:p/b:right/{span.path}") for span in right.spans]
    both, one, other = monotone(fold([*in_left, *in_right])), monotone(fold(left.spans)), monotone(fold(right.spans))
    for shared in ("orchestration", "plugins", "models", "incomplete"):  # a union, not a sum
        assert max(one.pop(shared), other.pop(shared)) <= both.pop(shared)
    assert {name: one[name] + other[name] for name in one} == both


@given(st.integers(1, 5), st.integers(1, 4))
def test_a_retried_container_counts_one(tries: int, inner: int) -> None:
    """Whatever is in it and however often it is tried, a container is one step and adds its own tries, no more."""
    spans: list[Span] = []
    for attempt in range(1, tries + 1):
        at = "s:a" if attempt == 1 else f"s:a/try:{attempt}"
        spans += [_step(f"{at}/i:{number}/s:b") for number in range(1, inner + 1)]
        spans.append(_step("s:a", status="ok" if attempt == tries else "failed", attempt=attempt, step_type="loop"))
    measures = fold(reversed(spans))
    assert (1 + inner, 0, tries - 1) == (measures.steps.completed, measures.steps.failed, measures.retry_count)
    assert 1 + inner == measures.executed.steps


def test_the_last_try_is_told_by_the_outermost_container_first() -> None:
    """A step's end is that of the latest try of everything around it, not that with the highest number of its own."""
    spans = [
        _step("s:a/s:b/s:c", attempt=9, status="failed"),
        _step("s:a/s:b/try:7/s:c", attempt=5, status="failed"),
        _step("s:a/try:2/s:b/s:c", status="tolerated"),
        _step("s:a/try:2/s:b/try:2/s:c", status="ok"),
    ]
    for order in (spans, spans[::-1], spans[2:] + spans[:2]):
        assert (1, 1) == (fold(order).steps.completed, fold(order).steps.total)


def _step(path: str, **more: Any) -> Span:
    given: dict[str, Any] = {"status": "ok", "step_type": "transform", **more}
    return Span(path=path, kind="step", epoch=1, start_us=0, duration_us=1, **given)


# ------------------------------------------------------------------------------------------------------- known, unknown


@given(st.lists(USAGES, min_size=1, max_size=6))
def test_unknown_never_becomes_zero(usages: list[Any]) -> None:
    """A figure nobody reported is None in the total; a reported zero is a zero."""
    spans = [
        Span(path=f"turn:{n}/model", kind="model", status="ok", epoch=1, start_us=0, duration_us=1, usage=usage)
        for n, usage in enumerate(usages, 1)
    ]
    tokens = fold(spans).tokens
    for figure in ("input", "output", "cache_read", "cache_write", "reasoning"):
        said = [value for usage in usages if (value := getattr(usage, f"{figure}_tokens")) is not None]
        assert (sum(said) if said else None) == getattr(tokens, figure)
    assert (tokens.total is None) is (tokens.input is None and tokens.output is None)


@pytest.mark.parametrize("status", ["interrupted", "unknown", "cancelled", "timed_out"])
def test_an_attempt_nobody_knows_the_end_of_leaves_its_usage_unknown(status: Any) -> None:
    """A lost model attempt is counted as a call of which nothing is known, and the record says so."""
    lost = Span(path="turn:1/model", kind="model", status=status, epoch=1, start_us=0, duration_us=0)
    measures = fold([lost])
    assert (1, None, None, False) == (
        measures.model_calls_count, measures.tokens.total, measures.cost_nanos, measures.usage_complete,
    )  # fmt: skip
    assert 0 == measures.iterations_count


# ------------------------------------------------------------------------------------------------------ retries, epochs


def _tool(path: str, status: Any, attempt: int, *, start: int = 0, length: int = 10, epoch: int = 1) -> Span:
    return Span(
        path=path, kind="tool", status=status, epoch=epoch, start_us=start, duration_us=length, attempt=attempt,
        plugin="http", action="get",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "retries", "interruptions"),
    [
        (["ok"], 0, 0),
        (["failed", "ok"], 1, 0),
        (["failed", "failed", "failed"], 2, 0),
        (["interrupted"], 0, 1),
        (["interrupted", "ok"], 0, 1),
        (["interrupted", "interrupted", "ok"], 0, 2),
        (["cancelled", "ok"], 0, 0),  # its process died right after it had stopped it
        (["failed", "interrupted", "ok"], 1, 1),
        (["interrupted", "failed", "ok"], 1, 1),
        (["failed", "interrupted", "failed", "interrupted", "ok"], 2, 2),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_retry_follows_a_failure_not_an_interruption(
    ends: list[str], retries: int, interruptions: int, reverse: bool
) -> None:
    """The attempt after an interruption is no retry: nothing had failed."""
    spans = [_tool("turn:1/call:1/tool", status, number) for number, status in enumerate(ends, 1)]
    measures = fold(spans[::-1] if reverse else spans)
    assert (retries, interruptions) == (measures.retry_count, measures.interruptions_count)
    assert (1, len(ends)) == (measures.tool_calls_count, measures.tool_calls[0].attempt_count)


SPAN_TIMES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 100), st.integers(0, 40)), max_size=12)


@given(SPAN_TIMES)
def test_orchestration_time_is_a_union_within_and_a_sum_across_epochs(times: list[tuple[int, int, int]]) -> None:
    """Each microsecond with a call in flight counts once; each epoch has a clock of its own."""
    spans = [
        _tool(f"turn:{n}/call:1/tool", "ok", 1, start=start, length=length, epoch=epoch)
        for n, (epoch, start, length) in enumerate(times, 1)
    ]
    covered = {(epoch, tick) for epoch, start, length in times for tick in range(start, start + length)}
    assert len(covered) == fold(spans).tool_orchestration_us


@pytest.mark.parametrize(
    ("waits", "calls", "expected"),
    [
        ([(0, 100)], [], 100),
        ([(0, 100), (0, 100)], [], 100),
        ([(0, 100), (50, 100)], [], 150),
        ([(0, 100)], [(20, 30)], 70),
        ([(20, 30)], [(0, 100)], 0),
        ([], [(0, 100)], 0),
    ],
)
def test_waiting_is_the_time_in_which_only_waits_are_in_flight(
    waits: list[tuple[int, int]], calls: list[tuple[int, int]], expected: int
) -> None:
    """Two waits side by side take the time of one, and while a branch works the run works."""
    spans = [
        Span(path=f"s:{n}/wait", kind="wait", status="ok", epoch=1, start_us=start, duration_us=length)
        for n, (start, length) in enumerate(waits)
    ]
    spans += [_tool(f"s:t{n}/tool", "ok", 1, start=start, length=length) for n, (start, length) in enumerate(calls)]
    assert expected == fold(spans).waited_us


def test_rejected_calls_take_no_orchestration_time() -> None:
    """A call that was never made was never in flight, and its plugin did nothing."""
    measures = fold([_tool("turn:1/call:1/tool", "rejected", 1, length=50)])
    assert (0, 0, ()) == (measures.tool_orchestration_us, measures.tool_calls_count, measures.plugins_used)


def _epoch(number: int, began_at: str | None, length: int) -> Span:
    attributes: dict[str, Any] = {} if began_at is None else {"began_at": began_at}
    return Span(
        path=f"epoch:{number}", kind="epoch", status="ok", epoch=number, start_us=0, duration_us=length,
        attributes=attributes,
    )  # fmt: skip


AT = "2026-01-01T00:00:{:09.6f}Z"


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([], 0),
        ([(AT.format(0), 7)], 7),
        ([(AT.format(0), 7), (AT.format(1), 5)], 1_000_005),
        ([(AT.format(0.000003), 7), (AT.format(0.000031), 5), (AT.format(59.999999), 1)], 59_999_997),
        ([(AT.format(28.999999), 0), (AT.format(29.000001), 0)], 2),
        ([(AT.format(1), 7), (AT.format(0), 5)], 12),  # the database clock was set back: no gap is negative
        ([(AT.format(0), 2_000_000), (AT.format(1), 5)], 2_000_005),  # or the epochs overlap: a zombie went on
        ([(AT.format(0), 7), (None, 5), (AT.format(9), 1)], 13),  # a killed epoch: nobody knows when it began
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_duration_is_epochs_and_gaps_to_the_microsecond(
    epochs: list[tuple[str | None, int]], expected: int, reverse: bool
) -> None:
    """Monotonic time inside an epoch, the database clock between two that are known, and no gap below zero."""
    spans = [_epoch(number, began_at, length) for number, (began_at, length) in enumerate(epochs, 1)]
    assert expected == fold(spans[::-1] if reverse else spans).duration_us


def _recall(attempt: int, memory: Any, status: Any = "ok") -> Span:
    attributes = {} if memory is None else {"memory": memory}
    return Span(
        path="recall", kind="recall", status=status, epoch=1, start_us=0, duration_us=1, attempt=attempt,
        attributes=attributes,
    )  # fmt: skip


def test_memory_is_what_the_last_attempt_of_recall_gave() -> None:
    """An attempt that failed put nothing in front of a model, whenever its span is read."""
    told = _recall(2, {"tokens": 9, "entries": 2, "types": ["pattern", "summary"]})
    failed = _recall(1, None, "failed")
    expected = MemoryUse(tokens=9, entry_count=2, types=("pattern", "summary"))
    assert expected == fold([failed, told]).memory == fold([told, failed]).memory
    assert MemoryUse() == fold([failed]).memory == fold([]).memory


@pytest.mark.parametrize("memory", [None, "x", {}, {"tokens": "9", "entries": None, "types": "ab"}])
def test_memory_figures_of_another_shape_are_none(memory: Any) -> None:
    """A span of somebody else's making cannot break the fold."""
    assert MemoryUse() == fold([_recall(1, memory)]).memory
