"""Redoing: a run that has ended as the request for a new one, a retry or a fork, and what that takes over. Pure.

Steps 1 and 2 of the walk for such a run. Its definition, inputs and present are the origin's, whatever has become of
the agent's file since; what it takes over is decided by `workflow.reusable`. Must never change the origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from trackrecord.admission import Request
from trackrecord.agent import Agent
from trackrecord.errors import BadInput
from trackrecord.record.record import TERMINAL
from trackrecord.reviving import request_of
from trackrecord.store.kept import gone
from trackrecord.store.protocol import PastRun, Reused
from trackrecord.workflow.reusable import Place, failed_at, find, reusable
from trackrecord.workflow.steps import StepList

Kind = Literal["retry", "fork"]
_DONE: Final[Mapping[Kind, str]] = {"retry": "retried", "fork": "forked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redone:
    """A retry or a fork before its admission."""

    request: Request
    reused: Reused


def redone(past: PastRun, kind: Kind, from_step: str | None, limits: Mapping[str, object]) -> Redone:
    """What a run that has ended is to be run again as, under the installation's limits.

    A retry begins where the run failed; one that failed at no step of its own, say because it was cancelled, begins
    where it ended.

    Raises:
        BadInput: the run has not ended, it completed and so cannot be retried, or there is no such step.
        CheckpointsGone: what it had done is not kept any more.
        CannotResume: its definition cannot be read any more, or what it was given is kept nowhere.
    """
    run_id = past.left.origin.run_id
    if past.status not in TERMINAL:
        raise BadInput(
            f"run {run_id!r} is {past.status}: only a run that has ended can be {_DONE[kind]}",
            cure=f"`trackrecord resume {run_id}` goes on with one that nobody carries; "
            f"`trackrecord cancel {run_id}` ends it.",
        )
    if kind == "retry" and past.status == "completed":
        raise BadInput(
            f"run {run_id!r} has completed: there is nothing to retry",
            cure=f"To run it again from a step: trackrecord fork {run_id} --from STEP.",
        )
    if past.is_pruned:
        raise gone(run_id)
    request = request_of(past.left, limits)
    steps = _steps(past, request.agent)
    place = _place(past, steps, kind, from_step)
    again = replace(
        request,
        execution_type=kind,
        now=past.left.origin.now,
        origin_run_id=run_id,
        beginning=None if place is None else place.text,
    )
    taken = reusable(steps, place, past.attempts)
    return Redone(request=again, reused=Reused(run_id=run_id, attempts=taken, now=past.left.origin.now))


def _steps(past: PastRun, agent: Agent) -> StepList | None:
    """The steps that the run was carried out by; None when it had turns only."""
    return agent.workflow.steps if past.left.origin.runs_workflow and agent.workflow is not None else None


def _place(past: PastRun, steps: StepList | None, kind: Kind, from_step: str | None) -> Place | None:
    paths = [one.path for one in past.attempts]
    if kind == "fork":
        return find(steps, from_step or "", paths)
    return failed_at(steps, past.error_path, paths, is_last_turn=past.error_code == "max_iterations")
