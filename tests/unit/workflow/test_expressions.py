"""Expressions: what they compute, what they refuse and in which words, and that nothing makes them work for long."""

from __future__ import annotations

import time
from collections import ChainMap
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trackrecord.canonical import Json
from trackrecord.workflow import bounds, paths, scope
from trackrecord.workflow.expressions import (
    ExpressionError,
    MissingPath,
    TypeMismatch,
    compile_expression,
)
from trackrecord.workflow.paths import Reference

SCOPE: dict[str, Any] = {
    "inputs": {"n": 3, "t": "abc", "l": [1, 2, 3], "d": {"a": 1, "items": 2, "from": "me"}, "none": None, "yes": True},
    "steps": ChainMap(
        {"b": {"data": None, "status": "failed", "error": {"code": "tool_failed"}}},
        {"a": {"data": {"rows": [{"id": 7}, {"id": 8}]}, "status": "completed", "error": None}},
    ),
    "vars": ChainMap({}, {"total": 2.5}),
    "item": "x",
    "index": 0,
    "run": {"id": "r1"},
    "env": {},
    "now": datetime(2030, 1, 31, 12, 0, tzinfo=UTC),
}
BIG: dict[str, Any] = {
    "numbers": [1.5] * 100_000,
    "longer": [0] * 100_001,
    "text": "x" * 65_536,
    "huge": "x" * 1_000_000,
    "object": {"a": 1},
}


def _value(source: str, **roots: Any) -> Json:
    return compile_expression(source).evaluate({**SCOPE, **roots})


def _error(source: str, **roots: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        _value(source, **roots)
    return caught.value


def _answer(source: str, scope: dict[str, Any]) -> str:
    """The words of an error, or the value as text: whatever comes out that is no other exception."""
    try:
        return repr(compile_expression(source).evaluate(scope))
    except ExpressionError as error:
        return f"{error.message} {error.cure}"


def _words(source: str, **roots: Any) -> str:
    error = _error(source, **roots)
    return f"{error.message.removeprefix(f'the expression {source!r}: ')} | {error.cure}"


# ------------------------------------------------------------------------------------------------------------- literals


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1", 1),
        ("1_000", 1_000),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("'a'", "a"),
        ('"a"', "a"),
        ("'a' 'b'", "ab"),
        ("true", True),
        ("True", True),
        ("false", False),
        ("null", None),
        ("None", None),
        ("[1, [true], ]", [1, [True]]),
        ("(1, 2)", [1, 2]),
        ("()", []),
        ('{"a": 1, "b": {"c": []}}', {"a": 1, "b": {"c": []}}),
        ("{inputs.t: 1}", {"abc": 1}),
        ("  \n 1 +\n 2 ", 3),
    ],
)
def test_literals_are_json(source: str, value: Json) -> None:
    """Every JSON value can be written, in Python's or JSON's spelling; tuples are lists."""
    assert (value, type(value)) == (_value(source), type(_value(source)))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"'\d+\.\w\b'", r"\d+\.\w\b"),
        (r"'a\nb\t\r'", "a\nb\t\r"),
        (r"'\\d'", r"\d"),
        (r"'it\'s'", "it's"),
        (r"'\x41\u00e9'", "Aé"),
        (r"r'\n\d'", r"\n\d"),
        (r"'\0\7\N{DASH}'", r"\0\7\N{DASH}"),
        ("'#'", "#"),
        ("'.from'", ".from"),
        ("'{{ x }}'", "{{ x }}"),
    ],
)
def test_a_backslash_stays_unless_it_begins_a_known_escape(source: str, text: str) -> None:
    r"""Patterns are written as they are: `\d` needs no second backslash, and nothing in quotes is rewritten."""
    assert text == _value(source)


