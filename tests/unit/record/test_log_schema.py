"""The JSON Schema of the logs: every record fits it, whatever happened, and nothing in a record is missing from it."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from tests.unit.record.stories import Story, record, stories
from tests.unit.record.test_rows import known

from trackrecord.record.log_schema import schema
from trackrecord.record.rows import log_object

SCHEMA = schema()
FITS = jsonschema_rs.Draft202012Validator(SCHEMA)


def test_it_is_a_schema() -> None:
    """By the rules of draft 2020-12."""
    jsonschema_rs.meta.validate(SCHEMA)


@settings(deadline=None, max_examples=60)
@given(stories())
def test_every_record_fits(story: Story) -> None:
    """Of every made-up run, ended and not."""
    assert [] == [str(error) for error in FITS.iter_errors(log_object(record(story.spans)))]


def test_a_full_record_has_every_key_and_no_other() -> None:
    """Leaving one out or adding one does not fit: the schema is closed and complete."""
    full: dict[str, Any] = log_object(known())
    assert [] == [str(error) for error in FITS.iter_errors(full)]
    assert list(full) == list(SCHEMA["properties"])  # type: ignore[arg-type]
    for name in full:
        assert not FITS.is_valid({key: value for key, value in full.items() if key != name}), name
    assert not FITS.is_valid(full | {"more": 1})
