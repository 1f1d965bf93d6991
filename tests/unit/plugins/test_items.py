"""Rules of `items returned`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.plugins.items import LIST_NAMES, count_items


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        (None, None),
        (0, []),
        (3, [1, None, 3]),
        (1, ""),
        (1, "three words here"),
        (1, 0),
        (1, False),
        (1, {}),
        (1, {"rows": {"a": 1}}),
        (1, {"Items": [1, 2]}),
        (0, {"items": []}),
        (2, {"rows": [1, 2]}),
        (2, {"rows": [1, 2, 3], "emails": [1, 2]}),
        (0, {"rows": [1], "contacts": []}),
        (3, {"emails": "none", "events": [1, 2, 3]}),
        (1, {"nested": {"items": [1, 2]}}),
    ],
)
def test_counts_what_was_returned(expected: int | None, data: object) -> None:
    """A list counts its members, a mapping its first named list, anything else is one item, and nothing is unknown."""
    assert expected == count_items(data)


@given(st.dictionaries(st.sampled_from([*LIST_NAMES, "other"]), st.lists(st.integers(), max_size=4)))
def test_the_order_of_names_decides_not_the_order_of_keys(data: dict[str, list[int]]) -> None:
    """Whatever order a tool writes its keys in, the same data counts the same."""
    backwards = dict(reversed(list(data.items())))
    named = [len(data[name]) for name in LIST_NAMES if name in data]
    assert (named[0] if named else 1) == count_items(data) == count_items(backwards)
