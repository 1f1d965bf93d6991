"""A stored figure beside what it should be by the rows it is made from: how recount and refold say what they found.

Shapes and words only. Must never decide which of the two is right: `rebuild` mends sums, `verify` reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trackrecord.canonical import Json, cut, dumps
from trackrecord.tenancy import LOCAL_TENANT

MAX_SHOWN_CHARACTERS: Final = 120

ABSENT: Final = "(not there)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in a row that is not what it should be.

    Attributes:
        table: the table of the row.
        row: its ids, as `column=value`; the tenant is left out when it is the embedded one.
        column: the column, with the key in a document behind dots (`logs.tokensUsed.total`); empty for a whole row.
        stored: what the row says.
        derived: what it should say by the rows it is made from.
    """

    table: str
    row: str
    column: str
    stored: Json
    derived: Json

    @property
    def message(self) -> str:
        """Both values in one line."""
        what = self.column or "the row"
        return f"{what} is {shown(self.stored)}, and should be {shown(self.derived)}"


def named(tenant_id: str, **ids: object) -> str:
    """A row by its ids; the tenant stands first unless it is the embedded one."""
    parts = {"tenant_id": tenant_id} if tenant_id != LOCAL_TENANT else {}
    return ", ".join(f"{column}={value}" for column, value in (parts | ids).items())


def shown(value: Json) -> str:
    """A value for reading: NULL for None, long text cut."""
    return "NULL" if value is None else cut(dumps(value), MAX_SHOWN_CHARACTERS)


def unlike(stored: Json, derived: Json, column: str) -> Iterator[tuple[str, Json, Json]]:
    """The deepest places at which two documents differ, as (column with keys, stored, derived)."""
    if isinstance(stored, dict) and isinstance(derived, dict):
        for key in sorted({*stored, *derived}):
            yield from unlike(stored.get(key, ABSENT), derived.get(key, ABSENT), f"{column}.{key}")
    elif dumps(stored) != dumps(derived):  # their texts: 1, 1.0 and true are equal to Python
        yield column, stored, derived
