"""Late usage: what is added of it, and what that does to an agent's intensity row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.record.figures import absorbed, any_run, measured

from trackrecord.record.intensity import IntensityRow, RunFigures
from trackrecord.record.intensity_change import changed
from trackrecord.record.late_usage import LateUsage, deltas
from trackrecord.record.usage import UNKNOWN, Usage


def late(usage: Usage, cost_nanos: int | None = None) -> LateUsage:
    return LateUsage(tenant_id="t", run_id="run", path="turn:1/model", attempt=2, usage=usage, cost_nanos=cost_nanos)


@pytest.mark.parametrize(("usage", "cost", "known", "known_cost", "added"), [
    (Usage(input_tokens=100, output_tokens=10), None, UNKNOWN, None, {"input_tokens": 100, "output_tokens": 10}),
    (Usage(input_tokens=100, output_tokens=10), 7, None, None,
     {"input_tokens": 100, "output_tokens": 10, "cost_nanos": 7}),
    (Usage(input_tokens=100, output_tokens=10), None, Usage(input_tokens=100), None, {"output_tokens": 10}),
    (Usage(input_tokens=100, output_tokens=10), 9, Usage(input_tokens=100, output_tokens=4), 5,
     {"output_tokens": 6, "cost_nanos": 4}),
    (Usage(input_tokens=0, output_tokens=0), 0, UNKNOWN, None,
     {"input_tokens": 0, "output_tokens": 0, "cost_nanos": 0}),
    (Usage(input_tokens=100, output_tokens=10, cache_read_tokens=60), None, UNKNOWN, None,
     {"input_tokens": 100, "output_tokens": 10, "cache_read_tokens": 60}),
    (Usage(input_tokens=100, output_tokens=10), 5, Usage(input_tokens=100, output_tokens=10), 5, {}),
    (Usage(input_tokens=90, output_tokens=9), 4, Usage(input_tokens=100, output_tokens=10), 5, {}),
    (UNKNOWN, None, UNKNOWN, None, {}),
])  # fmt: skip
def test_only_what_the_span_lacks_is_added(
    usage: Usage, cost: int | None, known: Usage | None, known_cost: int | None, added: dict[str, int]
) -> None:
    """Unknown figures become known, known ones grow and never shrink, and the same again is nothing."""
    assert added == deltas(late(usage, cost), known, known_cost)


def test_the_subject_is_the_attempt() -> None:
    """Two attempts of a path are two subjects."""
    assert "turn:1/model#2" == late(UNKNOWN).subject


def grown(figures: RunFigures, more: tuple[int, int, int]) -> RunFigures:
    """The figures of a run whose tokens turned out to be so many more."""
    data = figures.data
    sent, produced = (data.input_tokens or 0) + more[0], (data.output_tokens or 0) + more[1]
    return replace(
        figures,
        data=replace(data, input_tokens=sent, output_tokens=produced, tokens_used=sent + produced),
        cached_input_tokens=(figures.cached_input_tokens or 0) + more[2],
    )


@given(
    figures=st.lists(any_run(), min_size=1, max_size=25),
    place=st.integers(0, 24),
    more=st.tuples(*[st.integers(0, 10_000)] * 3),
)
def test_a_changed_run_leaves_the_row_that_its_new_figures_would_have_left(
    figures: list[RunFigures], place: int, more: tuple[int, int, int]
) -> None:
    """Sums, counts, peaks and the last ten are exact, whichever of the runs it is: a recount agrees."""
    place %= len(figures)
    before = figures[place]
    assume(max(before.data.input_tokens or 0, before.data.output_tokens or 0, before.cached_input_tokens or 0) < 2**51)
    if before.data.tokens_used is not None and before.data.input_tokens is None:
        before = figures[place] = measured(output_tokens=5)
    after = grown(before, more)
    if (after.data.tokens_used or 0) < (before.data.tokens_used or 0):
        return  # a total that its parts do not add up to, as an outside run may report
    expected = absorbed([*figures[:place], after, *figures[place + 1 :]])
    assert expected == changed(absorbed(figures), before, after, place + 1)


def test_a_peak_cannot_be_lowered() -> None:
    """What the second highest run was is not kept: such a change is refused, never guessed."""
    high, low = measured(output_tokens=100), measured(output_tokens=10)
    with pytest.raises(ValueError, match="peak_tokens_single_run cannot be lowered from 100 to 10"):
        changed(absorbed([high]), high, low, 1)


def test_nothing_changed_is_the_same_row() -> None:
    """The same figures again change nothing, also in a row that has forgotten the run."""
    figures: Any = measured(output_tokens=100)
    row = absorbed([figures] * 12)
    assert row == changed(row, figures, figures, 1)
    assert row == changed(row, figures, replace(figures, cached_input_tokens=figures.cached_input_tokens), 1)
    assert IntensityRow.empty() == changed(IntensityRow.empty(), figures, figures, 1)
