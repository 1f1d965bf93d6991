"""How heavy an agent is: a score from 0 to 10, its parts kept, its rule named. A pure function of the stored sums.

Owns the formulas; must never read, store or look at a clock, and never changes what a run is charged. In the walk:
inside step 7, right after the run was absorbed into its agent's row; `verify` computes the same again.

Scores are whole thousandths: rounded once at the end, so that the same sums give the same score on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, Literal

from trackrecord.record.intensity_row import (
    RECENT_RUNS,
    ROW_COLUMNS,
    ROW_NULLABLE_COLUMNS,
    ROW_TEXT_COLUMNS,
    IntensityRow,
    RunFigures,
    absorb,
    from_columns,
    to_columns,
)
from trackrecord.record.intensity_settings import DEFAULTS, IntensitySettings, Range
from trackrecord.sealed import sealed

__all__ = [
    "COLUMNS",
    "DEFAULTS",
    "NULLABLE_COLUMNS",
    "RULE",
    "SCORE_COLUMNS",
    "TEXT_COLUMNS",
    "DeclaredDesign",
    "IntensityRow",
    "IntensityScore",
    "IntensitySettings",
    "Range",
    "RunFigures",
    "absorb",
    "from_columns",
    "score",
    "score_columns",
    "to_columns",
]

RULE: Final = "intensity/1"

Trigger = Literal["on_demand", "scheduled", "event"]
IntensityClass = Literal["low", "medium", "high"]
GrowthAlert = Literal["none", "monitor", "rescore", "upgrade"]

MIN_RUNS_TO_COMBINE: Final = 5
MIN_RUNS_BEFORE_RECENT: Final = 10
MEDIUM_FROM: Final = 3000
HIGH_FROM: Final = 6000
TRIGGER_POINTS: Final[dict[Trigger, float]] = {"on_demand": 0.0, "scheduled": 1.0, "event": 2.0}
# (growth over this percentage, points on the token part, alert), steepest first
GROWTH_BANDS: Final[tuple[tuple[int, float, GrowthAlert], ...]] = (
    (100, 1.25, "upgrade"),
    (50, 0.75, "rescore"),
    (25, 0.2, "monitor"),
)
UNRELIABLE_FACTOR: Final = 1.3  # while fewer than 80 % of the runs succeed
RETRYING_FACTOR: Final = 1.2  # while there are more than 0.3 retries per run


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredDesign:
    """What a definition declares, the same whichever engine runs it.

    Attributes:
        steps: step objects in the whole tree, containers and fallbacks included.
        branches: conditional and switch steps.
        loops: loop steps.
        parallel: parallel and map steps.
        plugins: plugins the agent names.
        fields: input fields and output fields together.
        trigger: what starts it: a person (`on_demand`), a schedule, or an `event` such as a webhook or a queue.
    """

    steps: int = 0
    branches: int = 0
    loops: int = 0
    parallel: int = 0
    plugins: int = 0
    fields: int = 0
    trigger: Trigger = "on_demand"


@sealed
class IntensityScore:
    """How heavy an agent is, with everything the figure was made of. `…_thousandths` are columns of the cache.

    Attributes:
        token_complexity_thousandths … memory_complexity_thousandths: the five parts, 0 to 10,000; None when nothing
            that goes into the part is known, and the part is left out.
        growth_thousandths: points inside the token part for growing output; 0 without growth or with too few runs.
        execution_score_thousandths: the parts together.
        creation_score_thousandths: from the definition alone.
        combined_score_thousandths: creation and execution; creation alone below 5 runs.
        pricing_multiplier_thousandths: 1000 to 2000; charged only where the installation says so.
        coverage_thousandths: share of the execution score's weight that rests on known figures; 1000 is all of it.
        intensity_class: low below 3, high from 6 on.
        growth_alert: what the growth of output tokens asks for.
        rule: the rule that made the score.
    """

    token_complexity_thousandths: int | None
    execution_complexity_thousandths: int | None
    plugin_complexity_thousandths: int | None
    workflow_complexity_thousandths: int | None
    memory_complexity_thousandths: int | None
    growth_thousandths: int
    execution_score_thousandths: int
    creation_score_thousandths: int
    combined_score_thousandths: int
    pricing_multiplier_thousandths: int
    coverage_thousandths: int
    intensity_class: IntensityClass
    growth_alert: GrowthAlert
    rule: str = RULE

    @property
    def token_complexity(self) -> float | None:
        """Points of the token part; None when it was left out."""
        return _points(self.token_complexity_thousandths)

    @property
    def execution_complexity(self) -> float | None:
        """Points of the execution part; None when it was left out."""
        return _points(self.execution_complexity_thousandths)

    @property
    def plugin_complexity(self) -> float | None:
        """Points of the plugin part; None when it was left out."""
        return _points(self.plugin_complexity_thousandths)

    @property
    def workflow_complexity(self) -> float | None:
        """Points of the workflow part; None when it was left out."""
        return _points(self.workflow_complexity_thousandths)

    @property
    def memory_complexity(self) -> float | None:
        """Points of the memory part; None when it was left out."""
        return _points(self.memory_complexity_thousandths)

    @property
    def execution_score(self) -> float:
        """Points of the five parts together."""
        return self.execution_score_thousandths / 1000

    @property
    def creation_score(self) -> float:
        """Points of the definition alone."""
        return self.creation_score_thousandths / 1000

    @property
    def combined_score(self) -> float:
        """Points of creation and execution together."""
        return self.combined_score_thousandths / 1000

    @property
    def pricing_multiplier(self) -> float:
        """1.0 to 2.0, for reading; charging uses the thousandths."""
        return self.pricing_multiplier_thousandths / 1000

    @property
    def coverage(self) -> float:
        """Share of the weight that rests on known figures, 0 to 1."""
        return self.coverage_thousandths / 1000


SCORE_COLUMNS: Final = tuple(field.name for field in fields(IntensityScore))
_scores_of = attrgetter(*SCORE_COLUMNS)
COLUMNS: Final = ROW_COLUMNS + SCORE_COLUMNS
TEXT_COLUMNS: Final = ROW_TEXT_COLUMNS | {"intensity_class", "growth_alert", "rule"}
NULLABLE_COLUMNS: Final = ROW_NULLABLE_COLUMNS | {name for name in SCORE_COLUMNS if "complexity" in name}


def score_columns(score: IntensityScore) -> dict[str, int | str | None]:
    """The cached score by column; None in a part means that the part was left out."""
    return dict(zip(SCORE_COLUMNS, _scores_of(score), strict=True))


# One part of the score: its points, None when left out, and the share of its weight that is known.
_Part = tuple[float | None, float]


def score(row: IntensityRow, declared: DeclaredDesign, settings: IntensitySettings = DEFAULTS) -> IntensityScore:
    """How heavy the agent is by all its runs so far and its design.

    What is unknown is left out and the remaining weights are rescaled; `coverage` then says less than 1.
    """
    growth, alert = _growth(row)
    parts = (
        _token(row, settings, growth),
        _execution(row, settings),
        _plugin(row, settings),
        _workflow(row, declared, settings),
        _memory(row, settings),
    )
    execution = _blend(settings.score_weights, tuple(points for points, _ in parts))[0] or 0.0
    creation = _creation(declared, settings)
    combined = creation
    if row.total_executions >= MIN_RUNS_TO_COMBINE:
        combined = settings.combined_weights.creation * creation + settings.combined_weights.execution * execution
    combined_thousandths = _thousandths(combined)
    return IntensityScore(
        token_complexity_thousandths=_known_thousandths(parts[0]),
        execution_complexity_thousandths=_known_thousandths(parts[1]),
        plugin_complexity_thousandths=_known_thousandths(parts[2]),
        workflow_complexity_thousandths=_known_thousandths(parts[3]),
        memory_complexity_thousandths=_known_thousandths(parts[4]),
        growth_thousandths=_thousandths(growth),
        execution_score_thousandths=_thousandths(execution),
        creation_score_thousandths=_thousandths(creation),
        combined_score_thousandths=combined_thousandths,
        pricing_multiplier_thousandths=1000 + (combined_thousandths + 5) // 10,
        coverage_thousandths=_coverage(settings, parts),
        intensity_class=_class(combined_thousandths),
        growth_alert=alert,
    )


def _token(row: IntensityRow, settings: IntensitySettings, growth: float) -> _Part:
    points, known = _blend(
        settings.token_weights,
        (
            _norm(_ratio(row.total_tokens, row.runs_with_tokens), settings.tokens_per_run),
            _norm(row.peak_tokens_single_run, settings.peak_tokens),
            _norm(_token_ratio(row, row.output_tokens, row.runs_with_output_tokens), settings.output_input_ratio),
        ),
    )
    return (None if points is None else min(10.0, points + growth)), known


def _execution(row: IntensityRow, settings: IntensitySettings) -> _Part:
    return _blend(
        settings.execution_weights,
        (
            _norm(_ratio(row.total_iterations, row.runs_with_iterations), settings.iterations_per_run),
            _norm(_ratio(row.total_duration_ms, row.runs_with_duration), settings.duration_ms),
            _norm(_ratio(100 * row.failed_executions, row.total_executions), settings.failure_rate_percent),
            _norm(_ratio(row.total_retries, row.runs_with_retries), settings.retries_per_run),
        ),
    )


def _plugin(row: IntensityRow, settings: IntensitySettings) -> _Part:
    runs = row.total_executions
    return _blend(
        settings.plugin_weights,
        (
            _norm(len(row.plugins_ever) if runs else None, settings.distinct_plugins),
            _norm(_ratio(row.distinct_plugins_total, runs), settings.plugins_per_run),
            _norm(
                _ratio(row.tool_orchestration_time_ms, row.runs_with_tool_orchestration),
                settings.tool_orchestration_ms,
            ),
        ),
    )


def _workflow(row: IntensityRow, declared: DeclaredDesign, settings: IntensitySettings) -> _Part:
    runs = row.runs_with_workflow
    return _blend(
        settings.workflow_weights,
        (
            _norm(row.executed_steps_total / runs if runs else declared.steps, settings.workflow_steps),
            _norm(row.executed_branches_total / runs if runs else declared.branches, settings.branches),
            _norm(row.executed_loop_iterations_total / runs if runs else declared.loops, settings.loop_iterations),
            _norm(row.executed_parallel_total / runs if runs else declared.parallel, settings.parallel),
        ),
    )


def _memory(row: IntensityRow, settings: IntensitySettings) -> _Part:
    runs = row.total_executions
    has_memory = bool(row.memory_tokens or row.memory_entries_total or row.memory_types_ever)
    ratio = _ratio(0, row.runs_with_memory_tokens)  # no memory is no share of any input, known or not
    if has_memory:
        ratio = _token_ratio(row, row.memory_tokens, row.runs_with_memory_tokens)
    points, known = _blend(
        settings.memory_weights,
        (
            _norm(ratio, settings.memory_input_ratio),
            _norm(len(row.memory_types_ever) if runs else None, settings.memory_types),
            _norm(_ratio(row.memory_entries_total, row.runs_with_memory_entries), settings.memory_entries),
        ),
    )
    return (points if has_memory or points is None else 0.0), known


def _creation(declared: DeclaredDesign, settings: IntensitySettings) -> float:
    points, _ = _blend(
        settings.creation_weights,
        (
            _norm(declared.steps, settings.design_steps),
            _norm(declared.plugins, settings.design_plugins),
            _norm(declared.fields, settings.design_fields),
        ),
    )
    return min(10.0, (points or 0.0) + TRIGGER_POINTS[declared.trigger])


def _growth(row: IntensityRow) -> tuple[float, GrowthAlert]:
    """Points and alert for output that grows; whole numbers decide the band, so that an edge is an edge."""
    before_count = row.runs_with_output_tokens - RECENT_RUNS
    if before_count < MIN_RUNS_BEFORE_RECENT or len(row.recent_output_tokens) < RECENT_RUNS:
        return 0.0, "none"
    recent_sum = sum(tokens for _, tokens in row.recent_output_tokens)
    recent = 100 * recent_sum * before_count
    before = (row.output_tokens - recent_sum) * RECENT_RUNS
    for percent, points, alert in GROWTH_BANDS:
        if recent > before * (100 + percent):
            if 100 * row.successful_executions < 80 * row.total_executions:
                points *= UNRELIABLE_FACTOR
            if 10 * row.total_retries > 3 * row.runs_with_retries:
                points *= RETRYING_FACTOR
            return points, alert
    return 0.0, "none"


def _norm(figure: float | None, bounds: Range) -> float | None:
    """0 to 10 by where the figure lies in its range; None stays unknown."""
    if figure is None:
        return None
    lo, hi = bounds
    if figure <= lo:
        return 0.0
    if figure >= hi:
        return 10.0
    return 10.0 * (figure - lo) / (hi - lo)


def _ratio(total: int, runs: int) -> float | None:
    return total / runs if runs else None


def _token_ratio(row: IntensityRow, tokens: int, runs: int) -> float | None:
    """Tokens to input tokens, sum by sum; none to none is a ratio of 0, some to none is unknown."""
    if not runs or not row.runs_with_input_tokens:
        return None
    if not row.input_tokens:
        return None if tokens else 0.0
    return tokens / row.input_tokens


def _blend(weights: tuple[float, ...], values: tuple[float | None, ...]) -> _Part:
    """The weighted mean of what is known, and how much of the weight that is."""
    total = known = 0.0
    # a plain loop: sum() adds floats differently from Python 3.12 on, and scores must not depend on that
    for weight, value in zip(weights, values, strict=True):
        if value is not None:
            total += weight * value
            known += weight
    return (total / known if known else None), known


def _coverage(settings: IntensitySettings, parts: tuple[_Part, ...]) -> int:
    total = 0.0
    for weight, (_, known) in zip(settings.score_weights, parts, strict=True):
        total += weight * known
    return min(1000, int(1000 * total + 1e-6))  # rounded down: 1000 must mean that nothing is missing


def _class(combined_thousandths: int) -> IntensityClass:
    if combined_thousandths < MEDIUM_FROM:
        return "low"
    return "medium" if combined_thousandths < HIGH_FROM else "high"


def _thousandths(points: float) -> int:
    return min(10_000, round(1000 * points))


def _known_thousandths(part: _Part) -> int | None:
    return None if part[0] is None else _thousandths(part[0])


def _points(thousandths: int | None) -> float | None:
    return None if thousandths is None else thousandths / 1000