# ----------------------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("6 / 2", 3.0),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 3", 1),
        ("-inputs.n", -3),
        ("+inputs.n", 3),
        ("1 + 0.5", 1.5),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'ab' * 3", "ababab"),
        ("3 * 'ab'", "ababab"),
        ("'ab' * -1", ""),
        ("[1, 2] * 2", [1, 2, 1, 2]),
        ("inputs.l[0] + inputs.l[-1]", 4),
        ("inputs.l[1:]", [2, 3]),
        ("inputs.t[:2]", "ab"),
        ("inputs.l[::-1]", [3, 2, 1]),
        ("inputs.t[0]", "a"),
        ("9223372036854775808 - 1", 2**63 - 1),
    ],
)
def test_arithmetic_is_pythons(source: str, value: Json) -> None:
    """Numbers, texts and lists behave as in Python where the operation is part of the language."""
    assert (value, type(value)) == (_value(source), type(_value(source)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 + 'a'", "+ takes two numbers, two texts or two lists, not the number 1 and the text 'a' | str(…) makes text of a value, int(…) and float(…) a number of text."),  # noqa: E501
        ("inputs.none + 1", "+ takes two numbers, two texts or two lists, not null and the number 1 | default(…, 0) stands in for what is null or missing."),  # noqa: E501
        ("true + 1", "+ takes two numbers, two texts or two lists, not true and the number 1 | "),
        ("'%s' % 1", "% takes two numbers, not the text '%s' and the number 1 | str(…) makes text of a value, int(…) and float(…) a number of text."),  # noqa: E501
        ("'a' * 'b'", "* takes two numbers, or text or a list with a whole number, not the text 'a' and the text 'b' | "),  # noqa: E501
        ("'a' * true", "* takes two numbers, or text or a list with a whole number, not the text 'a' and true | str(…) makes text of a value, int(…) and float(…) a number of text."),  # noqa: E501
        ("[1] * 1.5", "* takes two numbers, or text or a list with a whole number, not a list and the number 1.5 | "),
        ("-'a'", "- takes a number, not the text 'a' | "),
        ("-true", "- takes a number, not true | "),
        ("+null", "+ takes a number, not null | "),
        ("1 / 0", "the number 1 is divided by zero | Test for zero first: a / b if b != 0 else 0."),
        ("1.0 % 0", "the number 1.0 is divided by zero | Test for zero first: a / b if b != 0 else 0."),
        ("{1: 2}", "a key must be text, not the number 1 | Put it in quotes."),
        ("inputs.d[0:1]", "inputs.d[a:b] takes text or a list, not an object | "),
        ("inputs.l['a':]", "inputs.l[a:b] takes whole numbers, not the text 'a' | A step cannot be 0."),
        ("inputs.l[::0]", "inputs.l[a:b] takes whole numbers, not the number 0 | A step cannot be 0."),
        ("inputs.l[inputs.yes]", "inputs.l[…] takes a key or a position, not true | "),
    ],
)  # fmt: skip
def test_a_wrong_kind_is_named_with_its_value(source: str, words: str) -> None:
    """What an operator takes and what it was given stand in the message, what to write in the cure."""
    assert words == _words(source)


# ------------------------------------------------------------------------------------------------------ tests and order


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 == 1.0", True),
        ("1 == true", False),
        ("0 == false", False),
        ("'1' == 1", False),
        ("null == false", False),
        ("[1, {'a': 1}] == [1.0, {'a': 1.0}]", True),
        ("[1] == [true]", False),
        ("{'a': 1} == {'a': 1, 'b': 2}", False),
        ("1 != true", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("'10' > '9'", True),
        ("'10' > '9a'", False),
        ("'10' > 9", True),
        ("9 < '9.5'", True),
        ("-1 > '-1.5'", True),
        ("'b' > 'a'", True),
        ("2 in inputs.l", True),
        ("true in [1]", False),
        ("1 in [true, 1.0]", True),
        ("[1] in [[1.0]]", True),
        ("'b' in inputs.t", True),
        ("'a' in inputs.d", True),
        ("'z' not in inputs.d", True),
        ("not false", True),
        ("true and false or true", True),
        ("false and inputs.nowhere", False),
        ("true or inputs.nowhere", True),
        ("'y' if inputs.n > 2 else inputs.nowhere", "y"),
        ("inputs.nowhere if false else 'n'", "n"),
    ],
)
def test_tests_follow_one_rule(source: str, value: Json) -> None:
    """Same JSON type only, int equals float, booleans are no numbers; what need not be worked out is not."""
    assert value is _value(source) or value == _value(source)


