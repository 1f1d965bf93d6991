"""The statements by which memories are looked after: listed, pinned, erased, forgotten, pruned, merged, folded.

None of them is hot; those of a run stand in `statements`. Values are bound in the order in which they appear.
"""

from __future__ import annotations

from typing import Final

_COLUMNS: Final = (
    "tenant_id, id, agent_id, user_id, run_id, kind, text, importance, created_at, expires_at, source, is_pinned, "
    "erased_at"
)
SELECT_ALL_MEMORIES: Final = f"""
SELECT memory.*, agents.name AS agent_name FROM (
    SELECT {_COLUMNS}, folded_count, 0 AS repeat_count FROM run_memories
    UNION ALL SELECT {_COLUMNS}, 0, repeat_count FROM user_memories) memory
LEFT JOIN agents ON agents.tenant_id = memory.tenant_id AND agents.id = memory.agent_id
"""  # noqa: S608  # names are ours
TABLES: Final = ("run_memories", "user_memories")

SELECT_EXPIRED_MEMORY: Final = """
SELECT EXISTS (SELECT 1 FROM run_memories WHERE expires_at <= ? AND is_pinned = 0)
    OR EXISTS (SELECT 1 FROM user_memories WHERE expires_at <= ? AND is_pinned = 0)
"""
DELETE_EXPIRED: Final = {
    table: f"DELETE FROM {table} WHERE rowid IN "  # noqa: S608  # names are ours
    f"(SELECT rowid FROM {table} WHERE expires_at <= ? AND is_pinned = 0 LIMIT ?) RETURNING tenant_id"
    for table in TABLES
}
COUNT_EXPIRED: Final = {
    table: f"SELECT count(*) FROM {table} WHERE expires_at <= ? AND is_pinned = 0"  # noqa: S608  # names are ours
    for table in TABLES
}
DELETE_MEMORY: Final = {table: f"DELETE FROM {table} WHERE tenant_id = ? AND id = ?" for table in TABLES}  # noqa: S608  # names are ours
PIN_MEMORY: Final = {
    table: f"UPDATE {table} SET is_pinned = ? WHERE tenant_id = ? AND id = ? AND text IS NOT NULL"  # noqa: S608  # names are ours
    for table in TABLES
}
ERASE: Final = {
    table: f"UPDATE {table} SET text = NULL, is_pinned = 0, erased_at = ? WHERE tenant_id = ? AND text IS NOT NULL"  # noqa: S608  # names are ours
    for table in TABLES
}
ERASE_FOLDED: Final = """
UPDATE run_memories SET text = NULL, is_pinned = 0, erased_at = ? WHERE tenant_id = ? AND text IS NOT NULL
    AND source = 'folded' AND EXISTS (SELECT 1 FROM agent_executions run WHERE run.tenant_id = run_memories.tenant_id
        AND run.id = ? AND run.agent_id = run_memories.agent_id AND run.user_id = run_memories.user_id
        AND run.completed_at <= run_memories.created_at)
"""
ERASE_FEEDBACK: Final = """
UPDATE run_feedback SET text = NULL, erased_at = ? WHERE tenant_id = ? AND text IS NOT NULL
    AND EXISTS (SELECT 1 FROM agent_executions run
        WHERE run.tenant_id = run_feedback.tenant_id AND run.id = run_feedback.run_id
"""
INSERT_KEPT_MEMORY: Final = """
INSERT INTO user_memories (tenant_id, id, user_id, agent_id, run_id, kind, text, importance, created_at, expires_at,
    source, is_pinned) VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, 'person', ?)
"""

SELECT_LEARNT: Final = """
SELECT id, kind, user_id, agent_id, text, importance, created_at, expires_at, is_pinned, repeat_count FROM user_memories
WHERE tenant_id = ? AND text IS NOT NULL
"""
SAVE_MERGED: Final = """
UPDATE user_memories SET importance = ?, expires_at = ?, is_pinned = ?, repeat_count = ? WHERE tenant_id = ? AND id = ?
"""
SELECT_SUMMARISED: Final = "SELECT DISTINCT agent_id, user_id FROM run_memories WHERE tenant_id = ?"
SELECT_FOLDABLE: Final = """
SELECT memory.id, memory.run_id, memory.text, memory.source, memory.created_at, memory.importance, run.status,
    run.agent_seq, memory.is_pinned = 1 OR EXISTS (SELECT 1 FROM run_feedback said
        WHERE said.tenant_id = memory.tenant_id AND said.run_id = memory.run_id)
FROM run_memories memory JOIN agent_executions run ON run.tenant_id = memory.tenant_id AND run.id = memory.run_id
WHERE memory.tenant_id = ? AND memory.agent_id = ? AND memory.user_id = ? AND memory.kind = 'summary'
    AND memory.text IS NOT NULL
ORDER BY memory.created_at DESC, memory.id DESC
"""
SELECT_ENDINGS: Final = """
SELECT status, error_code, count(*) FROM agent_executions
WHERE tenant_id = ? AND agent_id = ? AND user_id = ? AND agent_seq <= ? GROUP BY status, error_code
"""
INSERT_FOLDED: Final = """
INSERT INTO run_memories (tenant_id, id, agent_id, user_id, run_id, kind, text, importance, created_at, expires_at,
    source, folded_count, is_pinned) VALUES (?, ?, ?, ?, ?, 'summary', ?, ?, ?, ?, 'folded', ?, ?)
"""

SELECT_FEEDBACK: Final = """
SELECT seq, user_id, verdict, text, created_at, erased_at FROM run_feedback
WHERE tenant_id = ? AND run_id = ? ORDER BY seq DESC
"""
SELECT_WEIGHED: Final = """
SELECT id, importance, created_at, expires_at FROM run_memories
WHERE tenant_id = ? AND run_id = ? AND source <> 'folded'
"""
SAVE_WEIGHT: Final = "UPDATE run_memories SET importance = ?, expires_at = ? WHERE tenant_id = ? AND id = ?"
