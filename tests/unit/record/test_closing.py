"""Closing: a record from what is known, with the rules in force, and its minimal form."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from tests.unit.record.stories import COMPLETED, Story, origin, record, stories

from trackrecord.canonical import dumps
from trackrecord.record import closing, credits
from trackrecord.record.closing import MINIMAL, close, minimal
from trackrecord.record.fold import fold
from trackrecord.record.measures import Measures, Tokens
from trackrecord.record.record import FOLD_RULE, Ending
from trackrecord.record.rows import rows
from trackrecord.record.spans import Span


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (Tokens(), 0),
        (Tokens(input=0, output=1), 1),
        (Tokens(input=999, output=1), 1),
        (Tokens(input=1_000, output=1), 2),
        (Tokens(input=None, output=7), 1),
        (Tokens(input=None, output=None), None),
    ],
)
def test_credits_are_of_the_known_tokens(tokens: Tokens, expected: int | None) -> None:
    """A thousand begun is a credit; what nobody knows is charged as nobody knows, not as nothing."""
    assert expected == close(origin(), COMPLETED, Measures(tokens=tokens), 1).credits_used


def test_a_record_names_the_rules_it_was_made_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later price table or rule changes no record: each says which it was."""
    monkeypatch.setattr(closing, "price_table", lambda: "genai-prices/1.2.3")
    made = close(origin(), COMPLETED, Measures(), 7)
    assert ("genai-prices/1.2.3", credits.RULE, FOLD_RULE, 7) == (
        made.price_table, made.credit_rule, made.fold_rule, made.epoch,
    )  # fmt: skip


def test_a_record_is_partial_until_it_has_an_ending() -> None:
    """While a run goes on it is no success, and its figures are there already."""
    partial = record([], ending=None)
    assert (None, False, 0) == (partial.ending, partial.is_success, partial.tokens.total)
    assert record([]).is_success


@pytest.mark.parametrize("status", ["failed", "cancelled", "timed_out", "budget_exceeded", "abandoned"])
def test_only_a_completed_run_is_a_success(status: str) -> None:
    """Whatever it has done until then."""
    assert not record([], ending=Ending(status=status, output="half")).is_success  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "is_lossy", "expected"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_usage_is_complete_only_when_nothing_is_unknown_or_lost(measured: bool, is_lossy: bool, expected: bool) -> None:
    """Either an attempt that did not report or a killed process makes the figures a lower bound."""
    ending = Ending(status="failed", is_lossy=is_lossy)
    assert expected is close(origin(), ending, Measures(usage_complete=measured), 1).usage_complete


HOSTILE = "from outside: \x1b[2J sk-abcdefghijklmnop"


@settings(max_examples=40)
@given(stories())
def test_a_minimal_record_has_the_same_figures(story: Story) -> None:
    """What could not be stored is text: every total, count and rule of the full record stays."""
    full = close(origin(), Ending(status="failed", error_code="tool_failed", is_lossy=True), fold(story.spans), 3)
    small = minimal(full, "reason")
    assert replace(full.measures, tool_calls=()) == small.measures
    assert all(
        getattr(full, name.name) == getattr(small, name.name)
        for name in fields(full)
        if name.name not in ("ending", "measures")
    )
    kept = {"error_message", "logs"}
    full_row, small_row = rows(full).execution, rows(small).execution
    assert {k: v for k, v in full_row.items() if k not in kept} == {k: v for k, v in small_row.items() if k not in kept}
    assert (rows(full).stats, rows(full).figures) == (rows(small).stats, rows(small).figures)


def test_a_minimal_record_has_no_text_of_the_outside() -> None:
    """Output, messages, error path and what tools said are gone; how it ended and why the rest is missing is told."""
    failed = Span(
        path="turn:1/call:1/tool", kind="tool", status="failed", epoch=1, start_us=0, duration_us=1, plugin="http",
        action="get", error_code="tool_failed", error_message=HOSTILE,
    )  # fmt: skip
    ending = Ending(
        status="failed",
        output=HOSTILE,
        error_code="tool_failed",
        error_message=HOSTILE,
        error_path=HOSTILE,
        is_lossy=True,
    )
    small = minimal(record([failed], ending=ending), "constraint failed")
    assert small.ending == Ending(
        status="failed", error_code="tool_failed", error_message=f"{MINIMAL} (constraint failed)", is_lossy=True
    )
    made = rows(small)
    assert "from outside" not in dumps([made.execution, made.log])
    assert 1 == small.measures.tool_calls_count


def test_a_run_under_way_has_no_minimal_form() -> None:
    """Only a terminal record is ever stored in its place."""
    partial = record([], ending=None)
    assert partial is minimal(partial, "reason")
