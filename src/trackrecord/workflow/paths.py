"""Plain references, like `steps.fetch.data.rows[0].id`: what they name, and the walk that finds it. Pure.

The walk is direct and does nothing else, because most templates are nothing but such a reference.
"""

from __future__ import annotations

import keyword
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from trackrecord.canonical import Json
from trackrecord.workflow.bounds import ExpressionError, Meter, MissingPath
from trackrecord.workflow.times import now
from trackrecord.workflow.values import Evaluate, Scope, kind, shown

Key = str | int

ROOTS: Final = ("inputs", "steps", "vars", "item", "index", "run", "env", "now")


@dataclass(frozen=True, slots=True)
class Reference:
    """What an expression looks at, as far as it can be known without running it.

    Attributes:
        root: `inputs`, `steps`, `vars`, `item`, `index`, `run`, `env`, `now`, or the `as` of a loop.
        path: keys and positions below it; ends where one has to be computed.
    """

    root: str
    path: tuple[Key, ...] = ()

    def __str__(self) -> str:
        """The reference as it is written."""
        return self.root + "".join(map(_written, self.path))


def _written(key: Key) -> str:
    if isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key):
        return f".{key}"
    return f"[{key!r}]"


def walk(reference: Reference) -> Evaluate:
    """The function that finds what a reference names.

    Its values are those of the scope, not copies. It raises MissingPath when the path leads nowhere.
    """
    root, path = reference.root, reference.path
    if root == "now":
        return _now(path)
    if not path:
        return _whole(root)

    def walked(scope: Scope, meter: Meter) -> Json:
        try:
            value: Any = scope[root]
            for key in path:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            raise _missing(reference, scope) from None
        return value

    return walked


def glance(reference: Reference) -> Evaluate:
    """The same walk for where a missing path is forgiven; it gives null then, without saying why."""
    root, path = reference.root, reference.path

    def glanced(scope: Scope, meter: Meter) -> Json:
        try:
            value: Any = scope[root]
            for key in path:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
        return value

    return glanced


def _now(path: tuple[Key, ...]) -> Evaluate:
    if path:
        raise ExpressionError("`now` is text and has nothing inside", "Write `now`, or date(now) for the day.")
    return lambda scope, meter: now(scope)


def _whole(root: str) -> Evaluate:
    def whole(scope: Scope, meter: Meter) -> Json:
        try:
            value: Any = scope[root]
        except KeyError:
            raise _no_root(root, scope) from None
        # `steps` and `vars` are a chain of mappings, the scopes around last; as a value of its own it is one object
        # asked by its type: isinstance of another one goes through the machinery of abstract classes, ten times as dear
        return {**value} if type(value) is ChainMap else value

    return whole


def look_up(base: Json, key: Json, spelled: str) -> Json:
    """What a value holds under a key or at a position; `spelled` is how the value is written, for messages.

    Raises:
        MissingPath: it holds nothing there.
        ExpressionError: the key is neither text nor a whole number.
    """
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ExpressionError(f"{spelled}[…] takes a key or a position, not {shown(key)}")
    value: Any = base
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        raise _nothing_at(base, key, spelled) from None


def _missing(reference: Reference, scope: Scope) -> MissingPath:
    """Walks once more, slowly, to say where the path ends."""
    if reference.root not in scope:
        return _no_root(reference.root, scope)
    value: Any = scope[reference.root]
    for depth, key in enumerate(reference.path):
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            parent = str(Reference(reference.root, reference.path[:depth]))
            return _nothing_at(value, key, parent).at(f"{reference} is missing")
    raise AssertionError(f"{reference} was missing a moment ago")


def _no_root(root: str, scope: Scope) -> MissingPath:
    return MissingPath(f"there is nothing named {root!r} here", key=root, known=scope.keys())


def _nothing_at(base: Any, key: Key, spelled: str) -> MissingPath:
    forgiven = f"If it may be missing, write default({spelled}{_written(key)}, …)."
    if isinstance(base, Mapping):
        known = cast("Mapping[str, Json]", base)
        return MissingPath(f"{spelled} has no {key!r}", forgiven, key=str(key), known=known.keys())
    if isinstance(base, list | str) and isinstance(key, int):
        size = len(cast("str | list[Json]", base))
        what = "characters" if isinstance(base, str) else "entries"
        return MissingPath(f"{spelled} has {size:,} {what} and nothing at [{key}]", forgiven)
    if isinstance(base, list):
        return MissingPath(f"{spelled} is a list and has no {key!r}", f"Take one entry of it, like {spelled}[0].")
    return MissingPath(f"{spelled} is {kind(base)} and has no {key!r}", forgiven)
