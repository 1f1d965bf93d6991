"""The table of faults names every fault and only tests that are there."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "README.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@lru_cache
def functions_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_fault_has_a_row_with_a_test() -> None:
    """A1 to A8, A11, C1 to C12, D1 to D11, E1 to E10 and F1 to F12, each once, each with at least one test."""
    rows = [line.split("|")[1:4] for line in TABLE.read_text().splitlines() if re.match(r"\| [A-Z]\d", line)]
    wanted = [f"A{n}" for n in (*range(1, 9), 11)]
    wanted += [
        f"{group}{n}" for group, most in (("C", 12), ("D", 11), ("E", 10), ("F", 12)) for n in range(1, most + 1)
    ]
    assert wanted == [fault.strip() for fault, _, _ in rows]
    assert [] == [fault for fault, _, shown in rows if not NAMED.search(shown)]


def test_every_named_test_is_there() -> None:
    """A test that was renamed or dropped is noticed here."""
    named = NAMED.findall(TABLE.read_text())
    assert [] == [
        f"{path}::{name}" for path, name in named if not (ROOT / path).exists() or name not in functions_in(ROOT / path)
    ]
    assert len(named) > 40
