"""Memory entries: importance stays on its scale, retention follows it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.memory.entries import clamp_importance, expires_at

CREATED = "2026-01-01T00:00:00.000000Z"


@given(st.integers())
def test_importance_stays_on_its_scale(importance: int) -> None:
    """Whatever comes in, importance is 1-10, and unchanged when it was."""
    clamped = clamp_importance(importance)
    assert 1 <= clamped <= 10
    assert clamped == importance or not 1 <= importance <= 10


@pytest.mark.parametrize(
    ("importance", "expected"),
    [
        (1, "2026-01-31T00:00:00.000000Z"),
        (3, "2026-01-31T00:00:00.000000Z"),
        (4, "2026-04-01T00:00:00.000000Z"),
        (10, "2026-04-01T00:00:00.000000Z"),
    ],
)
def test_retention_is_90_days_and_30_for_low_importance(importance: int, expected: str) -> None:
    """A memory of importance 3 or less is kept 30 days, any other 90."""
    assert expected == expires_at(importance, CREATED)
    assert expected == expires_at(importance, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_moment_without_zone_is_refused() -> None:
    """Retention is never computed from a time that could mean several moments."""
    with pytest.raises(ValueError, match="time zone"):
        expires_at(5, "2026-01-01T00:00:00")
