"""Transforms: plain data into plain data, by an operation and its options; compiled once, applied many times.

`input` is a list, or a template that gives one. What is written per item sees `item` and `index` (from 0), in place of
a loop's own. A `by` is an expression, braces optional; a plain path like `price` or `user.age` is short for
`item.price`, `item.user.age`. So is a `value` of map that is text without braces.

    operation    options                                  gives
    set          value: any template                      the value
    select       input, also one object;                  objects with these fields, null where one has none
                 fields: [name, …] or {name: by}
    map          input; value: a template per item        the list of values
    filter       input; condition: per item               the items for which it holds
    sort         input; by, one or a list (the item);     the items, equal ones in their order, null last
                 order: asc, desc
    group        input; by, one or a list                 [{key, items, count}], by first appearance
    aggregate    input; values: {name: count} or          an object; with `by` one for each group, and its key
                 {name: {sum: by}}; by, one or a list
    deduplicate  input; by, one or a list (the item)      the first item of each
    flatten      input; depth (1)                         one list of what is in the lists
    join         left; right; how: inner, left, outer;    merged objects, see `joining`
                 on: name, names or {left: by, right: by}

Never changes its input; entries are handed on, not copied. Place in the walk: compiled before step 1, applied in 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from trackrecord.canonical import Json, dumps
from trackrecord.workflow import rows
from trackrecord.workflow.bounds import MAX_DEPTH, ExpressionError, Meter, size
from trackrecord.workflow.fields import describe, join, near
from trackrecord.workflow.joining import How, Side, joined
from trackrecord.workflow.options import Each, Reader, as_items
from trackrecord.workflow.paths import Reference
from trackrecord.workflow.rows import AGGREGATES, Items
from trackrecord.workflow.values import Evaluate, Scope

MAX_WORK: Final = 10_000_000


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
        unknown = ExpressionError(f"there is no operation {operation!r}", near(operation, _OPERATIONS))
        raise _of_option(unknown, "operation")
    allowed = (*known.required, *known.optional)
    for name in options:
        if name not in allowed:
            raise ExpressionError(f"{operation} has no field {name!r}", near(name, allowed))
    for name in known.required:
        if options.get(name) is None:
            raise ExpressionError(f"{name!r} is missing; {operation} needs it")
    reader = Reader(options)
    try:
        run = known.compile(reader)
    except ExpressionError as error:
        raise _of_option(error, error.option or reader.reading) from None
    return Transform(operation=operation, source=dumps(dict(options)), references=tuple(reader.references), run=run)


def _of_option(error: ExpressionError, name: str) -> ExpressionError:
    error.option = name
    return error


def _set(reader: Reader) -> Evaluate:
    if "value" not in reader.options:
        raise ExpressionError("'value' is missing; set needs it", "A value may also be null.")
    return reader.template("value")


def _map(reader: Reader) -> Evaluate:
    items, value = reader.items(), reader.value("value")
    return lambda scope, meter: value.values(items(scope, meter), scope, meter, size())


def _filter(reader: Reader) -> Evaluate:
    items, condition = reader.items(), reader.condition("condition")

    def run(scope: Scope, meter: Meter) -> Json:
        listed = items(scope, meter)
        answers = condition.values(listed, scope, meter)
        return [item for item, holds in zip(listed, answers, strict=True) if holds]

    return run


def _select(reader: Reader) -> Evaluate:
    data, pick = reader.data("input"), _picker(reader)

    def run(scope: Scope, meter: Meter) -> Json:
        value = data(scope, meter)
        if isinstance(value, dict):
            return pick([value], scope, meter)[0]
        return pick(as_items(value, "input"), scope, meter)

    return run


def _picker(reader: Reader) -> Callable[[Items, Scope, Meter], Items]:
    fields = reader.given("fields")
    if isinstance(fields, list) and fields and all(isinstance(name, str) for name in fields):
        names = [str(name) for name in fields]
        return lambda items, scope, meter: rows.selected(rows.objects(items, "'input'"), names)
    if not isinstance(fields, dict) or not fields:
        raise ExpressionError(
            f"'fields' must name fields, not {describe(fields)}", "Write [id, name], or {id: user.id}."
        )
    each = [(name, reader.by(value, join("fields", name))) for name, value in fields.items()]

    def pick(items: Items, scope: Scope, meter: Meter) -> Items:
        made = size()
        columns = [value.values(items, scope, meter, made) for _, value in each]
        return [{name: one[place] for (name, _), one in zip(each, columns, strict=True)} for place in range(len(items))]

    return pick


def _sort(reader: Reader) -> Evaluate:
    items, keys = reader.items(), reader.keys("by")
    is_descending = reader.word("order", ("asc", "desc")) == "desc"

    def run(scope: Scope, meter: Meter) -> Json:
        listed = items(scope, meter)
        return rows.ordered(listed, [key.values(listed, scope, meter) for key in keys], is_descending=is_descending)

    return run


def _group(reader: Reader) -> Evaluate:
    items, keys = reader.items(), reader.keys("by")

    def run(scope: Scope, meter: Meter) -> Json:
        listed = items(scope, meter)
        return rows.grouped(listed, _keys(listed, keys, scope, meter), meter)

    return run


def _deduplicate(reader: Reader) -> Evaluate:
    items, keys = reader.items(), reader.keys("by")

    def run(scope: Scope, meter: Meter) -> Json:
        listed = items(scope, meter)
        return rows.distinct(listed, _keys(listed, keys, scope, meter), meter)

    return run


def _keys(items: Items, keys: Sequence[Each], scope: Scope, meter: Meter) -> Items:
    """The key of each item: the one value, or the list of them when there are several."""
    columns = [key.values(items, scope, meter, size()) for key in keys]
    return columns[0] if len(columns) == 1 else [list(key) for key in zip(*columns, strict=True)]


def _flatten(reader: Reader) -> Evaluate:
    items, depth = reader.items(), reader.given("depth", 1)
    if type(depth) is not int or not 1 <= depth <= MAX_DEPTH:
        raise ExpressionError(f"'depth' cannot be {describe(depth)}", f"Write 1 to {MAX_DEPTH}.")
    return lambda scope, meter: rows.flattened(items(scope, meter), depth)


def _aggregate(reader: Reader) -> Evaluate:
    items, sums = reader.items(), _sums(reader)
    keys = reader.keys("by") if reader.given("by") is not None else None
    if keys is not None and any(name == "key" for name, _, _ in sums):
        message = "'values' cannot hold 'key', which is the key of the group"
        raise _of_option(ExpressionError(message, "Take another name."), "values")

    def run(scope: Scope, meter: Meter) -> Json:
        listed = items(scope, meter)
        columns = [listed if value is None else value.values(listed, scope, meter) for _, _, value in sums]

        def row(places: Sequence[int]) -> dict[str, Json]:
            made: dict[str, Json] = {}
            for (name, how, value), one in zip(sums, columns, strict=True):
                try:
                    made[name] = len(places) if value is None else AGGREGATES[how]([one[place] for place in places])
                except ExpressionError as error:
                    raise error.at(name) from None
            return made

        if keys is None:
            return row(range(len(listed)))
        values = _keys(listed, keys, scope, meter)
        return [{"key": values[places[0]], **row(places)} for places in rows.buckets(values, meter)]

    return run


def _sums(reader: Reader) -> list[tuple[str, str, Each | None]]:
    """Name, operation and what it is over of each value; None counts the items."""
    given = reader.given("values")
    form = "Write {orders: count, total: {sum: price}}."
    if not isinstance(given, dict) or not given:
        raise ExpressionError(f"'values' must be a mapping of names, not {describe(given)}", form)
    sums: list[tuple[str, str, Each | None]] = []
    for name, value in given.items():
        place = join("values", name)
        if value == "count":
            sums.append((name, "count", None))
            continue
        if not isinstance(value, dict) or len(value) != 1:
            raise ExpressionError(f"{place!r} must be count, or one operation and what it is over", form)
        how, over = next(iter(value.items()))
        if how not in AGGREGATES:
            raise ExpressionError(f"{place!r}: there is no {how!r}", near(how, AGGREGATES))
        sums.append((name, how, reader.by(over, join(place, how))))
    return sums


def _join(reader: Reader) -> Evaluate:
    left, right = reader.items("left"), reader.items("right")
    how = cast("How", reader.word("how", ("inner", "left", "outer")))
    left_by, right_by, shared = _on(reader)

    def side(name: str, items: Items, keys: Sequence[Each], scope: Scope, meter: Meter) -> Side:
        try:
            columns = [key.values(items, scope, meter, size()) for key in keys]
        except ExpressionError as error:
            raise error.at(name) from None
        return Side(rows=rows.objects(items, f"{name!r}"), keys=[list(key) for key in zip(*columns, strict=True)])

    def run(scope: Scope, meter: Meter) -> Json:
        one = side("left", left(scope, meter), left_by, scope, meter)
        other = side("right", right(scope, meter), right_by, scope, meter)
        return joined(one, other, how, shared, meter)

    return run


def _on(reader: Reader) -> tuple[list[Each], list[Each], list[str]]:
    """What each side is joined on, and the fields of the same name in both."""
    on = reader.given("on")
    if isinstance(on, dict):
        if set(on) != {"left", "right"}:
            raise ExpressionError("'on' must have left and right", "Write {left: user_id, right: id}, or one name.")
        return [reader.key(on["left"], "on.left")], [reader.key(on["right"], "on.right")], []
    keys = reader.keys("on")
    names = [str(name).strip() for name in (on if isinstance(on, list) else [on])]
    return keys, keys, [name for name in names if name.isidentifier()]


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation's compiler, the options it needs and those it may have."""

    compile: Callable[[Reader], Evaluate]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "set": _Operation(_set, (), ("value",)),
    "select": _Operation(_select, ("input", "fields")),
    "map": _Operation(_map, ("input", "value")),
    "filter": _Operation(_filter, ("input", "condition")),
    "sort": _Operation(_sort, ("input",), ("by", "order")),
    "group": _Operation(_group, ("input", "by")),
    "aggregate": _Operation(_aggregate, ("input", "values"), ("by",)),
    "deduplicate": _Operation(_deduplicate, ("input",), ("by",)),
    "flatten": _Operation(_flatten, ("input",), ("depth",)),
    "join": _Operation(_join, ("left", "right", "on"), ("how",)),
}
OPERATIONS: Final = tuple(_OPERATIONS)
OPTIONS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    name: (one.required, one.optional) for name, one in _OPERATIONS.items()
}  # the fields each operation needs, and those it may have
