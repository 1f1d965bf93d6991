"""The functions of expressions. Each takes plain data, checks it, and gives plain data; none changes what it is given.

`default`, `coalesce` and `now`, which need more than the values of their arguments, are in `expressions`. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import orjson

from trackrecord.canonical import Json, dumps
from trackrecord.workflow import times
from trackrecord.workflow.bounds import (
    CHARACTERS_PER_VALUE,
    MAX_DEPTH,
    MAX_LIST,
    MAX_TEXT,
    MAX_VALUES,
    ExpressionError,
    Meter,
    too_long,
    too_many,
)
from trackrecord.workflow.operators import contains
from trackrecord.workflow.patterns import compile_pattern
from trackrecord.workflow.values import NUMBERS, column, is_longer, is_number, number, shown, text_of

_INT: Final = re.compile(r"[+-]?[0-9]{1,40}")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?")
_MAX_DIGITS: Final = 20  # of round(): more would compute with numbers of that many digits
_MAX_JSON: Final = MAX_VALUES * CHARACTERS_PER_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function.

    Attributes:
        call: takes the meter of the evaluation and the arguments.
        least, most: how many arguments; `most` is None when there may be any number.
        usage: how it is written.
    """

    call: Callable[..., Json]
    least: int
    most: int | None
    usage: str


def _len(meter: Meter, value: Json) -> Json:
    if isinstance(value, str | list | dict):
        return len(value)
    raise _wrong("len", "text, a list or an object", value)


def _extreme(name: str, pick: Callable[..., int]) -> Callable[..., Json]:
    def extreme(meter: Meter, *given: Json) -> Json:
        values = _list(name, given[0]) if len(given) == 1 else list(given)
        if not values:
            raise ExpressionError(f"{name}() of an empty list is nothing", f"Write `{name}(x) if len(x) > 0 else …`.")
        meter.spend(len(values))
        keys = column(values, f"{name}()")
        return values[pick(range(len(values)), key=keys.__getitem__)]

    return extreme


def _sum(meter: Meter, value: Json) -> Json:
    values = _list("sum", value)
    meter.spend(len(values))
    return total(values, "sum() takes a list of numbers, but one of them")


def total(values: list[Json], what: str) -> int | float:
    """The sum of numbers, rounded once at the end, so that it depends neither on their order nor on the Python version.

    Raises:
        ExpressionError: one of them is no number; `what` begins the message.
    """
    kinds = set(map(type, values))
    if not kinds <= NUMBERS:
        raise ExpressionError(f"{what} is {shown(next(value for value in values if not is_number(value)))}")
    numbers = cast("list[int | float]", values)
    if float not in kinds:
        return number(sum(numbers))
    try:
        return number(math.fsum(numbers))
    except (OverflowError, ValueError):
        raise ExpressionError("the number would be too large", "Work with smaller numbers.") from None


def _round(meter: Meter, value: Json, digits: Json = None) -> Json:
    if not is_number(value):
        raise _wrong("round", "a number", value)
    if digits is not None and (type(digits) is not int or abs(digits) > _MAX_DIGITS):
        raise ExpressionError(f"round() takes -{_MAX_DIGITS} to {_MAX_DIGITS} digits, not {shown(digits)}")
    try:
        return number(round(cast("int | float", value), digits))
    except (OverflowError, ValueError):
        raise ExpressionError("the number would be too large", "Work with smaller numbers.") from None


def _abs(meter: Meter, value: Json) -> Json:
    if not is_number(value):
        raise _wrong("abs", "a number", value)
    return number(abs(cast("int | float", value)))


def _lower(meter: Meter, value: Json) -> Json:
    return _made(_text("lower", value).lower(), meter)


def _upper(meter: Meter, value: Json) -> Json:
    return _made(_text("upper", value).upper(), meter)


def _strip(meter: Meter, value: Json) -> Json:
    return _made(_text("strip", value).strip(), meter)


def _split(meter: Meter, value: Json, separator: Json = None) -> Json:
    text = _text("split", value)
    if separator is not None and _text("split", separator) == "":
        raise ExpressionError("split() needs a separator that is not empty", "Leave it out to split at white space.")
    meter.spend_text(len(text))
    parts = text.split(cast("str | None", separator), MAX_LIST)
    if len(parts) > MAX_LIST:
        too_many()
    meter.spend(len(parts))
    return cast("list[Json]", parts)


def _join(meter: Meter, value: Json, separator: Json = "") -> Json:
    values, between = _list("join", value), _text("join", separator)
    meter.spend(len(values))
    if len(between) * (len(values) - 1) > MAX_TEXT or is_longer(value, MAX_TEXT + 4 * len(values)):
        too_long()
    return _made(between.join(map(text_of, values)), meter)


def _contains(meter: Meter, container: Json, item: Json) -> Json:
    return contains(container, item, meter)


