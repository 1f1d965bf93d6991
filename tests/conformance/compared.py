"""What differs between the record a case expects and the one that was found; and expectations that must not be met."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.conformance.cases import COUNTS, Case

from trackrecord.errors import Problem

ABSENT: Final = "nothing of the kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a case came to, read from the database.

    Attributes:
        problems: what was wrong with the definition; empty when it was accepted.
        turned_away: code and message of a refusal when it was to be run; empty when it was not refused.
        status, error_code, error_path, error_message, output, counts, tokens: of the run's row and its output.
        steps: path and status of every try of a step, in the order in which they began; a second try is `path#2`.
        effects: the same of model calls, tool calls, waits, decisions and children.
        items: how many iterations, branches or items each container started.
        asked: every model request, by path.
        children: statuses of the child runs, by name of their agent.
        oddities: where the log and the statistics do not say what the row says.
    """

    problems: tuple[Problem, ...] = ()
    turned_away: str = ""
    status: str = ""
    error_code: str | None = None
    error_path: str | None = None
    error_message: str | None = None
    output: Any = None
    steps: Sequence[tuple[str, str]] = ()
    effects: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, int | None] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int | None] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    children: Mapping[str, Sequence[str]] = field(default_factory=dict)
    oddities: Sequence[str] = ()


def differences(expect: Mapping[str, Any], found: Found) -> list[str]:
    """Everything that is not as expected, a line each."""
    if "refused" in expect:
        return list(_refusal(expect["refused"], found))
    if "turned_away" in expect:
        missing = [text for text in expect["turned_away"] if text not in found.turned_away]
        return [f"expected a refusal that says {missing}, found {found.turned_away!r} {_ending(found)}"] * bool(missing)
    if found.problems or found.turned_away:
        return [f"expected a run, found {[str(problem) for problem in found.problems]} {found.turned_away}"]
    return [*_record(expect, found), *_details(expect, found), *found.oddities]


def _refusal(expected: Sequence[Mapping[str, Any]], found: Found) -> Iterator[str]:
    if not found.problems:
        yield f"expected to be refused, found {_ending(found)} {found.turned_away}"
    for one, problem in zip(expected, found.problems, strict=False):
        if one["path"] != problem.path:
            yield f"expected a problem at {one['path']}, found {problem}"
        for part, text in (("says", problem.message), ("cure", problem.cure)):
            if part in one and one[part] not in text:
                yield f"expected the {part} {one[part]!r} at {problem.path}, found {text!r}"
    if len(expected) != len(found.problems):
        yield f"expected {len(expected)} problems, found {[str(problem) for problem in found.problems]}"


def _record(expect: Mapping[str, Any], found: Found) -> Iterator[str]:
    if expect["status"] != found.status:
        yield f"expected {expect['status']}, found {_ending(found)}"
    error: Mapping[str, Any] = expect.get("error", {})
    if error.get("code") != found.error_code:
        yield f"expected the error {error.get('code')}, found {_ending(found)}"
    if "at" in error and error["at"] != found.error_path:
        yield f"expected it at {error['at']}, found {found.error_path}"
    for text in error.get("says", ()):
        if text not in (found.error_message or ""):
            yield f"expected the error to say {text!r}, found {found.error_message!r}"
    wanted, steps = list(expect["steps"].items()), list(found.steps)
    if expect.get("any_order"):
        wanted, steps = sorted(wanted), sorted(steps)
    if wanted != steps:
        yield f"expected the steps {_line(expect['steps'].items())}; found {_line(found.steps)}"
    for name in COUNTS:
        if expect["counts"].get(name, 0) != found.counts.get(name):
            yield f"expected {expect['counts'].get(name, 0)} {name}, found {found.counts.get(name)}"
    for name in ("input", "output"):
        if expect["tokens"][name] != found.tokens.get(name):
            yield f"expected {expect['tokens'][name]} {name} tokens, found {found.tokens.get(name)}"


