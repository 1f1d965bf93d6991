"""The oracle: every rule that nothing may break, checked against one state of a database. Reads only, mends nothing.

Beside the walk: it looks at what steps 2 to 7 left. `rebuild` of the store mends sums; whatever else is found here has
no program that could know the truth. Must never write, and never trust a total that it can make anew.
"""

from __future__ import annotations

from trackrecord.verify.findings import Check, Finding, Verification
from trackrecord.verify.walk import verify

__all__ = ["Check", "Finding", "Verification", "verify"]
