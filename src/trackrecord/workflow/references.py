"""Templates: values of a definition with `{{ expression }}` in them, compiled once and filled in for each run.

A text that is one expression, white space around it aside, gives the expression's value with its type. In a longer text
each expression becomes text. What was filled in is never read again, so data cannot smuggle an expression in.
A literal `{{` is written `{{ "{{" }}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import MAX_DEPTH, Json, dumps
from trackrecord.workflow.bounds import MAX_VALUES, ExpressionError, Meter, size
from trackrecord.workflow.expressions import Expression, compile_expression
from trackrecord.workflow.paths import Reference
from trackrecord.workflow.syntax import closing
from trackrecord.workflow.values import Evaluate, Scope, is_longer, text_of

MAX_RENDERED: Final = 4 * 2**20
_IDLE: Final = Meter(0)  # of templates that only look things up


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A value with expressions in it.

    Attributes:
        source: as it was written; canonical JSON when it was no text.
        references: everything its expressions look at, in order, each once.
        run: fills it in, counting on a meter.
        budget: how many values filling it in may walk over; 0 when it only looks things up.
        node_count: how many values and nodes of expressions it is made of.
        is_constant: whether there is no expression in it.
    """

    source: str
    references: tuple[Reference, ...]
    run: Evaluate = field(compare=False, repr=False)
    budget: int
    node_count: int
    is_constant: bool

    def render(self, scope: Scope) -> object:
        """The value with every expression filled in; plain JSON when the scope holds plain JSON.

        Lists and mappings of the template are made anew each time. What an expression names is handed on as it is, not
        copied: whoever changes it changes the scope.

        Raises:
            ExpressionError: a path is missing, a value is of the wrong kind, or the result is too large.
        """
        return self.run(scope, Meter(self.budget) if self.budget else _IDLE)


def compile_template(value: Json) -> Template:
    """The template ready to be filled in any number of times; the value itself is not kept.

    Raises:
        ExpressionError: an expression in it cannot be compiled.
    """
    compiler = _Compiler()
    run = compiler.compile(value, MAX_DEPTH)
    if compiler.expression_count > 1 and isinstance(value, dict | list):
        run = _measured(run)
    return Template(
        source=value if isinstance(value, str) else dumps(value),
        references=tuple(compiler.references),
        run=run,
        budget=MAX_VALUES * compiler.computed_count,
        node_count=compiler.node_count,
        is_constant=compiler.expression_count == 0,
    )


@dataclass(slots=True)
class _Compiler:
    """Turns a value into nested functions, noting what it refers to. One per template."""

    references: dict[Reference, None] = field(default_factory=dict[Reference, None])
    expression_count: int = 0
    computed_count: int = 0
    node_count: int = 0

    def compile(self, value: Json, depth: int) -> Evaluate:
        self.node_count += 1
        if isinstance(value, str):
            return self._text(value) if "{{" in value else _same(value)
        if not isinstance(value, list | dict):
            return _same(value)
        if depth == 0:
            raise ExpressionError(f"the value is nested more than {MAX_DEPTH} deep", "Flatten it.")
        before = self.expression_count
        made = self._list(value, depth) if isinstance(value, list) else self._mapping(value, depth)
        return _copied(value) if self.expression_count == before else made

    def _list(self, value: list[Json], depth: int) -> Evaluate:
        entries = [self.compile(entry, depth - 1) for entry in value]
        return lambda scope, meter: [entry(scope, meter) for entry in entries]

    def _mapping(self, value: dict[str, Json], depth: int) -> Evaluate:
        items = [(key, self.compile(item, depth - 1)) for key, item in value.items()]
        return lambda scope, meter: {key: item(scope, meter) for key, item in items}

    def _text(self, text: str) -> Evaluate:
        parts: list[str | Evaluate] = []
        position = 0
        while (start := text.find("{{", position)) >= 0:
            parts.append(text[position:start])
            end = closing(text, start + 2)
            parts.append(self._expression(text[start + 2 : end]).run)
            position = end + 2
        parts.append(text[position:])
        known = [part for part in parts if not isinstance(part, str) or part.strip()]
        if len(known) == 1 and not isinstance(known[0], str):
            return known[0]
        return _joined([part for part in parts if part != ""])

    def _expression(self, source: str) -> Expression:
        expression = compile_expression(source)
        self.references.update(dict.fromkeys(expression.references))
        self.expression_count += 1
        self.computed_count += expression.node_count > 1
        self.node_count += expression.node_count
        return expression


def _same(value: Json) -> Evaluate:
    return lambda scope, meter: value


def _copied(value: Json) -> Evaluate:
    """What is always the same is copied whole: neither the definition nor another run may change with it."""
    kept = _copy(value)
    return lambda scope, meter: _copy(kept)


def _copy(value: Json) -> Json:
    if isinstance(value, list):
        return [_copy(item) if isinstance(item, list | dict) else item for item in value]
    if isinstance(value, dict):
        return {key: _copy(item) if isinstance(item, list | dict) else item for key, item in value.items()}
    return value


def _joined(parts: list[str | Evaluate]) -> Evaluate:
    def joined(scope: Scope, meter: Meter) -> Json:
        texts: list[str] = []
        left = MAX_RENDERED
        for part in parts:
            text = part if isinstance(part, str) else _embedded(part(scope, meter), left)
            left -= len(text)
            texts.append(text)
        if left < 0:
            raise _too_large()
        return "".join(texts)

    return joined


def _embedded(value: Json, most: int) -> str:
    if isinstance(value, str | list | dict) and is_longer(value, most):
        raise _too_large()
    return text_of(value)


def _too_large() -> ExpressionError:
    return ExpressionError(f"the text would be longer than {MAX_RENDERED:,} characters", "Put less data into it.")


def _measured(run: Callable[[Scope, Meter], Json]) -> Evaluate:
    """Several expressions may repeat the same data: what they make together is counted."""

    def measured(scope: Scope, meter: Meter) -> Json:
        value = run(scope, meter)
        size().look(value)
        return value

    return measured