@pytest.mark.parametrize(
    "source",
    ["1 < 'a'", "'a' >= 1", "true < 1", "null < 1", "null < 'a'", "[1] < [2]", "{} > {}", "true < false", "1 < '1e3'"],
)
def test_what_has_no_order_is_a_type_mismatch(source: str) -> None:
    """Order exists between numbers, between texts, and between a number and text that looks like one."""
    error = _error(source)

    assert isinstance(error, TypeMismatch)
    assert "have no order" in error.message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("inputs.n and true", "what stands beside `and` must be true or false, not the number 3 | Compare it, like `… > 0`."),  # noqa: E501
        ("inputs.t or 'a'", "what stands beside `or` must be true or false, not the text 'abc' | Compare it, or write coalesce(a, b) for a fallback."),  # noqa: E501
        ("not inputs.none", "what follows `not` must be true or false, not null | Compare it, like `… != null`."),
        ("1 if inputs.l else 2", "what stands between `if` and `else` must be true or false, not a list | Compare it, like `len(…) > 0`."),  # noqa: E501
        ("1 in 2", "only text, a list or an object can contain something, not the number 2 | "),
        ("1 in 'a'", "text can only contain text, not the number 1 | str(…) makes text of a value."),
    ],
)  # fmt: skip
def test_nothing_counts_as_true_but_true(source: str, words: str) -> None:
    """There is no truthiness: a test that is no boolean is a mistake, and is said to be one."""
    assert words == _words(source)


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.d.items", 2),
        ("inputs.d.from", "me"),
        ("inputs . d\n.from", "me"),
        ("inputs['d']['a']", 1),
        ("steps.a.data.rows[1].id", 8),
        ("steps.a.data.rows[-1]['id']", 8),
        ("steps.b.error.code", "tool_failed"),
        ("vars.total", 2.5),
        ("vars", {"total": 2.5}),
        ("inputs[item + 'y']", "found"),
        ("steps.a.data.rows[inputs.n - 3].id", 7),
        ("{'a': {'b': 5}}.a.b", 5),
        ("[1, 2][0]", 1),
        ("('x' + item)[1]", "x"),
        ("now", "2030-01-31T12:00:00.000000Z"),
    ],
)
def test_attributes_are_keys(source: str, value: Json) -> None:
    """A dot looks up a key, whatever the key is called; brackets take a key or a position."""
    assert value == _value(source, inputs={**SCOPE["inputs"], "xy": "found"})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("inputs.nn", "inputs.nn is missing: inputs has no 'nn' | Known: n, t, l, d, none, yes. If it may be missing, write default(inputs.nn, …)."),  # noqa: E501
        ("steps.a.data.rows[2].id", "steps.a.data.rows[2].id is missing: steps.a.data.rows has 2 entries and nothing at [2] | If it may be missing, write default(steps.a.data.rows[2], …)."),  # noqa: E501
        ("steps.b.data.x", "steps.b.data.x is missing: steps.b.data is null and has no 'x' | If it may be missing, write default(steps.b.data.x, …)."),  # noqa: E501
        ("steps.a.data.rows.id", "steps.a.data.rows.id is missing: steps.a.data.rows is a list and has no 'id' | Take one entry of it, like steps.a.data.rows[0]."),  # noqa: E501
        ("steps.c.data", "steps.c.data is missing: steps has no 'c' | Known: a, b. If it may be missing, write default(steps.c, …)."),  # noqa: E501
        ("inputs.t.upper", "inputs.t.upper is missing: inputs.t is text and has no 'upper' | If it may be missing, write default(inputs.t.upper, …)."),  # noqa: E501
        ("inputs.n.real", "inputs.n.real is missing: inputs.n is a number and has no 'real' | If it may be missing, write default(inputs.n.real, …)."),  # noqa: E501
        ("inputs.t[9]", "inputs.t[9] is missing: inputs.t has 3 characters and nothing at [9] | If it may be missing, write default(inputs.t[9], …)."),  # noqa: E501
        ("inputs.d[item]", "inputs.d has no 'x' | Known: a, items, from. If it may be missing, write default(inputs.d.x, …)."),  # noqa: E501
        ("inputz", "there is nothing named 'inputz' here | Did you mean 'inputs'?"),
    ],
)  # fmt: skip
def test_a_missing_path_is_an_error_that_names_it(source: str, words: str) -> None:
    """The message holds the whole path, where it ends and why; the cure has the nearest key."""
    assert isinstance(_error(source), MissingPath)
    assert words == _words(source)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("default(inputs.nn, 5)", 5),
        ("default(inputs.n, 5)", 3),
        ("default(inputs.none, 5)", 5),
        ("default(steps.b.data.x.y, 5)", 5),
        ("default(steps.zzz.data, [])", []),
        ("default(nothing, 1)", 1),
        ("default(inputs.n, inputs.nowhere)", 3),
        ("default(lower(inputs.nn), 'a')", "a"),
        ("default(inputs.nn + 1, 0) + 1", 1),
        ("coalesce(inputs.nn, inputs.none, inputs.t, inputs.nowhere)", "abc"),
        ("coalesce(inputs.nn, inputs.none)", None),
        ("default(false, true)", False),
    ],
)
def test_default_and_coalesce_forgive_what_is_missing_or_null(source: str, value: Json) -> None:
    """They take the first that is there; what comes after it is not worked out."""
    assert value == _value(source)


def test_a_mistake_that_is_no_missing_path_is_not_forgiven() -> None:
    """A default hides nothing but what is not there, in its fallback not even that."""
    assert "+ takes" in _error("default(inputs.t + 1, 0)").message
    assert isinstance(_error("default(inputs.nn, inputs.mm)"), MissingPath)


