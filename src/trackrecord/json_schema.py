"""JSON Schema 2020-12, compiled once: of inputs, outputs and tool arguments. Pure; never fetches a referenced document.

Patterns run on a linear-time engine, so that no schema can hang a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jsonschema_rs

from trackrecord.canonical import Json, dumps
from trackrecord.errors import BadInput

_compiled: dict[str, Schema] = {}
_MAX_COMPILED = 4096


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema."""

    _validator: jsonschema_rs.Draft202012Validator

    def accepts(self, value: object) -> bool:
        """Whether the value fits; well under a microsecond for small values."""
        return self._validator.is_valid(value)

    def problems(self, value: object, *, most: int = 8) -> tuple[str, ...]:
        """What does not fit, each as `place: message`, `most` at most; empty when the value fits."""
        found: list[str] = []
        for error in self._validator.iter_errors(value):
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
            message = error.message if len(error.message) <= 300 else f"{error.message[:300]}…"
            found.append(f"{place.removeprefix('.')}: {message}" if place else message)
            if len(found) == most:
                break
        return tuple(found)


def compile_schema(schema: Mapping[str, Json]) -> Schema:
    """The compiled form of a schema; the same schema is compiled once a process.

    Raises:
        BadInput: it is no valid JSON Schema, or refers to another document.
    """
    key = dumps(schema)
    known = _compiled.get(key)
    if known is not None:
        return known
    try:
        validator = jsonschema_rs.Draft202012Validator(
            dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        reason = getattr(error, "message", str(error))
        raise BadInput(f"not a JSON Schema: {reason}", cure="See json-schema.org, draft 2020-12.") from None
    if len(_compiled) >= _MAX_COMPILED:
        _compiled.clear()
    _compiled[key] = Schema(validator)
    return _compiled[key]
