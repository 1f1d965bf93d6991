"""Ranges and weights come from settings, and settings that make no sense are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.record.figures import NOTHING, absorbed, measured

from trackrecord.errors import BadSettings
from trackrecord.record.intensity import DEFAULTS, IntensitySettings, Range, score
from trackrecord.record.intensity_settings import KEYS, CombinedWeights, TokenWeights


def test_defaults_are_the_documented_ones() -> None:
    """The table of ranges and the weight groups, word for word."""
    expected: dict[str, Sequence[float]] = {
        "tokens_per_run": (0, 5000),
        "peak_tokens": (0, 10_000),
        "output_input_ratio": (0.5, 3.0),
        "iterations_per_run": (1, 10),
        "duration_ms": (0, 30_000),
        "failure_rate_percent": (0, 50),
        "retries_per_run": (0, 3),
        "distinct_plugins": (0, 10),
        "plugins_per_run": (0, 8),
        "tool_orchestration_ms": (0, 5000),
        "workflow_steps": (0, 20),
        "branches": (0, 10),
        "loop_iterations": (0, 50),
        "parallel": (0, 5),
        "memory_input_ratio": (0, 0.9),
        "memory_types": (0, 3),
        "memory_entries": (0, 20),
        "design_steps": (0, 10),
        "design_plugins": (0, 5),
        "design_fields": (0, 8),
        "token_weights": (0.5, 0.3, 0.2),
        "execution_weights": (0.35, 0.30, 0.20, 0.15),
        "plugin_weights": (0.40, 0.35, 0.25),
        "workflow_weights": (0.40, 0.25, 0.20, 0.15),
        "memory_weights": (0.5, 0.3, 0.2),
        "score_weights": (0.30, 0.25, 0.20, 0.15, 0.10),
        "creation_weights": (0.5, 0.3, 0.2),
        "combined_weights": (0.3, 0.7),
    }
    assert expected == {name: tuple(getattr(DEFAULTS, name)) for name in KEYS}


def test_a_file_changes_what_it_names() -> None:
    """Only the named settings change; a group may be given in part when it still sums to 1."""
    read = IntensitySettings.from_mapping({"tokens_per_run": [0, 100], "token_weights": {"volume": 0.6, "peak": 0.2}})
    expected = replace(DEFAULTS, tokens_per_run=Range(0, 100), token_weights=TokenWeights(0.6, 0.2, 0.2))
    assert expected == read
    figures = measured(tokens_used=100, input_tokens=100)
    assert 6.02 == score(absorbed([figures]), NOTHING, read).token_complexity  # 0.6 x 10 + 0.2 x 0.1


def test_an_empty_file_is_the_defaults() -> None:
    """A file that names nothing changes nothing."""
    assert DEFAULTS == IntensitySettings.from_mapping({})


@pytest.mark.parametrize("key", [key for key in KEYS if not key.endswith("_weights")])
@pytest.mark.parametrize("ends", [[1, 1], [2, 1], [0, float("nan")], [float("-inf"), 1], [0, float("inf")]])
def test_no_range(key: str, ends: list[float]) -> None:
    """A range whose hi is not above its lo, or that has no ends, is refused, whichever it is."""
    with pytest.raises(BadSettings, match=f"^intensity.{key} goes from"):
        IntensitySettings.from_mapping({key: ends})


@pytest.mark.parametrize("key", [key for key in KEYS if key.endswith("_weights")])
def test_weights_must_sum_to_one(key: str) -> None:
    """Every weight group must sum to 1, to a billionth."""
    group = getattr(DEFAULTS, key)
    first = group._fields[0]
    assert IntensitySettings.from_mapping({key: {first: group[0] + 5e-10}})
    with pytest.raises(BadSettings, match=rf"^intensity\.{key} sums to .*, not to 1"):
        IntensitySettings.from_mapping({key: {first: group[0] + 1e-8}})


def test_negative_weights() -> None:
    """A negative share is refused even when the group sums to 1."""
    with pytest.raises(BadSettings, match="has a share below 0"):
        IntensitySettings(combined_weights=CombinedWeights(creation=-0.5, execution=1.5))


@pytest.mark.parametrize(
    ("mapping", "cure"),
    [
        ({"tokens_per_runs": [0, 1]}, "Did you mean 'tokens_per_run'?"),
        ({"token_weight": {}}, "Did you mean 'token_weights'?"),
        ({"token_weights": {"volumes": 1}}, "Did you mean 'volume'?"),
        ({"token_weights": {"xyz": 1}}, "Known are volume, peak, ratio."),
        ({"tokens_per_run": 5}, "Give it as [lo, hi]."),
        ({"tokens_per_run": [1, 2, 3]}, "Give it as [lo, hi]."),
        ({"tokens_per_run": "01"}, "Give it as [lo, hi]."),
        ({"tokens_per_run": [0, "5"]}, "Give a plain number."),
        ({"tokens_per_run": [0, True]}, "Give a plain number."),
        ({"token_weights": [0.5, 0.3, 0.2]}, "Give {volume: 0.5, peak: 0.3, ratio: 0.2}."),
    ],
)
def test_what_cannot_be_read(mapping: dict[str, object], cure: str) -> None:
    """Unknown keys get the nearest known one, wrong shapes the right one."""
    with pytest.raises(BadSettings) as caught:
        IntensitySettings.from_mapping(mapping)
    assert cure == caught.value.cure


def test_a_part_without_weight_is_left_out() -> None:
    """When everything known has weight 0, nothing is known, and that is None rather than a division by zero."""
    chosen = IntensitySettings(token_weights=TokenWeights(volume=0, peak=0, ratio=1))
    result = score(absorbed([measured(tokens_used=10, input_tokens=None)]), NOTHING, chosen)
    assert (None, 0.7) == (result.token_complexity, result.coverage)
