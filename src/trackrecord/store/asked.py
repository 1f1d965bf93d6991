"""Questions to people as they are stored: what was asked, who has said what, how it was decided. Pure; shapes only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from trackrecord.canonical import loads
from trackrecord.context.questions import Needs, OnTimeout, QuestionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person said.

    Attributes:
        decision: `approved` or `rejected`.
        at: stamp.
    """

    by: str
    decision: str
    comment: str | None
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuestion:
    """A question of a run, open or decided.

    Attributes:
        run_status: of its run, now.
        path: the effect that waits for the answer.
        approvers: who may decide; empty means anybody.
        expires_at: stamp from which no answer counts any more; None means never.
        votes: in the order in which they came.
        decision: None while it is open.
        decided_by: None while it is open, and when time decided.
    """

    run_id: str
    agent_name: str
    run_status: str
    path: str
    kind: QuestionKind
    message: str
    approvers: tuple[str, ...]
    needs: Needs
    requested_at: str
    expires_at: str | None
    on_timeout: OnTimeout
    votes: tuple[Vote, ...]
    decision: str | None
    decided_by: str | None
    comment: str | None
    decided_at: str | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Approvers who have not voted."""
        voted = {vote.by for vote in self.votes}
        return tuple(name for name in self.approvers if name not in voted)


def question(row: tuple[Any, ...]) -> StoredQuestion:
    """A question from a row of `approval_statements`."""
    (
        run_id, agent_name, run_status, path, kind, message, approvers, needs, requested_at, expires_at, on_timeout,
        votes, decision, decided_by, comment, decided_at,
    ) = row  # fmt: skip
    return StoredQuestion(
        run_id=run_id,
        agent_name=agent_name,
        run_status=run_status,
        path=path,
        kind=kind,
        message=message,
        approvers=tuple(cast("list[str]", loads(approvers))),
        needs=needs,
        requested_at=requested_at,
        expires_at=expires_at,
        on_timeout=on_timeout,
        votes=tuple(Vote(**vote) for vote in cast("list[dict[str, Any]]", loads(votes))),
        decision=decision,
        decided_by=decided_by,
        comment=comment,
        decided_at=decided_at,
    )
