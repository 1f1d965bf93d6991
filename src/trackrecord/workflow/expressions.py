"""Expressions: Python-like text compiled once to functions that are bounded, and fast enough to run for every item.

The tree is checked node by node against what is listed here; whatever is not listed is refused. There is no attribute
of a Python object to reach, nothing to call but `functions`, and no loop: a source of MAX_SOURCE_BYTES visits each of
its few nodes at most once, and what operators and functions walk over is counted by the meter.

Values are plain JSON. There is no truthiness: `and`, `or`, `not`, `if` and conditions take true and false only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow import syntax, times
from trackrecord.workflow.bounds import (
    MAX_DEPTH,
    ExpressionError,
    Meter,
    MissingPath,
    TypeMismatch,
    too_deep,
)
from trackrecord.workflow.functions import FUNCTIONS, Function
from trackrecord.workflow.operators import ARITHMETIC, COMPARISONS, negated, negative, positive, section
from trackrecord.workflow.paths import Reference, glance, look_up, walk
from trackrecord.workflow.patterns import compile_pattern
from trackrecord.workflow.tree import WORDS, constant, function_name, plain, refused, usable
from trackrecord.workflow.values import Evaluate, Scope, boolean, shown

__all__ = ["Expression", "ExpressionError", "MissingPath", "TypeMismatch", "compile_expression"]

_UNARY: Final[Mapping[type[ast.unaryop], Callable[[Json], Json]]] = {
    ast.USub: negative,
    ast.UAdd: positive,
    ast.Not: negated,
}
_SPECIAL: Final[Mapping[str, str]] = {
    "default": "default(value, fallback)",
    "coalesce": "coalesce(a, b, …)",
    "now": "now()",
}
_FALLBACK: Final = "Compare it, or write coalesce(a, b) for a fallback."
_NAMES: Final = tuple(sorted((*FUNCTIONS, *_SPECIAL)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression.

    Attributes:
        source: as it was written.
        references: everything it looks at, in order, each once.
        run: evaluates it in a scope, counting on a meter.
        node_count: how many nodes one evaluation visits at most.
    """

    source: str
    references: tuple[Reference, ...]
    run: Evaluate = field(compare=False, repr=False)
    node_count: int

    def evaluate(self, scope: Scope) -> Json:
        """The value of the expression in a scope.

        Raises:
            ExpressionError: a path is missing, a value is of the wrong kind, or it is too much work.
        """
        return self.run(scope, Meter(nodes=self.node_count))


def compile_expression(source: str) -> Expression:
    """The expression ready to be evaluated any number of times.

    Raises:
        ExpressionError: it cannot be read, or holds something that is not part of the language.
    """
    compiler = _Compiler()
    try:
        run = compiler.compile(syntax.parse(source), 1)
    except ExpressionError as error:
        raise error.at(_named(source)) from None
    except RecursionError:
        raise too_deep().at(_named(source)) from None
    is_plain = compiler.node_count == 1
    return Expression(
        source=source,
        references=tuple(compiler.references),
        run=run if is_plain else _named_in_errors(run, source),
        node_count=compiler.node_count,
    )


def _named(source: str) -> str:
    text = source.strip()
    return f"the expression {text if len(text) <= 80 else text[:80] + '…'!r}"


def _named_in_errors(run: Evaluate, source: str) -> Evaluate:
    def named(scope: Scope, meter: Meter) -> Json:
        try:
            return run(scope, meter)
        except ExpressionError as error:
            raise error.at(_named(source)) from None
        except RecursionError:
            raise ExpressionError(f"{_named(source)}: the data is nested too deeply") from None

    return named