def _details(expect: Mapping[str, Any], found: Found) -> Iterator[str]:
    if "output" in expect and not _same(expect["output"], found.output):
        yield f"expected the output {expect['output']!r}, found {found.output!r} ({_ending(found)})"
    if "effects" in expect and dict(expect["effects"]) != dict(found.effects):
        yield f"expected the effects {_line(expect['effects'].items())}; found {_line(found.effects.items())}"
    for path, count in expect.get("items", {}).items():
        if found.items.get(path, ABSENT) != count:
            yield f"expected {path} to start {count}, found {found.items.get(path, ABSENT)}"
    if "children" in expect and dict(expect["children"]) != dict(found.children):
        yield f"expected the children {expect['children']}, found {dict(found.children)}"
    for path, wanted in expect.get("asked", {}).items():
        request = found.asked.get(path)
        if request is None:
            yield f"expected a request at {path}, found {sorted(found.asked)}"
            continue
        for name, value in wanted.items():
            yield from _asked(path, name, value, request.get(name))


def _asked(path: str, name: str, wanted: Any, said: Any) -> Iterator[str]:
    """Texts of a request hold what is wanted, everything else equals it."""
    if name in ("system", "user"):
        missing = [text for text in wanted if text not in (said or "")]
        if missing:
            yield f"expected {name} at {path} to say {missing}, found {said!r}"
    elif wanted != said:
        yield f"expected {name} {wanted!r} at {path}, found {said!r}"


def _same(one: Any, other: Any) -> bool:
    """As JSON: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _ending(found: Found) -> str:
    said = f": {found.error_message}" if found.error_message else ""
    return f"{found.status} {found.error_code or ''} at {found.error_path or 'no place'}{said}"


def _line(pairs: Any) -> str:
    return ", ".join(f"{path} {status}" for path, status in pairs) or "none"


def perturbed(case: Case) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Expectations that differ from the case's own in one place each, and what that place is."""
    expect = case.expect
    if "refused" in expect:
        yield "one problem more", {"refused": [*expect["refused"], {"path": "elsewhere", "says": "nothing"}]}
        yield "one problem less", {"refused": expect["refused"][:-1]}
        for index, one in enumerate(expect["refused"]):
            for part in one:
                yield f"problem {index} {part}", _changed(expect, ("refused", index, part), f"{one[part]} or else")
        return
    if "turned_away" in expect:
        yield "words", {"turned_away": [*expect["turned_away"], "words that are not there"]}
        return
    yield "status", {**expect, "status": "abandoned"}
    yield from _perturbed_steps(expect)
    for name in COUNTS:
        yield name, {**expect, "counts": {**expect["counts"], name: expect["counts"].get(name, 0) + 1}}
    for name in ("input", "output"):
        yield f"{name} tokens", _changed(expect, ("tokens", name), (expect["tokens"][name] or 0) + 1)
    for part in ("code", "at"):
        if part in expect.get("error", {}):
            yield f"error {part}", _changed(expect, ("error", part), "another")
    if "says" in expect.get("error", {}):
        yield "error says", _changed(expect, ("error", "says"), ["words that are not there"])
    if "output" in expect:
        yield "output", {**expect, "output": {"another": expect["output"]}}
    for part in ("effects", "items", "children"):
        for name in expect.get(part, {}):
            yield f"{part} {name}", _changed(expect, (part, name), "another")
    for path, wanted in expect.get("asked", {}).items():
        for name in wanted:
            yield f"asked {path} {name}", _changed(expect, ("asked", path, name), ["words that are not there"])


def _perturbed_steps(expect: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    steps = list(expect["steps"].items())
    yield "a step more", {**expect, "steps": dict([*steps, ("s:another", "ok")])}
    for index, (path, status) in enumerate(steps):
        yield f"without {path}", {**expect, "steps": dict(steps[:index] + steps[index + 1 :])}
        other = "failed" if status == "ok" else "ok"
        yield f"status of {path}", {**expect, "steps": {**expect["steps"], path: other}}
        if index and not expect.get("any_order"):
            swapped = [*steps[: index - 1], steps[index], steps[index - 1], *steps[index + 1 :]]
            yield f"{path} earlier", {**expect, "steps": dict(swapped)}


def _changed(expect: Mapping[str, Any], place: Sequence[Any], value: Any) -> Mapping[str, Any]:
    made = copy.deepcopy(dict(expect))
    inner: Any = made
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return made
