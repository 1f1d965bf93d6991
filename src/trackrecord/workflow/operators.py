"""The operators of expressions over plain data: arithmetic, comparison, membership. Each checks before it builds.

Pure; never changes a value it is given. Who calls them with what is decided in `expressions`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import MAX_INT, MAX_LIST, MAX_TEXT, ExpressionError, Meter, too_long, too_many
from trackrecord.workflow.values import NUMBERS, boolean, comparable, equal, number, shown

Operate = Callable[[Json, Json, Meter], Json]
Test = Callable[[Json, Json, Meter], bool]


def add(left: Json, right: Json, meter: Meter) -> Json:
    """The sum of two numbers, or two texts or two lists one after the other."""
    if type(left) is int and type(right) is int and -MAX_INT <= left + right <= MAX_INT:
        return left + right
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _computed(operator.add, left, right)
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_TEXT:
            too_long()
        meter.spend_text(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        if len(left) + len(right) > MAX_LIST:
            too_many()
        return _built(left + right, meter)
    raise _refused("+", "two numbers, two texts or two lists", left, right)


def multiply(left: Json, right: Json, meter: Meter) -> Json:
    """The product of two numbers, or a text or list repeated."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _computed(operator.mul, left, right)
    if type(left) is int:
        left, right = right, left
    if isinstance(left, str) and type(right) is int:
        if len(left) * right > MAX_TEXT:
            too_long()
        return left * right
    if isinstance(left, list) and type(right) is int:
        if len(left) * right > MAX_LIST:
            too_many()
        return _built(left * right, meter)
    raise _refused("*", "two numbers, or text or a list with a whole number", left, right)


def _arithmetic(symbol: str, compute: Callable[[Any, Any], Any]) -> Operate:
    def operate(left: Json, right: Json, meter: Meter) -> Json:
        if type(left) in NUMBERS and type(right) in NUMBERS:
            return _computed(compute, left, right)
        raise _refused(symbol, "two numbers", left, right)

    return operate


def _computed(compute: Callable[[Any, Any], Any], left: Json, right: Json) -> Json:
    try:
        return number(compute(left, right))
    except ZeroDivisionError:
        raise ExpressionError(
            f"{shown(left)} is divided by zero", "Test for zero first: a / b if b != 0 else 0."
        ) from None
    except OverflowError:
        raise ExpressionError("the number would be too large", "Work with smaller numbers.") from None


def _built(value: list[Json], meter: Meter) -> list[Json]:
    """A list put together from others, counted with all it holds: repeating large entries makes huge data quickly."""
    meter.look(value)
    return value


def _refused(symbol: str, wanted: str, left: Json, right: Json) -> ExpressionError:
    cure = ""
    if isinstance(left, str) != isinstance(right, str):
        cure = "str(…) makes text of a value, int(…) and float(…) a number of text."
    elif left is None or right is None:
        cure = "default(…, 0) stands in for what is null or missing."
    return ExpressionError(f"{symbol} takes {wanted}, not {shown(left)} and {shown(right)}", cure)


ARITHMETIC: Final[Mapping[type[ast.operator], Operate]] = {
    ast.Add: add,
    ast.Sub: _arithmetic("-", operator.sub),
    ast.Mult: multiply,
    ast.Div: _arithmetic("/", lambda left, right: left / right),
    ast.FloorDiv: _arithmetic("//", lambda left, right: left // right),
    ast.Mod: _arithmetic("%", operator.mod),
}


def negative(value: Json) -> Json:
    """The number with the other sign."""
    if type(value) in NUMBERS:
        return number(-cast("int | float", value))
    raise ExpressionError(f"- takes a number, not {shown(value)}")


def positive(value: Json) -> Json:
    """The number as it is."""
    if type(value) in NUMBERS:
        return value
    raise ExpressionError(f"+ takes a number, not {shown(value)}")


def negated(value: Json) -> Json:
    """The other boolean."""
    return not boolean(value, "what follows `not`")


def section(value: Json, ends: Sequence[Json], spelled: str, meter: Meter) -> Json:
    """The part of a text or list between two positions; `ends` are start, end and step, null where left out.

    Raises:
        ExpressionError: the value has no parts, or an end is no whole number; `spelled` is how the value is written.
    """
    if not isinstance(value, str | list):
        raise ExpressionError(f"{spelled}[a:b] takes text or a list, not {shown(value)}")
    wrong = next((end for end in ends if end is not None and type(end) is not int), 0 if ends[2] == 0 else None)
    if wrong is not None:
        raise ExpressionError(f"{spelled}[a:b] takes whole numbers, not {shown(wrong)}", "A step cannot be 0.")
    place = slice(*cast("Sequence[int | None]", ends))
    if isinstance(value, str):
        text = value[place]
        if len(text) > MAX_TEXT:
            too_long()
        meter.spend_text(len(text))
        return text
    entries = value[place]
    if len(entries) > MAX_LIST:
        too_many()
    meter.spend(len(entries))
    return entries


def contains(container: Json, item: Json, meter: Meter) -> bool:
    """Whether a text holds a text, a list an equal entry, or an object a key.

    Raises:
        ExpressionError: the first is none of these, or the second no text where it must be.
    """
    if isinstance(container, list):
        meter.spend(len(container))
        if isinstance(item, str):
            return item in container
        return any(equal(entry, item, meter) for entry in container)
    if isinstance(container, str | dict):
        if not isinstance(item, str):
            what = "text" if isinstance(container, str) else "an object"
            raise ExpressionError(f"{what} can only contain text, not {shown(item)}", "str(…) makes text of a value.")
        if isinstance(container, str):
            meter.spend_text(len(container))
        return item in container
    raise ExpressionError(f"only text, a list or an object can contain something, not {shown(container)}")


def _ordering(compare: Callable[[Any, Any], bool]) -> Test:
    def test(left: Json, right: Json, meter: Meter) -> bool:
        if type(left) in NUMBERS and type(right) in NUMBERS:
            return compare(left, right)
        one, other = comparable(left, right)
        return compare(one, other)

    return test


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)

COMPARISONS: Final[Mapping[type[ast.cmpop], Test]] = {
    ast.Eq: equal,
    ast.NotEq: lambda left, right, meter: not equal(left, right, meter),
    ast.Lt: less,
    ast.LtE: less_or_equal,
    ast.Gt: greater,
    ast.GtE: greater_or_equal,
    ast.In: lambda left, right, meter: contains(right, left, meter),
    ast.NotIn: lambda left, right, meter: not contains(right, left, meter),
}
