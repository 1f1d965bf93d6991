"""Late usage: tokens of a model attempt that became known after its run had ended, as amounts to be added. Pure.

The closed record never changes: what comes late is a row of `run_adjustments`, once per attempt. Only what the
attempt's span does not tell yet is added, and nothing is ever taken away.
"""

from __future__ import annotations

from typing import Final

from trackrecord.record.usage import Usage
from trackrecord.sealed import sealed

KIND: Final = "late_usage"
RULE: Final = "late-usage/1"


@sealed
class LateUsage:
    """What one attempt has used, learnt late.

    Attributes:
        path, attempt: which model attempt of the run.
        usage: as its provider reported it.
        cost_nanos: its price; None when it could not be priced.
    """

    tenant_id: str
    run_id: str
    path: str
    attempt: int
    usage: Usage
    cost_nanos: int | None

    @property
    def subject(self) -> str:
        """What an adjustment of it is about; there is one at most."""
        return f"{self.path}#{self.attempt}"


def deltas(late: LateUsage, known: Usage | None, known_cost_nanos: int | None) -> dict[str, int]:
    """Amounts by column that the attempt's span, which says `known`, lacks; empty when it lacks nothing."""
    told = known or Usage(provenance="unknown")
    amounts = {
        "input_tokens": _more(late.usage.input_tokens, told.input_tokens),
        "output_tokens": _more(late.usage.output_tokens, told.output_tokens),
        "cache_read_tokens": _more(late.usage.cache_read_tokens, told.cache_read_tokens),
        "cost_nanos": _more(late.cost_nanos, known_cost_nanos),
    }
    return {column: amount for column, amount in amounts.items() if amount is not None}


def _more(figure: int | None, known: int | None) -> int | None:
    """What a figure adds to a known one; a figure that was unknown counts even when it is 0."""
    if figure is None or (known is not None and figure <= known):
        return None
    return figure - (known or 0)
