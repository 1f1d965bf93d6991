"""The reference pages and the code name the same things: nothing undocumented, and nothing documented that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs import pages, shown
from tests.docs.pages import DOCS, ROOT, code, only, plain
from trackrecord.canonical import Json
from trackrecord.models import script
from trackrecord.workflow import aliases, bounds, expressions, functions, operators, questions, references, scope
from trackrecord.workflow import steps as step_data
from trackrecord.workflow import transforms, tree, vocabulary
from trackrecord.workflow.bounds import ExpressionError
from trackrecord.workflow.conditions import compile_condition
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.fields import Table as FieldTable
from trackrecord.workflow.longest import MAX_PATH_BYTES
from trackrecord.workflow.references import compile_template

REFERENCE = DOCS / "reference"
EXPRESSIONS = REFERENCE / "expressions.md"
STEPS = REFERENCE / "steps.md"


def number(cell: str) -> int:
    """A figure of a table, its separators taken out."""
    return int(cell.replace(",", ""))


def check_fields(page: Path, heading: str, table: FieldTable, any_kind: str = "any") -> None:
    """A table of fields has every field once, with what it takes and its default as the code has them."""
    rows = pages.table(page, heading).by("field")
    assert set(table) == set(rows), heading
    for name, field in table.items():
        assert shown.default(field) == rows[name]["default"], f"{heading}: {name}"
        takes = shown.kind(field)
        assert takes == rows[name]["takes"] or takes == any_kind or field.kind in ("text", "list"), f"{heading}: {name}"
        assert rows[name]["meaning"], f"{heading}: {name}"
