"""`trackrecord run`: answer, summary, record and exit code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Type, Typed

from trackrecord import examples
from trackrecord.store.schema import metadata


def record_of(done: Typed) -> dict[str, Any]:
    return cast("dict[str, Any]", done.json)


def test_the_answer_goes_to_stdout_and_the_rest_to_stderr(typed: Type) -> None:
    """So that the answer can be piped on."""
    done = typed("run", "echo.yaml", "-i", "text=hello")

    assert (0, "It was hello.\n") == (done.code, done.out)
    first, second, third, fourth = done.err.rstrip("\n").split("\n")
    assert first.startswith("✓ completed  echo · AgentKit · ")
    assert "  2 turns · 1 tool call · 2,650 tokens (2,600 in, 50 out) · cost unknown" == second
    assert "  3 credits" == third
    assert fourth.startswith("  trackrecord show 0")


def test_the_whole_record_as_json(typed: Type) -> None:
    """Every column of the run and its log, the spans, the contents, and the answer: the same that `show` gives."""
    done = typed("run", "echo.yaml", "-i", "text=hello", "--json")

    record = record_of(done)
    assert {column.name for column in metadata.tables["agent_executions"].columns} == set(record["run"])
    assert {column.name for column in metadata.tables["agent_logs"].columns} == set(record["log"])
    assert {
        "run",
        "log",
        "input",
        "output",
        "answer",
        "spans",
        "memories",
        "feedback",
        "adjustments",
        "children",
        "inclusive",
        "approvals",
        "credits",
        "reused",
    } == set(record)
    assert "It was hello." == record["answer"]
    assert {"text": "hello"} == record["input"]["value"]
    assert ("completed", 2600, 50, 2) == tuple(
        record["run"][name] for name in ("status", "input_tokens", "output_tokens", "iterations_count")
    )
    assert 1 == done.out.count("\n")
    assert done.out == typed("show", record["run"]["id"], "--json").out


def test_an_answer_that_is_not_kept_is_still_given(typed: Type, desk: Path) -> None:
    """The payload policy is about what is stored, not about what whoever ran it may see."""
    (desk / "both.yaml").write_text((desk / "both.yaml").read_text() + "payloads: {outputs: none}\n")

    record = record_of(typed("run", "both.yaml", "--engine", "agentkit", "--json"))

    assert ("done", None) == (record["answer"], record["output"]["body"])
    assert "Answer  not kept" in typed("show").out


def test_without_inputs_the_example_is_taken(typed: Type) -> None:
    """An agent can be tried at once."""
    assert "It was example.\n" == typed("run", "echo.yaml").out


def test_inputs_reach_the_agent_as_what_they_are(typed: Type) -> None:
    """A number as a number, a list as a list."""
    record = record_of(typed("run", "echo.yaml", "-i", "count=3", "-i", 'tags=["a"]', "-i", "loud=yes", "--json"))

    assert {"count": 3, "loud": True, "tags": ["a"], "text": "nothing"} == record["input"]["value"]


@pytest.mark.parametrize(("engine", "title"), [("agentkit", "AgentKit"), ("orchestrator", "Orchestrator")])
def test_the_engine_is_the_one_that_was_asked_for(engine: str, title: str, typed: Type) -> None:
    """And leaves a record under its name."""
    record = record_of(typed("run", "both.yaml", "--engine", engine, "--json"))

    assert (engine, f"✅ {title} execution completed successfully") == (
        record["run"]["engine"],
        record["log"]["status"],
    )


def test_model_and_prompt_can_be_replaced(typed: Type) -> None:
    """For this run alone."""
    record = record_of(typed("run", "both.yaml", "--model", "scripted:echo.script.yaml", "--prompt", "Hm.", "--json"))

    assert "echo.script.yaml" == record["run"]["model"]


def test_a_failed_run_is_exit_1_and_recorded(typed: Type) -> None:
    """Nothing on stdout, the cause and where it happened on stderr."""
    done = typed("run", "fails.yaml")

    assert (1, "") == (done.code, done.out)
    assert done.err.startswith("✗ model_failed  fails · AgentKit · ")
    assert "no such key" in done.err
    assert "turn:1/model" in done.err
    assert "✗ model_failed" in typed("show").out


def test_the_database_can_be_named(typed: Type, desk: Path) -> None:
    """And the command that shows the run names it too."""
    done = typed("run", "both.yaml", "--db", "sqlite:///my runs.db")

    assert (desk / "my runs.db").exists()
    assert "--db 'sqlite:///my runs.db'" in done.err
    assert "✓ completed" in typed("show", "--db", "sqlite:///my runs.db").out


def test_the_environment_names_the_database(typed: Type, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every command alike."""
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///named.db")
    typed("run", "both.yaml")

    assert (desk / "named.db").exists()
    assert "both" in typed("runs").out


