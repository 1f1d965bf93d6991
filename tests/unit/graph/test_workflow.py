"""The drawing of a workflow: every type of step, what it contains, and what waits for what."""

from __future__ import annotations

from typing import Any, get_args

from trackrecord import Agent
from trackrecord.cli.graph.drawing import of_agent
from trackrecord.cli.graph.node import Arm, Node, walk
from trackrecord.cli.graph.svg import svg
from trackrecord.workflow.steps import StepType

WAIT = {"type": "action", "plugin": "demo", "action": "wait"}
EVERY: list[dict[str, Any]] = [
    {"id": "call", **WAIT, "retry": {"max_attempts": 3}, "timeout_ms": 1_500, "on_error": "continue"},
    {"id": "ask", "type": "llm", "prompt": "Which?", "labels": ["a", "b"], "model": "scripted:x", "if": "inputs.x > 3"},
    {"id": "talk", "type": "agent", "plugins": ["demo"], "on_error": {"fallback": {"id": "instead", **WAIT}}},
    {
        "id": "decide",
        "type": "conditional",
        "condition": "steps.ask.data == 'a'",
        "then": [{"id": "yes", **WAIT}],
        "else": [{"id": "no", **WAIT}, {"id": "never", **WAIT}],
    },
    {"id": "again", "type": "loop", "while": "index < 3", "max_iterations": 7, "steps": [{"id": "tick", **WAIT}]},
    {
        "id": "each",
        "type": "map",
        "over": "{{ inputs.rows }}",
        "as": "row",
        "max_concurrency": 4,
        "on_item_error": "collect",
        "steps": [{"id": "one", **WAIT}],
    },
    {"id": "both", "type": "parallel", "branches": {"left": [{"id": "l", **WAIT}], "right": [{"id": "r", **WAIT}]}},
    {"id": "shape", "type": "transform", "operation": "select", "input": "{{ inputs.rows }}", "fields": ["a"]},
    {"id": "pause", "type": "delay", "duration": "2s"},
    {
        "id": "sort",
        "type": "switch",
        "value": "{{ steps.ask.data }}",
        "cases": {"a": [{"id": "is_a", **WAIT}], "b": [{"id": "is_b", **WAIT}]},
        "default": [{"id": "is_none", **WAIT}],
    },
    {
        "id": "fits",
        "type": "validate",
        "value": "{{ inputs.rows }}",
        "schema": {"type": "array"},
        "rules": [{"condition": "len(value) > 1"}],
        "on_failure": "skip",
    },
    {"id": "same", "type": "compare", "operation": "diff", "left": "{{ inputs.rows }}", "right": "{{ inputs.x }}"},
    {
        "id": "ok",
        "type": "approval",
        "message": "Send it?",
        "approvers": ["ada", "bob"],
        "needs": "all",
        "timeout": "2h",
        "on_timeout": "approve",
    },
    {"id": "inline", "type": "sub_workflow", "inputs": {}, "steps": [{"id": "in_it", **WAIT}]},
    {"id": "other", "type": "sub_workflow", "agent": "letter-writer", "inputs": {}},
]


def drawn(steps: list[dict[str, Any]]) -> Arm:
    agent = {"name": "a", "prompt": "p", "model": "scripted:x", "plugins_required": ["demo"], "workflow_steps": steps}
    return of_agent(Agent.from_mapping(agent)).body


def by_key(arm: Arm) -> dict[str, Node]:
    return {node.key: node for node in walk(arm)}


def arms_of(node: Node) -> dict[str, list[str]]:
    return {arm.label: [inner.key for inner in arm.nodes] for arm in node.arms}


def test_every_type_of_step_is_drawn() -> None:
    """None of the types is forgotten here, and each says which it is."""
    nodes = by_key(drawn(EVERY))

    assert set(get_args(StepType)) == {step["type"] for step in EVERY}
    assert [] == [step["id"] for step in EVERY if not nodes[step["id"]].kind.startswith(step["type"])]


