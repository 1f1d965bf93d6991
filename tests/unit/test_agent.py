"""The agent definition: what a file may say, in which words it is refused, and what its version covers."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackrecord.agent import Agent, Limits, MemoryPolicy, PayloadPolicy, PluginNeed
from trackrecord.agent.files import MAX_FILE_BYTES, parse
from trackrecord.agent.tables import LIMIT_NAMES, LIMITS
from trackrecord.errors import BadAgent
from trackrecord.tenancy import LOCAL_TENANT


def _file(folder: Path, text: str | bytes, name: str = "agent.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _refused(path: Path) -> list[str]:
    with pytest.raises(BadAgent) as caught:
        Agent.load(path)
    return [str(problem) for problem in caught.value.problems]


def _complaints(mapping: dict[str, Any]) -> list[str]:
    with pytest.raises(BadAgent) as caught:
        Agent.from_mapping(mapping)
    return [str(problem) for problem in caught.value.problems]


_FULL = """\
# everything a file may say
name: ticket-sorter
description: Sorts tickets.
status: draft
system_prompt: |
  Be brief.
prompt: Sort these tickets.
model: scripted:tickets
temperature: 0
plugins_required:
  - demo
  - {name: mail, optional: true}
input_schema:
  - {name: file, type: string, required: true, description: A path}
  - {name: limit, type: integer, default: 10}
output_schema:
  type: object
  properties:
    total: {type: integer, source: steps.count.data.total}
    note: {type: string}
workflow_steps:
  - id: count
    type: action
    plugin: demo
    action: add
    params: {file: "{{ inputs.file }}", on: true}