# ------------------------------------------------------------------------------------------------------------ functions


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("len('aé😀')", 3),
        ("len(inputs.d)", 3),
        ("min(3, 1, 2)", 1),
        ("max([1, 2.5])", 2.5),
        ("min('10', '9')", "9"),
        ("max('10', '9', 'a')", "a"),
        ("max(['10', 9])", "10"),
        ("max(false, true)", True),
        ("sum([1, 2])", 3),
        ("sum([])", 0),
        ("sum([0.1] * 10)", 1.0),
        ("round(2.5)", 2),
        ("round(2.345, 2)", 2.35),
        ("round(1234, -2)", 1200),
        ("abs(-2.5)", 2.5),
        ("lower('ÄB')", "äb"),
        ("upper('straße')", "STRASSE"),
        (r"strip('  a\n')", "a"),
        ("split(' a  b ')", ["a", "b"]),
        ("split('a,,b', ',')", ["a", "", "b"]),
        ("join(['a', 'b'], ', ')", "a, b"),
        ("join([1, true, null, {'a': 1}])", '1truenull{"a":1}'),
        ("join([])", ""),
        ("contains('abc', 'b')", True),
        ("contains([1, 2], 2.0)", True),
        ("contains(inputs.d, 'a')", True),
        ("starts_with('abc', 'ab')", True),
        ("ends_with('abc', 'ab')", False),
        (r"matches('order 12', '\d+')", True),
        (r"matches('order', '^\d+$')", False),
        (r"matches('über', '^\p{L}+$')", True),
        (r"matches('a\ud800', 'a')", True),
        ("int('42')", 42),
        ("int(' -7 ')", -7),
        ("int(2.9)", 2),
        ("int(true)", 1),
        ("int(float('4.2'))", 4),
        ("float('1e3')", 1000.0),
        ("float(2)", 2.0),
        ("str(1)", "1"),
        ("str(1.0)", "1.0"),
        ("str(true)", "true"),
        ("str(null)", "null"),
        ("str({'b': [1], 'a': 'é'})", '{"a":"é","b":[1]}'),
        ("json('{\"a\": [1, null]}').a[0]", 1),
        ("json('\"x\"')", "x"),
        ("json({'b': 1, 'a': null})", '{"a":null,"b":1}'),
        ("json(null)", "null"),
        ("now()", "2030-01-31T12:00:00.000000Z"),
        ("date(now)", "2030-01-31"),
        ("date('2030-01-31T23:30:00-05:00')", "2030-02-01"),
        ("days_between('2030-01-01', now)", 30),
        ("days_between(now, '2030-01-01')", -30),
        ("days_between('2030-01-01T12:00:00Z', '2030-01-02T11:59:59.5Z')", 0),
    ],
)
def test_functions(source: str, value: Json) -> None:
    """Each function gives what its name says, over plain data."""
    assert (value, type(value)) == (_value(source), type(_value(source)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("len(1)", "len() takes text, a list or an object, not the number 1 | "),
        ("len(inputs.none)", "len() takes text, a list or an object, not null | default(…, fallback) stands in for what is null or missing."),  # noqa: E501
        ("sum([1, 'a'])", "sum() takes a list of numbers, but one of them is the text 'a' | "),
        ("sum([true])", "sum() takes a list of numbers, but one of them is true | "),
        ("sum('abc')", "sum() takes a list, not the text 'abc' | "),
        ("min([])", "min() of an empty list is nothing | Write `min(x) if len(x) > 0 else …`."),
        ("max(1)", "max() takes a list, not the number 1 | "),
        ("round('a')", "round() takes a number, not the text 'a' | "),
        ("round(1, 99)", "round() takes -20 to 20 digits, not the number 99 | "),
        ("round(1, true)", "round() takes -20 to 20 digits, not true | "),
        ("abs(true)", "abs() takes a number, not true | "),
        ("lower(1)", "lower() takes text, not the number 1 | str(…) makes text of a value."),
        ("split('a', '')", "split() needs a separator that is not empty | Leave it out to split at white space."),
        ("join('a')", "join() takes a list, not the text 'a' | "),
        ("int('4.2')", "int() takes a number or text like '42', not the text '4.2' | Write int(float(…)) for text like '4.2'."),  # noqa: E501
        ("int('٤')", "int() takes a number or text like '42', not the text '٤' | Write int(float(…)) for text like '4.2'."),  # noqa: E501
        ("float('nan')", "float() takes a number or text like '4.2', not the text 'nan' | "),
        ("float('')", "float() takes a number or text like '4.2', not the text '' | "),
        ("json('{')", "json() cannot read the text '{': unexpected end of data: line 1 column 2 (char 1) | "),
        ("date('tomorrow')", "date() must be a time, not the text 'tomorrow' | Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."),  # noqa: E501
        ("date('2030-01-01T00:00:00')", "date(): '2030-01-01T00:00:00' has no time zone | End it with Z or an offset like +02:00."),  # noqa: E501
        ("date('2030-02-30')", "date(): '2030-02-30' is no time that exists | Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."),  # noqa: E501
        ("date('0001-01-01T00:00:00+10:00')", "date(): '0001-01-01T00:00:00+10:00' is no time that exists | Write a time like 2030-12-31T23:59:00Z, or a day like 2030-12-31."),  # noqa: E501
        ("matches('a', inputs.t + '(')", "'abc(' is no regular expression: 'missing ): abc(' | Write it in RE2 syntax."),  # noqa: E501
    ],
)  # fmt: skip
def test_a_function_says_what_it_takes(source: str, words: str) -> None:
    """Name, what it takes, what it was given, and how to mend it."""
    assert words == _words(source)


