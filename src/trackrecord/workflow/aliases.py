"""The older vocabulary, read as today's: step types, field names, ids. Resolved before checking and before hashing.

Whatever cannot be translated stays as it is, for the grammar to name. Remembers how each place was spelled, so that a
problem is reported where the author wrote it. Never drops anything that has a meaning; never raises on content.

`parallel: true` means, in this order: on a loop, up to 8 iterations at once; on a step that only groups `steps`, a
parallel step; on neighbours in a list that declares no dependencies, that they run side by side between the step before
and the step after them. Where the graph already decides, it says nothing new and is left out.
A `branch` with `cases` and no condition is a switch, any other a conditional.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.fields import WORD, Problems, join

OLD_TYPES: Final[Mapping[str, str]] = {
    "ai_processing": "llm",
    "llm_decision": "llm",
    "branch": "conditional",
    "iteration": "loop",
    "parallel_group": "parallel",
    "scatter_gather": "map",
    "human_approval": "approval",
    "validation": "validate",
    "comparison": "compare",
    "plugin_action": "action",
}
OLD_COMMON: Final = {"dependencies": "depends_on", "executeIf": "if", "retryPolicy": "retry"}
OLD_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "switch": {"evaluate": "value"},
    "conditional": {"then_steps": "then", "else_steps": "else", "thenSteps": "then", "elseSteps": "else"},
    "loop": {"iterateOver": "over", "loopSteps": "steps", "maxIterations": "max_iterations"},
    "map": {
        "iterateOver": "over",
        "loopSteps": "steps",
        "maxConcurrency": "max_concurrency",
        "scatter.input": "over",
        "scatter.steps": "steps",
        "scatter.maxConcurrency": "max_concurrency",
        "scatter.itemVariable": "as",
        "gather.operation": "collect",
    },
    "parallel": {"maxConcurrency": "max_concurrency"},
    "validate": {"input": "value", "onValidationFail": "on_failure"},
    "delay": {"duration_ms": "duration"},
    "approval": {"approvalType": "needs", "onTimeout": "on_timeout"},
    "sub_workflow": {"workflowSteps": "steps", "inputMapping": "inputs", "outputMapping": "outputs"},
}
OLD_RETRY: Final = {
    "maxAttempts": "max_attempts",
    "initialMs": "initial_ms",
    "backoffMs": "initial_ms",
    "backoffMultiplier": "multiplier",
    "maxMs": "max_ms",
}
OLD_COLLECT: Final = {"collect": "list"}
OLD_COMPARISONS: Final = {"deep_equals": "equals"}
PARALLEL_WIDTH: Final = 8
_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class Resolved:
    """A definition's steps in today's vocabulary.

    Attributes:
        steps: the steps; whatever was no list or mapping stays as it was.
        spelled: place in `steps` to the place as written, only where they differ.
        problems: fields that were given under both their names.
        old_ids: ids that had to be normalised, to what they became.
    """

    steps: Json
    spelled: Mapping[str, str]
    problems: Problems
    old_ids: Mapping[str, str]

    def as_written(self, path: str) -> str:
        """The place as the author spelled it."""
        return _as_written(path, self.spelled)


def resolve(value: Json, *, path: str = "workflow_steps") -> Resolved:
    """The steps in today's vocabulary; the argument is left alone."""
    resolver = _Resolver()
    steps = resolver.steps(value, path, _DEPTH)
    return Resolved(steps, resolver.spelled, resolver.problems, resolver.old_ids)


