"""A place of a run has one child run, however often the run is resumed.

Revision 0008. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"

CHILDREN: Final = sa.text("parent_run_id IS NOT NULL")


def upgrade() -> None:
    """Make the index of children unique, with their place in it."""
    op.drop_index("agent_executions_children", "agent_executions")
    op.create_index(
        "agent_executions_children",
        "agent_executions",
        ["tenant_id", "parent_run_id", "parent_path"],
        unique=True,
        sqlite_where=CHILDREN,
        postgresql_where=CHILDREN,
    )
