"""Two values side by side."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import ExpressionError, Meter
from trackrecord.workflow.comparing import MAX_DIFFERENCES, compare
from trackrecord.workflow.values import equal

_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text('ab" .', max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab ."', max_size=2), inner, max_size=3),
    max_leaves=8,
)


def _differences(left: Json, right: Json) -> list[dict[str, Json]]:
    return cast("list[dict[str, Json]]", compare("diff", left, right))


@given(_json, _json)
def test_there_is_a_difference_exactly_when_they_are_not_equal(left: Json, right: Json) -> None:
    """`diff` and `equals` never contradict each other."""
    assert equal(left, right, Meter()) == compare("equals", left, right) == (_differences(left, right) == [])


@given(_json, _json)
def test_the_other_way_round_every_difference_is_turned(left: Json, right: Json) -> None:
    """What was added is removed, at the same places in the same order."""
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    one, other = _differences(left, right), _differences(right, left)
    assert [(each["path"], turned[str(each["op"])], each["right"], each["left"]) for each in one] == [
        (each["path"], each["op"], each["left"], each["right"]) for each in other
    ]


@given(_json, _json)
def test_every_place_is_named_once(left: Json, right: Json) -> None:
    """No two differences have one path, whatever the keys look like."""
    paths = [each["path"] for each in _differences(left, right)]
    assert len(paths) == len(set(map(str, paths)))


@given(_json)
def test_everything_is_a_subset_of_itself(value: Json) -> None:
    """Of the kinds that have subsets."""
    if isinstance(value, list | dict):
        assert compare("subset", value, value) is True


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([], [], True),
        ([], [1], True),
        ([1], [], False),
        ([1, 1.0], [1], True),
        ([True], [1], False),
        ([{"a": 1}], [{"a": 1.0}], True),
        ([{"a": 1}], [{"a": 1, "b": 2}], False),
        ({}, {"a": 1}, True),
        ({"a": None}, {}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {"b": {}}}, {"a": {"b": {"c": 1}}}, True),
    ],
)
def test_subsets(left: Json, right: Json, expected: bool) -> None:
    """Lists by their entries, objects by their keys, however deep."""
    assert expected is compare("subset", left, right)


@pytest.mark.parametrize(
    ("operation", "left", "right", "message"),
    [
        ("subset", "a", "ab", "subset takes two lists or two objects, not the text 'a' and the text 'ab'"),
        ("subset", [], {}, "subset takes two lists or two objects, not a list and an object"),
        ("contains", 1, 1, "only text, a list or an object can contain something, not the number 1"),
        ("contains", "1", 1, "text can only contain text, not the number 1"),
    ],
)
def test_what_cannot_be_compared(operation: Any, left: Json, right: Json, message: str) -> None:
    """Is an error, and no answer."""
    with pytest.raises(ExpressionError) as caught:
        compare(operation, left, right)
    assert message == caught.value.message


def test_differences_are_bounded() -> None:
    """As many as the limit are listed; one more is an error, never a silent cut."""
    most: list[Json] = list(range(MAX_DIFFERENCES))
    assert MAX_DIFFERENCES == len(_differences(most, []))
    with pytest.raises(ExpressionError, match="differ in more than 10,000 places"):
        compare("diff", [*most, 1], [])


def test_work_is_bounded() -> None:
    """The same data repeated many times ends as an error, not after hours."""
    large: Json = [0] * 1_000
    for _ in range(3):
        large = [large] * 100
    with pytest.raises(ExpressionError, match="comparing them looks at more than"):
        compare("diff", large, large)
