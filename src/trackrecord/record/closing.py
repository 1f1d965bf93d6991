"""Closing: a record from an origin, an ending and measures, with the rules in force; and its minimal form. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trackrecord.record import credits
from trackrecord.record.measures import Measures
from trackrecord.record.pricing import price_table
from trackrecord.record.record import Ending, Origin, Record

MINIMAL: Final = "the full record could not be stored"
"""How the error message of a minimal record begins; its spans may be fewer than its figures were made from."""


def close(origin: Origin, ending: Ending | None, measures: Measures, epoch: int) -> Record:
    """The record of a run; partial while `ending` is None."""
    return Record(
        origin=origin,
        ending=ending,
        measures=measures,
        epoch=epoch,
        credits_used=credits.credits(measures.tokens.total),
        price_table=price_table(),
        credit_rule=credits.RULE,
    )


def minimal(record: Record, reason: str) -> Record:
    """The same figures without any text that came from outside, for when the full record cannot be stored."""
    ending = record.ending
    if ending is None:
        return record
    return replace(
        record,
        ending=Ending(
            status=ending.status,
            error_code=ending.error_code,
            error_message=f"{MINIMAL} ({reason})",
            is_lossy=ending.is_lossy,
        ),
        measures=replace(record.measures, tool_calls=()),
    )
