"""Redaction: known secrets are taken out by exact value before anything is stored, logged or shown. Pure.

Each secret is looked for as it is, JSON-escaped, URL-encoded, in base64 and in hexadecimal. Keys of well-known shapes
are a second net, for secrets nobody told us about.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from trackrecord.canonical import Json

MASK: Final = "[redacted]"
MIN_SECRET_LENGTH: Final = 6
_KEY_SHAPES: Final = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|AIza[0-9A-Za-z_-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abpr]-[0-9A-Za-z-]{10,}"
    r"|AKIA[0-9A-Z]{16})"
)


def forms(secret: str) -> frozenset[str]:
    """Every spelling of a secret that is looked for."""
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw[skip:]).decode().rstrip("=") for skip in range(3)}
    # inside longer base64 the neighbours change the first and last characters: only the middle is certain
    middles = {text[2:-2] for text in encoded if len(text) >= 4 + MIN_SECRET_LENGTH}
    urlsafe = {text.replace("+", "-").replace("/", "_") for text in encoded | middles}
    spellings = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    percent = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return frozenset(spellings | percent | encoded | middles | urlsafe | {raw.hex(), raw.hex().upper()})


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes known secrets out of text."""

    _pattern: re.Pattern[str] | None

    def exact(self, text: str) -> str:
        """The text with every known secret replaced by a mask; what only looks like a key stays."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def text(self, text: str) -> str:
        """The text with every known secret, and whatever looks like a key, replaced by a mask."""
        return _KEY_SHAPES.sub(MASK, self.exact(text))

    def value(self, value: Json) -> Json:
        """The same value with every text in it, keys included, redacted; the value itself when nothing was found."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value


def redactor(secrets: Iterable[str]) -> Redactor:
    """A redactor for these secrets; those shorter than six characters are left out, they would mask ordinary words."""
    spellings = {form for secret in secrets if len(secret) >= MIN_SECRET_LENGTH for form in forms(secret)}
    if not spellings:
        return Redactor(None)
    longest_first = sorted((form for form in spellings if len(form) >= MIN_SECRET_LENGTH), key=len, reverse=True)
    return Redactor(re.compile("|".join(re.escape(form) for form in longest_first)))
