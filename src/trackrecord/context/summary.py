"""The summary model: one more model call of a run whose engine has ended, for the memory it leaves. Step 6 of the walk.

Runs through the context like any other model call, so that it is recorded, limited and paid for like one. Must never
change how the run ends: whatever goes wrong here, there is the summary by rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from trackrecord.canonical import Json, dumps
from trackrecord.context.run_context import RunContext, Surroundings
from trackrecord.errors import Conflict
from trackrecord.memory.facts import answer_of, facts_of
from trackrecord.memory.recall import CHARACTERS_PER_TOKEN
from trackrecord.memory.telling import MOST_TOKENS, SYSTEM, Told, question, read
from trackrecord.models.messages import Conversation, Message, ModelRequest
from trackrecord.record.closing import close
from trackrecord.record.credits import tokens_of
from trackrecord.record.record import Ending

PATH: Final = "summary/model"
_TOLD: Final = frozenset({"completed", "failed"})


async def told_by_model(around: Surroundings, inputs: Mapping[str, Json], ending: Ending, model: str) -> str | None:
    """The model's words for the run's summary; None when it was not asked, or said nothing that can be used.

    Asked only after `completed` and `failed`, and only as far as the run's remaining time, tokens and cost reach. A
    wish to cancel that comes meanwhile ends the call and not the run: its work is done.

    Raises:
        Conflict: another epoch holds the run.
    """
    run = around.run
    if ending.status not in _TOLD or around.memory is None:
        return None
    request = _request(around, inputs, ending, model)
    deadline = run.deadline
    if not _is_within(around, request) or (deadline is not None and deadline <= asyncio.get_running_loop().time()):
        run.note(PATH, "too little is left of the run's limits for its summary model")
        return None
    try:
        async with asyncio.timeout_at(deadline):
            reply = await RunContext(around).model(PATH, request, purpose="memory")
    except Conflict:
        raise
    except (Exception, asyncio.CancelledError) as error:  # the run has its answer, whatever is wrong with this
        run.note(PATH, f"its summary is the one by rule: {type(error).__name__}")
        return None
    return read(reply.text, run.redactor.text)


def _request(around: Surroundings, inputs: Mapping[str, Json], ending: Ending, model: str) -> ModelRequest:
    agent, run = around.agent, around.run
    record = close(run.origin, ending, run.tally.measures(), run.epoch)
    told = Told(
        facts=facts_of(record, answer=answer_of(ending, agent.payloads.outputs, run.redactor)),
        task=run.redactor.text(agent.prompt),
        inputs=None if agent.payloads.inputs == "none" or not inputs else run.redactor.json(dumps(dict(inputs))),
    )
    talk = Conversation(
        model=model, temperature=agent.temperature, max_tokens=min(MOST_TOKENS, agent.limits.max_tokens_per_call)
    )
    talk.append(Message(role="system", text=SYSTEM))
    talk.append(Message(role="user", text=question(told)))
    return talk.request()


def _is_within(around: Surroundings, request: ModelRequest) -> bool:
    """Whether the call fits what is left of the run's tokens and held credits, its question estimated by characters."""
    characters = sum(len(message.text) for message in request.messages)
    wanted = -(-characters // CHARACTERS_PER_TOKEN) + (request.max_tokens or 0)
    run = around.run
    most = run.limits.max_tokens_per_run
    if run.held is not None:
        most = min(most, tokens_of(run.held))
    return run.tally.known_tokens + wanted <= most