limits: {run_timeout_s: 60, max_cost_usd: 0.50, max_iterations: 5}
memory: {enabled: true, token_budget: 400}
payloads: {tools: full}
schedule: 0 9 * * mon-fri
timezone: Europe/Berlin
example_inputs: {file: tickets.csv}
"""


# --------------------------------------------------------------------------------------------------------- what is read


def test_a_full_file_is_read(tmp_path: Path) -> None:
    """Every field of the file is on the agent."""
    path = _file(tmp_path, _FULL)
    agent = Agent.load(path)

    assert ("ticket-sorter", "Sorts tickets.", "draft") == (agent.name, agent.description, agent.status)
    assert ("Be brief.\n", "Sort these tickets.") == (agent.system_prompt, agent.prompt)
    assert ("scripted:tickets", 0.0) == (agent.model, agent.temperature)
    assert (PluginNeed(name="demo"), PluginNeed(name="mail", is_optional=True)) == agent.plugins
    assert {
        "type": "object",
        "properties": {
            "file": {"type": "string", "description": "A path"},
            "limit": {"type": "integer", "default": 10},
        },
        "required": ["file"],
        "additionalProperties": False,
    } == agent.input_schema
    assert {
        "type": "object",
        "properties": {"total": {"type": "integer"}, "note": {"type": "string"}},
    } == agent.output_schema
    assert ["total"] == list(agent.output_sources)
    assert 3 == agent.output_sources["total"].render({"steps": {"count": {"data": {"total": 3}}}})
    assert agent.workflow is not None
    assert 1 == agent.workflow.declared.steps
    assert replace(Limits(), run_timeout_s=60.0, max_cost_usd=Decimal("0.5"), max_iterations=5) == agent.limits
    assert {"run_timeout_s", "max_cost_usd", "max_iterations"} == agent.limits_given
    assert MemoryPolicy(is_enabled=True, token_budget=400) == agent.memory
    assert PayloadPolicy(inputs="redacted", outputs="redacted", tools="full") == agent.payloads
    assert ("0 9 * * mon-fri", "Europe/Berlin") == (agent.schedule, agent.timezone)
    assert {"file": "tickets.csv"} == agent.example_inputs
    assert str(path) == agent.path


def test_a_name_is_all_an_agent_needs() -> None:
    """What is left out has the documented default."""
    agent = Agent.from_mapping({"name": "a"})

    assert ("active", "", "", None, 0.1) == (
        agent.status,
        agent.system_prompt,
        agent.prompt,
        agent.model,
        agent.temperature,
    )
    assert ((), None, None, {}, None) == (
        agent.plugins,
        agent.input_schema,
        agent.output_schema,
        agent.output_sources,
        agent.workflow,
    )
    assert (Limits(), MemoryPolicy(), PayloadPolicy()) == (agent.limits, agent.memory, agent.payloads)
    assert (None, "UTC", None, None) == (agent.schedule, agent.timezone, agent.example_inputs, agent.path)


def test_null_means_left_out() -> None:
    """A field without a value says nothing."""
    assert Agent.from_mapping({"name": "a"}).version == Agent.from_mapping({"name": "a", "model": None}).version


def test_yaml_and_json_are_told_apart_by_content(tmp_path: Path) -> None:
    """The same definition in either form is the same version, whatever the file is called."""
    as_yaml = Agent.load(_file(tmp_path, _FULL))
    as_json = Agent.load(_file(tmp_path, as_yaml.definition, "agent.txt"))

    assert as_yaml.version == as_json.version


def test_the_stored_definition_is_the_same_agent() -> None:
    """What is kept of an agent loads as the same version, so that a run can be pinned to it."""
    steps = [
        {"id": "step-1", "type": "ai_processing", "prompt": "x", "executeIf": "1 < 2"},
        {"id": "b", "type": "iteration", "iterateOver": [1], "loopSteps": [{"id": "c", "type": "llm", "prompt": "x"}]},
    ]
    agent = Agent.from_mapping({"agent_name": "a", "user_prompt": "hi", "workflow_steps": steps})
    again = Agent.from_mapping(json.loads(agent.definition))

    assert (agent.version, agent.definition, agent.id) == (again.version, again.definition, again.id)


def test_an_agent_does_not_change_with_the_mapping_it_came_from() -> None:
    """What was checked and hashed stays as it was."""
    definition = deepcopy(_BASE)
    definition["input_schema"] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    agent = Agent.from_mapping(definition)
    definition["input_schema"]["properties"]["n"]["type"] = "string"

    assert {"type": "object", "properties": {"n": {"type": "integer"}}} == agent.input_schema


def test_only_true_and_false_are_booleans() -> None:
    """YAML 1.2: `on`, `no`, dates and times of day are text, `0o10` is eight."""
    source = parse(b"on: no\nb: yes\nc: 2030-01-01\nd: 12:30\ne: 0o10\nf: 010\ng: 1_000\nh: true\ni: ~\nj: 1e3\nk: '1'")

    assert {
        "on": "no",
        "b": "yes",
        "c": "2030-01-01",
        "d": "12:30",
        "e": 8,
        "f": 10,
        "g": "1_000",
        "h": True,
        "i": None,
        "j": 1000.0,
        "k": "1",
    } == source.value


def test_small_aliases_are_read() -> None:
    """An anchor saves typing, as long as it does not blow up."""
    assert {"a": {"x": 1}, "b": {"x": 1}} == parse(b"a: &it {x: 1}\nb: *it").value


def test_json_with_tabs_and_surrogate_pairs_is_read() -> None:
    """JSON is read as JSON, not as the YAML that some of it is."""
    assert {"a": "😀"} == parse(b'{\n\t"a": "\\ud83d\\ude00"\n}').value


def test_a_byte_order_mark_is_no_content() -> None:
    """Files from editors that write one are read."""
    assert {"a": 1} == parse(b"\xef\xbb\xbfa: 1").value


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_every_limit_can_be_set_in_the_file(name: str) -> None:
    """The table of the file and the limits of a run cannot drift apart."""
    agent = Agent.from_mapping({"name": "a", "limits": {name: 7}})

    assert 7 == getattr(agent.limits, name)
    assert {name} == agent.limits_given
    assert set(LIMIT_NAMES) == set(LIMITS)


# ------------------------------------------------------------------------------------------------------------- identity


def test_the_id_comes_from_tenant_and_name() -> None:
    """A file keeps its agent across edits; another tenant's agent of that name is another agent."""
    other = "6b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7eff"

    assert str(uuid5(UUID(LOCAL_TENANT), "a")) == Agent.from_mapping({"name": "a", "prompt": "x"}).id
    assert str(uuid5(UUID(other), "a")) == Agent.from_mapping({"name": "a"}, tenant_id=other).id


def test_an_id_in_the_file_wins() -> None:
    """An agent can be renamed and stay itself."""
    given_id = "0190F3A0-0000-7000-8000-000000000001"

    assert given_id.lower() == Agent.from_mapping({"name": "a", "id": given_id}).id


