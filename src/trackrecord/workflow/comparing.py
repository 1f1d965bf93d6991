"""Two values side by side: equal, contained, subset, or every difference between them. Pure; never changes a value.

Differences come in one order, whatever the order of keys: keys by code point, positions as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from trackrecord.canonical import Json, dumps
from trackrecord.workflow.bounds import MAX_VALUES, ExpressionError, Meter
from trackrecord.workflow.operators import contains
from trackrecord.workflow.steps import Comparison
from trackrecord.workflow.values import equal, identity, shown

MAX_DIFFERENCES: Final = 10_000


def compare(operation: Comparison, left: Json, right: Json) -> Json:
    """What an operation says of two values: true or false; of `diff` the list of differences.

    Raises:
        ExpressionError: the values are of a kind the operation cannot compare, or there is too much of them.
    """
    meter = Meter(MAX_VALUES, what="comparing them looks at")
    match operation:
        case "equals":
            return equal(left, right, meter)
        case "contains":
            return contains(left, right, meter)
        case "subset":
            return is_subset(left, right, meter)
        case "diff":
            return differences(left, right, meter)
    assert_never(operation)


def is_subset(left: Json, right: Json, meter: Meter) -> bool:
    """Whether all of the left is in the right.

    Of a list every entry equals one of the other list, however often; of an object every key is there with an equal
    value, objects inside objects by the same rule.

    Raises:
        ExpressionError: they are neither two lists nor two objects.
    """
    if isinstance(left, list) and isinstance(right, list):
        known = {identity(entry, meter) for entry in right}
        return all(identity(entry, meter) in known for entry in left)
    if isinstance(left, dict) and isinstance(right, dict):
        return _is_part(left, right, meter)
    raise ExpressionError(f"subset takes two lists or two objects, not {shown(left)} and {shown(right)}")


def _is_part(left: dict[str, Json], right: dict[str, Json], meter: Meter) -> bool:
    meter.spend(len(left))
    for key, item in left.items():
        if key not in right:
            return False
        other = right[key]
        is_deeper = isinstance(item, dict) and isinstance(other, dict)
        if not (_is_part(item, other, meter) if is_deeper else equal(item, other, meter)):  # type: ignore[arg-type]  # objects, as just seen
            return False
    return True


def differences(left: Json, right: Json, meter: Meter) -> list[Json]:
    """Each place where they differ: {path, op, left, right}, op being `added`, `removed` or `changed`.

    Raises:
        ExpressionError: there are more than MAX_DIFFERENCES.
    """
    found: list[Json] = []
    for difference in _differing(left, right, "", meter):
        if len(found) == MAX_DIFFERENCES:
            message = f"the values differ in more than {MAX_DIFFERENCES:,} places"
            raise ExpressionError(message, "Compare a part of them.")
        found.append(difference)
    return found


def _differing(left: Json, right: Json, path: str, meter: Meter) -> Iterator[Json]:
    if isinstance(left, dict) and isinstance(right, dict):
        meter.spend(len(left) + len(right))
        for key in sorted(left.keys() | right.keys()):
            at = _below(path, key)
            if key not in right:
                yield _difference(at, "removed", left[key], None)
            elif key not in left:
                yield _difference(at, "added", None, right[key])
            else:
                yield from _differing(left[key], right[key], at, meter)
    elif isinstance(left, list) and isinstance(right, list):
        meter.spend(len(left) + len(right))
        for index in range(max(len(left), len(right))):
            at = f"{path}[{index}]"
            if index >= len(right):
                yield _difference(at, "removed", left[index], None)
            elif index >= len(left):
                yield _difference(at, "added", None, right[index])
            else:
                yield from _differing(left[index], right[index], at, meter)
    elif not equal(left, right, meter):
        yield _difference(path, "changed", left, right)


def _difference(path: str, op: str, left: Json, right: Json) -> Json:
    return {"path": path, "op": op, "left": left, "right": right}


def _below(path: str, key: str) -> str:
    if not key.isidentifier():
        return f"{path}[{dumps(key)}]"
    return f"{path}.{key}" if path else key