def test_values_without_a_common_order_have_no_least() -> None:
    """The rule of the order operators is decided once for all values, so it cannot go in circles."""
    assert isinstance(_error("min('10', '9', 5, 'x')"), TypeMismatch)
    assert "9" == _value("max('10', '9', '5x')") == _value("max('5x', '10', '9')") == _value("max('9', '5x', '10')")


# ----------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "the expression is empty | Write what it should give, like {{ inputs.name }}."),
        ("2 ** 8", "`**` is not part of the expression language | Multiply instead."),
        ("1 << 2", "`<<` is not part of the expression language | "),
        ("1 >> 2", "`>>` is not part of the expression language | "),
        ("item | lower", "`|` is not part of the expression language | Write `or`, or call a function: len(value)."),
        ("1 & 2", "`&` is not part of the expression language | Write `and`."),
        ("1 ^ 2", "`^` is not part of the expression language | "),
        ("1 @ 2", "`@` is not part of the expression language | "),
        ("~1", "`~` is not part of the expression language | Write `not`."),
        ("inputs.none is null", "`is` is not part of the expression language | Write `==`."),
        ("1 is not 2", "`is not` is not part of the expression language | Write `!=`."),
        ("lambda: 1", "`lambda` is not part of the expression language | "),
        ("[x for x in inputs.l]", "a comprehension is not part of the expression language | Use a transform step: map or filter."),  # noqa: E501
        ("{x for x in inputs.l}", "a comprehension is not part of the expression language | Use a transform step: map or filter."),  # noqa: E501
        ("{x: 1 for x in inputs.l}", "a comprehension is not part of the expression language | Use a transform step: map or filter."),  # noqa: E501
        ("sum(x for x in inputs.l)", "a comprehension is not part of the expression language | Use a transform step: map or filter."),  # noqa: E501
        ("(a := 1)", "`:=` is not part of the expression language | Write `==` to compare; bind names with `output`."),
        ("{1, 2}", 'a set is not part of the expression language | Write a list, [a, b], or an object, {"key": value}. A reference needs no braces inside.'),  # noqa: E501
        ("{**inputs.d}", "`**` is not part of the expression language | Write out the keys."),
        ("[*inputs.l]", "`*` is not part of the expression language | "),
        ("f'{item}'", "f'…' is not part of the expression language | Write plain quotes; join with +."),
        ("b'a'", "b'…' is not part of the expression language | Write plain quotes; join with +."),
        ("'''a'''", "triple quotes are not part of the expression language | Write the text in one pair."),
        ("1 # one", "comments are not part of the expression language | Remove the # and what follows."),
        ("...", "Ellipsis is not part of the expression language | "),
        ("1j", "'1j' is no number | Write digits, like 12, 0.5 or 1e6."),
        ("0x10", "'0x10' is no number | Write digits, like 12, 0.5 or 1e6."),
        ("1or 2", "'1or' is no number | Write digits, like 12, 0.5 or 1e6."),
        ("await item", "`await` is not part of the expression language | "),
        ("(yield)", "`yield` is not part of the expression language | "),
        ("item.__class__", "'__class__' is not part of the expression language | A key is also written ['__class__']."),
        ("__import__('os')", "there is no function '__import__' | Known are abs, coalesce, contains, date, days_between, default, ends_with, float, int, join, json, len, lower, matches and 10 more."),  # noqa: E501
        ("lowr(item)", "there is no function 'lowr' | Did you mean 'lower'?"),
        ("item.lower()", "values have no methods: .lower() | Write lower(item, …)."),
        ("steps.a.data.get('x')", "steps.a.data.get is no function | Known: abs, coalesce, contains, date, days_between, default, ends_with, float, int, join, json, len, lower, matches, max, min, now, round, split, starts_with, str, strip, sum, upper."),  # noqa: E501
        ("(len)(item)(1)", "len(item) is no function | Known: abs, coalesce, contains, date, days_between, default, ends_with, float, int, join, json, len, lower, matches, max, min, now, round, split, starts_with, str, strip, sum, upper."),  # noqa: E501
        ("len()", "len() cannot take 0 arguments | Write len(value)."),
        ("round(1, 2, 3)", "round() cannot take 3 arguments | Write round(number) or round(number, digits)."),
        ("default(1)", "default() cannot take 1 arguments | Write default(value, fallback)."),
        ("coalesce()", "coalesce() cannot take 0 arguments | Write coalesce(a, b, …)."),
        ("now(1)", "now() takes no arguments | Write now()."),
        ("round(1, digits=2)", "round() takes its arguments by place | Write round(number) or round(number, digits)."),
        ("len(*item)", "len() takes its arguments by place | Write len(value)."),
        ("now.year", "`now` is text and has nothing inside | Write `now`, or date(now) for the day."),
        ("9223372036854775809", "the number would be beyond 2^63 | Work with smaller numbers, or with float(…)."),
        ("1e999", "the number would be too large | Work with smaller numbers."),
        ("matches(item, '(')", "'(' is no regular expression: 'missing ): (' | Write it in RE2 syntax."),
        ("matches(item, '(?=x)')", "'(?=x)' is no regular expression: 'invalid perl operator: (?=' | Write it in RE2 syntax."),  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_not_part_of_the_language_is_refused_when_it_is_compiled(source: str, words: str) -> None:
    """Nothing is refused only when it runs that could be seen before; each refusal says what to write."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    said = caught.value.message.removeprefix(f"the expression {source!r}: ")
    assert words == f"{said} | {caught.value.cure}"


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("inputs.n = 3", "Write `==` to compare."),
        ("inputs.n && true", "Write `and`."),
        ("inputs.n || true", "Write `or`."),
        ("!inputs.yes", "Write `not`."),
        ("inputs.n === 3", "Write `==`."),
        ("inputs.n !== 3", "Write `!=`."),
        ("inputs.n => 3", "Write `>=`."),
        ("inputs.yes ? 1 : 2", "Write `a if condition else b`."),
        ("inputs.order-id x", ""),
        ("(1", ""),
        ("1) + (2", ""),
        ("'a", ""),
        ("1 +", ""),
        ("\ud800", ""),
        ("'\\x1'", ""),
        ("\x00", ""),
        ("(" * 300, ""),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_hint(source: str, cure: str) -> None:
    """Python says what is wrong with the syntax; habits from other languages are met with what to write."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    assert ": cannot be read: " in caught.value.message
    assert cure == caught.value.cure


