"""Canonical JSON: whatever comes in, what comes out is plain, stable, and the same when it is read back."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections import OrderedDict, UserDict, UserList, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, localcontext
from enum import Enum
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit import hostile
from tests.unit.hostile import (
    BadField,
    BadMapping,
    BadSet,
    BadZone,
    Bites,
    BitingBytes,
    BitingClass,
    BitingDelta,
    BitingDict,
    BitingFloat,
    BitingInt,
    BitingList,
    BitingMoment,
    BitingStr,
    BitingTuple,
    Colour,
    Level,
    Liar,
    Mood,
    Pair,
    Plain,
    Point,
    Unfilled,
    released,
)

from trackrecord import canonical
from trackrecord.canonical import MAX_DEPTH, MAX_INT, Json, clean, clean_text, cut, digest, dumps, encode_clean, loads


def tag(kind: str, text: str) -> dict[str, Json]:
    return {"$t": kind, "v": text}


def local(name: str) -> str:
    return f"{hostile.__name__}.{name}"


# --------------------------------------------------------------------------------------------------------------- tables

PLAIN: list[Json] = [
    None, True, False, 0, -1, MAX_INT, -MAX_INT, 0.5, -0.0, 1e308, 5e-324, "", "text", "é 👩‍👩‍👧", "\x01\u2028",
    [], {}, [[], {}, ""], {"a": [1, {"b": None}]}, {"": 1}, {"\u202e": 0},
    {"__proto__": 1, "$ref": "x", "lc": 1, "type": "constructor"},
    {"$t": "bytes", "v": "AA=="}, {"$t": 1}, "\\u0000",
]  # fmt: skip

TAGGED: list[tuple[str, object, object]] = [
    ("nul", "a\x00b", "a\\u0000b"),
    ("lone surrogate", "a\ud800b\udfff", "a\\ud800b\\udfff"),
    ("pair written as two surrogates", "\ud83d\ude00", "\\ud83d\\ude00"),
    ("nan", math.nan, tag("float", "NaN")),
    ("infinity", math.inf, tag("float", "Infinity")),
    ("minus infinity", -math.inf, tag("float", "-Infinity")),
    ("above 2^53", MAX_INT + 1, tag("int", "9007199254740993")),
    ("below -2^53", -MAX_INT - 1, tag("int", "-9007199254740993")),
    ("2^63", 2**63, tag("int", "9223372036854775808")),
    ("10^400", 10**400, tag("int", "1" + "0" * 400)),
    ("10^5000", 10**5000, tag("int", hex(10**5000))),
    ("minus 10^5000", -(10**5000), tag("int", hex(-(10**5000)))),
    ("bytes", b"\x00\xff", tag("bytes", "AP8=")),
    ("bytearray", bytearray(b"ab"), tag("bytes", "YWI=")),
    ("memoryview", memoryview(b"abcd")[::2], tag("bytes", "YWM=")),
    ("memoryview of numbers", memoryview(b"abcd").cast("H"), tag("bytes", "YWJjZA==")),
    ("datetime", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), tag("datetime", "2026-01-02T03:04:05.000006+00:00")),
    ("naive datetime", datetime.fromisoformat("2026-01-01"), tag("datetime", "2026-01-01T00:00:00")),
    ("date", date(9999, 12, 31), tag("date", "9999-12-31")),
    ("time", time(23, 59, tzinfo=timezone(timedelta(hours=-3))), tag("time", "23:59:00-03:00")),
    ("timedelta", timedelta(minutes=1.5), tag("timedelta", "90.0 s")),
    ("longest timedelta", timedelta.max, tag("timedelta", "86399999999999.999999 s")),
    ("negative timedelta", timedelta(microseconds=-1), tag("timedelta", "-0.000001 s")),
    ("decimal", Decimal("1.10"), tag("decimal", "1.10")),
    ("decimal exponent", Decimal("1E+5"), tag("decimal", "1E+5")),
    ("signalling nan", Decimal("sNaN"), tag("decimal", "sNaN")),
    ("uuid", UUID(int=1), tag("uuid", "00000000-0000-0000-0000-000000000001")),
    ("complex", 1 + 2j, tag("object", "builtins.complex")),
    ("enum", Colour.RED, "red"),
    ("enum of a tuple", Colour.DEEP, [1, tag("bytes", "AA==")]),
    ("int enum", Level.HIGH, 3),
    ("str enum", Mood.GOOD, "good"),
    ("tuple", (1, (2,)), [1, [2]]),
    ("named tuple", Pair(1, "\x00"), [1, "\\u0000"]),
    ("ordered dict", OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
    ("default dict", defaultdict(list, a=[1]), {"a": [1]}),
    ("mapping proxy", MappingProxyType({"a": (1,)}), {"a": [1]}),
    ("user's mapping", UserDict({"a": 1}), {"a": 1}),
    ("user's list", UserList([1]), tag("object", "collections.UserList")),
    ("set", {3, 1, 2}, tag("set", "[1,2,3]")),
    ("empty set", set(), tag("set", "[]")),
    ("set of anything", frozenset({1, "1", None, b"x"}), tag("set", '["1",1,null,{"$t":"bytes","v":"eA=="}]')),
    ("keys of a dict", {"b": 1, "a": 2}.keys(), tag("set", '["a","b"]')),
    ("dataclass", Point(1, {2}), {"rest": tag("set", "[2]"), "x": 1}),
    ("dataclass with nothing in it yet", Unfilled(), {"missing": None, "there": 1}),
    ("dataclass type", Point, tag("object", "builtins.type")),
    ("object", Plain(), tag("object", local("Plain"))),
    ("function", len, tag("object", "builtins.builtin_function_or_method")),
    ("exception", ValueError("secret"), tag("object", "builtins.ValueError")),
    ("generator", (n for n in "ab"), tag("object", "builtins.generator")),
    ("range", range(3), tag("object", "builtins.range")),
    ("int key", {1: "a"}, {"1": "a"}),
    ("other keys", {None: 1, True: 2, 1.5: 3}, {"1.5": 3, "null": 1, "true": 2}),
    ("tuple key", {(1, "a"): 1}, {'[1,"a"]': 1}),
    ("bytes key", {b"a": 1}, {'{"$t":"bytes","v":"YQ=="}': 1}),
    ("enum keys", {Mood.GOOD: 1, Colour.RED: 2}, {"good": 1, '"red"': 2}),
    ("nul in a key", {"a\x00": 1}, {"a\\u0000": 1}),
    ("1 and text 1", {1: "number", "1": "text"}, {"1": "text", "1~2": "number"}),
    ("three that read the same", {1: "a", "1": "b", "1~2": "c"}, {"1": "b", "1~2": "c", "1~3": "a"}),
    ("nul and its spelling", {"\x00": 1, "\\u0000": 2}, {"\\u0000": 2, "\\u0000~2": 1}),
    ("biting object", Bites(), tag("object", local("Bites"))),
    ("biting text", BitingStr("a\x00"), "a\\u0000"),
    ("biting int", BitingInt(7), 7),
    ("biting wide int", BitingInt(2**60), tag("int", str(2**60))),
    ("biting float", BitingFloat(0.5), 0.5),
    ("biting bytes", BitingBytes(b"ab"), tag("bytes", "YWI=")),
    ("biting list", BitingList([1, Bites()]), [1, tag("object", local("Bites"))]),
    ("biting tuple", BitingTuple((1,)), [1]),
    ("biting dict", BitingDict(a=1), {"a": 1}),
    ("biting key", {BitingStr("k"): 1}, {"k": 1}),
    ("biting datetime", BitingMoment(2026, 1, 1), tag("datetime", "2026-01-01T00:00:00")),
    ("biting timedelta", BitingDelta(seconds=1), tag("timedelta", "1.0 s")),
    ("biting class", BitingClass(), tag("object", "BitingClass (AssertionError while reading it)")),
    ("a class that bites", BitingClass, tag("object", local("BitingMeta"))),
    ("liar", Liar(), tag("object", local("Liar"))),
    ("mapping that raises", BadMapping(), tag("object", "BadMapping (OSError while reading it)")),
    ("set that raises", BadSet(), tag("object", "BadSet (RecursionError while reading it)")),
    ("zone that raises", datetime(2026, 1, 1, tzinfo=BadZone()), tag("object", "datetime (OSError while reading it)")),
    ("dataclass that raises", BadField(), tag("object", "BadField (OSError while reading it)")),
    ("released memory", released(), tag("object", "memoryview (ValueError while reading it)")),
    ("a bad one among good ones", [1, BadSet(), 2], [1, tag("object", "BadSet (RecursionError while reading it)"), 2]),
]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ any value

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=8) | st.sampled_from(
    ["\x00", "\\u0000", "$t", "v", "1", "1~2", "null", "__proto__", "\ud800", "👩‍👩‍👧", '"', "\\"]
)
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([MAX_INT, MAX_INT + 1, -MAX_INT - 1, 2**63, 10**400])
    | st.floats()
    | st.binary(max_size=4)
    | st.decimals().filter(lambda number: not number.is_snan())
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Colour.RED, Colour.DEEP, Level.HIGH, Mood.GOOD])
    | TEXTS,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
ANY = st.recursive(
    HASHABLE | st.builds(Plain) | st.builds(BadMapping) | st.builds(BadSet) | st.builds(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4).map(OrderedDict)
        | st.builds(Point, x=inner, rest=inner)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=12,
)
KEYS = TEXTS | st.sampled_from(
    [1, 1.5, None, b"x", Colour.RED, '"red"', Colour.DEEP, (1, b"\x00"), (1, "1"), Mood.GOOD, frozenset("ab"), date.max]
)
WITHOUT_FLOATS = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | st.text(max_size=8).filter(lambda t: "\x00" not in t),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\ue000\U00010000\uffff"), inner, max_size=4),
    max_leaves=12,
)


def problem(value: object, depth: int = 0) -> str | None:
    """Why a value is no plain JSON of ours; told independently of the code under test."""
    kind = type(value)
    if value is None or kind is bool:
        return None
    if kind is int:
        return None if abs(value) <= MAX_INT else f"wide int {value}"  # type: ignore[arg-type,operator]
    if kind is float:
        return None if math.isfinite(value) else f"float {value}"  # type: ignore[arg-type]
    if kind is str:
        return "odd text" if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value) else None  # type: ignore[attr-defined]
    if kind not in (list, dict):
        return f"a {kind.__name__}"
    is_tag = kind is dict and {"$t", "v"} == set(value)  # type: ignore[call-overload]
    if depth >= MAX_DEPTH + is_tag:
        return "too deep"
    parts = [*value, *value.values()] if kind is dict else value  # type: ignore[attr-defined,misc]
    if kind is dict and any(type(key) is not str for key in value):  # type: ignore[attr-defined]
        return "a key that is no text"
    return next((found for part in parts if (found := problem(part, depth + 1))), None)  # type: ignore[attr-defined]


@settings(max_examples=400)
@given(ANY)
def test_any_value_becomes_canonical_text_and_is_read_back_the_same(value: object) -> None:
    """Whatever the value, its text is JSON that any reader takes, and what it reads is the cleaned, plain value."""
    cleaned = clean(value)
    text = dumps(value)

    assert problem(cleaned) is None
    assert cleaned == loads(text) == json.loads(text)
    assert text == encode_clean(cleaned) == dumps(cleaned)
    assert text == text.encode().decode()


@settings(max_examples=400)
@given(ANY)
def test_cleaning_is_done_once(value: object) -> None:
    """What is clean is plain already: cleaning it again, or after it was stored, gives it back untouched."""
    cleaned = clean(value)

    assert cleaned is clean(cleaned) or cleaned in (None, True, False) or isinstance(cleaned, int | float | str)
    assert cleaned == clean(loads(dumps(cleaned)))


@given(WITHOUT_FLOATS)
def test_the_text_is_what_the_standard_library_writes(value: Json) -> None:
    """Keys by code point, no spaces, the same escapes: the standard library's own text of the same value."""
    expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert expected == dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_written_with_the_fewest_digits_that_read_back(value: float) -> None:
    """A float's text gives the very same float, sign of zero included, with no more digits than `repr` needs."""

    def digits(text: str) -> str:
        return text.lower().partition("e")[0].replace("-", "").replace(".", "").strip("0")

    text = dumps(value)
    read = loads(text)

    assert (value, math.copysign(1, value)) == (read, math.copysign(1, read))  # type: ignore[arg-type]
    assert digits(repr(value)) == digits(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (1e16, "1e+16"), (1e-7, "1e-7"), (0.00001, "0.00001"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"), (float(2**53), "9007199254740992.0"),
    ],
)  # fmt: skip
def test_the_spelling_of_floats_never_changes(value: float, text: str) -> None:
    """Hashes are made of this text: a JSON writer that spells floats in another way must not slip in."""
    assert text == dumps(value)


