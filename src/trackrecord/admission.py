"""Admission: may this request become a run, and with which inputs? Pure; step 2 of the walk.

Everything is checked before anything runs: who refuses here has spent nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from difflib import get_close_matches
from typing import Final, cast

from trackrecord.agent import Agent
from trackrecord.canonical import Json, clean, cut, encode_clean, loads
from trackrecord.clock import moment
from trackrecord.errors import AgentNotActive, BadAgent, BadInput, PluginNotConnected, UnknownEngine, UnknownModel
from trackrecord.json_schema import compile_schema
from trackrecord.record.record import ExecutionType
from trackrecord.sealed import sealed
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER
from trackrecord.workflow.effects import EffectOf, Suggest, check
from trackrecord.workflow.fields import counted

_MOST_COMPLAINTS: Final = 8
_MOST_NAME: Final = 100


@sealed
class Request:
    """A wish to run an agent.

    Attributes:
        inputs: values by name; anything, made canonical here.
        engine: an engine's name, or `auto`: the Orchestrator when the agent has a workflow, else AgentKit.
        prompt: replaces the agent's prompt for this run; None keeps it.
        model: replaces the agent's model for this run; None keeps it.
        now: stamp that fixes the run's first start; None takes the database's clock.
        origin_run_id: the run that it is a retry or a fork of; None for any other.
        beginning: where a retry or a fork begins, as people write it; None for any other, and for one that begins
            where its origin ended.
    """

    agent: Agent
    inputs: Mapping[str, object]
    engine: str = "auto"
    execution_type: ExecutionType = "manual"
    prompt: str | None = None
    model: str | None = None
    tenant_id: str = LOCAL_TENANT
    user_id: str = LOCAL_USER
    now: str | None = None
    origin_run_id: str | None = None
    beginning: str | None = None


@sealed
class Standing:
    """How things stand here.

    Attributes:
        engines: whether each engine carries out workflow steps, by name.
        plugins: names of connected plugins.
        effect_of: plugin and action to the action's effect class, None for an unknown action; None when the agent's
            actions have been checked before.
        suggest: a sentence that helps with the name of an unknown action.
        default_model: the installation's model; None when it names none.
        withheld: why plugins that are known here are not connected, by name.
    """

    engines: Mapping[str, bool]
    plugins: Sequence[str]
    effect_of: EffectOf | None = None
    suggest: Suggest | None = None
    default_model: str | None = None
    withheld: Mapping[str, str] = field(default_factory=dict[str, str])


@sealed
class Admitted:
    """A request that may become a run.

    Attributes:
        agent: with the request's prompt and model, and the installation's model where none is named.
        engine: the engine's name.
        inputs: canonical, defaults filled in, and nobody else's; `inputs_text` is the same as text.
    """

    request: Request
    agent: Agent
    engine: str
    inputs: dict[str, Json]
    inputs_text: str


def decide(request: Request, standing: Standing) -> Admitted:
    """The admitted request.

    Raises:
        BadInput: inputs are missing, unknown, of the wrong type or too large; all of them are named. Or `now` is no
            date and time.
        BadAgent: a step calls an action that is not there, or would retry one that must not happen twice.
        AgentNotActive, PluginNotConnected, UnknownEngine, UnknownModel: policy says no.
    """
    agent = request.agent
    if agent.status != "active":
        raise AgentNotActive(
            f"the agent {agent.name!r} is {agent.status}", cure="Set `status: active` in its definition to run it."
        )
    engine = _engine(request, standing)
    _check_plugins(agent, standing)
    _check_actions(agent, standing)
    model = request.model or agent.model or standing.default_model or None
    if model is None:
        _check_no_model_needed(agent, carries_steps=standing.engines[engine])
    _check_now(request.now)
    text = encode_clean(_inputs(agent, request.inputs))
    return Admitted(
        request=request,
        agent=_adjusted(agent, request.prompt, model),
        engine=engine,
        inputs=cast("dict[str, Json]", loads(text)),  # the caller may go on changing what it gave
        inputs_text=text,
    )


def _engine(request: Request, standing: Standing) -> str:
    agent, name = request.agent, request.engine
    if name == "auto":
        name = "orchestrator" if agent.workflow is not None else "agentkit"
    if name not in standing.engines:
        near = get_close_matches(name, standing.engines, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownEngine(
            f"there is no engine {name!r}", cure=f"Known engines: auto, {', '.join(sorted(standing.engines))}.{hint}"
        )
    if standing.engines[name] and agent.workflow is None:
        raise BadInput(
            f"the agent {agent.name!r} has no workflow_steps, so the engine {name!r} has nothing to run",
            cure="Run it with --engine agentkit, or give it workflow_steps.",
        )
    return name


def _check_plugins(agent: Agent, standing: Standing) -> None:
    missing = [need.name for need in agent.plugins if not need.is_optional and need.name not in standing.plugins]
    if not missing:
        return
    known = [standing.withheld[name] for name in missing if name in standing.withheld]
    if known:
        raise PluginNotConnected(
            f"the agent {agent.name!r} requires {', '.join(map(repr, missing))}, not connected here",
            cure=f"{'; '.join(known)}.",
        )
    near = get_close_matches(missing[0], standing.plugins, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PluginNotConnected(
        f"the agent {agent.name!r} requires {', '.join(map(repr, missing))}, not connected here",
        cure=f"Connected: {', '.join(sorted(standing.plugins)) or 'none'}.{hint} "
        "Connect it, or mark it `optional: true` in plugins_required.",
    )


def _check_actions(agent: Agent, standing: Standing) -> None:
    """What the grammar cannot know: whether the actions of the connected plugins are there, and may be retried."""
    if agent.workflow is None or standing.effect_of is None:
        return
    problems = check(agent.workflow, standing.effect_of, standing.plugins, suggest=standing.suggest)
    if problems:
        raise BadAgent(f"{agent.name!r} cannot run here: {counted(len(problems))}", problems=problems)


def _check_no_model_needed(agent: Agent, *, carries_steps: bool) -> None:
    who = f"the agent {agent.name!r} names no model"
    if carries_steps and agent.workflow is not None:
        needy = agent.workflow.model_step
        if needy is None:
            return
        who = f"{who}, which {needy} needs"
    raise UnknownModel(
        who, cure="Add `model: provider:name` to its definition, give --model, or set TRACKRECORD_MODEL."
    )


def _check_now(now: str | None) -> None:
    try:
        if now is not None:
            moment(now)
    except (TypeError, ValueError) as error:
        raise BadInput(f"now is {now!r}: {error}", cure="Write it like 2026-01-31T09:00:00Z.") from None


def _adjusted(agent: Agent, prompt: str | None, model: str | None) -> Agent:
    if prompt is None and model == agent.model:
        return agent
    # whoever asks for another model means that one, and the agent's others were to stand in for its own
    others = agent.fallback_models if agent.model is None or model == agent.model else ()
    return replace(agent, prompt=agent.prompt if prompt is None else prompt, model=model, fallback_models=others)


def _inputs(agent: Agent, given: Mapping[str, object]) -> dict[str, Json]:
    cleaned = clean(given)
    if not isinstance(cleaned, dict) or not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are untyped in practice
        raise BadInput(
            f"inputs of {agent.name!r} are a {type(given).__name__}, not a mapping of names to values",
            cure="Give a dict, like {'file': 'tickets.csv'}.",
        )
    schema = agent.input_schema
    if schema is not None:
        cleaned = _with_defaults(schema, cleaned)
    _check_size(agent, cleaned)
    if schema is not None:
        _check_names(agent, schema, cleaned)
        problems = compile_schema(schema).problems(cleaned)
        if problems:
            raise BadInput(
                f"inputs of {agent.name!r} do not fit: {'; '.join(problems)}", cure=_expected(schema, problems)
            )
    return cleaned


def _with_defaults(schema: Mapping[str, Json], inputs: dict[str, Json]) -> dict[str, Json]:
    defaults = {
        name: field["default"]
        for name, field in _properties(schema).items()
        if isinstance(field, dict) and "default" in field
    }
    return defaults | inputs


def _check_names(agent: Agent, schema: Mapping[str, Json], inputs: Mapping[str, Json]) -> None:
    fields = _properties(schema)
    required = schema.get("required")
    missing = [str(name) for name in required if name not in inputs] if isinstance(required, list) else []
    unknown = [name for name in inputs if name not in fields] if schema.get("additionalProperties") is False else []
    complaints = [f"{name!r} is missing" for name in missing]
    for name in unknown[:_MOST_COMPLAINTS]:
        near = get_close_matches(name, fields, 1)
        complaints.append(f"{cut(name, _MOST_NAME)!r} is unknown" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if len(unknown) > _MOST_COMPLAINTS:
        complaints.append(f"{len(unknown) - _MOST_COMPLAINTS:,} more are unknown")
    if complaints:
        known = ", ".join(f"{name}{'*' if name in (required or []) else ''}" for name in fields) or "none"  # type: ignore[operator]  # a list when it is there, the schema was checked
        raise BadInput(
            f"inputs of {agent.name!r}: {'; '.join(complaints)}",
            cure=f"It takes: {known} (* required). Give them with -i name=value or -i name=@file.",
        )


def _check_size(agent: Agent, inputs: Mapping[str, Json]) -> None:
    most = agent.limits.max_input_bytes
    size = len(encode_clean(dict(inputs)).encode())
    if size <= most:
        return
    sizes = {name: len(encode_clean(value).encode()) for name, value in inputs.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    raise BadInput(
        f"inputs of {agent.name!r} are {size:,} bytes, at most {most:,} are taken; "
        f"the largest is {cut(largest, _MOST_NAME)!r} with {sizes[largest]:,}",
        cure="Give less, raise limits.max_input_bytes, or hand over a file name and let a plugin read it.",
    )


def _properties(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    fields = schema.get("properties")
    return fields if isinstance(fields, dict) else {}


def _expected(schema: Mapping[str, Json], problems: Sequence[str]) -> str:
    """What the fields complained about should look like."""
    fields = _properties(schema)
    named = [
        name for name in fields if any(problem.startswith((f"{name}:", f"{name}.", f"{name}[")) for problem in problems)
    ]
    return "Expected: " + "; ".join(f"{name} {encode_clean(fields[name])}" for name in named) + "." if named else ""
