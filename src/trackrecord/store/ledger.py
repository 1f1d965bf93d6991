"""Credit accounts for whoever looks at them or adds to them: reads, and the writes a person makes.

What runs hold and are charged is posted by their own transactions (`postings`). Must never change an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trackrecord.canonical import clean_text
from trackrecord.errors import BadInput
from trackrecord.record.execution_data import check_id
from trackrecord.store import postings, statements
from trackrecord.store.door import Door
from trackrecord.store.driver import Connection
from trackrecord.store.notebook import Notebook
from trackrecord.store.postings import Owner
from trackrecord.store.writer import Writer

MOST_AT_ONCE: Final = 10**12
MOST_NOTE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditAccount:
    """How a credit account stands: granted = balance + held + charged.

    Attributes:
        balance: credits that can be held now.
        held: credits that runs under way hold.
        charged: credits that runs were charged, less what was given back.
        granted: credits that came from outside, less what was taken back.
    """

    user_id: str
    balance: int
    held: int
    charged: int
    granted: int


class SqliteLedger:
    """The credit accounts of one SQLite store."""

    def __init__(self, writer: Writer, door: Door, notebook: Notebook) -> None:
        """Read through `door`; write through `writer`."""
        self._writer = writer
        self._door = door
        self._notebook = notebook
        self._opened: set[tuple[str, str]] = set()  # an account is never closed

    def has_account(self, tenant_id: str, user_id: str) -> bool:
        """Whether the user has an account."""
        key = (tenant_id, user_id)
        if key not in self._opened:
            if not self._door.rows(statements.SELECT_ACCOUNT, key):
                return False
            self._opened.add(key)
        return True

    def accounts(self, tenant_id: str, user_id: str | None = None) -> list[CreditAccount]:
        """Every account, or one user's."""
        return [account(row) for row in self._door.rows(statements.SELECT_CREDIT_SUMS, (tenant_id, user_id))]

    async def grant(self, tenant_id: str, user_id: str, amount: int, note: str | None, actor_id: str) -> CreditAccount:
        """Add credits; the first grant opens the account, and from then on its user's runs hold credits.

        Raises:
            BadInput: the user, the amount or the note cannot be used. StoreError: it could not be stored.
        """
        owner = Owner(tenant_id=tenant_id, user_id=_checked_user(user_id))
        _check_amount(amount)
        words = _checked_note(note)

        def write(connection: Connection) -> CreditAccount:
            postings.grant(connection, self._notebook, owner, amount, words, actor_id)
            return _present(connection, owner)

        return await self._writer.written(write, "grant")

    async def adjust(
        self, tenant_id: str, user_id: str, amount: int, note: str, actor_id: str, run_id: str | None = None
    ) -> CreditAccount:
        """Correct a balance by an amount of either sign; with a run, give back of what it was charged.

        Raises:
            BadInput: something given cannot be used, there is no account, or it has not so much.
            StoreError: it could not be stored.
        """
        owner = Owner(tenant_id=tenant_id, user_id=_checked_user(user_id), run_id=run_id)
        _check_amount(amount, is_signed=True)
        words = _checked_note(note)
        if words is None:
            raise BadInput("a correction without a reason", cure="Say why, in a few words: --note TEXT.")

        def write(connection: Connection) -> CreditAccount:
            postings.adjust(connection, owner, amount, words, actor_id)
            return _present(connection, owner)

        return await self._writer.written(write, "correct")


def account(row: tuple[Any, ...]) -> CreditAccount:
    """An account from a row of SELECT_CREDIT_SUMS."""
    user_id, balance, held, charged, granted = row
    return CreditAccount(user_id=user_id, balance=balance, held=held, charged=charged, granted=granted)


def _present(connection: Connection, owner: Owner) -> CreditAccount:
    return account(connection.execute(statements.SELECT_CREDIT_SUMS, (owner.tenant_id, owner.user_id)).fetchone())


def _checked_user(user_id: str) -> str:
    check_id("user_id", user_id)
    return user_id


def _check_amount(amount: object, *, is_signed: bool = False) -> None:
    """Raise when it is no whole number of credits that can be moved."""
    least = -MOST_AT_ONCE if is_signed else 1
    if type(amount) is not int or amount == 0 or not least <= amount <= MOST_AT_ONCE:
        raise BadInput(f"{amount!r} is no amount of credits", cure=f"Give a whole number from 1 to {MOST_AT_ONCE:,}.")


def _checked_note(note: str | None) -> str | None:
    words = None if note is None else clean_text(note.strip())
    if words is not None and len(words) > MOST_NOTE:
        raise BadInput(f"a note of {len(words):,} characters is too long", cure=f"Say it in {MOST_NOTE:,} at most.")
    return words or None
