"""A definition in, a checked agent's parts out, with every problem at once; and what its version hash covers.

Table-driven and without pydantic, for the reasons in `workflow.fields`. Pure; never raises on content.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, cast
from uuid import UUID, uuid5

from trackrecord.agent import schemas
from trackrecord.agent.policies import Limits, MemoryPolicy, PayloadChoice, PayloadPolicy, PluginNeed
from trackrecord.agent.schedule import bad_schedule, bad_timezone
from trackrecord.agent.tables import AGENT, ELSEWHERE, LIMITS, MEMORY, NOT_COVERED, OLD_NAMES, PAYLOADS, PLUGIN
from trackrecord.canonical import Json, digest, dumps
from trackrecord.clock import is_id
from trackrecord.workflow.aliases import Resolved, resolve
from trackrecord.workflow.definition import essence
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.fields import Problems, describe, join, read, without_defaults
from trackrecord.workflow.grammar import parse_resolved
from trackrecord.workflow.outline import outline
from trackrecord.workflow.references import Template, compile_template
from trackrecord.workflow.scope import Scope, World
from trackrecord.workflow.steps import Workflow

_MOST_USD: Final = Decimal(10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The checked parts of a definition; see `Agent` for what each means."""

    id: str
    values: Mapping[str, Json]
    plugins: tuple[PluginNeed, ...]
    input_schema: Mapping[str, Json] | None
    output_schema: Mapping[str, Json] | None
    output_sources: Mapping[str, Template]
    workflow: Workflow | None
    limits: Limits
    limits_given: frozenset[str]
    memory: MemoryPolicy
    payloads: PayloadPolicy
    text: str
    version: str


def read_definition(given: Mapping[str, Json], tenant_id: str, problems: Problems) -> Definition:
    """The parts of a definition; worth something only when no problem was added."""
    resolved = dict(given)
    old = _old_names(resolved, problems)
    values = read(resolved, AGENT, path="", what="an agent", problems=problems, elsewhere=ELSEWHERE)
    _fallback_models(values, problems)
    plugins = _plugins(values["plugins_required"], old.get("plugins_required", "plugins_required"), problems)
    input_schema = schemas.inputs(values["input_schema"], "input_schema", problems)
    output_schema, sources = schemas.outputs(values["output_schema"], "output_schema", problems)
    steps = resolve(values["workflow_steps"])
    accepted = schemas.accepted(input_schema)
    workflow = _workflow(values, steps, accepted, frozenset(need.name for need in plugins), problems)
    if values["workflow_steps"] is not None:
        resolved["workflow_steps"] = steps.steps
    templates = _sources(sources, steps, accepted, problems)
    limits, limits_given = _limits(values["limits"], problems)
    memory, payloads = _memory(values["memory"], problems), _payloads(values["payloads"], problems)
    _check_remember(memory, plugins, old.get("plugins_required", "plugins_required"), problems)
    _schedule(values, problems)
    if isinstance(values["example_inputs"], dict) and input_schema is not None:
        schemas.check_example(values["example_inputs"], input_schema, "example_inputs", problems)
    agent_id = _id(values, tenant_id, problems)
    covered = _covered(resolved, steps, limits)
    if agent_id != _derived_id(values, tenant_id):
        covered["id"] = agent_id
    if input_schema is not None:
        covered["input_schema"] = input_schema
    if output_schema is not None:
        covered["output_schema"] = output_schema
        covered["output_sources"] = {source.field: source.template for source in sources}
    return Definition(
        id=agent_id,
        values=values,
        plugins=plugins,
        input_schema=input_schema,
        output_schema=output_schema,
        output_sources=templates,
        workflow=workflow,
        limits=limits,
        limits_given=limits_given,
        memory=memory,
        payloads=payloads,
        text=dumps(resolved),
        version=digest(dumps(covered)),
    )


def _fallback_models(values: Mapping[str, Json], problems: Problems) -> None:
    given = values["fallback_models"]
    for place, name in enumerate(given if isinstance(given, list) else []):
        path = join("fallback_models", place)
        if not isinstance(name, str) or not name.strip() or len(name) > 200 or not name.isprintable():
            problems.add(path, f"a model must be one line of text, not {describe(name)}", "Write provider:name.")
        elif name == values["model"] or name in cast("list[Json]", given)[:place]:
            problems.add(path, f"the model {name!r} is asked already", "Name each model once.")


def _old_names(definition: dict[str, Json], problems: Problems) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for old, new in OLD_NAMES.items():
        if old not in definition:
            continue
        if new in definition:
            problems.add(old, f"{old!r} is another name of {new!r}, which is given too", "Keep one.")
            definition.pop(old)
        else:
            definition[new] = definition.pop(old)
            renamed[new] = old
    return renamed


def _derived_id(values: Mapping[str, Json], tenant_id: str) -> str:
    return str(uuid5(UUID(tenant_id), str(values["name"])))


def _id(values: Mapping[str, Json], tenant_id: str, problems: Problems) -> str:
    given = values["id"]
    if given is None:
        return _derived_id(values, tenant_id)
    if not isinstance(given, str) or not is_id(given):
        problems.add("id", f"{given!r} is no UUID", "Remove it to have one made from the name, or write 36 characters.")
        return ""
    return given.lower()


def _plugins(value: Json, path: str, problems: Problems) -> tuple[PluginNeed, ...]:
    needs: dict[str, PluginNeed] = {}
    for index, item in enumerate(value if isinstance(value, list) else []):
        at = join(path, index)
        if isinstance(item, str | dict):
            one: dict[str, Json] = {"name": item} if isinstance(item, str) else item
            fields = read(one, PLUGIN, path=at, what="a plugin", problems=problems)
            name = str(fields["name"])
            if "__" in name:
                problems.add(at, f"{name!r} holds a double underscore, which separates plugin and action")
            if name in needs:
                problems.add(at, f"the plugin {name!r} is named twice", "Keep one.")
            needs[name] = PluginNeed(name=name, is_optional=bool(fields["optional"]))
        else:
            problems.add(at, f"must be a plugin's name, not {describe(item)}")
    return tuple(needs.values())