_BASE: dict[str, Any] = {
    "name": "a",
    "description": "x",
    "prompt": "p",
    "plugins_required": ["demo", {"name": "mail", "optional": True}],
    "input_schema": [{"name": "n", "type": "integer", "default": 3}],
    "output_schema": {"type": "object", "properties": {"t": {"type": "integer", "source": "steps.one.data"}}},
    "workflow_steps": [
        {"id": "one", "type": "action", "plugin": "demo", "action": "add", "params": {"n": "{{ inputs.n }}"}},
        {"id": "two", "type": "conditional", "condition": "1 < 2", "then": [{"id": "t", "type": "agent"}]},
        {"id": "three", "type": "loop", "over": [1], "steps": [{"id": "l", "type": "llm", "prompt": "x"}]},
        {"id": "four", "type": "parallel", "branches": {"x": [{"id": "b", "type": "delay", "duration": 1000}]}},
        {"id": "five", "type": "map", "over": [1], "steps": [{"id": "m", "type": "llm", "prompt": "x"}]},
        {"id": "six", "type": "llm", "prompt": "x", "on_error": {"fallback": {"id": "f", "type": "agent"}}},
    ],
    "limits": {"max_iterations": 4},
    "example_inputs": {"n": 1},
}


def _changed(change: Callable[[dict[str, Any]], object]) -> Agent:
    definition = deepcopy(_BASE)
    change(definition)
    return Agent.from_mapping(definition)


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _step(index: int, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda definition: definition["workflow_steps"][index].update(fields)


def _renamed(index: int, old: str, new: str) -> Callable[[dict[str, Any]], object]:
    def rename(definition: dict[str, Any]) -> None:
        step = definition["workflow_steps"][index]
        step[old] = step.pop(new)

    return rename


_SAME: dict[str, Callable[[dict[str, Any]], object]] = {
    "other description": lambda d: d.update(description="y"),
    "no description": lambda d: d.pop("description"),
    "other examples": lambda d: d.update(example_inputs={"n": 2}),
    "default status": lambda d: d.update(status="active"),
    "default temperature": lambda d: d.update(temperature=0.1),
    "default timezone": lambda d: d.update(timezone="UTC"),
    "default memory": lambda d: d.update(memory={"enabled": True, "token_budget": 800}),
    "memory: true": lambda d: d.update(memory=True),
    "memory by rule": lambda d: d.update(memory={"remember": False, "summary_model": None}),
    "default payloads": lambda d: d.update(payloads={"inputs": "redacted", "tools": "none"}),
    "empty payloads": lambda d: d.update(payloads={}),
    "default limit": lambda d: d["limits"].update(loop_limit=3, max_tokens_per_run=200_000),
    "null model": lambda d: d.update(model=None),
    "the id it has": lambda d: d.update(id=Agent.from_mapping({"name": "a"}).id),
    "plugin spelled out": lambda d: d["plugins_required"].__setitem__(0, {"name": "demo", "optional": False}),
    "input not required": lambda d: d["input_schema"][0].update(required=False),
    "input as JSON Schema": lambda d: d.update(
        input_schema={
            "type": "object",
            "properties": {"n": {"default": 3, "type": "integer"}},
            "additionalProperties": False,
        }
    ),
    "older plugin field": lambda d: d.update(plugins=d.pop("plugins_required")),
    "older prompt field": lambda d: d.update(user_prompt=d.pop("prompt")),
    "step name is its id": _step(0, name="one"),
    "step described": _step(0, description="adds"),
    "empty depends_on": _step(0, depends_on=[]),
    "on_error: fail": _step(0, on_error="fail"),
    "default retry of an action": _step(0, retry={"max_attempts": 3, "multiplier": 2, "jitter": True, "on": []}),
    "older type": _step(0, type="plugin_action"),
    "continueOnError: false": _step(0, continueOnError=False),
    "empty else": _step(1, **{"else": []}),
    "older branch": _step(1, type="branch"),
    "older then": _renamed(1, "then_steps", "then"),
    "default loop": _step(2, max_iterations=1_000, concurrency=1, **{"as": "item"}),
    "older loop": _renamed(2, "loopSteps", "steps"),
    "older over": _renamed(2, "iterateOver", "over"),
    "default join": _step(3, join="all"),
    "duration with a unit": lambda d: d["workflow_steps"][3]["branches"]["x"][0].update(duration="1s"),
    "default map": _step(4, collect="list", on_item_error="fail"),
    "older llm in a fallback": lambda d: d["workflow_steps"][5].update(type="ai_processing"),
}
_OTHER: dict[str, Callable[[dict[str, Any]], object]] = {
    "name": lambda d: d.update(name="b"),
    "status": lambda d: d.update(status="draft"),
    "prompt": lambda d: d.update(prompt="q"),
    "system prompt": lambda d: d.update(system_prompt="s"),
    "model": lambda d: d.update(model="m:n"),
    "temperature": lambda d: d.update(temperature=0.2),
    "plugin optional": lambda d: d["plugins_required"].__setitem__(0, {"name": "demo", "optional": True}),
    "plugin order": lambda d: d["plugins_required"].reverse(),
    "input default": lambda d: d["input_schema"][0].update(default=4),
    "input required": lambda d: d["input_schema"][0].update(required=True),
    "output field": lambda d: d["output_schema"]["properties"]["t"].update(type="number"),
    "output source": lambda d: d["output_schema"]["properties"]["t"].update(source="steps.one.data.x"),
    "limit": lambda d: d["limits"].update(max_iterations=5),
    "cost": lambda d: d["limits"].update(max_cost_usd=1),
    "memory": lambda d: d.update(memory=False),
    "remember": lambda d: d.update(memory={"remember": True}),
    "summary model": lambda d: d.update(memory={"summary_model": "m:m"}),
    "payloads": lambda d: d.update(payloads={"tools": "full"}),
    "schedule": lambda d: d.update(schedule="0 9 * * *"),
    "timezone": lambda d: d.update(timezone="Europe/Berlin"),
    "id": lambda d: d.update(id="0190f3a0-0000-7000-8000-000000000001"),
    "params": _step(0, params={"n": "{{ inputs.n + 1 }}"}),
    "effect": _step(0, effect="read"),
    "retry": _step(0, retry={"max_attempts": 4}),
    "retry of a container": _step(1, retry={}),
    "if": _step(0, **{"if": "1 < 2"}),
    "timeout": _step(0, timeout_ms=100),
    "tolerated": _step(0, on_error="continue"),
    "output": _step(0, output="o"),
    "step name": _step(0, name="First"),
    "condition": _step(1, condition="2 < 1"),
    "loop concurrency": _step(2, concurrency=2),
    "loop as": _step(2, **{"as": "row"}),
    "collect": _step(4, collect="flatten"),
    "fallback": lambda d: d["workflow_steps"][5]["on_error"]["fallback"].update(prompt="y"),
    "a dependency": _step(5, depends_on=["one"]),
    "order of steps": lambda d: d["workflow_steps"].insert(0, d["workflow_steps"].pop()),
    "no steps": lambda d: (d.pop("workflow_steps"), d.pop("output_schema")),
}


@pytest.mark.parametrize("change", _SAME.values(), ids=_SAME)
def test_what_changes_nothing_keeps_the_version(change: Callable[[dict[str, Any]], object]) -> None:
    """Defaults written out, aliases, descriptions and examples are the same version."""
    assert Agent.from_mapping(_BASE).version == _changed(change).version


def test_the_order_of_keys_keeps_the_version() -> None:
    """A definition is the same read from front to back or from back to front."""
    assert Agent.from_mapping(_BASE).version == Agent.from_mapping(_backwards(_BASE)).version


def test_whatever_changes_behaviour_is_another_version() -> None:
    """Each change gives a version of its own, different from all others."""
    versions = {name: _changed(change).version for name, change in _OTHER.items()}

    assert len(_OTHER) == len(set(versions.values()))
    assert Agent.from_mapping(_BASE).version not in versions.values()


def test_one_amount_of_dollars_is_one_version() -> None:
    """Number or text, with or without trailing zeros: the same limit."""
    spellings = (0.5, "0.50", "0.5")

    assert 1 == len({Agent.from_mapping({"name": "a", "limits": {"max_cost_usd": one}}).version for one in spellings})


@settings(max_examples=30)
@given(st.permutations(sorted(_SAME)), st.integers(0, 8))
def test_changes_that_mean_nothing_can_be_combined(names: list[str], count: int) -> None:
    """Any selection of them, in any order, still is the same version."""

    def change(definition: dict[str, Any]) -> None:
        for name in names[:count]:
            try:
                _SAME[name](definition)
            except KeyError:  # another of the changes has renamed what this one changes
                continue

    assert Agent.from_mapping(_BASE).version == _changed(change).version


# --------------------------------------------------------------------------------------- files a first-time user writes


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["the file is empty. Start with `name:` and `prompt:`."]),
        ("# nothing yet\n", ["an agent is a mapping of fields, not nothing. Start with `name: …` at the left margin, without a dash."]),  # noqa: E501
        ("- name: a\n", ["an agent is a mapping of fields, not a list. Start with `name: …` at the left margin, without a dash."]),  # noqa: E501
        ("hello", ["an agent is a mapping of fields, not the text 'hello'. Start with `name: …` at the left margin, without a dash."]),  # noqa: E501
        ("name: a\npromt: Hi\n", ["line 2: promt: an agent has no field 'promt'. Did you mean 'prompt'?"]),
        ("prompt: Hi\n", ["'name' is missing; an agent needs it."]),
        ("name:\nprompt: Hi\n", ["'name' is missing; an agent needs it."]),
        ("name: 123\n", ["line 1: name: must be one line of text, not the number 123. Put it in quotes: '123'."]),
        ("name: a\ntemperature: hot\n", ["line 2: temperature: must be a number, not the text 'hot'."]),
        ("name: a\ntemperature: 7\n", ["line 2: temperature: 7 is too much; the most is 2."]),
        ("name: a\nstatus: live\n", ["line 2: status: 'live' is not possible here. Known: draft, active, archived."]),
        ("name: a\nmemory: {enabled: yes}\n", ["line 2: memory.enabled: must be true or false, not the text 'yes'. Write true."]),  # noqa: E501
        ("name: a\nmax_iterations: 3\n", ["line 2: max_iterations: an agent has no field 'max_iterations'. It belongs under `limits:`: {max_iterations: …}."]),  # noqa: E501
        ("name: a\nsteps: []\n", ["line 2: steps: an agent has no field 'steps'. Did you mean 'workflow_steps'?"]),
        ("name: a\nlimits:\n\tmax_iterations: 3\n", ["line 3: a tab indents this line. Indent with spaces; YAML does not allow tabs."]),  # noqa: E501
        ("name: a\nlimits:\n  max_iterations: 3\n   loop_limit: 2\n", ["line 4: this line is indented differently from its neighbours. Align it with the lines around it."]),  # noqa: E501
        ("name: a\nprompt: Hello: world\n", ["line 2: there is a second `: ` on this line. Put the text after the first one in quotes."]),  # noqa: E501
        ("name a\nprompt: Hi\n", ["line 1: this line has no `:` after its name. Write `name: value`."]),
        ("name: 'a\nprompt: Hi\n", ["line 1: a quote is opened here and never closed. Close it; write '' for a quote inside quotes."]),  # noqa: E501
        ("name: a\nplugins_required: [demo\n", ["line 2: a bracket is opened here and never closed. Close it with ] or }."]),  # noqa: E501
        ("name: @a\n", ["line 1: text cannot start with '@' here. Put the text in quotes."]),
        ("name: a\nworkflow_steps:\n  - id: b\n    type: llm\n    prompt: {{ inputs.x }}\n", ["line 5: text that starts with {{ is not in quotes. Write it in quotes: '{{ … }}'."]),  # noqa: E501
        ("name: a\nname: b\n", ["line 2: name: the key 'name' is given twice. Keep one."]),
        ("name: !!python/object:os.system x\n", ["line 1: name: the tag !!python/object:os.system is not read. Remove it; put text in quotes."]),  # noqa: E501
        ("name: a\n---\nname: b\n", ["line 2: the file holds more than one document. Remove the second `---`."]),
        ("name: *a\n", ["line 1: the alias *a is not defined above. Write the value out."]),
        ("name: a\nlimits: &l {x: *l}\n", ["line 2: the alias *l contains itself. Write the value out."]),
        (b"name: \xff\n", ["line 1: the file is not UTF-8 text. Save it with the encoding UTF-8."]),
        (b"name: a\nprompt: b\x00c\n", ["line 2: the file holds the control character U+0000. Remove it."]),
        ('{"name": "a",\n "promt": "x"}', ["line 2: promt: an agent has no field 'promt'. Did you mean 'prompt'?"]),
        ('{"name": "a",\n "prompt" "x"}', ["line 2: not JSON: expecting ':' delimiter."]),
        ('{"name": "a",\n\t"name": "b"}', ["line 2: name: the key 'name' is given twice. Keep one."]),
        ("name: a\ninput_schema:\n  order: string\n", ["line 2: input_schema: is neither a list of fields nor a JSON Schema, but a mapping of order. Write a list: - {name: order_id, type: string, required: true}."]),  # noqa: E501
        ("name: a\ninput_schema:\n  - order\n", ["line 3: input_schema[0]: an input must be a mapping, not the text 'order'. Write {name: order, type: string}."]),  # noqa: E501
        ("name: a\ninput_schema:\n  - {name: n, type: int}\n", ["line 3: input_schema[0].type: 'int' is no type. Did you mean 'integer'?"]),  # noqa: E501
        ("name: a\noutput_schema: {type: object, propertes: {}}\n", ["line 2: output_schema.propertes: JSON Schema has no keyword 'propertes'. Did you mean 'properties'?"]),  # noqa: E501
        ("name: a\noutput_schema:\n  type: object\n  properties:\n    n: {source: steps.x.data}\n", ["line 5: output_schema.properties.n.source: there is no step 'x'. The agent has no workflow_steps."]),  # noqa: E501
        ("name: a\nschedule: 9 * * *\n", ["line 2: schedule: '9 * * *' has 4 fields; a schedule has 5. Write minute, hour, day of month, month, day of week, like '0 9 * * 1-5'."]),  # noqa: E501
        ("name: a\nschedule: 0 25 * * *\n", ["line 2: schedule: '25' is no hour. Write 0 to 23, *, a range like 0-23, or a step like */5."]),  # noqa: E501
        ("name: a\ntimezone: Europe/Berln\n", ["line 2: timezone: there is no time zone 'Europe/Berln'. Did you mean 'Europe/Berlin'?"]),  # noqa: E501
        ("name: a\nid: 12\n", ["line 2: id: must be text, not the number 12. Put it in quotes: '12'."]),
        ("name: a\nid: me\n", ["line 2: id: 'me' is no UUID. Remove it to have one made from the name, or write 36 characters."]),  # noqa: E501
        ("name: a\nlimits: {max_cost_usd: much}\n", ["line 2: limits.max_cost_usd: the text 'much' is no amount of dollars. Write one like 0.50."]),  # noqa: E501
        ("name: a\nplugins_required: demo\n", ["line 2: plugins_required: must be a list, not the text 'demo'. Write [demo]."]),  # noqa: E501
    ],
)  # fmt: skip
def test_a_broken_file_is_answered_in_words_to_act_on(tmp_path: Path, text: str | bytes, problems: list[str]) -> None:
    """Each common mistake is named by line and place, with what to write instead."""
    assert problems == _refused(_file(tmp_path, text))


