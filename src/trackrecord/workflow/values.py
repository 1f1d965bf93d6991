"""What flows through expressions: the kinds of JSON values, when two are equal, how they are ordered and written out.

The rules of engines.md stand here once, for operators, functions, conditions and transforms alike. Pure; never changes
a value it is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from trackrecord.canonical import Json, dumps
from trackrecord.workflow.bounds import MAX_INT, ExpressionError, Meter, TypeMismatch
from trackrecord.workflow.fields import describe

Scope = Mapping[str, object]
Evaluate = Callable[[Scope, Meter], Json]

NUMBERS: Final = frozenset((int, float))
_FLAT: Final = frozenset((type(None), bool, int, float, str))
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_MOST_DIGITS: Final = 300  # a longer text is no number: it would not fit a float


def kind(value: Json) -> str:
    """The kind of a value, as in "takes a list, not {kind}"."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def shown(value: Json) -> str:
    """A value in words, short enough for one line."""
    if isinstance(value, list | dict) or value is None:
        return kind(value)
    return describe(value)


def is_number(value: Json) -> bool:
    """Whether a value is a number; a boolean never is."""
    return type(value) in NUMBERS


def boolean(value: Json, what: str, cure: str = "") -> bool:
    """The value of a test. There is no truthiness: nothing but true and false passes.

    Raises:
        ExpressionError: it is anything else.
    """
    if value is True or value is False:
        return value
    raise ExpressionError(f"{what} must be true or false, not {shown(value)}", cure or _test_cure(value))


def _test_cure(value: Json) -> str:
    match value:
        case None:
            return "Compare it, like `… != null`."
        case str() | list() | dict():
            return "Compare it, like `len(…) > 0`."
        case _:
            return "Compare it, like `… > 0`."


def number(value: int | float) -> int | float:
    """The result of arithmetic.

    Raises:
        ExpressionError: it is beyond 2^63 or not finite.
    """
    if isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise ExpressionError("the number would be beyond 2^63", "Work with smaller numbers, or with float(…).")
    elif not math.isfinite(value):
        raise ExpressionError("the number would be too large", "Work with smaller numbers.")
    return value


def equal(one: Json, other: Json, meter: Meter) -> bool:
    """Whether two values are the same: of the same JSON type, except that 1 equals 1.0; true never equals 1."""
    if type(one) is type(other):
        if isinstance(one, list):
            return _equal_lists(one, other, meter)  # type: ignore[arg-type]  # of the same type, as just seen
        if isinstance(one, dict):
            return _equal_objects(one, other, meter)  # type: ignore[arg-type]  # of the same type, as just seen
        return one == other
    return is_number(one) and is_number(other) and one == other


def _equal_lists(one: list[Json], other: list[Json], meter: Meter) -> bool:
    if len(one) != len(other):
        return False
    meter.spend(len(one))
    kinds = list(map(type, one))
    if set(kinds) <= _FLAT and kinds == list(map(type, other)):
        return one == other  # nothing inside, and no true beside a 1: Python's own comparison is the same, and fast
    return all(equal(left, right, meter) for left, right in zip(one, other, strict=True))


def _equal_objects(one: dict[str, Json], other: dict[str, Json], meter: Meter) -> bool:
    if one.keys() != other.keys():
        return False
    meter.spend(len(one))
    return all(equal(item, other[key], meter) for key, item in one.items())


def identity(value: Json, meter: Meter) -> Hashable:
    """What two values share exactly when they are equal, so that many can be told apart in one pass."""
    if isinstance(value, list):
        meter.spend(len(value))
        return ("list", *(identity(item, meter) for item in value))
    if isinstance(value, dict):
        meter.spend(len(value))
        return ("object", frozenset((key, identity(item, meter)) for key, item in value.items()))
    if isinstance(value, bool):
        return ("boolean", value)
    return value


def as_number(text: str) -> int | float | None:
    """The number a text stands for where values are put in order; None when it does not match `-?digits(.digits)?`."""
    if len(text) > _MOST_DIGITS or _NUMBER.fullmatch(text) is None:
        return None
    return float(text) if "." in text else int(text)


def comparable(one: Json, other: Json) -> tuple[Any, Any]:
    """The two values in a form that Python orders.

    Two numbers are ordered as numbers. Two texts too when both look like numbers, else as text. A number and a text
    only when the text looks like a number.

    Raises:
        TypeMismatch: there is no order between them.
    """
    if type(one) in NUMBERS and type(other) in NUMBERS:
        return one, other
    left = as_number(one) if isinstance(one, str) else one
    right = as_number(other) if isinstance(other, str) else other
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return left, right
    if isinstance(one, str) and isinstance(other, str):
        return one, other
    raise _mismatch(one, other)


def column(values: Sequence[Json], what: str) -> Sequence[Any]:
    """Many values in a form that Python orders: the rule of `comparable`, decided once for all of them.

    Deciding it pair by pair could go in circles ("9" < "10" < "5x" < "9"). Booleans among themselves are ordered false
    before true.

    Raises:
        TypeMismatch: they have no common order; `what` names them.
    """
    kinds = set(map(type, values))
    if kinds <= NUMBERS or kinds == {bool}:
        return values
    numeric = [as_number(value) if isinstance(value, str) else value for value in values]
    if set(map(type, numeric)) <= NUMBERS:
        return numeric
    if kinds == {str}:
        return values
    one = values[0]
    odd = next((value for value in values if not isinstance(value, str | int | float) or isinstance(value, bool)), None)
    text = next((value for value in values if isinstance(value, str) and as_number(value) is None), None)
    worst = text if odd is None and text is not None else odd
    partner = next((value for value in values if type(value) is not type(worst)), one)
    raise _mismatch(worst, partner).at(what)


def _mismatch(one: Json, other: Json) -> TypeMismatch:
    return TypeMismatch(
        f"{shown(one)} and {shown(other)} have no order",
        "Only numbers, texts, and texts that look like numbers are ordered; use int(…), float(…) or str(…).",
    )


def text_of(value: Json) -> str:
    """A value as it stands in a text: text as it is, true, false, null, numbers, anything else as canonical JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -MAX_INT <= value <= MAX_INT:
        return str(value)
    return dumps(value)


def is_longer(value: Json, most: int) -> bool:
    """Whether a value is certainly longer than so many characters when written out; looks no further than needed.

    A list may repeat one large text many times, so this must be asked before writing it.
    """
    left = most
    waiting: list[Json] = [value]
    while waiting and left >= 0:
        one = waiting.pop()
        if isinstance(one, str):
            left -= len(one)
        elif isinstance(one, list):
            left -= len(one) + 1
            if left >= 0:
                waiting.extend(one)
        elif isinstance(one, dict):
            left -= 4 * len(one) + sum(map(len, one))
            if left >= 0:
                waiting.extend(one.values())
        else:
            left -= 1
    return left < 0
