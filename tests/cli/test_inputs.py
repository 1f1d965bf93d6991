"""Inputs as they are typed."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from trackrecord.canonical import Json
from trackrecord.cli.inputs import read_inputs, takes_text
from trackrecord.errors import BadInput

SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "tags": {"type": "array"},
        "loud": {"type": "boolean"},
        "either": {"type": ["string", "null"]},
        "level": {"enum": [1, 2]},
        "any": {},
    },
}


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("text=007", "text", "007"),
        ("text=", "text", ""),
        ("text=a=b", "text", "a=b"),
        ("text={}", "text", "{}"),
        ("text=@@home", "text", "@home"),
        ("count=7", "count", 7),
        ("count=seven", "count", "seven"),
        ('tags=["a"]', "tags", ["a"]),
        ("loud=true", "loud", True),
        ("loud=Yes", "loud", True),
        ("loud=off", "loud", False),
        ("either=null", "either", "null"),
        ("level=2", "level", 2),
        ("any=3", "any", "3"),
        ("unknown=3", "unknown", "3"),
        (" text =x", "text", "x"),
    ],
)
def test_a_value_is_text_unless_the_schema_wants_something_else(pair: str, name: str, value: Json) -> None:
    """A number is one where a number is wanted; what is no JSON stays text, for admission to complain of."""
    assert {name: value} == read_inputs([pair], None, SCHEMA)


def test_without_a_schema_everything_is_text() -> None:
    """Nobody said what it should be."""
    assert {"a": "1"} == read_inputs(["a=1"], None, None)


def test_nothing_given_is_not_an_empty_input() -> None:
    """So that the agent's example can take its place; an empty document is an input."""
    assert read_inputs([], None, SCHEMA) is None


def test_a_file_is_read_as_text_or_as_json(tmp_path: Path) -> None:
    """As the schema wants it; a byte order mark is no part of the text."""
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf[1, 2]\r\n")

    assert {"text": "[1, 2]\r\n", "tags": [1, 2]} == read_inputs(
        [f"text=@{tmp_path / 'a.txt'}", f"tags=@{tmp_path / 'a.txt'}"], None, SCHEMA
    )


def test_a_pair_wins_over_the_document(tmp_path: Path) -> None:
    """The document is the base, what is typed changes it."""
    (tmp_path / "in.json").write_text('{"text": "a", "count": 1}')

    assert {"text": "b", "count": 1} == read_inputs(["text=b"], str(tmp_path / "in.json"), SCHEMA)


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`@-` reads it, once."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"piped")))

    assert {"text": "piped"} == read_inputs(["text=@-"], None, SCHEMA)


@pytest.mark.parametrize(
    ("pairs", "document", "message"),
    [
        (["text"], None, "-i 'text' has no name and value"),
        (["=x"], None, "-i '=x' has no name and value"),
        (["text=a", "text=b"], None, "-i 'text' is given twice"),
        (["text=@"], None, "-i 'text=@' names no file"),
        (["text=@gone.txt"], None, "-i 'text=@gone.txt' cannot be read: no such file or directory"),
        (["text=@."], None, "-i 'text=@.' cannot be read: is a directory"),
        (["text=@bytes.bin"], None, "-i 'text=@bytes.bin' is no UTF-8 text: byte 1 is 0xff"),
        (["tags=@bad.json"], None, "-i 'tags=@bad.json' is no JSON: unexpected end of data at line 1, column 2"),
        ([], "list.json", "--input-json 'list.json' holds no object"),
        ([], "gone.json", "--input-json 'gone.json' cannot be read: no such file or directory"),
        ([], '{"text": "x"}', "--input-json takes a file, not the JSON itself"),
        (["text=@-", "any=@-"], None, "standard input is asked for by -i 'text=@-' and -i 'any=@-'"),
        (["text=@-"], "-", "standard input is asked for by -i 'text=@-' and --input-json -"),
    ],
)
def test_an_input_that_cannot_be_read_is_named(
    pairs: list[str], document: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which -i it is about."""
    monkeypatch.chdir(tmp_path)
    Path("bytes.bin").write_bytes(b"a\xff")
    Path("bad.json").write_text("[")
    Path("list.json").write_text("[1]")

    with pytest.raises(BadInput) as caught:
        read_inputs(pairs, document, SCHEMA)

    assert message == caught.value.message


def test_a_file_beside_the_missing_one_is_offered(tmp_path: Path) -> None:
    """A near miss is a typo."""
    (tmp_path / "tickets.csv").write_text("a")

    with pytest.raises(BadInput) as caught:
        read_inputs([f"text=@{tmp_path / 'ticket.csv'}"], None, SCHEMA)

    assert f"Did you mean @{tmp_path / 'tickets.csv'}?" == caught.value.cure


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, True),
        (True, True),
        ({}, True),
        ({"type": "number"}, False),
        ({"type": ["integer", "string"]}, True),
        ({"const": 1}, False),
        ({"enum": [1, "a"]}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, True),
        ({"oneOf": [{"type": "integer"}, {"type": "array"}]}, False),
        ({"properties": {}}, False),
    ],
)
def test_what_takes_text(schema: Json, expected: bool) -> None:
    """A field takes text unless its schema leaves no room for it."""
    assert expected is takes_text(schema)
