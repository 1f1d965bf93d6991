"""Redaction: known secrets are taken out by exact value before anything is stored, logged or shown. Pure.

Each secret is looked for as it is, JSON-escaped, URL-encoded, in base64 and in hexadecimal. Keys of well-known shapes
are a second net, for secrets nobody told us about. Canonical text stays canonical text, whatever is taken out of it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

from trackrecord.canonical import Json, clean_text, encode_clean, loads

MASK: Final = "[redacted]"
MIN_SECRET_LENGTH: Final = 6
MOST_NESTED: Final = 4  # a log line in a tool's result in an error in a reply; what needs no escape has one spelling
_WRAPPING: Final = " \t\r\n\"'"  # what a file of settings leaves around a value, and whoever uses it takes off
_SHAPES: Final = (
    r"(?:sk-[A-Za-z0-9_-]{16,}|gsk_[A-Za-z0-9]{20,}|AIza[0-9A-Za-z_-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{30,}|xox[abpr]-[0-9A-Za-z-]{10,}|AKIA[0-9A-Z]{16})"
)
_KEY_SHAPES: Final = re.compile(rf"(?<![A-Za-z0-9]){_SHAPES}")
_MAYBE_KEY: Final = re.compile(_SHAPES)  # in JSON text a key may follow the `n` of an escaped line break


def forms(secret: str) -> frozenset[str]:
    """Every spelling of a secret that is looked for."""
    raw = secret.encode("utf-8", "surrogatepass")
    percent = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    percent |= {re.sub("%..", lambda found: found.group().lower(), text) for text in percent}
    plain = {secret, clean_text(secret)}
    escaped = plain | {spelt for text in plain for spelt in _escaped(text)}
    for _ in range(MOST_NESTED - 1):  # JSON text inside JSON text
        escaped |= {spelt for text in escaped for spelt in _escaped(text)}
    coded = {text for before in range(3) for text in _base64(raw, before)}
    coded |= {text.replace("+", "-").replace("/", "_") for text in coded}
    return frozenset(escaped | percent | coded | {raw.hex(), raw.hex().upper()})


def _escaped(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _base64(raw: bytes, before: int) -> set[str]:
    """How it stands in longer base64, so many bytes after a multiple of three: as its middle, and at its very end."""
    text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
    first, last = -(-8 * before // 6), 8 * (before + len(raw)) // 6
    return {text[first:last], text[first:]}  # of the characters beside these, the neighbours decide


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes known secrets out of text."""

    _pattern: re.Pattern[str] | None = field(repr=False)
    _needles: tuple[str, ...] = field(default=(), repr=False)
    _spellings: frozenset[str] = field(default=frozenset(), repr=False)

    def holds_a_key(self, text: str) -> bool:
        """Whether a known secret stands in the text, other than one that is a single word of letters."""
        return any(needle in text for needle in self._needles if not needle.isalpha())

    @property
    def knows_nothing(self) -> bool:
        """Whether there is no known secret to be taken out."""
        return self._pattern is None

    def also(self, secrets: Iterable[str]) -> Redactor:
        """A redactor for these secrets too; the very same one when it knows them all."""
        new = _spellings(secrets) - self._spellings
        return _made(self._spellings | new) if new else self

    def exact(self, text: str) -> str:
        """The text with every known secret replaced by a mask; what only looks like a key stays."""
        return text if self._pattern is None or not self._holds(text) else self._pattern.sub(MASK, text)

    def text(self, text: str) -> str:
        """The text with every known secret, and whatever looks like a key, replaced by a mask."""
        return _KEY_SHAPES.sub(MASK, self.exact(text))

    def exact_json(self, text: str) -> str:
        """Canonical text with its texts, keys and numbers as `exact` leaves them; still canonical text."""
        return encode_clean(_masked(loads(text), self.exact)) if self._holds(text) else text

    def json(self, text: str) -> str:
        """Canonical text with its texts, keys and numbers as `text` leaves them; still canonical text."""
        if not self._holds(text) and _MAYBE_KEY.search(text) is None:
            return text
        return encode_clean(_masked(loads(text), self.text))

    def value(self, value: Json) -> Json:
        """The same value with every text in it, keys included, redacted."""
        return _masked(value, self.text)

    def _holds(self, text: str) -> bool:
        return any(needle in text for needle in self._needles)  # ten times as fast as the pattern, which few texts need


def redactor(secrets: Iterable[str]) -> Redactor:
    """A redactor for these secrets; those shorter than six characters are left out, they would mask ordinary words."""
    return _made(_spellings(secrets))


def _spellings(secrets: Iterable[str]) -> frozenset[str]:
    stripped = {one.strip(_WRAPPING) for one in secrets}
    return frozenset(form for secret in stripped if len(secret) >= MIN_SECRET_LENGTH for form in forms(secret))


def _made(spellings: frozenset[str]) -> Redactor:
    if not spellings:
        return Redactor(None)
    needles = {form for form in spellings if not any(other in form and other != form for other in spellings)}
    longest_first = sorted(spellings, key=lambda form: (-len(form), form))
    return Redactor(re.compile("|".join(map(re.escape, longest_first))), tuple(sorted(needles)), spellings)


def _masked(value: Json, scrub: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_masked(item, scrub) for item in value]
    if isinstance(value, dict):
        return _masked_object(value, scrub)
    if value is None or isinstance(value, bool):
        return value
    text = encode_clean(value)
    return value if scrub(text) == text else MASK  # a password may be a number


def _masked_object(value: dict[str, Json], scrub: Callable[[str], str]) -> Json:
    names = {key: scrub(key) for key in value}
    taken = {key for key, name in names.items() if key == name}  # a key without a secret keeps its name
    masked: dict[str, Json] = {}
    for key, item in value.items():
        unique, count = names[key], 2
        while unique in taken and unique != key:  # two secrets as keys are two keys still
            unique, count = f"{names[key]}~{count}", count + 1
        taken.add(unique)
        masked[unique] = _masked(item, scrub)
    return masked
