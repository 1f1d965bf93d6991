"""What was measured: figures, samples, and what could not be. Knows nothing of processes.

A ratio is made within a round, from samples taken right after one another, so that what slows the whole machine slows
both sides of it; the median over the rounds is the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from benchmarks.contestants import Contestant

Unit = Literal["ms", "us", "runs/s", "KiB", ""]
Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours, theirs: medians, in `unit`; `theirs` is the fastest peer's, or the other side of the ratio.
        against: who or what the other side is.
        ratio: median over the rounds, with `low` and `high`, the extremes.
        target: what the ratio has to reach; None when the line is there for information.
        is_limit: whether the target is the most the ratio may be, instead of the least.
        rounds: samples of each side.
        reason: why it was not measured; the figures are None then.
    """

    what: str
    unit: Unit = ""
    ours: float | None = None
    theirs: float | None = None
    against: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    is_limit: bool = False
    rounds: int = 0
    reason: str | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None when there is none, or nothing was measured."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio <= self.target if self.is_limit else self.ratio >= self.target


@dataclass(slots=True)
class Report:
    """Everything that was measured.

    Attributes:
        samples: by part, then contestant: each sample, in the unit of the part.
        units: by part.
        versions: of everything that took part.
        settings: by contestant that keeps something: how its SQLite is written, by its own connection's word.
        missing: what could not be measured, and why.
    """

    figures: list[Figure] = field(default_factory=list[Figure])
    samples: dict[str, Samples] = field(default_factory=dict[str, Samples])
    units: dict[str, Unit] = field(default_factory=dict[str, Unit])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    settings: dict[str, str] = field(default_factory=dict[str, str])
    missing: list[str] = field(default_factory=list[str])

    def miss(self, reason: str) -> None:
        """Say once what could not be measured."""
        if reason not in self.missing:
            self.missing.append(reason)

    def keep(self, part: str, unit: Unit, samples: Samples) -> None:
        """Put a part's samples with the others."""
        self.samples[part] = samples
        self.units[part] = unit


def at_most(
    what: str, unit: Unit, mine: Sequence[float], theirs: Sequence[float], against: str, target: float
) -> Figure:
    """How much our side takes of what the other takes."""
    if not mine or not theirs:
        reason = f"{'the other' if mine else 'our'} side was not measured"
        return Figure(what=what, target=target, is_limit=True, reason=reason)
    ratios = [our / their for our, their in zip(mine, theirs, strict=False)]
    return Figure(
        what=what,
        unit=unit,
        ours=median(mine),
        theirs=median(theirs),
        against=against,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        is_limit=True,
        rounds=len(ratios),
    )


def against_fastest(
    what: str, unit: Unit, samples: Samples, side: Contestant, peers: Sequence[Contestant], target: float | None
) -> Figure:
    """How many times better our side is than the best peer; better is more for a rate, less for the rest."""
    mine = samples.get(side.name)
    others = {peer.name: samples[peer.name] for peer in peers if samples.get(peer.name)}
    if not mine or not others:
        return Figure(what=what, target=target, reason="our side was not measured" if not mine else "no peer was")
    is_rate = unit == "runs/s"
    best = (max if is_rate else min)(others, key=lambda name: median(others[name]))
    pairs = list(zip(mine, others[best], strict=False))
    ratios = [our / their if is_rate else their / max(our, 1e-9) for our, their in pairs]
    return Figure(
        what=what,
        unit=unit,
        ours=median(mine),
        theirs=median(others[best]),
        against=best,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        rounds=len(pairs),
    )
