"""The statements by which people are asked and answer: none of them is hot; asking itself stands in `statements`.

Values are bound in the order in which they appear.
"""

from __future__ import annotations

from typing import Final

from trackrecord.store.states import LIVE, one_of

# Of a question nobody asks any more: what asked was stopped, by a branch that was first, one that failed or a time
# that was over. A wait has left a span then; one that is parked leaves none. An interrupted effect has one already
# while it asks what became of it: there, the span of the try of a step that holds it tells.
_WITHDRAWN: Final = """
CASE WHEN question.kind = 'approval' THEN EXISTS (SELECT 1 FROM run_spans span
    WHERE span.tenant_id = question.tenant_id AND span.run_id = question.run_id AND span.path = question.path
    AND span.kind = 'wait' AND span.status IN ('cancelled', 'timed_out'))
ELSE EXISTS (SELECT 1 FROM run_spans span WHERE span.tenant_id = question.tenant_id AND span.run_id = question.run_id
    AND span.kind = 'step' AND CASE span.attempt
        WHEN 1 THEN substr(question.path, 1, length(span.path) + 1) = span.path || '/'
            AND substr(question.path, length(span.path) + 2, 4) <> 'try:'
        ELSE substr(question.path, 1, length(span.path || '/try:' || span.attempt || '/'))
            = span.path || '/try:' || span.attempt || '/' END) END
"""
_COLUMNS: Final = """
SELECT run.id, run.agent_name, run.status, question.path, question.kind, message, approvers, needs, requested_at,
    expires_at, on_timeout, votes, decision, decided_by, comment, decided_at, decision IS NULL AND """
_FROM: Final = (
    " FROM approvals question "
    "JOIN agent_executions run ON run.tenant_id = question.tenant_id AND run.id = question.run_id"
)
_SELECT: Final = f"{_COLUMNS}{_WITHDRAWN}{_FROM}"
SELECT_QUESTION: Final = f"{_SELECT} WHERE question.tenant_id = ? AND question.run_id = ? AND question.path = ?"
SELECT_QUESTIONS: Final = (
    f"{_SELECT} WHERE question.tenant_id = ? AND question.run_id = ? ORDER BY requested_at, question.path"
)
SELECT_OPEN_QUESTIONS: Final = (
    f"{_SELECT} WHERE question.tenant_id = ? AND decision IS NULL AND (? IS NULL OR question.run_id = ?) "
    f"AND {one_of('run.status', LIVE)} AND NOT {_WITHDRAWN} ORDER BY requested_at, question.path"
)
# Of an effect that is interrupted again after it was settled as `retry`, the later questions stand at `PATH#2` and so
# on; `$` is the character after `#`.
SELECT_STANDING: Final = """
SELECT requested_at, expires_at, decision, decided_by, comment, path FROM approvals
WHERE tenant_id = ? AND run_id = ? AND (path = ? OR path > ? || '#' AND path < ? || '$')
ORDER BY requested_at DESC, length(path) DESC LIMIT 1
"""
SAVE_VOTES: Final = (
    "UPDATE approvals SET votes = ? WHERE tenant_id = ? AND run_id = ? AND path = ? AND decision IS NULL"
)
# The condition, not the look before it, is what lets one decision win.
DECIDE: Final = """
UPDATE approvals SET decision = ?, decided_by = ?, comment = ?, decided_at = ?
WHERE tenant_id = ? AND run_id = ? AND path = ? AND decision IS NULL
"""
EXPIRE: Final = """
UPDATE approvals SET decision = CASE on_timeout WHEN 'approve' THEN 'approved' ELSE 'rejected' END, comment = ?,
    decided_at = ?
WHERE tenant_id = ? AND run_id = ? AND path = ? AND kind = 'approval' AND decision IS NULL AND expires_at <= ?
RETURNING decision
"""
WAKE_RUN: Final = (
    "UPDATE agent_executions SET ready_at = ? WHERE tenant_id = ? AND id = ? AND status = 'waiting' "
    "AND (ready_at IS NULL OR ready_at > ?)"
)
SELECT_OWNER: Final = "SELECT user_id FROM agent_executions WHERE tenant_id = ? AND id = ?"
SELECT_LAST_ATTEMPT: Final = """
SELECT attempt, state FROM run_checkpoints WHERE tenant_id = ? AND run_id = ? AND path = ?
ORDER BY attempt DESC LIMIT 1
"""
SETTLE_CHECKPOINT: Final = """
UPDATE run_checkpoints SET state = 'done', outcome = ?
WHERE tenant_id = ? AND run_id = ? AND path = ? AND attempt = ? AND state = 'started'
"""
# For pages: paths and messages of what a run asks and nobody has answered.
_UNDECIDED: Final = (
    "SELECT path, kind, message FROM approvals question WHERE tenant_id = ? AND run_id = ? AND decision IS NULL"
)
SELECT_PENDING: Final = f"{_UNDECIDED} AND NOT {_WITHDRAWN} ORDER BY requested_at, path"
