"""JSON Schema: what it refuses and how it says so; it never fetches and never hangs."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord import json_schema
from trackrecord.canonical import Json
from trackrecord.errors import BadInput
from trackrecord.json_schema import compile_schema

ORDER: dict[str, Json] = {
    "type": "object",
    "properties": {
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
        },
        "a.b": {"type": "string"},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({}, ()),
        ({"lines": [{"count": 1}], "a.b": ""}, ()),
        ([], ('[] is not of type "object"',)),
        ({"lines": [{"count": 1}, {"count": "x"}]}, ('lines[1].count: "x" is not of type "integer"',)),
        ({"lines": [{}]}, ('lines[0]: "count" is a required property',)),
        ({"a.b": 1}, ('a.b: 1 is not of type "string"',)),
        ({"c": 1}, ("Additional properties are not allowed ('c' was unexpected)",)),
        (
            {"lines": 1, "a.b": 2},
            ('lines: 1 is not of type "array"', 'a.b: 2 is not of type "string"'),
        ),
    ],
)
def test_each_problem_is_named_with_its_place(value: Json, problems: tuple[str, ...]) -> None:
    """All problems are told at once, each with the place in the value; a value that fits has none."""
    schema = compile_schema(ORDER)
    assert sorted(problems) == sorted(schema.problems(value))
    assert (not problems) is schema.accepts(value)


def test_a_list_at_the_root_has_places_too() -> None:
    """A place never starts with a dot."""
    assert ('[1]: 1 is not of type "string"',) == compile_schema({"items": {"type": "string"}}).problems(["a", 1])


def test_problems_are_few_and_short() -> None:
    """A huge wrong value does not make a huge message."""
    schema = compile_schema({"items": {"type": "string"}})
    assert 8 == len(schema.problems([1] * 1_000))
    assert 3 == len(schema.problems([1] * 1_000, most=3))
    (told,) = compile_schema({"type": "integer"}).problems("x" * 1_000_000)
    assert (301, "…") == (len(told), told[-1])


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (1.0, {"type": "integer"}, True),
        (True, {"type": "integer"}, False),
        (None, {"type": ["string", "null"]}, True),
        ({"n": {"n": {}}}, {"properties": {"n": {"$ref": "#"}}, "additionalProperties": False}, True),
        ({"n": {"m": {}}}, {"properties": {"n": {"$ref": "#"}}, "additionalProperties": False}, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}, {"type": "string"}]}, True),
        ({"a": 1}, {"unevaluatedProperties": False}, False),
        ("", {"$ref": "#"}, True),
    ],
)
def test_the_dialect_is_draft_2020_12(value: Json, schema: dict[str, Json], fits: bool) -> None:
    """The words of 2020-12 mean what its text says, references within the schema included."""
    assert fits is compile_schema(schema).accepts(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"minimum": "x"},
        {"required": "a"},
        {"properties": []},
        {"pattern": "("},
        {"pattern": "(?=a)b"},
        {"pattern": r"(a)\1"},
        {"$ref": "#/$defs/none"},
        {"$dynamicRef": "#x"},
        {"$ref": "http://example.com/schema.json"},
        {"$ref": "https://example.com/schema.json#/$defs/a"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "other.json"},
        {"$id": "::bad::"},
        {"not a word": object()},
        {"type": float("nan")},
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_what_is_no_schema_is_refused_with_its_cure(schema: Any) -> None:
    """Bad words, patterns that could take for ever and references to elsewhere are told before anything runs."""
    with pytest.raises(BadInput, match=r"^not a JSON Schema: .") as caught:
        compile_schema(schema)
    assert "See json-schema.org, draft 2020-12." == caught.value.cure


def test_nothing_is_fetched_even_where_it_could_be(tmp_path: Path) -> None:
    """A reference to a file that is there is refused as any other: a schema cannot read the disk."""
    (tmp_path / "schema.json").write_text("{}")
    with pytest.raises(BadInput, match="not a JSON Schema: "):
        compile_schema({"$ref": (tmp_path / "schema.json").as_uri()})


def test_a_pattern_cannot_hang_a_run() -> None:
    """The pattern that costs other engines years is read in linear time."""
    schema = compile_schema({"type": "string", "pattern": "^(a+)+$"})
    began = perf_counter()
    assert not schema.accepts("a" * 200_000 + "b")
    assert perf_counter() - began < 5


def test_a_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schema, in whatever order it is written, is the same object; the store of them cannot grow for ever."""
    monkeypatch.setattr(json_schema, "_compiled", {})
    monkeypatch.setattr(json_schema, "_MAX_COMPILED", 2)
    first = compile_schema({"type": "string", "maxLength": 1})
    assert first is compile_schema({"maxLength": 1, "type": "string"})
    for length in range(5):
        compile_schema({"maxLength": length})
    assert len(json_schema._compiled) <= 2
    assert not compile_schema({"type": "string", "maxLength": 1}).accepts("ab")


def test_the_schema_given_may_change_afterwards() -> None:
    """What was compiled holds what was given then."""
    given: dict[str, Json] = {"type": "string"}
    schema = compile_schema(given)
    given["type"] = "integer"
    assert schema.accepts("a")
    assert not compile_schema(given).accepts("a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_accepts_and_problems_agree_on_any_value(value: Json) -> None:
    """A value fits exactly when nothing is wrong with it; no value makes either raise."""
    for schema in (ORDER, {}, {"type": ["array", "null"]}, {"minimum": 0, "items": {"type": "string"}}):
        compiled = compile_schema(schema)
        assert compiled.accepts(value) is (() == compiled.problems(value))