def test_all_problems_of_a_file_are_reported_in_its_order(tmp_path: Path) -> None:
    """The message is one line, each problem another, sorted by line."""
    text = """\
name: a
temprature: 1
workflow_steps:
  - id: fetch
    type: action
    plugin: demo
    action: get
  - id: tell
    type: llm
    prompt: "{{ steps.fecth.data }}"
    depends_on: [fech]
limits:
  max_iteration: 3
"""
    with pytest.raises(BadAgent) as caught:
        Agent.load(_file(tmp_path, text))

    assert "agent.yaml: 5 problems" == str(caught.value)
    assert [
        "line 2: temprature: an agent has no field 'temprature'. Did you mean 'temperature'?",
        "line 6: workflow_steps[0].plugin: the plugin 'demo' is not in plugins_required."
        " Add: plugins_required: [demo].",
        "line 10: workflow_steps[1].prompt: there is no step 'fecth'. Did you mean 'fetch'?",
        "line 11: workflow_steps[1].depends_on[0]: there is no step 'fech'. Did you mean 'fetch'?",
        "line 13: limits.max_iteration: limits has no field 'max_iteration'. Did you mean 'max_iterations'?",
    ] == [str(problem) for problem in caught.value.problems]
    assert [str(problem) for problem in caught.value.problems] == caught.value.__notes__


