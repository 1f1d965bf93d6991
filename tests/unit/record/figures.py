"""Runs to absorb and score: built by name, and by hypothesis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, get_args

from hypothesis import strategies as st

from trackrecord.errors import TerminalStatus
from trackrecord.record.execution_data import AgentExecutionData
from trackrecord.record.intensity import (
    DEFAULTS,
    DeclaredDesign,
    IntensityRow,
    IntensityScore,
    RunFigures,
    absorb,
    score,
)

NOTHING: Final = DeclaredDesign()


def run(*, status: TerminalStatus = "completed", **figures: Any) -> RunFigures:
    """One run; what is not given is unknown."""
    extra = {name: figures.pop(name) for name in list(figures) if name.startswith(("executed_", "cached_"))}
    data = AgentExecutionData(agent_id="a", user_id="u", was_successful=status == "completed", **figures)
    return RunFigures(data=data, status=status, **extra)


_MEASURED = (
    "input_tokens",
    "output_tokens",
    "execution_duration_ms",
    "iterations_count",
    "retry_count",
    "tool_calls_count",
    "tool_orchestration_time_ms",
    "memory_tokens",
    "memory_entry_count",
    "cached_input_tokens",
)


def measured(**changes: Any) -> RunFigures:
    """A run that knows everything and used nothing, with the figures a test is about; tokens add up by themselves."""
    if "tokens_used" not in changes:
        known = [changes.get(name, 0) for name in ("input_tokens", "output_tokens")]
        changes["tokens_used"] = sum(tokens or 0 for tokens in known)
    elif not {"input_tokens", "output_tokens"} & set(changes):
        changes["input_tokens"] = changes["tokens_used"]
    return run(**(dict.fromkeys(_MEASURED, 0) | changes))


def absorbed(runs: Iterable[RunFigures]) -> IntensityRow:
    row = IntensityRow.empty()
    for seq, figures in enumerate(runs, start=1):
        row = absorb(row, figures, seq)
    return row


def scored(*runs: RunFigures, declared: DeclaredDesign = NOTHING) -> IntensityScore:
    return score(absorbed(runs), declared, DEFAULTS)


# Two runs, one heavy and failed, one light and recovered by a retry; every figure of theirs is worked out in the tests.
BY_HAND: Final = (
    run(
        status="timed_out",
        tokens_used=4000,
        input_tokens=2000,
        output_tokens=2000,
        cached_input_tokens=500,
        execution_duration_ms=20_000,
        iterations_count=8,
        retry_count=2,
        plugins_used=("http", "sheets", "mail"),
        tool_calls_count=6,
        tool_orchestration_time_ms=4000,
        memory_tokens=600,
        memory_entry_count=6,
        memory_types=("summaries", "patterns"),
        executed_steps=12,
        executed_branches=4,
        executed_loop_iterations=30,
        executed_parallel=2,
    ),
    run(
        tokens_used=2000,
        input_tokens=1000,
        output_tokens=1000,
        execution_duration_ms=4000,
        iterations_count=3,
        retry_count=1,
        plugins_used=("http",),
        tool_calls_count=1,
        tool_orchestration_time_ms=1000,
        memory_tokens=300,
        memory_entry_count=4,
        memory_types=("summaries",),
        executed_steps=8,
        executed_branches=2,
        executed_loop_iterations=0,
        executed_parallel=1,
    ),
)
DESIGN: Final = DeclaredDesign(steps=6, branches=1, loops=1, parallel=1, plugins=3, fields=4, trigger="scheduled")


_COUNT = st.none() | st.integers(0, 50) | st.integers(0, 2**53 - 1)
_NAMES = st.lists(st.sampled_from(["http", "mail", "sheets", "größe", 'a"b']), max_size=4)


@st.composite
def any_run(draw: st.DrawFn) -> RunFigures:
    sent, produced = draw(_COUNT), draw(_COUNT)
    total = draw(_COUNT)
    if sent is not None and produced is not None:
        total = sent + produced if total is not None and sent + produced < 2**53 else None
    executed = draw(st.none() | st.tuples(*[st.integers(0, 10_000)] * 4))
    names = ("executed_steps", "executed_branches", "executed_loop_iterations", "executed_parallel")
    return run(
        status=draw(st.sampled_from(get_args(TerminalStatus))),
        tokens_used=total,
        input_tokens=sent,
        output_tokens=produced,
        cached_input_tokens=draw(_COUNT),
        execution_duration_ms=draw(_COUNT),
        iterations_count=draw(_COUNT),
        retry_count=draw(_COUNT),
        plugins_used=draw(_NAMES),
        tool_calls_count=draw(_COUNT),
        tool_orchestration_time_ms=draw(_COUNT),
        memory_tokens=draw(_COUNT),
        memory_entry_count=draw(_COUNT),
        memory_types=draw(_NAMES),
        **(dict(zip(names, executed, strict=True)) if executed else {}),
    )


DESIGNS = st.builds(
    DeclaredDesign,
    steps=st.integers(0, 10_000),
    branches=st.integers(0, 10_000),
    loops=st.integers(0, 10_000),
    parallel=st.integers(0, 10_000),
    plugins=st.integers(0, 100),
    fields=st.integers(0, 100),
    trigger=st.sampled_from(["on_demand", "scheduled", "event"]),
)
