"""Questions to people as they are stored: what was asked, who has said what, how it stands. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from trackrecord.canonical import loads
from trackrecord.context.questions import Needs, OnTimeout, Standing
from trackrecord.store import approval_statements
from trackrecord.store.driver import Connection
from trackrecord.store.states import ENDED

_AGAIN: Final = re.compile(r"#\d+$")


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
    """A question of a run: open, decided, or withdrawn.

    Attributes:
        run_status: of its run, now.
        path: the effect that waits for the answer; with `#2` behind it when it is asked for the second time.
        approvers: who may decide; empty means anybody.
        expires_at: stamp from which no answer counts any more; None means never.
        votes: in the order in which they came.
        decision: None while it is open.
        decided_by: None while it is open, and when time decided.
        is_withdrawn: whether the run was stopped where it asked, by a branch that was first or failed, or a time that
            was over: nobody can answer it any more.
    """

    run_id: str
    agent_name: str
    run_status: str
    path: str
    kind: Literal["approval", "unknown_outcome"]
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
    is_withdrawn: bool

    @property
    def is_open(self) -> bool:
        """Whether the run still waits for an answer; that there is time for one left is another matter."""
        return self.decision is None and not self.is_withdrawn and self.run_status not in ENDED

    @property
    def place(self) -> str:
        """The path of the effect, however often it was asked about."""
        return _AGAIN.sub("", self.path)

    @property
    def by(self) -> str | None:
        """Who decided, under the name that `Standing` has for it."""
        return self.decided_by

    @property
    def missing(self) -> tuple[str, ...]:
        """Approvers who have not voted."""
        voted = {vote.by for vote in self.votes}
        return tuple(name for name in self.approvers if name not in voted)


def question(row: tuple[Any, ...]) -> StoredQuestion:
    """A question from a row of `approval_statements`."""
    (
        run_id, agent_name, run_status, path, kind, message, approvers, needs, requested_at, expires_at, on_timeout,
        votes, decision, decided_by, comment, decided_at, withdrawn,
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
        is_withdrawn=bool(withdrawn),
    )


def latest(connection: Connection, tenant_id: str, run_id: str, path: str) -> tuple[str, Standing] | None:
    """The path and the standing of what was asked last about an effect; None when nothing was."""
    row = connection.execute(approval_statements.SELECT_STANDING, (tenant_id, run_id, path, path, path)).fetchone()
    if row is None:
        return None
    requested_at, expires_at, decision, by, comment, at = row
    standing = Standing(requested_at=requested_at, expires_at=expires_at, decision=decision, by=by, comment=comment)
    return at, standing


def has_come(connection: Connection, tenant_id: str, run_id: str, paths: Iterable[str]) -> bool:
    """Whether what was asked last about one of these effects is decided: a run that waits for it may go on at once."""
    found = (latest(connection, tenant_id, run_id, path) for path in paths)
    return any(one is not None and one[1].decision is not None for one in found)
