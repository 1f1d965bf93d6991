"""Rules of the plugin `text`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.plugins import text
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

Use = Callable[..., Awaitable[Any]]
PLUGIN = text.plugin({})


@pytest.mark.parametrize(
    ("action", "arguments", "expected"),
    [
        ("count", {"text": "one two\nthree"}, {"words": 3, "lines": 2, "characters": 13}),
        ("count", {"text": ""}, {"words": 0, "lines": 0, "characters": 0}),
        (
            "find",
            {"text": "ü a1 b22", "pattern": r"[a-z]\d+"},
            {
                "items": [{"text": "a1", "start": 2, "end": 4}, {"text": "b22", "start": 5, "end": 8}],
                "is_complete": True,
            },
        ),
        (
            "find",
            {"text": "Aa", "pattern": "a", "is_case_ignored": True, "limit": 1},
            {"items": [{"text": "A", "start": 0, "end": 1}], "is_complete": False},
        ),
        ("find", {"text": "abc", "pattern": "x"}, {"items": [], "is_complete": True}),
        (
            "extract",
            {"text": "id=7 id=9", "pattern": r"id=(?P<id>\d)(?P<rest>x)?"},
            {"items": [{"id": "7", "rest": None}, {"id": "9", "rest": None}], "is_complete": True},
        ),
        (
            "extract",
            {"text": "a=1,b=2", "pattern": r"(\w)=(\d)"},
            {"items": [["a", "1"], ["b", "2"]], "is_complete": True},
        ),
        ("extract", {"text": "7 and 8", "pattern": r"\d", "limit": 1}, {"items": ["7"], "is_complete": False}),
        ("replace", {"text": "a.b.c", "pattern": ".", "replacement": "-"}, {"text": "a-b-c", "replaced_count": 2}),
        (
            "replace",
            {"text": "Ada Moreau", "pattern": r"(\w+) (\w+)", "replacement": r"\2, \1", "is_regex": True},
            {"text": "Moreau, Ada", "replaced_count": 1},
        ),
        (
            "replace",
            {"text": "xXx", "pattern": "x", "replacement": "", "is_regex": True, "is_case_ignored": True},
            {"text": "", "replaced_count": 3},
        ),
        ("split", {"text": " a  b\nc "}, {"items": ["a", "b", "c"]}),
        ("split", {"text": "a, b,,c", "separator": ","}, {"items": ["a", "b", "c"]}),
        ("split", {"text": "a, b,,c", "separator": ",", "are_empty_kept": True}, {"items": ["a", "b", "", "c"]}),
        ("split", {"text": "a1b22c", "separator": r"\d+", "is_regex": True}, {"items": ["a", "b", "c"]}),
        ("truncate", {"text": "short", "max_characters": 5}, {"text": "short", "is_cut": False}),
        ("truncate", {"text": "the quick brown fox", "max_characters": 14}, {"text": "the quick…", "is_cut": True}),
        ("truncate", {"text": "the quick brown", "max_characters": 10}, {"text": "the quick…", "is_cut": True}),
        ("truncate", {"text": "abcdef", "max_characters": 2, "ending": "..."}, {"text": "..", "is_cut": True}),
        ("normalise", {"text": "  Ca\u0301fe\n x "}, {"text": "Cáfe x"}),
        ("normalise", {"text": "Straße ﬁn", "form": "NFKC", "case": "fold"}, {"text": "strasse fin"}),
        ("normalise", {"text": "Ünïcode", "are_accents_removed": True, "case": "lower"}, {"text": "unicode"}),
        ("normalise", {"text": " a  b ", "are_spaces_collapsed": False}, {"text": " a  b "}),
        ("compare", {"left": "Night", "right": "nacht"}, {"is_equal": False, "similarity": 0.25}),
        ("compare", {"left": "Same", "right": "sAME"}, {"is_equal": True, "similarity": 1.0}),
        (
            "compare",
            {"left": "Same", "right": "same", "is_case_ignored": False},
            {"is_equal": False, "similarity": 0.6667},
        ),
        ("compare", {"left": "", "right": "a"}, {"is_equal": False, "similarity": 0.0}),
    ],
)
async def test_each_action_gives_exactly_this(use: Use, action: str, arguments: dict[str, Any], expected: Any) -> None:
    """Every action of the plugin answers as its description says."""
    assert expected == await use(PLUGIN, action, **arguments)


def test_every_action_only_reads() -> None:
    """Text in, text out: any call may be repeated."""
    assert {"read"} == {action.effect for action in PLUGIN.actions.values()}
    assert {"count", "find", "extract", "replace", "split", "truncate", "normalise", "compare"} == set(PLUGIN.actions)


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("find", {"text": "a", "pattern": "("}, "is not RE2: missing )"),
        ("find", {"text": "a", "pattern": r"(a)\1"}, "is not RE2"),
        ("split", {"text": "a", "separator": "[", "is_regex": True}, "is not RE2"),
        ("replace", {"text": "a", "pattern": "a", "replacement": r"\3", "is_regex": True}, "replacement"),
        (
            "replace",
            {"text": "a" * 10_001, "pattern": "a", "replacement": "b", "is_regex": True},
            "more than 10000 times",
        ),
        ("split", {"text": "a" * 10_001, "separator": "a", "is_regex": True}, "more than 10000 times"),
        ("replace", {"text": "a" * 5000, "pattern": "a", "replacement": "b" * 1000}, "longer than"),
        ("replace", {"text": "a" * 5000, "pattern": "a", "replacement": "b" * 1000, "is_regex": True}, "longer than"),
    ],
)
async def test_what_cannot_be_done_is_said(action: str, arguments: dict[str, Any], words: str) -> None:
    """A bad pattern or a bound reached is a failure in words, never a cut answer or a wait."""
    with pytest.raises(ToolCallFailed) as caught:
        await PLUGIN.call(Invocation(action=action, arguments=arguments))
    assert words in str(caught.value)
    assert not caught.value.is_transient


async def test_a_pattern_that_backtracks_elsewhere_takes_no_time_here(use: Use) -> None:
    """A pattern that would take a backtracking engine for ever is answered at once."""
    began = time.monotonic()
    assert [] == (await use(PLUGIN, "find", text="a" * 50_000, pattern="(a+)+$b"))["items"]
    assert time.monotonic() - began < 5


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(1, 30))
async def test_a_cut_text_is_never_longer_than_asked(content: str, limit: int) -> None:
    """Truncating keeps the bound, ending included, and tells whether it cut."""
    arguments: dict[str, Any] = {"text": content, "max_characters": limit}
    data: Any = (await PLUGIN.call(Invocation(action="truncate", arguments=arguments))).data
    assert len(data["text"]) <= limit
    assert (len(content) > limit) == data["is_cut"]


@given(st.text(max_size=20), st.text(max_size=20))
async def test_similarity_is_symmetric_and_between_0_and_1(left: str, right: str) -> None:
    """Which text comes first does not matter, and only equal texts are surely 1."""
    one: Any = (await PLUGIN.call(Invocation(action="compare", arguments={"left": left, "right": right}))).data
    two: Any = (await PLUGIN.call(Invocation(action="compare", arguments={"left": right, "right": left}))).data
    assert one == two
    assert 0 <= one["similarity"] <= 1
    assert not one["is_equal"] or one["similarity"] == 1
