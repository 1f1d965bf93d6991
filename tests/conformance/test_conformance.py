"""The Orchestrator against its definitions: every case of every table, from the stored rows of a real run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.conformance import cases
from tests.conformance.carried import carry
from tests.conformance.cases import BadTable, Case
from tests.conformance.compared import differences, perturbed

from trackrecord.workflow import vocabulary

NAMES: Final = cases.names()
TABLES: Final = {name: cases.read(name) for name in NAMES}
PER_TYPE: Final = frozenset(vocabulary.STEP_TYPES)
ACROSS_TYPES: Final = frozenset(
    {
        "common_fields",
        "conditions",
        "failures",
        "limits",
        "older_vocabulary",
        "order",
        "output",
        "references",
        "retries",
    }
)


@pytest.mark.parametrize("table", NAMES)
async def test_every_case_leaves_the_record_it_expects(
    tmp_path: Path, table: str, subtests: pytest.Subtests
) -> None:
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
