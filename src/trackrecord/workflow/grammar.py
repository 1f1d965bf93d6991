"""The grammar of steps: a definition's `workflow_steps` in, a checked workflow or every problem out.

Reads today's vocabulary; the older one has been resolved before (`aliases`). Never raises on content, never runs
anything. What is particular to a step type is in `bodies`, what an expression may refer to in `scope`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from trackrecord.canonical import Json
from trackrecord.errors import Problem
from trackrecord.workflow import plan as graph
from trackrecord.workflow import schemas
from trackrecord.workflow.aliases import OLD_TYPES, Resolved, resolve
from trackrecord.workflow.bodies import body
from trackrecord.workflow.declared import declared, model_step
from trackrecord.workflow.fields import Problems, bad_word, describe, join, near, nearest, read, texts
from trackrecord.workflow.longest import MAX_PATH_BYTES, longest
from trackrecord.workflow.outline import Entry, outline
from trackrecord.workflow.scope import Scope, World
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import OnError, RetryPolicy, Step, StepList, StepType, Workflow
from trackrecord.workflow.vocabulary import (
    EFFECT_CAUSES,
    FALLBACK,
    RETRY,
    STEP_CAUSES,
    STEP_TYPES,
    TABLES,
    options,
    table,
)

EFFECT_CAUSE: Final = re.compile("timeout|connection|408|429|5xx|5[0-9][0-9]")
_AN: Final = ("action", "agent", "approval", "llm")  # an action step, an llm step


def parse_workflow(
    value: object,
    *,
    path: str = "workflow_steps",
    inputs: Collection[str] | None = None,
    plugins: Collection[str] | None = None,
) -> tuple[Workflow | None, tuple[Problem, ...]]:
    """A workflow ready to run, or everything that is wrong with it.

    Args:
        value: the list of steps as written, plain JSON; the older vocabulary is read as well.
        path: where the list is in the definition.
        inputs: names of the agent's inputs; None when any may be given.
        plugins: names of the plugins the agent requires; None leaves that unchecked.
    """
    return parse_resolved(resolve(cast("Json", value), path=path), path=path, inputs=inputs, plugins=plugins)


def parse_resolved(
    resolved: Resolved,
    *,
    path: str = "workflow_steps",
    inputs: Collection[str] | None = None,
    plugins: Collection[str] | None = None,
) -> tuple[Workflow | None, tuple[Problem, ...]]:
    """The same of steps whose aliases are resolved already."""
    problems = Problems()
    steps = _whole(resolved.steps, path, problems, inputs, plugins, resolved.old_ids)
    found = [replace(problem, path=resolved.as_written(problem.path)) for problem in problems.found]
    everything = (*resolved.problems.found, *found)
    if steps is None or everything:
        return None, everything
    return Workflow(steps=steps, declared=declared(steps), model_step=model_step(steps, path)), ()


def _whole(
    steps: Json,
    path: str,
    problems: Problems,
    inputs: Collection[str] | None,
    plugins: Collection[str] | None,
    old_ids: Mapping[str, str],
) -> StepList | None:
    if not isinstance(steps, list):
        problems.add(path, f"must be a list of steps, not {describe(steps)}", "Start each step with `- id: …`.")
        return None
    if not steps:
        problems.add(path, "has no steps", "Add a step, or leave it out for a tool-calling agent.")
        return None
    entries = outline(steps, path, problems)
    if entries is None:
        return None
    reader = _Reader(problems, plugins, old_ids, entries)
    read_steps = reader.steps(steps, path, Scope(World(entries, inputs)), frozenset())
    length, step_id = longest(read_steps)
    if not problems.found and length > MAX_PATH_BYTES:
        message = f"the path of step {step_id!r} in a record could be {length:,} bytes long; {MAX_PATH_BYTES:,} is most"
        problems.add(entries[step_id].path, message, "Shorten the ids around it, or nest less deeply.")
    return read_steps


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the lists of one workflow."""

    problems: Problems
    plugins: Collection[str] | None
    old_ids: Mapping[str, str]
    entries: Mapping[str, Entry]

    def steps(self, value: Json, path: str, around: Scope, roots: frozenset[str]) -> StepList:
        """The steps of one list, in the scope around it; steps with problems are left out."""
        if not isinstance(value, list):
            return StepList()
        known = [(index, step) for index, step in enumerate(value) if isinstance(step, dict)]
        for index, step in enumerate(value):
            if not isinstance(step, dict):
                self.problems.add(join(path, index), f"a step must be a mapping, not {describe(step)}")
        paths = [join(path, index) for index, _ in known]
        siblings = [step for _, step in known]
        ids = [str(step.get("id")) for step in siblings]
        plan = graph.plan(ids, [_texts(step.get("depends_on")) for step in siblings])
        self._check_edges(siblings, ids, paths)
        self._check_cycles(plan, ids, paths)
        inside = Scope(
            around.world,
            ids={step_id: index for index, step_id in reversed(list(enumerate(ids)))},
            outputs=_outputs(siblings),
            around=around,
            roots=roots,
        )
        ended = graph.before(plan)
        read_steps = [
            self.step(step, at, replace(inside, owner=step_id, ended=mask))
            for step, at, step_id, mask in zip(siblings, paths, ids, ended, strict=True)
        ]
        complete = tuple(step for step in read_steps if step is not None)
        if len(complete) < len(value):
            return StepList(steps=complete)
        return StepList(steps=complete, dependencies=plan.dependencies, dependants=plan.dependants, roots=plan.roots)

    def step(self, step: dict[str, Json], path: str, scope: Scope) -> Step | None:
        """One step; None when it has problems."""
        before = len(self.problems.found)
        kind = self._type(step, path)
        self._check_id(step.get("id"), path)
        what = "a step" if kind is None else f"{'an' if kind in _AN else 'a'} {kind} step"
        site = Site(
            path=path,
            what=what,
            scope=scope,
            problems=self.problems,
            plugins=self.plugins,
            read_steps=self.steps,
            old_ids=self.old_ids,
        )
        extra = options(step) if kind == "transform" else {}
        fields = table(step)
        given = {name: item for name, item in step.items() if name not in extra and (kind or name in fields)}
        if kind is None:
            given["type"] = "?"  # named already, as is a missing id
        if given.get("id") is None:
            given["id"] = "?"
        values = read(given, fields, path=path, what=what, problems=self.problems, elsewhere=_elsewhere(given, fields))
        condition = site.condition(values["if"], "if")
        retry = self._retry(values["retry"], kind, path)
        on_error, fallback = self._on_error(values["on_error"], path, scope)
        if values["output_schema"] is not None:
            schemas.check(values["output_schema"], join(path, "output_schema"), self.problems)
        content = None if kind is None else body(kind, values, extra, site)
        if content is None or kind is None or len(self.problems.found) > before:
            return None
        return Step(
            id=str(values["id"]),
            name=str(values["name"] or values["id"]),
            type=kind,
            body=content,
            description=str(values["description"]),
            depends_on=texts(values["depends_on"]),
            condition=condition,
            retry=retry,
            timeout_ms=cast("int | None", values["timeout_ms"]),
            on_error=on_error,
            fallback=fallback,
            output=cast("str | None", values["output"]),
            output_schema=cast("dict[str, Json] | None", values["output_schema"]),
        )

    def _type(self, step: Mapping[str, Json], path: str) -> StepType | None:
        kind = step.get("type")
        if kind is None:
            self.problems.add(path, "'type' is missing; every step needs it", _type_cure(step))
        elif not isinstance(kind, str):
            self.problems.add(join(path, "type"), f"must be text, not {describe(kind)}")
        elif kind not in STEP_TYPES:
            meant = nearest(kind, (*STEP_TYPES, *OLD_TYPES))
            cure = f"Did you mean {meant!r}?" if meant else f"Known: {', '.join(STEP_TYPES)}."
            self.problems.add(join(path, "type"), f"there is no step type {kind!r}", cure)
        else:
            return kind
        return None

    def _check_id(self, step_id: Json, path: str) -> None:
        if step_id is None:
            self.problems.add(
                path, "'id' is missing; every step needs it", "Add `id:` with a short name, like `fetch`."
            )
        elif not isinstance(step_id, str):
            self.problems.add(join(path, "id"), f"must be text, not {describe(step_id)}")
        elif (wrong := bad_word(step_id)) is not None:
            self.problems.add(join(path, "id"), *wrong)

    def _check_edges(self, steps: Sequence[Mapping[str, Json]], ids: Sequence[str], paths: Sequence[str]) -> None:
        known = set(ids)
        for step, step_id, path in zip(steps, ids, paths, strict=True):
            named = step.get("depends_on")
            for index, needed in enumerate(named if isinstance(named, list) else ()):
                if isinstance(needed, str) and (needed not in known or needed == step_id):
                    at = join(join(path, "depends_on"), index)
                    self.problems.add(at, *self._bad_edge(needed, step_id, ids))

    def _bad_edge(self, needed: str, step_id: str, ids: Sequence[str]) -> tuple[str, str]:
        if needed == step_id:
            return f"the step {needed!r} depends on itself", "Remove it from depends_on."
        entry = self.entries.get(needed)
        if entry is None:
            return f"there is no step {needed!r}", near(needed, [known for known in ids if known != step_id])
        return (
            f"{needed!r} is not in the same list of steps, but at {entry.path}",
            "A step depends on its neighbours only; depend on the step that contains it.",
        )

    def _check_cycles(self, plan: graph.Plan, ids: Sequence[str], paths: Sequence[str]) -> None:
        for cycle in graph.cycles(plan):
            if len(cycle) == 1:
                continue  # a step that depends on itself has been named already
            shown = [ids[index] for index in (*cycle, cycle[0])]
            if len(shown) > 8:
                shown = [*shown[:4], "…", *shown[-3:]]
            message = f"steps wait for each other in a circle: {' → '.join(shown)}"
            self.problems.add(join(paths[cycle[0]], "depends_on"), message, "Remove one of these dependencies.")
        for index, blocker in graph.unreachable(plan):
            message = f"the step {ids[index]!r} can never start: it waits for {ids[blocker]!r}, which never ends"
            self.problems.add(join(paths[index], "depends_on"), message, "Mend the circle it waits for.")

    def _retry(self, value: Json, kind: StepType | None, path: str) -> RetryPolicy | None:
        if not isinstance(value, dict):
            return None
        at = join(path, "retry")
        values = read(value, RETRY, path=at, what="retry", problems=self.problems)
        causes = values["on"] if isinstance(values["on"], list) else []
        is_effect = kind in ("action", "llm")
        words: list[str] = []
        for index, cause in enumerate(causes):
            word = str(cause)
            if kind is not None and not (EFFECT_CAUSE.fullmatch(word) if is_effect else word in STEP_CAUSES):
                cure = near(word, EFFECT_CAUSES if is_effect else STEP_CAUSES)
                self.problems.add(join(join(at, "on"), index), f"{word!r} is no cause that can be retried", cure)
            words.extend([str(status) for status in range(500, 600)] if word == "5xx" else [word])
        return RetryPolicy(
            max_attempts=cast("int", values["max_attempts"]),
            initial_ms=cast("int", values["initial_ms"]),
            multiplier=float(cast("float", values["multiplier"])),
            max_ms=cast("int", values["max_ms"]),
            jitter=bool(values["jitter"]),
            on=tuple(words),
        )

    def _on_error(self, value: Json, path: str, scope: Scope) -> tuple[OnError, Step | None]:
        at = join(path, "on_error")
        if value in ("fail", "continue"):
            return cast("OnError", value), None
        if not isinstance(value, dict):
            shown = describe(value)
            cure = "Write fail, continue, or fallback: with a step under it."
            self.problems.add(at, f"{shown} is not possible here", cure)
            return "fail", None
        values = read(value, FALLBACK, path=at, what="on_error", problems=self.problems)
        fallback = values["fallback"]
        if not isinstance(fallback, dict):
            return "fail", None
        at = join(at, "fallback")
        for name in ("depends_on", "output"):
            if fallback.get(name):
                message = f"a fallback has no {name} of its own"
                self.problems.add(join(at, name), message, "Its data takes the place of the failed step's.")
        return "fallback", self.step(fallback, at, scope)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _outputs(steps: Sequence[Mapping[str, Json]]) -> dict[str, list[int]]:
    bound: dict[str, list[int]] = {}
    for index, step in enumerate(steps):
        name = step.get("output")
        if isinstance(name, str):
            bound.setdefault(name, []).append(index)
    return bound


def _elsewhere(step: Mapping[str, Json], fields: Collection[str]) -> dict[str, str]:
    """Where a field that is not this type's belongs."""
    hints: dict[str, str] = {}
    for name in step:
        owners = [] if name in fields else [kind for kind in STEP_TYPES if name in TABLES[kind]]
        if owners:
            hints[name] = f"It belongs to {' and '.join(owners)} steps."
    if "condition" in hints:
        hints["condition"] = "Write `if` to run a step on a condition."
    return hints


def _type_cure(step: Mapping[str, Json]) -> str:
    """A guess at the type from the fields that only one type has."""
    for kind in STEP_TYPES:
        own = [name for name in TABLES[kind] if sum(name in TABLES[other] for other in STEP_TYPES) == 1]
        if any(name in step for name in own):
            return f"Write `type: {kind}`."
    return f"Known: {', '.join(STEP_TYPES)}."
