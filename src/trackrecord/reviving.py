"""Reviving: a run that nobody carries any more as a request again, from what was stored when it was accepted. Pure.

Step 3 of the walk for every epoch after the first. The definition is the one the run was accepted with, whatever has
become of the agent's file since. Must never guess at what was not kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

from trackrecord.admission import Admitted, Request
from trackrecord.agent import Agent
from trackrecord.canonical import Json, loads
from trackrecord.errors import CannotResume, TrackrecordError
from trackrecord.store.kept import LACKING
from trackrecord.store.protocol import LeftRun


def asked(admitted: Admitted) -> dict[str, Json]:
    """What a run was asked for beyond its agent's definition; None for what stands there.

    Where the agent's file lies belongs to it: a scripted model is found from there.
    """
    request = admitted.request
    path = request.agent.path
    return {
        "model": None if admitted.agent.model == request.agent.model else admitted.agent.model,
        "prompt": request.prompt,
        "path": None if path is None else os.path.abspath(path),
        "origin": request.origin_run_id,  # so that there is a checkpoint of every retry and fork until they are deleted
        "beginning": request.beginning,
    }


def request_of(left: LeftRun, limits: Mapping[str, object]) -> Request:
    """The request a run was accepted with, under the installation's limits.

    Raises:
        CannotResume: its definition cannot be read any more, or what it was given is kept nowhere.
    """
    origin, kept = left.origin, left.request
    agent = agent_of(left)
    if agent is None:
        raise CannotResume(
            f"the definition that run {origin.run_id!r} was accepted with cannot be read by this version",
            cure="Start a new run.",
        )
    if left.inputs is None or kept.get(LACKING):
        raise CannotResume(
            f"what run {origin.run_id!r} was given held a secret, which is stored nowhere, or has been erased",
            cure="Start a new run; hand secrets over by handle, `trackrecord secrets set`, and runs can be resumed.",
        )
    return Request(
        agent=agent.with_limits(limits),
        inputs=cast("dict[str, object]", loads(left.inputs)),
        engine=origin.engine,
        execution_type=origin.execution_type,
        prompt=cast("str | None", kept.get("prompt")),
        model=cast("str | None", kept.get("model")),
        tenant_id=origin.tenant_id,
        user_id=origin.user_id,
    )


def agent_of(left: LeftRun) -> Agent | None:
    """The agent a run was accepted with; None when what was stored then is no agent for this version."""
    base = left.request.get("path")
    try:
        return Agent.from_mapping(
            cast("Mapping[str, object]", loads(left.definition)),
            base=base if isinstance(base, str) else None,
            tenant_id=left.origin.tenant_id,
        )
    except (TrackrecordError, ValueError, TypeError, KeyError, RecursionError):
        return None
