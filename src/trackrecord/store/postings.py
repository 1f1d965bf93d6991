"""What is posted to the credit ledger: holds with runs, charges and releases with finishes, grants, corrections.

Steps 2 and 7 of 9, inside the transaction of who calls. Entries are added and never changed; the account's two figures
are their sums. Must never let either fall below zero: the database's own conditions see to that as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trackrecord import clock, failpoints
from trackrecord.canonical import dumps
from trackrecord.errors import BadInput, InsufficientCredits, StoreUnusable
from trackrecord.record.credits import Credits
from trackrecord.record.record import Origin
from trackrecord.store import statements
from trackrecord.store.driver import Connection
from trackrecord.store.notebook import Notebook
from trackrecord.store.pockets import Kind, Pocket
from trackrecord.store.protocol import Hold

BEYOND: Final = "beyond the hold"
LATE: Final = "late usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose credits, and for which run they move; None for none."""

    tenant_id: str
    user_id: str
    run_id: str | None = None


def of_run(origin: Origin) -> Owner:
    """Whose run it is."""
    return Owner(tenant_id=origin.tenant_id, user_id=origin.user_id, run_id=origin.run_id)


def has_account(connection: Connection, notebook: Notebook, tenant_id: str, user_id: str) -> bool:
    """Whether the user has an account; costs nothing once it is known that there is none."""
    if notebook.lacks_account(tenant_id, user_id):
        return False
    if connection.execute(statements.SELECT_ACCOUNT, (tenant_id, user_id)).fetchone() is not None:
        return True
    notebook.found_no_account(tenant_id, user_id)
    return False


def has_account_now(connection: Connection, notebook: Notebook, tenant_id: str, user_id: str) -> bool:
    """The same outside a transaction, for who has the writer's turn: another process may have granted the first."""
    notebook.look(connection)
    return has_account(connection, notebook, tenant_id, user_id)


def hold(connection: Connection, owner: Owner, hold_id: str, most: Credits, now: str) -> None:
    """Hold so many credits for the run, or what is there.

    Raises:
        InsufficientCredits: nothing is there.
    """
    balance, held = _standing(connection, owner)
    amount = min(most, balance)
    if amount < 1:
        raise _insufficient(owner, held)
    _change(connection, owner, -amount, amount, now)
    failpoints.reach("accept.credit_accounts")
    _post(connection, owner, "hold", "balance", "held", amount, now, entry_id=hold_id)
    failpoints.reach("accept.credit_entries")


def held(connection: Connection, tenant_id: str, hold_id: str) -> Hold:
    """The hold of that id."""
    row = connection.execute(statements.SELECT_CREDIT_HOLD, (tenant_id, hold_id)).fetchone()
    if row is None:
        raise StoreUnusable(f"the ledger has no hold {hold_id!r}", cure="`trackrecord verify` names what is damaged.")
    return Hold(id=hold_id, amount=Credits(row[0]))


def settle(connection: Connection, owner: Owner, hold: Hold, credits_used: int | None, now: str) -> None:
    """Charge what the run used, from its hold and then from the balance, and release the rest of the hold.

    What neither covers is charged to nobody: it stays in the run's `credits_used`. Unknown use is not charged.
    """
    used = credits_used or 0
    charged = min(used, hold.amount)
    released = hold.amount - charged
    beyond = 0
    if used > charged:
        beyond = min(used - charged, _standing(connection, owner)[0])
    _change(connection, owner, released - beyond, -hold.amount, now)
    failpoints.reach("finish.credit_accounts")
    _post(connection, owner, "charge", "held", "charged", charged, now)
    _post(connection, owner, "release", "held", "balance", released, now)
    if beyond:
        _post(connection, owner, "adjust", "balance", "charged", beyond, now, note=BEYOND)
    failpoints.reach("finish.credit_entries")


def charge_late(connection: Connection, owner: Owner, before: int, after: int, now: str) -> None:
    """Charge, or give back, what late usage makes of the credits of a run that held some; never more than is there."""
    if after > before:
        amount = min(after - before, _standing(connection, owner)[0])
        _correct(connection, owner, "balance", "charged", amount, now, LATE)
    elif before > after:
        amount = min(before - after, _charged(connection, owner))
        _correct(connection, owner, "charged", "balance", amount, now, LATE)


