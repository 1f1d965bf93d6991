"""Transforms: what each operation gives, what it refuses, and that it changes nothing it is given."""

from __future__ import annotations

from collections import ChainMap
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.workflow import transforms
from trackrecord.workflow.conditions import compile_condition
from trackrecord.workflow.expressions import ExpressionError, MissingPath, TypeMismatch
from trackrecord.workflow.references import Reference
from trackrecord.workflow.transforms import OPERATIONS, compile_transform

ORDERS: list[dict[str, Any]] = [
    {"id": 1, "who": "ann", "price": 2.5, "at": "2030-01-03", "tags": ["a", "b"]},
    {"id": 2, "who": "bob", "price": 10, "at": "2030-01-01", "tags": []},
    {"id": 3, "who": "ann", "price": None, "at": "2030-01-02", "tags": ["a"]},
]
USERS: list[dict[str, Any]] = [{"who": "ann", "id": 70, "city": "Bern"}, {"who": "eve", "id": 71, "city": "Rome"}]
SCOPE: dict[str, Any] = {
    "inputs": {"orders": ORDERS, "users": USERS, "n": 3, "text": "abc", "none": None, "object": {"items": [1]}},
    "steps": ChainMap({}, {"s": {"data": {"rows": [3, 1, 2]}, "status": "completed", "error": None}}),
    "vars": ChainMap({"limit": 5}),
    "item": "outer",
    "index": 7,
    "row": {"id": "alias"},
}


def _applied(operation: str, **options: Json) -> Any:
    given_options: dict[str, Json] = {name.rstrip("_"): value for name, value in options.items()}
    if operation not in ("set", "join"):
        given_options.setdefault("input", "{{ inputs.orders }}")
    return compile_transform(operation, given_options).apply(SCOPE)


def _words(operation: str, options: dict[str, Json]) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_transform(operation, options).apply(SCOPE)
    return f"{caught.value.message} | {caught.value.cure}"


# ------------------------------------------------------------------------------------------------------------------- set  # noqa: E501


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("{{ inputs.n + 1 }}", 4),
        ("plain", "plain"),
        (None, None),
        ({"n": "{{ inputs.n }}", "who": "{{ item }}", "list": [1, "{{ vars.limit }}"]}, {"n": 3, "who": "outer", "list": [1, 5]}),  # noqa: E501
    ],
)  # fmt: skip
def test_set_gives_its_value(value: Json, data: Json) -> None:
    """Any template is a value, a constant too."""
    assert data == _applied("set", value=value)


# ---------------------------------------------------------------------------------------------------------------- select  # noqa: E501


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        (["id"], [{"id": 1}, {"id": 2}, {"id": 3}]),
        (["price", "id"], [{"price": 2.5, "id": 1}, {"price": 10, "id": 2}, {"price": None, "id": 3}]),
        ({"n": "id", "first": "default(item.tags[0], '-')"}, [{"n": 1, "first": "a"}, {"n": 2, "first": "-"}, {"n": 3, "first": "a"}]),  # noqa: E501
        ({"place": "index + 1", "who": "{{ upper(item.who) }}"}, [{"place": 1, "who": "ANN"}, {"place": 2, "who": "BOB"}, {"place": 3, "who": "ANN"}]),  # noqa: E501
    ],
)  # fmt: skip
def test_select_keeps_fields(fields: Json, data: Json) -> None:
    """Names are kept as they are, a mapping renames and computes."""
    assert data == _applied("select", fields=fields)


def test_select_takes_one_object_as_well() -> None:
    """What is done to every item can be done to one."""
    assert {"n": 3} == _applied("select", input="{{ inputs }}", fields=["n"])
    assert {"double": 6} == _applied("select", input={"a": "{{ inputs.n }}"}, fields={"double": "item.a * 2"})


def test_select_fills_up_with_null_but_answers_a_misspelt_field() -> None:
    """Every object of the result has the same fields; a field that no item has is a mistake."""
    items: Json = [{"a": 1}, {"a": 2, "b": 3}]

    assert [{"b": None}, {"b": 3}] == _applied("select", input=items, fields=["b"])
    assert [] == _applied("select", input=[], fields=["b"])
    assert "select: no item has the field 'prcie' | Did you mean 'price'?" == _words(
        "select", {"input": "{{ inputs.orders }}", "fields": ["prcie"]}
    )


