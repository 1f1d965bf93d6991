"""An answer as text: words as they are, anything else as JSON that a person can read. Pure."""

from __future__ import annotations

from typing import Final

from trackrecord.canonical import Json, encode_clean
from trackrecord.cli.look import WIDTH, width

_STEP: Final = 2


def answer_text(value: Json, columns: int = WIDTH) -> str:
    """The text of an answer, without a newline at its end; empty when there is none. Escape it before printing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.rstrip("\n")
    return _drawn(value, columns, 0, 0)


def one_line(value: Json) -> str:
    """The same on one line."""
    return value if isinstance(value, str) else _flat(value)


def _drawn(value: Json, columns: int, indent: int, used: int) -> str:
    """JSON in which whatever fits on a line stands on one; `used` columns of its line are taken already."""
    flat = _flat(value)
    if not isinstance(value, dict | list) or not value or used + width(flat) <= columns:
        return flat
    inner = indent + _STEP
    lead = " " * inner
    if isinstance(value, list):
        items = [lead + _drawn(item, columns, inner, inner + 1) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{' ' * indent}]"
    parts: list[str] = []
    for key in sorted(value):
        name = f"{lead}{encode_clean(key)}: "
        parts.append(name + _drawn(value[key], columns, inner, width(name) + 1))
    return "{\n" + ",\n".join(parts) + f"\n{' ' * indent}}}"


def _flat(value: Json) -> str:
    """JSON on one line, with the spaces that make it readable."""
    if isinstance(value, list):
        return f"[{', '.join(_flat(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{encode_clean(key)}: {_flat(value[key])}' for key in sorted(value))}}}"
    return encode_clean(value)
