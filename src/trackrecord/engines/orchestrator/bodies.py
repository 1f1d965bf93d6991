"""What each type of step does: one function a type. Containers hand their inner lists back to the scheduler."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from trackrecord.agent import PluginNeed
from trackrecord.canonical import Json, clean
from trackrecord.clock import moment, now
from trackrecord.context.effect import Backoff
from trackrecord.context.run_context import Rejected
from trackrecord.context.step import StepScope
from trackrecord.engines.answers import Answer, read_answer
from trackrecord.engines.orchestrator.containers import run_conditional, run_loop, run_map, run_parallel
from trackrecord.engines.orchestrator.place import Place
from trackrecord.engines.prompts import labels_text, output_text, user_text
from trackrecord.errors import InvalidOutput, StepFailed, ToolFailed
from trackrecord.models.messages import Conversation, Message
from trackrecord.workflow.steps import (
    MAX_DELAY_MS,
    ActionBody,
    AgentBody,
    ConditionalBody,
    DelayBody,
    LlmBody,
    LoopBody,
    MapBody,
    ParallelBody,
    RetryPolicy,
    Step,
    TransformBody,
)
from trackrecord.workflow.values import text_of


async def run_body(place: Place, step: Step, segment: str, span: StepScope) -> Json:
    """The data of one try of a step; `segment` is its place, with the try from the second on.

    Raises:
        RunError: it failed. ExpressionError: one of its expressions did.
    """
    body = step.body
    match body:
        case TransformBody():
            return clean(body.transform.apply(place.scope))
        case ActionBody():
            return await _run_action(place, step, body, segment)
        case LlmBody():
            return await _run_llm(place, step, body, segment)
        case AgentBody():
            return await _run_agent(place, step, body, segment)
        case ConditionalBody():
            return await run_conditional(place, body, segment, span)
        case LoopBody():
            return await run_loop(place, step, body, segment, span)
        case ParallelBody():
            return await run_parallel(place, body, segment, span)
        case MapBody():
            return await run_map(place, step, body, segment, span)
        case DelayBody():
            return await _run_delay(place, step, body, segment)
        case _:
            assert_never(body)


def backoff(policy: RetryPolicy | None) -> Backoff | None:
    """The policy as the context takes it; None leaves it to the run's."""
    if policy is None:
        return None
    return Backoff(
        max_attempts=policy.max_attempts,
        initial_ms=policy.initial_ms,
        multiplier=policy.multiplier,
        max_ms=policy.max_ms,
        has_jitter=policy.jitter,
        on=policy.on,
    )


async def _run_action(place: Place, step: Step, body: ActionBody, segment: str) -> Json:
    arguments = clean(body.params.render(place.scope))
    try:
        answer = await place.ctx.tool(
            f"{place.above}{segment}/tool",
            body.plugin,
            body.action,
            arguments,
            backoff=backoff(step.retry),
            timeout_ms=step.timeout_ms,
            effect_class=body.effect,
        )
    except Rejected as rejected:
        message = f"{body.plugin}.{body.action} was not called: {rejected.message}"
        raise ToolFailed(message, path=place.ctx.path(f"{place.above}{segment}/tool")) from None
    return answer.data


async def _run_llm(place: Place, step: Step, body: LlmBody, segment: str) -> Json:
    agent, scope = place.agent, place.scope
    memory = await place.ctx.recall()
    system = agent.system_prompt if body.system is None else _text(body.system.render(scope))
    schema = step.output_schema
    parts = [system.strip(), memory.text, labels_text(body.labels), output_text(schema)]
    data = {} if body.input is None else {"input": clean(body.input.render(scope))}
    talk = Conversation(
        model=body.model or agent.model or "",
        output_schema=schema,
        temperature=agent.temperature if body.temperature is None else body.temperature,
        max_tokens=body.max_tokens or agent.limits.max_tokens_per_call,
    )
    opening = "\n\n".join(part for part in parts if part)
    if opening:
        talk.append(Message(role="system", text=opening))
    talk.append(Message(role="user", text=user_text(_text(body.prompt.render(scope)), data)))
    relative = f"{place.above}{segment}/model"
    reply = await place.ctx.model(relative, talk.request(), backoff=backoff(step.retry), timeout_ms=step.timeout_ms)
    answer = _label(reply.text or "", body.labels) if body.labels else read_answer(reply.text, schema)
    if answer.problems:
        message = f"the answer of step {step.id!r} does not fit: {'; '.join(answer.problems)}"
        raise InvalidOutput(message, path=place.ctx.path(relative))
    return answer.value


async def _run_agent(place: Place, step: Step, body: AgentBody, segment: str) -> Json:
    agent = place.agent
    plugins = agent.plugins
    if body.plugins is not None:
        needs = {need.name: need for need in agent.plugins}
        plugins = tuple(needs.get(name, PluginNeed(name=name)) for name in body.plugins)
    part = replace(
        agent,
        prompt=agent.prompt if body.prompt is None else _text(body.prompt.render(place.scope)),
        plugins=plugins,
        output_schema=agent.output_schema if step.output_schema is None else step.output_schema,
    )
    return await place.ctx.nested("agentkit", f"{place.above}{segment}", part, place.inputs)


async def _run_delay(place: Place, step: Step, body: DelayBody, segment: str) -> Json:
    relative = f"{place.above}{segment}"
    waited_ms = await place.ctx.sleep(relative, until=_until(place, step, body))
    return {"waited_ms": waited_ms}


def _until(place: Place, step: Step, body: DelayBody) -> datetime:
    began = now()
    if body.until is not None:
        said = body.until.render(place.scope)
        try:
            until = said if isinstance(said, datetime) else moment(str(said))
        except ValueError as error:
            raise StepFailed(f"step {step.id!r}: until: {error}", path=place.path_of(step.id)) from None
    else:
        duration = body.duration_ms
        said = duration if isinstance(duration, int) or duration is None else duration.render(place.scope)
        if isinstance(said, bool) or not isinstance(said, int | float) or said < 0:
            raise StepFailed(
                f"step {step.id!r}: duration_ms is {said!r}, not a number of milliseconds", path=place.path_of(step.id)
            )
        until = began + timedelta(milliseconds=said)
    if until - began > timedelta(milliseconds=MAX_DELAY_MS):
        days = MAX_DELAY_MS // 86_400_000
        raise StepFailed(f"step {step.id!r} would wait longer than {days} days", path=place.path_of(step.id))
    return until


def _label(text: str, labels: tuple[str, ...]) -> Answer:
    """The label a model chose, whatever its case, quotes or full stop."""
    said = text.strip().strip("\"'`.").strip()
    for label in labels:
        if said.casefold() == label.casefold():
            return Answer(label)
    shown = said if len(said) <= 80 else f"{said[:80]}…"
    return Answer(said, (f"{shown!r} is none of {', '.join(labels)}",))


def _text(rendered: object) -> str:
    return text_of(clean(rendered))
