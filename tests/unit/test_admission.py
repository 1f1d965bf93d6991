"""Admission: what may become a run; and of what may not, which words the caller reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.admission import Admitted, Request, Standing, decide
from trackrecord.agent import Agent
from trackrecord.canonical import Json, clean, dumps
from trackrecord.errors import (
    AgentNotActive,
    BadAgent,
    BadInput,
    PluginNotConnected,
    Refused,
    RequestError,
    TrackrecordError,
    UnknownEngine,
    UnknownModel,
)
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER

STANDING = Standing(engines={"agentkit": False, "orchestrator": True}, plugins=("files", "demo"))
FIELDS: list[Json] = [
    {"name": "file", "type": "string", "required": True},
    {"name": "limit", "type": "integer", "default": 10},
    {"name": "tags", "type": "array"},
]
STEP: Json = {"id": "a", "type": "action", "plugin": "demo", "action": "add", "params": {}}


def agent(**fields: Any) -> Agent:
    if "workflow_steps" in fields:
        fields = {"plugins_required": ["demo"], **fields}
    return Agent.from_mapping({"name": "sorter", "prompt": "Sort.", "model": "scripted:x", **fields})


def admit(
    of: Agent | None = None, inputs: Any = MappingProxyType({}), standing: Standing = STANDING, **changes: Any
) -> Admitted:
    return decide(Request(agent=of or agent(), inputs=inputs, **changes), standing)


def refusal(kind: type[TrackrecordError], *arguments: Any, **changes: Any) -> tuple[str, str]:
    with pytest.raises(kind) as caught:
        admit(*arguments, **changes)
    assert type(caught.value) is kind
    assert 2 == caught.value.exit_code
    return caught.value.message, caught.value.cure


# -------------------------------------------------------------------------------------------------------- what is taken


def test_a_plain_request_is_admitted_as_it_is() -> None:
    """What needs no change is not changed: the very agent, the local tenant and user, no clock of its own."""
    asked = agent()
    admitted = admit(asked, {"a": 1})
    assert asked is admitted.agent
    assert ("agentkit", {"a": 1}, '{"a":1}') == (admitted.engine, admitted.inputs, admitted.inputs_text)
    request = admitted.request
    assert (LOCAL_TENANT, LOCAL_USER, None, "manual") == (
        request.tenant_id, request.user_id, request.now, request.execution_type,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"file": "x"}, {"file": "x", "limit": 10}),
        ({"file": "x", "limit": 3}, {"file": "x", "limit": 3}),
        ({"file": "", "tags": []}, {"file": "", "limit": 10, "tags": []}),
        (OrderedDict(file="x"), {"file": "x", "limit": 10}),
        (MappingProxyType({"file": "x", "tags": ("a",)}), {"file": "x", "limit": 10, "tags": ["a"]}),
    ],
)
def test_defaults_are_filled_in(given: Mapping[str, object], expected: dict[str, Json]) -> None:
    """What is given wins over the default; what has neither is left out."""
    admitted = admit(agent(input_schema=FIELDS), given)
    assert (expected, dumps(expected)) == (admitted.inputs, admitted.inputs_text)


def test_a_default_counts_for_a_required_field() -> None:
    """A field with a default is never missing."""
    asked = agent(input_schema=[{"name": "n", "type": "integer", "required": True, "default": 7}])
    assert {"n": 7} == admit(asked).inputs


def test_the_inputs_of_a_run_are_its_own() -> None:
    """A caller that goes on changing what it gave, and a run that changes what it got, change nobody else's."""
    given = {"tags": ["a"]}
    asked = agent(input_schema=[*FIELDS[2:], {"name": "more", "type": "array", "default": ["d"]}])
    admitted = admit(asked, given)
    given["tags"].append("b")
    admitted.inputs["more"].append("e")  # type: ignore[union-attr,arg-type]
    assert ({"tags": ["a"]}, ["d"]) == (
        {"tags": admitted.inputs["tags"]}, admit(asked, given).inputs["more"],
    )  # fmt: skip
    assert '{"more":["d"],"tags":["a"]}' == admitted.inputs_text


