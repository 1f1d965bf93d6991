"""Redaction: every spelling of a known secret, keys of known shapes, and JSON that stays JSON."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackrecord.canonical import Json, clean, clean_text, dumps, loads
from trackrecord.record.redact import MASK, MIN_SECRET_LENGTH, Redactor, forms, redactor

SECRETS = [
    "hunter2-hunter2",
    "s3cr3t",
    'quo"ted\\back/slash',
    "two words & more = 100%?",
    "line\nbreak\tand\x7f\x01",
    "pässwörd-ключ-🔑",
    "raw\udcffbyte",
    "a+b/c==~._-x",
    "12345678",
    "[redacted]",
]
ANY_SECRET = st.text(st.characters(codec=None, exclude_categories=()), min_size=MIN_SECRET_LENGTH, max_size=20).filter(
    lambda secret: "\x00" not in secret and len(secret.strip(" \t\r\n\"'")) >= MIN_SECRET_LENGTH
)


def spellings(secret: str) -> dict[str, str]:
    raw = secret.encode("utf-8", "surrogatepass")
    inner = json.dumps({"k": secret})
    return {
        "raw": secret,
        "escaped, ASCII": json.dumps(secret)[1:-1],
        "escaped": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps({"body": inner}),
        "in canonical text": dumps([secret]),
        "URL path": quote(raw),
        "URL, all": quote(raw, safe=""),
        "URL, small letters": re.sub("%..", lambda found: found[0].lower(), quote(raw, safe="")),
        "form": urlencode({"k": raw}),
        "plus": quote_plus(raw),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "basic auth": base64.b64encode(b"user:" + raw).decode(),
        "bearer, base64": base64.b64encode(raw).decode(),
        "urlsafe": base64.urlsafe_b64encode(b"??>" + raw + b"??>").decode(),
    }


def seen(text: str, secret: str) -> bool:
    """Whether somebody could still read the secret, or nearly all of it, out of the text."""
    raw = secret.encode("utf-8", "surrogatepass")
    return any(
        part in text
        for part in (
            secret,
            clean_text(secret),
            json.dumps(secret)[1:-1],
            quote(raw, safe=""),
            raw.hex(),
            raw.hex().upper(),
        )
    )


@pytest.mark.parametrize("secret", SECRETS)
def test_every_spelling_of_a_secret_is_masked(secret: str) -> None:
    """As it is, escaped, in a URL, in base64, in hexadecimal: a mask stands where it stood, and the rest stays."""
    known = redactor([secret])
    for name, spelt in spellings(secret).items():
        text = f"before <{spelt}> after"
        masked = known.exact(text)
        assert MASK in masked, name
        assert masked.startswith("before <"), name
        assert masked.endswith("> after"), name
        assert masked == known.text(text), name
        if secret not in MASK:
            assert not seen(masked, secret), name


@pytest.mark.parametrize("secret", [*SECRETS, "sixsix", "exactly-9", "ten-signs-", "eleven-sign"])
@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_found_wherever_it_begins(secret: str, before: int, after: int) -> None:
    """Longer base64 spells a secret in three ways: all is masked but what it shares with its neighbours."""
    raw = secret.encode("utf-8", "surrogatepass")
    known = redactor([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(b"\xff" * before + raw + b"\xfe" * after).decode()
        masked = known.exact(whole)
        assert MASK in masked
        shared_or_theirs = -(-8 * (before + len(raw) + after) // 6) - (
            8 * (before + len(raw)) // 6 - -(-8 * before // 6)
        )
        assert len(masked.replace(MASK, "").rstrip("=")) <= shared_or_theirs


@settings(max_examples=200)
@given(ANY_SECRET, st.text(max_size=10), st.text(max_size=10))
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    """Whatever stands around it and whatever it is made of, the secret is gone and the neighbours are there."""
    masked = redactor([secret]).exact(f"{before}{secret}{after}")
    assert MASK in masked
    assert secret not in masked.replace(MASK, "\x00") or secret in f"{before}\x00{after}"


def values_with(secret: str) -> list[object]:
    return [
        secret, [secret], {"k": secret}, {secret: 1}, {secret: 1, f"{secret}x": 2}, f"a{secret}b", f"\n{secret}\n",
        {"body": json.dumps({"k": secret})}, {"body": dumps({"k": [secret]})}, f'"{secret}"', secret[1:] + secret,
    ]  # fmt: skip


@settings(max_examples=200)
@given(ANY_SECRET | st.sampled_from(SECRETS))
def test_canonical_text_loses_the_secret_and_stays_canonical(secret: str) -> None:
    """What is stored and given to an engine is JSON after redaction as before, and holds the secret nowhere."""
    known = redactor([secret])
    for value in values_with(secret):
        text = dumps(value)
        masked = known.exact_json(text)
        assert masked == dumps(loads(masked))
        assert MASK in masked
        if secret not in MASK:
            assert all(not seen(part.replace(MASK, "\x00"), secret) for part in texts(loads(masked)))


def texts(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *texts(item))]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else [dumps(value)]


@pytest.mark.parametrize(
    ("secret", "value", "masked"),
    [
        ('hunt","er2', ["hunt", "er2"], ["hunt", "er2"]),  # in the text the one follows the other just so
        ('hunt","er2', ['hunt","er2'], [MASK]),
        ("12345678", {"pin": 12345678, "n": 1}, {"pin": MASK, "n": 1}),
        ("123456", [1234567, 0.123456, 123455], [MASK, MASK, 123455]),
        ("a,true", ["a", True], ["a", True]),
        ("secret\\", ["secret\n"], ["secret\n"]),
        ("secret\\", ["my secret\\"], [f"my {MASK}"]),
        ("hunter2", {"hunter2": 1, "hunter2 ": 2}, {MASK: 1, f"{MASK} ": 2}),
        ("hunter2", {"hunter2": 1, MASK: 2}, {MASK: 2, f"{MASK}~2": 1}),
        ("hunter2", {"hunter2": 1, f"{MASK}~2": 2, MASK: 3}, {MASK: 3, f"{MASK}~2": 2, f"{MASK}~3": 1}),
        ("hunter2", {"hunter2": {"hunter2": 1}}, {MASK: {MASK: 1}}),
        ("hunter2", [None, True, "", {}], [None, True, "", {}]),
    ],
)
def test_redaction_is_of_values_not_of_the_text_they_are_written_in(secret: str, value: Json, masked: Json) -> None:
    """Quotes and commas of JSON belong to no secret, a number may be one, and no key swallows another."""
    assert masked == loads(redactor([secret]).exact_json(dumps(value)))
    assert masked == redactor([secret]).value(value)


KEYS = [
    "sk-abcdefghijklmnop1234",
    "sk-ant-api03-AbCd_efgh-1234567890",
    "sk-proj-0123456789abcdefXYZ",
    "gsk_0123456789abcdefghijABCDEFGHIJ",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "ghp_0123456789abcdefghij0123456789abcdef",
    "ghs_0123456789abcdefghij0123456789abcdef",
    "github_pat_11ABCDEFG0123456789_abcdefghijkl",
    "xoxb-1234567890-abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_looks_like_a_key_is_masked(key: str) -> None:
    """A key nobody told us about is caught by its shape, whatever stands before it; `full` payloads keep it."""
    nobody = redactor([])
    for text in (key, f"key={key}", f"({key})", f"\n{key}\n", f"API_{key}", f"é{key}"):
        assert text.replace(key, MASK) == nobody.text(text)
        assert {"k": text.replace(key, MASK)} == loads(nobody.json(dumps({"k": text})))
        assert dumps({text: 1}) == nobody.exact_json(dumps({text: 1}))
        assert text == nobody.exact(text)


@pytest.mark.parametrize(
    "text",
    [
        "task-management-of-many-things",
        "sk-short",
        "risk-of-something-very-unlikely",
        "AKIA",
        "disk_sky",
        "",
        "xox",
        "gsk_",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """The second net has no holes for words."""
    nobody = redactor([])
    assert text == nobody.text(text)
    assert dumps(text) == nobody.json(dumps(text))


@pytest.mark.parametrize("secret", ["", "a", "12345", "error"])
def test_short_secrets_are_left_out(secret: str) -> None:
    """Five characters are an ordinary word: masking it would eat the record."""
    known = redactor([secret])
    text = f"an error {secret} in 12345 and a, {secret.encode().hex()}, {base64.b64encode(secret.encode()).decode()}"
    assert text == known.exact(text)
    assert dumps([text]) == known.json(dumps([text]))


@pytest.mark.parametrize("wrapped", ['"hunter2"', "'hunter2'", "hunter2\n", "  hunter2\r\n"])
def test_what_is_wrapped_around_a_secret_is_no_part_of_it(wrapped: str) -> None:
    """A file of settings may leave quotes or a line break on a value, which whoever uses it takes off again."""
    assert {"k": MASK} == redactor([wrapped]).value({"k": "hunter2"})
    assert ["a", MASK] == loads(redactor([wrapped]).exact_json(dumps(["a", "hunter2"])))
    assert "'12345 '" == redactor(["'12345 '"]).exact("'12345 '")  # nothing of it but five characters


def test_six_characters_are_a_secret() -> None:
    """The bound is exact."""
    assert MASK == redactor(["abcdef"]).exact("abcdef")
    assert 6 == MIN_SECRET_LENGTH


def test_no_spelling_is_short() -> None:
    """A spelling of fewer than six characters would mask ordinary text: none is looked for."""
    pattern = redactor(["abcdef"])._pattern
    assert pattern is not None
    assert all(len(form) >= MIN_SECRET_LENGTH for form in pattern.pattern.replace("\\", "").split("|"))


def test_of_two_secrets_the_longer_wins() -> None:
    """A secret that begins with another is masked as a whole."""
    known = redactor(["secret", "secret-and-more"])
    assert f"{MASK} {MASK}" == known.exact("secret-and-more secret")


@given(st.lists(st.sampled_from(SECRETS), max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_secrets_does_not_matter(secrets: list[str], random: object) -> None:
    """The same secrets give the same text, whatever order the environment has them in."""
    text = " ".join(SECRETS)
    assert redactor(secrets).text(text) == redactor(reversed(secrets)).text(text)


def test_nothing_known_changes_nothing() -> None:
    """Without secrets there is nothing to do, and text comes back as it is."""
    text = dumps({"k": ["plain", 1]})
    nobody = redactor([])
    for same in (nobody.exact(text), nobody.text(text), nobody.exact_json(text), nobody.json(text)):
        assert text is same
    assert Redactor(None) == nobody


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_two_secrets_as_keys_are_two_keys_still() -> None:
    """Masking may make keys equal; what they hold is kept."""
    known = redactor(["hunter2", "hunter3"])
    assert {MASK: 1, f"{MASK}~2": 2} == known.value({"hunter2": 1, "hunter3": 2})


@given(JSON)
def test_values_without_secrets_are_untouched(value: object) -> None:
    """Redaction takes out secrets and nothing else: types, order and numbers stay."""
    known = redactor(["a-secret-that-is-not-there", "987654321987654321"])
    cleaned = clean(value)
    assert cleaned == known.value(cleaned)
    assert dumps(value) == known.json(dumps(value)) == known.exact_json(dumps(value))


def test_forms_hold_the_secret_itself() -> None:
    """Whatever else is looked for, the plain secret always is."""
    assert all(secret in forms(secret) for secret in SECRETS)