# --------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("+".join(["1"] * 1_100), "the expression is longer than 2,048 bytes"),
        ("'" + "é" * 1_030 + "'", "the expression is longer than 2,048 bytes"),
        ("1" + "+1" * 60, "it is nested more than 50 deep"),
        ("-" * 2_000 + "1", "it is nested more than 50 deep"),
        ("not " * 500 + "true", "it is nested more than 50 deep"),
        ("x" + ".a" * 51, "it is nested more than 50 deep"),
        ("[" * 60 + "]" * 60, "it is nested more than 50 deep"),
        ("x" + "[-" * 1 + "-" * 1_000 + "1]", "it is nested more than 50 deep"),
    ],
)
def test_the_size_of_an_expression_is_bounded(source: str, message: str) -> None:
    """Length and depth are checked when it is compiled, with the same words every time."""
    said = {_failure(source) for _ in range(3)}

    assert 1 == len(said)
    assert said.pop().endswith(message)


def _failure(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    return str(caught.value)


_TOO_MUCH = "this looks at more than 1,000,000 values"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("9223372036854775807 + 2", "the number would be beyond 2^63"),
        ("9223372036854775807 * 9223372036854775807", "the number would be beyond 2^63"),
        ("-9223372036854775808 - 1", "the number would be beyond 2^63"),
        ("int(1e30)", "the number would be beyond 2^63"),
        ("int('9' * 30)", "the number would be beyond 2^63"),
        ("round(1e300)", "the number would be beyond 2^63"),
        ("1e308 * 10", "the number would be too large"),
        ("sum([1e308, 1e308])", "the number would be too large"),
        ("'x' * 65537", "the text would be longer than 65,536 characters"),
        ("'x' * 9223372036854775807", "the text would be longer than 65,536 characters"),
        ("9223372036854775807 * 'x'", "the text would be longer than 65,536 characters"),
        ("text + 'x'", "the text would be longer than 65,536 characters"),
        ("lower(huge)", "the text would be longer than 65,536 characters"),
        ("huge[1:]", "the text would be longer than 65,536 characters"),
        ("str([text, text])", "the text would be longer than 65,536 characters"),
        ("json([text] * 100)", "the text would be longer than 65,536 characters"),
        ("join([text] * 100)", "the text would be longer than 65,536 characters"),
        ("join([''] * 70000, 'x')", "the text would be longer than 65,536 characters"),
        ("[0] * 100001", "the list has more than 100,000 entries"),
        ("[0] * 9223372036854775807", "the list has more than 100,000 entries"),
        ("numbers + [0]", "the list has more than 100,000 entries"),
        ("longer[:]", "the list has more than 100,000 entries"),
        ("split(huge, 'x')", "the list has more than 100,000 entries"),
        ("[numbers] * 100000", _TOO_MUCH),
        ("[[0] * 1000] * 100000", _TOO_MUCH),
        ("[[object] * 1000] * 99999", _TOO_MUCH),
        ("[text] * 1000", _TOO_MUCH),
        ("[" + ", ".join(["numbers"] * 20) + "]", _TOO_MUCH),
        (" + ".join(["sum(numbers)"] * 20), _TOO_MUCH),
        (" or ".join(["[numbers] * 9 == [numbers + []] * 9"] * 20), _TOO_MUCH),
        ("matches(huge, '(a|b)*a(a|b){300}c')", _TOO_MUCH),
        ("json('[' * 51 + ']' * 51)", "json() reads at most 50 levels of lists and objects"),
        ("matches('a', 'x' * 3000)", "the pattern is longer than 2,048 characters"),
    ],
)
def test_what_an_evaluation_may_build_and_look_at_is_bounded(source: str, message: str) -> None:
    """A few characters cannot ask for gigabytes or hours; the same limit gives the same error every time."""
    expression = compile_expression(source)
    began = time.perf_counter()
    said: set[str] = set()
    for _ in range(2):
        with pytest.raises(ExpressionError) as caught:
            expression.evaluate(BIG)
        said.add(str(caught.value))

    assert 1 == len(said)
    assert said.pop().endswith(message)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("len('x' * 65536)", 65_536),
        ("len([0] * 100000)", 100_000),
        ("9223372036854775807 + 1", 2**63),
        ("-9223372036854775807 - 1", -(2**63)),
        ("len(longer)", 100_001),
        ("len(huge)", 1_000_000),
        ("sum(numbers)", 150_000.0),
        ("1" + "+1" * 49, 50),
        ("len(split(text))", 1),
        ("contains(huge, 'y')", False),
        ("matches(huge, 'y+$')", False),
        ("len(json('[' * 49 + ']' * 49))", 1),
    ],
)
def test_the_bounds_themselves_are_allowed(source: str, value: Json) -> None:
    """What is just within a limit works, and data larger than what may be built can still be read."""
    assert value == compile_expression(source).evaluate(BIG)


