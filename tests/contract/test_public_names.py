"""Public names: what is promised can be had, what can be had is promised, and each says what it is."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import trackrecord

PACKAGE = Path(trackrecord.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PARSED = {path: ast.parse(path.read_text()) for path in FILES}


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def listed(tree: ast.Module) -> list[str] | None:
    """What a module's `__all__` lists; None when it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


MODULES = {dotted(path): tree for path, tree in PARSED.items()}
WITH_LIST = sorted(name for name, tree in MODULES.items() if listed(tree) is not None)


# ------------------------------------------------------------------------------------------------------- the front door


def test_every_promised_name_can_be_imported() -> None:
    """Each name of `__all__` is there, comes from its own room, and is a class."""
    for name in trackrecord.__all__:
        found = getattr(trackrecord, name)
        assert inspect.isclass(found), name
        assert name == found.__name__
        assert found.__module__.startswith("trackrecord."), name


def test_a_star_gives_exactly_what_is_promised() -> None:
    """`from trackrecord import *` gives `__all__`: no more, no less."""
    names: dict[str, object] = {}
    exec("from trackrecord import *", names)
    assert set(trackrecord.__all__) == names.keys() - {"__builtins__"}


def test_completion_shows_what_is_promised() -> None:
    """`dir` lists the names before any has been loaded; the list is sorted and has no name twice."""
    assert {*trackrecord.__all__, "__version__"} == set(dir(trackrecord))
    assert sorted(set(trackrecord.__all__)) == trackrecord.__all__


def test_types_and_loading_agree() -> None:
    """What a type checker is told to import is what is loaded, name by name, from the same home."""
    tree = MODULES["trackrecord"]
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert trackrecord._HOMES == told
    assert told.keys() == set(trackrecord.__all__)


def test_other_names_are_not_there() -> None:
    """A wrong name is told as any module tells it, so that `hasattr` and `from` work as everywhere."""
    with pytest.raises(AttributeError, match="module 'trackrecord' has no attribute 'Nothing'"):
        trackrecord.Nothing  # noqa: B018  # asking is the test
    assert not hasattr(trackrecord, "Fold")
    with pytest.raises(ImportError):
        exec("from trackrecord import Nothing")


@pytest.mark.parametrize("name", WITH_LIST)
def test_every_listed_name_of_a_room_is_there(name: str) -> None:
    """A room that lists its names has each of them, once."""
    module: ModuleType = importlib.import_module(name)
    promised = listed(MODULES[name]) or []
    assert [] == [one for one in promised if not hasattr(module, one)]
    assert len(set(promised)) == len(promised)


# ----------------------------------------------------------------------------------------------------------- docstrings

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(tree: ast.Module, where: str) -> Iterator[tuple[str, Documented]]:
    """Everything a reader may use: the module, its public classes and functions, their public methods."""
    yield where, tree
    waiting: list[tuple[str, ast.AST]] = [(where, node) for node in tree.body]
    while waiting:
        above, node = waiting.pop(0)
        if isinstance(node, ast.If | ast.Try):
            waiting.extend((above, inner) for inner in ast.iter_child_nodes(node))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield f"{above}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                waiting.extend((f"{above}.{node.name}", inner) for inner in node.body)


def silent(tree: ast.Module, where: str) -> list[str]:
    return [name for name, node in public(tree, where) if not _says_something(node)]


def _says_something(node: Documented) -> bool:
    if any(isinstance(one, ast.Name) and one.id == "overload" for one in getattr(node, "decorator_list", ())):
        return True
    lines = (ast.get_docstring(node) or "").splitlines()
    return bool(lines) and (lines[0].strip().endswith((".", ":", "?", "…")) or len(lines) > 1)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_public_thing_says_what_it_is(name: str) -> None:
    """Modules, public classes, functions and methods begin with a sentence."""
    assert [] == silent(MODULES[name], name)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", ["m"]),
        ('"""Says."""\ndef f(): ...', ["m.f"]),
        ('"""Says."""\nasync def f(): ...', ["m.f"]),
        ('"""Says."""\nclass A:\n    """Says."""\n    def f(self): ...', ["m.A.f"]),
        ('"""Says."""\nif x:\n    class A: ...', ["m.A"]),
        ('"""Says."""\ndef _f(): ...\nclass _A:\n    def f(self): ...', []),
        ('"""Says."""\ndef f():\n    """no sentence"""', ["m.f"]),
    ],
)
def test_silence_would_be_heard(source: str, expected: list[str]) -> None:
    """The check above is not deaf."""
    assert expected == silent(ast.parse(source), "m")
