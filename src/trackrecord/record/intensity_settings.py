"""What counts as light and heavy: the ranges and weights of the intensity score, all settable, checked when loaded.

Owns numbers and their checks only; must never see a run. Read once at start, then handed to `intensity.score`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Final, NamedTuple, cast

from trackrecord.errors import BadSettings

SUM_TOLERANCE: Final = 1e-9


class Range(NamedTuple):
    """A figure at or below `lo` scores 0, at or above `hi` 10, in between in proportion."""

    lo: float
    hi: float


class TokenWeights(NamedTuple):
    """Shares of the token part: tokens per run, peak tokens, output to input."""

    volume: float = 0.5
    peak: float = 0.3
    ratio: float = 0.2


class ExecutionWeights(NamedTuple):
    """Shares of the execution part, each per run."""

    iterations: float = 0.35
    duration: float = 0.30
    failure: float = 0.20
    retries: float = 0.15


class PluginWeights(NamedTuple):
    """Shares of the plugin part: distinct ever, distinct per run, time with a tool call in flight."""

    distinct: float = 0.40
    per_run: float = 0.35
    orchestration: float = 0.25


class WorkflowWeights(NamedTuple):
    """Shares of the workflow part."""

    steps: float = 0.40
    branches: float = 0.25
    loop_iterations: float = 0.20
    parallel: float = 0.15


class MemoryWeights(NamedTuple):
    """Shares of the memory part: memory to input tokens, types ever, entries per run."""

    ratio: float = 0.5
    types: float = 0.3
    entries: float = 0.2


class ScoreWeights(NamedTuple):
    """Shares of the five parts in the execution score."""

    token: float = 0.30
    execution: float = 0.25
    plugin: float = 0.20
    workflow: float = 0.15
    memory: float = 0.10


class CreationWeights(NamedTuple):
    """Shares of the definition in the creation score, before the trigger is added."""

    steps: float = 0.5
    plugins: float = 0.3
    fields: float = 0.2


class CombinedWeights(NamedTuple):
    """Shares of creation and execution score once an agent has run often enough."""

    creation: float = 0.3
    execution: float = 0.7


_GROUPS: Final = (
    TokenWeights,
    ExecutionWeights,
    PluginWeights,
    WorkflowWeights,
    MemoryWeights,
    ScoreWeights,
    CreationWeights,
    CombinedWeights,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensitySettings:
    """Ranges and weights of the intensity score; the defaults are the documented ones.

    Attributes:
        tokens_per_run, peak_tokens: in tokens.
        output_input_ratio, memory_input_ratio: tokens over tokens.
        duration_ms, tool_orchestration_ms: milliseconds per run.
        failure_rate_percent: runs that did not succeed, of a hundred.
        distinct_plugins, memory_types: ever used, not per run.
        workflow_steps, branches, loop_iterations, parallel: executed per run, else declared.
        design_steps, design_plugins, design_fields: declared; fields are inputs and outputs together.

    Raises:
        BadSettings: a range whose `hi` is not above its `lo`, a negative weight, or a group that does not sum to 1.
    """

    tokens_per_run: Range = Range(0, 5000)
    peak_tokens: Range = Range(0, 10_000)
    output_input_ratio: Range = Range(0.5, 3.0)
    iterations_per_run: Range = Range(1, 10)
    duration_ms: Range = Range(0, 30_000)
    failure_rate_percent: Range = Range(0, 50)
    retries_per_run: Range = Range(0, 3)
    distinct_plugins: Range = Range(0, 10)
    plugins_per_run: Range = Range(0, 8)
    tool_orchestration_ms: Range = Range(0, 5000)
    workflow_steps: Range = Range(0, 20)
    branches: Range = Range(0, 10)
    loop_iterations: Range = Range(0, 50)
    parallel: Range = Range(0, 5)
    memory_input_ratio: Range = Range(0, 0.9)
    memory_types: Range = Range(0, 3)
    memory_entries: Range = Range(0, 20)
    design_steps: Range = Range(0, 10)
    design_plugins: Range = Range(0, 5)
    design_fields: Range = Range(0, 8)
    token_weights: TokenWeights = TokenWeights()
    execution_weights: ExecutionWeights = ExecutionWeights()
    plugin_weights: PluginWeights = PluginWeights()
    workflow_weights: WorkflowWeights = WorkflowWeights()
    memory_weights: MemoryWeights = MemoryWeights()
    score_weights: ScoreWeights = ScoreWeights()
    creation_weights: CreationWeights = CreationWeights()
    combined_weights: CombinedWeights = CombinedWeights()

    def __post_init__(self) -> None:
        """Refuse what would give a score outside 0 to 10 or no score at all."""
        for name in KEYS:
            value = cast("Range | tuple[float, ...]", getattr(self, name))
            if isinstance(value, Range):
                _check_range(name, value)
            else:
                _check_weights(name, value)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> IntensitySettings:
        """The settings of a file's `intensity` section; what it leaves out keeps its default.

        Ranges are `[lo, hi]`, weight groups are mappings like `{volume: 0.5, peak: 0.3, ratio: 0.2}`.

        Raises:
            BadSettings: an unknown key (with the nearest known one), a value of the wrong shape, or a value that the
                settings themselves refuse.
        """
        chosen: dict[str, object] = {}
        for key, value in mapping.items():
            default = _default(key)
            chosen[key] = _read_range(key, value) if isinstance(default, Range) else _read_weights(key, value, default)
        return cls(**chosen)  # type: ignore[arg-type]  # each key was read by the type of its default


KEYS: Final = tuple(field.name for field in fields(IntensitySettings))


def _default(key: str) -> Range | tuple[float, ...]:
    if key not in KEYS:
        raise BadSettings(f"intensity.{key} is no setting", cure=_suggestion(key, KEYS))
    return cast("Range | tuple[float, ...]", getattr(DEFAULTS, key))


def _suggestion(key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(key, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(names)}."


def _read_range(key: str, value: object) -> Range:
    ends = cast("list[object] | tuple[object, ...]", value) if isinstance(value, list | tuple) else ()
    if len(ends) != 2:
        raise BadSettings(f"intensity.{key} is {value!r}, which is no range", cure="Give it as [lo, hi].")
    return Range(_number(key, ends[0]), _number(key, ends[1]))


def _read_weights(key: str, value: object, default: tuple[float, ...]) -> tuple[float, ...]:
    group = next(kind for kind in _GROUPS if isinstance(default, kind))
    if not isinstance(value, Mapping):
        shape = ", ".join(f"{name}: {share}" for name, share in zip(group._fields, default, strict=True))
        raise BadSettings(f"intensity.{key} is {value!r}, which is no group of weights", cure=f"Give {{{shape}}}.")
    chosen: dict[str, float] = {}
    for name, share in cast("Mapping[str, object]", value).items():
        if name not in group._fields:
            raise BadSettings(f"intensity.{key}.{name} is no weight", cure=_suggestion(name, group._fields))
        chosen[name] = _number(f"{key}.{name}", share)
    return group(**chosen)


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadSettings(f"intensity.{key} is {value!r}, which is not a number", cure="Give a plain number.")
    return value


def _check_range(name: str, value: Range) -> None:
    if not (math.isfinite(value.lo) and math.isfinite(value.hi) and value.lo < value.hi):
        raise BadSettings(
            f"intensity.{name} goes from {value.lo!r} to {value.hi!r}, which is no range",
            cure="Give two finite numbers, the second above the first.",
        )


def _check_weights(name: str, value: tuple[float, ...]) -> None:
    if any(not math.isfinite(share) or share < 0 for share in value):
        raise BadSettings(f"intensity.{name} has a share below 0: {value!r}", cure="Give shares from 0 to 1.")
    total = math.fsum(value)
    if abs(total - 1) > SUM_TOLERANCE:
        raise BadSettings(
            f"intensity.{name} sums to {total!r}, not to 1: {value!r}", cure="Change the shares until they sum to 1."
        )


DEFAULTS: Final = IntensitySettings()
