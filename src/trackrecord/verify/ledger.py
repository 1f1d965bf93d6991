"""The credit ledger: accounts equal their entries, and each hold has its run and its one end. Set-based.

An entry takes from one pocket and puts into another (a condition of its table), so debits equal credits entry by entry.
"""

from __future__ import annotations

from typing import Final

from trackrecord.store.differences import named
from trackrecord.store.reader import SqliteReader
from trackrecord.store.states import LIVE, one_of
from trackrecord.verify.findings import Notebook

_HAS_ENDED: Final = f"NOT {one_of('run.status', LIVE)}"
_FLOW: Final = "sum(CASE '{pocket}' WHEN target THEN amount WHEN source THEN -amount ELSE 0 END)"
# From the entries to what they are about and back, never a full join: SQLite has no index for one.
_ACCOUNTS: Final = f"""
SELECT entry.tenant_id, entry.user_id, account.balance, account.held, entry.balance, entry.held FROM (
    SELECT tenant_id, user_id, {_FLOW.format(pocket="balance")} AS balance, {_FLOW.format(pocket="held")} AS held
    FROM credit_entries GROUP BY tenant_id, user_id
) entry LEFT JOIN credit_accounts account ON account.tenant_id = entry.tenant_id AND account.user_id = entry.user_id
UNION ALL
SELECT tenant_id, user_id, balance, held, 0, 0 FROM credit_accounts account WHERE NOT EXISTS (
    SELECT 1 FROM credit_entries entry WHERE entry.tenant_id = account.tenant_id AND entry.user_id = account.user_id)
"""  # noqa: S608  # names are ours
_SETTLED: Final = """
SELECT tenant_id, run_id, min(user_id) AS user_id, count(DISTINCT user_id) AS users,
    max(CASE WHEN kind = 'hold' THEN id END) AS hold_id,
    coalesce(sum(CASE WHEN kind = 'hold' THEN amount END), 0) AS held,
    sum(kind = 'charge') AS charges, sum(kind = 'release') AS releases,
    coalesce(sum(CASE WHEN kind = 'charge' THEN amount END), 0) AS charged,
    coalesce(sum(CASE WHEN kind = 'release' THEN amount END), 0) AS released,
    coalesce(sum(CASE WHEN kind = 'adjust' AND target = 'charged' THEN amount END), 0) AS beyond
FROM credit_entries WHERE run_id IS NOT NULL GROUP BY tenant_id, run_id
"""
_HOLDS: Final = f"""
SELECT ledger.tenant_id, ledger.run_id, run.id IS NOT NULL, run.status, {_HAS_ENDED}, run.hold_id, run.user_id,
       coalesce(run.credits_used, 0), ledger.hold_id, ledger.user_id, ledger.users, ledger.held, ledger.charges,
       ledger.releases, ledger.charged, ledger.released, ledger.beyond,
       EXISTS (SELECT 1 FROM run_adjustments late WHERE late.tenant_id = run.tenant_id AND late.run_id = run.id)
FROM ({_SETTLED}) ledger
LEFT JOIN agent_executions run ON run.tenant_id = ledger.tenant_id AND run.id = ledger.run_id
"""  # noqa: S608  # names are ours
_UNHELD: Final = """
SELECT run.tenant_id, run.id, run.hold_id FROM agent_executions run
WHERE run.hold_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM credit_entries entry WHERE entry.tenant_id = run.tenant_id AND entry.id = run.hold_id
    AND entry.run_id = run.id AND entry.kind = 'hold')
"""


def check_ledger(reader: SqliteReader, notebook: Notebook) -> None:
    """Accounts beside a recount, holds beside their runs."""
    for tenant_id, user_id, balance, held, counted_balance, counted_held in reader.tuples(_ACCOUNTS):
        notebook.count("ledger")
        row = named(tenant_id, user_id=user_id)
        if balance is None:
            notebook.find("ledger", "credit_accounts", row, "there are entries of an account that is not there")
            continue
        for column, stored, counted in (("balance", balance, counted_balance), ("held", held, counted_held)):
            if stored != counted or stored < 0:
                message = f"{column} is {stored}, and its entries add up to {counted}"
                notebook.find("ledger", "credit_accounts", row, message)
    for tenant_id, run_id, is_there, *figures in reader.tuples(_HOLDS):
        notebook.count("ledger")
        table, row = ("agent_executions", "id") if is_there else ("credit_entries", "run_id")
        for message in _wrong(bool(is_there), *figures):
            notebook.find("ledger", table, named(tenant_id, **{row: run_id}), message)
    for tenant_id, run_id, hold_id in reader.tuples(_UNHELD):
        message = f"it names the hold {hold_id}, and the ledger has no such hold of it"
        notebook.find("ledger", "agent_executions", named(tenant_id, id=run_id), message)


def _wrong(
    is_there: bool,
    status: str | None,
    is_ended: int | None,
    named_hold: str | None,
    owner: str | None,
    credits_used: int,
    hold_id: str | None,
    user_id: str,
    users: int,
    held: int,
    charges: int,
    releases: int,
    charged: int,
    released: int,
    beyond: int,
    is_adjusted: int,
) -> list[str]:
    """What is wrong with one run's entries."""
    has_ended = not is_there or bool(is_ended)  # retention deletes only what has ended
    found: list[str] = []
    if is_there and named_hold is None:
        found.append(f"it names no hold, and the ledger has entries of it ({hold_id})")
    if users != 1 or (is_there and user_id != owner):
        found.append(f"its entries are of user {user_id}, and it is {owner}'s")
    if hold_id is None:
        return [*found, "a hold that is not there was resolved"] if charges or releases else found
    if not has_ended:
        return [*found, f"it has not ended ({status}), and its hold was resolved"] if charges or releases else found
    if (charges, releases) != (1, 1):
        found.append(f"it has ended ({status}), and its hold has {charges} charges and {releases} releases")
    elif charged + released != held:
        found.append(f"it held {held} credits, of which {charged} were charged and {released} released")
    elif is_there and charged != min(credits_used, held):
        found.append(f"it used {credits_used} credits and held {held}, and {charged} were charged")
    elif is_there and beyond > max(0, credits_used - held) and not is_adjusted:
        found.append(f"it used {credits_used} credits and held {held}, and {beyond} more were charged")
    return found
