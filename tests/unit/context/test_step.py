"""Step scopes: one span per try of a step, however it is left, and nothing that a resume would have to read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.context.kit import SECRET, clocked, journal_of, live

from trackrecord.agent import Limits
from trackrecord.context.step import StepScope
from trackrecord.errors import BudgetExceeded, LimitReached, StepFailed, ToolFailed
from trackrecord.record.spans import Span


async def test_a_step_leaves_one_span_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Place, try, type, when and how long; pure steps cost one span, no checkpoint and no commit."""
    clock = clocked(monkeypatch)
    run = live(began_us=clock.us, epoch=2)
    clock.us += 30
    with StepScope(run, "s:sum", "transform", 1):
        clock.us += 12
    expected = Span(path="s:sum", kind="step", status="ok", epoch=2, start_us=30, duration_us=12, step_type="transform")
    assert [expected] == journal_of(run).spans
    assert ["span ok"] == journal_of(run).events


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ToolFailed("no", path="s:a/tool"), "failed", "tool_failed"),
        (BudgetExceeded("enough", code="cost_limit"), "failed", "cost_limit"),
        (asyncio.CancelledError(), "cancelled", None),
        (ZeroDivisionError(), "failed", None),
        (KeyboardInterrupt(), "failed", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_that_leaves_a_step_is_recorded_and_goes_on(
    error: BaseException, status: str, code: str | None
) -> None:
    """The step's span says that it failed or was cancelled, and whoever is next gets the very same error."""
    run = live()
    with pytest.raises(type(error)) as raised, StepScope(run, "s:a", "action", 1):
        raise error
    assert error is raised.value
    [span] = journal_of(run).spans
    assert (status, code) == (span.status, span.error_code)


@pytest.mark.parametrize("status", ["ok", "tolerated", "skipped", "failed"])
def test_an_engine_says_how_a_step_ended(status: Any) -> None:
    """Status and number of what a container started are what was set on the scope."""
    run = live()
    with StepScope(run, "s:each", "loop", 1) as scope:
        scope.status, scope.items = status, 7
    [span] = journal_of(run).spans
    assert (status, 7) == (span.status, span.items)


def test_a_failure_that_a_policy_accepts_is_named() -> None:
    """The cause of a tolerated failure stands in the span although no error left the step; without any secret."""
    run = live()
    with StepScope(run, "s:a", "action", 1) as scope:
        scope.status = "tolerated"
        scope.error = StepFailed(f"refused {SECRET}\x00")
    [span] = journal_of(run).spans
    assert ("tolerated", "step_failed", "refused [redacted]\\u0000") == (
        span.status,
        span.error_code,
        span.error_message,
    )


def test_an_error_that_leaves_wins() -> None:
    """An error that is raised after another was accepted is the one that stands in the span."""
    run = live()
    scope = StepScope(run, "s:a", "parallel", 1)
    scope.status, scope.error = "tolerated", ToolFailed("the first")
    with pytest.raises(StepFailed), scope:
        raise StepFailed("the last")
    [span] = journal_of(run).spans
    assert ("failed", "step_failed", "the last") == (span.status, span.error_code, span.error_message)


def test_each_try_is_a_span() -> None:
    """A second try of a step is another attempt of the same path, and one retry of the run."""
    run = live()
    for attempt, status in enumerate(("failed", "ok"), 1):
        with StepScope(run, "s:a", "agent", attempt) as scope:
            scope.status = status  # type: ignore[assignment]  # of the two above
    assert [(1, "failed"), (2, "ok")] == [(span.attempt, span.status) for span in journal_of(run).spans]
    assert (1, 1) == (run.tally.measures().retry_count, run.tally.measures().steps.completed)


def test_a_step_beyond_the_limit_does_not_begin() -> None:
    """When a run has as many spans as it may, its next step is not entered and leaves none; an open one is closed."""
    run = live(limits=Limits(max_spans=1))
    with StepScope(run, "s:outer", "parallel", 1):
        with StepScope(run, "s:first", "transform", 1):
            pass
        with (
            pytest.raises(LimitReached, match="1 spans, all that") as raised,
            StepScope(run, "s:more", "set", 1),
        ):
            raise AssertionError("it began")
    assert "s:more" == raised.value.path
    assert ["s:first", "s:outer"] == [span.path for span in journal_of(run).spans]


def test_a_stored_step_is_not_counted_again() -> None:
    """A resumed run enters its steps again; those whose span is stored leave none and change no figure."""
    first = live()
    with StepScope(first, "s:each", "loop", 1) as scope:
        scope.items = 3
    second = live(epoch=2)
    second.resume(journal_of(first).spans, ())
    with StepScope(second, "s:each", "loop", 1) as scope:
        scope.items = 3
    assert [] == journal_of(second).spans
    assert first.tally.measures() == second.tally.measures()


def test_whoever_watches_sees_a_step_begin_and_end() -> None:
    """A watcher is told of a step by its type."""
    seen: list[tuple[str, str, str, str]] = []
    run = live(watcher=lambda one: seen.append((one.kind, one.path, one.what, one.label)))
    with StepScope(run, "s:sum", "transform", 1):
        pass
    assert [("started", "s:sum", "step", "transform"), ("finished", "s:sum", "step", "transform")] == seen