def test_one_problem_is_one_problem(tmp_path: Path) -> None:
    """The count is written as people say it."""
    with pytest.raises(BadAgent) as caught:
        Agent.load(_file(tmp_path, "prompt: x"))

    assert "agent.yaml: 1 problem" == str(caught.value)


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    """A slip in a file name is answered with the file that was probably meant."""
    _file(tmp_path, "name: a", "tickets.yaml")
    wanted = tmp_path / "ticket.yaml"

    assert [f"there is no agent file {str(wanted)!r}. Did you mean {str(tmp_path / 'tickets.yaml')!r}?"] == _refused(
        wanted
    )
    assert [
        f"there is no agent file {str(tmp_path / 'tickets')!r}. Did you mean {str(tmp_path / 'tickets.yaml')!r}?"
    ] == _refused(tmp_path / "tickets")
    assert [
        f"there is no agent file {str(tmp_path / 'no' / 'a.yaml')!r}. There is no folder {str(tmp_path / 'no')!r}."
    ] == _refused(tmp_path / "no" / "a.yaml")


def test_a_folder_is_no_agent(tmp_path: Path) -> None:
    """A path to a folder is answered, not dumped as a traceback."""
    assert [f"{str(tmp_path)!r} is a folder. Name the agent's file in it."] == _refused(tmp_path)
    _file(tmp_path, "replies: [x]", "a.script.yaml")
    _file(tmp_path, "name: a", "tickets.yaml")
    like = str(tmp_path / "tickets.yaml")
    assert [f"{str(tmp_path)!r} is a folder. Name the agent's file in it, like {like!r}."] == _refused(tmp_path)


