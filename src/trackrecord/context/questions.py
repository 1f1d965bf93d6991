"""What a run asks of a person, and how the answer stands: the shapes, and the protocol that the wiring hands in.

A question lives in the database while its run rests, so that nobody waits for it. Must never decide anything itself.
"""

from __future__ import annotations

from typing import Literal, Protocol

from trackrecord.sealed import sealed

QuestionKind = Literal["approval", "unknown_outcome"]
Needs = Literal["any", "all"]
OnTimeout = Literal["approve", "reject"]


@sealed
class Question:
    """What an approval asks.

    Attributes:
        message: what is to be decided, in words for a person.
        approvers: who may decide; empty means anybody.
        needs: whether the first of them decides, or all must approve.
        timeout_ms: how long the answer may take; None means for ever.
        on_timeout: what no answer in time counts as.
    """

    message: str
    approvers: tuple[str, ...] = ()
    needs: Needs = "any"
    timeout_ms: int | None = None
    on_timeout: OnTimeout = "reject"


@sealed
class Asked:
    """A question as it is stored, once per run and path.

    Attributes:
        path: the effect that waits for the answer; of an unknown outcome the effect's own.
        message: secrets taken out by whoever asks.
        expires_at: stamp from which no answer counts any more; None means never.
    """

    tenant_id: str
    run_id: str
    path: str
    kind: QuestionKind
    message: str
    approvers: tuple[str, ...] = ()
    needs: Needs = "any"
    expires_at: str | None = None
    on_timeout: OnTimeout = "reject"


@sealed
class Standing:
    """How a question stands.

    Attributes:
        requested_at: stamp of when it was asked.
        expires_at: stamp from which no answer counts any more; None means never.
        decision: `approved` or `rejected`, of an unknown outcome `done` or `retry`; None while it is open.
        by: who decided; None while it is open, and when time did.
        comment: what they said; None when they said nothing.
    """

    requested_at: str
    expires_at: str | None
    decision: str | None
    by: str | None
    comment: str | None


class Approvals(Protocol):
    """Questions to people, kept by the database."""

    async def ask(self, asked: Asked) -> Standing:
        """Store the question unless its run and path have one already; how it stands.

        What the run's journal holds must be committed before, as before every parking.

        Raises:
            StoreError: it could not be stored.
        """
        ...

    async def look(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """How a question stands; a read, which waits for no writer.

        Raises:
            BadInput: the run has not asked it. StoreError: it could not be read.
        """
        ...

    async def expire(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """Decide by `on_timeout`, unless somebody was faster or there is time left; how it stands.

        An unknown outcome is never decided by time: it stays open, and whoever looks after the run ends it.

        Raises:
            BadInput: the run has not asked it. StoreError: it could not be stored.
        """
        ...
