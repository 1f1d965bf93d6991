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
_ACCOUNTS: Final = f"""
SELECT coalesce(account.tenant_id, entry.tenant_id), coalesce(account.user_id, entry.user_id), account.balance,
       account.held, coalesce(entry.balance, 0), coalesce(entry.held, 0)
FROM credit_accounts account FULL JOIN (
    SELECT tenant_id, user_id, {_FLOW.format(pocket="balance")} AS balance, {_FLOW.format(pocket="held")} AS held
    FROM credit_entries GROUP BY tenant_id, user_id
) entry ON entry.tenant_id = account.tenant_id AND entry.user_id = account.user_id
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
SELECT coalesce(run.tenant_id, ledger.tenant_id), coalesce(run.id, ledger.run_id), run.id IS NOT NULL, run.status,
       {_HAS_ENDED}, run.hold_id, run.user_id, coalesce(run.credits_used, 0), ledger.hold_id, ledger.user_id,
       ledger.users, ledger.held, ledger.charges, ledger.releases, ledger.charged, ledger.released, ledger.beyond,
       EXISTS (SELECT 1 FROM run_adjustments late WHERE late.tenant_id = run.tenant_id AND late.run_id = run.id)
FROM ({_SETTLED}) ledger
FULL JOIN (SELECT tenant_id, id, status, hold_id, user_id, credits_used FROM agent_executions
    WHERE hold_id IS NOT NULL OR (tenant_id, id) IN (
        SELECT tenant_id, run_id FROM credit_entries WHERE run_id IS NOT NULL)) run
    ON run.tenant_id = ledger.tenant_id AND run.id = ledger.run_id
"""  # noqa: S608  # names are ours


def check_ledger(reader: SqliteReader, notebook: Notebook) -> None:
    """Accounts beside a recount, holds beside their runs."""
    for tenant_id, user_id, balance, held, counted_balance, counted_held in reader.tuples(_ACCOUNTS):
        notebook.count("ledger")
        row = named(tenant_id, user_id=user_id)
        for column, stored, counted in (("balance", balance, counted_balance), ("held", held, counted_held)):
            if stored is None:
                notebook.find("ledger", "credit_accounts", row, "there are entries of an account that is not there")
                break
            if stored != counted or stored < 0:
                message = f"{column} is {stored}, and its entries add up to {counted}"
                notebook.find("ledger", "credit_accounts", row, message)
    for tenant_id, run_id, is_there, status, has_ended, *figures in reader.tuples(_HOLDS):
        notebook.count("ledger")
        table, row = ("agent_executions", "id") if is_there else ("credit_entries", "run_id")
        # retention deletes only what has ended
        for message in _wrong(bool(is_there), str(status), bool(has_ended) or not is_there, *figures):
            notebook.find("ledger", table, named(tenant_id, **{row: run_id}), message)


def _wrong(
    is_there: bool,
    status: str,
    has_ended: bool,
    named_hold: str | None,
    owner: str | None,
    credits_used: int,
    hold_id: str | None,
    user_id: str | None,
    users: int | None,
    held: int | None,
    charges: int | None,
    releases: int | None,
    charged: int | None,
    released: int | None,
    beyond: int | None,
    is_adjusted: int,
) -> list[str]:
    """What is wrong with one run's entries."""
    found: list[str] = []
    if is_there and named_hold != hold_id:
        found.append(f"it names the hold {named_hold}, and the ledger has {hold_id} for it")
    if users is None or held is None or charged is None or released is None or beyond is None:
        return found
    if users != 1 or (is_there and user_id != owner):
        found.append(f"its entries are of user {user_id}, and it is {owner}'s")
    resolved = (charges, releases)
    if hold_id is None and resolved != (0, 0):
        found.append("a hold that is not there was resolved")
    elif hold_id is not None and has_ended and resolved != (1, 1):
        found.append(f"it has ended ({status}), and its hold has {charges} charges and {releases} releases")
    elif hold_id is not None and not has_ended and resolved != (0, 0):
        found.append(f"it has not ended ({status}), and its hold was resolved")
    elif hold_id is not None and has_ended and charged + released != held:
        found.append(f"it held {held} credits, of which {charged} were charged and {released} released")
    elif hold_id is not None and has_ended and is_there:
        if charged != min(credits_used, held):
            found.append(f"it used {credits_used} credits and held {held}, and {charged} were charged")
        elif beyond > max(0, credits_used - held) and not is_adjusted:
            found.append(f"it used {credits_used} credits and held {held}, and {beyond} more were charged")
    return found