# ----------------------------------------------------------------------------------------------------------- map, filter  # noqa: E501


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("id", [1, 2, 3]),
        ("item.id * 2", [2, 4, 6]),
        ("{{ item.id }}", [1, 2, 3]),
        ("{{ index }}: {{ item.who }}", ["0: ann", "1: bob", "2: ann"]),
        ({"id": "{{ item.id }}", "limit": "{{ vars.limit }}"}, [{"id": n, "limit": 5} for n in (1, 2, 3)]),
        (["{{ item.id }}", "x"], [[1, "x"], [2, "x"], [3, "x"]]),
        ("item.tags[0:1]", [["a"], [], ["a"]]),
        ("{{ row.id }}", ["alias"] * 3),
        ("inputs.n", [3, 3, 3]),
        ("item", ORDERS),
    ],
)
def test_map_gives_a_value_for_every_item(value: Json, data: Json) -> None:
    """The value is a template, or an expression without braces; `item` and `index` are the transform's own."""
    assert data == _applied("map", value=value)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("item.who == 'ann'", [1, 3]),
        ("{{ index > 0 }}", [2, 3]),
        ({"field": "item.price", "operator": "greater_than", "value": "{{ inputs.n }}"}, None),
        ({"all": [{"field": "item.price", "operator": "exists"}, "item.price > inputs.n"]}, [2]),
        (True, [1, 2, 3]),
        (False, []),
    ],
)
def test_filter_keeps_the_items_for_which_a_condition_holds(condition: Json, ids: list[int] | None) -> None:
    """Any form of condition is asked for every item; a value it cannot take is an error that names the item."""
    if ids is None:
        with pytest.raises(TypeMismatch, match="filter: item 2: null and the number 3 have no order"):
            _applied("filter", condition=condition)
    else:
        assert ids == [item["id"] for item in _applied("filter", condition=condition)]


# ------------------------------------------------------------------------------------------------------------------ sort  # noqa: E501


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"by": "at"}, [2, 3, 1]),
        ({"by": "item.at"}, [2, 3, 1]),
        ({"by": "price"}, [1, 2, 3]),
        ({"by": "price", "order": "desc"}, [2, 1, 3]),
        ({"by": "who"}, [1, 3, 2]),
        ({"by": "who", "order": "desc"}, [2, 1, 3]),
        ({"by": ["who", "at"]}, [3, 1, 2]),
        ({"by": ["who", "price"], "order": "desc"}, [2, 1, 3]),
        ({"by": "-index"}, [3, 2, 1]),
        ({"by": "len(item.tags)"}, [2, 3, 1]),
    ],
)
def test_sort_orders_the_items(options: dict[str, Json], ids: list[int]) -> None:
    """Equal items keep their order in both directions, null comes last in both."""
    assert ids == [item["id"] for item in _applied("sort", **options)]


@pytest.mark.parametrize(
    ("items", "data"),
    [
        ([3, 1.5, 2], [1.5, 2, 3]),
        (["b", "a", None], ["a", "b", None]),
        (["10", "9", 8], [8, "9", "10"]),
        (["10", "9", "5x"], ["10", "5x", "9"]),
        ([True, False], [False, True]),
        ([None, None], [None, None]),
        ([], []),
    ],
)
def test_sort_without_a_key_orders_plain_values(items: Json, data: Json) -> None:
    """Numbers, texts that look like numbers, texts: decided once for all values."""
    assert data == _applied("sort", input=items)


@pytest.mark.parametrize("items", [[1, "a"], [1, True], [[1], [2]], [{}, 1], ["a", 1, 2]])
def test_sort_refuses_what_has_no_order(items: Json) -> None:
    """There is no silent order between kinds."""
    with pytest.raises(TypeMismatch, match=r"sort: the keys: .* have no order"):
        _applied("sort", input=items)


# ----------------------------------------------------------------------------------------- group, aggregate, deduplicate  # noqa: E501


def test_group_puts_the_items_of_a_key_together() -> None:
    """Groups come in the order of their first item, with what they hold and how many."""
    assert [
        {"key": "ann", "items": [ORDERS[0], ORDERS[2]], "count": 2},
        {"key": "bob", "items": [ORDERS[1]], "count": 1},
    ] == _applied("group", by="who")


