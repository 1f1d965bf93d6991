"""Conditions: the forms they have, what each operator asks, and that only true is true."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.workflow.conditions import compile_condition
from trackrecord.workflow.expressions import ExpressionError, MissingPath, TypeMismatch
from trackrecord.workflow.questions import NAMES
from trackrecord.workflow.references import Reference

SCOPE: dict[str, Any] = {
    "inputs": {"n": 3, "t": "abc", "l": [1, "x", None], "d": {"a": 1}, "none": None, "yes": True, "when": "2030-01-10"},
    "steps": {"a": {"data": {"count": 5}, "status": "completed", "error": None}},
    "now": datetime(2030, 1, 31, 12, 0, tzinfo=UTC),
}


def _holds(value: Json, **roots: Any) -> bool:
    return compile_condition(value).holds({**SCOPE, **roots})


def _words(value: Json) -> str:
    with pytest.raises(ExpressionError) as caught:
        _holds(value)
    return f"{caught.value.message} | {caught.value.cure}"


# --------------------------------------------------------------------------------------------------------- as expression  # noqa: E501


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("inputs.n > 2", True),
        ("{{ inputs.n > 2 }}", True),
        ("  {{ inputs.n > 2 }}\n", True),
        ("{{ inputs.n }} > 2", True),
        ("{{ inputs.n }} > {{ steps.a.data.count }}", False),
        ("not {{ inputs.n == 3 or inputs.n == 4 }}", False),
        ("{{ inputs.t }} == '}}'", False),
        ("inputs.t == 'abc' and contains(inputs.l, 'x')", True),
        ("inputs.yes", True),
        ("true", True),
        (True, True),
        (False, False),
    ],
)
def test_an_expression_is_a_condition(condition: Json, holds: bool) -> None:
    """Braces around the whole, around its parts, or none: it is the same expression."""
    assert holds is _holds(condition)


def test_a_part_in_braces_is_a_value_and_never_text() -> None:
    """Data that looks like an expression cannot change what a condition asks."""
    assert not _holds("{{ inputs.t }} == 'x'", inputs={"t": "'x' == 'x' or true"})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("inputs.n", "the condition 'inputs.n' must be true or false, not the number 3 | Compare it, like `… > 0`."),
        ("inputs.t", "the condition 'inputs.t' must be true or false, not the text 'abc' | Compare it, like `len(…) > 0`."),  # noqa: E501
        ("{{ inputs.none }}", "the condition '{{ inputs.none }}' must be true or false, not null | Compare it, like `… != null`."),  # noqa: E501
        ("inputs.l", "the condition 'inputs.l' must be true or false, not a list | Compare it, like `len(…) > 0`."),
        ("inputs.nn > 1", "the expression 'inputs.nn > 1': inputs.nn is missing: inputs has no 'nn' | Known: n, t, l, d, none, yes, when. If it may be missing, write default(inputs.nn, …)."),  # noqa: E501
        ("", "the expression '': the expression is empty | Write what it should give, like {{ inputs.name }}."),
        ("{{ inputs.n > 1", "the {{ in front of 'inputs.n > 1' is never closed | Close it with }}."),
        ("'{{ inputs.t }}' == 'abc'", "in the text \"'{{ inputs.t }}'\" no reference is read | Remove the quotes inside it."),  # noqa: E501
        (None, "nothing is no condition | Write one like `inputs.count > 0`."),
        (3, "the number 3 is no condition | Write one like `inputs.count > 0`."),
        (["inputs.yes"], "a condition cannot be a list | Write all: […] or any: […]."),
    ],
)  # fmt: skip
def test_what_is_neither_true_nor_false_is_refused(condition: Json, words: str) -> None:
    """The answer is named with its kind, and the cure says how to ask instead."""
    assert words == _words(condition)


# ---------------------------------------------------------------------------------------------------------- all, any, not  # noqa: E501


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"all": ["inputs.yes", True]}, True),
        ({"all": ["inputs.yes", False]}, False),
        ({"any": [False, "inputs.yes"]}, True),
        ({"any": [False, "inputs.n > 5"]}, False),
        ({"not": "inputs.yes"}, False),
        ({"not": {"all": [True, {"any": [False, {"field": "inputs.n", "operator": "equals", "value": 4}]}]}}, True),
        ({"all": [False, "inputs.nowhere"]}, False),
        ({"any": [True, "inputs.nowhere"]}, True),
    ],
)
def test_conditions_are_combined(condition: Json, holds: bool) -> None:
    """Groups nest, and what need not be asked is not asked."""
    assert holds is _holds(condition)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"all": []}, "'all' is empty | Write all: [condition, …]."),
        ({"any": "inputs.yes"}, "'any' must be a list of conditions, not the text 'inputs.yes' | Write any: [condition, …]."),  # noqa: E501
        ({"all": [True], "any": [True]}, "'all' cannot stand beside 'any' | Put one inside the other."),
        ({"not": True, "field": "x"}, "'not' cannot stand beside 'field' | Put one inside the other."),
        ({"all": [True, {"not": "1 +"}]}, "all[1]: not: the expression '1 +': cannot be read: invalid syntax | "),
        ({}, "'field' is missing in a condition | Write {field: …, operator: …, value: …}."),
        ({"field": "inputs.n"}, "'operator' is missing in a condition | Write {field: …, operator: …, value: …}."),
        ({"field": 3, "operator": "equals"}, "'field' must be text, not the number 3 | Write {field: …, operator: …, value: …}."),  # noqa: E501
        ({"feild": "x", "operator": "exists"}, "a condition has no field 'feild' | Did you mean 'field'?"),
        ({"field": "inputs.n", "operator": "equal", "value": 1}, "there is no operator 'equal' | Did you mean 'equals'?"),  # noqa: E501
        ({"field": "inputs.n", "operator": "equals"}, "equals needs a value | Add `value: …`."),
        ({"field": "inputs.n", "operator": "exists", "value": True}, "exists takes no value | Remove `value`."),
        ({"field": "1 +", "operator": "exists"}, "field: the expression '1 +': cannot be read: invalid syntax | "),
        ({"field": "inputs.n", "operator": "equals", "value": "{{ 1 +"}, "value: the {{ in front of '1 +' is never closed | Close it with }}."),  # noqa: E501
        ({"field": "inputs.t", "operator": "matches", "value": "("}, "'(' is no regular expression: 'missing ): (' | Write it in RE2 syntax."),  # noqa: E501
        ({"field": "inputs.t", "operator": "matches", "value": 1}, "matches takes text and text, not the text '' and the number 1 | "),  # noqa: E501
        ({"field": "inputs.when", "operator": "before", "value": "soon"}, "the value of `before` must be a time, not the text 'soon' | Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."),  # noqa: E501
        ({"field": "inputs.when", "operator": "within_last_days", "value": -1}, "within_last_days takes 0 to 1,000,000 days, not the number -1 | "),  # noqa: E501
        ({"field": "inputs.n", "operator": "in", "value": 3}, "in takes a list as value, not the number 3 | Write [a, b]."),  # noqa: E501
        ({"field": "inputs.n", "operator": "contains_any", "value": "x"}, "contains_any takes a list as value, not the text 'x' | Write [a, b]."),  # noqa: E501
    ],
)  # fmt: skip
def test_a_broken_condition_is_refused_when_it_is_compiled(condition: Json, words: str) -> None:
    """The part that is wrong is named by its place, with what to write instead."""
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition)

    assert words == f"{caught.value.message} | {caught.value.cure}"


# ------------------------------------------------------------------------------------------------------------- operators  # noqa: E501

_TRUE: dict[str, list[tuple[Json, Json]]] = {
    "equals": [(1, 1.0), ("a", "a"), (None, None), ([1, {"a": 2}], [1.0, {"a": 2}]), (True, True)],
    "not_equals": [(1, "1"), (1, True), (0, False), (None, False), ("a", "A"), ([1], [1, 2])],
    "greater_than": [(2, 1.5), ("b", "a"), ("10", "9"), ("10", 9), (10, "9.5"), ("5x", "10")],
    "greater_or_equal": [(2, 2.0), ("10", 10), ("a", "a"), ("1.50", "1.5")],
    "less_than": [(1, 2), ("9", "10"), (-1, "0"), ("-2", "-1.5"), ("10", "9x")],
    "less_or_equal": [(2, 2), ("2", 2), ("a", "b")],
    "contains": [("abc", "b"), ([1, "x"], 1.0), ({"a": 1}, "a"), ("abc", "")],
    "contains_any": [("abc", ["z", "c"]), ([1, 2], [3, 2.0]), ({"a": 1}, ["b", "a"])],
    "not_contains": [("abc", "z"), ([1], True), ([1], "1"), ({"a": 1}, "b"), ([], None)],
    "in": [(1, [2, 1.0]), ("a", ["a"]), (None, [None]), ("b", "abc"), ("k", {"k": 1})],
    "not_in": [(1, [True, "1"]), (True, [1]), ("A", ["a"]), (1, [])],
    "matches": [("order 12", r"\d+"), ("abc", "^a.c$"), ("ABC", "(?i)abc")],
    "starts_with": [("abc", "ab"), ("abc", "")],
    "ends_with": [("abc", "bc")],
    "before": [("2030-01-01", "2030-01-02"), ("2030-01-01T00:00:00+02:00", "2030-01-01T00:00:00Z")],
    "after": [("2030-01-01T00:00:01Z", "2030-01-01"), ("2030-01-01t00:00:00.5z", "2030-01-01 00:00:00Z")],
    "within_last_days": [("2030-01-30", 7), ("2030-01-31T12:00:00Z", 0), ("2030-01-30T18:00:00Z", 0.75)],
}
_FALSE: dict[str, list[tuple[Json, Json]]] = {
    "equals": [(1, "1"), (1, True), (0, False), (None, False), ("a", "A"), ([1], [True]), ({}, []), (None, 0)],
    "not_equals": [(1, 1.0), ("a", "a"), (None, None)],
    "greater_than": [(1, 1), ("9", "10"), ("a", "b")],
    "greater_or_equal": [(1, 2), ("9", 10)],
    "less_than": [(1, 1), ("10", "9"), ("5x", "10")],
    "less_or_equal": [(2, 1), ("b", "a")],
    "contains": [("abc", "z"), ([1], True), ([1], "1"), ({"a": 1}, "b")],
    "contains_any": [("abc", ["z"]), ([1], []), ([True], [1])],
    "not_contains": [("abc", "b"), ([1, 2], 2.0)],
    "in": [(1, [True, "1"]), (True, [1]), (1, [])],
    "not_in": [(1, [1.0]), ("b", "abc")],
    "matches": [("order", r"\d"), ("xabc", "^a")],
    "starts_with": [("abc", "b")],
    "ends_with": [("abc", "ab")],
    "before": [("2030-01-01", "2030-01-01"), ("2030-01-02", "2030-01-01")],
    "after": [("2030-01-01", "2030-01-01T00:00:00Z")],
    "within_last_days": [("2030-01-30", 1), ("2030-02-01", 7), ("2029-12-01", 7)],
}


@pytest.mark.parametrize(
    ("operator", "field", "value", "holds"),
    [
        (name, *pair, holds)
        for table, holds in ((_TRUE, True), (_FALSE, False))
        for name in table
        for pair in table[name]
    ],
)
def test_operators_compare_a_field_with_a_value(operator: str, field: Json, value: Json, holds: bool) -> None:
    """Equality keeps types apart, order reads texts that look like numbers, times are RFC 3339."""
    condition: Json = {"field": "inputs.x", "operator": operator, "value": value}
    filled_in: Json = {"field": "{{ inputs.x }}", "operator": operator, "value": "{{ inputs.y }}"}

    assert holds is _holds(condition, inputs={"x": field})
    assert holds is _holds(filled_in, inputs={"x": field, "y": value})


@pytest.mark.parametrize(
    ("operator", "field", "holds"),
    [
        *(("exists", value, True) for value in (0, "", [], False, {})),
        ("exists", None, False),
        ("not_exists", None, True),
        ("not_exists", 0, False),
        *(("is_empty", value, True) for value in (None, "", [], {})),
        *(("is_empty", value, False) for value in (0, False, " ", [None], {"a": None})),
        *(("is_not_empty", value, False) for value in (None, "", [], {})),
        *(("is_not_empty", value, True) for value in (0, False, " ", [None])),
    ],
)
def test_operators_ask_about_a_field_alone(operator: str, field: Json, holds: bool) -> None:
    """Null counts as not there; only texts, lists and objects can be empty beside it."""
    assert holds is _holds({"field": "inputs.x", "operator": operator}, inputs={"x": field})


def test_every_operator_is_tried_here() -> None:
    """The tables above and the operators there are cannot drift apart."""
    alone = {"exists", "not_exists", "is_empty", "is_not_empty"}

    assert set(NAMES) == set(_TRUE) | alone == set(_FALSE) | alone


def test_only_exists_forgives_a_missing_path() -> None:
    """A field that is not there is a mistake for every other operator."""
    for path in ("inputs.nowhere", "steps.a.data.x.y", "steps.zzz.data", "nothing"):
        assert not _holds({"field": path, "operator": "exists"})
        assert _holds({"field": path, "operator": "not_exists"})
        for operator in ("is_empty", "is_not_empty"):
            with pytest.raises(MissingPath):
                _holds({"field": path, "operator": operator})
    with pytest.raises(MissingPath):
        _holds({"field": "inputs.nowhere", "operator": "equals", "value": None})


@pytest.mark.parametrize("operator", ["greater_than", "greater_or_equal", "less_than", "less_or_equal"])
@pytest.mark.parametrize(
    ("field", "value"),
    [(1, "a"), ("a", 1), (True, 1), (1, True), (None, 1), ("a", None), ([1], [1]), ({}, 1), (True, False), (1, "1e3")],
)
def test_what_has_no_order_is_a_type_mismatch(operator: str, field: Json, value: Json) -> None:
    """The order operators take numbers, texts, and a text that looks like a number beside a number."""
    with pytest.raises(TypeMismatch, match="have no order"):
        _holds({"field": "inputs.x", "operator": operator, "value": value}, inputs={"x": field})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"field": "inputs.n", "operator": "contains", "value": 1}, "only text, a list or an object can contain something, not the number 3 | "),  # noqa: E501
        ({"field": "inputs.n", "operator": "matches", "value": "3"}, "matches takes text and text, not the number 3 and the text '3' | "),  # noqa: E501
        ({"field": "inputs.t", "operator": "starts_with", "value": "{{ inputs.n }}"}, "starts_with takes text and text, not the text 'abc' and the number 3 | "),  # noqa: E501
        ({"field": "inputs.t", "operator": "before", "value": "2030-01-01"}, "the field of `before` must be a time, not the text 'abc' | Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."),  # noqa: E501
        ({"field": "inputs.when", "operator": "within_last_days", "value": "{{ inputs.t }}"}, "within_last_days takes 0 to 1,000,000 days, not the text 'abc' | "),  # noqa: E501
        ({"field": "inputs.t", "operator": "contains_any", "value": "{{ inputs.n }}"}, "contains_any takes a list as value, not the number 3 | Write [a, b]."),  # noqa: E501
    ],
)  # fmt: skip
def test_a_wrong_kind_is_named(condition: Json, words: str) -> None:
    """What an operator takes and what was there stand in the message."""
    assert words == _words(condition)


def test_a_plain_text_as_value_is_text() -> None:
    """Only braces make an expression of a value; a field is always one."""
    assert not _holds({"field": "inputs.t", "operator": "equals", "value": "inputs.t"})
    assert _holds({"field": "inputs.t", "operator": "equals", "value": "{{ inputs.t }}"})
    assert _holds({"field": "inputs.when", "operator": "before", "value": "{{ now }}"})


def test_references_of_every_part_are_listed() -> None:
    """Whoever checks a definition sees everything a condition looks at, in order and once each."""
    condition: Json = {
        "all": [
            "{{ steps.a.data }} == 1",
            {"field": "item.x", "operator": "in", "value": ["{{ vars.v }}", "plain"]},
            {"not": "steps.a.data > inputs.n"},
        ]
    }

    assert (
        Reference("steps", ("a", "data")),
        Reference("item", ("x",)),
        Reference("vars", ("v",)),
        Reference("inputs", ("n",)),
    ) == compile_condition(condition).references


def test_a_condition_nested_without_end_is_refused() -> None:
    """Depth is checked while compiling, so that nothing recurses too far."""
    condition: Json = True
    for _ in range(1_000):
        condition = {"not": condition}

    with pytest.raises(ExpressionError, match="nested more than 64 deep"):
        compile_condition(condition)


def test_a_condition_is_bounded_like_its_expressions() -> None:
    """Large data cannot make a question take for ever."""
    data = [[0] * 1_000] * 100_000

    with pytest.raises(ExpressionError, match=r"this looks at more than .* values"):
        compile_condition({"field": "a", "operator": "equals", "value": "{{ b }}"}).holds({"a": data, "b": list(data)})


def test_conditions_of_one_source_are_equal() -> None:
    """A condition is a value: what it was compiled from."""
    assert compile_condition("a > 1") == compile_condition("a > 1")
    assert compile_condition({"not": "a"}) != compile_condition({"not": "b"})


# ---------------------------------------------------------------------------------------------------------- never raises  # noqa: E501

_scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4)
_values = st.recursive(
    _scalars | st.sampled_from(["9", "2030-01-01", "{{ inputs.n }}", "("]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
_questions = st.fixed_dictionaries(
    {"field": st.sampled_from(["inputs.n", "inputs.x", "inputs.none", "1 <", "{{ now }}", "inputs.nowhere"])},
    optional={"operator": st.sampled_from(NAMES), "value": _values, "extra": _values},
)
_conditions = st.recursive(
    _questions | _values | st.sampled_from(["inputs.yes", "{{ inputs.n }} > 1", "'{{ x }}'", "true"]),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=5,
)


@given(_conditions, _values)
def test_any_value_is_a_condition_or_an_expression_error(condition: Json, data: Json) -> None:
    """User text and data never raise anything else, and an answer is a boolean."""
    try:
        answer: object = _holds(condition, inputs={**SCOPE["inputs"], "x": data})
    except ExpressionError as error:
        answer = bool(error.message)

    assert isinstance(answer, bool)


@given(_values, _values)
def test_opposites_disagree(one: Json, other: Json) -> None:
    """Equals and not_equals, in and not_in, exists and not_exists are exact opposites."""
    scope = {"a": one, "b": [other]}

    def holds(operator: str, value: Json) -> bool:
        return compile_condition({"field": "a", "operator": operator, "value": value}).holds(scope)

    assert holds("equals", "{{ b[0] }}") != holds("not_equals", "{{ b[0] }}")
    assert holds("in", "{{ b }}") != holds("not_in", "{{ b }}")
    assert holds("in", "{{ b }}") == holds("equals", "{{ b[0] }}")