def test_the_bounds_are_the_documented_ones() -> None:
    """The figures of the design are the figures of the code."""
    assert (2_048, 2**63, 65_536, 100_000, 50, 10_000) == (
        bounds.MAX_SOURCE_BYTES,
        bounds.MAX_INT,
        bounds.MAX_TEXT,
        bounds.MAX_LIST,
        bounds.MAX_DEPTH,
        bounds.MAX_VISITS,
    )


def test_no_source_can_visit_more_nodes_than_allowed() -> None:
    """Each node is visited at most once, so the length of the source bounds the visits of its nodes."""
    widest = compile_expression(f"[{','.join(['a'] * 1_023)}]")

    assert 1_024 == widest.node_count
    assert bounds.MAX_SOURCE_BYTES < bounds.MAX_VISITS


# ------------------------------------------------------------------------------------------------------------ compiling


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("1 + 1", []),
        ("steps.a.data.rows[0].id", [Reference("steps", ("a", "data", "rows", 0, "id"))]),
        ("item", [Reference("item")]),
        ("item['a b'][-1]", [Reference("item", ("a b", -1))]),
        ("inputs.d[inputs.k].x", [Reference("inputs", ("d",)), Reference("inputs", ("k",))]),
        ("default(steps.b.data, vars.n)", [Reference("steps", ("b", "data")), Reference("vars", ("n",))]),
        ("inputs.a + inputs.a", [Reference("inputs", ("a",))]),
        ("now() > date(now)", [Reference("now")]),
        ("true and false", []),
        ("len(len)", [Reference("len")]),
        ("[a, {'b': c}, d if e else f, not g, h[1:i]]", [Reference(name) for name in "aceedfghi"]),
    ],
)
def test_everything_it_looks_at_is_known_beforehand(source: str, references: list[Reference]) -> None:
    """References are found without running it, as far as their keys are written out, in order and once each."""
    found = compile_expression(source).references

    assert set(references) == set(found)
    assert len(found) == len(set(found))


