"""The Orchestrator against its definitions: every case of every table, from the stored rows of a real run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.conformance import cases
from tests.conformance.carried import carry
from tests.conformance.cases import Case, every_step
from tests.conformance.compared import differences, perturbed

from trackrecord.workflow import transforms, vocabulary
from trackrecord.workflow.aliases import OLD_COMMON, OLD_FIELDS, OLD_TYPES
from trackrecord.workflow.questions import ALONE, BINARY

NAMES: Final = cases.names()
TABLES: Final = {name: cases.read(name) for name in NAMES}
ACROSS_TYPES: Final = frozenset(
    "child_runs common_fields conditions failures limits older_vocabulary order output references retries".split()
)


@pytest.mark.parametrize("table", NAMES)
async def test_every_case_leaves_the_record_it_expects(tmp_path: Path, table: str, subtests: pytest.Subtests) -> None:
    """A case leaves the record its table says, and no other would do; the database it leaves verifies."""
    carried = await carry(TABLES[table], tmp_path / "runs.db")
    for case in TABLES[table]:
        with subtests.test(case.name):
            found = carried.found[case.name]
            assert [] == differences(case.expect, found)
            unseen = [place for place, expect in perturbed(case) if not differences(expect, found)]
            assert [] == unseen, "these may be anything"
            if case.older is not None:
                assert [] == differences(case.expect, carried.found[f"{case.name} (older)"])
    assert [] == list(carried.findings)


def test_names_are_unique_and_cases_are_many() -> None:
    """No two cases share a name, and there are not fewer of them than the suite must have."""
    assert len(cases.together(TABLES)) >= cases.LEAST_CASES


def test_every_step_type_has_a_table_and_every_table_a_subject() -> None:
    """A table is of a step type or of something all types share; there is one for each of them and no other."""
    assert sorted({*vocabulary.STEP_TYPES, *ACROSS_TYPES}) == NAMES


def test_every_table_of_a_step_type_is_about_that_type() -> None:
    """Every case of a step type's table has a step of that type."""
    for kind in vocabulary.STEP_TYPES:
        strays = [
            case.name for case in TABLES[kind] if not any(step["type"] == kind for step in every_step(case.steps))
        ]
        assert [] == strays


def _steps() -> Iterator[tuple[Case, dict[str, Any]]]:
    """The steps of the cases that run."""
    for table in TABLES.values():
        for case in table:
            if case.is_run:
                for step in every_step(case.steps):
                    yield case, dict(step)


@pytest.mark.parametrize("kind", vocabulary.STEP_TYPES)
def test_every_option_of_a_step_type_is_used(kind: str) -> None:
    """Every field of a step type and every choice of such a field is used by a case that runs."""
    used = [step for _, step in _steps() if step["type"] == kind]
    for name, field in vocabulary.BODIES[kind].items():  # type: ignore[index]  # a step type, as parametrised
        values = [step[name] for step in used if name in step]
        assert values, f"no case uses {name!r} of {kind}"
        missing = [choice for choice in field.choices or () if choice not in values and choice != field.default]
        assert [] == missing, f"no case writes {name}: {missing} of {kind}"


def test_every_common_field_and_every_field_of_retry_is_used() -> None:
    """Every field that all steps have, and every field of a retry policy, is used by a case that runs."""
    steps = [step for _, step in _steps()]
    assert set() == set(vocabulary.COMMON) - {name for step in steps for name in step}
    policies = [step["retry"] for step in steps if "retry" in step]
    assert set() == set(vocabulary.RETRY) - {name for policy in policies for name in policy}


def test_every_operation_of_transform_is_used_with_every_option() -> None:
    """Every operation of transform is run with every option it may have."""
    used: dict[str, set[str]] = {}
    for _, step in _steps():
        if step["type"] == "transform":
            used.setdefault(step["operation"], set()).update(step)
    missing = {
        name: {*required, *optional} - used.get(name, set())
        for name, (required, optional) in transforms.OPTIONS.items()
    }
    assert {} == {name: options for name, options in missing.items() if options}


def test_every_operator_of_conditions_is_used() -> None:
    """Every operator of a question is asked by a case that runs."""
    asked = {question["operator"] for _, step in _steps() for question in _questions(step.get("if"))}
    assert set() == {*BINARY, *ALONE} - asked


def _questions(condition: Any) -> Iterator[dict[str, Any]]:
    if isinstance(condition, dict):
        if "operator" in condition:
            yield condition
        for value in condition.values():
            yield from _questions(value)
    elif isinstance(condition, list):
        for value in condition:
            yield from _questions(value)


def test_every_older_type_and_field_is_used() -> None:
    """Every alias of the older vocabulary is written by a case that runs beside today's spelling."""
    older = [(step, name) for case in TABLES["older_vocabulary"] for step in every_step(case.older) for name in step]
    types = {step["type"] for step, _ in older}
    assert set() == set(OLD_TYPES) - types
    names = {(OLD_TYPES.get(step["type"], step["type"]), name) for step, name in older}
    fields = {(kind, old.partition(".")[0]) for kind, renamed in OLD_FIELDS.items() for old in renamed}
    assert set() == fields - names
    assert set() == set(OLD_COMMON) - {name for _, name in names}