@settings(max_examples=200)
@given(st.dictionaries(KEYS, st.integers(0, 9), max_size=6), st.randoms(use_true_random=False))
@example({"\x00": 1, "\\u0000": 2}, Random(1))
@example({"\x00\\u0000": 1, "\\u0000\x00": 2, "\x00\x00": 3}, Random(1))
@example({1: 1, "1": 2, "1~2": 3}, Random(1))
def test_the_order_of_insertion_does_not_show(value: dict[Any, int], random: Any) -> None:
    """Two equal mappings have one text, also when several of their keys read the same."""
    entries = list(value.items())
    for _ in range(3):
        random.shuffle(entries)
        assert dumps(value) == dumps(dict(entries))


@given(st.dictionaries(HASHABLE, st.integers(0, 9), max_size=6))
def test_no_key_swallows_another(value: dict[Any, int]) -> None:
    """As many keys come out as went in, each with its value, whatever they read like."""
    cleaned = clean(value)
    assert isinstance(cleaned, dict)
    assert sorted(value.values()) == sorted(cleaned.values())  # type: ignore[type-var]


# ----------------------------------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_are_handed_back_as_they_are(value: Json) -> None:
    """What JSON can say is not copied and not changed; no key and no tag-like shape is ever interpreted."""
    assert value is clean(value)
    assert value == loads(dumps(value))


