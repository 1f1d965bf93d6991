"""`trackrecord graph`: agents and runs drawn, from the command line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest
from tests.cli.conftest import Type

from trackrecord import Agent
from trackrecord.canonical import dumps, loads
from trackrecord.cli.graph.drawing import of_run
from trackrecord.cli.graph.mermaid import mermaid
from trackrecord.cli.graph.reading import Traced, read_traced
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader

STEPS = """\
name: steps
plugins_required: [demo]
workflow_steps:
  - id: rounds
    type: loop
    over: "{{ [1, 2, 3, 4] }}"
    as: n
    steps:
      - id: settle
        type: action
        plugin: demo
        action: enrich_company
        params: {domain: "{{ 'gone.example' if n == 3 else 'brightmill.example' }}"}
        on_error: continue
  - id: either
    type: conditional
    condition: len(steps.rounds.data) > 3
    then: [{id: large, type: action, plugin: demo, action: list_leads}]
    else: [{id: small, type: action, plugin: demo, action: list_leads}]
  - {id: never, type: action, plugin: demo, action: list_leads, if: 'false'}
"""
FAILS = """\
name: fails-early
plugins_required: [demo]
workflow_steps:
  - {id: first, type: action, plugin: demo, action: enrich_company, params: {domain: gone.example}}
  - {id: second, type: action, plugin: demo, action: list_leads}
"""


@pytest.fixture
def steps(desk: Path) -> Path:
    """An agent with a workflow, in the folder one works in."""
    (desk / "steps.yaml").write_text(STEPS)
    (desk / "early.yaml").write_text(FAILS)
    return desk


def boxes(text: str) -> dict[str, str]:
    """What stands in each box of a flowchart, by its first line."""
    found = re.findall(r'^ *n\d+h?[^ ]*?"(.*?)"', text, re.MULTILINE)
    return {label.partition("<br/>")[0]: label for label in found}


def test_a_workflow_as_mermaid(typed: Type, steps: Path) -> None:
    """It is what comes without being asked for anything else, and nothing is run or made."""
    said = typed("graph", "steps.yaml")

    assert (0, "") == (said.code, said.err)
    assert said.out.startswith("flowchart TD\n")
    assert ["rounds", "settle", "either", "large", "small", "never"] == list(boxes(said.out))
    assert not (steps / "data").exists()


@pytest.mark.parametrize(
    "words",
    [("--svg", "-o", "drawn"), ("--format", "svg", "-o", "drawn"), ("-o", "drawn.svg"), ("--output", "drawn.SVG")],
)
def test_a_workflow_as_svg(typed: Type, steps: Path, words: tuple[str, ...]) -> None:
    """By either option, or by the ending of the file; a file that is there is written anew, as `show --html` does."""
    file = steps / words[-1]
    file.write_text("old")
    said = typed("graph", "steps.yaml", *words)

    assert (0, "") == (said.code, said.out)
    assert said.err.startswith(f"output: {file}")
    assert ElementTree.parse(file).getroot().tag.endswith("svg")


def test_svg_to_standard_output(typed: Type, steps: Path) -> None:
    """The whole file, and nothing but it."""
    del steps
    for words in (("--svg",), ("--svg", "-o", "-")):
        said = typed("graph", "steps.yaml", *words)
        assert "" == said.err
        assert ElementTree.fromstring(said.out).tag.endswith("svg")


def test_how_a_run_went(typed: Type, steps: Path) -> None:
    """Each step once: how often it ended how, its times, which arm was taken, what was skipped."""
    del steps
    typed("run", "steps.yaml")
    said = typed("graph", "last")
    told = boxes(said.out)

    assert 0 == said.code
    assert "✓ completed" in told["rounds"]
    assert "4 iterations" in told["rounds"]
    assert "#126; 4 times#58; 3 completed<br/>1 failed, tolerated" in told["settle"]
    assert "tool_failed" in told["settle"]
    assert "✓ completed" in told["large"]
    assert "not reached" in told["small"]
    assert 'else, not taken"' in said.out
    assert "- skipped" in told["never"].replace("#45;", "-")


def test_a_run_by_the_beginning_of_its_id(typed: Type, steps: Path) -> None:
    """As `show` takes it; without any it is the last one."""
    del steps
    typed("run", "steps.yaml")
    run = str(orjson.loads(typed("runs", "--json").out)[0]["id"])

    whole = typed("graph", run)
    assert f"run {run}" in whole.out
    assert whole == typed("graph", run[:13]) == typed("graph")


def test_a_run_that_failed(typed: Type, steps: Path) -> None:
    """What failed and why, where, and what was never reached."""
    del steps
    assert 1 == typed("run", "early.yaml").code
    text = typed("graph", "last").out
    told = boxes(text)

    assert "✗ failed" in told["first"]
    assert "not reached" in told["second"]
    assert "cause: tool_failed at s:first" in text


WAITS = """\
name: waits
plugins_required: [demo]
workflow_steps:
  - {id: first, type: action, plugin: demo, action: list_leads}
  - id: both
    type: parallel
    branches:
      left: [{id: ok, type: approval, message: "Send it?"}]
      right: [{id: other, type: action, plugin: demo, action: list_leads}]
  - {id: second, type: action, plugin: demo, action: list_leads}
