"""`trackrecord credits`: accounts of credits, what is granted to them, taken back and refunded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.escape import line
from trackrecord.cli.typed import AsJson, Db
from trackrecord.cli.units import count, many
from trackrecord.errors import BadInput
from trackrecord.tenancy import LOCAL_USER

if TYPE_CHECKING:
    from trackrecord.store.ledger import CreditAccount
    from trackrecord.wiring import Trackrecord

ACTIONS: Final = ("show", "grant", "take", "refund")


def command(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="show, grant, take or refund")],
    what: Annotated[str | None, typer.Argument(metavar="[USER|N]", help="whose account, or how many credits")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="whose; this installation's own")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="of refund: which run was charged")] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="why; kept in the ledger")] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Grant credits to a user, and show how the accounts stand.

    A user without an account is metered and not limited; the first grant opens the account, and from then on each run
    holds credits before it begins. Nothing in the ledger is ever changed: `take` and `refund` add to it.
    """
    if action not in ACTIONS:
        raise BadInput(f"there is no action {action!r}", cure=f"Use one of {', '.join(ACTIONS)}.")
    if action == "show":
        return _show(what if what is not None else user, db, is_json)
    account = _moved(action, _amount(action, what), user, run, note, db)
    if is_json:
        terminal.say_json(asdict(account))
    else:
        terminal.say(_told(account))
    return 0


def _show(user: str | None, db: str | None, is_json: bool) -> int:
    from trackrecord.store import statements  # with the store's own sums
    from trackrecord.store.ledger import account

    with reader_of(db) as reader:
        rows = reader.tuples(statements.SELECT_CREDIT_SUMS, (reader.tenant_id, user))
        accounts = [account(row) for row in rows]
    if is_json:
        terminal.say_json([asdict(one) for one in accounts])
    elif not accounts:
        terminal.tell("no credit account is kept here: trackrecord credits grant N opens one")
    else:
        for one in accounts:
            terminal.say(_told(one))
    return 0


def _moved(
    action: str, amount: int, user: str | None, run: str | None, note: str | None, db: str | None
) -> CreditAccount:
    if (action == "refund") != (run is not None):
        raise BadInput(f"{action!r} takes {'a' if run is None else 'no'} run", cure="Refund what a run was charged.")
    if action == "grant":
        return _within(db, lambda tr: tr.grant_credits(amount, user_id=user or LOCAL_USER, note=note))
    reader = reader_of(db)  # a database that is not there is an error here, not one to be made
    with reader:
        execution = None if run is None else reader.execution(run)
    if execution is None:
        return _within(db, lambda tr: tr.adjust_credits(-amount, note or "", user_id=user or LOCAL_USER))
    owner, run_id = str(execution["user_id"]), str(execution["id"])
    return _within(db, lambda tr: tr.adjust_credits(amount, note or "", user_id=owner, run_id=run_id))


def _amount(action: str, given: str | None) -> int:
    text = (given or "").replace(",", "").replace("_", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 13 or int(text) < 1:
        raise BadInput(
            f"{given!r} is no amount of credits" if given is not None else f"{action!r} takes an amount",
            cure=f"Give a whole number from 1: trackrecord credits {action} 500.",
        )
    return int(text)


def _told(account: CreditAccount) -> str:
    figures = (
        f"{many(account.balance, 'credit')} left",
        f"{count(account.held)} held",
        f"{count(account.charged)} charged",
        f"{count(account.granted)} granted",
    )
    return line(f"user {account.user_id}: {', '.join(figures)}", 200)


def _within(db: str | None, work: Callable[[Trackrecord], Awaitable[CreditAccount]]) -> CreditAccount:
    async def carried() -> CreditAccount:
        from trackrecord.wiring import Trackrecord  # the engines and all they need

        async with Trackrecord(db, resumes=False) as tr:
            return await work(tr)

    return asyncio.run(carried())
