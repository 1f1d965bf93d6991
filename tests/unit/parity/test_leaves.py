"""Taking two values apart side by side: every single value once, nothing lost on either side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.parity.leaves import ABSENT, UNCOUNTED, Leaf, Value, is_same, walk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


def names(
    left: Json, right: Json, left_recount: Value = UNCOUNTED, right_recount: Value = UNCOUNTED
) -> dict[str, Leaf]:
    whole = Leaf(name="x", kind="x", left=left, right=right, left_recount=left_recount, right_recount=right_recount)
    leaves = list(walk(whole))
    assert len(leaves) == len({leaf.name for leaf in leaves})
    return {leaf.name: leaf for leaf in leaves}


def test_objects_go_by_key_and_lists_by_place() -> None:
    """A name tells where the value stood; its kind leaves list places out."""
    leaves = names({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]})
    assert ["x.a.length", "x.a[1].b", "x.a[2]"] == list(leaves)
    assert ["x.a.length", "x.a[].b", "x.a[]"] == [leaf.kind for leaf in leaves.values()]
    assert ({"b": 2}, ABSENT) == (leaves["x.a[2]"].left, leaves["x.a[2]"].right)


def test_null_stands_for_each_key_of_an_object() -> None:
    """What one side does not have at all is null as a whole and in every part."""
    leaves = names({"w": None}, {"w": {"steps": 1, "loops": 0}})
    assert {"x.w": (None, {"steps": 1, "loops": 0}), "x.w.steps": (None, 1), "x.w.loops": (None, 0)} == {
        name: (leaf.left, leaf.right) for name, leaf in leaves.items()
    }


def test_what_both_have_lost_is_seen_by_the_recount() -> None:
    """A key that only the recounts have is a value of its own."""
    leaves = names({}, {}, {"a": 1}, {"a": 1})
    assert (ABSENT, ABSENT, 1, 1) == (
        leaves["x.a"].left,
        leaves["x.a"].right,
        leaves["x.a"].left_recount,
        leaves["x.a"].right_recount,
    )


@given(JSON, JSON)
def test_two_values_are_the_same_exactly_when_all_their_leaves_are(left: Json, right: Json) -> None:
    """Taking apart neither hides a difference nor makes one."""
    assert is_same(left, right) == all(is_same(leaf.left, leaf.right) for leaf in names(left, right).values())


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (0, None), (1, 1.0), (None, ABSENT), ([1], [True])])
def test_values_of_different_types_are_never_the_same(one: Value, other: Value) -> None:
    """1 is not true, 0 is not null, null is not absent."""
    assert not is_same(one, other)
    assert is_same(one, one)