def test_a_fresh_machine_needs_no_folder_made(typed: Type, desk: Path) -> None:
    """The data folder is made when nobody names a database, for its user alone."""
    assert 0 == typed("run", "both.yaml").code
    assert 0o700 == (desk / "data" / "trackrecord").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (("gone.yaml",), "there is no agent file 'gone.yaml'", "`trackrecord new` writes one"),
        (("ecko.yaml",), "there is no agent file 'ecko.yaml'", "Did you mean 'echo.yaml'?"),
        (("draft.yaml",), "the agent 'draft' is draft", "Set `status: active`"),
        (("needs.yaml",), "requires 'nowhere', not connected here", "Connected: demo, files, http, text, time."),
        (("strict.yaml",), "inputs of 'strict': 'count' is missing", "It takes: count*"),
        (("strict.yaml", "-i", "count=x"), 'count: "x" is not of type "integer"', "Expected: count"),
        (("strict.yaml", "-i", "cuont=1"), "'cuont' is unknown (did you mean 'count'?)", "It takes: count*"),
        (("strict.yaml", "-i", "count"), "-i 'count' has no name and value", "Write -i name=value"),
        (("both.yaml", "--engine", "orkestrator"), "there is no engine 'orkestrator'", "Did you mean 'orchestrator'?"),
        (("echo.yaml", "--engine", "orchestrator"), "has no workflow_steps", "Run it with --engine agentkit"),
        (("both.yaml", "--model", "opnai:gpt"), "the model 'opnai:gpt' cannot be reached", "Did you mean 'openai:gpt'"),
        (("both.yaml", "--model", "scripted:gone.yaml"), "there is no script file 'gone.yaml'", ""),
        (("both.yaml", "--db", "x.db"), "'x.db' is no database URL", "Write sqlite:///x.db"),
        (("both.yaml", "--db", "sqlite:///no/x.db"), "the directory 'no' does not exist", "Create it"),
    ],
)
def test_what_is_refused_is_exit_2_and_leaves_no_run(
    words: tuple[str, ...], message: str, cure: str, typed: Type
) -> None:
    """What is wrong and what to do, no traceback, nothing spent."""
    done = typed("run", *words)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("error: ")
    assert message in done.err
    assert cure in done.err
    assert "Traceback" not in done.err
    assert "" == typed("runs").out


def test_a_setting_that_cannot_be_used_is_named(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs."""
    monkeypatch.setenv("TRACKRECORD_LIMITS__MAX_SPANS", "many")
    done = typed("run", "both.yaml")

    assert (2, True) == (done.code, "TRACKRECORD_LIMITS__MAX_SPANS is 'many'" in done.err)


def test_standard_input_is_an_input(started: Any) -> None:
    """As a value, and as the whole document."""
    value = started("run", "echo.yaml", "-i", "text=@-", stdin=-1).communicate(b"piped")
    document = started("run", "echo.yaml", "--input-json", "-", stdin=-1).communicate(b'{"text": "whole"}')

    assert (b"It was piped.\n", b"It was whole.\n") == (value[0], document[0])


def test_structured_answers_are_json_for_people_and_programs(typed: Type, desk: Path) -> None:
    """Short things stand on one line; it is JSON all the same."""
    (desk / "both.script.yaml").write_text(
        "replies:\n  - {json: {b: [1, 2], a: {long: " + "x" * 70 + ", short: true}}, usage: {input: 1, output: 1}}\n"
    )
    (desk / "both.yaml").write_text((desk / "both.yaml").read_text() + "output_schema: {type: object}\n")
    done = typed("run", "both.yaml", "--engine", "agentkit")

    assert {"b": [1, 2], "a": {"long": "x" * 70, "short": True}} == done.json
    assert '  "b": [1, 2]\n' in done.out


def test_an_example_finds_its_files_from_any_folder(typed: Type, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without inputs the files root is the agent's own folder; with inputs, or the setting, it is what they say."""
    shutil.copytree(examples.path("watch_log"), desk / "watch_log")
    agent = "watch_log/agent.yaml"

    assert 0 == typed("run", agent).code
    assert 1 == typed("run", agent, "-i", "file=app.log").code
    monkeypatch.setenv("TRACKRECORD_FILES_ROOT", str(desk))
    assert 1 == typed("run", agent).code
    monkeypatch.setenv("TRACKRECORD_FILES_ROOT", str(desk / "watch_log"))
    assert 0 == typed("run", agent, "-i", "file=app.log").code