"""


def test_a_run_that_waits(typed: Type, steps: Path) -> None:
    """What it waits for, what contains that, and what has not been reached for it."""
    (steps / "waits.yaml").write_text(WAITS)
    typed("run", "early.yaml")
    with SqliteReader(steps / "data/trackrecord/runs.db") as reader:
        traced = read_traced(reader, "last")
    # as the run of an approval leaves it while nobody has answered
    execution = {
        **traced.execution,
        "runs_workflow": 1,
        "status": "waiting",
        "completed_at": None,
        "error_code": None,
        "error_path": None,
    }
    done = next(span for span in traced.spans if span.path == "s:first")
    spans = tuple(replace(done, path=path, status="ok") for path in ("s:first", "s:both/b:right/s:other"))
    agent = Agent.load(steps / "waits.yaml")
    run = Traced(
        execution=execution,
        definition=loads(agent.definition),  # type: ignore[arg-type]  # an object
        spans=spans,
        pending=("s:both/b:left/s:ok/wait",),
    )
    told = boxes(mermaid(of_run(run)))

    expected = {"first": "✓", "both": "‖", "ok": "‖", "other": "✓", "second": "·"}
    assert expected == {
        key: re.findall("[✓‖·] (?=completed|waiting|not reached)", told[key])[0].strip() for key in expected
    }
    assert told["ok"].endswith("‖ waiting")


def test_what_has_begun_is_read(typed: Type, steps: Path) -> None:
    """A marker of an effect that has no result yet tells where a run is."""
    typed("run", "early.yaml")
    file = steps / "data/trackrecord/runs.db"
    with driver.connect(file) as connection:
        connection.execute(
            "INSERT INTO run_checkpoints (tenant_id, run_id, path, attempt, state, kind, effect, request_hash, subject,"
            " epoch, start_us) SELECT tenant_id, id, 's:second/wait', 1, 'started', 'wait', 'read', '', '', 1, 0"
            " FROM agent_executions"
        )
    connection.close()
    with SqliteReader(file) as reader:
        assert ("s:second/wait",) == read_traced(reader, "last").pending


CHOICES = """\
name: choices
plugins_required: [demo]
workflow_steps:
  - {id: count, type: transform, operation: set, value: 2}
  - id: sort
    type: switch
    value: "{{ steps.count.data }}"
    cases:
      "1": [{id: one, type: action, plugin: demo, action: list_leads}]
      "2": [{id: two, type: action, plugin: demo, action: list_leads}]
    default: [{id: many, type: action, plugin: demo, action: list_leads}]
  - id: race
    type: parallel
    join: any
    branches:
      fast: [{id: hare, type: action, plugin: demo, action: list_leads}]
      slow: [{id: snail, type: action, plugin: demo, action: wait, params: {milliseconds: 5000}}]
  - id: inline
    type: sub_workflow
    inputs: {}
    steps: [{id: inner, type: compare, operation: equals, left: "{{ 1 }}", right: "{{ 1 }}"}]
