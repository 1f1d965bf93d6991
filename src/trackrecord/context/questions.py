"""What a run asks of people and of other agents, which it waits for: plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from trackrecord.canonical import Json
from trackrecord.sealed import sealed


@sealed
class Question:
    """What people are asked."""

    message: str
    approvers: tuple[str, ...] = ()
    needs: Literal["any", "all"] = "any"
    timeout_ms: int | None = None
    on_timeout: Literal["approve", "reject"] = "reject"


@sealed
class AgentRef:
    """Another agent, by name; `version` is the beginning of its version's hash, None takes the current one."""

    name: str
    version: str | None = None


class Asking(Protocol):
    """The part of a context that asks; a run that waits holds no worker."""

    async def approval(self, relative: str, question: Question) -> Json:
        """What people decided: {decision, by, comment}."""
        ...

    async def child(self, relative: str, agent: AgentRef, inputs: Mapping[str, Json]) -> Json:
        """The output of a child run; raises RunError when it ended badly."""
        ...
