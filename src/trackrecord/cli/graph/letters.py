"""How wide a text is drawn, as far as that can be known without the font: rather too wide than too narrow. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

_NARROW: Final = frozenset("ijl.,:;'|!I[]()/\\ tfr`")
_WIDE: Final = frozenset("mwMW@%—…")
_SHARES: Final = {"narrow": 0.42, "wide": 1.02, "capital": 0.78, "other": 0.65, "full": 1.1}


def text_width(text: str, size: float) -> float:
    """Pixels the text takes at a size of letters."""
    return size * sum(map(_share, text))


def fit(text: str, room: float, size: float) -> str:
    """The text, its end replaced by `…` when it is wider than the room."""
    if text_width(text, size) <= room:
        return text
    used = size * _share("…")
    kept = 0
    for character in text:
        used += size * _share(character)
        if used > room:
            break
        kept += 1
    return f"{text[:kept].rstrip()}…"


@lru_cache(maxsize=4096)
def _share(character: str) -> float:
    """Part of the size of letters that a character takes; of the widest of the usual fonts."""
    if character in _NARROW:
        return _SHARES["narrow"]
    if character in _WIDE:
        return _SHARES["wide"]
    if character.isascii():
        return _SHARES["capital"] if character.isupper() else _SHARES["other"]
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return _SHARES["full"]
    return _SHARES["wide"] if unicodedata.category(character)[0] in ("S", "P") else _SHARES["capital"]