def _workflow(
    values: Mapping[str, Json],
    steps: Resolved,
    accepted: Collection[str] | None,
    plugins: Collection[str],
    problems: Problems,
) -> Workflow | None:
    if values["workflow_steps"] is None:
        return None
    workflow, found = parse_resolved(steps, inputs=accepted, plugins=plugins)
    problems.found.extend(found)
    return workflow


def _sources(
    sources: Collection[schemas.Source], steps: Resolved, accepted: Collection[str] | None, problems: Problems
) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    scope = _end(steps, accepted)
    for source in sources:
        if not isinstance(source.template, str):
            problems.add(source.path, f"must be an expression, not {describe(source.template)}")
            continue
        text = source.template if "{{" in source.template else f"{{{{ {source.template} }}}}"
        try:
            template = compile_template(text)
        except ExpressionError as error:
            problems.add(source.path, error.message, error.cure)
            continue
        for reference in dict.fromkeys(template.references):
            complaint = scope.complaint(reference)
            if complaint is not None:
                problems.add(source.path, *complaint)
        templates[source.field] = template
    return templates


def _end(steps: Resolved, accepted: Collection[str] | None) -> Scope:
    """What may be referred to when every step of the workflow has ended."""
    entries = outline(steps.steps, "workflow_steps", Problems()) or {}
    return Scope(World(entries, accepted)).end(steps.steps)


def _limits(value: Json, problems: Problems) -> tuple[Limits, frozenset[str]]:
    given = value if isinstance(value, dict) else {}
    values = read(given, LIMITS, path="limits", what="limits", problems=problems)
    cost = _dollars(values["max_cost_usd"], problems)
    timeout = values["run_timeout_s"]
    counts = {name: item for name, item in values.items() if name not in ("run_timeout_s", "max_cost_usd")}
    limits = Limits(
        run_timeout_s=float(timeout) if isinstance(timeout, int | float) else None,
        max_cost_usd=cost,
        **cast("dict[str, int]", counts),
    )
    return limits, frozenset(name for name, item in given.items() if item is not None and name in LIMITS)


def _dollars(value: Json, problems: Problems) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= _MOST_USD:
        problems.add("limits.max_cost_usd", f"{describe(value)} is no amount of dollars", "Write one like 0.50.")
        return None
    return amount


def _memory(value: Json, problems: Problems) -> MemoryPolicy:
    if isinstance(value, bool):
        return MemoryPolicy(is_enabled=value)
    if not isinstance(value, dict):
        cure = "Write true, false, or {enabled: true, token_budget: 800}."
        problems.add("memory", f"must be true, false or a mapping, not {describe(value)}", cure)
        return MemoryPolicy()
    values = read(value, MEMORY, path="memory", what="memory", problems=problems)
    return MemoryPolicy(
        is_enabled=bool(values["enabled"]),
        token_budget=cast("int", values["token_budget"]),
        may_remember=bool(values["remember"]),
        summary_model=cast("str | None", values["summary_model"]),
    )


def _check_remember(memory: MemoryPolicy, plugins: Collection[PluginNeed], path: str, problems: Problems) -> None:
    """The tool `memory__remember` and a plugin `memory` would be one name for two things."""
    if memory.may_remember and any(need.name == "memory" for need in plugins):
        cure = "Leave one of them out; `remember: true` needs no plugin."
        problems.add(path, "a plugin 'memory' cannot be required beside `memory: {remember: true}`", cure)


def _payloads(value: Json, problems: Problems) -> PayloadPolicy:
    given = value if isinstance(value, dict) else {}
    values = read(given, PAYLOADS, path="payloads", what="payloads", problems=problems)
    return PayloadPolicy(**cast("dict[str, PayloadChoice]", values))


def _schedule(values: Mapping[str, Json], problems: Problems) -> None:
    if isinstance(values["schedule"], str) and (wrong := bad_schedule(values["schedule"])) is not None:
        problems.add("schedule", *wrong)
    if (wrong := bad_timezone(str(values["timezone"]))) is not None:
        problems.add("timezone", *wrong)


def _covered(resolved: Mapping[str, Json], steps: Resolved, limits: Limits) -> dict[str, Json]:
    """What the version hash covers of the fields that are hashed as written: nothing that changes nothing."""
    kept = {name: item for name, item in without_defaults(resolved, AGENT).items() if name not in NOT_COVERED}
    for name in ("id", "input_schema", "output_schema"):
        kept.pop(name, None)
    if "workflow_steps" in kept:
        kept["workflow_steps"] = essence(steps.steps)
    if isinstance(kept.get("plugins_required"), list):
        kept["plugins_required"] = [_plugin_covered(item) for item in cast("list[Json]", kept["plugins_required"])]
    for name, table in (("limits", LIMITS), ("memory", MEMORY), ("payloads", PAYLOADS)):
        part = kept.get(name)
        if isinstance(part, dict):
            part = without_defaults(part, table)
            if "max_cost_usd" in part and limits.max_cost_usd is not None:
                part["max_cost_usd"] = f"{limits.max_cost_usd.normalize():f}"
            kept[name] = part
            if not part:
                kept.pop(name)
    if kept.get("memory") is False:
        kept["memory"] = {"enabled": False}
    return kept


def _plugin_covered(item: Json) -> Json:
    if isinstance(item, dict):
        part = without_defaults(item, PLUGIN)
        return part if len(part) > 1 else part.get("name")
    return item