def test_what_steps_say() -> None:
    """Condition, patience, what is called, what is waited for."""
    nodes = by_key(drawn(EVERY))

    assert ("action demo.wait", ("up to 3 tries · at most 1.5 s · may fail",)) == (
        nodes["call"].kind,
        nodes["call"].remarks,
    )
    assert ("llm scripted:x", ("only if inputs.x > 3", "answers a or b"), True) == (
        nodes["ask"].kind,
        nodes["ask"].remarks,
        nodes["ask"].is_conditional,
    )
    assert ("uses demo",) == nodes["talk"].remarks
    assert ("question", ("steps.ask.data == 'a'?",)) == (nodes["decide"].shape, nodes["decide"].remarks)
    assert ("while index < 3", "at most 7 iterations") == nodes["again"].remarks
    assert ("for each row of inputs.rows", "4 at once · errors kept beside the results") == nodes["each"].remarks
    assert ("clock", ("waits 2.0 s",)) == (nodes["pause"].shape, nodes["pause"].remarks)


def test_what_waits_for_people_and_other_runs_says() -> None:
    """Who is asked, and for how long; which agent is run."""
    nodes = by_key(drawn(EVERY))

    assert ("person", ("Send it?", "all of ada, bob", "approved after 2 h 00 min without an answer")) == (
        nodes["ok"].shape,
        nodes["ok"].remarks,
    )
    assert ("child", "sub_workflow letter-writer", ("a run of its own · its current version",)) == (
        nodes["other"].shape,
        nodes["other"].kind,
        nodes["other"].remarks,
    )
    assert ("inputs.rows", "a schema and 1 rule · skips what follows if it does not fit") == nodes["fits"].remarks
    assert ("compare diff", ("inputs.rows and inputs.x",)) == (nodes["same"].kind, nodes["same"].remarks)


def test_what_steps_contain() -> None:
    """Each list of inner steps is an arm with its name; a fallback is a detour."""
    nodes = by_key(drawn(EVERY))

    assert {"then": ["yes"], "else": ["no", "never"]} == arms_of(nodes["decide"])
    assert {"each time": ["tick"]} == arms_of(nodes["again"])
    assert {"each item": ["one"]} == arms_of(nodes["each"])
    assert {"left": ["l"], "right": ["r"]} == arms_of(nodes["both"])
    assert {"case a": ["is_a"], "case b": ["is_b"], "otherwise": ["is_none"]} == arms_of(nodes["sort"])
    assert {"in this run": ["in_it"]} == arms_of(nodes["inline"])
    assert {"if it fails": ["instead"]} == arms_of(nodes["talk"])
    assert nodes["talk"].arms[0].is_detour


def test_dependencies_are_edges() -> None:
    """Those that are declared; without any, each step follows the one before."""
    steps: list[dict[str, Any]] = [{"id": "a", **WAIT}, {"id": "b", **WAIT}, {"id": "c", **WAIT}]

    assert ((0, 1), (1, 2)) == drawn(steps).edges
    steps[2]["depends_on"] = ["a"]
    assert ((0, 2),) == drawn(steps).edges


def test_a_name_is_shown_with_its_id() -> None:
    """An id that had to be normalised stands beside what was written."""
    assert "fetch-all (fetch_all)" == by_key(drawn([{"id": "fetch-all", **WAIT}]))["fetch_all"].title


def test_an_agent_without_a_workflow_is_its_loop() -> None:
    """The model, its tools, and how often at most."""
    agent = Agent.from_mapping({"name": "a", "prompt": "p", "model": "scripted:x", "plugins_required": ["demo"]})
    drawing = of_agent(agent)

    assert "no workflow: the tool-calling loop of AgentKit" in drawing.facts[0]
    titles = [node.title for node in walk(drawing.body)]
    assert ["until it answers", "ask the model", "call the tools it asked for", "demo"] == titles


def test_ten_thousand_steps_are_drawn_in_a_moment() -> None:
    """Bounded, and it says so."""
    text = svg(
        of_agent(
            Agent.from_mapping(
                {
                    "name": "a",
                    "workflow_steps": [{"id": f"s{n}", **WAIT} for n in range(10_000)],
                    "plugins_required": ["demo"],
                }
            )
        )
    )

    assert "of 10,000 parts are drawn" in text
    assert len(text) < 400_000
