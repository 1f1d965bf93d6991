"""The fold: conservation, order, prefixes, nesting, and the definitions of the measured figures."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.record.fold import Tally, fold
from trackrecord.record.measures import Measures, Tokens
from trackrecord.record.spans import Span, instance, path_key
from trackrecord.record.usage import UNKNOWN, Usage


def model(
    path: str, *, status: Any = "ok", tokens: tuple[int | None, int | None] | None = (10, 5), **more: Any
) -> Span:
    usage = UNKNOWN if tokens is None else Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    given: dict[str, Any] = {"purpose": "work", "provider": "p", "model": "m", "usage": usage, **more}
    return Span(path=path, kind="model", status=status, epoch=1, start_us=0, duration_us=10, **given)


def tool(path: str, *, status: Any = "ok", start: int = 0, length: int = 10, **more: Any) -> Span:
    given: dict[str, Any] = {"plugin": "files", "action": "read", "epoch": 1, **more}
    return Span(path=path, kind="tool", status=status, start_us=start, duration_us=length, **given)


def step(path: str, *, status: Any = "ok", step_type: str = "transform", **more: Any) -> Span:
    return Span(path=path, kind="step", status=status, epoch=1, start_us=0, duration_us=1, step_type=step_type, **more)


paths = st.lists(
    st.sampled_from(["s:a", "s:b", "i:1", "i:2", "i:10", "b:left", "b:right", "try:2", "turn:1", "turn:2", "call:1"]),
    min_size=1,
    max_size=5,
).map("/".join)
figures = st.one_of(st.none(), st.integers(0, 10**9))


@st.composite
def span_sets(draw: st.DrawFn) -> list[Span]:
    """Any spans a run may leave, each (path, attempt) once."""
    keys = draw(st.lists(st.tuples(paths, st.integers(1, 3), st.sampled_from("mts")), unique=True, max_size=25))
    spans: list[Span] = []
    for path, attempt, kind in keys:
        if kind == "m":
            status = draw(st.sampled_from(["ok", "failed", "cancelled", "interrupted"]))
            tokens = draw(st.one_of(st.none(), st.tuples(figures, figures)))
            purpose = draw(st.sampled_from(["work", "repair", "memory", "routing"]))
            name = draw(st.sampled_from(["m1", "m2"]))
            spans.append(
                model(f"{path}/model", status=status, tokens=tokens, attempt=attempt, purpose=purpose, model=name)
            )
        elif kind == "t":
            status = draw(st.sampled_from(["ok", "failed", "rejected", "unknown", "timed_out"]))
            start = draw(st.integers(0, 1000))
            spans.append(
                tool(f"{path}/tool", status=status, start=start, length=draw(st.integers(0, 500)), attempt=attempt)
            )
        else:
            status = draw(st.sampled_from(["ok", "failed", "tolerated", "skipped", "cancelled"]))
            kind_of_step = draw(st.sampled_from(["transform", "loop", "map", "conditional", "parallel"]))
            spans.append(
                step(
                    f"{path}/s:z", status=status, step_type=kind_of_step, items=draw(st.integers(0, 9)), attempt=attempt
                )
            )
    return spans


@given(span_sets(), st.randoms(use_true_random=False))
def test_any_interleaving_gives_the_same_measures(spans: list[Span], random: Any) -> None:
    """However parallel branches interleave, the fold of their spans is the same."""
    shuffled = list(spans)
    random.shuffle(shuffled)
    assert fold(spans) == fold(shuffled)


@given(span_sets())
def test_tokens_are_conserved(spans: list[Span]) -> None:
    """Token totals are exactly the sums over model attempts, whatever contains them."""
    attempts = [span.usage for span in spans if span.usage is not None]
    known = [usage.input_tokens for usage in attempts if usage.input_tokens is not None]
    expected = sum(known) if known or not attempts else None
    assert fold(spans).tokens.input == expected


@given(span_sets())
def test_every_prefix_is_a_valid_partial_record(spans: list[Span]) -> None:
    """After each span the measures exist, no count shrinks, and known tokens never shrink."""
    tally = Tally()
    known: list[int] = []
    counts: list[int] = []
    for span in spans:
        tally.add(span)
        measures = tally.measures()
        known.append(measures.tokens.total or 0)
        counts.append(measures.model_calls_count + measures.tool_calls_count + measures.tool_calls_rejected_count)
        assert measures.steps.total <= measures.span_count
    assert list(accumulate(known, max)) == known
    assert list(accumulate(counts, max)) == counts


@given(span_sets(), st.sampled_from(["s:outer", "s:outer/i:3", "s:p/b:left/s:q", "s:l/try:2/i:1"]))
def test_no_nesting_doubles_a_figure(spans: list[Span], above: str) -> None:
    """The same work inside containers, each with its own span, uses just the same."""
    import dataclasses

    nested = [dataclasses.replace(span, path=f"{above}/{span.path}") for span in spans]
    containers = [step("s:outer", step_type="loop"), step("s:p", step_type="parallel"), step("s:l", step_type="loop")]
    inside, outside = fold([*nested, *containers]), fold(spans)
    for figure in ("tokens", "iterations_count", "model_calls_count", "tool_calls_count", "tool_orchestration_us"):
        assert getattr(outside, figure) == getattr(inside, figure)


def test_no_model_attempt_is_zero_tokens_and_unknown_is_none() -> None:
    """Zero means measured and none; attempts that all said nothing leave None."""
    assert fold([]).tokens == Tokens()
    silent = fold([model("turn:1/model", tokens=None)])
    assert silent.tokens == Tokens(input=None, output=None, cache_read=None, cache_write=None, reasoning=None)
    assert silent.usage_complete is False


def test_one_known_attempt_among_unknown_ones_counts() -> None:
    """A total is the sum of what is known; the record then says that it is not complete."""
    measures = fold([model("turn:1/model", tokens=None, status="failed"), model("turn:1/model", attempt=2)])
    assert (measures.tokens.input, measures.tokens.output) == (10, 5)
    assert measures.usage_complete is False


def test_turns_are_successful_work_and_repair_replies() -> None:
    """Failed attempts, memory and routing calls are no turns; repair turns are."""
    measures = fold(
        [
            model("turn:1/model"),
            model("turn:2/model", purpose="repair"),
            model("summary/model", purpose="memory"),
            model("route/model", purpose="routing"),
            model("turn:3/model", status="failed"),
        ]
    )
    assert (measures.iterations_count, measures.model_calls_count) == (2, 5)


def test_retries_are_attempts_and_tries_beyond_the_first_without_those_after_an_interruption() -> None:
    """Σ(effect attempts − 1) + Σ(step tries − 1), leaving out the attempt that follows an interruption."""
    measures = fold(
        [
            model("turn:1/model", status="failed", tokens=None),
            model("turn:1/model", attempt=2),
            tool("turn:1/call:1/tool", status="interrupted"),
            tool("turn:1/call:1/tool", attempt=2),
            step("s:a", status="failed", step_type="loop"),
            step("s:a", attempt=2, step_type="loop"),
        ]
    )
    assert (measures.retry_count, measures.interruptions_count) == (2, 1)


def test_a_retried_container_adds_one_retry_and_its_inner_steps_none() -> None:
    """Step tries count on the full path; instances are told apart without their `try:` segments."""
    measures = fold(
        [
            step("s:a/s:b", status="failed"),
            step("s:a", status="failed", step_type="loop", items=1),
            step("s:a/try:2/s:b"),
            step("s:a", attempt=2, step_type="loop", items=1),
        ]
    )
    assert measures.retry_count == 1
    assert (measures.steps.completed, measures.steps.failed, measures.steps.total) == (2, 0, 2)


def test_the_last_try_gives_an_instance_its_status_also_across_containers() -> None:
    """Try 2 of a container comes after try 3 of a step inside its first try."""
    inner_third = step("s:a/s:b", status="failed", attempt=3)
    outer_second = step("s:a/try:2/s:b", status="ok")
    assert fold([inner_third, outer_second]).steps.completed == 1
    assert fold([outer_second, inner_third]).steps.completed == 1


def test_rejected_calls_are_counted_apart() -> None:
    """A call that was never made is no tool call, and its plugin was not used."""
    measures = fold([tool("turn:1/call:1/tool", status="rejected"), tool("turn:1/call:2/tool", plugin="text")])
    assert (measures.tool_calls_count, measures.tool_calls_rejected_count) == (1, 1)
    assert measures.plugins_used == ("text",)
    assert [use.attempt_count for use in measures.tool_calls] == [0, 1]


def test_the_first_attempt_decides_whether_a_call_started_in_whatever_order_attempts_are_read() -> None:
    """A path whose second attempt was refused is a call; the order in which spans are folded says nothing."""
    attempts = [tool("turn:1/call:1/tool", status="failed"), tool("turn:1/call:1/tool", status="rejected", attempt=2)]
    assert (1, 0) == tuple(
        getattr(fold(attempts), count) for count in ("tool_calls_count", "tool_calls_rejected_count")
    )
    assert fold(attempts) == fold(reversed(attempts))
    assert [(False, 2)] == [(use.was_rejected, use.attempt_count) for use in fold(attempts).tool_calls]


def test_orchestration_time_is_the_union_of_intervals_summed_over_epochs() -> None:
    """Overlapping calls count once; each epoch has its own clock."""
    measures = fold(
        [
            tool("turn:1/call:1/tool", start=0, length=100),
            tool("turn:1/call:2/tool", start=50, length=100),
            tool("turn:2/call:1/tool", start=400, length=10),
            tool("turn:3/call:1/tool", start=60, length=30, epoch=2),
        ]
    )
    assert measures.tool_orchestration_us == 150 + 10 + 30


def test_executed_counts_come_from_the_containers() -> None:
    """Decisions, iterations, branches and items are what each container says it started."""
    measures = fold(
        [
            step("s:c", step_type="conditional", items=1),
            step("s:l", step_type="loop", items=4),
            step("s:p", step_type="parallel", items=2),
            step("s:m", step_type="map", items=5),
            step("s:x", status="skipped"),
        ]
    )
    executed = measures.executed
    assert (executed.steps, executed.branches, executed.loop_iterations, executed.parallel) == (4, 1, 4, 7)


def test_the_primary_model_has_most_work_tokens_ties_by_first_path() -> None:
    """Memory calls do not make a model primary; a tie goes to the earlier path, numbers as numbers."""
    assert fold([model("turn:10/model", model="late"), model("turn:9/model", model="early")]).model == "early"
    big_memory = model("summary/model", model="memo", purpose="memory", tokens=(900, 900))
    assert fold([big_memory, model("turn:1/model", model="work")]).model == "work"
    assert fold([]).model is None


def test_models_of_one_path_with_the_same_tokens_have_one_winner() -> None:
    """A fallback model on the same path ties with the first in every respect: its name decides, not the order read."""
    attempts = [model("turn:1/model", model="b"), model("turn:1/model", model="a", attempt=2)]
    assert "a" == fold(attempts).model == fold(reversed(attempts)).model


def test_duration_is_the_epochs_and_the_gaps_between_them() -> None:
    """Monotonic time within an epoch, database time between them."""
    first = Span(
        path="epoch:1",
        kind="epoch",
        status="ok",
        epoch=1,
        start_us=0,
        duration_us=1_000,
        attributes={"began_at": "2026-01-01T00:00:00.000000Z"},
    )
    second = Span(
        path="epoch:2",
        kind="epoch",
        status="ok",
        epoch=2,
        start_us=0,
        duration_us=500,
        attributes={"began_at": "2026-01-01T00:00:01.000000Z"},
    )
    assert fold([second, first]).duration_us == 1_000_000 + 500
    assert fold([first]).duration_us == 1_000


def test_cost_of_unpriced_calls_is_none_and_partial_sums_say_so() -> None:
    """A cost says how many calls it covers."""
    unpriced = fold([model("turn:1/model")])
    assert (unpriced.cost_nanos, unpriced.priced_calls_count) == (None, 0)
    partly = fold([model("turn:1/model", cost_nanos=7), model("turn:2/model")])
    assert (partly.cost_nanos, partly.priced_calls_count, partly.model_calls_count) == (7, 1, 2)
    assert fold([]) == Measures()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("turn:9/model", "turn:10/model"), ("s:a/i:2/s:b", "s:a/i:10/s:b"), ("s:a", "s:a/i:1"), ("s:1a:9", "s:1a:10")],
)
def test_paths_sort_by_number_not_by_text(earlier: str, later: str) -> None:
    """`i:10` follows `i:9`; a container comes before what it holds."""
    assert path_key(earlier) < path_key(later)


def test_an_instance_has_no_try_segments() -> None:
    """The same step in another try of its container is the same instance."""
    assert instance("s:a/try:2/i:1/s:b/try:3/model") == "s:a/i:1/s:b/model"
