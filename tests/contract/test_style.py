"""The house style, as far as a machine can see it: short files and functions, nothing half-done, nobody's machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES_OF_A_FILE = {"src": 600, "benchmarks": 600, "tests": 900}  # tables of cases are long by nature
MOST_LINES_OF_A_FUNCTION = 60
HALF_DONE = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]))  # joined, so that this file is clean
NOT_DONE = "NotImplemented" + "Error"  # benchmarks have peers whose protocols ask for what no figure needs
# folders that stand on one machine only; documentation may name what a user's own system has
MACHINE = re.compile(
    r"(?<![\w.:/])/(?:work|root|mnt|Users|private|workspace|builds?)/\w|/home/(?!user\b|me\b)\w+/|[A-Z]:\\Users\\"
)
PARTS = ("src", "tests", "benchmarks", "docs", "requirements", ".ci")
LEFT_OUT = {"__pycache__", ".venv", "build", "dist", "node_modules"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".in", ".cfg", ".ini", ".sh", ".sql", ""}


def files_of_the_project() -> list[Path]:
    """What the project is made of; environments, builds and caches are not (git need not be there to ask)."""
    below = [path for folder in PARTS for path in sorted((ROOT / folder).rglob("*"))]
    kept = [path for path in below if not LEFT_OUT.intersection(path.relative_to(ROOT).parts)]
    return [path for path in (*sorted(ROOT.iterdir()), *kept) if path.is_file() and path.suffix in TEXT_SUFFIXES]


FILES = files_of_the_project()
PYTHON = [path for path in FILES if path.suffix == ".py"]
CODE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in MOST_LINES_OF_A_FILE]
SOURCE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] == "src"]


@cache
def lines_of(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every function with how many lines it has, from its first line to its last, decorators left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_files_of_the_project_are_found() -> None:
    """The checks below look at something."""
    assert {"src/trackrecord/runner.py", "pyproject.toml", "tests/conftest.py"} <= {name_of(path) for path in FILES}
    assert len(SOURCE) > 100


def test_no_file_is_long() -> None:
    """More than 600 lines are two files."""
    lengths = {name_of(path): len(lines_of(path)) for path in CODE}
    assert {} == {
        name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE[name.partition("/")[0]]
    }


def test_no_function_is_long() -> None:
    """More than 60 lines are two functions; a migration is a list of statements, which is read from top to bottom."""
    assert [] == [
        f"{name_of(path)}: {function} has {length} lines"
        for path in CODE
        if "migrations" not in path.parts
        for function, length in functions(tree_of(path))
        if length > MOST_LINES_OF_A_FUNCTION
    ]


def test_every_module_says_what_it_owns() -> None:
    """A stranger can tell from the first lines; tests and benchmarks too."""
    silent = [name_of(path) for path in CODE if lines_of(path) and not ast.get_docstring(tree_of(path))]
    assert [] == silent


def test_nothing_is_half_done() -> None:
    """What is in the tree works; what is to be done is an issue."""
    assert [] == [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in CODE
        for number, line in enumerate(lines_of(path), 1)
        if HALF_DONE.search(line) or (NOT_DONE in line and "benchmarks" not in path.parts)
    ]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """Whoever has the project has all of it, wherever they put it."""
    assert [] == [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in FILES
        if path != Path(__file__)
        for number, line in enumerate(lines_of(path), 1)
        if MACHINE.search(line)
    ]


@pytest.mark.parametrize(
    ("line", "is_seen"),
    [
        ("ROOT = '/" + "work/main'", True),
        ("cd /root/project", True),
        ("/home/alice/project", True),
        (r"C:\Users\alice", True),
        ("/Users/alice/x", True),
        ("https://example.com/work/main", False),
        ("~/.local/share", False),
        ("a/root/b", False),
        ("sqlite:////absolute/path/runs.db", False),
        ("/home/user/runs.db", False),
    ],
)
def test_a_place_would_be_seen(line: str, is_seen: bool) -> None:
    """The check above is not blind, and does not take an address for a place."""
    assert is_seen is bool(MACHINE.search(line))