@pytest.mark.parametrize(
    ("items", "keys"),
    [
        ([1, 1.0, True, "1", None, 0, False], [1, True, "1", None, 0, False]),
        ([[1], [1.0], [True], {"a": 1, "b": 2}, {"b": 2.0, "a": 1}], [[1], [True], {"a": 1, "b": 2}]),
    ],
)
def test_keys_are_told_apart_as_equals_does(items: Json, keys: list[Json]) -> None:
    """1 and 1.0 are one key, 1 and true are two."""
    found = [group["key"] for group in _applied("group", input=items, by="item")]

    assert [(key, type(key)) for key in keys] == [(key, type(key)) for key in found]
    assert keys == _applied("deduplicate", input=items)


def test_several_keys_are_a_list() -> None:
    """A group by two things has both as its key."""
    found = _applied("group", by=["who", "len(item.tags) > 1"])

    assert [["ann", True], ["bob", False], ["ann", False]] == [group["key"] for group in found]


_VALUES: dict[str, Json] = {
    "orders": "count",
    "priced": {"count": "price"},
    "total": {"sum": "price"},
    "mean": {"average": "price"},
    "least": {"min": "at"},
    "most": {"max": "price"},
    "start": {"first": "id"},
    "end": {"last": "price"},
    "tags": {"sum": "len(item.tags)"},
}


def test_aggregate_gives_one_object() -> None:
    """Null is left out of sums, averages, least and most; `count` alone counts the items."""
    assert {
        "orders": 3,
        "priced": 2,
        "total": 12.5,
        "mean": 6.25,
        "least": "2030-01-01",
        "most": 10,
        "start": 1,
        "end": None,
        "tags": 3,
    } == _applied("aggregate", values=_VALUES)


def test_aggregate_gives_one_object_for_each_group() -> None:
    """With `by` each object has its key; what is unknown in a group is null and not 0."""
    values: Json = {"n": "count", "total": {"sum": "price"}, "last": {"last": "price"}}

    assert [
        {"key": "ann", "n": 2, "total": 2.5, "last": None},
        {"key": "bob", "n": 1, "total": 10, "last": 10},
    ] == _applied("aggregate", by="who", values=values)
    assert [None, 2.5, 10] == sorted(
        (row["total"] for row in _applied("aggregate", by="id", values=values)), key=lambda x: x or 0
    )


def test_aggregates_of_nothing() -> None:
    """No items sum to 0 and have no average, least, most, first or last."""
    assert {
        "orders": 0,
        "priced": 0,
        "total": 0,
        "mean": None,
        "least": None,
        "most": None,
        "start": None,
        "end": None,
        "tags": 0,
    } == _applied("aggregate", input=[], values=_VALUES)
    assert [] == _applied("aggregate", input=[], by="who", values=_VALUES)


def test_deduplicate_keeps_the_first() -> None:
    """By a key, or by the whole item."""
    assert [1, 2] == [item["id"] for item in _applied("deduplicate", by="who")]
    assert [3, 1, 2] == _applied("deduplicate", input="{{ steps.s.data.rows + [1.0, 3] }}")
    assert [] == _applied("deduplicate", input=[])


# --------------------------------------------------------------------------------------------------------------- flatten  # noqa: E501


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({}, [1, 2, [3, [4]], {"a": [5]}]),
        ({"depth": 1}, [1, 2, [3, [4]], {"a": [5]}]),
        ({"depth": 2}, [1, 2, 3, [4], {"a": [5]}]),
        ({"depth": 50}, [1, 2, 3, 4, {"a": [5]}]),
    ],
)
def test_flatten_takes_lists_apart(options: dict[str, Json], data: Json) -> None:
    """Only lists are taken apart, and only so many levels deep."""
    assert data == _applied("flatten", input=[1, [2, [3, [4]]], [], {"a": [5]}], **options)


# ------------------------------------------------------------------------------------------------------------------ join  # noqa: E501

_ANN: dict[str, Json] = {"who": "ann", "right_id": 70, "city": "Bern"}
_NOBODY: dict[str, Json] = {"right_id": None, "city": None}


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("inner", [{**ORDERS[0], **_ANN}, {**ORDERS[2], **_ANN}]),
        ("left", [{**ORDERS[0], **_ANN}, {**ORDERS[1], **_NOBODY}, {**ORDERS[2], **_ANN}]),
        (
            "outer",
            [
                {**ORDERS[0], **_ANN},
                {**ORDERS[1], **_NOBODY},
                {**ORDERS[2], **_ANN},
                {**dict.fromkeys(ORDERS[0]), "who": "eve", "right_id": 71, "city": "Rome"},
            ],
        ),
    ],
)
def test_join_puts_rows_side_by_side(how: Json, rows: Json) -> None:
    """Every row has the same fields; the right side's namesakes are told apart, what is not there is null."""
    assert rows == _applied("join", left="{{ inputs.orders }}", right="{{ inputs.users }}", on="who", how=how)


