"""The credit rule: what a run is charged, from the tokens that are known. Pure; holds and balances live in the store.

In the walk: part of step 6, beside the fold. The rule's name is stored with every run, so a later rule changes none.
"""

from __future__ import annotations

from typing import Final, NewType

from trackrecord.record.execution_data import check_figure

RULE: Final = "credits/1"
TOKENS_PER_CREDIT: Final = 1000
PLAIN: Final = 1000  # a multiplier of 1.000

Credits = NewType("Credits", int)
"""What a user is charged. A type of its own, so that credits and tokens are never added or swapped."""


def credits(tokens_used: int | None, *, multiplier_thousandths: int = PLAIN) -> Credits | None:
    """What a run costs its user: one credit for each thousand known tokens begun, times the multiplier in force.

    Exact: whole numbers only, rounded up once, after multiplying. No tokens cost nothing; None (no attempt reported
    any) gives None, because an unknown amount is not an amount of zero.

    Raises:
        BadInput: the tokens are no count, or the multiplier is not a whole number of thousandths.
    """
    check_figure("multiplier_thousandths", multiplier_thousandths)
    check_figure("tokens_used", tokens_used)
    if tokens_used is None:
        return None
    return Credits(-(-tokens_used * multiplier_thousandths // (TOKENS_PER_CREDIT * PLAIN)))


def most(max_tokens: int, cap: int | None = None) -> Credits:
    """What a run is to hold: the credits its token limit comes to, and no more than the installation's cap."""
    whole = -(-max_tokens // TOKENS_PER_CREDIT)
    return Credits(whole if cap is None else min(whole, cap))


def tokens_of(held: Credits) -> int:
    """The tokens that so many credits pay for."""
    return held * TOKENS_PER_CREDIT
