"""`trackrecord new`: whatever it writes runs at once, explains itself, and takes the place of nothing."""

from __future__ import annotations

import os
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from tests.cli.conftest import Type

from trackrecord.agent import Agent, file_schema
from trackrecord.cli import placing
from trackrecord.cli.escape import width
from trackrecord.cli.templates import DEFAULTS, TEMPLATES, agent_text
from trackrecord.errors import BadInput


@pytest.mark.parametrize(("template", "engine"), [(one.name, by) for one in TEMPLATES.values() for by in one.engines])
def test_what_is_written_runs_at_once(template: str, engine: str, typed: Type) -> None:
    """Checked, run and compared without an edit, a key or a network; by every engine that is named for it."""
    assert 0 == typed("new", "first", "--template", template).code
    assert "✓ first" in typed("check", "first.yaml").out
    done = typed("run", "first.yaml", "--engine", engine, "--json")

    assert 0 == done.code
    assert isinstance(done.json, dict)
    assert "completed" == done.json["run"]["status"]


def test_both_engines_leave_records_that_agree(typed: Type) -> None:
    """The template for both has the parity that its comments promise."""
    typed("new", "pair")

    assert 0 == typed("parity", "pair.yaml").code


def test_what_was_made_is_told_with_the_next_two_commands(typed: Type, desk: Path) -> None:
    """Each file with what it is; then what to type, which works as it stands."""
    done = typed("new", "Order desk")
    commands = [text.strip() for text in done.out.splitlines()[-2:]]

    assert (0, "") == (done.code, done.err)
    assert ["trackrecord check order-desk.yaml", "trackrecord run order-desk.yaml"] == commands
    assert [0, 0] == [typed(*command.split()[1:]).code for command in commands]
    assert "Order desk" == Agent.load(desk / "order-desk.yaml").name
    assert [] == [text for text in done.out.splitlines() if width(text) > 80]


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_editor_finds_the_schema_and_agrees(template: str, typed: Type, desk: Path) -> None:
    """The first line names the file beside it, which is what `schema` prints; the agent fits it."""
    typed("new", "a", "--template", template)
    text = (desk / "a.yaml").read_text()
    schema = (desk / "agent.schema.json").read_text()

    assert "# yaml-language-server: $schema=agent.schema.json" == text.splitlines()[0]
    assert typed("schema").out == schema
    assert jsonschema_rs.Draft202012Validator(file_schema.schema()).is_valid(yaml.safe_load(text))
    assert [] == [line for line in text.splitlines() if width(line) > 120]


def test_every_engine_has_a_template_of_its_own(typed: Type, desk: Path) -> None:
    """The one that is asked for, and both when none is."""
    for engine, template in DEFAULTS.items():
        typed("new", "x", "--force", *(["--engine", engine] if engine != "auto" else []))
        assert agent_text(template, name="x", file="x.yaml", script="x.script.yaml") == (desk / "x.yaml").read_text()


def test_nothing_is_written_over(typed: Type, desk: Path) -> None:
    """Neither the agent nor its script, and nothing else is made then; with --force both are anew."""
    for taken in ("mine.yaml", "mine.script.yaml"):
        (desk / taken).write_text("precious")
        before = sorted(path.name for path in desk.iterdir())
        done = typed("new", "mine")

        assert (2, "") == (done.code, done.out)
        assert f"'{taken}' is there already" in done.err
        assert "--force" in done.err
        assert before == sorted(path.name for path in desk.iterdir())
        (desk / taken).unlink()
    (desk / "mine.yaml").write_text("precious")
    assert 0 == typed("new", "mine", "--force").code
    assert 0 == typed("run", "mine.yaml").code


def test_another_schema_is_left_alone(typed: Type, desk: Path) -> None:
    """It may be somebody's; whoever wants the new one is told how."""
    (desk / "agent.schema.json").write_text("{}")
    done = typed("new", "a")

    assert "left as it is; `trackrecord schema > agent.schema.json` renews it" in done.out
    assert "{}" == (desk / "agent.schema.json").read_text()
    assert "left as it is" not in typed("new", "a", "--force").out
    assert "left as it is" not in typed("new", "b").out