ODD = st.recursive(
    st.none()
    | st.floats()
    | st.binary(max_size=3)
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.sets(st.integers(), max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(codec=None, exclude_categories=()), max_size=5), ODD, max_size=4))
def test_inputs_of_any_content_are_taken_as_canonical_values(given: dict[str, Any]) -> None:
    """An agent without a schema takes anything; the engine gets what is stored, in the order it is stored in."""
    admitted = admit(agent(), given)
    assert clean(given) == admitted.inputs
    assert dumps(given) == admitted.inputs_text == dumps(admitted.inputs)
    assert sorted(admitted.inputs) == list(admitted.inputs)


@pytest.mark.parametrize(
    ("fields", "engine", "expected"),
    [
        ({}, "auto", "agentkit"),
        ({"workflow_steps": [STEP]}, "auto", "orchestrator"),
        ({"workflow_steps": [STEP]}, "agentkit", "agentkit"),
        ({"workflow_steps": [STEP]}, "orchestrator", "orchestrator"),
        ({}, "acme", "acme"),
    ],
)
def test_auto_is_the_engine_that_fits(fields: dict[str, Any], engine: str, expected: str) -> None:
    """An agent with steps goes to the Orchestrator, one without to AgentKit; a name is a name."""
    standing = Standing(engines={**STANDING.engines, "acme": False}, plugins=STANDING.plugins)
    assert expected == admit(agent(**fields), standing=standing, engine=engine).engine


@pytest.mark.parametrize(
    ("own", "asked", "default", "expected"),
    [
        ("own:m", None, None, "own:m"),
        ("own:m", "asked:m", "default:m", "asked:m"),
        (None, None, "default:m", "default:m"),
        (None, "asked:m", None, "asked:m"),
        ("own:m", None, "default:m", "own:m"),
    ],
)
def test_the_nearest_model_wins(own: str | None, asked: str | None, default: str | None, expected: str) -> None:
    """The request's, else the agent's, else the installation's."""
    standing = Standing(engines=STANDING.engines, plugins=(), default_model=default)
    assert expected == admit(agent(model=own), standing=standing, model=asked).agent.model


def test_a_prompt_of_the_request_replaces_the_agents() -> None:
    """The version stays: what is run is that agent, asked something else."""
    asked = agent()
    admitted = admit(asked, prompt="")
    assert ("", asked.version, asked.model) == (admitted.agent.prompt, admitted.agent.version, admitted.agent.model)
    assert "Sort." == admit(asked, prompt=None).agent.prompt


def test_a_missing_plugin_that_is_optional_is_no_reason() -> None:
    """What an agent can do without does not stop it."""
    assert admit(agent(plugins_required=[{"name": "mail", "optional": True}, "files"]))


