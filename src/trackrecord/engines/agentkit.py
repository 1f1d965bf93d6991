"""AgentKit: the tool-calling loop. Model, tools, …, answer; every turn through the context. Step 4 of the walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from trackrecord.agent import Agent
from trackrecord.canonical import Json, clean, cut, dumps, loads_unique
from trackrecord.context.run_context import Rejected, RunContext
from trackrecord.engines.answers import read_answer
from trackrecord.engines.prompts import repair_text, system_text, user_text
from trackrecord.engines.window import slide
from trackrecord.errors import BadInput, InvalidOutput, LimitReached, LoopDetected, PluginNotConnected, ToolFailed
from trackrecord.json_schema import compile_schema
from trackrecord.memory import remembering
from trackrecord.memory.entries import LearntKind
from trackrecord.models.messages import Conversation, Message, ToolRequest, ToolSpec, new_message
from trackrecord.plugins.protocol import Plugin
from trackrecord.plugins.registry import Registry, function_name
from trackrecord.sealed import maker, sealed

_NOT_AN_OBJECT: Final = "the arguments must be one JSON object"
_REMEMBER: Final = (remembering.PLUGIN, remembering.ACTION)
_REMEMBER_SPEC: Final = ToolSpec(
    name=remembering.FUNCTION, description=remembering.DESCRIPTION, parameters=remembering.PARAMETERS
)
_REMEMBERED: Final = {True: "Remembered.", False: "Not remembered: this run has kept as much as it may."}


@dataclass(frozen=True, slots=True)
class _Toolbox:
    """What a model may call: the functions, and which action each stands for."""

    plugins: tuple[Plugin, ...]
    specs: tuple[ToolSpec, ...]
    targets: Mapping[str, tuple[str, str]]


@sealed
class _Called:
    """What came of one call: its arguments as read, and the text for the model."""

    arguments: Json
    text: str
    is_error: bool


_new_called = maker(_Called)


class AgentKit:
    """The engine that lets a model work with tools until it answers."""

    name = "agentkit"
    title = "AgentKit"
    runs_workflow = False
    run_timeout_s = 120.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        """The loop; gives the answer, checked against the output schema.

        Raises:
            ModelFailed, InvalidOutput, LoopDetected, LimitReached, BudgetExceeded, Cancelled: the run ended badly.
        """
        toolbox = _toolbox(agent, ctx.registry)
        talk = await _opening(agent, inputs, ctx, toolbox)
        loop = _Repetition(agent.limits.loop_limit)
        is_repair, was_repaired = False, False
        for turn in range(1, agent.limits.max_iterations + 1):
            place = f"turn:{turn}/model"
            request = talk.request(ctx.path(place))
            reply = await ctx.model(place, request, purpose="repair" if is_repair else "work")
            talk.append(new_message(role="assistant", text=reply.text or "", tool_requests=reply.tool_requests))
            if not reply.tool_requests:
                answer = read_answer(reply.text, agent.output_schema)
                if not answer.problems:
                    return answer.value
                if was_repaired or turn == agent.limits.max_iterations:
                    raise _invalid(answer.problems, request.path)
                talk.append(new_message(role="user", text=repair_text(answer.problems)))
                is_repair = was_repaired = True
                continue
            is_repair = False
            for asked, called in zip(
                reply.tool_requests, await _call_all(agent, ctx, toolbox, turn, reply.tool_requests), strict=True
            ):
                talk.append(_tool_message(asked, called))
                loop.note(asked.name, called, ctx.path(f"turn:{turn}"))
        raise LimitReached(
            f"no answer after {agent.limits.max_iterations} turns",
            code="max_iterations",
            cure="Raise limits.max_iterations, or give the agent a smaller task.",
        )


async def _opening(agent: Agent, inputs: Mapping[str, Json], ctx: RunContext, toolbox: _Toolbox) -> Conversation:
    memory = await ctx.recall()
    talk = Conversation(
        model=agent.model or "",
        tools=toolbox.specs,
        output_schema=agent.output_schema,
        temperature=agent.temperature,
        max_tokens=agent.limits.max_tokens_per_call,
    )
    talk.append(new_message(role="system", text=system_text(agent, toolbox.plugins, memory.text, ctx.now)))
    talk.append(new_message(role="user", text=user_text(agent.prompt, inputs)))
    return talk


def _toolbox(agent: Agent, registry: Registry) -> _Toolbox:
    """The functions of every required plugin that is connected; an optional one may be missing."""
    plugins: list[Plugin] = []
    for need in agent.plugins:
        plugin = registry.plugins.get(need.name)
        if plugin is not None:
            plugins.append(plugin)
        elif not need.is_optional:
            raise PluginNotConnected(f"the agent requires the plugin {need.name!r}, which is not connected")
    return _assembled(tuple(plugins), may_remember=agent.memory.is_enabled and agent.memory.may_remember)


def _assembled(plugins: tuple[Plugin, ...], *, may_remember: bool) -> _Toolbox:
    targets = {
        function_name(plugin.name, action.name): (plugin.name, action.name)
        for plugin in plugins
        for action in plugin.actions.values()
    }
    specs = tuple(
        ToolSpec(
            name=function_name(plugin.name, action.name),
            description=action.description,
            parameters=action.parameters,
        )
        for plugin in plugins
        for action in plugin.actions.values()
    )
    if may_remember:
        specs, targets = (*specs, _REMEMBER_SPEC), {**targets, remembering.FUNCTION: _REMEMBER}
    return _Toolbox(plugins, specs, targets)


async def _call_all(
    agent: Agent, ctx: RunContext, toolbox: _Toolbox, turn: int, requests: Sequence[ToolRequest]
) -> list[_Called]:
    """The calls of one turn, at once but at most `max_parallel_tools`, results in the asked order."""

    async def one(index: int) -> _Called:
        return await _call(agent, ctx, toolbox, f"turn:{turn}/call:{index + 1}", requests[index])

    return await slide(len(requests), agent.limits.max_parallel_tools, one)


async def _call(agent: Agent, ctx: RunContext, toolbox: _Toolbox, place: str, request: ToolRequest) -> _Called:
    arguments, reason = _arguments(request.arguments)
    relative = f"{place}/tool"
    target = toolbox.targets.get(request.name)
    try:
        if target is None:
            known = ", ".join(sorted(toolbox.targets)) or "none"
            raise ctx.reject(relative, None, request.name, f"there is no tool {request.name!r}; known tools: {known}")
        if reason is not None:
            raise ctx.reject(relative, *target, reason)
        if target is _REMEMBER:
            text, is_error = await _remember(ctx, place, arguments), False
        else:
            answer = await ctx.tool(relative, *target, arguments)
            text, is_error = cut(answer.text, agent.limits.tool_result_characters), False
    except Rejected as rejected:
        text, is_error = f"Error: the call was not made: {rejected.message}", True
    except ToolFailed as failed:
        doubt = " It may have had its effect all the same; do not assume either way." if failed.is_unknown else ""
        text, is_error = f"Error: {failed.message}.{doubt}", True
    return _new_called(arguments=arguments, text=text, is_error=is_error)


async def _remember(ctx: RunContext, place: str, arguments: Json) -> str:
    """What a model is told of its wish to have something remembered."""
    given = arguments if isinstance(arguments, dict) else {}
    problems = compile_schema(remembering.PARAMETERS).problems(given)
    kind, text = str(given.get("kind")), str(given.get("text"))
    try:
        if not problems:
            return _REMEMBERED[await ctx.remember(f"{place}/remember:1", cast("LearntKind", kind), text)]
    except BadInput as error:  # it fits the schema, and not what may be kept: too long once secrets are masked
        problems = (error.message,)
    raise ctx.reject(f"{place}/tool", *_REMEMBER, "; ".join(problems))


def _arguments(written: Json) -> tuple[Json, str | None]:
    """The arguments as an object, and what is wrong with them if they are none."""
    if isinstance(written, str):
        try:
            written = clean(loads_unique(written)) if written.strip() else {}
        except ValueError as error:
            return written, f"the arguments are not valid JSON: {error}"
    return written, None if isinstance(written, dict) else _NOT_AN_OBJECT


def _tool_message(request: ToolRequest, called: _Called) -> Message:
    return new_message(role="tool", text=called.text, tool_request_id=request.id, is_error=called.is_error)


def _invalid(problems: Sequence[str], path: str) -> InvalidOutput:
    return InvalidOutput(
        f"the answer does not fit the output schema: {'; '.join(problems)}",
        cure="Loosen output_schema, or say in the prompt how the answer must look.",
        path=path,
    )


class _Repetition:
    """Notices the same call giving the same result again and again, in path order within one loop."""

    __slots__ = ("_count", "_last", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: tuple[str, _Called] | None = None
        self._count = 0

    def note(self, name: str, called: _Called, path: str) -> None:
        self._count = self._count + 1 if self._is_last(name, called) else 1
        self._last = (name, called)
        if self._count >= self._most:
            raise LoopDetected(
                f"{name} was called {self._count} times in a row with the same arguments and the same result",
                cure="Raise limits.loop_limit, or tell the agent what to do when a tool keeps saying the same.",
                path=path,
            )

    def _is_last(self, name: str, called: _Called) -> bool:
        if self._last is None:
            return False
        last_name, last = self._last
        if (name, called.text) != (last_name, last.text):
            return False
        return dumps(called.arguments) == dumps(last.arguments)  # as canonical text: true is not 1