def test_a_file_may_be_named_with_its_folder(typed: Type, desk: Path) -> None:
    """The agent is called like the file."""
    (desk / "agents").mkdir()

    assert 0 == typed("new", "agents/night shift.yaml").code
    assert "night shift" == Agent.load(desk / "agents" / "night shift.yaml").name
    assert 0 == typed("run", "agents/night shift.yaml").code


@pytest.mark.parametrize(
    "name", ["no", "Null", "1: one", "a # b", "it's", '"quoted"', "ümlaut", "a - dash", "a: b", "{x}"]
)
def test_any_name_is_read_back(name: str, typed: Type, desk: Path) -> None:
    """Whatever YAML would take it for."""
    before = set(desk.glob("*.yaml"))
    assert 0 == typed("new", name).code
    (made,) = [path for path in set(desk.glob("*.yaml")) - before if not path.name.endswith(".script.yaml")]
    assert name == Agent.load(made).name
    assert 0 == typed("run", made.name).code


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (("--engine", "agentKit"), "there is no engine 'agentKit'", "Did you mean --engine agentkit?"),
        (("--template", "workflo"), "there is no template 'workflo'", "Did you mean --template workflow?"),
        (("--template", "x"), "there is no template 'x'", "--template takes both, assistant, workflow."),
        (("--template", "workflow", "--engine", "agentkit"), "agentkit cannot run the template", "write orchestrator"),
        (("nowhere/a.yaml",), "there is no folder 'nowhere'", "mkdir -p nowhere"),
        (("agents/x",), "'agents/x' is no YAML file", "Write agents/x.yaml."),
        (("..",), "'..' is no name", "order-desk"),
        (("a\nb",), "'a\\nb' is no name", "order-desk"),
        (("x" * 201,), "the name has 201 characters", "Take at most 200."),
    ],
    ids=lambda one: " ".join(one)[:30] if isinstance(one, tuple) else "",
)
def test_what_cannot_be_written_says_why(
    words: tuple[str, ...], message: str, cure: str, typed: Type, desk: Path
) -> None:
    """Exit 2, what and how to mend it, nothing made."""
    before = sorted(path.name for path in desk.iterdir())
    done = typed("new", *words)

    assert (2, "") == (done.code, done.out)
    assert f"error: {message}" in done.err
    assert cure in done.err
    assert before == sorted(path.name for path in desk.iterdir())


def test_a_folder_is_no_file(typed: Type, desk: Path) -> None:
    """A file in it is what is wanted."""
    (desk / "agents").mkdir()
    done = typed("new", "agents")

    assert "error: 'agents' is a folder\nName a file in it: agents/agent.yaml\n" == done.err


def test_printing_writes_nothing(typed: Type, desk: Path) -> None:
    """The very text that would be written; the script is told about."""
    before = sorted(path.name for path in desk.iterdir())
    done = typed("new", "x", "--stdout")

    assert before == sorted(path.name for path in desk.iterdir())
    assert agent_text("both", name="x", file="x.yaml", script="x.script.yaml") == done.out
    assert "x.script.yaml" in done.err


def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last cannot be moved to its place the first is gone again, and no draft is left."""
    one, other = tmp_path / "one", tmp_path / "other"
    other.write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        placing.place({one: "1", other: "2"})
    assert ["other"] == [path.name for path in tmp_path.iterdir()]
    assert "mine" == other.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="no space left on device"):
        placing.place({one: "1"})
    assert ["other"] == [path.name for path in tmp_path.iterdir()]


def test_without_links_nothing_is_written_over_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    placing.place({tmp_path / "one": "1"})
    with pytest.raises(BadInput, match="is there already"):
        placing.place({tmp_path / "one": "2"})
    assert [("one", "1")] == [(path.name, path.read_text()) for path in tmp_path.iterdir()]


def test_what_is_written_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    """As the user's umask has them."""
    (tmp_path / "plain").write_text("x")
    placing.place({tmp_path / "one": "1"})

    assert (tmp_path / "plain").stat().st_mode == (tmp_path / "one").stat().st_mode
