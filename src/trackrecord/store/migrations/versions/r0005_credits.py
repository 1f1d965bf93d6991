"""Credit accounts and their ledger.

Revision 0005. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision: Final = "0005"
down_revision: Final = "0004"

TEXT: Final = sa.Text()
ID: Final = sa.Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = sa.Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
COUNT: Final = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
ZERO: Final = sa.text("0")
ONCE: Final = sa.text("(kind = 'hold' OR kind = 'charge' OR kind = 'release')")
MOVES: Final = (
    "kind = 'grant' AND source = 'outside' AND target = 'balance'"
    " OR kind = 'hold' AND source = 'balance' AND target = 'held'"
    " OR kind = 'charge' AND source = 'held' AND target = 'charged'"
    " OR kind = 'release' AND source = 'held' AND target = 'balance'"
    " OR kind = 'adjust' AND source = 'outside' AND target = 'balance'"
    " OR kind = 'adjust' AND source = 'balance' AND target = 'outside'"
    " OR kind = 'adjust' AND source = 'balance' AND target = 'charged'"
    " OR kind = 'adjust' AND source = 'charged' AND target = 'balance'"
)
TRIGGERS: Final = (
    "CREATE TRIGGER credit_entries_change BEFORE UPDATE ON credit_entries BEGIN SELECT RAISE(ABORT, "
    "'credit_entries is append-only'); END",
    "CREATE TRIGGER credit_entries_delete BEFORE DELETE ON credit_entries BEGIN SELECT RAISE(ABORT, "
    "'credit_entries is append-only'); END",
)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "credit_accounts",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("balance", COUNT, nullable=False, server_default=ZERO),
        sa.Column("held", COUNT, nullable=False, server_default=ZERO),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="credit_accounts_key"),
        sa.CheckConstraint("balance >= 0 AND held >= 0", "credit_accounts_counts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credit_entries",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("amount", COUNT, nullable=False, server_default=ZERO),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("created_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="credit_entries_key"),
        sa.CheckConstraint(MOVES, "credit_entries_moves"),
        sa.CheckConstraint("run_id IS NOT NULL OR kind = 'grant' OR kind = 'adjust'", "credit_entries_run"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["credit_accounts.tenant_id", "credit_accounts.user_id"]),
        sa.CheckConstraint("amount >= 0", "credit_entries_counts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("credit_entries_by_user", "credit_entries", ["tenant_id", "user_id", "id"])
    op.create_index("credit_entries_by_run", "credit_entries", ["tenant_id", "run_id"])
    op.create_index(
        "credit_entries_once",
        "credit_entries",
        ["tenant_id", "run_id", "kind"],
        unique=True,
        sqlite_where=ONCE,
        postgresql_where=ONCE,
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)
