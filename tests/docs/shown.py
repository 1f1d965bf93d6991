"""How the pages write what the code knows: kinds, bounds, choices and defaults of fields. Pure."""

from __future__ import annotations

import json

from trackrecord.workflow.fields import Field, Kind

KINDS: dict[Kind, str] = {
    "text": "text",
    "line": "one line of text",
    "word": "a name",
    "integer": "integer",
    "number": "number",
    "flag": "true or false",
    "mapping": "mapping",
    "list": "list",
    "texts": "list of texts",
    "any": "any",
}
_UNITS: dict[Kind, str] = {"text": " characters", "line": " characters", "list": " entries", "texts": " entries"}


def kind(field: Field) -> str:
    """What a field takes, in words; of a field of any kind the table knows nothing more."""
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    words = KINDS[field.kind]
    unit = _UNITS.get(field.kind, "")
    least, most = field.least, field.most
    if unit and least == 1:
        words, least = f"{words}, not empty", None
    if least is not None and most is not None:
        return f"{words}, {least:,} to {most:,}{unit}"
    if least is not None:
        return f"{words}, at least {least:,}{unit}"
    return words if most is None else f"{words}, at most {most:,}{unit}"


def default(field: Field) -> str:
    """What leaving a field out means; a dash where nothing stands for it."""
    if field.is_required:
        return "required"
    if field.default is None:
        return "–"
    return code(field.default)


def code(value: object) -> str:
    """A value as it is written in a file."""
    if isinstance(value, str):
        return f"`{value}`" if value else '`""`'
    return f"`{json.dumps(value)}`"
