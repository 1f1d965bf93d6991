"""The shape of a step tree before it is checked: which steps there are, where, how deep, under which ids.

Walks raw definitions in today's vocabulary, whatever is wrong with them; checks only what concerns the tree as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trackrecord.canonical import Json
from trackrecord.workflow.fields import Problems, join
from trackrecord.workflow.steps import MAX_NESTING, MAX_STEPS

_BODIES = ("then", "else", "default", "steps")


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the tree.

    Attributes:
        path: where it is.
        container: id of the step whose body it is in; None at the top.
        is_fallback: whether it stands in for its container.
    """

    path: str
    container: str | None
    is_fallback: bool


def bodies(step: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Each list of inner steps with its place relative to the step; a fallback counts as a list of one."""
    for name in _BODIES:
        if name in step:
            yield name, step[name]
    branches = step.get("branches")
    if isinstance(branches, dict):
        yield from ((f"branches.{name}", steps) for name, steps in branches.items())
    elif isinstance(branches, list):
        yield from ((f"branches[{index}]", steps) for index, steps in enumerate(branches))
    cases = step.get("cases")
    if isinstance(cases, dict):
        yield from ((f"cases.{key}", steps) for key, steps in cases.items())
    fallback = fallback_of(step)
    if fallback is not None:
        yield "on_error.fallback", [fallback]


def fallback_of(step: Mapping[str, Json]) -> dict[str, Json] | None:
    """The raw fallback of a step; None when it has none."""
    on_error = step.get("on_error")
    fallback = on_error.get("fallback") if isinstance(on_error, dict) else None
    return fallback if isinstance(fallback, dict) else None


def outline(steps: Json, path: str, problems: Problems) -> dict[str, Entry] | None:
    """Every id of the tree and where it is; None when the tree is too large or too deep to be read at all."""
    found: dict[str, Entry] = {}
    count = 0
    waiting: list[tuple[Json, str, str | None, int]] = [(steps, path, None, 1)]
    while waiting:
        listed, at, container, depth = waiting.pop()
        if not isinstance(listed, list):
            continue
        if depth > MAX_NESTING:
            problems.add(at, f"steps are nested more than {MAX_NESTING} deep", "Flatten the steps, or split the agent.")
            return None
        count += len(listed)
        if count > MAX_STEPS:
            problems.add(path, f"there are more than {MAX_STEPS:,} steps", "Use a loop or a map, or split the agent.")
            return None
        is_fallback = at.endswith(".on_error.fallback")
        inner: list[tuple[Json, str, str | None, int]] = []
        for index, step in enumerate(listed):
            if not isinstance(step, dict):
                continue
            step_path = at if is_fallback else join(at, index)
            step_id = step.get("id")
            if isinstance(step_id, str):
                _note(step_id, Entry(step_path, container, is_fallback), found, problems)
            name = step_id if isinstance(step_id, str) else None
            inner.extend((body, f"{step_path}.{place}", name, depth + 1) for place, body in bodies(step))
        waiting.extend(reversed(inner))
    return found


def _note(step_id: str, entry: Entry, found: dict[str, Entry], problems: Problems) -> None:
    first = found.setdefault(step_id, entry)
    if first is not entry:
        message = f"the id {step_id!r} is already used at {first.path}"
        problems.add(join(entry.path, "id"), message, "Ids are unique in the whole workflow: give this step another.")