@pytest.mark.parametrize("now", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001+02:00", None])
def test_a_run_may_have_a_now_of_its_own(now: str | None) -> None:
    """Any moment will do, as long as it is one."""
    assert now == admit(now=now).request.now


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_only_an_active_agent_runs(status: str) -> None:
    """A draft is not finished, an archived agent is done with; how to run it is said."""
    expected = f"the agent 'sorter' is {status}", "Set `status: active` in its definition to run it."
    assert expected == refusal(AgentNotActive, agent(status=status))


@pytest.mark.parametrize(
    ("engine", "hint"),
    [("agentkid", " Did you mean 'agentkit'?"), ("orchestra", " Did you mean 'orchestrator'?"), ("zzz", ""), ("", "")],
)
def test_an_unknown_engine_is_refused_with_those_known(engine: str, hint: str) -> None:
    """A near miss is named."""
    expected = f"there is no engine {engine!r}", f"Known engines: auto, agentkit, orchestrator.{hint}"
    assert expected == refusal(UnknownEngine, engine=engine)


def test_auto_finds_no_engine_where_none_is() -> None:
    """An installation without the Orchestrator says so."""
    standing = Standing(engines={"agentkit": False}, plugins=("demo",))
    message, cure = refusal(UnknownEngine, agent(workflow_steps=[STEP]), standing=standing)
    assert ("there is no engine 'orchestrator'", "Known engines: auto, agentkit.") == (message, cure)


def test_an_engine_of_steps_needs_steps() -> None:
    """The Orchestrator has nothing to do for an agent without a workflow."""
    assert (
        "the agent 'sorter' has no workflow_steps, so the engine 'orchestrator' has nothing to run",
        "Run it with --engine agentkit, or give it workflow_steps.",
    ) == refusal(BadInput, engine="orchestrator")


@pytest.mark.parametrize(
    ("required", "message", "cure"),
    [
        (["mail"], "the agent 'sorter' requires 'mail', not connected here", "Connected: demo, files. "),
        (["fils", "mail"], "the agent 'sorter' requires 'fils', 'mail', not connected here",
         "Connected: demo, files. Did you mean 'files'? "),
    ],
)  # fmt: skip
def test_a_missing_plugin_is_refused(required: list[str], message: str, cure: str) -> None:
    """All that are missing are named, beside those that are there."""
    expected = message, f"{cure}Connect it, or mark it `optional: true` in plugins_required."
    assert expected == refusal(PluginNotConnected, agent(plugins_required=required))


def test_where_nothing_is_connected_none_is_named() -> None:
    """The words hold for an empty installation too."""
    standing = Standing(engines=STANDING.engines, plugins=())
    _, cure = refusal(PluginNotConnected, agent(plugins_required=["mail"]), standing=standing)
    assert cure.startswith("Connected: none. Connect it")


NO_MODEL_CURE = "Add `model: provider:name` to its definition, give --model, or set TRACKRECORD_MODEL."
ASKS: Json = {"id": "ask", "type": "llm", "prompt": "x"}
WORKS: Json = {"id": "work", "type": "agent"}


@pytest.mark.parametrize(
    ("steps", "needy"),
    [
        (None, ""),
        ([ASKS], ", which workflow_steps[0] needs"),
        ([STEP, WORKS], ", which workflow_steps[1] needs"),
        ([{"id": "l", "type": "map", "over": "{{ inputs.x }}", "steps": [ASKS]}],
         ", which workflow_steps[0].steps[0] needs"),
        ([{**STEP, "on_error": {"fallback": ASKS}}], ", which workflow_steps[0].on_error.fallback needs"),  # type: ignore[dict-item]
    ],
)  # fmt: skip
@pytest.mark.parametrize("default", [None, ""])
def test_an_agent_that_needs_a_model_and_has_none_is_refused(steps: Any, needy: str, default: str | None) -> None:
    """Nothing is started that could only fail; the step that needs one is named."""
    standing = Standing(engines=STANDING.engines, plugins=STANDING.plugins, default_model=default)
    asked = agent(model=None, **({} if steps is None else {"workflow_steps": steps}))
    expected = f"the agent 'sorter' names no model{needy}", NO_MODEL_CURE
    assert expected == refusal(UnknownModel, asked, standing=standing)


@pytest.mark.parametrize(
    "steps", [[STEP], [{"id": "d", "type": "delay", "duration": "1s"}], [{**ASKS, "model": "a:b"}]]
)  # type: ignore[dict-item]
def test_a_workflow_that_asks_no_model_needs_none(steps: Any) -> None:
    """Steps without a model run without a model, and a step may name its own; AgentKit always asks one."""
    asked = agent(model=None, workflow_steps=steps)
    assert admit(asked).agent.model is None
    assert refusal(UnknownModel, asked, engine="agentkit")


@pytest.mark.parametrize(
    ("action", "retry", "path", "message"),
    [
        ("sum", None, "workflow_steps[0].action", "the plugin 'demo' has no action 'sum'"),
        ("send", {"max_attempts": 2}, "workflow_steps[0].retry", "demo.send is unsafe and cannot be retried"),
    ],
)
def test_steps_that_cannot_work_here_are_refused(action: str, retry: Any, path: str, message: str) -> None:
    """What the plugins at hand say of an action is checked before the first step runs."""
    classes = {("demo", "add"): "read", ("demo", "send"): "unsafe"}
    standing = Standing(
        engines=STANDING.engines,
        plugins=("demo",),
        effect_of=lambda plugin, name: classes.get((plugin, name)),  # type: ignore[arg-type,return-value]
    )
    step = {**STEP, "action": action, **({} if retry is None else {"retry": retry})}  # type: ignore[dict-item]
    with pytest.raises(BadAgent) as caught:
        admit(agent(workflow_steps=[step]), standing=standing)
    (problem,) = caught.value.problems
    assert path == problem.path
    assert message in problem.message
    assert admit(agent(workflow_steps=[step]))  # without word of the actions nothing can be said against them


@pytest.mark.parametrize("now", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "", 7])
def test_a_now_that_is_no_moment_is_refused(now: Any) -> None:
    """Local time is not guessed, and nothing starts with a clock that cannot be read."""
    message, cure = refusal(BadInput, now=now)
    assert message.startswith(f"now is {now!r}: ")
    assert "Write it like 2026-01-31T09:00:00Z." == cure


