"""The credit rule: ceil(known tokens / 1000), times a multiplier, exact."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.errors import BadInput
from trackrecord.record.credits import RULE, credits, most, tokens_of


def test_rule_is_named() -> None:
    """The rule stored with a run is credits/1."""
    assert "credits/1" == RULE


@pytest.mark.parametrize(
    ("tokens", "expected"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (2**53 - 1, 9_007_199_254_741)]
)
def test_each_thousand_begun_costs_one(tokens: int, expected: int) -> None:
    """Each thousand tokens begun is one credit; none cost nothing."""
    assert expected == credits(tokens)


def test_unknown_is_none() -> None:
    """When no tokens are known the charge is unknown, not 0."""
    assert credits(None) is None


def test_rounding_happens_once_after_multiplying() -> None:
    """1,001 tokens at 1.5 are 1.5015 credits and cost 2, not ceil(2 * 1.5) = 3."""
    assert 2 == credits(1001, multiplier_thousandths=1500)


@given(st.integers(0, 2**53 - 1), st.integers(1, 10_000))
def test_equals_exact_arithmetic(tokens: int, multiplier: int) -> None:
    """The charge is the ceiling of the exact fraction, however large the figures."""
    assert ceil(Fraction(tokens * multiplier, 1_000_000)) == credits(tokens, multiplier_thousandths=multiplier)


@pytest.mark.parametrize(("tokens", "multiplier"), [(-1, 1000), (1.5, 1000), (True, 1000), (1, -1), (1, 1.5)])
def test_what_is_no_count_is_refused(tokens: object, multiplier: object) -> None:
    """Negative, fractional and boolean figures are refused."""
    with pytest.raises(BadInput):
        credits(tokens, multiplier_thousandths=multiplier)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("max_tokens", "cap", "expected"),
    [(200_000, None, 200), (1, None, 1), (1_001, None, 2), (200_000, 10, 10), (9, 10, 1)],
)
def test_a_run_is_to_hold_what_its_limit_comes_to(max_tokens: int, cap: int | None, expected: int) -> None:
    """The token limit in credits, rounded up, and no more than the cap."""
    assert expected == most(max_tokens, cap)


@given(st.integers(1, 10**12))
def test_a_hold_pays_for_the_limit_it_was_made_from(max_tokens: int) -> None:
    """Held credits pay for at least the token limit, so that the limit is what ends such a run."""
    assert max_tokens <= tokens_of(most(max_tokens)) < max_tokens + 1_000
