"""Tokens and money by model: what each model was sent and gave, how many of its calls could be priced. Pure.

Adds up a run's own spans, model by model, as the fold adds them up in all. What nobody reported is a dash, and why
stands once below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trackrecord.cli.escape import line, width
from trackrecord.cli.look import Column, Look, paragraph, table
from trackrecord.cli.units import UNKNOWN, amounts, count, many
from trackrecord.record.spans import Span

FIGURES: Final = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_TITLES: Final = ("in", "cached", "written", "out", "reasoning")
_SPARE: Final = ("cached", "reasoning")  # parts of the others: they stand in `Used` as well
_LEAST: Final = 12
_PROVIDED: Final = {"scripted": "scripted models have no price"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSum:
    """What all calls of one model add up to.

    Attributes:
        provider, model: as it was asked for; None for the sum of all of them.
        responded: what the provider says answered; empty when it did not say.
        calls, unreported, priced: attempts; those that reported neither input nor output; those with a price.
        tokens: by `FIGURES`; None when no call reported it.
        cost_nanos: of the priced calls; None when there was none.
    """

    provider: str | None
    model: str | None
    responded: tuple[str, ...]
    calls: int
    unreported: int
    priced: int
    tokens: tuple[int | None, ...]
    cost_nanos: int | None

    @property
    def name(self) -> str:
        """What a row of it is called."""
        return "all" if self.provider is None else f"{self.provider}:{self.model}"


def model_sums(spans: Iterable[Span]) -> list[ModelSum]:
    """One for each model in the order of the first call, then `all` when there is more than one."""
    by_model: dict[tuple[str | None, str | None], list[Span]] = {}
    every: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.epoch, span.start_us)):
        if span.kind == "model":
            by_model.setdefault((span.provider or "?", span.model or "?"), []).append(span)
            every.append(span)
    sums = [_sum(asked, own) for asked, own in by_model.items()]
    return [*sums, _sum((None, None), every)] if len(sums) > 1 else sums


def model_lines(spans: Sequence[Span], look: Look) -> list[str]:
    """The section `Tokens by model` of a run's page; empty when no model was called."""
    sums = model_sums(spans)
    if not sums:
        return []
    columns = (
        Column(title="model", least=_LEAST),
        Column(title="calls", is_right=True),
        *(Column(title=title, is_right=True, is_spare=title in _SPARE) for title in _TITLES),
        Column(title="cost", is_right=True),
        Column(title="priced", is_right=True),
    )
    costs = amounts([one.cost_nanos for one in sums])
    rows = [_row(one, cost) for one, cost in zip(sums, costs, strict=True)]
    rows = [
        (*row[:4], "", *row[5:]) for row in rows
    ]  # what was written to a cache stands in `Used`, where there is room
    lines = _drawn(look, columns, rows, [line(one.model or one.name, 120) for one in sums])
    notes = [part for note in model_notes(sums) for part in paragraph(note, look.width - 2)]
    return [look.heading("Tokens by model"), *lines, *(look.dim(f"  {note}") for note in notes)]


def model_notes(sums: Sequence[ModelSum]) -> list[str]:
    """Why a figure is not there, and who answered in whose place."""
    whole = sums[-1]
    notes: list[str] = []
    if whole.unreported:
        notes.append(f"{_of(whole.unreported, whole.calls)} reported no tokens: what was used is unknown, not 0")
    silent = [
        title
        for title, key in zip(_TITLES, range(len(FIGURES)), strict=True)
        if title != "written" and any(one.tokens[key] is None for one in sums)
    ]
    if silent and whole.unreported < whole.calls:
        notes.append(f"{UNKNOWN} under {', '.join(silent)}: the provider does not report it")
    if whole.priced < whole.calls:
        notes.append(_unpriced(sums, whole))
    notes += [
        line(f"{one.name} was answered by {', '.join(one.responded)}", 200)
        for one in sums
        if one.model is not None and one.responded and set(one.responded) != {one.model}
    ]
    return notes


def _unpriced(sums: Sequence[ModelSum], whole: ModelSum) -> str:
    told = {_PROVIDED.get(one.provider, "") for one in sums if one.provider is not None}
    left = f"{_of(whole.calls - whole.priced, whole.calls)} could not be priced"
    if told <= set(_PROVIDED.values()):
        return f"{left}: {', '.join(sorted(told))}"
    return f"{left}: no tokens reported, or no price known" if whole.unreported else f"{left}: no price known"


def _of(part: int, calls: int) -> str:
    return "the only call" if calls == 1 else f"{count(part)} of {many(calls, 'call')}"


def _sum(asked: tuple[str | None, str | None], spans: Sequence[Span]) -> ModelSum:
    costs = [span.cost_nanos for span in spans if span.cost_nanos is not None]
    return ModelSum(
        provider=asked[0],
        model=asked[1],
        responded=tuple(dict.fromkeys(span.responded_model for span in spans if span.responded_model)),
        calls=len(spans),
        unreported=sum(span.usage is None or span.usage.total_tokens is None for span in spans),
        priced=len(costs),
        tokens=tuple(_known(getattr(span.usage, figure, None) for span in spans) for figure in FIGURES),
        cost_nanos=sum(costs) if costs else None,
    )


def _known(figures: Iterable[int | None]) -> int | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _row(one: ModelSum, cost: str) -> tuple[str, ...]:
    figures = (count(figure) for figure in one.tokens)
    return line(one.name, 120), count(one.calls), *figures, cost, f"{count(one.priced)} of {count(one.calls)}"


def _drawn(look: Look, columns: Sequence[Column], rows: Sequence[tuple[str, ...]], models: Sequence[str]) -> list[str]:
    """The table; a model goes without its provider where both do not fit."""
    lines = table(look, columns, rows, indent=2)
    if not any("…" in text and width(row[0]) > _LEAST for text, row in zip(lines[1:], rows, strict=True)):
        return lines
    short = [(model, *row[1:]) for model, row in zip(models, rows, strict=True)]
    return table(look, columns, short, indent=2)
