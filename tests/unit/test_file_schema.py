"""The JSON Schema of agent files: what the validator takes it takes, and what it refuses the validator refuses."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.definitions import Definition, agents, broken

from trackrecord import examples
from trackrecord.agent import Agent, file_schema, meanings, tables
from trackrecord.agent.files import parse
from trackrecord.errors import BadAgent
from trackrecord.workflow import meanings as step_meanings
from trackrecord.workflow import vocabulary
from trackrecord.workflow.field_schema import DRAFT
from trackrecord.workflow.transforms import OPTIONS

SCHEMA = file_schema.schema()
EDITOR = jsonschema_rs.Draft202012Validator(SCHEMA)
THOROUGH = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def is_taken(definition: Any) -> bool:
    """Whether the validator takes a definition."""
    try:
        Agent.from_mapping(definition)
    except BadAgent:
        return False
    return True


def told(definition: Any) -> list[str]:
    """What the schema has against a definition."""
    return [f"{list(error.instance_path)}: {error.message[:200]}" for error in EDITOR.iter_errors(definition)]


def example(name: str) -> Definition:
    """A bundled agent."""
    value = parse((examples.path(name) / examples.AGENT_FILE).read_bytes()).value
    assert isinstance(value, dict)
    return value


ONE = {"type": "transform", "operation": "set", "value": 1}
OLDER: Definition = {
    "agent_name": "older",
    "user_prompt": "Go.",
    "plugins": ["demo"],
    "workflow_steps": [
        {"id": "step-1", "type": "plugin_action", "plugin": "demo", "action": "echo", "params": {}},
        {
            "id": 2,
            "type": "ai_processing",
            "prompt": "x",
            "params": {"a": "{{ steps.step_1.data }}"},
            "dependencies": ["step-1"],
        },
        {
            "id": "3rd",
            "type": "branch",
            "condition": True,
            "then_steps": [],
            "elseSteps": [{"id": "in_", "type": "delay", "duration_ms": 5}],
            "executeIf": "true",
            "dependencies": [2],
        },
        {
            "id": "four",
            "type": "iteration",
            "iterateOver": [1],
            "maxIterations": 3,
            "parallel": True,
            "loopSteps": [{"id": "t", "type": "transform", "config": {"operation": "set", "value": 1}}],
            "dependencies": ["3rd"],
        },
        {
            "id": "five",
            "type": "scatter_gather",
            "scatter": {"input": [1], "steps": [{"id": "u", **ONE}], "maxConcurrency": 2, "itemVariable": "row"},
            "gather": {"operation": "collect"},
            "dependencies": ["four"],
        },
        {
            "id": "six",
            "type": "parallel_group",
            "steps": [{"id": "v", **ONE}],
            "continueOnError": True,
            "dependencies": ["five"],
        },
        {"id": "seven", "parallel": True, "steps": [{"id": "w", **ONE}], "dependencies": ["six"]},
        {
            "id": "eight",
            "type": "action",
            "plugin": "demo",
            "action": "echo",
            "retryPolicy": {"maxRetries": 2, "backoffMs": 5, "backoffMultiplier": 2, "maxMs": 10},
            "dependencies": ["seven"],
        },
        {
            "id": "nine",
            "type": "branch",
            "evaluate": "{{ steps.eight.data }}",
            "cases": {"a": [{"id": "x", "type": "plugin_action", "plugin": "demo", "action": "echo"}], "b": []},
            "dependencies": ["eight"],
        },
        {
            "id": "ten",
            "type": "validation",
            "input": "{{ steps.eight.data }}",
            "schema": {"type": "object"},
            "onValidationFail": "skip",
            "dependencies": ["eight"],
        },
        {
            "id": "eleven",
            "type": "comparison",
            "operation": "deep_equals",
            "left": 1,
            "right": 2,
            "dependencies": ["ten"],
        },
        {
            "id": "twelve",
            "type": "human_approval",
            "message": "Go?",
            "approvers": ["ann"],
            "approvalType": "all",
            "onTimeout": "approve",
            "timeout": 60000,
            "dependencies": ["eleven"],
        },
        {
            "id": "thirteen",
            "type": "sub_workflow",
            "workflowSteps": [{"id": "y", **ONE}],
            "inputMapping": {"a": 1},
            "outputMapping": {"b": "{{ steps.y.data }}"},
            "dependencies": ["twelve"],
        },
    ],
}
SMALLEST: Definition = {"name": "x"}
WHOLE: list[Definition] = [*(example(name) for name in examples.names()), OLDER, SMALLEST]


def test_it_is_a_schema() -> None:
    """By the rules of draft 2020-12."""
    jsonschema_rs.meta.validate(SCHEMA)
    assert DRAFT == SCHEMA["$schema"]


@pytest.mark.parametrize("definition", WHOLE, ids=lambda one: str(one.get("name") or one["agent_name"]))
def test_both_take_what_is_right(definition: Definition) -> None:
    """The bundled agents, the older vocabulary in every form, and the smallest agent."""
    assert is_taken(definition)
    assert [] == told(definition)


@THOROUGH
@given(agents())
def test_both_take_what_the_tables_allow(definition: Definition) -> None:
    """Definitions made up from the tables of fields."""
    try:
        Agent.from_mapping(definition)
    except BadAgent as error:
        raise AssertionError("\n".join(map(str, error.problems))) from error
    assert [] == told(definition)


@THOROUGH
@given(st.data())
def test_what_the_schema_refuses_the_validator_refuses(data: st.DataObject) -> None:
    """However a definition is changed: an editor never underlines what would run."""
    definition = data.draw(broken(data.draw(st.sampled_from(WHOLE) | agents())))
    if is_taken(definition):
        assert [] == told(definition)


def at(*place: str | int, value: Any) -> Definition:
    """The bundled triage agent, with something else at one place."""
    made: Any = copy.deepcopy(example("triage"))
    inner = made
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        at("promt", value="x"),
        at("name", value=5),
        at("name", value=" "),
        at("name", value=None),
        at("status", value="activ"),
        at("temperature", value=3),
        at("id", value="7"),
        at("limits", value={"max_iteration": 3}),
        at("limits", value={"max_iterations": 0}),
        at("memory", value="on"),
        at("payloads", value={"tools": "some"}),
        at("plugins_required", value=["a__b"]),
        at("schedule", value="every day"),
        at("input_schema", 0, "type", value="text"),
        at("input_schema", 0, "requird", value=True),
        at("input_schema", value={"type": "array"}),
        at("workflow_steps", value=[]),
        at("workflow_steps", 0, value="fetch"),
        at("workflow_steps", 0, value={"id": "a"}),
        at("workflow_steps", 0, value={"type": "delay", "duration": "5m"}),
        at("workflow_steps", 0, value={"id": "a", "type": "acton"}),
        at("workflow_steps", 0, value={"id": "a", "type": "approval"}),
        at("workflow_steps", 0, value={"id": "A b", "type": "agent"}),
        at("workflow_steps", 0, value={"id": "if", "type": "agent"}),
        at("workflow_steps", 0, value={"id": "a", "type": "llm"}),
        at("workflow_steps", 0, value={"id": "a", "type": "llm", "promt": "x"}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "plugin": "demo"}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "if": 5}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "if": {"field": "x", "operator": "is"}}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "on_error": "ignore"}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "retry": {"on": ["timeout"]}}),
        at("workflow_steps", 0, value={"id": "a", "type": "agent", "depends_on": "b"}),
        at("workflow_steps", 0, value={"id": "a", "type": "delay"}),
        at("workflow_steps", 0, value={"id": "a", "type": "delay", "duration": "5 minutes"}),
        at("workflow_steps", 0, value={"id": "a", "type": "delay", "duration": 5, "until": "2030-01-01T00:00:00Z"}),
        at(
            "workflow_steps",
            0,
            value={"id": "a", "type": "loop", "over": "inputs.x", "steps": [{"id": "b", "type": "agent"}]},
        ),
        at("workflow_steps", 0, value={"id": "a", "type": "map", "over": [1], "steps": []}),
        at(
            "workflow_steps",
            0,
            value={"id": "a", "type": "parallel", "branches": {"x y": [{"id": "b", "type": "agent"}]}},
        ),
        at("workflow_steps", 0, value={"id": "a", "type": "transform", "operation": "sum", "input": []}),
        at("workflow_steps", 0, value={"id": "a", "type": "transform", "operation": "sort", "input": [], "value": 1}),
        at("workflow_steps", 0, value={"id": "a", "type": "transform", "operation": "filter", "input": []}),
        *(
            at("workflow_steps", 0, value={"id": "a", **step})
            for step in (
                {"type": "switch", "cases": {"a": []}},
                {"type": "switch", "value": "{{ inputs.x }}", "cases": {}},
                {"type": "switch", "value": "{{ inputs.x }}", "cases": {"default": []}},
                {"type": "branch", "value": "{{ inputs.x }}", "cases": {"a": {}}},
                {"type": "validate", "value": 1},
                {"type": "validate", "value": 1, "rules": [5]},
                {"type": "validate", "value": 1, "rules": [{"message": "x"}]},
                {"type": "compare", "left": 1, "right": 2, "operation": "same"},
                {"type": "approval", "message": "x", "timeout": 0},
                {"type": "approval", "message": "x", "timeout_ms": 5},
                {"type": "approval", "message": "x", "approvers": "ann"},
                {"type": "sub_workflow", "agent": "x", "steps": [{"id": "b", "type": "agent"}]},
                {"type": "sub_workflow", "inputs": {}},
                {"type": "sub_workflow", "agent": "x", "version": "v2"},
            )
        ),
        {"prompt": "no name"},
        {"name": "x", "prompt": "a", "user_prompt": "b"},
    ],
    ids=lambda one: None,
)
def test_both_refuse_what_is_wrong(wrong: Definition) -> None:
    """What a schema can say it does say: an editor underlines it before anything is run."""
    assert not is_taken(wrong)
    assert [] != told(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x", "workflow_steps": [{"id": "a", "type": "agent"}, {"id": "a", "type": "agent"}]},
        {"name": "x", "workflow_steps": [{"id": "a", "type": "agent", "depends_on": ["b"]}]},
        {"name": "x", "workflow_steps": [{"id": "a", "type": "agent", "prompt": "{{ step.a }}"}]},
        {"name": "x", "workflow_steps": [{"id": "a", "type": "action", "plugin": "demo", "action": "echo"}]},
        {
            "name": "x",
            "workflow_steps": [{"id": "a", "type": "delay", "duration": "5s", "retry": {"max_attempts": 2.0}}],
        },
        {"name": "x", "workflow_steps": [{"id": "a", "type": "agent", "if": "true", "executeIf": "true"}]},
        {
            "name": "x",
            "workflow_steps": [{"id": "a", "type": "transform", "operation": "sort", "input": [], "order": "up"}],
        },
        {"name": "x", "timezone": "Mars"},
        {"name": "x", "limits": {"max_cost_usd": "much"}},
        {"name": "x", "input_schema": [{"name": "a"}, {"name": "a"}]},
        {"name": "x", "input_schema": [{"name": "a", "required": True}], "example_inputs": {"b": "c"}},
    ],
    ids=[
        "ids",
        "edges",
        "references",
        "plugins",
        "whole",
        "both names",
        "options",
        "zone",
        "amount",
        "twice",
        "example",
    ],
)
def test_what_a_schema_cannot_say(wrong: Definition) -> None:
    """Is left to `trackrecord check`, and the page about the schema says so."""
    assert not is_taken(wrong)
    assert [] == told(wrong)


MEANT = [
    (tables.AGENT, meanings.AGENT),
    (tables.LIMITS, meanings.LIMITS),
    (tables.MEMORY, meanings.MEMORY),
    (tables.PAYLOADS, meanings.PAYLOADS),
    (tables.PLUGIN, meanings.PLUGIN),
    (tables.INPUT, meanings.INPUT),
    (tables.OUTPUT, meanings.OUTPUT),
    (vocabulary.COMMON, step_meanings.COMMON),
    (vocabulary.RETRY, step_meanings.RETRY),
    (vocabulary.FALLBACK, step_meanings.FALLBACK),
    (vocabulary.RULE, step_meanings.RULE),
    *((vocabulary.BODIES[kind], step_meanings.BODIES.get(kind, {})) for kind in vocabulary.STEP_TYPES),
]


@pytest.mark.parametrize(("table", "told_of"), MEANT, ids=lambda one: ",".join(list(one)[:2]))
def test_every_field_has_a_meaning(table: dict[str, Any], told_of: dict[str, str]) -> None:
    """An editor says of each field what it is for: one sentence in `meanings`, in the order of the table."""
    assert list(table) == list(told_of)
    assert [] == [text for text in told_of.values() if not text.endswith(".")]


def test_every_option_of_a_transform_has_a_meaning() -> None:
    """Those too."""
    assert {name for needed, free in OPTIONS.values() for name in (*needed, *free)} == set(step_meanings.OPTIONS)
