"""A field that stands too far left: right below an empty one, where it was probably meant to be inside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final

from trackrecord.agent.tables import AGENT
from trackrecord.canonical import Json
from trackrecord.errors import Problem

_HOLDING: Final = ("mapping", "any", "list")


def indented(problems: Iterable[Problem], value: Json) -> tuple[Problem, ...]:
    """The problems; that of an unknown field below an empty one says to indent it."""
    if not isinstance(value, Mapping):
        return tuple(problems)
    below: dict[str, str] = {}
    for above, name in pairwise(value):
        holder = below.get(above, above)  # a second misplaced field stands below the first
        if name not in AGENT and holder in AGENT and value[holder] is None and AGENT[holder].kind in _HOLDING:
            below[name] = holder
    return tuple(
        replace(one, cure=f"Indent it if it belongs under `{below[one.path]}:`, which is empty.")
        if one.path in below and not one.cure.startswith("Did you mean")
        else one
        for one in problems
    )
