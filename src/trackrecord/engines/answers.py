"""Answers: from a model's last words to an output that fits the agent's schema. Pure; shared by both engines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trackrecord.canonical import Json, clean, loads_unique
from trackrecord.json_schema import compile_schema

_FENCE: Final = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer.

    Attributes:
        value: text, or the object when a schema asks for one.
        problems: why it does not fit; empty when it does.
    """

    value: Json
    problems: tuple[str, ...] = ()


def read_answer(text: str | None, schema: Mapping[str, Json] | None) -> Answer:
    """The answer in a model's text: the text itself without a schema, else the JSON in it, checked."""
    said = text or ""
    if schema is None:
        return Answer(said)
    fenced = _FENCE.match(said)
    try:
        value = clean(loads_unique(fenced.group(1) if fenced else said))
    except ValueError as error:
        if schema.get("type") == "string":
            return _checked(said, schema)
        return Answer(said, (f"the answer is not valid JSON: {error}",))
    return _checked(value, schema)


def _checked(value: Json, schema: Mapping[str, Json]) -> Answer:
    return Answer(value, compile_schema(schema).problems(value))
