"""The front door: help, mistakes, pipes, faults, and how little it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Type

import trackrecord
from trackrecord.cli import front
from trackrecord.cli.commands import COMMANDS
from trackrecord.cli.escape import width

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_the_front_page_names_every_command(words: tuple[str, ...], typed: Type) -> None:
    """However one asks, on one page 80 columns wide."""
    done = typed(*words)

    assert (0, "") == (done.code, done.err)
    assert set() == {name for name in COMMANDS if f"\n  {name} " not in done.out}
    assert [] == [text for text in done.out.split("\n") if width(text) > 80]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_with_an_example(name: str, typed: Type) -> None:
    """Short, 80 columns wide, with something to type."""
    done = typed(name, "--help")

    assert 0 == done.code
    assert f"usage: trackrecord {name} " in done.out
    assert f"  example: trackrecord {name}" in done.out
    assert [] == [text for text in done.out.split("\n") if width(text) > 80]
    assert done.out == typed("help", name).out


def test_the_version_is_told(typed: Type) -> None:
    """As the package has it."""
    assert f"trackrecord {trackrecord.__version__}\n" == typed("--version").out


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (("rnus",), "there is no command 'rnus'", "Did you mean `trackrecord runs`?"),
        (("xyzzy",), "there is no command 'xyzzy'", "`trackrecord --help` lists them."),
        (("a.yaml",), "'a.yaml' is no command", "To run that agent: trackrecord run a.yaml"),
        (("agent.yaml", "-i", "a=b"), "'agent.yaml' is no command", "trackrecord run agent.yaml -i a=b"),
        (("init",), "there is no command 'init'", "Did you mean `trackrecord new`?"),
        (("logs",), "there is no command 'logs'", "Did you mean `trackrecord show`?"),
        (("version",), "there is no command 'version'", "Did you mean `trackrecord --version`?"),
        (("--verison",), "there is no option '--verison'", "Did you mean `trackrecord --version`?"),
        (("run", "a.yaml", "a=b"), "'a=b' is one argument too many", "write -i before it: -i a=b"),
        (("runs", "x"), "'x' is too much for `trackrecord runs`", "`trackrecord runs --help` shows"),
        (("--db", "x", "runs"), "the option '--db' stands before the command", "Write: trackrecord runs --db …"),
        (("runs", "--limt", "x"), "`trackrecord runs` has no option --limt", "Did you mean --limit?"),
        (("runs", "--qqqq"), "`trackrecord runs` has no option --qqqq", "`trackrecord runs --help` shows"),
        (("stats",), "missing argument 'AGENT'", "`trackrecord stats --help` shows"),
        (("runs", "--limit"), "option '--limit' requires an argument", "`trackrecord runs --help` shows"),
        (("\x1b[2J",), r"there is no command '\e[2J'", "lists them"),
    ],
)
def test_a_mistake_at_the_keyboard_gets_a_suggestion(
    words: tuple[str, ...], message: str, cure: str, typed: Type
) -> None:
    """Exit 2, what is wrong, what was meant."""
    done = typed(*words)

    assert (2, "") == (done.code, done.out)
    assert f"error: {message}\n" in done.err
    assert cure in done.err


def test_words_of_other_tools_lead_to_commands_that_are_there() -> None:
    """None of them is a command itself, and each leads to one, or to an option of the front door."""
    assert set() == set(front.ELSEWHERE) & set(COMMANDS)
    assert set() == set(front.ELSEWHERE.values()) - {*COMMANDS, *front.OPTIONS}


def test_a_fault_is_one_line_and_how_to_report_it(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback; its type, and the way to see more."""

    def broken(given: list[str]) -> int:
        raise RuntimeError("bad\x1b[2J luck\nhere")

    monkeypatch.setattr(front, "_dispatch", broken)
    done = typed("runs")

    assert (1, "") == (done.code, done.out)
    first, second, rest = done.err.split("\n")
    assert r"error: unexpected RuntimeError: bad\e[2J luck\nhere" == first
    assert "TRACKRECORD_DEBUG=1" in second
    assert "" == rest


def test_a_fault_is_raised_for_whoever_debugs(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRACKRECORD_DEBUG=1 shows where it happened."""
    monkeypatch.setenv("TRACKRECORD_DEBUG", "1")
    monkeypatch.setattr(front, "_dispatch", lambda given: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        typed("runs")


def test_whoever_stops_reading_is_not_told_about_it(started: Start) -> None:
    """`trackrecord … | head`: no word, the exit code of a closed pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    process = started("--help", stdout=writing)
    os.close(writing)

    assert b"" == process.communicate()[1]
    assert 141 == process.returncode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_an_output_that_cannot_be_written_is_an_error(started: Start) -> None:
    """A full disk is not taken for success."""
    with Path("/dev/full").open("wb") as full:
        process = started("--help", stdout=full)
        err = process.communicate()[1]

    assert (1, 1) == (process.returncode, err.count(b"No space left"))


def test_an_encoding_without_our_signs_is_no_error(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are shown as escapes."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = started("run", "both.yaml", "--engine", "agentkit")
    out, err = process.communicate()

    assert (0, b"done\n") == (process.returncode, out)
    assert err.startswith(rb"\u2713 completed")


def loaded_by(*words: str) -> set[str]:
    """Packages a command loads, from outside the standard library."""
    script = (
        "import json, sys\nfrom trackrecord.cli import main\n"
        f"main({list(words)!r})\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(json.loads(out.splitlines()[-1]))


def test_the_front_page_loads_nothing(desk: Path, children: None) -> None:
    """Not even typer."""
    assert {"trackrecord"} == loaded_by("--help") - {"__main__", "_distutils_hack", "_virtualenv"}


@pytest.mark.parametrize("words", [("runs",), ("show",), ("agents",), ("stats", "both")], ids=lambda words: words[0])
def test_looking_loads_little(words: tuple[str, ...], typed: Type, children: None) -> None:
    """Lists and pages need neither settings, migrations nor anything for live output."""
    typed("run", "both.yaml", "--engine", "agentkit")

    assert set() == loaded_by(*words) & {"pydantic", "pydantic_settings", "sqlalchemy", "alembic", "rich", "yaml"}
