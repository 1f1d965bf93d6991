"""Planted damage: each kind is found at its row by the checks of its rule, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store import runs
from tests.verify import made
from tests.verify.damages import DAMAGES, Damage, run

from trackrecord.store.reader import SqliteReader
from trackrecord.store.triggers import TRIGGERS
from trackrecord.verify import Verification, verify
from trackrecord.verify.rules import RULES


def verified(path: Path) -> Verification:
    with SqliteReader(path) as reader:
        return verify(reader)


def failing(seen: Verification) -> set[str]:
    return {check.name for check in seen.checks if not check.is_clean}


def is_named(seen: Verification, name: str, place: tuple[str, str]) -> bool:
    """Whether the check names the row; an empty one stands for a row whose id the test does not know."""
    [check] = (check for check in seen.checks if check.name == name)
    assert all(finding.rule == RULES[check.name].rule for finding in check.findings)
    return any(
        (finding.table, finding.row) == place or (finding.table == place[0] and not place[1])
        for finding in check.findings
    )


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found_and_named_by_the_checks_of_its_rule(path: Path, damage: Damage) -> None:
    """Every kind of damage fails exactly the checks it breaks, and each names the row and the rule."""
    made.damage(path, *damage.statements)
    seen = verified(path)
    assert set(damage.found) == failing(seen)
    assert [] == [name for name, place in damage.found.items() if not is_named(seen, name, place)]


def test_an_ended_run_changed_while_its_trigger_is_gone(path: Path) -> None:
    """A trigger that is missing is a finding, and so is what was changed meanwhile."""
    connection = runs.look(path)
    connection.execute("DROP TRIGGER agent_executions_change")
    connection.execute("UPDATE agent_executions SET error_message = 'fine' WHERE id = ?", (made.SILENT,))
    connection.close()
    seen = verified(path)
    assert {"triggers", "records", "log_contents"} == failing(seen)
    assert is_named(seen, "triggers", ("sqlite_schema", "name=agent_executions_change"))
    assert is_named(seen, "records", run(made.SILENT))


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_weakened_trigger_is_found(path: Path, name: str) -> None:
    """A trigger of the same name that says something else protects nothing."""
    connection = runs.look(path)
    connection.execute(f"DROP TRIGGER {name}")
    connection.execute(TRIGGERS[name].replace("BEFORE", "AFTER"))
    connection.close()
    seen = verified(path)
    assert {"triggers"} == failing(seen)
    assert is_named(seen, "triggers", ("sqlite_schema", f"name={name}"))


def test_a_spoilt_page_is_a_finding_and_no_error(path: Path) -> None:
    """A file with a damaged page is reported as such; checks that cannot read say so, the others are carried out."""
    connection = runs.look(path)
    [root] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'agent_logs'").fetchone()
    [size] = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)
    seen = verified(path)
    assert {"file", "records"} <= failing(seen)
    assert {"stats", "intensity", "definitions", "payloads"}.isdisjoint(failing(seen))
    [told] = (check for check in seen.checks if check.name == "records")
    assert "could not be carried out" in told.findings[0].message


def test_a_finding_says_what_stands_there_and_what_should(path: Path) -> None:
    """The message has the column, the stored and the right figure."""
    made.damage(path, f"UPDATE agent_executions SET tokens_used = 999 WHERE id = '{made.PRICED}'")
    [finding] = verified(path).findings
    assert "tokens_used is 999, and should be 240" == finding.message


def test_findings_are_counted_beyond_those_that_are_listed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is all wrong fills no memory: the first findings are kept, all are counted."""
    monkeypatch.setattr("trackrecord.verify.findings.MAX_FINDINGS", 2)
    made.damage(path, "UPDATE run_spans SET epoch = 9 WHERE kind = 'model'")
    [check] = (check for check in verified(path).checks if check.name == "epochs")
    assert 2 == len(check.findings)
    assert 2 < check.finding_count
