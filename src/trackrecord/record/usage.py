"""Token figures of one model attempt, each with where it comes from. The only place where usage is defined.

A parent never carries its children's usage: totals are derived from these by the fold (rule 7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from trackrecord.canonical import cut, dumps
from trackrecord.sealed import sealed

MAX_TOKENS: Final = 10**9
"""Most tokens one attempt can have: a thousand times any model's, and the sums of millions of attempts stay exact."""
MAX_RAW_CHARACTERS: Final = 1_000

Provenance = Literal["reported", "estimated", "unknown"]


@sealed
class Usage:
    """Tokens of one model attempt, as the provider counted them; None means the provider did not say.

    Attributes:
        input_tokens: everything sent, cache reads and writes included.
        output_tokens: everything produced, reasoning included.
        cache_read_tokens: the part of input read from a cache.
        cache_write_tokens: the part of input written to a cache.
        reasoning_tokens: the part of output spent on reasoning.
        provenance: `reported` by the provider, `estimated` by us, or `unknown`; of every figure that is not None.
        raw: what the provider said when it made no sense (negative, fractional, absurd); None otherwise.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    provenance: Provenance = "reported"
    raw: str | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input plus output as far as known; None when neither is."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def is_complete(self) -> bool:
        """Whether both input and output are known."""
        return self.input_tokens is not None and self.output_tokens is not None

    def source(self, figure: int | None) -> Provenance:
        """Where a figure of this usage comes from; `unknown` for None."""
        return "unknown" if figure is None else self.provenance


UNKNOWN: Final = Usage(provenance="unknown")
FIGURES: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def read(value: object) -> int | None:
    """A token count as a provider may write it: a whole number from 0 to a billion, else None (raw with the caller)."""
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        return None
    return value


def sensible(usage: Usage) -> Usage:
    """The same usage; a figure that makes no sense is unknown in it, and `raw` tells what it was."""
    for figure in (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ):
        if figure is not None and read(figure) is None:
            break
    else:
        return usage
    figures = {name: getattr(usage, name) for name in FIGURES}
    known = {name: read(figure) for name, figure in figures.items()}
    is_known = any(figure is not None for figure in known.values())
    provenance = usage.provenance if is_known else "unknown"
    return replace(usage, **known, provenance=provenance, raw=cut(usage.raw or dumps(figures), MAX_RAW_CHARACTERS))