def normal_id(value: Json) -> Json:
    """An id as it is used: `-` becomes `_`, a leading digit gets `_` before it; what no rule mends stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    text = str(value)
    mended = text.replace("-", "_")
    if mended[:1].isdigit():
        mended = f"_{mended}"
    return mended if WORD.fullmatch(mended) else text


def _as_written(path: str, spelled: Mapping[str, str]) -> str:
    if not spelled:
        return path
    end = len(path)
    while end > 0:
        written = spelled.get(path[:end])
        if written is not None:
            return written + path[end:]
        end = max(path.rfind(".", 0, end), path.rfind("[", 0, end))
    return path


@dataclass(slots=True)
class _Resolver:
    spelled: dict[str, str] = field(default_factory=dict[str, str])
    problems: Problems = field(default_factory=Problems)
    old_ids: dict[str, str] = field(default_factory=dict[str, str])

    def steps(self, value: Json, path: str, depth: int) -> Json:
        if not isinstance(value, list) or depth <= 0:
            return value
        resolved = [self.step(item, join(path, index), depth - 1) for index, item in enumerate(value)]
        return _side_by_side(resolved)

    def step(self, value: Json, path: str, depth: int) -> Json:
        if not isinstance(value, dict):
            return value
        step = dict(value)
        self._type(step)
        self._rename(step, OLD_COMMON, path)
        kind = step.get("type")
        self._unfold(step, kind, path)
        self._rename(step, OLD_FIELDS.get(kind, {}) if isinstance(kind, str) else {}, path)
        operation = step.get("operation")
        if kind == "compare" and isinstance(operation, str):
            step["operation"] = OLD_COMPARISONS.get(operation, operation)
        if kind == "llm" and "params" in step and "input" not in step:
            self._move(step, "params", "input", path)
        self._group(step, path)
        self._ids(step)
        self._tolerance(step, path)
        self._retry(step, path)
        self._bodies(step, path, depth)
        return step

    def _type(self, step: dict[str, Json]) -> None:
        kind = step.get("type")
        if kind == "branch" and "cases" in step and "condition" not in step:
            step["type"] = "switch"
        elif isinstance(kind, str) and kind in OLD_TYPES:
            step["type"] = OLD_TYPES[kind]
        elif kind is None and step.get("parallel") is True and "steps" in step:
            step["type"] = "parallel"

    def _rename(self, mapping: dict[str, Json], names: Mapping[str, str], path: str) -> None:
        for old, new in names.items():
            if old in mapping:
                self._move(mapping, old, new, path)

    def _move(self, mapping: dict[str, Json], old: str, new: str, path: str) -> None:
        if new in mapping:
            self.problems.add(join(path, old), f"{old!r} is the older name of {new!r}, which is given too", "Keep one.")
            mapping.pop(old)
            return
        mapping[new] = mapping.pop(old)
        self.spelled[join(path, new)] = f"{_as_written(path, self.spelled)}.{old}"

    def _unfold(self, step: dict[str, Json], kind: Json, path: str) -> None:
        """Lifts `scatter: {input, steps}` and `gather: {operation}` of a map, `config` of a transform, one level up."""
        if kind == "map":
            for group in ("scatter", "gather"):
                inner = step.get(group)
                if isinstance(inner, dict):
                    step.pop(group)
                    step.update({f"{group}.{name}": item for name, item in inner.items()})
            operation = step.get("gather.operation")
            if isinstance(operation, str):
                step["gather.operation"] = OLD_COLLECT.get(operation, operation)
        config = step.get("config")
        if kind == "transform" and isinstance(config, dict) and not any(name in step for name in config):
            step.pop("config")
            for name, item in config.items():
                step[name] = item
                self.spelled[join(path, name)] = f"{_as_written(path, self.spelled)}.config.{name}"

    def _group(self, step: dict[str, Json], path: str) -> None:
        """A group's `steps` become one branch each; a loop's `parallel: true` its concurrency."""
        kind = step.get("type")
        if kind == "loop" and isinstance(step.get("parallel"), bool) and step.pop("parallel"):
            step.setdefault("concurrency", PARALLEL_WIDTH)
        if kind in ("map", "parallel") and isinstance(step.get("parallel"), bool):
            step.pop("parallel")
        if kind == "parallel" and "branches" not in step and isinstance(step.get("steps"), list):
            steps = step.pop("steps")
            step["branches"] = [[item] for item in steps] if isinstance(steps, list) else steps
            written = _as_written(path, self.spelled)
            self.spelled[f"{path}.branches"] = f"{written}.steps"
            for index in range(len(steps) if isinstance(steps, list) else 0):
                self.spelled[f"{path}.branches[{index}][0]"] = f"{written}.steps[{index}]"

    def _ids(self, step: dict[str, Json]) -> None:
        given = step.get("id")
        step_id = normal_id(given)
        if step_id != given:
            step["id"] = step_id
            self.old_ids[str(given)] = str(step_id)
            if step.get("name") is None:
                step["name"] = str(given)
        if step.get("name") == step.get("id"):
            step.pop("name", None)
        depends_on = step.get("depends_on")
        if isinstance(depends_on, list):
            step["depends_on"] = [normal_id(item) for item in depends_on]

    def _tolerance(self, step: dict[str, Json], path: str) -> None:
        tolerates = step.get("continueOnError")
        if not isinstance(tolerates, bool):
            return
        if "on_error" in step and step["on_error"] != ("continue" if tolerates else "fail"):
            message = "'continueOnError' is the older form of 'on_error', which is given too"
            self.problems.add(join(path, "continueOnError"), message, "Keep one.")
        elif tolerates and "on_error" not in step:
            step["on_error"] = "continue"
            self.spelled[join(path, "on_error")] = f"{_as_written(path, self.spelled)}.continueOnError"
        step.pop("continueOnError")

    def _retry(self, step: dict[str, Json], path: str) -> None:
        policy = step.get("retry")
        if not isinstance(policy, dict):
            return
        policy = dict(policy)
        at = join(path, "retry")
        repeats = policy.get("maxRetries")
        if isinstance(repeats, int) and not isinstance(repeats, bool):
            policy["maxRetries"] = repeats + 1  # it counted the tries after the first one
            self._move(policy, "maxRetries", "max_attempts", at)
        self._rename(policy, OLD_RETRY, at)
        step["retry"] = policy

    def _bodies(self, step: dict[str, Json], path: str, depth: int) -> None:
        for name in ("then", "else", "default", "steps"):
            if isinstance(step.get(name), list):
                step[name] = self.steps(step[name], join(path, name), depth - 1)
        branches, at = step.get("branches"), join(path, "branches")
        if isinstance(branches, dict):
            step["branches"] = {name: self.steps(item, join(at, name), depth - 2) for name, item in branches.items()}
        elif isinstance(branches, list):
            step["branches"] = [self.steps(item, join(at, index), depth - 2) for index, item in enumerate(branches)]
        cases, at = step.get("cases"), join(path, "cases")
        if isinstance(cases, dict):
            step["cases"] = {key: self.steps(item, join(at, key), depth - 2) for key, item in cases.items()}
        on_error = step.get("on_error")
        if isinstance(on_error, dict) and isinstance(on_error.get("fallback"), dict):
            at = join(join(path, "on_error"), "fallback")
            step["on_error"] = {**on_error, "fallback": self.step(on_error["fallback"], at, depth - 2)}


def _side_by_side(steps: list[Json]) -> list[Json]:
    """Writes `parallel: true` on neighbours as the dependencies it stands for, and takes the marks away."""
    marks = [isinstance(step, dict) and step.get("parallel") is True for step in steps]
    for step in steps:
        if isinstance(step, dict) and isinstance(step.get("parallel"), bool):
            step.pop("parallel")
    if not any(marks) or not all(isinstance(step, dict) for step in steps):
        return steps
    known = [step for step in steps if isinstance(step, dict)]
    if any(step.get("depends_on") for step in known):
        return steps
    before: list[Json] = []
    group: list[Json] = []
    for step, is_marked in zip(known, marks, strict=True):
        if not is_marked and group:
            before, group = group, []
        if before:
            step["depends_on"] = list(before)
        if is_marked:
            group.append(step.get("id"))
        else:
            before = [step.get("id")]
    return steps
