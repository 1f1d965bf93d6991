"""Runs that are resumed, cancelled from elsewhere, or children of a place in another run.

Revision 0006. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"

WANTED: Final = sa.text("status = 'running' AND cancel_code IS NOT NULL")


def upgrade() -> None:
    """Add both columns and the index."""
    op.add_column("agent_executions", sa.Column("cancel_code", sa.Text(), nullable=True))
    op.add_column("agent_executions", sa.Column("parent_path", sa.Text(), nullable=True))
    op.create_index(
        "agent_executions_cancelled",
        "agent_executions",
        ["tenant_id", "id"],
        sqlite_where=WANTED,
        postgresql_where=WANTED,
    )
