"""What is said of a run that does not go on for now: what it waits for, and the command that takes it on. Pure."""

from __future__ import annotations

from trackrecord.cli.units import many
from trackrecord.clock import stamp
from trackrecord.context.live_run import Parked

_WAITS = {
    "approval": "waits for a person to decide",
    "unknown_outcome": "waits for somebody to say what became of a call that was interrupted",
    "child": "waits for a run that it has started",
    "delay": "waits",
    "handover": "was let go of, to go on later",
}


def waiting(parked: Parked, run_id: str, db: str) -> str:
    """Two lines: what the run waits for, and what to type; `db` is the option that names the database."""
    until = "" if parked.ready_at is None else f" until {stamp(parked.ready_at)[:19]}Z"
    asks = parked.reason in ("approval", "unknown_outcome")
    command = f"trackrecord approvals {run_id}{db}" if asks else f"trackrecord resume {run_id}{db}"
    return f"  {_WAITS[parked.reason]}{until}\n  {command}"


def left_behind(count: int, db: str) -> str:
    """That there are other runs that nobody carries."""
    it = "it" if count == 1 else "them"
    return f"{many(count, 'other run')} could go on and nobody carries {it}: trackrecord resume{db}"
