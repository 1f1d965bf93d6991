"""What others wrote, made fit for a terminal: nothing in it can move the cursor, set a colour or turn text around.

Every text that came from a model, a tool, a file or a name passes through here before it is printed. Pure; must never
change what is stored, and never be applied to text that this package painted itself.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Everything a terminal may act on, or that makes a text look like another one; tab and newline are the caller's.
# C0, DEL, C1 · soft hyphen, Arabic letter mark, Mongolian separator · zero-width and bidi marks, line and paragraph
# separators, bidi embeddings, word joiners, isolates · byte order mark, interlinear marks · lone surrogates, tags
_DANGEROUS: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
# Joiners belong to Persian words, Indic letters and emoji families; between Latin letters they only hide something.
_JOINERS: Final = "\u200c\u200d"
_UNSAFE: Final = re.compile(f"[{_DANGEROUS}]|(?<![\u0590-\U0010fffd])[{_JOINERS}]|[{_JOINERS}](?![\u0590-\U0010fffd])")
_LAYOUT: Final = re.compile(r"[\t\n]")
_PAINT: Final = re.compile(r"\x1b\[[0-9;]*m")
_MOST_MARKS: Final = 4  # combining marks on one character; real writing has two or three, a "bomb" hundreds
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}


def prose(text: str) -> str:
    """A text of many lines, newlines and tabs kept, everything else that is no plain character shown escaped."""
    return _marks_cut(_UNSAFE.sub(_shown, text.replace("\r\n", "\n")))


def line(text: str, most: int | None = None) -> str:
    """A text on one line, newlines shown as escapes; cut with `…` when it is wider than `most` columns."""
    if most is not None and len(text) > 8 * most:
        text = text[: 8 * most]  # an error may be 10 MB long: the rest is never seen
    shown = _marks_cut(_LAYOUT.sub(_shown, _UNSAFE.sub(_shown, text)))
    return shown if most is None else cut(shown, most)


def in_json(text: str) -> str:
    """JSON text in which what a terminal could act on is written as an escape; the value it stands for is the same."""
    return _UNSAFE.sub(lambda found: _json_escape(found.group()), text)


def width(text: str) -> int:
    """Columns the text takes on a terminal; our own colours take none."""
    plain = _PAINT.sub("", text) if "\x1b" in text else text
    if plain.isascii():
        return len(plain)
    return sum(_columns(character) for character in plain)


def cut(text: str, most: int) -> str:
    """The text, its end replaced by `…` when it is wider than `most` columns. For text without colours."""
    if width(text) <= most:
        return text
    kept, used = 0, 0
    for character in text:
        used += _columns(character)
        if used > most - 1:
            break
        kept += 1
    return f"{text[:kept].rstrip()}…" if most > 0 else ""


def _shown(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _marks_cut(text: str) -> str:
    """The text without the marks that are piled higher than any writing piles them."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
