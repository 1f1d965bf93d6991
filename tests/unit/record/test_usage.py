"""Token figures of one attempt: what the provider said, or that nobody knows; never a zero instead."""

from __future__ import annotations

import math
from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.record.execution_data import MAX_FIGURE
from trackrecord.record.usage import FIGURES, MAX_RAW_CHARACTERS, MAX_TOKENS, UNKNOWN, Usage, read, sensible

FIGURE = st.none() | st.integers(0, MAX_TOKENS)


@pytest.mark.parametrize(
    ("usage", "total", "is_complete"),
    [
        (UNKNOWN, None, False),
        (Usage(input_tokens=0, output_tokens=0), 0, True),
        (Usage(input_tokens=3), 3, False),
        (Usage(output_tokens=4), 4, False),
        (Usage(input_tokens=3, output_tokens=4), 7, True),
        (
            Usage(input_tokens=3, output_tokens=4, cache_read_tokens=3, cache_write_tokens=1, reasoning_tokens=4),
            7,
            True,
        ),
        (Usage(cache_read_tokens=9, reasoning_tokens=9), None, False),
    ],
)
def test_a_total_is_what_is_known_of_input_and_output(usage: Usage, total: int | None, is_complete: bool) -> None:
    """Cache and reasoning are parts of input and output: they are never added, and alone they make no total."""
    assert (total, is_complete) == (usage.total_tokens, usage.is_complete)


@pytest.mark.parametrize("provenance", ["reported", "estimated", "unknown"])
def test_every_figure_knows_where_it_comes_from(provenance: str) -> None:
    """A figure that is there has the provenance of its usage; one that is not is unknown."""
    usage = Usage(input_tokens=0, provenance=provenance)  # type: ignore[arg-type]
    assert (provenance, "unknown") == (usage.source(usage.input_tokens), usage.source(usage.output_tokens))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (0, 0),
        (7, 7),
        (MAX_TOKENS, MAX_TOKENS),
        (MAX_TOKENS + 1, None),
        (2**53, None),
        (10**400, None),
        (-1, None),
        (1.0, None),
        (math.nan, None),
        ("7", None),
        (True, None),
        (None, None),
        (Decimal(7), None),
        ([7], None),
    ],
)
def test_only_a_whole_number_that_can_be_is_a_count(said: object, expected: int | None) -> None:
    """Negative, fractional, absurd or of another type: nobody knows how many tokens that was."""
    assert expected is read(said) or (expected == read(said) and type(read(said)) is int)


def test_sums_of_a_million_attempts_stay_exact() -> None:
    """No provider can make a run whose totals no database and no reader can hold."""
    assert 2 * MAX_TOKENS * 1_000_000 <= MAX_FIGURE


@given(st.builds(Usage, **dict.fromkeys(FIGURES, FIGURE)))  # type: ignore[arg-type]
def test_sensible_usage_is_left_alone(usage: Usage) -> None:
    """What can be is what was said, the very same object."""
    assert usage is sensible(usage)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            Usage(input_tokens=-5, output_tokens=7),
            Usage(
                output_tokens=7,
                raw='{"cache_read_tokens":null,"cache_write_tokens":null,"input_tokens":-5,"output_tokens":7,'
                '"reasoning_tokens":null}',
            ),
        ),
        (Usage(input_tokens=True, raw="as said"), Usage(provenance="unknown", raw="as said")),
        (Usage(output_tokens=10**30, raw="as said"), Usage(provenance="unknown", raw="as said")),
        (
            Usage(input_tokens=1, reasoning_tokens=1.5, provenance="estimated", raw="as said"),  # type: ignore[arg-type]
            Usage(input_tokens=1, provenance="estimated", raw="as said"),
        ),
    ],
)
def test_senseless_figures_are_unknown_and_kept_raw(said: Usage, expected: Usage) -> None:
    """Whatever a model of somebody else's says, figures that make sense count, and the others are told as they were."""
    assert expected == sensible(said)
    assert sensible(said) is not said


def test_what_is_kept_raw_is_cut() -> None:
    """Nobody's nonsense fills the database."""
    raw = sensible(Usage(input_tokens=10**4000)).raw
    assert raw is not None
    assert len(raw) < MAX_RAW_CHARACTERS + 50


def test_the_figures_are_all_there_is() -> None:
    """A figure added to usage is checked like the others."""
    assert {field.name for field in fields(Usage)} == {*FIGURES, "provenance", "raw"}
