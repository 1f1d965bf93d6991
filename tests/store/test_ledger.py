"""The ledger beside the record: a second finish posts nothing, late usage is charged once, damage is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.store import runs
from tests.store.test_adjusting import LOST, cancelled_run, late

from trackrecord import failpoints
from trackrecord.errors import InsufficientCredits, StoreError
from trackrecord.record.credits import Credits
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import verify


async def grant(store: SqliteStore, amount: int) -> None:
    await store.ledger.grant(runs.TENANT, runs.USER, amount, None, runs.USER)


def ledger(path: Path) -> list[tuple[Any, ...]]:
    """Every entry but the grants, then the account."""
    seen = runs.look(path)
    rows = seen.execute("SELECT kind, source, target, amount FROM credit_entries WHERE kind <> 'grant' ORDER BY id")
    found = [*rows.fetchall(), *seen.execute("SELECT balance, held FROM credit_accounts").fetchall()]
    seen.close()
    return found


def findings(path: Path) -> list[str]:
    with SqliteReader(path, tenant_id=runs.TENANT) as reader:
        return [one.message for check in verify(reader).checks if check.name == "ledger" for one in check.findings]


async def test_a_hold_is_resolved_once(store: SqliteStore, path: Path) -> None:
    """Whoever finishes second, of the same epoch or of one that has lost the run, posts nothing."""
    await grant(store, 30)
    run = runs.origin()
    await store.accept(runs.accepted(run, most_credits=Credits(20)))
    lost = await store.begin(run.tenant_id, run.run_id)
    runs.expire_lease(path, run.run_id)
    begun = await store.begin(run.tenant_id, run.run_id)
    assert lost.hold == begun.hold
    assert begun.hold is not None
    assert 20 == begun.hold.amount
    assert not await store.finish(runs.finished(run, lost, runs.spans(9)))
    assert [("hold", "balance", "held", 20), (10, 20)] == ledger(path)
    assert await store.finish(runs.finished(run, begun, runs.spans(9)))
    assert not await store.finish(runs.finished(run, begun, runs.spans(9)))
    assert [("charge", "held", "charged", 2), ("release", "held", "balance", 18), (28, 0)] == ledger(path)[1:]
    assert [] == findings(path)


async def test_a_run_that_nobody_began_gives_its_hold_back(store: SqliteStore, path: Path) -> None:
    """Accepted by a process that died then: whoever ends it releases all of its hold."""
    await grant(store, 30)
    run = runs.origin()
    await store.accept(runs.accepted(run))
    assert (0, 30) == ledger(path)[-1]
    begun = await store.begin(run.tenant_id, run.run_id)
    assert await store.finish(runs.finished(run, begun))
    assert (30, 0) == ledger(path)[-1]
    assert [] == findings(path)


@pytest.mark.parametrize(("granted", "charged"), [(30, 6), (4, 4)])
async def test_late_usage_is_charged_once(store: SqliteStore, path: Path, granted: int, charged: int) -> None:
    """From the balance, as far as it goes; the same report again, or another of that attempt, charges nothing."""
    await grant(store, granted)
    run_id = await cancelled_run(store)
    settled = [("hold", "balance", "held", granted), ("charge", "held", "charged", 0)]
    assert [*settled, ("release", "held", "balance", granted), (granted, 0)] == ledger(path)
    await store.add_late_usage(late(run_id))
    await store.add_late_usage(late(run_id))
    await store.add_late_usage(late(run_id, usage=Usage(input_tokens=9_000, output_tokens=900)))
    assert [("adjust", "balance", "charged", charged), (granted - charged, 0)] == ledger(path)[3:]
    assert [] == findings(path)


async def test_late_usage_counts_on_what_was_charged(store: SqliteStore, path: Path) -> None:
    """Credits are rounded up once, over all tokens of the run: 360 and 600 more are one credit, not two."""
    await grant(store, 30)
    lost = runs.model_span(9, status="cancelled", usage=UNKNOWN)
    run_id = await cancelled_run(store, *runs.spans(2), lost)
    before = ledger(path)
    assert (29, 0) == before[-1]
    await store.add_late_usage(late(run_id, path="turn:9/model", usage=Usage(input_tokens=500, output_tokens=100)))
    assert before == ledger(path)
    assert [] == findings(path)


async def test_a_fault_in_charging_late_usage_leaves_nothing(store: SqliteStore, path: Path) -> None:
    """The adjustment and its charge are one transaction."""
    await grant(store, 30)
    run_id = await cancelled_run(store)
    before = runs.contents(path)
    for place in ("correct.credit_entries", "adjust.agent_stats", "adjust.precommit"):
        with failpoints.armed(place), pytest.raises(StoreError):
            await store.add_late_usage(late(run_id))
        assert before == runs.contents(path)
    await store.add_late_usage(late(run_id))
    assert (24, 0) == ledger(path)[-1]


async def test_late_usage_of_a_run_without_a_hold_is_not_charged(store: SqliteStore, path: Path) -> None:
    """A run accepted before its user had an account is metered only, for good."""
    run_id = await cancelled_run(store)
    await grant(store, 30)
    await store.add_late_usage(late(run_id))
    assert [(30, 0)] == ledger(path)


async def test_a_refusal_among_others_leaves_the_others(store: SqliteStore, path: Path) -> None:
    """Ten accepted in one transaction, three of them refused: the refused leave nothing, the others are whole."""
    await grant(store, 14)
    some = [runs.origin() for _ in range(10)]
    with runs.writer_held(store):
        accepting = [store.accept(runs.accepted(run, most_credits=Credits(2))) for run in some]
    refused = 0
    for one in accepting:
        try:
            await one
        except InsufficientCredits:
            refused += 1
    assert (3, 7, 7) == (refused, runs.count(path, "agent_executions"), runs.count(path, "run_payloads"))
    assert (0, 14) == ledger(path)[-1]
    assert [] == findings(path)


async def test_a_fault_in_granting_leaves_no_account(store: SqliteStore, path: Path) -> None:
    """A grant that fails is no grant, and its user stays without an account."""
    before = runs.contents(path)
    for place in ("grant.credit_accounts", "grant.credit_entries", "grant.precommit"):
        with failpoints.armed(place), pytest.raises(StoreError):
            await grant(store, 5)
        assert before == runs.contents(path)
        assert not store.has_account(runs.TENANT, runs.USER)
    await cancelled_run(store, LOST)
    assert 0 == runs.count(path, "credit_entries")


async def test_the_ledger_outlives_its_run(store: SqliteStore, path: Path) -> None:
    """Retention deletes an ended run; what it was charged stays, and still adds up."""
    await grant(store, 30)
    run_id = await cancelled_run(store, *runs.spans(2))
    before = ledger(path)
    seen = runs.look(path)
    seen.execute("PRAGMA foreign_keys = ON")
    seen.execute("DELETE FROM agent_executions WHERE id = ?", (run_id,))
    seen.close()
    assert before == ledger(path)
    assert [] == findings(path)