def test_join_is_inner_and_by_different_names_if_asked() -> None:
    """The two sides may call the same thing by different names; then both stay."""
    left: Json = [{"user": 1, "n": "a"}, {"user": 2, "n": "b"}, {"user": None, "n": "c"}]
    right: Json = [{"id": 2.0, "city": "Rome"}, {"id": None, "city": "?"}]

    assert [{"user": 2, "n": "b", "id": 2.0, "city": "Rome"}] == _applied(
        "join", left=left, right=right, on={"left": "user", "right": "item.id"}
    )


def test_join_by_several_names() -> None:
    """All of them must be equal; a key with null in it matches nothing, not even null."""
    left: Json = [{"a": 1, "b": 1, "x": 1}, {"a": 1, "b": None, "x": 2}]
    right: Json = [{"a": 1, "b": 1, "y": 1}, {"a": 1, "b": 1, "y": 2}, {"a": 1, "b": None, "y": 3}]

    assert [
        {"a": 1, "b": 1, "x": 1, "y": 1},
        {"a": 1, "b": 1, "x": 1, "y": 2},
        {"a": 1, "b": None, "x": 2, "y": None},
        {"a": 1, "b": None, "x": None, "y": 3},
    ] == _applied("join", left=left, right=right, on=["a", "b"], how="outer")


