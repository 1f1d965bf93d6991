"""What is particular to each step type: its checked fields in, its body out. One function per type.

Here are the steps that do the work; those that hold steps are in `containers`, those that wait in `waiting`, those
that judge in `judging`. A function returns None when something it cannot do without is missing or wrong; the problem
has been added then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never, cast

from trackrecord.canonical import Json
from trackrecord.workflow import containers, judging, waiting
from trackrecord.workflow.fields import texts
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import (
    ActionBody,
    AgentBody,
    Body,
    EffectClass,
    LlmBody,
    StepType,
    TransformBody,
)

Values = Mapping[str, Json]


def body(kind: StepType, values: Values, options: Values, site: Site) -> Body | None:
    """The body of a step of this type; `options` are the fields no table names, of transforms only."""
    match kind:
        case "action":
            return _action(values, site)
        case "llm":
            return _llm(values, site)
        case "agent":
            return _agent(values, site)
        case "conditional":
            return containers.conditional(values, site)
        case "switch":
            return containers.switch(values, site)
        case "loop":
            return containers.loop(values, site)
        case "parallel":
            return containers.parallel(values, site)
        case "map":
            return containers.map_(values, site)
        case "transform":
            return _transform(values, options, site)
        case "validate":
            return judging.validate(values, site)
        case "compare":
            return judging.compare(values, site)
        case "delay":
            return waiting.delay(values, site)
        case "approval":
            return waiting.approval(values, site)
        case "sub_workflow":
            return containers.sub_workflow(values, site)
    assert_never(kind)


def _action(values: Values, site: Site) -> ActionBody | None:
    plugin, action = values["plugin"], values["action"]
    effect = cast("EffectClass | None", values["effect"])
    params = site.template(values["params"], "params")
    if isinstance(plugin, str):
        site.plugin(plugin, "plugin")
    if effect == "unsafe" and values["retry"] is not None:
        message = "an action declared unsafe cannot be retried: it might happen twice"
        site.add("retry", message, "Remove retry, or write `effect: keyed` if the action honours the idempotency key.")
    if not isinstance(plugin, str) or not isinstance(action, str) or params is None:
        return None
    return ActionBody(plugin=plugin, action=action, params=params, effect=effect)


def _llm(values: Values, site: Site) -> LlmBody | None:
    prompt = site.template(values["prompt"], "prompt")
    system = site.template(values["system"], "system")
    data = site.template(values["input"], "input")
    labels = texts(values["labels"])
    if labels and values["output_schema"] is not None:
        site.add("labels", "labels and output_schema exclude each other", "Keep one.")
    if len(labels) == 1 or len(set(labels)) < len(labels) or "" in labels:
        site.add("labels", "labels must be two or more different texts")
    if prompt is None:
        return None
    return LlmBody(
        prompt=prompt,
        system=system,
        input=data,
        labels=labels,
        model=cast("str | None", values["model"]),
        temperature=_number(values["temperature"]),
        max_tokens=cast("int | None", values["max_tokens"]),
    )


def _agent(values: Values, site: Site) -> AgentBody:
    given = values["plugins"]
    plugins = None if given is None else texts(given)
    for index, plugin in enumerate(plugins or ()):
        site.plugin(plugin, f"plugins[{index}]")
    return AgentBody(prompt=site.template(values["prompt"], "prompt"), plugins=plugins)


def _transform(values: Values, options: Values, site: Site) -> TransformBody | None:
    operation = values["operation"]
    transform = site.transform(operation, options) if isinstance(operation, str) else None
    return None if transform is None else TransformBody(transform=transform)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None
