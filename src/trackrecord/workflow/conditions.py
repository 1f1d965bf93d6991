"""Conditions: an expression, `{all|any|not: …}`, or `{field, operator, value}`; compiled once, asked many times.

A condition gives true or false and nothing that merely counts as true. `field` is an expression, braces optional;
`value` is a template, so a plain text in it is only text. A missing path is an error everywhere but under exists and
not_exists, for which null is as good as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from trackrecord.canonical import MAX_DEPTH, Json, dumps
from trackrecord.workflow import questions
from trackrecord.workflow.bounds import MAX_VALUES, ExpressionError, Meter, MissingPath
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.fields import describe, join, near
from trackrecord.workflow.paths import Reference
from trackrecord.workflow.references import compile_template
from trackrecord.workflow.syntax import closing
from trackrecord.workflow.values import Evaluate, Scope, boolean

Holds = Callable[[Scope, Meter], bool]
Made = TypeVar("Made")
_GROUPS: Final = ("all", "any", "not")
_FIELDS: Final = ("field", "operator", "value")
_FORM: Final = "Write {field: …, operator: …, value: …}."
_QUOTED: Final = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\{\{""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A question with the answer true or false.

    Attributes:
        source: as it was written; canonical JSON when it was no text.
        references: everything it looks at, in order, each once.
        run: asks it, counting on a meter.
        budget: how many values asking may walk over.
        node_count: how many nodes of expressions it is made of.
    """

    source: str
    references: tuple[Reference, ...]
    run: Holds = field(compare=False, repr=False)
    budget: int
    node_count: int

    def holds(self, scope: Scope) -> bool:
        """Whether it holds in a scope.

        Raises:
            ExpressionError: a path is missing, a value is of the wrong kind (TypeMismatch when two have no order), or
                the answer is neither true nor false.
        """
        return self.run(scope, Meter(self.budget))


def compile_condition(value: Json) -> Condition:
    """The condition ready to be asked any number of times; the value itself is not kept.

    Raises:
        ExpressionError: it, or an expression in it, cannot be compiled.
    """
    compiler = _Compiler()
    run = compiler.compile(value, MAX_DEPTH)
    return Condition(
        source=value if isinstance(value, str) else dumps(value),
        references=tuple(compiler.references),
        run=run,
        budget=MAX_VALUES * max(1, compiler.expression_count),
        node_count=compiler.node_count,
    )


def bare(source: str) -> str:
    """The one expression of a text that may be `{{ a > b }}`, `a > b`, or `{{ a }} > {{ b }}`.

    Nothing is filled in as text: `{{ a }}` inside a longer expression is `(a)`, whatever its value holds.

    Raises:
        ExpressionError: an expression is never closed, or stands in quotes.
    """
    parts: list[str] = []
    position = 0
    while (found := _opening(source, position)) is not None:
        end = closing(source, found + 2)
        parts += [source[position:found], source[found + 2 : end]]
        position = end + 2
    parts.append(source[position:])
    if len(parts) == 3 and not parts[0].strip() and not parts[2].strip():
        return parts[1]
    return "".join(f"({part})" if index % 2 else part for index, part in enumerate(parts))


def _opening(source: str, position: int) -> int | None:
    """Where the next `{{` stands; one in quotes is refused, since it looks like a reference and would be only text."""
    for found in _QUOTED.finditer(source, position):
        if found[0] == "{{":
            return found.start()
        if "{{" in found[0]:
            raise ExpressionError(f"in {describe(found[0])} no reference is read", "Remove the quotes inside it.")
    return None