def test_join_never_overwrites() -> None:
    """When a name for the right side's field is taken as well, it is said and not lost."""
    assert (
        "join: both sides have a field 'x', and 'right_x' is taken | Rename one with select first."
        == _words("join", {"left": [{"k": 1, "x": 1}], "right": [{"k": 1, "x": 2, "right_x": 3}], "on": "k"})
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("operation", "options", "words"),
    [
        ("flter", {}, "there is no operation 'flter' | Did you mean 'filter'?"),
        ("set", {}, "'value' is missing; set needs it | A value may also be null."),
        ("map", {"input": []}, "'value' is missing; map needs it | "),
        ("filter", {"input": [], "where": "true"}, "filter has no field 'where' | Known: input, condition."),
        ("sort", {"input": [], "ordre": "asc"}, "sort has no field 'ordre' | Did you mean 'order'?"),
        ("sort", {"input": [], "order": "down"}, "'order' cannot be the text 'down' | Known: asc, desc."),
        ("sort", {"input": [], "order": None}, "'order' cannot be nothing | Known: asc, desc."),
        ("sort", {"input": "rows"}, "'input' is the text 'rows', not data | Write '{{ steps.<id>.data }}'."),
        ("sort", {"input": 3}, "'input' cannot be the number 3 | Write '{{ steps.<id>.data }}'."),
        ("sort", {"input": "{{ 1 +"}, "the {{ in front of '1 +' is never closed | Close it with }}."),
        ("sort", {"input": [], "by": 3}, "'by' must be an expression, not the number 3 | Write by: price."),
        ("sort", {"input": [], "by": []}, "'by' must be an expression, not a list | Write by: price."),
        ("sort", {"input": [], "by": ["a", "1 +"]}, "by[1]: the expression '1 +': cannot be read: invalid syntax | "),
        ("group", {"input": [], "by": "inputs.n"}, "'by' is the same for every item | Use `item` in it, like item.name."),  # noqa: E501
        ("flatten", {"input": [], "depth": 0}, "'depth' cannot be the number 0 | Write 1 to 50."),
        ("flatten", {"input": [], "depth": True}, "'depth' cannot be true | Write 1 to 50."),
        ("select", {"input": [], "fields": "id"}, "'fields' must name fields, not the text 'id' | Write [id, name], or {id: user.id}."),  # noqa: E501
        ("select", {"input": [], "fields": {}}, "'fields' must name fields, not a mapping | Write [id, name], or {id: user.id}."),  # noqa: E501
        ("select", {"input": [], "fields": {"a": 1}}, "'fields.a' must be an expression, not the number 1 | Write fields.a: price."),  # noqa: E501
        ("aggregate", {"input": [], "values": []}, "'values' must be a mapping of names, not a list | Write {orders: count, total: {sum: price}}."),  # noqa: E501
        ("aggregate", {"input": [], "values": {"a": "sum"}}, "'values.a' must be count, or one operation and what it is over | Write {orders: count, total: {sum: price}}."),  # noqa: E501
        ("aggregate", {"input": [], "values": {"a": {"avg": "x"}}}, "'values.a': there is no 'avg' | Known: count, sum, average, min, max, first, last."),  # noqa: E501
        ("aggregate", {"input": [], "values": {"key": "count"}, "by": "x"}, "'values' cannot hold 'key', which is the key of the group | Take another name."),  # noqa: E501
        ("join", {"left": [], "right": [], "on": {"left": "a"}}, "'on' must have left and right | Write {left: user_id, right: id}, or one name."),  # noqa: E501
        ("join", {"left": [], "right": [], "on": "a", "how": "cross"}, "'how' cannot be the text 'cross' | Known: inner, left, outer."),  # noqa: E501
        ("join", {"left": [], "on": "a"}, "'right' is missing; join needs it | "),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_when_it_is_compiled(operation: str, options: dict[str, Json], words: str) -> None:
    """What is missing, unknown or impossible is named, with what to write."""
    with pytest.raises(ExpressionError) as caught:
        compile_transform(operation, options)

    assert words == f"{caught.value.message} | {caught.value.cure}"


@pytest.mark.parametrize(
    ("operation", "options", "words"),
    [
        ("sort", {"input": "{{ inputs.n }}"}, "sort: 'input' must be a list, but gives a number | Point it at a list, like {{ steps.fetch.data.items }}."),  # noqa: E501
        ("map", {"input": "{{ inputs.object }}", "value": "item"}, "map: 'input' must be a list, but gives an object | Perhaps its 'items' was meant."),  # noqa: E501
        ("filter", {"input": "{{ inputs.none }}", "condition": "true"}, "filter: 'input' must be a list, but gives null | Point it at a list, like {{ steps.fetch.data.items }}."),  # noqa: E501
        ("filter", {"input": [1], "condition": "item"}, "filter: item 0: the condition 'item' must be true or false, not the number 1 | Compare it, like `… > 0`."),  # noqa: E501
        ("map", {"input": [{"a": 1}, {}], "value": "a"}, "map: item 1: item.a is missing: item has no 'a' | If it may be missing, write default(item.a, …)."),  # noqa: E501
        ("select", {"input": [1], "fields": ["a"]}, "select: 'input' must hold objects, but item 0 is a number | "),
        ("aggregate", {"input": [{"a": "x"}], "values": {"t": {"sum": "a"}}}, "aggregate: t: one of the values is the text 'x' | "),  # noqa: E501
        ("join", {"left": [{"k": 1}], "right": [2], "on": "k"}, "join: right: item 0: item.k is missing: item is a number and has no 'k' | If it may be missing, write default(item.k, …)."),  # noqa: E501
        ("join", {"left": [1], "right": [], "on": "item"}, "join: 'left' must hold objects, but item 0 is a number | "),
        ("set", {"value": "{{ inputs.nn }}"}, "set: inputs.nn is missing: inputs has no 'nn' | Known: orders, users, n, text, none, object. If it may be missing, write default(inputs.nn, …)."),  # noqa: E501
    ],
)  # fmt: skip
def test_data_of_the_wrong_kind_is_named(operation: str, options: dict[str, Json], words: str) -> None:
    """The operation, the item and what was expected stand in the message."""
    assert words == _words(operation, options)


# ---------------------------------------------------------------------------------------------------------------- bounds  # noqa: E501

_LONG = [0] * 100_001
_WIDE = [{"k": 1, "n": n} for n in range(1_000)]
_DEEP = [[0, None] * 500] * 1_000
_TOO_MUCH = "this looks at more than 10,000,000 values"


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("sort", {"input": "{{ long }}"}, "'input' has more than 100,000 entries"),
        ("flatten", {"input": "{{ [deep, deep] }}", "depth": 3}, "the flattened list has more than 100,000 entries"),
        ("join", {"left": "{{ wide }}", "right": "{{ wide }}", "on": "k"}, "the joined list has more than 100,000 entries"),  # noqa: E501
        ("map", {"input": "{{ deep }}", "value": ["{{ deep }}"]}, "the result holds more than 2,000,000 values"),
        ("map", {"input": "{{ deep }}", "value": "{{ deep }}"}, "the result holds more than 2,000,000 values"),
        ("group", {"input": "{{ wide }}", "by": "[item, deep]"}, "the result holds more than 2,000,000 values"),
        ("filter", {"input": "{{ wide }}", "condition": "deep == copy"}, _TOO_MUCH),
        ("filter", {"input": "{{ long[1:] }}", "condition": "true" + " and true" * 120}, _TOO_MUCH),
        ("deduplicate", {"input": "{{ [deep] * 100000 }}"}, _TOO_MUCH),
    ],
)  # fmt: skip
def test_the_work_and_the_result_are_bounded(operation: str, options: dict[str, Json], message: str) -> None:
    """Lists, results and the work over all items have limits, which give the same error every time."""
    scope: dict[str, Any] = {"long": _LONG, "wide": _WIDE, "deep": _DEEP, "copy": list(_DEEP)}
    transform = compile_transform(operation, options)
    said: set[str] = set()
    for _ in range(2):
        with pytest.raises(ExpressionError) as caught:
            transform.apply(scope)
        said.add(str(caught.value))

    assert 1 == len(said)
    assert said.pop().endswith(message)


