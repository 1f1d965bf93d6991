"""Adjustments of ended runs: a row beside the closed record, its amounts added to the sums in the same transaction.

The record itself never changes. Each attempt of a run has one late usage at most, whoever reports it and how often.
Must add to the sums exactly what a recount of the record with its adjustments adds up to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, cast

from trackrecord import canonical, clock, failpoints
from trackrecord.errors import UnknownRun
from trackrecord.record import credits
from trackrecord.record.intensity import DeclaredDesign
from trackrecord.record.intensity_change import changed
from trackrecord.record.late_usage import KIND, RULE, LateUsage, deltas
from trackrecord.record.record import Record
from trackrecord.record.rows import run_figures, stats_delta
from trackrecord.record.usage import Usage
from trackrecord.store import external, postings, statements, stored
from trackrecord.store.driver import Connection
from trackrecord.store.intensity_book import IntensityBook
from trackrecord.store.postings import Owner
from trackrecord.store.states import LIVE
from trackrecord.store.stored import Row
from trackrecord.store.transactions import add_stats, audit

_COLUMNS: Final = (*stored.COLUMNS, "hold_id")
_RUN: Final = f"SELECT {', '.join(_COLUMNS)} FROM agent_executions WHERE tenant_id = ? AND id = ?"  # noqa: S608  # names are ours
_EARLIER: Final = "SELECT seq, subject, deltas FROM run_adjustments WHERE tenant_id = ? AND run_id = ? ORDER BY seq"
_SPAN: Final = """
SELECT input_tokens, output_tokens, cache_read_tokens, cost_nanos FROM run_spans
WHERE tenant_id = ? AND run_id = ? AND path = ? AND attempt = ?
"""
_DESIGN: Final = """
SELECT design FROM agent_executions run JOIN agent_versions version
ON version.tenant_id = run.tenant_id AND version.agent_id = run.agent_id AND version.version = run.agent_version
WHERE run.tenant_id = ? AND run.agent_id = ? AND run.agent_seq = ?
"""


def add_late_usage(connection: Connection, late: LateUsage, book: IntensityBook) -> bool:
    """Add what the attempt's span does not tell; False, and nothing written, while the run has not ended.

    Raises:
        UnknownRun: there is no such run.
    """
    key = (late.tenant_id, late.run_id)
    found = connection.execute(_RUN, key).fetchone()
    if found is None:
        raise UnknownRun(f"there is no run {late.run_id!r}", cure="Check the id.")
    row: Row = dict[str, Any](zip(_COLUMNS, found, strict=True))
    if row["status"] in LIVE:
        return False
    earlier = connection.execute(_EARLIER, key).fetchall()
    amounts = _amounts(connection, late)
    if amounts and late.subject not in [subject for _, subject, _ in earlier]:
        before = _sum(*(deltas_text for _, _, deltas_text in earlier))
        seq = 1 + max((seq for seq, _, _ in earlier), default=0)
        _add(connection, late, row, seq, before, amounts, book)
    return True


def _amounts(connection: Connection, late: LateUsage) -> dict[str, int]:
    span = connection.execute(_SPAN, (late.tenant_id, late.run_id, late.path, late.attempt)).fetchone()
    if span is None:
        return deltas(late, None, None)
    input_tokens, output_tokens, cache_read_tokens, cost_nanos = span
    known = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cache_read_tokens)
    return deltas(late, known, cost_nanos)


def _sum(*texts: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for text in texts:
        total.update(cast("Mapping[str, int]", canonical.loads(text)))
    return total


def _add(
    connection: Connection,
    late: LateUsage,
    row: Row,
    seq: int,
    earlier: Counter[str],
    amounts: Mapping[str, int],
    book: IntensityBook,
) -> None:
    now, text = clock.stamp(clock.now()), canonical.dumps(dict(amounts))
    connection.execute(
        statements.INSERT_ADJUSTMENT, (late.tenant_id, late.run_id, seq, KIND, text, RULE, now, late.subject)
    )
    failpoints.reach("adjust.run_adjustments")
    after = Counter(earlier)
    after.update(amounts)
    was, is_now = stored.counted_record(row, earlier), stored.counted_record(row, after)
    if row["hold_id"] is not None:
        whose = Owner(tenant_id=late.tenant_id, user_id=row["user_id"], run_id=late.run_id)
        postings.charge_late(connection, whose, _credits(was), _credits(is_now), now)
    old, new = stats_delta(was), stats_delta(is_now)
    owner = (late.tenant_id, row["agent_id"], row["user_id"])
    # a run's place in time stays where it ended
    add_stats(connection, owner, {name: new[name] - old[name] for name in new}, (0, 0), row["completed_at"])
    failpoints.reach("adjust.agent_stats")
    audit(connection, late.tenant_id, row["user_id"], "run.adjusted", late.run_id, now, f'{{"seq":{seq}}}')
    failpoints.reach("adjust.audit_events")
    agent = owner[:2]
    sums = book.read(connection, agent)
    changed_row = changed(sums.row, run_figures(was), run_figures(is_now), row["agent_seq"])
    book.change(agent, sums.sequence, changed_row, _design(connection, agent, sums.sequence))


def _credits(record: Record) -> int:
    return credits.credits(record.measures.tokens.total) or 0


def _design(connection: Connection, agent: tuple[str, str], sequence: int) -> DeclaredDesign:
    """What the score rests on: the version that ran last; after an outside run, the agent's present one."""
    found = connection.execute(_DESIGN, (*agent, sequence)).fetchone()
    if found is None:
        return external.present_design(connection, *agent)
    return DeclaredDesign(**cast("dict[str, Any]", canonical.loads(found[0])))
