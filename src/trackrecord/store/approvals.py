"""Questions to people, for runs that ask and for whoever answers or looks: reads, and writes through the one writer.

What is written stands in `deciding`. Must never answer by itself: time decides only when the run says that it is over.
"""

from __future__ import annotations

from trackrecord.canonical import Json
from trackrecord.context.questions import Asked, Standing
from trackrecord.errors import BadInput
from trackrecord.store import approval_statements, deciding
from trackrecord.store.asked import StoredQuestion, question
from trackrecord.store.deciding import Answer, Decision, Outcome, Settlement
from trackrecord.store.door import Door
from trackrecord.store.writer import Writer
from trackrecord.tenancy import LOCAL_USER


class SqliteApprovals:
    """Implements `Approvals`, and what people do with questions."""

    def __init__(self, writer: Writer, door: Door) -> None:
        """Read through `door`; write through `writer`."""
        self._writer = writer
        self._door = door

    async def ask(self, asked: Asked) -> Standing:
        """Store the question unless its run and path have one already; how it stands.

        Raises:
            StoreError: it could not be stored.
        """
        return await self._writer.written(lambda connection: deciding.ask(connection, asked), "approval.ask")

    async def look(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """How a question stands; a read, which waits for no writer.

        Raises:
            BadInput: the run has not asked it. StoreError: it could not be read.
        """
        return self._door.look(lambda reader: deciding.standing(reader, tenant_id, run_id, path))

    async def expire(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """Decide by `on_timeout`, unless somebody was faster or there is time left; how it stands.

        Raises:
            BadInput: the run has not asked it. StoreError: it could not be stored.
        """
        return await self._writer.written(
            lambda connection: deciding.expire(connection, tenant_id, run_id, path), "approval.expire"
        )

    async def decide(
        self,
        tenant_id: str,
        run_id: str,
        path: str | None,
        by: str,
        decision: Decision,
        comment: str | None,
        *,
        actor_id: str = LOCAL_USER,
    ) -> StoredQuestion:
        """Answer a question of a run that has not ended; without a path the only one that is open. How it stands then.

        Of two that answer at once one decides, and the other is told. A waiting run is due from then on.

        Raises:
            UnknownRun: there is no such run. BadInput: it asks nothing, not this, or more than one thing.
            Conflict: it has ended, the question is decided, its time is over, or this person has voted.
            NotAnApprover: it is for others to decide. StoreError: it could not be stored.
        """
        if decision not in ("approved", "rejected"):
            raise BadInput(f"{decision!r} is no decision", cure="Say `approved` or `rejected`.")
        answer = Answer(
            tenant_id=tenant_id,
            run_id=run_id,
            path=path,
            by=deciding.checked_name(by),
            decision=decision,
            comment=deciding.checked_comment(comment),
            actor_id=actor_id,
        )
        return await self._writer.written(lambda connection: deciding.decide(connection, answer), "approval.decide")

    async def settle(
        self,
        tenant_id: str,
        run_id: str,
        path: str,
        outcome: Outcome,
        data: Json,
        by: str,
        *,
        actor_id: str = LOCAL_USER,
    ) -> StoredQuestion:
        """Say what became of an effect whose outcome nobody knows: done, with what it gave, or to be tried again.

        Raises:
            UnknownRun: there is no such run. BadInput: nothing is unknown there, or the data cannot be used.
            Conflict: the run does not wait, or it was settled already. StoreError: it could not be stored.
        """
        settlement = Settlement(
            tenant_id=tenant_id,
            run_id=run_id,
            path=path,
            outcome=outcome,
            data=deciding.checked_data(outcome, data),
            by=deciding.checked_name(by),
            actor_id=actor_id,
        )
        return await self._writer.written(lambda connection: deciding.settle(connection, settlement), "approval.settle")

    def open(self, tenant_id: str, run_id: str | None = None) -> list[StoredQuestion]:
        """What waits for a person, the oldest first; of one run, or of all that have not ended."""
        rows = self._door.rows(approval_statements.SELECT_OPEN_QUESTIONS, (tenant_id, run_id, run_id))
        return [question(row) for row in rows]
