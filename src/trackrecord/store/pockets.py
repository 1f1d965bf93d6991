"""The pockets of a credit account, and which kind of entry moves credits between which: the ledger's grammar.

Data only. Every entry takes its amount out of one pocket and puts it into another, so nothing appears and nothing is
lost. `outside` is the installation, `balance` what may be spent, `held` what runs under way hold, `charged` is spent.
"""

from __future__ import annotations

from typing import Final, Literal

Pocket = Literal["outside", "balance", "held", "charged"]
Kind = Literal["grant", "hold", "charge", "release", "adjust"]

MOVES: Final[tuple[tuple[Kind, Pocket, Pocket], ...]] = (
    ("grant", "outside", "balance"),
    ("hold", "balance", "held"),
    ("charge", "held", "charged"),
    ("release", "held", "balance"),
    ("adjust", "outside", "balance"),  # a correction in the user's favour
    ("adjust", "balance", "outside"),  # one against it
    ("adjust", "balance", "charged"),  # what a run used beyond its hold, or was known late to have used
    ("adjust", "charged", "balance"),  # a refund
)
ONCE: Final[tuple[Kind, ...]] = ("hold", "charge", "release")
"""Kinds of which a run has one entry at most: a hold is taken once and resolved once."""


def moves() -> str:
    """The condition of SQL that an entry is one of these moves."""
    return " OR ".join(
        f"kind = '{kind}' AND source = '{source}' AND target = '{target}'" for kind, source, target in MOVES
    )
