"""The JSON Schema of scripts: what may be played it takes, and what it refuses may not be played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.definitions import broken

from trackrecord import examples
from trackrecord.agent.files import parse
from trackrecord.cli.templates import TEMPLATES, script_text
from trackrecord.errors import BadInput
from trackrecord.models import script, script_schema

SCHEMA = script_schema.schema()
EDITOR = jsonschema_rs.Draft202012Validator(SCHEMA)
FULL: dict[str, Any] = {
    "replies": [
        "a",
        {"json": [1]},
        {"text": "", "usage": "none", "literal": True},
        {"error": {"status": 500, "times": 2}, "text": "b"},
    ],
    "rules": [{"when": {"turn": 1, "path": "s:*/model", "contains": "x"}, "reply": {"tool_calls": [{"name": "a__b"}]}}],
    "then": "repeat_last",
}
WHOLE: list[Any] = [
    *(parse(Path(examples.path(name), "script.yaml").read_bytes()).value for name in examples.names()),
    *(parse(script_text(name).encode()).value for name in TEMPLATES),
    FULL,
    {"replies": ["x"]},
]


def is_taken(value: Any) -> bool:
    """Whether the script can be played."""
    try:
        script.read_script(value, name="x")
    except BadInput:
        return False
    return True


def told(value: Any) -> list[str]:
    """What the schema has against it."""
    return [str(error) for error in EDITOR.iter_errors(value)]


@pytest.mark.parametrize("value", WHOLE, ids=lambda one: ",".join(one))
def test_both_take_what_is_right(value: Any) -> None:
    """The bundled scripts, those that `new` writes, and everything a reply may hold."""
    jsonschema_rs.meta.validate(SCHEMA)
    assert is_taken(value)
    assert [] == told(value)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_what_the_schema_refuses_cannot_be_played(data: st.DataObject) -> None:
    """However a script is changed."""
    value = data.draw(broken(data.draw(st.sampled_from(WHOLE))))
    if is_taken(value):
        assert [] == told(value)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"repliez": ["x"]},
        {"replies": "x"},
        {"replies": [{}]},
        {"replies": [{"text": "a", "json": 1}]},
        {"replies": [{"text": "a", "delay_ms": -1}]},
        {"replies": [{"tool_calls": [{"arguments": {}}]}]},
        {"replies": [{"error": {"status": 7}}]},
        {"replies": ["x"], "then": "stop"},
        {"rules": [{"when": {"turn": 0}, "reply": "x"}]},
        {"rules": [{"when": {"turn": 1}}]},
    ],
)
def test_both_refuse_what_is_wrong(wrong: Any) -> None:
    """An editor underlines it before a run fails."""
    assert not is_taken(wrong)
    assert [] != told(wrong)


@pytest.mark.parametrize("name", ["SCRIPT", "RULE", "WHEN", "REPLY", "CALL", "USAGE", "ERROR"])
def test_every_field_has_a_meaning(name: str) -> None:
    """One sentence, in the order of the table."""
    assert list(getattr(script, name)) == list(getattr(script_schema, name))
