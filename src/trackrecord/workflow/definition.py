"""What of a workflow's definition its version hash covers: today's vocabulary, nothing that only repeats a default.

Steps come in as `aliases.resolve` left them and checked by the grammar. Pure; must agree with the grammar on every
default, and does because both read `vocabulary`.
"""

from __future__ import annotations

import re
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.fields import without_defaults
from trackrecord.workflow.outline import fallback_of
from trackrecord.workflow.vocabulary import RETRY, table

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION: Final = re.compile(r"\s*(\d{1,12}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)\s*")


def essence(steps: Json) -> Json:
    """The steps without what changes nothing: defaults, descriptions, the spelling of numbers and durations."""
    if not isinstance(steps, list):
        return steps
    return [_step(step) if isinstance(step, dict) else step for step in steps]


def duration_ms(text: str) -> int | None:
    """Milliseconds of a duration like `500ms`, `30s`, `1.5h` or `2d`; None when the text is none."""
    match = DURATION.fullmatch(text)
    return round(float(match[1]) * _UNITS_MS[match[2]]) if match else None


def _step(step: dict[str, Json]) -> dict[str, Json]:
    kept = without_defaults(step, table(step))
    kept.pop("description", None)
    _retry(kept)
    for name in ("duration", "timeout"):
        duration = kept.get(name)
        if isinstance(duration, str):
            milliseconds = duration_ms(duration)
            kept[name] = duration if milliseconds is None else milliseconds
    for name in ("then", "else", "default", "steps"):
        if name in kept:
            kept[name] = essence(kept[name])
    branches = kept.get("branches")
    if isinstance(branches, list):
        kept["branches"] = [essence(branch) for branch in branches]
    elif isinstance(branches, dict):
        kept["branches"] = {name: essence(branch) for name, branch in branches.items()}
    cases = kept.get("cases")
    if isinstance(cases, dict):
        kept["cases"] = {key: essence(case) for key, case in cases.items()}
    fallback = fallback_of(kept)
    if fallback is not None:
        kept["on_error"] = {"fallback": _step(fallback)}
    return kept


def _retry(kept: dict[str, Json]) -> None:
    policy = kept.get("retry")
    if not isinstance(policy, dict):
        return
    policy = without_defaults(policy, RETRY)
    if isinstance(policy.get("on"), list):
        policy["on"] = [str(cause) for cause in policy["on"]]  # type: ignore[union-attr]  # a list, as just seen
    if not policy and kept.get("type") in ("action", "llm"):
        kept.pop("retry")  # these retry transient causes by the same defaults when nothing is declared
    else:
        kept["retry"] = policy
