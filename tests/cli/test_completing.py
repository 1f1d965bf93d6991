"""What completion offers: everything that may come next, nothing that may not, quickly, and never an error."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.conftest import Type

from trackrecord.cli.commands import COMMANDS
from trackrecord.cli.completing import ARGUMENTS, FRONT, SHELL_OPTIONS, VALUES, choices
from trackrecord.cli.front import _SHELL, OPTIONS


def offered(*words: str) -> list[str]:
    """The words that are offered in place of the last one."""
    return [one.value for one in choices(words)]


def parameters(name: str) -> list[Any]:
    """Arguments and options of a command, as typer reads them."""
    app = typer.Typer(add_completion=False)
    app.command()(import_module(f"trackrecord.cli.commands.{name}").command)
    return list(typer.main.get_command(app).params)


@pytest.mark.parametrize("name", COMMANDS)
def test_everything_that_takes_a_value_is_known(name: str) -> None:
    """A new option or argument has its source in `completing`: VALUES by option, ARGUMENTS by command."""
    given = parameters(name)
    options = {text for one in given if one.param_type_name == "option" for text in one.opts if not one.is_flag}
    flags = {text for one in given if one.param_type_name == "option" for text in one.opts if one.is_flag}
    arguments = [one for one in given if one.param_type_name == "argument"]

    assert set() == options - set(VALUES) - {"--help", "-h"}
    assert set() == flags & set(VALUES)
    assert len(ARGUMENTS.get(name, ())) == len(arguments)


def test_the_front_has_its_options() -> None:
    """Those of the front door, and no other."""
    assert set(OPTIONS) == set(FRONT)
    assert set(_SHELL) - {"--complete"} == set(SHELL_OPTIONS)


def test_commands_are_offered() -> None:
    """By their beginning, after `help` as well."""
    assert [*COMMANDS, *FRONT] == offered("")
    assert ["run", "runs"] == offered("run")
    assert list(COMMANDS) == offered("help", "")
    assert ["--show-completion"] == offered("--show")
    assert ["bash", "zsh", "fish"] == offered("--install-completion", "")
    assert [] == offered("nothing", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_offered(name: str) -> None:
    """All of a command's, with their help; one that is given already and may stand once is not."""
    expected = {text for one in parameters(name) for text in one.opts if text.startswith("--")}

    assert expected | {"--help"} == set(offered(name, "--"))
    assert all(one.says for one in choices([name, "--"]))
    if "--json" in expected:
        assert "--json" not in offered(name, "--json", "--")