def test_a_field_that_is_not_indented_is_told_to_be(tmp_path: Path) -> None:
    """Below an empty field, one that is unknown or two; a misspelt one is still told by its neighbour."""
    path = _file(tmp_path, "name: a\nlimits:\nmax: 5\nmore: 6\nexample_inputs:\npromt: x\n")

    assert [
        "line 3: max: an agent has no field 'max'. Indent it if it belongs under `limits:`, which is empty.",
        "line 4: more: an agent has no field 'more'. Indent it if it belongs under `limits:`, which is empty.",
        "line 6: promt: an agent has no field 'promt'. Did you mean 'prompt'?",
    ] == _refused(path)


def test_a_script_is_no_agent(tmp_path: Path) -> None:
    """Whoever names the file of the model's answers is told which one is wanted."""
    problems = _refused(_file(tmp_path, "replies: [x]\n"))

    assert any("That is a script: name the agent's file" in problem for problem in problems)


def test_a_file_beyond_4_mib_is_refused_unread(tmp_path: Path) -> None:
    """The size is checked before anything is parsed."""
    path = _file(tmp_path, b"#" * (MAX_FILE_BYTES + 1))

    assert ["the file is 4,194,305 bytes; 4,194,304 is the most. Move long texts elsewhere."] == _refused(path)


