"""Transforms: plain data into plain data, by an operation and its options; compiled once, applied many times.

`input` is a list, or a template that gives one. What is written per item sees `item` and `index` (from 0), in place of a
loop's own. `by`, and wherever else a value of each item is asked for, is an expression with or without braces; a plain
path like `price` or `user.age` is short for `item.price`, `item.user.age`.

| operation | options | gives |
|---|---|---|
| set | value: any template | the value |
| select | input, also one object; fields: [name, …] or {name: by} | objects with these fields |
| map | input; value: per item | a list of the values |
| filter | input; condition: per item | the items for which it holds |
| sort | input; by, or several (default: the item); order: asc, desc | the items, stable, null last |
| group | input; by, or several | [{key, items, count}] in order of first appearance |
| aggregate | input; values: {name: count} or {name: {sum: by}}; by, or several | an object, or one a group with its key |
| deduplicate | input; by, or several (default: the item) | the first item of each |
| flatten | input; depth (default 1) | one list of what is in the lists |
| join | left; right; on: name, names or {left: by, right: by}; how: inner, left, outer | merged objects |

Never changes its input; entries are handed on, not copied. Place in the walk: compiled before step 1, applied in step 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from trackrecord.canonical import Json, dumps
from trackrecord.workflow import rows
from trackrecord.workflow.bounds import MAX_DEPTH, MAX_LIST, ExpressionError, Meter, too_many
from trackrecord.workflow.conditions import bare, compile_condition
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.fields import describe, join, near
from trackrecord.workflow.joining import How, Side, joined
from trackrecord.workflow.paths import ROOTS, Reference
from trackrecord.workflow.references import Template, compile_template
from trackrecord.workflow.rows import Items
from trackrecord.workflow.values import Evaluate, Scope, kind

MAX_WORK: Final = 20_000_000
_PATH: Final = re.compile(r"([^\W\d]\w*)(?:\.[^\W\d]\w*|\[-?\d+\])*")
_PER_ITEM: Final = ("item", "index")
_HOWS: Final = ("inner", "left", "outer")
_ORDERS: Final = ("asc", "desc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """An operation with its options.

    Attributes:
        operation: what it does.
        source: its options as canonical JSON.
        references: everything its expressions look at in the step's own scope, in order, each once.
        run: applies it, counting on a meter.
    """

    operation: str
    source: str
    references: tuple[Reference, ...]
    run: Evaluate = field(compare=False, repr=False)

    def apply(self, scope: Scope) -> object:
        """The transformed data.

        Raises:
            ExpressionError: the data is of the wrong kind, an expression fails, or it is too much work.
        """
        try:
            return self.run(scope, Meter(MAX_WORK))
        except ExpressionError as error:
            raise error.at(self.operation) from None
        except RecursionError:
            raise ExpressionError(f"{self.operation}: the data is nested too deeply") from None


def compile_transform(operation: str, options: Mapping[str, Json]) -> Transform:
    """The transform ready to be applied any number of times; the options themselves are not kept.

    Raises:
        ExpressionError: there is no such operation, an option is missing, unknown or wrong.
    """
    known = _OPERATIONS.get(operation)
    if known is None:
        raise ExpressionError(f"there is no operation {operation!r}", near(operation, _OPERATIONS))
    for name in options:
        if name not in known.options:
            raise ExpressionError(f"{operation} has no field {name!r}", near(name, known.options))
    for name in known.required:
        if options.get(name) is None and not (operation == "set" and name in options):
            raise ExpressionError(f"{name!r} is missing; {operation} needs it")
    reader = _Reader(operation, options)
    run = known.compile(reader)
    return Transform(operation=operation, source=dumps(dict(options)), references=tuple(reader.references), run=run)


@dataclass(frozen=True, slots=True)
class _Each:
    """Something worked out for every item."""

    run: Evaluate
    node_count: int

    def values(self, items: Sequence[Json], scope: Scope, meter: Meter, made: Meter | None = None) -> Items:
        """Its value for each item, in order; `made` counts what they hold."""
        meter.spend(len(items) * self.node_count)
        inside = dict(scope)
        values: Items = []
        for index, item in enumerate(items):
            inside["item"] = item
            inside["index"] = index
            try:
                value = self.run(inside, meter)
            except ExpressionError as error:
                raise error.at(f"item {index}") from None
            if made is not None:
                made.look(value)
            values.append(value)
        return values


@dataclass(slots=True)
class _Reader:
    """Compiles the options of one transform, noting what they refer to outside of the items."""

    operation: str
    options: Mapping[str, Json]
    references: dict[Reference, None] = field(default_factory=dict[Reference, None])

    def input(self, name: str = "input", *, may_be_object: bool = False) -> Callable[[Scope, Meter], Items]:
        """A function that gives the list an option stands for."""
        given = self.options[name]
        wanted = "a list or an object" if may_be_object else "a list"
        if not isinstance(given, str | list) and not (may_be_object and isinstance(given, dict)):
            raise ExpressionError(
                f"{name!r} must be {wanted} or a reference to one, not {describe(given)}", "Write '{{ steps.<id>.data }}'."
            )
        if isinstance(given, str) and "{{" not in given:
            raise ExpressionError(f"{name!r}: {given!r} is plain text, not a list", f"Write '{{{{ {given} }}}}'.")
        template = self._noted(compile_template(given))
        return lambda scope, meter: _items(template.run(scope, meter), name, wanted)

    def value(self, name: str) -> _Each:
        """A template for every item; a text without braces is an expression, since it would be the same for all."""
        given = self.options[name]
        if isinstance(given, str) and "{{" not in given:
            return self._expression(given)
        template = self._noted(compile_template(given), _PER_ITEM)
        return _Each(template.run, template.node_count)

    def condition(self, name: str) -> _Each:
        """A condition for every item."""
        condition = compile_condition(self.options[name])
        self._note(condition.references, _PER_ITEM)
        return _Each(condition.run, condition.node_count)

    def by(self, value: Json, place: str) -> _Each:
        """An expression for every item, or a plain path inside of it."""
        if not isinstance(value, str):
            raise ExpressionError(f"{place!r} must be an expression, not {describe(value)}", f"Write {place}: price.")
        try:
            return self._expression(value)
        except ExpressionError as error:
            raise error.at(place) from None

    def several(self, name: str) -> list[_Each]:
        """The expressions of an option that takes one or a list; the item itself when there is none."""
        given = self.options.get(name)
        if given is None:
            return [self._expression("item")]
        if isinstance(given, list) and given:
            return [self.by(one, join(name, index)) for index, one in enumerate(given)]
        return [self.by(given, name)]

    def word(self, name: str, words: Sequence[str]) -> str:
        """One of a few words, the first by default."""
        given = self.options.get(name, words[0])
        if given not in words:
            raise ExpressionError(f"{name!r} cannot be {describe(given)}", near(str(given), words))
        return str(given)

    def _expression(self, source: str) -> _Each:
        path = _PATH.fullmatch(source.strip())
        if path is not None and path[1] not in ROOTS and path[1] not in ("true", "false", "null"):
            source = f"item.{source.strip()}"
        expression = compile_expression(bare(source))
        self._note(expression.references, _PER_ITEM)
        return _Each(expression.run, expression.node_count)

    def _noted(self, template: Template, hidden: Sequence[str] = ()) -> Template:
        self._note(template.references, hidden)
        return template

    def _note(self, references: Sequence[Reference], hidden: Sequence[str]) -> None:
        self.references.update(dict.fromkeys(one for one in references if one.root not in hidden))
