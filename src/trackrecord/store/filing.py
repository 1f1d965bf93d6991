"""What the runner hands to the store, made from an agent, a record and their policies. Pure; writes nothing.

Steps 2 and 7 of the walk: the contents of the accepting and of the terminal transaction. Must never measure anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from trackrecord.agent import Agent
from trackrecord.agent.policies import PayloadChoice
from trackrecord.canonical import Json, digest, encode_clean
from trackrecord.memory.entries import expires_at
from trackrecord.memory.facts import answer_of, facts_of
from trackrecord.memory.summary import summarise
from trackrecord.record import credits
from trackrecord.record.closing import minimal
from trackrecord.record.record import Origin, Record
from trackrecord.record.redact import Redactor
from trackrecord.record.rows import rows
from trackrecord.record.spans import Span
from trackrecord.store import kept
from trackrecord.store.protocol import AcceptedRun, AgentVersion, Begun, FinishedRun, Memory, Payload, Reused

MAX_PAYLOAD_BYTES: Final = 1 << 20


def accepted(
    origin: Origin,
    agent: Agent,
    inputs_text: str,
    redactor: Redactor,
    *,
    asked: Mapping[str, Json],
    most_credits: int | None = None,
    reused: Reused | None = None,
    parent_epoch: int | None = None,
) -> AcceptedRun:
    """The accepting transaction: the agent and its version, the run, its input under the payload policy.

    It is to hold the credits that its token limit comes to; `most_credits` caps them. `asked` is what the run was
    asked for beyond the definition: with it, and with the inputs, it can be resumed. `reused` is what it takes over.
    A child is accepted only while its parent is held by `parent_epoch`.
    """
    given = _payload("input", inputs_text, agent.payloads.inputs, redactor)
    version = AgentVersion(
        tenant_id=origin.tenant_id,
        agent_id=agent.id,
        user_id=origin.user_id,
        name=agent.name,
        description=agent.description,
        status=agent.status,
        definition=agent.definition,
        version=agent.version,
        design=origin.declared,
    )
    return AcceptedRun(
        origin=origin,
        agent=version,
        input=given,
        kept=kept.request(asked, None if given.body == inputs_text else inputs_text, redactor),
        most_credits=credits.most(agent.limits.max_tokens_per_run, most_credits),
        reused=reused,
        parent_epoch=parent_epoch,
    )


def finished(
    record: Record,
    agent: Agent | None,
    begun: Begun,
    last_spans: Sequence[Span],
    redactor: Redactor,
    *,
    told: str | None = None,
    has_pattern: bool = False,
) -> FinishedRun:
    """The terminal transaction: the four rows, the output under the payload policy, the summary for later runs.

    The summary is by rule unless a model `told` it. Without an agent nobody can say what may be kept: neither output
    nor summary is.
    """
    ending, is_child = record.ending, record.origin.parent_run_id is not None
    output = None if ending is None or agent is None else ending.output
    text = None if output is None else encode_clean(output)
    return FinishedRun(
        origin=record.origin,
        begun=begun,
        rows=rows(record),
        minimal=lambda reason: rows(minimal(record, reason)),
        design=record.origin.declared,
        output=None if text is None or agent is None else _payload("output", text, agent.payloads.outputs, redactor),
        memories=lambda is_first: _memories(record, agent, redactor, told, is_first=is_first, has_pattern=has_pattern),
        last_spans=last_spans,
        kept=(kept.output(text or "null", redactor),)
        if is_child and ending is not None and ending.status == "completed"
        else (),
    )


def _payload(kind: Literal["input", "output"], text: str, policy: PayloadChoice, redactor: Redactor) -> Payload:
    body: str | None = None
    if policy != "none":  # `full` keeps what only looks like a key; a known secret is kept by nobody
        body = redactor.json(text) if policy == "redacted" else redactor.exact_json(text)
    was_cut = body is not None and len(body) * 4 > MAX_PAYLOAD_BYTES and len(body.encode()) > MAX_PAYLOAD_BYTES
    if was_cut and body is not None:
        body = body.encode()[:MAX_PAYLOAD_BYTES].decode(errors="ignore")
    return Payload(kind=kind, body=body, sha256=digest(text), size=len(text.encode()), was_truncated=was_cut)


def _memories(
    record: Record, agent: Agent | None, redactor: Redactor, told: str | None, *, is_first: bool, has_pattern: bool
) -> tuple[Memory, ...]:
    """The summary of the run, for the runs after it; nothing for an agent without memory."""
    if agent is None or not agent.memory.is_enabled:
        return ()
    answer = answer_of(record.ending, agent.payloads.outputs, redactor)
    summary = summarise(facts_of(record, answer=answer, is_first_run=is_first, has_pattern=has_pattern), told)
    memory = Memory(
        kind="summary",
        text=summary.text,
        importance=summary.importance,
        expires_at=expires_at(summary.importance, record.origin.now),
        source="rule" if told is None else "model",
    )
    return (memory,)
