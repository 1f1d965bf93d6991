"""Growth of output tokens: its bands, its alert, its two multipliers, and when nothing is said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.record.figures import measured, scored

from trackrecord.record.intensity import IntensityScore


def _output(tokens: int | None) -> dict[str, int | None]:
    """Output tokens alone: no total, and so much input that the ratio scores 0; what is left of the part is growth."""
    return {"tokens_used": None, "input_tokens": 1_000_000, "output_tokens": tokens}


def grown(
    recent: int, *, before_count: int = 10, recent_count: int = 10, before: int = 100, **every: Any
) -> IntensityScore:
    """Runs of `before` output tokens, then runs of `recent`; the token part is nothing but the growth."""
    failed = every.pop("failed", 0)
    outputs = [before] * before_count + [recent] * recent_count
    runs = [
        measured(status="failed" if place < failed else "completed", **_output(output), **every)
        for place, output in enumerate(outputs)
    ]
    return scored(*runs)


@pytest.mark.parametrize(
    ("recent", "points", "alert"),
    [
        (50, 0.0, "none"),
        (125, 0.0, "none"),
        (126, 0.2, "monitor"),
        (150, 0.2, "monitor"),
        (151, 0.75, "rescore"),
        (200, 0.75, "rescore"),
        (201, 1.25, "upgrade"),
        (9999, 1.25, "upgrade"),
    ],
)
def test_growth_bands(recent: int, points: float, alert: str) -> None:
    """Over 25, 50 and 100 % against 100 tokens before: 0.2, 0.75 and 1.25 points; the edge itself is not over."""
    result = grown(recent)
    assert (round(1000 * points), alert) == (result.growth_thousandths, result.growth_alert)
    assert points == result.token_complexity


@pytest.mark.parametrize(("before_count", "recent_count"), [(9, 10), (10, 9), (0, 10), (0, 19)])
def test_growth_needs_ten_and_ten(before_count: int, recent_count: int) -> None:
    """With fewer than 20 reporting runs nothing is said about growth."""
    assert "none" == grown(500, before_count=before_count, recent_count=recent_count).growth_alert


def test_growth_counts_reporting_runs_only() -> None:
    """Nineteen runs that reported and one that did not are not twenty."""
    before, silent, after = (measured(**_output(tokens)) for tokens in (100, None, 300))
    runs = [before] * 10 + [silent] + [after] * 9
    assert "none" == scored(*runs).growth_alert
    assert "upgrade" == scored(*runs, after).growth_alert


def test_growth_from_nothing() -> None:
    """Any output after none at all is growth over 100 %; none after none is none."""
    assert ("upgrade", "none") == (grown(1, before=0).growth_alert, grown(0, before=0).growth_alert)


@pytest.mark.parametrize(("failed", "thousandths"), [(0, 750), (4, 750), (5, 975), (20, 975)])
def test_growth_of_an_unreliable_agent(failed: int, thousandths: int) -> None:
    """0.75 x 1.3 = 0.975 while under 80 % of twenty runs succeed: 16 are 80 % and not under, 15 are."""
    assert thousandths == grown(160, failed=failed).growth_thousandths


@pytest.mark.parametrize(("retried", "thousandths"), [(6, 200), (7, 240)])
def test_growth_of_a_retrying_agent(retried: int, thousandths: int) -> None:
    """0.2 x 1.2 = 0.24 while retries exceed 0.3 per run: of twenty runs 6 retries are 0.3 and do not, 7 do."""
    outputs = [100] * 10 + [130] * 10
    runs = [measured(**_output(output), retry_count=int(place < retried)) for place, output in enumerate(outputs)]
    assert thousandths == scored(*runs).growth_thousandths


def test_both_multipliers() -> None:
    """1.25 x 1.3 x 1.2 = 1.95 for an agent that grows, fails and retries."""
    assert 1950 == grown(300, failed=20, retry_count=1).growth_thousandths


def test_growth_stays_inside_the_part() -> None:
    """A token part at its top stays 10 however the output grows."""
    before = measured(tokens_used=20_000, input_tokens=1000, output_tokens=19_000)
    after = measured(tokens_used=90_000, input_tokens=1000, output_tokens=89_000)
    result = scored(*[before] * 10, *[after] * 10)
    assert (10.0, 1250) == (result.token_complexity, result.growth_thousandths)
