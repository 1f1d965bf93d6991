"""Where a part of a step is being read: its place, its scope, and the one way to compile what stands there.

Every template, condition and transform of a definition is compiled here, so that none escapes the check of what it
refers to. Collects problems; never raises on content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from trackrecord.canonical import Json
from trackrecord.workflow.conditions import Condition, compile_condition
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.fields import Problems, join, near
from trackrecord.workflow.references import Reference, Template, compile_template
from trackrecord.workflow.scope import Scope
from trackrecord.workflow.steps import StepList
from trackrecord.workflow.transforms import OPTIONS, Transform, compile_transform
from trackrecord.workflow.vocabulary import COMMON

Compiled = TypeVar("Compiled", Template, Condition, Transform)
ReadSteps = Callable[[Json, str, Scope, frozenset[str]], StepList]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One step while it is being read.

    Attributes:
        path: where the step is.
        what: what it is, as in "an action step".
        scope: what its expressions may refer to.
        problems: takes what is wrong.
        plugins: names of the plugins the agent requires; None when that is not known here.
        old_ids: ids as written that had to be normalised, to what they became.
        read_steps: reads a list of inner steps.
    """

    path: str
    what: str
    scope: Scope
    problems: Problems
    plugins: Collection[str] | None
    read_steps: ReadSteps
    old_ids: Mapping[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, message: str, cure: str = "") -> None:
        """Keep a problem of one field; an empty name means the step itself."""
        self.problems.add(join(self.path, name) if name else self.path, message, cure)

    def is_wrong(self, *names: str) -> bool:
        """Whether a field has a problem already, so that what follows from it need not be told as well."""
        places = [join(self.path, name) for name in names]
        return any(problem.path in places for problem in self.problems.found)

    def within(self, scope: Scope) -> Site:
        """The same place with another scope."""
        return replace(self, scope=scope)

    def template(self, value: Json, name: str) -> Template | None:
        """The compiled template of a field; None when there is none or it is wrong."""
        return None if value is None else self._compile(compile_template, value, name)

    def condition(self, value: Json, name: str) -> Condition | None:
        """The compiled condition of a field; None when there is none or it is wrong."""
        return None if value is None else self._compile(compile_condition, value, name)

    def transform(self, operation: str, options: Mapping[str, Json]) -> Transform | None:
        """The compiled transform of the step; None when it is wrong."""
        if self._has_strangers(operation, options):
            return None
        try:
            compiled = compile_transform(operation, options)
        except ExpressionError as error:
            at = join(self.path, error.option) if error.option else self.path
            self._explain(error, options.get(error.option), at)
            return None
        for reference, complaint in self._complaints(compiled.references):
            at = _holding(reference, dict(options), self.path)
            self.problems.add(at, *complaint)
        return compiled

    def _has_strangers(self, operation: str, options: Mapping[str, Json]) -> bool:
        """Whether there are fields that the operation does not have; each is added at its own place."""
        if operation not in OPTIONS:
            return False
        own = [name for part in OPTIONS[operation] for name in part]
        strange = [name for name in options if name not in own]
        for name in strange:
            self.add(name, f"{operation} has no field {name!r}", near(name, (*own, *COMMON)))
        return bool(strange)

    def steps(self, value: Json, name: str, roots: Collection[str] = ()) -> StepList:
        """The inner steps of a field; `roots` are names that exist only in there."""
        return self.read_steps(value, join(self.path, name), self.scope, frozenset(roots))

    def plugin(self, plugin: str, name: str) -> None:
        """Add a problem when the agent does not require the plugin."""
        if self.plugins is None or plugin in self.plugins:
            return
        cure = near(plugin, self.plugins) if self.plugins else f"Add: plugins_required: [{plugin}]."
        self.add(name, f"the plugin {plugin!r} is not in plugins_required", cure)

    def _compile(self, compiler: Callable[[Json], Compiled], value: Json, name: str) -> Compiled | None:
        path = join(self.path, name)
        try:
            compiled = compiler(value)
        except ExpressionError as error:
            self._explain(error, value, path)
            return None
        for reference, complaint in self._complaints(compiled.references):
            self.problems.add(_holding(reference, value, path), *complaint)
        return compiled

    def _complaints(self, references: Collection[Reference]) -> Iterator[tuple[Reference, tuple[str, str]]]:
        for reference in dict.fromkeys(references):
            complaint = self.scope.complaint(reference)
            if complaint is not None:
                yield reference, complaint

    def _explain(self, error: ExpressionError, value: Json, path: str) -> None:
        """Adds each text that does not compile at its own place; the whole value when no single text is to blame."""
        blamed = [(at, text, wrong) for at, text in templates_in(value, path) if (wrong := _error_of(text)) is not None]
        if not isinstance(value, dict | list) or not blamed:
            blamed = [(path, value if isinstance(value, str) else "", error)]
        for at, text, wrong in blamed:
            old = next((old for old in self.old_ids if old in text), None)
            cure = wrong.cure if old is None else f"The step {old!r} is read as steps.{self.old_ids[old]}."
            self.problems.add(at, wrong.message, cure)


def templates_in(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """Every text inside a value that holds a `{{`, with its place."""
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from templates_in(item, join(path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from templates_in(item, join(path, index))


def _error_of(text: str) -> ExpressionError | None:
    try:
        compile_template(text)
    except ExpressionError as error:
        return error
    return None


def _holding(reference: Reference, value: Json, path: str) -> str:
    """The place of the text that holds a reference; the whole value's when no single text is found."""
    if not isinstance(value, dict | list):
        return path
    for at, text in templates_in(value, path):
        try:
            if reference in compile_template(text).references:
                return at
        except ExpressionError:
            continue
    return path