def test_a_hundred_thousand_items_are_within_the_bounds() -> None:
    """The longest list goes through every operation."""
    items = [{"n": n, "k": n % 7} for n in range(100_000)]
    scope = {"l": items}

    def applied(operation: str, **options: Json) -> Any:
        return compile_transform(operation, {"input": "{{ l }}", **options}).apply(scope)

    assert 100_000 == len(
        applied("map", value={"n": "{{ item.n }}", "double": "{{ item.n * 2 }}", "k": "{{ item.k }}"})
    )
    assert 14_286 == len(applied("filter", condition="item.k == 0 and item.n >= 0"))
    assert items == applied("sort", by="n")
    assert 7 == len(applied("group", by="k"))
    assert {"t": 4_999_950_000} == applied("aggregate", values={"t": {"sum": "n"}})
    assert 100_000 == len(applied("deduplicate"))
    assert 100_000 == len(applied("select", fields=["n"]))
    join = compile_transform("join", {"left": "{{ l }}", "right": "{{ l }}", "on": "n"})
    assert 100_000 == len(join.apply(scope))  # type: ignore[arg-type]  # a list


# ------------------------------------------------------------------------------------------------------------- compiling  # noqa: E501


def test_references_of_the_items_are_the_transforms_own() -> None:
    """What is outside the items is listed for the check of the grammar; `item` and `index` of the items are not."""
    transform = compile_transform(
        "filter",
        {
            "input": "{{ steps.a.data }}",
            "condition": "item.x > vars.limit and index < inputs.n and steps.a.data != null",
        },
    )
    outer = compile_transform("map", {"input": "{{ item.rows }}", "value": "{{ item.x }} of {{ row.name }}"})

    assert (
        Reference("steps", ("a", "data")),
        Reference("vars", ("limit",)),
        Reference("inputs", ("n",)),
    ) == transform.references
    assert (Reference("item", ("rows",)), Reference("row", ("name",))) == outer.references


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_that_is_given_is_changed(operation: str) -> None:
    """Neither the data nor the options of a step are other ones afterwards."""
    options: dict[str, dict[str, Json]] = {
        "set": {"value": {"a": "{{ inputs.orders }}", "b": [1]}},
        "select": {"input": "{{ inputs.orders }}", "fields": ["id", "tags"]},
        "map": {"input": "{{ inputs.orders }}", "value": {"x": "{{ item.tags }}"}},
        "filter": {"input": "{{ inputs.orders }}", "condition": "item.id > 1"},
        "sort": {"input": "{{ inputs.orders }}", "by": "price", "order": "desc"},
        "group": {"input": "{{ inputs.orders }}", "by": "who"},
        "aggregate": {"input": "{{ inputs.orders }}", "values": {"a": {"sum": "price"}}},
        "deduplicate": {"input": "{{ inputs.orders }}", "by": "who"},
        "flatten": {"input": [[1], [[2]]], "depth": 2},
        "join": {"left": "{{ inputs.orders }}", "right": "{{ inputs.users }}", "on": "who", "how": "outer"},
    }
    before = deepcopy((SCOPE["inputs"], options[operation]))
    transform = compile_transform(operation, options[operation])
    results = [transform.apply(SCOPE), transform.apply(SCOPE)]

    assert results[0] == results[1]
    assert before == (SCOPE["inputs"], options[operation])
    assert transform == compile_transform(operation, options[operation])


