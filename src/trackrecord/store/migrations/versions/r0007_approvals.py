"""What runs ask of people.

Revision 0007. Frozen: a later change of the tables is a later revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision: Final = "0007"
down_revision: Final = "0006"

TEXT: Final = sa.Text()
ID: Final = sa.Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = sa.Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
OPEN: Final = sa.text("decision IS NULL")
TRIGGERS: Final = (
    "CREATE TRIGGER approvals_change BEFORE UPDATE ON approvals WHEN OLD.decision IS NOT NULL OR NOT ("
    "NEW.tenant_id IS OLD.tenant_id AND NEW.run_id IS OLD.run_id AND NEW.path IS OLD.path AND NEW.kind IS OLD.kind "
    "AND NEW.message IS OLD.message AND NEW.approvers IS OLD.approvers AND NEW.needs IS OLD.needs "
    "AND NEW.requested_at IS OLD.requested_at AND NEW.expires_at IS OLD.expires_at "
    "AND NEW.on_timeout IS OLD.on_timeout) BEGIN SELECT RAISE(ABORT, "
    "'a question changes only by being answered, and once'); END",
    "CREATE TRIGGER approvals_delete BEFORE DELETE ON approvals WHEN EXISTS (SELECT 1 FROM agent_executions "
    "WHERE tenant_id = OLD.tenant_id AND id = OLD.run_id) BEGIN SELECT RAISE(ABORT, 'approvals goes with its run'); "
    "END",
)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "approvals",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("approvers", TEXT, nullable=False),
        sa.Column("needs", TEXT, nullable=False),
        sa.Column("requested_at", STAMP, nullable=False),
        sa.Column("expires_at", STAMP, nullable=True),
        sa.Column("on_timeout", TEXT, nullable=False),
        sa.Column("votes", TEXT, nullable=False),
        sa.Column("decision", TEXT, nullable=True),
        sa.Column("decided_by", TEXT, nullable=True),
        sa.Column("comment", TEXT, nullable=True),
        sa.Column("decided_at", STAMP, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "path", name="approvals_key"),
        sa.CheckConstraint("(needs = 'any' OR needs = 'all')", "approvals_needs"),
        sa.CheckConstraint("(on_timeout = 'approve' OR on_timeout = 'reject')", "approvals_on_timeout"),
        sa.CheckConstraint(
            "kind = 'approval' AND (decision IS NULL OR (decision = 'approved' OR decision = 'rejected'))"
            " OR kind = 'unknown_outcome' AND (decision IS NULL OR (decision = 'done' OR decision = 'retry'))",
            "approvals_decision",
        ),
        sa.CheckConstraint(
            "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NOT NULL OR decided_by IS NULL)",
            "approvals_decided",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"], ["agent_executions.tenant_id", "agent_executions.id"], ondelete="CASCADE"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "approvals_open",
        "approvals",
        ["tenant_id", "requested_at"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)
