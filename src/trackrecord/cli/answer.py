"""An answer as text: words as they are, anything else as JSON that a person can read. Pure."""

from __future__ import annotations

import orjson

from trackrecord.canonical import Json


def answer_text(value: Json, *, indent: bool = True) -> str:
    """The text of an answer, without a newline at its end; empty when there is none. Escape it before printing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.rstrip("\n")
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode()
