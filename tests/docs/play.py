"""Plays the examples of a page in an empty folder, in order, as a reader would: files, programs, commands, queries.

A block that names its file, in a first line `# name.ext` or beside its language, is written; an agent must load, JSON
must be JSON. `python` is run as a program of its own. Of `sh`, `trackrecord …` goes through the command line in this
process and gives 0, or N where the line says `# exit N` (what is refused, with 2, prints its error too); `make …` must
be a target; `export` sets a variable; `pip install` installs the folder's pyproject.toml. `sql` is asked of runs.db and
prints its values with ` | ` between them. `text` right after one of these is what it prints; `…` stands for anything.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import sys
import tomllib
import traceback
from dataclasses import dataclass, field
from importlib import invalidate_caches
from pathlib import Path

import pytest
import yaml
from tests.docs.pages import ROOT, Block

from trackrecord import Agent
from trackrecord.cli import main
from trackrecord.errors import BadAgent
from trackrecord.store.driver import driver

LANGUAGES = ("python", "yaml", "sh", "sql", "text", "json", "toml", "csv", "")
TARGETS = frozenset(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
REFUSED = 2
_EXIT = re.compile(r"#.*\bexit (\d+)")
_ANY_LINES = r"(?:.*\n)*.*"
_PASSED_OVER = (". .venv/bin/activate",)


class ExampleFailed(AssertionError):
    """An example of a page is not true."""


@dataclass(slots=True)
class Player:
    """One reader in one folder; `made` is an empty folder that is the current one."""

    made: Path
    patch: pytest.MonkeyPatch
    printed: str | None = None
    counts: dict[str, int] = field(default_factory=dict[str, int])

    def play(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            ExampleFailed: it does not do what the page says.
        """
        if block.language not in LANGUAGES:
            raise ExampleFailed(f"{block.language!r} is no language that is tried out")
        if block.language == "text":
            if self.printed is not None:
                self._count("text")
                check_printed(block.text, self.printed)
            self.printed = None
            return
        self.printed = None
        if block.file is not None:
            self._write(block)
        match block.language:
            case "python":
                self.printed = self._run(block)
            case "sh":
                self.printed = self._type(block)
            case "sql":
                self.printed = self._ask(block)
            case "json":
                json.loads(block.text)
            case "yaml":
                self._read(block)
            case _:
                return
        self._count(block.language)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _write(self, block: Block) -> None:
        place = self.made / str(block.file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text)

    def _read(self, block: Block) -> None:
        try:
            value = yaml.safe_load(block.text)
            if block.file is not None and isinstance(value, dict) and "name" in value:
                Agent.load(block.file)
        except (yaml.YAMLError, BadAgent) as error:
            told = [str(error), *getattr(error, "__notes__", ())]
            raise ExampleFailed("the file cannot be used: " + "\n".join(told)) from error

    def _run(self, block: Block) -> str:
        said = io.StringIO()
        program = compile(block.text, block.file or f"line {block.line}", "exec")
        with contextlib.redirect_stdout(said):
            try:
                exec(program, {"__name__": "__main__"})
            except Exception as error:
                raise ExampleFailed(f"the program raised:\n{traceback.format_exc()}") from error
        return said.getvalue()

    def _type(self, block: Block) -> str:
        said = io.StringIO()
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            if not words or line.strip() in _PASSED_OVER:
                continue
            match words:
                case ["trackrecord", *arguments]:
                    expected = _EXIT.search(line)
                    self._command(line, arguments, int(expected[1]) if expected else 0, said)
                case ["make", target, *_]:
                    if target not in TARGETS:
                        raise ExampleFailed(f"{line!r}: the Makefile has no target {target!r}")
                case ["export", setting]:
                    name, _, value = setting.partition("=")
                    self.patch.setenv(name, value)
                case ["unset", name]:
                    self.patch.delenv(name)
                case ["pip", "install", *_]:
                    self._install()
                case _:
                    raise ExampleFailed(f"nobody tries {line!r} out")
        return said.getvalue()

    def _command(self, line: str, arguments: list[str], expected: int, said: io.StringIO) -> None:
        told = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            actual = main(arguments)
        self._count("trackrecord")
        if expected != actual:
            raise ExampleFailed(f"{line!r} gave exit {actual}, not {expected}\n{said.getvalue()}\n{told.getvalue()}")
        if actual == REFUSED:
            said.write(told.getvalue())

    def _ask(self, block: Block) -> str:
        connection = driver.connect(str(self.made / "runs.db"))
        try:
            with connection:
                rows = [tuple(row) for statement in _statements(block.text) for row in connection.execute(statement)]
        except driver.Error as error:
            raise ExampleFailed(f"the query fails: {error}") from error
        finally:
            connection.close()
        return "".join(" | ".join("" if value is None else str(value) for value in row) + "\n" for row in rows)

    def _install(self) -> None:
        """Make the package of the folder's pyproject.toml known, entry points and all, as an installer would."""
        project = tomllib.loads((self.made / "pyproject.toml").read_text())["project"]
        about = self.made / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines: list[str] = []
        for group, points in project.get("entry-points", {}).items():
            lines += [f"[{group}]", *(f"{name} = {reference}" for name, reference in points.items()), ""]
        (about / "entry_points.txt").write_text("\n".join(lines))
        invalidate_caches()


def _statements(text: str) -> list[str]:
    return [one for one in text.split(";") if one.strip()]


def check_printed(expected: str, actual: str) -> None:
    """Hold what was printed against what the page shows.

    Raises:
        ExampleFailed: it is something else; says what.
    """
    lines = [line.rstrip() for line in expected.strip("\n").splitlines()]
    said = "\n".join(line.rstrip() for line in actual.strip("\n").splitlines())
    pattern = "\n".join(
        ".*".join(map(re.escape, line.split("…"))) if line != "…" else r"(?:.*\n?)*?.*" for line in lines
    )
    if re.fullmatch(pattern, said) is None:
        raise ExampleFailed(f"the page shows\n{expected}\nbut it prints\n{actual}")


def reader(tmp_path: Path, patch: pytest.MonkeyPatch) -> Player:
    """Somebody who has nothing but an empty folder and this project installed."""
    for name in [one for one in os.environ if one.startswith("TRACKRECORD_") or one.endswith("_API_KEY")]:
        patch.delenv(name)
    patch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "folder"
    folder.mkdir()
    patch.chdir(folder)
    patch.setattr(sys, "path", [str(folder), *sys.path])
    return Player(folder, patch)
