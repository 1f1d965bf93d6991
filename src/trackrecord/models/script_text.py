"""The text of a script file as plain JSON values, with the line of each. Parsing only; what it means is `script`'s."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from trackrecord.canonical import MAX_DEPTH, Json, clean
from trackrecord.errors import Problem

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

MAX_VALUES: Final = 200_000

_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FRACTION: Final = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Json]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A parsed file.

    Attributes:
        value: its content; dates and `yes`, `no`, `on`, `off` stay text.
        lines: 1-based line by path, like `replies[0].text`.
        problems: why it could not be read as it stands; empty when it could.
    """

    value: Json = None
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, mapping: Mapping[str, object]) -> Source:
        """The same of a value already in memory; there are no lines to tell."""
        return cls(value=clean(dict(mapping)))


def read(text: str) -> Source:
    """The content of a YAML or JSON text, told apart by content; never raises on content."""
    source = _read_yaml(text)
    if not text.lstrip().startswith("{"):
        return source
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return source  # a YAML mapping in braces, or broken: YAML has said which
    doubled = tuple(problem for problem in source.problems if problem.path)
    return Source(value=value, lines=source.lines, problems=doubled)


def _read_yaml(text: str) -> Source:
    import yaml  # heavy: 40 ms that a script given as a mapping never needs

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node: Node | None = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        return Source(problems=(Problem(path="", message=f"it is no YAML or JSON: {error.problem}", line=line),))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Source(problems=(Problem(path="", message=f"it is no YAML or JSON: {reason}"),))
    walk = _Walk()
    value = None if node is None else walk.value(node, "", 0)
    return Source(value=value, lines=walk.lines, problems=tuple(walk.problems))


class _Walk:
    """One walk over the nodes of a document, bounded in depth and size, so that aliases cannot blow it up."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._left = MAX_VALUES

    def value(self, node: Node, path: str, depth: int) -> Json:
        line: int = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            if self._left >= -1 or depth > MAX_DEPTH:
                self._add(path, line, f"it is nested deeper than {MAX_DEPTH} or holds more than {MAX_VALUES:,} values")
            return None
        if node.id == "scalar":
            return self._scalar(node, path, line)  # type: ignore[arg-type]  # its id says so
        if node.id == "sequence":
            return [self.value(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(node.value)]
        return self._mapping(node, path, depth)  # type: ignore[arg-type]  # nothing else is left

    def _mapping(self, node: MappingNode, path: str, depth: int) -> Json:
        found: dict[str, Json] = {}
        for key, item in node.value:
            line: int = key.start_mark.line + 1
            if key.id != "scalar":
                self._add(path, line, "a key must be plain text")
                continue
            name: str = key.value
            below = f"{path}.{name}" if path else name
            if name in found:
                self._add(below, line, f"the field {name!r} stands here twice", "Keep one of them.")
            self.lines[below] = line
            found[name] = self.value(item, below, depth + 1)
        return found

    def _scalar(self, node: ScalarNode, path: str, line: int) -> Json:
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._add(path, line, f"the tag {node.tag!r} means nothing here", "Leave the tag out.")
        text: str = node.value
        return text if node.style is not None else _plain(text)

    def _add(self, path: str, line: int, message: str, cure: str = "") -> None:
        self.problems.append(Problem(path=path, message=message, cure=cure, line=line))


def _plain(text: str) -> Json:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    return text