# --------------------------------------------------------------------------------------------------------- wrong inputs

DO_NOT_FIT = "inputs of 'sorter' do not fit: "
TAKES = "It takes: file*, limit, tags (* required). Give them with -i name=value or -i name=@file."


@pytest.mark.parametrize(
    ("inputs", "message", "cure"),
    [
        ({}, "inputs of 'sorter': 'file' is missing", TAKES),
        ({"file": "x", "limt": 1}, "inputs of 'sorter': 'limt' is unknown (did you mean 'limit'?)", TAKES),
        ({"file": "x", "zzz": 1}, "inputs of 'sorter': 'zzz' is unknown", TAKES),
        (
            {"fil": "x", "zzz": 1},
            "inputs of 'sorter': 'file' is missing; 'fil' is unknown (did you mean 'file'?); 'zzz' is unknown",
            TAKES,
        ),
        (
            {"file": 1},
            DO_NOT_FIT + "file: 1 is not of type \"string\"",
            'Expected: file {"type":"string"}.',
        ),
        (
            {"file": None, "limit": "3"},
            DO_NOT_FIT + "limit: \"3\" is not of type \"integer\"; file: null is not of type \"string\"",
            'Expected: file {"type":"string"}; limit {"default":10,"type":"integer"}.',
        ),
        ({"file": b"x"}, None, 'Expected: file {"type":"string"}.'),
        ({"file": float("nan")}, None, 'Expected: file {"type":"string"}.'),
        ({1: "x", "file": "x"}, "inputs of 'sorter': '1' is unknown", TAKES),
    ],
)  # fmt: skip
def test_wrong_inputs_are_named_all_at_once_with_what_is_taken(inputs: Any, message: str | None, cure: str) -> None:
    """Missing, unknown and ill-typed inputs: which they are, what was meant, and what would do."""
    told, cured = refusal(BadInput, agent(input_schema=FIELDS), inputs)
    assert message in (None, told)
    assert cure == cured


def test_an_agent_that_takes_nothing_says_so() -> None:
    """An empty list of fields takes no input at all."""
    asked = agent(input_schema={"type": "object", "properties": {}, "additionalProperties": False})
    message, cure = refusal(BadInput, asked, {"x": 1})
    assert "inputs of 'sorter': 'x' is unknown" == message
    assert cure.startswith("It takes: none")


