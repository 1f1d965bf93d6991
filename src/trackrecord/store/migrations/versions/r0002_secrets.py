"""The table of sealed secrets.

Revision 0002. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision: Final = "0002"
down_revision: Final = "0001"

TEXT: Final = sa.Text()
ID: Final = sa.Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = sa.Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
COUNT: Final = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "secrets",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", COUNT, nullable=False, server_default=sa.text("0")),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("nonce", TEXT, nullable=False),
        sa.Column("wrapped_key", TEXT, nullable=False),
        sa.Column("ciphertext", TEXT, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", "version", name="secrets_key"),
        sa.CheckConstraint("version >= 0", "secrets_counts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
