"""Parity: whether two engines that did the same work left the same record. Measures nothing itself.

`run_apart` runs an agent through several engines and compares, `compare_runs` takes two runs that are there already.
Every field has one verdict with its reason: `equal`, `equal by rule`, `other work`, `differs` or `not observed`.
"""

from trackrecord.parity.compare import compare
from trackrecord.parity.comparison import VERDICTS, Check, Compared, Comparison, Finding, Verdict
from trackrecord.parity.footprint import Footprint, Standing, footprint, standing
from trackrecord.parity.procedure import CarryOut, compare_runs, run_apart

__all__ = [
    "VERDICTS",
    "CarryOut",
    "Check",
    "Compared",
    "Comparison",
    "Finding",
    "Footprint",
    "Standing",
    "Verdict",
    "compare",
    "compare_runs",
    "footprint",
    "run_apart",
    "standing",
]
