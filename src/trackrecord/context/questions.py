"""Questions a run asks of people, and how they stand; agents that a step runs as runs of their own. Data only.

Whoever keeps the questions implements `Approvals`; the context asks and waits.
"""

from __future__ import annotations

from typing import Literal, Protocol

from trackrecord.sealed import sealed

Needs = Literal["any", "all"]
OnTimeout = Literal["approve", "reject"]


@sealed
class Question:
    """What a step asks.

    Attributes:
        message: what is to be decided, in words.
        approvers: who may decide; empty means anybody.
        needs: whether one of them decides or all of them must agree.
        timeout_ms: how long it waits; None waits for ever.
        on_timeout: what counts as decided after that.
    """

    message: str
    approvers: tuple[str, ...] = ()
    needs: Needs = "any"
    timeout_ms: int | None = None
    on_timeout: OnTimeout = "reject"


@sealed
class AgentRef:
    """An agent by name; `version` is its hash or the beginning of it, None takes its present version."""

    name: str
    version: str | None = None


@sealed
class Asked:
    """A question of a run, as it is kept.

    Attributes:
        path: the wait's, or of an unknown outcome the effect's own.
        expires_at: stamp; None never.
    """

    tenant_id: str
    run_id: str
    path: str
    kind: Literal["approval", "unknown_outcome"]
    message: str
    approvers: tuple[str, ...] = ()
    needs: Needs = "any"
    expires_at: str | None = None
    on_timeout: OnTimeout = "reject"


@sealed
class Standing:
    """How a question stands.

    Attributes:
        decision: `approved` or `rejected`, of an unknown outcome `done` or `retry`; None while it is open.
        by: who decided; None while it is open, or when time did.
    """

    requested_at: str
    expires_at: str | None
    decision: str | None = None
    by: str | None = None
    comment: str | None = None


class Approvals(Protocol):
    """Questions to people, kept beside the runs."""

    async def ask(self, asked: Asked) -> Standing:
        """Keep a question, once; asked again it changes nothing. How it stands.

        Raises:
            StoreError: it could not be stored.
        """
        ...

    async def look(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """How a question stands; takes no turn of the writer.

        Raises:
            StoreError: it could not be read.
        """
        ...

    async def expire(self, tenant_id: str, run_id: str, path: str) -> Standing:
        """The deadline has passed: what `on_timeout` says is decided, unless somebody was faster. How it stands.

        Raises:
            StoreError: it could not be stored.
        """
        ...
