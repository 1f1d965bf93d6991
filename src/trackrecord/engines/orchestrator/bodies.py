"""What each type of step does: one function a type. Containers hand their inner lists back to the scheduler.

Here are the steps that call a model, a tool or another engine; the others are beside: `branching`, `containers`,
`judging`, `waiting`, `sub_workflow`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from trackrecord.agent import PluginNeed
from trackrecord.canonical import Json, clean
from trackrecord.context.effect import Backoff
from trackrecord.context.run_context import Rejected
from trackrecord.context.step import StepScope
from trackrecord.engines.answers import Answer, read_answer
from trackrecord.engines.orchestrator.branching import run_conditional, run_switch
from trackrecord.engines.orchestrator.containers import run_loop, run_map, run_parallel
from trackrecord.engines.orchestrator.judging import run_compare, run_validate
from trackrecord.engines.orchestrator.place import Place
from trackrecord.engines.orchestrator.sub_workflow import run_sub_workflow
from trackrecord.engines.orchestrator.waiting import run_approval, run_delay
from trackrecord.engines.prompts import labels_text, output_text, user_text
from trackrecord.errors import InvalidOutput, ToolFailed
from trackrecord.models.messages import Conversation, Message
from trackrecord.workflow.steps import (
    ActionBody,
    AgentBody,
    ApprovalBody,
    CompareBody,
    ConditionalBody,
    DelayBody,
    LlmBody,
    LoopBody,
    MapBody,
    ParallelBody,
    RetryPolicy,
    Step,
    SubWorkflowBody,
    SwitchBody,
    TransformBody,
    ValidateBody,
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
        case SwitchBody():
            return await run_switch(place, step, body, segment, span)
        case ValidateBody():
            return run_validate(place, step, body, span)
        case CompareBody():
            return run_compare(place, body)
        case DelayBody():
            return await run_delay(place, step, body, segment)
        case ApprovalBody():
            return await run_approval(place, step, body, segment)
        case SubWorkflowBody():
            return await run_sub_workflow(place, body, segment)
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
