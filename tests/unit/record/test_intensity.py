"""The intensity score: every formula by hand, every edge, and what a gap in the figures may not change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.figures import BY_HAND, DESIGN, DESIGNS, NOTHING, absorbed, any_run, measured, scored

from trackrecord.record.intensity import (
    COLUMNS,
    DEFAULTS,
    RULE,
    DeclaredDesign,
    IntensityRow,
    IntensitySettings,
    Range,
    RunFigures,
    score,
)
from trackrecord.record.intensity_settings import TokenWeights


class TestByHand:
    """Two runs: one heavy and failed, one light and recovered by a retry."""

    SCORE = score(absorbed(BY_HAND), DESIGN)

    def test_token_part(self) -> None:
        """Volume 3000/5000 = 6; peak 4000/10000 = 4; ratio (1 - 0.5)/2.5 = 2: 3.0 + 1.2 + 0.4 = 4.6."""
        assert 4.6 == self.SCORE.token_complexity

    def test_execution_part(self) -> None:
        """Turns (5.5 - 1)/9 = 5; 12 s/30 s = 4; failures 50/50 % = 10; retries 1.5/3 = 5: 1.75 + 1.2 + 2 + 0.75."""
        assert 5.7 == self.SCORE.execution_complexity

    def test_plugin_part(self) -> None:
        """Ever 3/10 = 3; per run 2/8 = 2.5; 2.5 s/5 s = 5: 1.2 + 0.875 + 1.25 = 3.325."""
        assert 3.325 == self.SCORE.plugin_complexity

    def test_workflow_part(self) -> None:
        """Steps 10/20 = 5; branches 3/10 = 3; iterations 15/50 = 3; parallel 1.5/5 = 3: 2 + 0.75 + 0.6 + 0.45 = 3.8."""
        assert 3.8 == self.SCORE.workflow_complexity

    def test_memory_part(self) -> None:
        """Ratio 900/3000 = 0.3 of 0.9 = 3.333; types 2/3 = 6.667; entries 5/20 = 2.5: 1.6667 + 2 + 0.5 = 4.1667."""
        assert 4.167 == self.SCORE.memory_complexity

    def test_execution_score(self) -> None:
        """0.3 x 4.6 + 0.25 x 5.7 + 0.2 x 3.325 + 0.15 x 3.8 + 0.1 x 4.16667 = 1.38 + 1.425 + 0.665 + 0.57 + 0.41667."""
        assert 4.457 == self.SCORE.execution_score

    def test_creation_score(self) -> None:
        """Steps 6/10 = 6; plugins 3/5 = 6; fields 4/8 = 5: 3 + 1.8 + 1 = 5.8, and 1 for the schedule."""
        assert 6.8 == self.SCORE.creation_score

    def test_combined_below_five_runs(self) -> None:
        """Two runs are too few: combined is creation, 6.8, hence 1 + 0.68 and the class high."""
        assert (6.8, 1.68, "high") == (
            self.SCORE.combined_score,
            self.SCORE.pricing_multiplier,
            self.SCORE.intensity_class,
        )

    def test_everything_was_known(self) -> None:
        """All inputs are known, so the coverage is 1, and the rule is named."""
        assert (1.0, "intensity/1", "none") == (self.SCORE.coverage, self.SCORE.rule, self.SCORE.growth_alert)
        assert self.SCORE.rule == RULE

    def test_thousandths_are_the_score(self) -> None:
        """The floats are the stored thousandths over 1000, nothing else."""
        for name in (name for name in COLUMNS if name.endswith("_thousandths") and name != "growth_thousandths"):
            assert getattr(self.SCORE, name.removesuffix("_thousandths")) == getattr(self.SCORE, name) / 1000


# figure of the run, declared or executed; part it goes into; weight; (lo, middle, hi) of the documented range
EDGES: list[tuple[str, str, float, tuple[int, int, int]]] = [
    ("tokens_used", "token_complexity", 0.5, (0, 2500, 5000)),
    ("iterations_count", "execution_complexity", 0.35, (1, 4, 10)),
    ("execution_duration_ms", "execution_complexity", 0.30, (0, 15_000, 30_000)),
    ("retry_count", "execution_complexity", 0.15, (0, 1, 3)),
    ("tool_orchestration_time_ms", "plugin_complexity", 0.25, (0, 2500, 5000)),
    ("executed_steps", "workflow_complexity", 0.40, (0, 10, 20)),
    ("executed_branches", "workflow_complexity", 0.25, (0, 5, 10)),
    ("executed_loop_iterations", "workflow_complexity", 0.20, (0, 25, 50)),
    ("executed_parallel", "workflow_complexity", 0.15, (0, 2, 5)),
    ("memory_entry_count", "memory_complexity", 0.2, (0, 10, 20)),
]


@pytest.mark.parametrize(("figure", "part", "weight", "places"), EDGES, ids=[edge[0] for edge in EDGES])
def test_ranges(figure: str, part: str, weight: float, places: tuple[int, int, int]) -> None:
    """Each figure adds 0 at its lo, its share in between, and ten times its weight at its hi and beyond."""
    lo, middle, hi = places
    executed = {f"executed_{name}": 0 for name in ("steps", "branches", "loop_iterations", "parallel")}
    peak = 0.3 if figure == "tokens_used" else 0.0  # one run's tokens are also the peak, over 0-10000

    def points(value: int) -> float:
        return getattr(scored(measured(**(executed | {figure: value}))), part)

    share = 10 * (middle - lo) / (hi - lo)
    assert [0.0, round(weight * share + peak * middle / 1000, 3), round(weight * 10 + peak * hi / 1000, 3)] == [
        points(lo),
        points(middle),
        points(hi),
    ]
    assert points(10 * hi + 5) == round(weight * 10 + 10 * peak * min(1, (10 * hi + 5) / 10_000), 3)


def test_below_lo_is_zero() -> None:
    """0 turns lie below the range 1-10 and score 0, not less."""
    assert 0.0 == scored(measured(iterations_count=0)).execution_complexity


@pytest.mark.parametrize(
    ("output", "points"),
    # in = 1000; volume (1000 + out)/5000, peak (1000 + out)/10000; ratio (out/1000 - 0.5)/2.5
    [
        (0, 0.5 * 2.0 + 0.3 * 1.0),
        (500, 0.5 * 3.0 + 0.3 * 1.5),
        (1750, 0.5 * 5.5 + 0.3 * 2.75 + 0.2 * 5.0),
        (3000, 0.5 * 8.0 + 0.3 * 4.0 + 0.2 * 10),
        (4000, 0.5 * 10 + 0.3 * 5.0 + 0.2 * 10),
    ],
)
def test_output_to_input_ratio(output: int, points: float) -> None:
    """The ratio scores 0 up to 0.5 and 10 from 3.0 on."""
    figures = measured(tokens_used=1000 + output, input_tokens=1000, output_tokens=output)
    assert round(points, 3) == scored(figures).token_complexity


@pytest.mark.parametrize(("failed", "points"), [(0, 0.0), (1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)])
def test_failure_rate(failed: int, points: float) -> None:
    """Of four runs, each failed one is 25 %: 0.2 x 10 x 25/50 = 1 a run, and no more than 2 from half of them on."""
    runs = [measured(status="failed" if place < failed else "completed") for place in range(4)]
    assert points == scored(*runs).execution_complexity


@pytest.mark.parametrize(("count", "points"), [(0, 0.0), (4, 0.4 * 4 + 0.35 * 5), (8, 6.7), (10, 7.5), (12, 7.5)])
def test_plugins(count: int, points: float) -> None:
    """Distinct ever over 0-10 at 0.4, per run over 0-8 at 0.35: 8 are 3.2 + 3.5, 10 and more 4 + 3.5."""
    figures = measured(plugins_used=[f"p{place}" for place in range(count)])
    assert points == scored(figures).plugin_complexity


def test_plugins_ever_and_per_run_differ() -> None:
    """Two runs with two plugins each, all different: ever 4/10 = 4, per run 2/8 = 2.5: 1.6 + 0.875 = 2.475."""
    runs = [measured(plugins_used=names) for names in (["a", "b"], ["c", "d"])]
    assert 2.475 == scored(*runs).plugin_complexity


@pytest.mark.parametrize(("memory", "points"), [(0, 1.0), (450, 3.5), (900, 6.0), (2000, 6.0)])
def test_memory_ratio(memory: int, points: float) -> None:
    """With one type (0.3 x 10/3 = 1), memory tokens of 1,000 input tokens score over 0-0.9 at 0.5."""
    figures = measured(
        tokens_used=1000, input_tokens=1000, memory_tokens=memory, memory_types=["summaries"], memory_entry_count=0
    )
    assert points == scored(figures).memory_complexity


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (DeclaredDesign(), 0.0),
        (DeclaredDesign(steps=10), 5.0),
        (DeclaredDesign(steps=500), 5.0),
        (DeclaredDesign(plugins=5), 3.0),
        (DeclaredDesign(fields=8), 2.0),
        (DeclaredDesign(fields=2, trigger="event"), 2.5),
        (DeclaredDesign(trigger="scheduled"), 1.0),
        (DeclaredDesign(steps=10, plugins=5, fields=8), 10.0),
        (DeclaredDesign(steps=10, plugins=5, fields=8, trigger="event"), 10.0),
    ],
)
def test_creation(declared: DeclaredDesign, expected: float) -> None:
    """0.5 steps (0-10) + 0.3 plugins (0-5) + 0.2 fields (0-8) + trigger 0, 1 or 2, and never above 10."""
    assert expected == score(IntensityRow.empty(), declared, DEFAULTS).creation_score


class TestUnknown:
    """Unknown inputs are left out, the rest is rescaled, and the score says so."""

    def test_agent_that_never_ran(self) -> None:
        """Only the declared workflow is known: 20 steps are 0.4 x 10 = 4, the parts of runs are None, coverage 0.15."""
        result = score(IntensityRow.empty(), DeclaredDesign(steps=20), DEFAULTS)
        parts = (
            result.token_complexity,
            result.execution_complexity,
            result.plugin_complexity,
            result.workflow_complexity,
            result.memory_complexity,
        )
        assert (None, None, None, 4.0, None) == parts
        assert (4.0, 0.15, 5.0) == (result.execution_score, result.coverage, result.combined_score)

    def test_unknown_input_rescales_its_part(self) -> None:
        """Without in and out, volume 6 and peak 3 count 0.5 : 0.3, (3 + 0.9)/0.8 = 4.875; coverage 1 - 0.3 x 0.2."""
        figures = measured(tokens_used=3000, input_tokens=None, output_tokens=None)
        result = scored(figures)
        assert (4.875, 0.94) == (result.token_complexity, result.coverage)

    def test_unknown_part_rescales_the_rest(self) -> None:
        """No token figure at all: execution 3 (duration) of 0.25 in 0.7 is 0.75/0.7 = 1.0714; coverage 0.7."""
        figures = measured(tokens_used=None, input_tokens=None, output_tokens=None, execution_duration_ms=30_000)
        result = scored(figures)
        assert (None, 3.0, 1.071, 0.7) == (
            result.token_complexity,
            result.execution_complexity,
            result.execution_score,
            result.coverage,
        )

    def test_unknown_runs_are_left_out_of_a_mean(self) -> None:
        """5,000 tokens and an unknown run are 5,000 per run that reported, not 2,500."""
        known = measured(tokens_used=5000, input_tokens=5000)
        unknown = measured(tokens_used=None, input_tokens=None, output_tokens=None)
        assert scored(known).token_complexity == scored(known, unknown, unknown).token_complexity

    def test_ratio_is_of_sums(self) -> None:
        """100/100 and 100/300 are 200/400 = 0.5, which scores 0; the mean of the ratios, 0.667, would score."""
        runs = [measured(tokens_used=None, input_tokens=sent, output_tokens=100) for sent in (100, 300)]
        assert 0.0 == scored(*runs).token_complexity

    def test_nothing_to_nothing_is_known(self) -> None:
        """An agent without model calls has a token score of 0 and full coverage."""
        result = scored(measured())
        assert (0.0, 1.0) == (result.token_complexity, result.coverage)

    def test_some_to_nothing_is_unknown(self) -> None:
        """Output without any input has no ratio: it is left out, (0.5 x 2 + 0.3 x 1)/0.8 = 1.625."""
        result = scored(measured(tokens_used=1000, input_tokens=0, output_tokens=1000))
        assert (1.625, 0.94) == (result.token_complexity, result.coverage)

    def test_without_memory(self) -> None:
        """No memory is 0 and known, also when the input tokens are not."""
        result = scored(measured(tokens_used=0, input_tokens=None))
        assert (0.0, 0.94) == (result.memory_complexity, result.coverage)

    def test_without_memory_is_zero_under_any_range(self) -> None:
        """The part is 0 without memory even when a setting would give points for none."""
        odd = IntensitySettings(memory_types=Range(-1, 1))
        assert 0.0 == score(absorbed([measured()]), NOTHING, odd).memory_complexity

    def test_memory_whose_share_is_unknown(self) -> None:
        """With memory but unknown input the ratio is left out: (0.3 x 10/3 + 0.2 x 5)/0.5 = 4; coverage 0.89."""
        result = scored(measured(input_tokens=None, memory_tokens=90, memory_entry_count=10, memory_types=["patterns"]))
        assert (4.0, 0.89) == (result.memory_complexity, result.coverage)

    def test_workflow_that_did_not_run_counts_as_declared(self) -> None:
        """AgentKit does not run the workflow: declared 10 steps and 1 loop score 0.4 x 5 + 0.2 x 0.2 = 2.04."""
        assert 2.04 == scored(measured(), declared=DeclaredDesign(steps=10, loops=1)).workflow_complexity

    def test_executed_mean_over_runs_that_have_it(self) -> None:
        """One run executed 20 steps, one did not run the workflow: the mean is 20, and the declared 2 do not count."""
        ran = measured(executed_steps=20, executed_branches=0, executed_loop_iterations=0, executed_parallel=0)
        assert 4.0 == scored(ran, measured(), declared=DeclaredDesign(steps=2)).workflow_complexity

    def test_coverage_is_rounded_down(self) -> None:
        """A gap too small to show in thousandths still keeps the coverage below 1."""
        tiny = IntensitySettings(token_weights=TokenWeights(volume=0.5, peak=0.4999, ratio=0.0001))
        result = score(absorbed([measured(input_tokens=None, output_tokens=None)]), NOTHING, tiny)
        assert 0.999 == result.coverage


@pytest.mark.parametrize(("runs", "combined"), [(4, 10.0), (5, 3.0 + 0.7 * 0.75), (6, 3.0 + 0.7 * 0.75)])
def test_combined_from_five_runs(runs: int, combined: float) -> None:
    """Creation 10 alone below five runs; from the fifth on 0.3 x 10 + 0.7 x execution (0.25 x duration 3 = 0.75)."""
    design = DeclaredDesign(plugins=5, fields=8, steps=10, trigger="event")
    executed = {f"executed_{name}": 0 for name in ("steps", "branches", "loop_iterations", "parallel")}
    figures = measured(execution_duration_ms=30_000, **executed)
    result = scored(*[figures] * runs, declared=design)
    assert (0.75, round(combined, 3)) == (result.execution_score, result.combined_score)


@pytest.mark.parametrize(
    ("lo", "hi", "combined", "name", "multiplier"),
    # 10 declared steps over lo-hi at weight 0.5, plus 2 for the event
    [
        (0, 50, 3.0, "medium", 1300),
        (0, 51, 2.98, "low", 1298),
        (-1, 54, 3.0, "medium", 1300),
        (0, 12.5, 6.0, "high", 1600),
        (0, 12.6, 5.968, "medium", 1597),
        (0, 10, 7.0, "high", 1700),
    ],
)
def test_class_edges(lo: float, hi: float, combined: float, name: str, multiplier: int) -> None:
    """Below 3 is low, 3 is medium, below 6 is medium, 6 is high; the multiplier is 1 + combined / 10."""
    chosen = IntensitySettings(design_steps=Range(lo, hi), design_plugins=Range(0, 1), design_fields=Range(0, 1))
    result = score(IntensityRow.empty(), DeclaredDesign(steps=10, trigger="event"), chosen)
    assert (combined, name, multiplier) == (
        result.combined_score,
        result.intensity_class,
        result.pricing_multiplier_thousandths,
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(any_run(), max_size=24), DESIGNS)
def test_scores_stay_in_bounds(runs: list[RunFigures], declared: DeclaredDesign) -> None:
    """Whatever ran, every score lies in 0-10, the multiplier in 1-2, the coverage in 0-1."""
    result = score(absorbed(runs), declared, DEFAULTS)
    for name in COLUMNS:
        if name.endswith("_thousandths"):
            value = getattr(result, name)
            lo, hi = {"pricing_multiplier_thousandths": (1000, 2000), "coverage_thousandths": (0, 1000)}.get(
                name, (0, 10_000)
            )
            assert value is None or (type(value) is int and lo <= value <= hi), name