def test_runs_and_agents_are_offered(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the database that the line names, else of the environment's; the newest first."""
    for _ in range(2):
        typed("run", "both.yaml", "--db", "sqlite:///other.db")
    ids = [one["id"] for one in typed("runs", "--db", "sqlite:///other.db", "--json").json]  # type: ignore[attr-defined]

    assert ["last", *ids] == offered("show", "--db", "sqlite:///other.db", "")
    assert ids[:1] == offered("show", "--db=sqlite:///other.db", ids[0])
    assert ids == offered("show", "--db", "sqlite:///other.db", ids[0][:6])
    assert ["both"] == offered("stats", "--db", "sqlite:///other.db", "b")
    assert ["both"] == offered("runs", "--db", "sqlite:///other.db", "--agent", "")
    assert [*ids] == offered("parity", "--db", "sqlite:///other.db", ids[1], "0")
    assert ["last"] == offered("show", "")
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///other.db")
    assert ["last", *ids] == offered("show", "")
    assert [] == offered("show", ids[0], "")


def test_agent_files_are_offered(desk: Path) -> None:
    """What looks like an agent, and folders; a script and a schema do not."""
    (desk / "deep").mkdir()
    (desk / "deep" / "inner.json").write_text('{"name": "x"}')
    (desk / "agent.schema.json").write_text('{\n "$schema": "x",\n "name": 1}')
    (desk / ".hidden.yaml").write_text("name: x")
    found = offered("run", "")

    assert {"both.yaml", "echo.yaml", "deep/"} <= set(found)
    assert set() == {"both.script.yaml", "agent.schema.json", ".hidden.yaml"} & set(found)
    assert ["deep/inner.json"] == offered("check", "deep/")
    assert "both.yaml" in offered("parity", "")
    assert [] == offered("run", "no/such/folder/")


def test_inputs_are_offered(desk: Path) -> None:
    """Their names from the file on the line, files after an @; a file that cannot be read offers nothing."""
    assert ["text=", "count=", "tags=", "loud="] == offered("run", "echo.yaml", "-i", "")
    assert ["text="] == offered("run", "echo.yaml", "--input", "t")[:1]
    assert ["text=@both.script.yaml", "text=@both.yaml"] == offered("run", "echo.yaml", "-i", "text=@bo")
    assert [] == offered("run", "gone.yaml", "-i", "")
    (desk / "broken.yaml").write_text("{")
    (desk / "schema.yaml").write_text("input_schema: {properties: {a: {description: first}, b: true}}")
    assert [] == offered("run", "broken.yaml", "-i", "")
    assert [("a=", "first"), ("b=", "")] == [(one.value, one.says) for one in choices(["run", "schema.yaml", "-i", ""])]


def test_models_are_offered(typed: Type) -> None:
    """Providers, scripts, and what has been asked here of a provider."""
    assert ["anthropic:"] == offered("run", "a.yaml", "--model", "anth")
    assert "scripted:both.script.yaml" in offered("run", "a.yaml", "--model", "scripted:bo")
    typed("run", "both.yaml")
    assert ["scripted:"] == offered("run", "--model", "scr")


def test_words_of_a_few_are_offered() -> None:
    """States, engines, examples, templates, actions, schemas; after `--option=` too."""
    assert ["failed"] == offered("runs", "--status", "f")
    assert ["--status=failed"] == offered("runs", "--status=f")
    assert ["agentkit", "orchestrator", "auto"] == offered("run", "x.yaml", "--engine", "")
    assert ["triage"] == offered("demo", "t")
    assert ["workflow"] == offered("new", "--template", "w")
    assert ["set"] == offered("secrets", "s")
    assert ["record"] == offered("schema", "r")
    assert ["sqlite:///"] == offered("runs", "--db", "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("run", "\0"),
        ("show", "--db", "nonsense", ""),
        ("show", "--db", "sqlite:///both.yaml", ""),
        ("run", "~nobody/"),
    ],
)
def test_what_goes_wrong_offers_little_and_says_nothing(
    words: tuple[str, ...], desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell prints whatever comes: an error would stand in the middle of the line."""
    assert set(offered(*words)) <= {"last", *COMMANDS, *FRONT}
    assert ("", "") == capsys.readouterr()


ASKED = {
    "commands": ("",),
    "runs": ("show", ""),
    "agents": ("stats", ""),
    "agent files": ("run", ""),
    "options": ("run", "--"),
    "inputs": ("run", "echo.yaml", "-i", ""),
    "models": ("run", "--model", ""),
}


@pytest.mark.parametrize("words", ASKED.values(), ids=ASKED)
def test_it_answers_within_300_ms(words: tuple[str, ...], typed: Type, children: None) -> None:
    """Of processor time, the best of three starts: what a machine with nothing else to do shows on the clock."""
    del children
    typed("run", "both.yaml")
    asked = [sys.executable, "-m", "trackrecord", "--complete", "zsh", *words]
    script = (
        "import json, resource, subprocess, sys\n"
        f"subprocess.run({asked!r}, stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(json.dumps(used.ru_utime + used.ru_stime))"
    )
    taken = [
        json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]

    assert min(taken) < 0.3


def test_looking_for_words_loads_nothing_heavy(typed: Type, children: None) -> None:
    """Neither typer nor settings, and the database only where runs are."""
    del children
    script = (
        "import sys\nfrom trackrecord.cli import main\nmain(['--complete', 'zsh', 'run', '--engine', ''])\n"
        "assert not {'typer', 'pydantic', 'pysqlite3', 'yaml', 'rich'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_every_source_is_used() -> None:
    """Nothing is offered for what no command has."""
    options = {text for name in COMMANDS for one in parameters(name) for text in one.opts}

    assert set() == set(VALUES) - options
    assert set() == set(ARGUMENTS) - set(COMMANDS)
    assert all(inspect.isfunction(one) for one in VALUES.values())