"""


def test_a_run_that_chose(typed: Type, steps: Path) -> None:
    """The case that was taken, the branch that lost, the steps of a workflow inside this one."""
    (steps / "choices.yaml").write_text(CHOICES)
    assert 0 == typed("run", "choices.yaml").code
    text = typed("graph").out
    told = boxes(text)

    assert ['"case 1, not taken"', '"case 2"', '"otherwise, not taken"'] == re.findall('"(?:case|other).*?"', text)
    expected = {
        "one": "not reached",
        "two": "completed",
        "hare": "completed",
        "snail": "stopped, another was first",
        "inner": "completed",
    }
    assert [] == [name for name, word in expected.items() if word not in told[name]]


def test_a_run_of_the_loop(typed: Type) -> None:
    """A run that followed no workflow is drawn turn by turn."""
    typed("run", "echo.yaml")
    told = boxes(typed("graph", "last").out)

    assert {"turn 1", "demo.lookup_customer", "turn 2"} <= told.keys()
    assert "1,230 tokens" in told["turn 1"]


def test_a_run_keeps_the_definition_it_followed(typed: Type, steps: Path) -> None:
    """An agent that has changed since is drawn as it was."""
    typed("run", "early.yaml")
    (steps / "early.yaml").write_text(FAILS.replace("second", "renamed"))
    typed("run", "early.yaml")
    old, new = (str(one["id"]) for one in reversed(orjson.loads(typed("runs", "--json").out)))

    assert ["first", "second"] == list(boxes(typed("graph", old).out))
    assert ["first", "renamed"] == list(boxes(typed("graph", new).out))


def test_a_definition_that_nobody_can_read_any_more(typed: Type, steps: Path) -> None:
    """The run is drawn from what it left, and the drawing says so."""
    typed("run", "early.yaml", "--db", "sqlite:///old.db")
    connection = driver.connect(steps / "old.db")
    connection.execute("UPDATE agent_versions SET definition = ?", (dumps({"name": "x", "unheard_of": 1}),))
    connection.commit()
    connection.close()
    said = typed("graph", "last", "--db", "sqlite:///old.db")

    assert 0 == said.code
    assert "The definition of this run cannot be read any more" in said.out
    assert "first" in boxes(said.out)


def test_an_agent_without_a_workflow(typed: Type) -> None:
    """It is drawn as the loop it goes through, and that it has none is said."""
    said = typed("graph", "echo.yaml")

    assert 0 == said.code
    assert "no workflow: the tool-calling loop of AgentKit" in said.out
    assert {"until it answers", "ask the model", "demo"} <= boxes(said.out).keys()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("typos.yaml",), "promt"),
        (("nowhere.yaml",), "there is no agent file 'nowhere.yaml'"),
        (("both.script.yaml",), "replies"),
        (("data/x",), "there is no agent file"),
        (("0000-nothing",), "there is no database"),
        (("echo.yaml", "--format", "png"), "there is no format 'png'"),
        (("echo.yaml", "--svg", "--format", "mermaid"), "contradict"),
        (("echo.yaml", "-o", "nowhere/x.svg"), "there is no folder"),
        (("echo.yaml", "-o", "."), "is a folder"),
    ],
)
def test_what_cannot_be_drawn(typed: Type, words: tuple[str, ...], part: str) -> None:
    """It says what is wrong, and writes nothing."""
    said = typed("graph", *words)

    assert (2, "") == (said.code, said.out)
    assert part in said.err


def test_a_run_that_is_not_there(typed: Type, steps: Path) -> None:
    """Too little of an id, and an id of none."""
    del steps
    typed("run", "early.yaml")

    assert "there is no run" in typed("graph", "ffffffff").err
    assert "is too little of a run's id" in typed("graph", "x").err


def test_a_file_that_cannot_be_drawn_leaves_the_old_drawing(typed: Type, steps: Path) -> None:
    """What was there before is still there."""
    (steps / "drawn.svg").write_text("old")
    assert 2 == typed("graph", "typos.yaml", "-o", "drawn.svg").code

    assert "old" == (steps / "drawn.svg").read_text()