@dataclass(slots=True)
class _Compiler:
    """Turns a tree into nested functions, noting what it refers to. One per expression."""

    references: dict[Reference, None] = field(default_factory=dict[Reference, None])
    node_count: int = 0

    def compile(self, node: ast.expr, depth: int) -> Evaluate:
        """The function that gives a node's value."""
        self.node_count += 1
        if depth > MAX_DEPTH:
            raise too_deep()
        reference = plain(node)
        if reference is not None:
            if len(reference.path) > MAX_DEPTH:
                raise too_deep()
            self.references[reference] = None
            return walk(reference)
        match node:
            case ast.Constant():
                return _always(constant(node.value))
            case ast.Name():
                return _always(WORDS[node.id])
            case ast.Attribute() | ast.Subscript():
                return self._inside(node, depth)
            case ast.UnaryOp():
                return self._unary(node, depth)
            case ast.BinOp():
                return self._binary(node, depth)
            case ast.BoolOp():
                return self._junction(node, depth)
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.IfExp():
                return self._choice(node, depth)
            case ast.List() | ast.Tuple():
                return self._list(node, depth)
            case ast.Dict():
                return self._object(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case _:
                raise refused(node)

    def _inside(self, node: ast.Attribute | ast.Subscript, depth: int) -> Evaluate:
        base = self.compile(node.value, depth + 1)
        spelled = ast.unparse(node.value)
        if isinstance(node, ast.Attribute):
            key = usable(node.attr)
            return lambda scope, meter: look_up(base(scope, meter), key, spelled)
        if isinstance(node.slice, ast.Slice):
            return self._slice(base, node.slice, spelled, depth)
        position = self.compile(node.slice, depth + 1)
        return lambda scope, meter: look_up(base(scope, meter), position(scope, meter), spelled)

    def _slice(self, base: Evaluate, node: ast.Slice, spelled: str, depth: int) -> Evaluate:
        ends = [_always(None) if end is None else self.compile(end, depth + 1) for end in _ends(node)]
        return lambda scope, meter: section(base(scope, meter), [end(scope, meter) for end in ends], spelled, meter)

    def _unary(self, node: ast.UnaryOp, depth: int) -> Evaluate:
        operate = _UNARY.get(type(node.op))
        if operate is None:
            raise refused(node.op)
        operand = self.compile(node.operand, depth + 1)
        return lambda scope, meter: operate(operand(scope, meter))

    def _binary(self, node: ast.BinOp, depth: int) -> Evaluate:
        operate = ARITHMETIC.get(type(node.op))
        if operate is None:
            raise refused(node.op)
        left, right = self.compile(node.left, depth + 1), self.compile(node.right, depth + 1)
        return lambda scope, meter: operate(left(scope, meter), right(scope, meter), meter)

    def _junction(self, node: ast.BoolOp, depth: int) -> Evaluate:
        parts = [self.compile(part, depth + 1) for part in node.values]
        is_and = isinstance(node.op, ast.And)
        what, cure = ("what stands beside `and`", "") if is_and else ("what stands beside `or`", _FALLBACK)

        def junction(scope: Scope, meter: Meter) -> Json:
            for part in parts:
                if boolean(part(scope, meter), what, cure) is not is_and:
                    return not is_and
            return is_and

        return junction

    def _comparison(self, node: ast.Compare, depth: int) -> Evaluate:
        for op in node.ops:
            if type(op) not in COMPARISONS:
                raise refused(op)
        tests = [COMPARISONS[type(op)] for op in node.ops]
        first = self.compile(node.left, depth + 1)
        others = [self.compile(other, depth + 1) for other in node.comparators]
        if len(tests) == 1:
            test, other = tests[0], others[0]
            return lambda scope, meter: test(first(scope, meter), other(scope, meter), meter)
        links = list(zip(tests, others, strict=True))

        def chain(scope: Scope, meter: Meter) -> Json:
            left = first(scope, meter)
            for test, other in links:
                right = other(scope, meter)
                if not test(left, right, meter):
                    return False
                left = right
            return True

        return chain

    def _choice(self, node: ast.IfExp, depth: int) -> Evaluate:
        test, then, otherwise = (self.compile(part, depth + 1) for part in (node.test, node.body, node.orelse))

        def choice(scope: Scope, meter: Meter) -> Json:
            is_so = boolean(test(scope, meter), "what stands between `if` and `else`")
            return then(scope, meter) if is_so else otherwise(scope, meter)

        return choice

    def _list(self, node: ast.List | ast.Tuple, depth: int) -> Evaluate:
        entries = [self.compile(entry, depth + 1) for entry in node.elts]

        def listed(scope: Scope, meter: Meter) -> Json:
            value = [entry(scope, meter) for entry in entries]
            meter.look(value)
            return value

        return listed

    def _object(self, node: ast.Dict, depth: int) -> Evaluate:
        pairs: list[tuple[Evaluate, Evaluate]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise ExpressionError("`**` is not part of the expression language", "Write out the keys.")
            pairs.append((self.compile(key, depth + 1), self.compile(value, depth + 1)))

        def built(scope: Scope, meter: Meter) -> Json:
            value: dict[str, Json] = {}
            for key, item in pairs:
                name = key(scope, meter)
                if not isinstance(name, str):
                    raise ExpressionError(f"a key must be text, not {shown(name)}", "Put it in quotes.")
                value[name] = item(scope, meter)
            meter.look(value)
            return value

        return built

    def _call(self, node: ast.Call, depth: int) -> Evaluate:
        name = function_name(node, _NAMES)
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise ExpressionError(f"{name}() takes its arguments by place", _usage(name))
        if name in ("default", "coalesce"):
            return self._forgiving(name, node.args, depth)
        arguments = [self.compile(argument, depth + 1) for argument in node.args]
        if name == "now":
            return self._now(arguments)
        function = FUNCTIONS[name]
        if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
            raise ExpressionError(f"{name}() cannot take {len(arguments)} arguments", _usage(name))
        if name == "matches" and isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str):
            compile_pattern(node.args[1].value)  # a pattern that stands in the source is refused when it is saved
        return _called(function, arguments)

    def _forgiving(self, name: str, nodes: Sequence[ast.expr], depth: int) -> Evaluate:
        """`default` and `coalesce`: arguments in which a path may lead nowhere."""
        if not nodes or (name == "default" and len(nodes) != 2):
            raise ExpressionError(f"{name}() cannot take {len(nodes)} arguments", _usage(name))
        last = self.compile(nodes[-1], depth + 1)
        values = [self._found(node, depth + 1) for node in nodes[:-1]]
        return _first(values, last if name == "default" else _or_null(last))

    def _found(self, node: ast.expr, depth: int) -> Evaluate:
        """The function that gives a node's value, or null when a path in it leads nowhere."""
        value = self.compile(node, depth)
        reference = plain(node)
        return glance(reference) if reference is not None and reference.path else _or_null(value)

    def _now(self, arguments: Sequence[Evaluate]) -> Evaluate:
        if arguments:
            raise ExpressionError("now() takes no arguments", _usage("now"))
        self.references[Reference("now")] = None
        return lambda scope, meter: times.now(scope)


def _always(value: Json) -> Evaluate:
    return lambda scope, meter: value


def _ends(node: ast.Slice) -> tuple[ast.expr | None, ast.expr | None, ast.expr | None]:
    return node.lower, node.upper, node.step


def _called(function: Function, arguments: Sequence[Evaluate]) -> Evaluate:
    call = function.call
    if len(arguments) == 1:
        only = arguments[0]
        return lambda scope, meter: call(meter, only(scope, meter))
    return lambda scope, meter: call(meter, *[argument(scope, meter) for argument in arguments])


def _first(values: Sequence[Evaluate], last: Evaluate) -> Evaluate:
    """The first value that is not null; the rest is not even worked out."""

    def first(scope: Scope, meter: Meter) -> Json:
        for value in values:
            found = value(scope, meter)
            if found is not None:
                return found
        return last(scope, meter)

    return first


def _or_null(value: Evaluate) -> Evaluate:
    def found(scope: Scope, meter: Meter) -> Json:
        try:
            return value(scope, meter)
        except MissingPath:
            return None

    return found


def _usage(name: str) -> str:
    return f"Write {_SPECIAL.get(name) or FUNCTIONS[name].usage}."