def _starts_with(meter: Meter, value: Json, beginning: Json) -> Json:
    return _text("starts_with", value).startswith(_text("starts_with", beginning))


def _ends_with(meter: Meter, value: Json, ending: Json) -> Json:
    return _text("ends_with", value).endswith(_text("ends_with", ending))


def _matches(meter: Meter, value: Json, pattern: Json) -> Json:
    return compile_pattern(_text("matches", pattern))(_text("matches", value), meter)


def _int(meter: Meter, value: Json) -> Json:
    try:
        if (isinstance(value, str) and _INT.fullmatch(value.strip())) or isinstance(value, int | float):
            return number(int(value))
    except (OverflowError, ValueError):
        pass
    raise _wrong("int", "a number or text like '42'", value, "Write int(float(…)) for text like '4.2'.")


def _float(meter: Meter, value: Json) -> Json:
    try:
        if (isinstance(value, str) and _FLOAT.fullmatch(value.strip())) or isinstance(value, int | float):
            return number(float(value))
    except OverflowError:
        pass
    raise _wrong("float", "a number or text like '4.2'", value)


def _str(meter: Meter, value: Json) -> Json:
    if is_longer(value, MAX_TEXT):
        too_long()
    return _made(text_of(value), meter)


def _json(meter: Meter, value: Json) -> Json:
    """Text is read as JSON, anything else written as JSON."""
    if not isinstance(value, str):
        if is_longer(value, MAX_TEXT):
            too_long()
        return _made(dumps(value), meter)
    if len(value) > _MAX_JSON:
        raise ExpressionError(f"json() reads at most {_MAX_JSON:,} characters, not {len(value):,}")
    meter.spend_text(len(value))
    try:
        read: Json = orjson.loads(value.encode(errors="replace"))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ExpressionError(f"json() cannot read {shown(value)}: {reason}") from None
    _check_read(read, meter)
    return read


def _check_read(value: Json, meter: Meter) -> None:
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Json] = []
        for one in level:
            if isinstance(one, list | dict):
                meter.spend(len(one))
                if len(one) > MAX_LIST:
                    too_many("a list that json() has read")
                inner.extend(one if isinstance(one, list) else one.values())
        if not inner:
            return
        level = inner
    raise ExpressionError(f"json() reads at most {MAX_DEPTH} levels of lists and objects")


def _date(meter: Meter, value: Json) -> Json:
    return times.day(value, "date()")


def _days_between(meter: Meter, start: Json, end: Json) -> Json:
    return times.days_between(start, end)


def _made(text: str, meter: Meter) -> str:
    if len(text) > MAX_TEXT:
        too_long()
    meter.spend_text(len(text))
    return text


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, "text", value, "" if isinstance(value, list | dict) else "str(…) makes text of a value.")


def _list(name: str, value: Json) -> list[Json]:
    if isinstance(value, list):
        return value
    raise _wrong(name, "a list", value)


def _wrong(name: str, wanted: str, value: Json, cure: str = "") -> ExpressionError:
    if value is None:
        cure = "default(…, fallback) stands in for what is null or missing."
    return ExpressionError(f"{name}() takes {wanted}, not {shown(value)}", cure)


def _one(call: Callable[..., Json], usage: str) -> Function:
    return Function(call=call, least=1, most=1, usage=usage)


def _two(call: Callable[..., Json], usage: str) -> Function:
    return Function(call=call, least=2, most=2, usage=usage)


FUNCTIONS: Final[Mapping[str, Function]] = {
    "len": _one(_len, "len(value)"),
    "min": Function(call=_extreme("min", min), least=1, most=None, usage="min(list) or min(a, b)"),
    "max": Function(call=_extreme("max", max), least=1, most=None, usage="max(list) or max(a, b)"),
    "sum": _one(_sum, "sum(list)"),
    "round": Function(call=_round, least=1, most=2, usage="round(number) or round(number, digits)"),
    "abs": _one(_abs, "abs(number)"),
    "lower": _one(_lower, "lower(text)"),
    "upper": _one(_upper, "upper(text)"),
    "strip": _one(_strip, "strip(text)"),
    "split": Function(call=_split, least=1, most=2, usage="split(text) or split(text, separator)"),
    "join": Function(call=_join, least=1, most=2, usage="join(list) or join(list, separator)"),
    "contains": _two(_contains, "contains(container, item)"),
    "starts_with": _two(_starts_with, "starts_with(text, beginning)"),
    "ends_with": _two(_ends_with, "ends_with(text, ending)"),
    "matches": _two(_matches, "matches(text, pattern)"),
    "int": _one(_int, "int(value)"),
    "float": _one(_float, "float(value)"),
    "str": _one(_str, "str(value)"),
    "json": _one(_json, "json(value)"),
    "date": _one(_date, "date(time)"),
    "days_between": _two(_days_between, "days_between(start, end)"),
}