def test_references_are_written_as_in_the_source() -> None:
    """A reference reads like the path it stands for."""
    assert "steps.a['b c'][0]['from']" == str(Reference("steps", ("a", "b c", 0, "from")))


def test_expressions_of_one_source_are_equal() -> None:
    """An expression is a value: what it was compiled from, not where."""
    assert compile_expression("a + 1") == compile_expression("a + 1")
    assert compile_expression("a + 1") != compile_expression("a + 2")


def test_the_roots_are_those_of_the_scope() -> None:
    """This module may not import the grammar's, so the two lists are held together here."""
    assert scope.ROOTS == paths.ROOTS


def test_evaluating_leaves_the_data_alone() -> None:
    """An expression reads; what it makes is new."""
    data: dict[str, Any] = {"l": [3, 1], "d": {"a": [1]}}

    for source in ("l + [1]", "l * 2", "[l, d]", "max(l)", "l[::-1]", "{'x': d}", "join(l)"):
        compile_expression(source).evaluate(data)

    assert {"l": [3, 1], "d": {"a": [1]}} == data


def test_what_the_scope_lacks_is_not_invented() -> None:
    """Without `now` there is no time, and no clock is asked."""
    with pytest.raises(ExpressionError, match="there is no `now` here"):
        compile_expression("now()").evaluate({})


# --------------------------------------------------------------------------------------------------------- never raises

_tokens = st.sampled_from(
    "inputs.n inputs.t inputs.l inputs.d inputs.none item index now steps.a.data vars true null None 1 2.5 99999 1e300"
    " 'a' '\\d+' [ ] ( ) { } , : + - * / // % ** < <= == != in not and or if else . .from [0] [1:2] len( min( max( sum("
    " round( abs( lower( upper( strip( split( join( contains( starts_with( matches( default( coalesce( int( float( str("
    " json( now() date( days_between( lambda for = | {{ }} ' \" # \\ \n é \x00 __class__ .__class__ ''' f' 1or".split(
        " "
    )
)
_programs = st.lists(_tokens, max_size=14).map(" ".join) | st.text(max_size=30)


def _operands() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(
        "inputs.n inputs.t inputs.l inputs.d inputs.none inputs.yes item now true 0 7 -2.5 1e300 'a' '9' [] {}".split()
    )
    names = st.sampled_from(
        "len min max sum round abs lower upper strip split join contains starts_with ends_with matches default coalesce"
        " int float str json date days_between".split()
    )
    operators = st.sampled_from(("not in", *"+ - * / // % < <= > == != and or in".split()))

    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return (
            st.tuples(inner, operators, inner).map(lambda parts: f"({' '.join(parts)})")
            | st.tuples(names, st.lists(inner, min_size=1, max_size=3)).map(lambda x: f"{x[0]}({', '.join(x[1])})")
            | st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]")
            | st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} if {x[1]} else {x[2]})")
            | inner.map(lambda part: f"[{part}] * 9999")
            | st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        )

    return st.recursive(leaves, deeper, max_leaves=8)


@given(_programs | _operands())
@example("- " * 1_000 + "1")
@example("(" * 1_000 + ")" * 1_000)
@example("x" * 3_000)
@example("\ud800")
@example("'\\N{x}' '\\u12' 'a\\")
def test_any_text_is_an_expression_or_an_expression_error(source: str) -> None:
    """User text never raises anything else, neither compiled nor evaluated, and always answers in one line."""
    answer = _answer(source, SCOPE)

    assert answer
    assert "\n" not in answer


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["9", "10"])
_data = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(_data, _data, _operands())
def test_any_data_is_computed_with_or_refused(one: Json, other: Json, source: str) -> None:
    """Data of any kind gives a value or an ExpressionError, also what JSON cannot say."""
    inputs = {"n": one, "t": other, "l": [one, other], "d": {"a": one}, "none": None, "yes": other}

    assert _answer(source, {"inputs": inputs, "item": one, "now": "2030-01-01"})


@given(_data, _data)
def test_equality_is_symmetric_and_agrees_with_identity(one: Json, other: Json) -> None:
    """Two values are equal in both directions, `!=` is the opposite, and lists find what equals."""
    there = {"a": one, "b": other}

    def holds(source: str) -> Json:
        return compile_expression(source).evaluate(there)

    assert holds("a == b") == holds("b == a") == holds("a in [b]") == (not holds("a != b"))


@given(st.lists(st.integers(-20, 20).map(str) | st.sampled_from(["a", "5x", ""]), min_size=1, max_size=6))
def test_the_least_of_texts_does_not_depend_on_their_order(values: list[str]) -> None:
    """Sorting and picking use one total order, whatever mixture of texts there is."""
    least = compile_expression("min(v)")

    assert least.evaluate({"v": values}) == least.evaluate({"v": values[::-1]})