def test_the_operations_are_those_of_the_documentation() -> None:
    """The table in the module's docstring has a row for each."""
    table = (transforms.__doc__ or "").split("gives\n")[1]

    assert list(OPERATIONS) == [
        line.split()[0] for line in table.splitlines() if line.startswith("    ") and line[4] != " "
    ]


# ------------------------------------------------------------------------------------------------------ what always holds  # noqa: E501

_values = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5, "1", "9", "10", "a", ""])
_rows = st.lists(st.fixed_dictionaries({"k": _values, "n": st.integers(0, 5)}), max_size=8)


@given(_rows)
def test_grouping_keeps_every_item_once(rows: list[Json]) -> None:
    """The groups together are the items, the counts add up, and no two groups have equal keys."""
    groups: Any = compile_transform("group", {"input": "{{ l }}", "by": "k"}).apply({"l": rows})
    distinct: Any = compile_transform("deduplicate", {"input": "{{ l }}", "by": "k"}).apply({"l": rows})

    assert sorted(map(id, rows)) == sorted(id(item) for group in groups for item in group["items"])
    assert len(rows) == sum(group["count"] for group in groups)
    assert [group["items"][0] for group in groups] == distinct
    same = compile_condition("a == b")
    assert not any(
        same.holds({"a": one["key"], "b": other["key"]}) for one in groups for other in groups if one is not other
    )


@given(st.lists(st.integers(-5, 5) | st.none(), max_size=10), st.booleans())
def test_sorting_is_stable_and_loses_nothing(numbers: list[int | None], is_descending: bool) -> None:
    """The result is Python's own stable sort of what is known, then what is null."""
    rows: list[dict[str, Json]] = [{"k": number, "place": place} for place, number in enumerate(numbers)]
    options: dict[str, Json] = {"input": "{{ l }}", "by": "k", "order": "desc" if is_descending else "asc"}
    known = [row for row in rows if row["k"] is not None]
    expected = sorted(known, key=lambda row: row["k"], reverse=is_descending)  # type: ignore[arg-type,return-value]  # known

    assert expected + [row for row in rows if row["k"] is None] == compile_transform("sort", options).apply({"l": rows})


@given(_rows, _rows)
def test_joins_contain_each_other(left: list[Json], right: list[Json]) -> None:
    """Inner is within left, left within outer; outer has every row of both sides."""
    scope = {"a": left, "b": right}

    def joined(how: str) -> Any:
        options: dict[str, Json] = {"left": "{{ a }}", "right": "{{ b }}", "on": "k", "how": how}
        return compile_transform("join", options).apply(scope)

    inner, with_left, outer = joined("inner"), joined("left"), joined("outer")
    assert all(row in with_left for row in inner)
    assert with_left == outer[: len(with_left)]
    assert len(outer) >= max(len(left), len(right))
    assert len({tuple(row) for row in outer}) <= 1


_words_of_options = st.sampled_from(
    "input value fields condition by order depth values left right on how extra".split()
)
_options = st.recursive(
    _values
    | st.sampled_from(["{{ l }}", "{{ item.k }}", "k", "item", "asc", "count", "1 +", "{{", "inner", "{{ o }}"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("k sum left right".split()), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.sampled_from(OPERATIONS), st.dictionaries(_words_of_options, _options, max_size=5), _rows)
def test_any_options_are_a_transform_or_an_expression_error(
    operation: str, options: dict[str, Json], rows: list[Json]
) -> None:
    """User text and data never raise anything else."""
    options.setdefault("input", "{{ l }}")
    try:
        compile_transform(operation, options).apply({"l": rows, "o": {"a": rows}})
    except ExpressionError as error:
        said = f"{error.message}{error.cure}"
    else:
        said = "applied"

    assert said
    assert "\n" not in said


def test_an_error_in_an_item_stays_the_error_it_is() -> None:
    """What forgives a missing path or a mismatch elsewhere can tell them apart here as well."""
    with pytest.raises(MissingPath):
        _applied("map", value="item.nowhere")
