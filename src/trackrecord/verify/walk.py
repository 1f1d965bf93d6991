"""The walk of one verification: every check, over one consistent state. Decides nothing about any rule itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from trackrecord import clock
from trackrecord.record.intensity import DEFAULTS, IntensitySettings
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import contents, definitions, file, ledger, lifecycle, owners, records, sums
from trackrecord.verify.findings import Notebook, Verification
from trackrecord.verify.rules import Name

_CHECKS: Final[tuple[tuple[Name, Callable[[SqliteReader, Notebook], None]], ...]] = (
    ("file", file.check_file),
    ("foreign_keys", file.check_foreign_keys),
    ("triggers", file.check_triggers),
    ("parents", owners.check_parents),
    ("tenants", owners.check_owners),
    ("children", owners.check_children),
    ("definitions", definitions.check_definitions),
    ("accepted", lifecycle.check_accepted),
    ("endings", lifecycle.check_endings),
    ("logs", lifecycle.check_logs),
    ("audit", lifecycle.check_audit),
    ("open_effects", lifecycle.check_checkpoints),
    ("records", records.check_records),
    ("ledger", ledger.check_ledger),
    ("payloads", contents.check_payloads),
)


def verify(
    reader: SqliteReader, settings: IntensitySettings = DEFAULTS, *, verified_at: str | None = None
) -> Verification:
    """Whether every rule holds, and which rows break which; all tenants, one consistent state, nothing written.

    Args:
        reader: of the database; others may write meanwhile.
        settings: those the installation scores by; a score made with others is a finding.
        verified_at: stamp by which leases are judged; None takes the present.

    Damage that keeps a check from reading is a finding of that check, not an error.
    """
    now = verified_at or clock.stamp(clock.now())  # before the snapshot: a lease extended in between is no finding
    notebook = Notebook()
    with reader.snapshot():
        for name, check in _CHECKS:
            _carry_out(name, notebook, partial(check, reader, notebook))
        _carry_out("leases", notebook, partial(lifecycle.check_leases, reader, notebook, now))
        _carry_out("stats", notebook, partial(sums.check_sums, reader, notebook, settings))
    return Verification(checks=notebook.checks(), verified_at=now)


def _carry_out(name: Name, notebook: Notebook, check: Callable[[], None]) -> None:
    try:
        check()
    except driver.Error as error:
        notebook.find(name, "", "", f"the check could not be carried out: {error}")
