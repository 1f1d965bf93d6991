"""How the options of a transform are read: what stands for a list, and what is worked out for every item.

Per-item expressions see `item` and `index`, in place of a loop's own; whatever else they refer to is noted for the
check of the grammar. Compiles, and evaluates for lists of items; knows no operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import MAX_LIST, ExpressionError, Meter, too_many
from trackrecord.workflow.conditions import bare, compile_condition
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.fields import describe, join, near
from trackrecord.workflow.paths import ROOTS, Reference
from trackrecord.workflow.references import Template, compile_template
from trackrecord.workflow.rows import Items
from trackrecord.workflow.values import Evaluate, Scope, kind

_PATH: Final = re.compile(r"([^\W\d]\w*)(?:\.[^\W\d]\w*|\[-?\d+\])*")
_NO_KEYS: Final = frozenset((*ROOTS, "true", "false", "null"))
_PER_ITEM: Final = ("item", "index")


@dataclass(frozen=True, slots=True)
class Each:
    """Something worked out for every item; `is_per_item` says whether it looks at the item at all."""

    run: Evaluate
    node_count: int
    is_per_item: bool = True

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
class Reader:
    """Compiles the options of one transform, noting what they refer to outside of the items.

    Attributes:
        reading: the option looked at last; when compiling fails, the one that is wrong.
    """

    options: Mapping[str, Json]
    references: dict[Reference, None] = field(default_factory=dict[Reference, None])
    reading: str = ""

    def given(self, name: str, default: Json = None) -> Json:
        """An option as it is written."""
        self.reading = name
        return self.options.get(name, default)

    def template(self, name: str) -> Evaluate:
        """A template of the step's own scope."""
        return self._noted(compile_template(self.given(name))).run

    def data(self, name: str) -> Evaluate:
        """What an option stands for: data of any kind, or a template that gives it."""
        given = self.given(name)
        if isinstance(given, str) and "{{" not in given:
            raise ExpressionError(f"{name!r} is {describe(given)}, not data", "Write '{{ steps.<id>.data }}'.")
        if not isinstance(given, str | list | dict):
            raise ExpressionError(f"{name!r} cannot be {describe(given)}", "Write '{{ steps.<id>.data }}'.")
        return self.template(name)

    def items(self, name: str = "input") -> Callable[[Scope, Meter], Items]:
        """The list an option stands for."""
        data = self.data(name)
        return lambda scope, meter: as_items(data(scope, meter), name)

    def value(self, name: str) -> Each:
        """A template for every item; a text without braces is an expression, since it would be the same for all."""
        given = self.given(name)
        if isinstance(given, str) and "{{" not in given:
            return self._expression(given)
        template = self._noted(compile_template(given), _PER_ITEM)
        return Each(template.run, template.node_count)

    def condition(self, name: str) -> Each:
        """A condition for every item."""
        condition = compile_condition(self.given(name))
        self._note(condition.references, _PER_ITEM)
        return Each(condition.run, condition.node_count)

    def by(self, value: Json, place: str) -> Each:
        """An expression for every item, or a plain path inside of it."""
        if not isinstance(value, str):
            raise ExpressionError(f"{place!r} must be an expression, not {describe(value)}", f"Write {place}: price.")
        try:
            return self._expression(value)
        except ExpressionError as error:
            raise error.at(place) from None

    def key(self, value: Json, place: str) -> Each:
        """An expression that tells the items apart."""
        each = self.by(value, place)
        if not each.is_per_item:
            raise ExpressionError(f"{place!r} is the same for every item", "Use `item` in it, like item.name.")
        return each

    def keys(self, name: str) -> list[Each]:
        """The keys of an option that takes one or a list; the item itself when there is none."""
        given = self.given(name)
        if given is None:
            return [self._expression("item")]
        if isinstance(given, list) and given:
            return [self.key(one, join(name, index)) for index, one in enumerate(given)]
        return [self.key(given, name)]

    def word(self, name: str, words: Sequence[str]) -> str:
        """One of a few words, the first by default."""
        given = self.given(name, words[0])
        if given not in words:
            raise ExpressionError(f"{name!r} cannot be {describe(given)}", near(str(given), words))
        return str(given)

    def _expression(self, source: str) -> Each:
        path = _PATH.fullmatch(source.strip())
        if path is not None and path[1] not in _NO_KEYS:
            source = f"item.{source.strip()}"
        expression = compile_expression(bare(source))
        self._note(expression.references, _PER_ITEM)
        is_per_item = any(one.root in _PER_ITEM for one in expression.references)
        return Each(expression.run, expression.node_count, is_per_item)

    def _noted(self, template: Template, hidden: Sequence[str] = ()) -> Template:
        self._note(template.references, hidden)
        return template

    def _note(self, references: Sequence[Reference], hidden: Sequence[str]) -> None:
        self.references.update(dict.fromkeys(one for one in references if one.root not in hidden))


def as_items(value: Json, name: str) -> Items:
    """The value, a list of at most MAX_LIST entries.

    Raises:
        ExpressionError: it is anything else.
    """
    if not isinstance(value, list):
        raise ExpressionError(f"{name!r} must be a list, but gives {kind(value)}", _list_cure(value))
    if len(value) > MAX_LIST:
        too_many(f"{name!r}")
    return value


def _list_cure(value: Json) -> str:
    inside = [key for key, item in value.items() if isinstance(item, list)] if isinstance(value, dict) else []
    if len(inside) == 1:
        return f"Perhaps its {inside[0]!r} was meant."
    return "Point it at a list, like {{ steps.fetch.data.items }}."
