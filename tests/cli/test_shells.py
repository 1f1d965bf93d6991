"""The scripts of shells: what they ask for, where they are put, and that a real shell completes with them."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from trackrecord.cli import shells
from trackrecord.cli.completing import SHELLS
from trackrecord.cli.shells import SCRIPTS, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", [""]),
        ("trackrecord ", ["trackrecord", ""]),
        ("trackrecord show 01", ["trackrecord", "show", "01"]),
        (r"a b\ c", ["a", "b c"]),
        ("a 'b c' d", ["a", "b c", "d"]),
        ("a 'b c", ["a", "b c"]),
        ('a "b \\" c', ["a", 'b " c']),
        ("a ''  ", ["a", "", ""]),
        ("a b\\", ["a", "b"]),
    ],
)
def test_a_line_is_split_as_a_shell_would(text: str, words: list[str]) -> None:
    """Even where it ends within a quote."""
    assert words == split(text)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed(shell: str, typed: Type) -> None:
    """Ready to be sourced; it names the option that is asked."""
    done = typed("--show-completion", shell)

    assert (0, SCRIPTS[shell], "") == (done.code, done.out, done.err)
    assert f"--complete {shell}" in done.out


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", "data/bash-completion/completions/trackrecord"),
        ("zsh", "data/zsh/site-functions/_trackrecord"),
        ("fish", "config/fish/completions/trackrecord.fish"),
    ],
)
def test_a_script_is_put_where_its_shell_looks(
    shell: str, place: str, typed: Type, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the user's own shell when none is named; a second time renews it; no start-up file is touched."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk / "config"))
    monkeypatch.setenv("HOME", str(desk / "home"))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    for words in ((), (shell,)):
        done = typed("--install-completion", *words)
        assert (0, "") == (done.code, done.err)
        assert str(desk / place) in done.out
        assert SCRIPTS[shell] == (desk / place).read_text()
    assert not (desk / "home").exists()


@pytest.mark.parametrize(
    ("words", "shell", "message", "cure"),
    [
        (("tcsh",), "", "there is no completion for the shell 'tcsh'", "bash, zsh, fish"),
        ((), "/bin/dash", "there is no completion for the shell 'dash'", "bash, zsh, fish"),
        ((), "", "it is not known which shell this is", "trackrecord --install-completion bash"),
    ],
)
def test_another_shell_is_told_so(
    words: tuple[str, ...], shell: str, message: str, cure: str, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those there are."""
    monkeypatch.setenv("SHELL", shell)
    done = typed("--install-completion", *words)

    assert (2, "") == (done.code, done.out)
    assert message in done.err
    assert cure in done.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("trackrecord sh", ["show"]),
        ("trackrecord run echo.yaml -i te", ["text="]),
        ("trackrecord run echo.yaml -i text=@both.s", ["@both.script.yaml"]),
        ("trackrecord run x --model scripted:both.s", ["both.script.yaml"]),
        ("trackrecord run od", [r"odd\ name\&.yaml"]),
    ],
)
def test_bash_is_told_the_rest_of_a_word(line: str, told: list[str], typed: Type, desk: Path) -> None:
    """It takes a word to end at each `:` and `=`; what it would act on is escaped."""
    (desk / "odd name&.yaml").write_text("name: odd")

    assert told == typed("--complete", "bash", line).out.splitlines()


def test_what_would_break_the_line_is_not_offered(typed: Type, desk: Path) -> None:
    """A name with a line break or an escape is a choice nobody can type."""
    (desk / "a\nb.yaml").write_text("name: x")
    (desk / "a\x1b[2Jb.yaml").write_text("name: x")

    assert "" == typed("--complete", "zsh", "run", "a").out


def command_folder(desk: Path) -> str:
    """A folder with the command `trackrecord` of this interpreter."""
    folder = desk / "bin"
    folder.mkdir()
    command = folder / "trackrecord"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m trackrecord "$@"\n')
    command.chmod(0o755)
    return str(folder)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes(desk: Path, children: None) -> None:
    """A real one, at a terminal: files, inputs and commands at the press of a key."""
    del children
    environment = {**os.environ, "PATH": f"{command_folder(desk)}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
    (desk / "c.bash").write_text(shells.BASH)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    try:
        os.write(terminal, b"source c.bash\n")
        os.write(terminal, b"trackrecord che\t")
        _wait_for(terminal, "trackrecord check ")
        os.write(terminal, b"ech\t")
        _wait_for(terminal, "echo.yaml ")
        os.write(terminal, b"\x15trackrecord run echo.yaml -i cou\t")
        _wait_for(terminal, "count=")
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(pid, 0)


def _wait_for(terminal: int, wanted: str) -> None:
    seen, end = "", time.monotonic() + 20
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} never came, only {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes(desk: Path, children: None) -> None:
    """A real one."""
    del children
    environment = {**os.environ, "PATH": f"{command_folder(desk)}:{os.environ['PATH']}", "HOME": str(desk)}
    (desk / "c.fish").write_text(shells.FISH)
    asked = subprocess.run(
        ["fish", "-c", "source c.fish; complete -C 'trackrecord che'"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert asked.stdout.startswith("check\t")
