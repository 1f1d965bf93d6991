"""The operators of `{field, operator, value}` conditions: what each asks, and which values it cannot take. Pure.

Equality, order and membership are those of expressions; see `values` and `operators`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from trackrecord.canonical import Json
from trackrecord.workflow import operators, times
from trackrecord.workflow.bounds import ExpressionError, Meter
from trackrecord.workflow.patterns import compile_pattern
from trackrecord.workflow.values import Scope, equal, is_number, shown

Ask = Callable[[Json, Json, Meter, Scope], bool]
AskAlone = Callable[[Json], bool]
_MOST_DAYS: Final = 1_000_000


def _contains_any(container: Json, items: Json, meter: Meter, scope: Scope) -> bool:
    if not isinstance(items, list):
        raise ExpressionError(f"contains_any takes a list as value, not {shown(items)}", "Write [a, b].")
    return any(operators.contains(container, item, meter) for item in items)


def _matches(text: Json, pattern: Json, meter: Meter, scope: Scope) -> bool:
    one, other = _texts("matches", text, pattern)
    return compile_pattern(other)(one, meter)


def _starts_with(text: Json, beginning: Json, meter: Meter, scope: Scope) -> bool:
    one, other = _texts("starts_with", text, beginning)
    return one.startswith(other)


def _ends_with(text: Json, ending: Json, meter: Meter, scope: Scope) -> bool:
    one, other = _texts("ends_with", text, ending)
    return one.endswith(other)


def _texts(name: str, one: Json, other: Json) -> tuple[str, str]:
    if isinstance(one, str) and isinstance(other, str):
        return one, other
    raise ExpressionError(f"{name} takes text and text, not {shown(one)} and {shown(other)}")


def _before(one: Json, other: Json, meter: Meter, scope: Scope) -> bool:
    return times.instant(one, "the field of `before`") < times.instant(other, "the value of `before`")


def _after(one: Json, other: Json, meter: Meter, scope: Scope) -> bool:
    return times.instant(one, "the field of `after`") > times.instant(other, "the value of `after`")


def _within_last_days(moment: Json, days: Json, meter: Meter, scope: Scope) -> bool:
    return times.is_recent(moment, _days(days), scope)


def _days(value: Json) -> float:
    if isinstance(value, int | float) and is_number(value) and 0 <= value <= _MOST_DAYS:
        return value
    raise ExpressionError(f"within_last_days takes 0 to {_MOST_DAYS:,} days, not {shown(value)}")


def _is_empty(value: Json) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _of(test: operators.Test) -> Ask:
    return lambda one, other, meter, scope: test(one, other, meter)


def _not_of(test: operators.Test) -> Ask:
    return lambda one, other, meter, scope: not test(one, other, meter)


def _in(item: Json, container: Json, meter: Meter) -> bool:
    return operators.contains(container, item, meter)


BINARY: Final[Mapping[str, Ask]] = {
    "equals": _of(equal),
    "not_equals": _not_of(equal),
    "greater_than": _of(operators.greater),
    "greater_or_equal": _of(operators.greater_or_equal),
    "less_than": _of(operators.less),
    "less_or_equal": _of(operators.less_or_equal),
    "contains": _of(operators.contains),
    "contains_any": _contains_any,
    "not_contains": _not_of(operators.contains),
    "in": _of(_in),
    "not_in": _not_of(_in),
    "matches": _matches,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "before": _before,
    "after": _after,
    "within_last_days": _within_last_days,
}
ALONE: Final[Mapping[str, AskAlone]] = {
    "exists": lambda value: value is not None,
    "not_exists": lambda value: value is None,
    "is_empty": _is_empty,
    "is_not_empty": lambda value: not _is_empty(value),
}
FORGIVING: Final = ("exists", "not_exists")
NAMES: Final = (*BINARY, *ALONE)


def check_value(operator: str, value: Json) -> None:
    """Refuse a value that stands in the definition and that the operator can never take.

    Raises:
        ExpressionError: it is such a value.
    """
    match operator:
        case "matches":
            _texts(operator, "", value)
            compile_pattern(str(value))
        case "starts_with" | "ends_with":
            _texts(operator, "", value)
        case "before" | "after":
            times.instant(value, f"the value of `{operator}`")
        case "within_last_days":
            _days(value)
        case "in" | "not_in":
            if not isinstance(value, list | str | dict):
                raise ExpressionError(f"{operator} takes a list as value, not {shown(value)}", "Write [a, b].")
        case "contains_any":
            if not isinstance(value, list):
                raise ExpressionError(f"{operator} takes a list as value, not {shown(value)}", "Write [a, b].")
        case _:
            return