@pytest.mark.parametrize(("value", "cleaned"), [row[1:] for row in TAGGED], ids=[row[0] for row in TAGGED])
def test_what_json_cannot_say_becomes_a_visible_tag(value: object, cleaned: Json) -> None:
    """Each kind of value has one documented form, and getting it calls no code of the value's own."""
    assert cleaned == clean(value)
    assert cleaned == clean([value])[0]  # type: ignore[index,call-overload]
    assert cleaned == loads(dumps(value))


def test_generators_are_not_consumed() -> None:
    """Looking at a value does not use it up."""
    generator = (n for n in (1, 2))
    dumps({"a": [generator]})
    assert [1, 2] == list(generator)


def test_a_value_that_was_converted_is_a_copy() -> None:
    """Cleaning never changes the value it is given."""
    inner = {"n": (1,)}
    value = {1: inner}
    cleaned = clean(value)
    assert {"1": {"n": [1]}} == cleaned
    assert ({1: {"n": (1,)}}, {"n": (1,)}) == (value, inner)


@pytest.mark.parametrize("bits", [2_000, 2_001, 2_127, 10_000, 14_300, 1_000_000])
def test_wide_ints_have_a_text_whatever_python_is_told_to_refuse(bits: int) -> None:
    """Even with the lowest limit on digits that Python takes, a wide int has its text, and the text has the int."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(sys.int_info.str_digits_check_threshold)
    try:
        cleaned = clean(-(2**bits))
    finally:
        sys.set_int_max_str_digits(before)
    assert isinstance(cleaned, dict)
    assert -(2**bits) == int(str(cleaned["v"]), 0)


def test_the_decimal_context_of_the_caller_does_not_show() -> None:
    """A hash may not depend on what else runs in the process."""
    with localcontext(Context(prec=1, capitals=0)):
        text = dumps([Decimal("1.23E+9")])
    assert '[{"$t":"decimal","v":"1.23E+9"}]' == text


# ----------------------------------------------------------------------------------------------------- depth and cycles


def nested(depth: int, innermost: object) -> object:
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


def depth_of(value: Json) -> int:
    deepest = 0
    while isinstance(value, list) and value:
        deepest, value = deepest + 1, value[0]
    return deepest + (value == [])


@pytest.mark.parametrize("innermost", ["text", b"bytes", math.nan, (), {}, {1}, Point(1), Plain(), Colour.DEEP])
@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 100, 100_000])
def test_depth_is_cut_where_it_is_too_deep_and_only_there(depth: int, innermost: object) -> None:
    """64 levels are kept, the next becomes a tag, and what was cut is clean for good."""
    cleaned = clean(nested(depth, innermost))
    assert problem(cleaned) is None
    assert min(depth, MAX_DEPTH) <= depth_of(cleaned) <= MAX_DEPTH
    assert cleaned is clean(cleaned)
    assert cleaned == loads(dumps(cleaned))


def test_the_level_that_is_cut_says_so() -> None:
    """A reader sees that something was there, and of which type."""
    kept = clean(nested(MAX_DEPTH, ["gone"]))
    for _ in range(MAX_DEPTH):
        kept = kept[0]  # type: ignore[index,call-overload]
    assert tag("depth", "list nested too deep") == kept


def test_cycles_are_cut_where_they_close() -> None:
    """A container inside itself becomes a tag there; one that is only used twice is written twice."""
    cycle: dict[str, Any] = {"self": None, "list": []}
    cycle["self"] = cycle
    cycle["list"].append(cycle["list"])
    shared = [1]
    assert {"self": tag("cycle", "dict"), "list": [tag("cycle", "list")]} == clean(cycle)
    assert [[1], [1], [[1]]] == clean((shared, shared, (shared,)))


@pytest.mark.parametrize(
    "make", [list, tuple, lambda items: {"k": items[0], "l": items}], ids=["list", "tuple", "dict"]
)
def test_cycles_of_any_container_end(make: Any) -> None:
    """No cycle hangs, whatever it is made of."""
    link: list[Any] = []
    around = make([link])
    link.append(around)
    text = dumps([around, {1: around}, Point(1, around)])
    assert '"$t":"cycle"' in text
    assert problem(loads(text)) is None


def test_an_enum_that_is_its_own_value_ends() -> None:
    """A member stands for its value, unless that leads back to itself."""

    class Round(Enum):
        A = 1

    Round.A._value_ = [Round.A]  # type: ignore[assignment]
    assert [tag("cycle", Round.__qualname__)] == clean(Round.A)


def test_sets_in_sets_do_not_explode() -> None:
    """A set is text within text, which doubles its escapes at every level: deep nesting is cut before it hurts."""
    value: Any = frozenset(['"'])
    for _ in range(60):
        value = frozenset([value, '"'])
    keyed: Any = 1
    for _ in range(60):
        keyed = Point(1, MappingProxyType({(keyed if isinstance(keyed, int) else "k", frozenset([value])): keyed}))
    assert len(dumps(value)) < 5_000
    assert '\\"depth\\' in dumps(value)
    assert problem(clean(keyed)) is None


def test_a_value_that_another_thread_changes_is_still_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that was given up may go on writing into its result while it is recorded."""
    value = {"é": 1}

    class Meddling:
        def search(self, text: str) -> None:
            value[f"é{len(value)}"] = 2

        def sub(self, _: object, text: str) -> str:
            return text

    monkeypatch.setattr(canonical, "_UNSAFE_TEXT", Meddling())
    assert {"é": 1, "é1": 2} == clean(value)