def test_a_json_file_is_held_to_json(tmp_path: Path) -> None:
    """A name that ends in .json promises JSON; the comma is found."""
    path = _file(tmp_path, '{"name": "a",\n "prompt": "x",\n}', "agent.json")

    (problem,) = _refused(path)
    assert problem.startswith("line 3: not JSON:")
    assert problem.endswith("Remove the comma before the closing brace.")


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b"- " * 500_000,
        b'{"a":' * 150_000,
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (97 + n, 97 + n, b",".join([b"*%c" % (96 + n)] * 10)) for n in range(1, 9)),
    ],
    ids=["brackets", "dashes", "braces", "aliases"],
)
def test_bombs_are_refused(tmp_path: Path, data: bytes) -> None:
    """Depth and expansion are bounded while parsing, not after."""
    (problem,) = _refused(_file(tmp_path, data))

    assert any(word in problem for word in ("nested", "more than 250,000 values"))


def test_a_hopeless_file_is_not_listed_without_end(tmp_path: Path) -> None:
    """Beyond 200 problems the rest is left unsaid, and the message says so."""
    with pytest.raises(BadAgent) as caught:
        Agent.load(_file(tmp_path, "".join(f"field_{number}: 1\n" for number in range(2_000))))

    assert "agent.yaml: at least 200 problems" == str(caught.value)


# ------------------------------------------------------------------------------------------------ definitions in memory


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"name": "a\nb"}, "name: holds the control character U+000A. Keep it to one line of plain text."),
        ({"name": "  "}, "name: must not be blank."),
        ({"name": "x" * 201}, "name: 201 characters is too much; the most is 200 characters."),
        (
            {"name": "a", "prompt": {1, 2}},
            "the definition holds something that is no plain JSON value."
            " Use text, numbers, true, false, null, lists and mappings, at most 64 deep.",
        ),
        (
            {"name": "a", "example_inputs": {"x": float("nan")}},
            "the definition holds something that is no plain JSON value."
            " Use text, numbers, true, false, null, lists and mappings, at most 64 deep.",
        ),
        (
            {"name": "a", "plugins": ["x"], "plugins_required": ["x"]},
            "plugins: 'plugins' is another name of 'plugins_required', which is given too. Keep one.",
        ),
        (
            {"name": "a", "plugins_required": ["x", "x"]},
            "plugins_required[1]: the plugin 'x' is named twice. Keep one.",
        ),
        (
            {"name": "a", "plugins_required": ["a__b"]},
            "plugins_required[0]: 'a__b' holds a double underscore, which separates plugin and action.",
        ),
        (
            {"name": "a", "input_schema": [{"name": "n", "type": "integer", "default": "x"}]},
            'input_schema: the default of \'n\' does not fit its own schema: "x" is not of type "integer".',
        ),
        (
            {"name": "a", "input_schema": {"type": "array"}},
            "input_schema.type: inputs are always an object. Write `type: object`.",
        ),
        (
            {"name": "a", "input_schema": [{"name": "n", "required": True}], "example_inputs": {}},
            'example_inputs: does not fit input_schema: "n" is a required property.',
        ),
    ],
)
def test_a_broken_definition_is_refused(definition: dict[str, Any], problem: str) -> None:
    """What a file cannot even say is refused in the same words."""
    assert [problem] == _complaints(definition)


