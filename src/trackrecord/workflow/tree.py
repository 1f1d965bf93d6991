"""What of Python's tree belongs to the language of expressions, and in which words the rest is refused. Pure."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import ExpressionError
from trackrecord.workflow.fields import near
from trackrecord.workflow.paths import Key, Reference
from trackrecord.workflow.values import number

WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None}
_REFUSED: Final[Mapping[type[ast.AST], tuple[str, str]]] = {
    ast.Pow: ("`**`", "Multiply instead."),
    ast.LShift: ("`<<`", ""),
    ast.RShift: ("`>>`", ""),
    ast.BitOr: ("`|`", "Write `or`, or call a function: len(value)."),
    ast.BitAnd: ("`&`", "Write `and`."),
    ast.BitXor: ("`^`", ""),
    ast.MatMult: ("`@`", ""),
    ast.Invert: ("`~`", "Write `not`."),
    ast.Is: ("`is`", "Write `==`."),
    ast.IsNot: ("`is not`", "Write `!=`."),
    ast.Set: ("a set", 'Write a list, [a, b], or an object, {"key": value}. A reference needs no braces inside.'),
    ast.Lambda: ("`lambda`", ""),
    ast.ListComp: ("a comprehension", "Use a transform step: map or filter."),
    ast.SetComp: ("a comprehension", "Use a transform step: map or filter."),
    ast.DictComp: ("a comprehension", "Use a transform step: map or filter."),
    ast.GeneratorExp: ("a comprehension", "Use a transform step: map or filter."),
    ast.NamedExpr: ("`:=`", "Write `==` to compare; bind names with `output`."),
    ast.Starred: ("`*`", ""),
    ast.Await: ("`await`", ""),
    ast.Yield: ("`yield`", ""),
    ast.YieldFrom: ("`yield`", ""),
}


def plain(node: ast.expr) -> Reference | None:
    """The reference that a node is and nothing else; None when there is something to compute."""
    path: list[Key] = []
    while True:
        if isinstance(node, ast.Attribute):
            path.append(usable(node.attr))
        elif isinstance(node, ast.Subscript) and (key := _literal_key(node.slice)) is not None:
            path.append(key)
        else:
            break
        node = node.value
    if not isinstance(node, ast.Name) or node.id in WORDS:
        return None
    return Reference(usable(node.id), tuple(reversed(path)))


def _literal_key(node: ast.expr) -> Key | None:
    is_from_end = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    literal = node.operand if isinstance(node, ast.UnaryOp) and is_from_end else node
    value = literal.value if isinstance(literal, ast.Constant) else None
    if isinstance(value, str) and not is_from_end:
        return value
    if type(value) is int:
        return -value if is_from_end else value
    return None


def usable(name: str) -> str:
    """The name, when it has no business with the inside of Python.

    Raises:
        ExpressionError: it starts with two underscores.
    """
    if name.startswith("__"):
        raise ExpressionError(f"{name!r} is not part of the expression language", f"A key is also written [{name!r}].")
    return name


def constant(value: object) -> Json:
    """The value of a literal.

    Raises:
        ExpressionError: it is none that JSON has, or a number too large.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return number(value)
    raise ExpressionError(f"{value!r} is not part of the expression language")


def function_name(node: ast.Call, known: Collection[str]) -> str:
    """The name of the function that is called, and nothing else can be.

    Raises:
        ExpressionError: there is no such function.
    """
    if isinstance(node.func, ast.Attribute) and node.func.attr in known:
        inner = ast.unparse(node.func.value)
        raise ExpressionError(f"values have no methods: .{node.func.attr}()", f"Write {node.func.attr}({inner}, …).")
    if not isinstance(node.func, ast.Name):
        raise ExpressionError(f"{ast.unparse(node.func)} is no function", f"Known: {', '.join(known)}.")
    name = node.func.id
    if name not in known:
        raise ExpressionError(f"there is no function {name!r}", near(name, known))
    return name


def refused(node: ast.AST) -> ExpressionError:
    """The error for a node that does not belong."""
    said, cure = _REFUSED.get(type(node), (type(node).__name__, ""))
    return ExpressionError(f"{said} is not part of the expression language", cure)