def grant(connection: Connection, notebook: Notebook, owner: Owner, amount: int, note: str | None, actor: str) -> None:
    """Add credits to the balance; the first grant opens the account."""
    now = clock.stamp(clock.now())
    connection.execute(statements.OPEN_ACCOUNT, (owner.tenant_id, owner.user_id, 0, 0, now, now))
    notebook.opened_account(owner.tenant_id, owner.user_id)
    failpoints.reach("grant.credit_accounts")
    _change(connection, owner, amount, 0, now)
    _post(connection, owner, "grant", "outside", "balance", amount, now, note=note)
    failpoints.reach("grant.credit_entries")
    _audit(connection, owner, actor, "credits.granted", amount, now)


def adjust(connection: Connection, owner: Owner, amount: int, note: str, actor: str) -> None:
    """Correct the balance by an amount of either sign; of a run, give back what it was charged.

    Raises:
        BadInput: there is no account, or it has not so much; or the run was not charged so much.
    """
    now = clock.stamp(clock.now())
    row = connection.execute(statements.SELECT_ACCOUNT, (owner.tenant_id, owner.user_id)).fetchone()
    if row is None:
        raise _no_account(owner)
    if owner.run_id is not None:
        _check_refund(connection, owner, amount)
        _correct(connection, owner, "charged", "balance", amount, now, note)
    elif amount > 0:
        _correct(connection, owner, "outside", "balance", amount, now, note)
    else:
        if -amount > row[0]:
            raise BadInput(
                f"{-amount:,} credits cannot be taken: the balance is {row[0]:,}", cure="Take at most the balance."
            )
        _correct(connection, owner, "balance", "outside", -amount, now, note)
    _audit(connection, owner, actor, "credits.adjusted", amount, now)


def _check_refund(connection: Connection, owner: Owner, amount: int) -> None:
    charged = _charged(connection, owner)
    if not 0 < amount <= charged:
        raise BadInput(
            f"{amount:,} credits cannot be given back: run {owner.run_id!r} was charged {charged:,}",
            cure="Give back at most what it was charged.",
        )


def _charged(connection: Connection, owner: Owner) -> int:
    key = (owner.tenant_id, owner.run_id, owner.user_id)
    return connection.execute(statements.SELECT_CHARGED, key).fetchone()[0]


def _correct(
    connection: Connection, owner: Owner, source: Pocket, target: Pocket, amount: int, now: str, note: str
) -> None:
    if amount > 0:
        _change(connection, owner, amount if target == "balance" else -amount, 0, now)
        _post(connection, owner, "adjust", source, target, amount, now, note=note)
        failpoints.reach("correct.credit_entries")


def _standing(connection: Connection, owner: Owner) -> tuple[int, int]:
    return connection.execute(statements.SELECT_ACCOUNT, (owner.tenant_id, owner.user_id)).fetchone()


def _change(connection: Connection, owner: Owner, balance: int, held: int, now: str) -> None:
    given = (balance, held, now, owner.tenant_id, owner.user_id)
    if connection.execute(statements.MOVE_CREDITS, given).rowcount != 1:
        raise StoreUnusable(
            f"the credit account of user {owner.user_id!r} does not hold what its ledger says",
            cure="`trackrecord verify` names what is damaged.",
        )


def _post(
    connection: Connection,
    owner: Owner,
    kind: Kind,
    source: Pocket,
    target: Pocket,
    amount: int,
    now: str,
    *,
    entry_id: str | None = None,
    note: str | None = None,
) -> None:
    whose = (owner.tenant_id, entry_id or clock.new_id(), owner.user_id, owner.run_id)
    connection.execute(statements.INSERT_CREDIT_ENTRY, (*whose, kind, source, target, amount, note, now))


def _audit(connection: Connection, owner: Owner, actor: str, action: str, amount: int, now: str) -> None:
    details = dumps({"amount": amount} if owner.run_id is None else {"amount": amount, "run": owner.run_id})
    connection.execute(
        statements.INSERT_AUDIT,
        (owner.tenant_id, clock.new_id(), actor, action, "user", owner.user_id, details, now),
    )


def _insufficient(owner: Owner, held: int) -> InsufficientCredits:
    busy = f", {held:,} are held by runs under way" if held else ""
    return InsufficientCredits(
        f"the credit account of user {owner.user_id!r} has 0 credits left{busy}",
        cure=("Wait for one of them to end, lower TRACKRECORD_CREDITS__HOLD, or grant" if held else "Grant")
        + f" credits: trackrecord credits grant N --user {owner.user_id}.",
    )


def _no_account(owner: Owner) -> BadInput:
    return BadInput(
        f"user {owner.user_id!r} has no credit account", cure="The first grant opens it: trackrecord credits grant N."
    )