def test_inputs_of_a_schema_that_allows_others_are_not_checked() -> None:
    """Only a schema that forbids other inputs makes an unknown one an error."""
    steps = [{"id": "a", "type": "llm", "prompt": "{{ inputs.other }}"}]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}

    assert Agent.from_mapping({"name": "a", "input_schema": schema, "workflow_steps": steps}).workflow is not None
    assert ["workflow_steps[0].prompt: there is no input 'other'. Known: n."] == _complaints(
        {"name": "a", "input_schema": {**schema, "additionalProperties": False}, "workflow_steps": steps}
    )


def test_an_output_may_come_from_any_step_that_has_ended() -> None:
    """A source sees the steps of the workflow, not those inside its bodies."""
    steps = [
        {"id": "l", "type": "loop", "over": [1], "steps": [{"id": "b", "type": "llm", "prompt": "x"}]},
        {"id": "c", "type": "llm", "prompt": "x", "output": "total"},
    ]
    good = {"type": "object", "properties": {"n": {"source": "{{ vars.total }} of {{ steps.l.data }}"}}}
    bad = {"type": "object", "properties": {"n": {"source": "steps.b.data"}}}

    agent = Agent.from_mapping({"name": "a", "workflow_steps": steps, "output_schema": good})
    assert {"n"} == set(agent.output_sources)
    (problem,) = _complaints({"name": "a", "workflow_steps": steps, "output_schema": bad})
    assert "output_schema.properties.n.source: steps.b is inside 'l' and cannot be seen from here." in problem


def test_outputs_may_be_listed_like_inputs() -> None:
    """The short list serves both, with a source beside each field."""
    agent = Agent.from_mapping(
        {
            "name": "a",
            "workflow_steps": [{"id": "s", "type": "llm", "prompt": "x"}],
            "output_schema": [{"name": "n", "type": "string", "required": True, "source": "steps.s.data"}],
        }
    )

    assert {
        "type": "object",
        "properties": {"n": {"type": "string"}},
        "required": ["n"],
        "additionalProperties": False,
    } == agent.output_schema
    assert {"n"} == set(agent.output_sources)


def test_relative_paths_start_at_the_base() -> None:
    """A definition in memory says where its files are, if anywhere."""
    assert "folder" == Agent.from_mapping({"name": "a"}, base=Path("folder")).path


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)
_fields = st.sampled_from(
    "name prompt plugins_required input_schema output_schema workflow_steps limits memory payloads schedule timezone"
    " example_inputs id status temperature model".split()
)


@given(st.dictionaries(_fields, _values, max_size=8))
def test_whatever_a_definition_holds_it_is_read_or_refused(definition: dict[str, Any]) -> None:
    """Nothing but an agent or BadAgent comes out, each problem on one line."""
    try:
        agent = Agent.from_mapping(definition)
    except BadAgent as error:
        lines = [str(problem) for problem in error.problems]
    else:
        lines = [agent.name]

    assert lines
    assert all("\n" not in line for line in lines)


@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`,? \n\t0\\", max_size=40).map(str.encode) | st.binary(max_size=40))
def test_whatever_a_file_holds_it_is_read_or_refused(data: bytes) -> None:
    """No bytes make the reader raise or give no answer."""
    source = parse(data)

    assert all(problem.message and "\n" not in str(problem) for problem in source.problems)


@pytest.mark.parametrize(
    ("memory", "default", "expected"),
    [
        (True, None, None),
        (True, "m:sums", "m:sums"),
        ({"summary_model": "m:own"}, "m:sums", "m:own"),
        ({"summary_model": "rule"}, "m:sums", None),
        (True, "rule", None),
        ({"enabled": False, "summary_model": "m:own"}, "m:sums", None),
        (False, "m:sums", None),
    ],
)
def test_whose_summary_model_sums_up(memory: Any, default: str | None, expected: str | None) -> None:
    """The agent's own, else the installation's; none by `rule`, and none without memory."""
    agent = Agent.from_mapping({"name": "a", "memory": memory})
    assert expected == agent.memory.summary_model_or(default)