def test_a_schema_of_its_own_is_held_as_written() -> None:
    """What the schema leaves open is taken; what it says in its own words is held."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "minProperties": 2, "required": ["n"]}
    assert {"n": 1, "other": "x"} == admit(agent(input_schema=schema), {"n": 1, "other": "x"}).inputs
    message, cure = refusal(BadInput, agent(input_schema=schema), {"n": 1})
    assert message.startswith("inputs of 'sorter' do not fit: ")
    assert "" == cure


@pytest.mark.parametrize("inputs", [[1], "file=x", 7, None, {"a"}, (i for i in ()), object()])
def test_inputs_that_are_no_mapping_are_refused(inputs: Any) -> None:
    """Also where the agent takes anything: inputs have names."""
    message, cure = refusal(BadInput, agent(), inputs)
    assert f"inputs of 'sorter' are a {type(inputs).__name__}, not a mapping of names to values" == message
    assert "Give a dict, like {'file': 'tickets.csv'}." == cure


# ------------------------------------------------------------------------------------------------------------ too large


def sized(most: int) -> Agent:
    return agent(limits={"max_input_bytes": most})


@pytest.mark.parametrize("letter", ["x", "é", "👩"])
def test_the_size_is_of_the_canonical_bytes_and_its_bound_is_exact(letter: str) -> None:
    """What is stored is what is measured, not characters: one byte more is refused, with the field and the size."""
    inputs = {"small": 1, "text": letter * 500}
    size = len(dumps(inputs).encode())
    assert inputs == admit(sized(size), inputs).inputs
    message, cure = refusal(BadInput, sized(size - 1), inputs)
    text = len(dumps(letter * 500).encode())
    assert (
        f"inputs of 'sorter' are {size:,} bytes, at most {size - 1:,} are taken; the largest is 'text' with {text:,}"
        == message
    )
    assert "Give less, raise limits.max_input_bytes, or hand over a file name and let a plugin read it." == cure


def test_a_mebibyte_is_taken_and_no_more() -> None:
    """The documented bound holds without any setting."""
    room = (1 << 20) - len(dumps({"k": ""}))
    assert admit(agent(), {"k": "x" * room})
    assert refusal(BadInput, agent(), {"k": "x" * (room + 1)})


def test_defaults_count_for_the_size() -> None:
    """The input of a run is what it is run with."""
    asked = agent(
        input_schema=[{"name": "long", "type": "string", "default": "x" * 2_000}], limits={"max_input_bytes": 1_024}
    )
    message, _ = refusal(BadInput, asked)
    assert "the largest is 'long' with 2,002" in message


@pytest.mark.parametrize(
    "inputs",
    [
        {"k" * 500_000: 1},
        {f"name{n}": n for n in range(30_000)},
        {"file": "x", "limit": "y" * 900_000},
        {"x" * 2_000_000: 1},
    ],
    ids=["long name", "many names", "long value", "too long name"],
)
def test_a_refusal_is_short_however_large_the_input(inputs: Any) -> None:
    """Nobody's terminal is filled with what they got wrong, and saying so takes no time."""
    message, cure = refusal(BadInput, agent(input_schema=FIELDS), inputs)
    assert len(message) < 1_500
    assert len(cure) < 500


def test_of_many_unknown_names_the_first_are_named() -> None:
    """Eight show what is wrong; the others are counted."""
    message, _ = refusal(BadInput, agent(input_schema=FIELDS), {"file": "x"} | {f"n{n:03}": n for n in range(100)})
    assert 8 == message.count(" is unknown")
    assert message.endswith("; 92 more are unknown")


# ---------------------------------------------------------------------------------------------------------------- order


def test_a_refusal_says_that_nothing_was_spent() -> None:
    """Everything admission raises is the caller's fault or policy: a service may answer it without a run."""
    for kind in (AgentNotActive, BadAgent, BadInput, PluginNotConnected, UnknownEngine, UnknownModel):
        assert issubclass(kind, RequestError | Refused)


def test_who_may_not_run_is_told_before_what_is_wrong_with_the_inputs() -> None:
    """An agent that is off is no place to mend inputs."""
    assert refusal(AgentNotActive, agent(status="draft", input_schema=FIELDS), {}, engine="nope")
    assert refusal(UnknownEngine, agent(input_schema=FIELDS), {}, engine="nope")
