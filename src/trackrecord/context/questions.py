"""What a run asks of people and of other agents while it waits: plain values, no behaviour."""

from __future__ import annotations

from typing import Literal

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
