"""Memory that can be erased, pinned and folded, and feedback on runs.

Revision 0003. Frozen: a later change of the tables is a later revision. `run_memories` keeps summaries only; facts and
patterns that stood there move to `user_memories`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision: Final = "0003"
down_revision: Final = "0002"

TEXT: Final = sa.Text()
ID: Final = sa.Text().with_variant(UUID(as_uuid=False), "postgresql")
STAMP: Final = sa.Text().with_variant(TIMESTAMP(timezone=True), "postgresql")
COUNT: Final = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TYPES: Final = {"TEXT": TEXT, "ID": ID, "STAMP": STAMP, "COUNT": COUNT}

# As in revision 0001: `name type` in order; `?` after the type allows NULL, a count without it starts at 0.

RUN_MEMORIES: Final = """
    tenant_id ID
    id ID
    agent_id ID
    user_id ID
    run_id ID
    kind TEXT
    text TEXT?
    importance COUNT
    created_at STAMP
    expires_at STAMP
    source TEXT
    folded_count COUNT
    is_pinned COUNT
    erased_at STAMP?
"""
USER_MEMORIES: Final = """
    tenant_id ID
    id ID
    user_id ID
    agent_id ID?
    run_id ID?
    kind TEXT
    text TEXT?
    importance COUNT
    created_at STAMP
    expires_at STAMP
    source TEXT
    repeat_count COUNT
    is_pinned COUNT
    erased_at STAMP?
"""
RUN_FEEDBACK: Final = """
    tenant_id ID
    run_id ID
    seq COUNT
    user_id ID
    verdict TEXT
    text TEXT?
    created_at STAMP
    erased_at STAMP?
"""
FLAGS: Final = "is_pinned <= 1 AND (text IS NULL) = (erased_at IS NOT NULL)"
MOVED: Final = "tenant_id, id, user_id, agent_id, run_id, kind, text, importance, created_at, expires_at"
TRIGGERS: Final = (
    "CREATE TRIGGER run_feedback_change BEFORE UPDATE ON run_feedback WHEN NOT (NEW.text IS NULL AND NEW.erased_at IS "
    "NOT NULL AND NEW.tenant_id IS OLD.tenant_id AND NEW.run_id IS OLD.run_id AND NEW.seq IS OLD.seq AND NEW.user_id "
    "IS OLD.user_id AND NEW.verdict IS OLD.verdict AND NEW.created_at IS OLD.created_at) BEGIN SELECT RAISE(ABORT, "
    "'run_feedback changes only by losing its text'); END",
    "CREATE TRIGGER run_feedback_delete BEFORE DELETE ON run_feedback WHEN EXISTS (SELECT 1 FROM agent_executions "
    "WHERE tenant_id = OLD.tenant_id AND id = OLD.run_id) BEGIN SELECT RAISE(ABORT, 'run_feedback goes with its run'); "
    "END",
)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"{column} = '{value}'" for value in values) + ")"


def _columns(text: str) -> list[sa.Column[Any]]:
    columns: list[sa.Column[Any]] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        name, kind = line.split()
        starts_at = sa.text("0") if kind == "COUNT" else None
        columns.append(
            sa.Column(name, TYPES[kind.removesuffix("?")], nullable=kind.endswith("?"), server_default=starts_at)
        )
    return columns


def _table(name: str, text: str, key: str, *constraints: sa.Constraint, is_clustered: bool = False) -> None:
    counted = [line.split()[0] for line in text.split("\n") if line.strip() and "COUNT" in line]
    op.create_table(
        name,
        *_columns(text),
        sa.PrimaryKeyConstraint(*key.split(), name=f"{name}_key"),
        sa.CheckConstraint(" AND ".join(f"{column} >= 0" for column in counted), f"{name}_counts"),
        *constraints,
        sqlite_strict=True,
        sqlite_with_rowid=not is_clustered,
    )


def _of_run() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "run_id"], ["agent_executions.tenant_id", "agent_executions.id"], ondelete="CASCADE"
    )


def upgrade() -> None:
    """Make both tables of memories anew around what is in them, and the table of feedback."""
    for name in ("run_memories", "user_memories"):
        op.execute(f"CREATE TABLE earlier_{name} AS SELECT * FROM {name}")  # noqa: S608  # names are ours
        op.drop_table(name)
    _make_memories()
    # names are ours
    op.execute(
        f"INSERT INTO run_memories ({MOVED}, source) SELECT {MOVED}, 'rule' FROM earlier_run_memories "  # noqa: S608
        "WHERE kind = 'summary'"
    )
    for earlier in ("earlier_run_memories", "earlier_user_memories"):
        op.execute(
            f"INSERT INTO user_memories ({MOVED}, source) SELECT {MOVED}, 'run' FROM {earlier} "  # noqa: S608
            "WHERE kind = 'fact' OR kind = 'pattern' AND agent_id IS NOT NULL"
        )
        op.drop_table(earlier)
    _table(
        "run_feedback",
        RUN_FEEDBACK,
        "tenant_id run_id seq",
        _of_run(),
        sa.CheckConstraint(_one_of("verdict", ("good", "bad")), "run_feedback_verdict"),
        sa.CheckConstraint("text IS NULL OR erased_at IS NULL", "run_feedback_erased"),
        is_clustered=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)


def _make_memories() -> None:
    _table(
        "run_memories",
        RUN_MEMORIES,
        "tenant_id id",
        _of_run(),
        sa.CheckConstraint(_one_of("kind", ("summary",)), "run_memories_kind"),
        sa.CheckConstraint(_one_of("source", ("rule", "model", "folded")), "run_memories_source"),
        sa.CheckConstraint("importance BETWEEN 1 AND 10", "run_memories_importance"),
        sa.CheckConstraint(FLAGS, "run_memories_flags"),
    )
    _table(
        "user_memories",
        USER_MEMORIES,
        "tenant_id id",
        sa.CheckConstraint(_one_of("kind", ("fact", "pattern")), "user_memories_kind"),
        sa.CheckConstraint(_one_of("source", ("run", "person")), "user_memories_source"),
        sa.CheckConstraint("kind = 'fact' OR agent_id IS NOT NULL", "user_memories_owner"),
        sa.CheckConstraint("importance BETWEEN 1 AND 10", "user_memories_importance"),
        sa.CheckConstraint(FLAGS, "user_memories_flags"),
    )
    op.create_index("run_memories_by_agent", "run_memories", ["tenant_id", "agent_id", "user_id", "kind", "created_at"])
    op.create_index("run_memories_by_expiry", "run_memories", ["expires_at"])
    op.create_index("run_memories_by_run", "run_memories", ["tenant_id", "run_id"])
    op.create_index("user_memories_by_expiry", "user_memories", ["expires_at"])
    op.create_index("user_memories_by_run", "user_memories", ["tenant_id", "run_id"])
    op.create_index("user_memories_by_user", "user_memories", ["tenant_id", "user_id", "created_at"])
