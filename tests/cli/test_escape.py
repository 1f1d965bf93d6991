"""What others wrote can do nothing to a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.cli.escape import cut, in_json, line, prose, width

DANGEROUS = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))] + list(
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2069\ufeff\U000e0041"
)


@pytest.mark.parametrize("character", DANGEROUS, ids=lambda character: f"U+{ord(character):04X}")
def test_a_character_that_acts_or_hides_is_shown_as_an_escape(character: str) -> None:
    """Controls, escapes, bidi and zero-width characters are never printed raw, nor do they vanish."""
    shown = prose(f"a{character}b")

    assert character not in shown
    assert shown.startswith("a\\")


@given(st.text())
def test_no_text_whatever_lets_a_control_through(text: str) -> None:
    """Of every text there is: no control but newline and tab in prose, none at all in a line."""
    assert {"\n", "\t"} >= {one for one in prose(text) if ord(one) < 32 or 127 <= ord(one) < 160}
    assert set() == {one for one in line(text) if ord(one) < 32 or 127 <= ord(one) < 160}


@pytest.mark.parametrize("text", ["Grüße", "日本語", "می\u200cخواهم", "👨\u200d👩\u200d👧", "e\u0301", "1 – 2 … “x”"])
def test_writing_of_all_kinds_is_left_alone(text: str) -> None:
    """Letters, joined emoji and Persian joiners are what people write, not attacks."""
    assert text == prose(text)


def test_a_joiner_between_latin_letters_is_shown() -> None:
    """There it only makes two names look the same."""
    assert "pay\\u200dpal" == line("pay\u200dpal")


def test_a_pile_of_marks_is_cut() -> None:
    """Hundreds of combining marks would paint over the lines above."""
    assert "a" + "\u0301" * 4 + "b" == prose("a" + "\u0301" * 500 + "b")


def test_newlines_stay_in_prose_and_are_shown_in_a_line() -> None:
    """A name cannot forge a second line; an answer has its paragraphs."""
    assert "a\nb\tc" == prose("a\r\nb\tc")
    assert r"a\nb\tc\rd" == line("a\nb\tc\rd")


def test_a_text_of_ten_megabytes_is_cut_at_once() -> None:
    """Only what is seen is looked at."""
    assert "aaaaaaaaa…" == line("a" * 10_000_000, 10)


def test_width_counts_columns_and_no_paint() -> None:
    """Wide letters take two columns, marks and our own colours none."""
    assert [2, 4, 1, 3] == [width(text) for text in ("ab", "日本", "e\u0301", "\x1b[31mred\x1b[0m")]


def test_a_cut_keeps_within_its_columns() -> None:
    """Also when the last letter would take two."""
    assert "日…" == cut("日本語", 4)
    assert "" == cut("abc", 0)


@given(st.dictionaries(st.text(), st.text()))
def test_json_keeps_its_value_and_loses_its_teeth(value: dict[str, str]) -> None:
    """What a terminal could act on is an escape in the JSON, which means the same."""
    text = in_json(json.dumps(value, ensure_ascii=False))

    assert json.loads(json.dumps(value)) == json.loads(text)
    assert set() == {one for one in text if 127 <= ord(one) < 160 or one in "\u202e\u200b\ufeff"}
