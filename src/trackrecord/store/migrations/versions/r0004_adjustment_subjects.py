"""What an adjustment is about, so that nothing is adjusted twice.

Revision 0004. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Add the column and the index that allows one adjustment of a kind about each subject."""
    op.add_column("run_adjustments", sa.Column("subject", sa.Text(), nullable=True))
    op.create_index(
        "run_adjustments_once",
        "run_adjustments",
        ["tenant_id", "run_id", "kind", "subject"],
        unique=True,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