@dataclass(slots=True)
class _Compiler:
    """Turns a condition into nested functions, noting what it refers to. One per condition."""

    references: dict[Reference, None] = field(default_factory=dict[Reference, None])
    expression_count: int = 0
    node_count: int = 0

    def compile(self, value: Json, depth: int) -> Holds:
        if depth == 0:
            raise ExpressionError(f"the condition is nested more than {MAX_DEPTH} deep", "Flatten it.")
        match value:
            case bool():
                return lambda scope, meter: value
            case str():
                return self._expression(value)
            case dict():
                return self._mapping(value, depth)
            case list():
                raise ExpressionError("a condition cannot be a list", "Write all: […] or any: […].")
            case _:
                raise ExpressionError(f"{describe(value)} is no condition", "Write one like `inputs.count > 0`.")

    def _expression(self, source: str) -> Holds:
        run = self._compiled(source)
        what = f"the condition {source.strip() if len(source) <= 80 else source[:80] + '…'!r}"
        return lambda scope, meter: boolean(run(scope, meter), what)

    def _compiled(self, source: str) -> Evaluate:
        expression = compile_expression(bare(source))
        self._note(expression.references, expression.node_count)
        return expression.run

    def _note(self, references: Iterable[Reference], node_count: int) -> None:
        self.references.update(dict.fromkeys(references))
        self.expression_count += 1
        self.node_count += node_count

    def _mapping(self, value: Mapping[str, Json], depth: int) -> Holds:
        name = next((name for name in _GROUPS if name in value), None)
        if name is None:
            return self._question(value)
        if len(value) > 1:
            other = next(one for one in value if one != name)
            raise ExpressionError(f"{name!r} cannot stand beside {other!r}", "Put one inside the other.")
        inner = value[name]
        if name == "not":
            affirmed = _placed("not", lambda: self.compile(inner, depth - 1))
            return lambda scope, meter: not affirmed(scope, meter)
        parts = self._several(name, inner, depth)
        if name == "all":
            return lambda scope, meter: all(part(scope, meter) for part in parts)
        return lambda scope, meter: any(part(scope, meter) for part in parts)

    def _several(self, name: str, value: Json, depth: int) -> list[Holds]:
        if not isinstance(value, list) or not value:
            said = "is empty" if value == [] else f"must be a list of conditions, not {describe(value)}"
            raise ExpressionError(f"{name!r} {said}", f"Write {name}: [condition, …].")
        parts: list[Holds] = []
        for index, one in enumerate(value):
            parts.append(_placed(join(name, index), lambda one=one: self.compile(one, depth - 1)))
        return parts

    def _question(self, value: Mapping[str, Json]) -> Holds:
        for name in value:
            if name not in _FIELDS:
                raise ExpressionError(f"a condition has no field {name!r}", near(name, (*_FIELDS, *_GROUPS)))
        source, operator = _text(value, "field"), _text(value, "operator")
        looked_at = _placed("field", lambda: self._compiled(source))
        if operator in questions.ALONE:
            if "value" in value:
                raise ExpressionError(f"{operator} takes no value", "Remove `value`.")
            return _alone(operator, looked_at)
        if operator not in questions.BINARY:
            raise ExpressionError(f"there is no operator {operator!r}", near(operator, questions.NAMES))
        if "value" not in value:
            raise ExpressionError(f"{operator} needs a value", "Add `value: …`.")
        return self._compared(operator, looked_at, value["value"])

    def _compared(self, operator: str, looked_at: Evaluate, value: Json) -> Holds:
        ask = questions.BINARY[operator]
        template = _placed("value", lambda: compile_template(value))
        self._note(template.references, template.node_count)
        compared_with = template.run
        if template.is_constant:
            constant = template.run({}, Meter())
            questions.check_value(operator, constant)
            return lambda scope, meter: ask(looked_at(scope, meter), constant, meter, scope)
        return lambda scope, meter: ask(looked_at(scope, meter), compared_with(scope, meter), meter, scope)


def _alone(operator: str, looked_at: Evaluate) -> Holds:
    ask = questions.ALONE[operator]
    if operator not in questions.FORGIVING:
        return lambda scope, meter: ask(looked_at(scope, meter))

    def forgiving(scope: Scope, meter: Meter) -> bool:
        try:
            return ask(looked_at(scope, meter))
        except MissingPath:
            return ask(None)

    return forgiving


def _text(value: Mapping[str, Json], name: str) -> str:
    given = value.get(name)
    if isinstance(given, str):
        return given
    said = "is missing in a condition" if given is None else f"must be text, not {describe(given)}"
    raise ExpressionError(f"{name!r} {said}", _FORM)


def _placed(place: str, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except ExpressionError as error:
        raise error.at(place) from None
