"""The live state of a run: what watchers may do, what counts as working time, what a resume takes over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.context.kit import SECRET, USED, Journal, done, journal_of, live, marker, model, tool

from trackrecord.context.live_run import Progress
from trackrecord.context.strands import Scope
from trackrecord.errors import Cancelled
from trackrecord.record.fold import fold
from trackrecord.record.spans import Span

SPAN = Span(path="s:a", kind="step", status="ok", epoch=1, start_us=0, duration_us=1, step_type="set")
CALL = Span(
    path="turn:1/model", kind="model", status="ok", epoch=1, start_us=0, duration_us=1, purpose="work", usage=USED
)
TOOL = Span(
    path="turn:1/tool", kind="tool", status="ok", epoch=1, start_us=0, duration_us=1, plugin="mail", action="send"
)


# ------------------------------------------------------------------------------------------------------------ watchers


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError(), StopIteration(), AssertionError()])
def test_a_watcher_that_raises_is_told_nothing_more(error: Exception) -> None:
    """Whoever watches may never fail a run: it goes on, every span is written, and the watcher is left alone."""
    calls: list[Progress] = []

    def watch(progress: Progress) -> None:
        calls.append(progress)
        raise error

    run = live(watcher=watch)
    run.announce("s:a", "step", "set")
    run.write(SPAN)
    run.note("s:a", "still here")
    assert (1, [SPAN], None) == (len(calls), journal_of(run).spans, run.watcher)


def test_a_watcher_is_told_everything_in_order() -> None:
    """Beginnings, ends with their span and the tokens so far, and an engine's own words."""
    seen: list[Progress] = []
    run = live(watcher=seen.append)
    run.announce("turn:1/model", "model", "scripted:small")
    run.write(CALL)
    run.write(TOOL)
    run.note("", "thinking")
    assert [
        Progress(kind="started", path="turn:1/model", what="model", label="scripted:small", span=None, tokens=0),
        Progress(kind="finished", path="turn:1/model", what="model", label="", span=CALL, tokens=110),
        Progress(kind="finished", path="turn:1/tool", what="tool", label="mail.send", span=TOOL, tokens=110),
        Progress(kind="note", path="", what="", label="thinking", span=None, tokens=110),
    ] == seen


def test_nobody_has_to_watch() -> None:
    """Without a watcher the same calls do nothing."""
    run = live()
    run.announce("s:a", "step", "set")
    run.note("s:a", "words")
    assert [] == journal_of(run).events


# ---------------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("code", ["user", "signal"])
def test_a_wish_to_cancel_is_raised_where_it_is_asked_for(code: Any) -> None:
    """Whoever checks hears who wanted it; without a wish there is nothing to hear."""
    live().check_cancelled()
    with pytest.raises(Cancelled) as raised:
        live(cancel_code=code).check_cancelled()
    assert (code, "cancelled") == (raised.value.code, raised.value.status)


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (f"with {SECRET}", "with [redacted]"),
        ("sk-abcdefghijklmnopqrstuvwx", "[redacted]"),
        ("a\x00b\ud800", "a\\u0000b\\ud800"),
        ("x" * 2_001, "x" * 2_000 + "… [cut: 2001 characters in all]"),
        ("x" * 1_990 + SECRET, "x" * 1_990 + "[redacted]"),
    ],
    ids=["plain", "secret", "key", "odd", "long", "secret at the cut"],
)
def test_an_error_message_is_made_fit_to_store(text: str, expected: str) -> None:
    """Secrets go before the cut, else half of one would stay; odd characters are visible."""
    assert expected == live().error_text(text)


# -------------------------------------------------------------------------------------------------------- working time


class Timer:
    """The timeout of a run: notes how it is moved, in seconds from now, None for stopped."""

    def __init__(self, seconds: float) -> None:
        self.deadline: float | None = asyncio.get_running_loop().time() + seconds
        self.moves: list[float | None] = []

    def when(self) -> float | None:
        return self.deadline

    def expired(self) -> bool:
        return False

    def reschedule(self, deadline: float | None) -> None:
        self.deadline = deadline
        left = None if deadline is None else round(deadline - asyncio.get_running_loop().time())
        self.moves.append(left)


@pytest.mark.parametrize(
    ("events", "moves"),
    [
        ("begin rest", []),
        ("rest", [None]),
        ("rest begin", [None, 100]),
        ("begin rest rest begin", [None, 100]),
        ("rest begin rest begin", [None, 100, None, 100]),
    ],
)
async def test_only_working_time_counts(events: str, moves: list[float | None]) -> None:
    """The run's clock stands still while no strand of it is at work, and goes on with what was left."""
    timer = Timer(100)
    scope = Scope(timer=timer)  # type: ignore[arg-type]  # a double
    for event in events.split():
        getattr(scope, event)()
    assert moves == timer.moves


async def test_a_scope_without_a_timer_has_no_clock_to_stop() -> None:
    """Resting and going on change nothing but the count."""
    scope = Scope()
    scope.rest()
    scope.begin()
    assert 1 == scope.working


async def test_a_clock_that_never_ends_is_not_started() -> None:
    """A timeout without an end has no remaining time to keep."""
    timer = Timer(0)
    timer.deadline = None
    scope = Scope(timer=timer)  # type: ignore[arg-type]  # a double
    scope.rest()
    scope.begin()
    assert [] == timer.moves


# ------------------------------------------------------------------------------------------------------------- resume


def test_a_resume_takes_over_spans_and_checkpoints() -> None:
    """Stored spans are folded first, and none of them can be written again; checkpoints are found by path."""
    run = live(epoch=2)
    kept = [marker(model()), done(tool(), '{"value":1}'), done(tool(), '{"value":2}', attempt=2)]
    run.resume([SPAN, CALL], kept)
    run.write(SPAN)
    assert fold([SPAN, CALL]) == run.tally.measures()
    assert {"turn:1/model": kept[:1], "turn:1/call:1/tool": kept[1:]} == run.checkpoints
    assert [] == journal_of(run).spans


def test_a_first_begin_takes_over_nothing() -> None:
    """Without a past every span is new."""
    journal = Journal()
    run = live(journal)
    run.resume((), ())
    run.write(SPAN)
    assert ([SPAN], {}) == (journal.spans, run.checkpoints)