# --------------------------------------------------------------------------------------------------------- size, hashes


@pytest.mark.parametrize("unit", ["x", "é", '"', "\x00", "\ud800"])
def test_ten_megabytes_of_text_are_kept_whole(unit: str) -> None:
    """Size alone is no reason to refuse or to cut."""
    text = unit * (10_000_000 // len(clean_text(unit).encode()))
    read = loads(dumps({"k": text}))
    assert {"k": text if unit in 'xé"' else clean_text(unit) * len(text)} == read


def test_the_text_is_the_same_in_every_process() -> None:
    """Neither the seed of hashes nor addresses in memory show in the text."""
    script = (
        "from trackrecord.canonical import dumps; from decimal import Decimal; from uuid import UUID\n"
        "class Thing: pass\n"
        "values = {'a', 'b', 'c', 'd', 1, 2.5, None, b'x', ('t', frozenset('xyz')), Decimal('1'), UUID(int=7)}\n"
        "print(dumps([values, dict.fromkeys(values), Thing(), {Thing(): 1, Thing(): 1}]))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert 1 == len(texts)


def test_a_digest_is_sha256_of_the_bytes() -> None:
    """Anybody can compute it again from the stored text."""
    assert hashlib.sha256("é".encode()).hexdigest() == digest("é")
    assert "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" == digest(dumps({}))


@given(TEXTS)
def test_clean_text_is_the_same_as_cleaning_text(text: str) -> None:
    """Text has one clean form, which is stable and which a database can hold."""
    cleaned = clean_text(text)
    assert cleaned == clean(text) == clean_text(cleaned)
    assert cleaned == cleaned.encode().decode()
    assert "\x00" not in cleaned


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 0, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc… [cut: 4 characters in all]"),
        ("é" * 10, 9, "é" * 9 + "… [cut: 10 characters in all]"),
        ("x", 0, "… [cut: 1 characters in all]"),
    ],
)
def test_a_cut_is_marked_with_the_size_of_the_whole(text: str, limit: int, expected: str) -> None:
    """Text within the limit is untouched; longer text shows that it was cut and what it was."""
    assert expected == cut(text, limit)
