"""Text into plain values: YAML 1.2 or JSON, with the line of every place. Knows nothing of agents.

Built on the parser's events, not on its object builder: nothing in a file can make anything but text, numbers, true,
false, null, lists and mappings. Only `true` and `false` are booleans, so `on:` and `no` are text. Custom tags,
duplicate keys, several documents and aliases that would blow up are problems. Never raises on content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import yaml

from trackrecord.canonical import Json
from trackrecord.errors import Problem
from trackrecord.workflow.fields import Problems, join

MAX_FILE_BYTES: Final = 4 << 20  # 10,000 steps, the most there may be, of 400 bytes each
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 250_000

_WORDS: Final[Mapping[str, Json]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD_FLOAT: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOST_DIGITS: Final = 400
_BARE_BRACES: Final = re.compile(r"[:-]\s+\{\{")
_IN_QUOTES: Final = ("text that starts with {{ is not in quotes.", "Write it in quotes: '{{ … }}'.")
# the C parser where the wheel has it: thirty times faster, same events
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file holds.

    Attributes:
        value: its content; None when it cannot be read at all.
        problems: what is wrong with it as YAML or JSON, each with its line.
        text: the text itself; lines of other problems are looked up in it.
    """

    value: Json
    problems: tuple[Problem, ...]
    text: str

    def with_lines(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """The problems with the lines of their places, in the order of the file."""
        if not problems:
            return ()
        lines = line_numbers(self.text)
        found = [one if one.line else replace(one, line=_line(one.path, lines)) for one in problems]
        return tuple(sorted(found, key=lambda one: one.line or 0))


def parse(data: bytes, *, is_json: bool = False) -> Source:
    """The content of a file; `is_json` says that its name promises JSON, else it is told by the first character."""
    if len(data) > MAX_FILE_BYTES:
        message = f"the file is {len(data):,} bytes; {MAX_FILE_BYTES:,} is the most."
        return _unreadable(message, "Move long texts and data elsewhere.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unreadable("the file is not UTF-8 text.", "Save it with the encoding UTF-8.", line=line)
    if not text.strip():
        return _unreadable("the file is empty.", "Start with `name:` and `prompt:`.")
    looks_like_json = text.lstrip()[0] in "{["
    if not is_json and not looks_like_json:
        return _yaml(text)
    source = _json(text)
    if is_json or not source.problems:
        return source
    as_yaml = _yaml(text)  # a YAML file may start with a brace as well
    return source if as_yaml.value is None else as_yaml


def line_numbers(text: str) -> dict[str, int]:
    """The 1-based line of every place of a text, as far as it can be read."""
    builder = _Builder(lines={})
    with suppress(yaml.YAMLError, _UnreadableError):
        builder.build(text.replace("\t", " "))
    return builder.lines or {}


def _line(path: str, lines: Mapping[str, int]) -> int | None:
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path) if path else None


def _unreadable(message: str, cure: str, *, line: int | None = None, text: str = "") -> Source:
    return Source(value=None, problems=(Problem(path="", message=message, cure=cure, line=line),), text=text)


def _json(text: str) -> Source:
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        known = dict(items)
        if len(known) < len(items):
            repeated.extend(name for name in known if sum(name == other for other, _ in items) > 1)
        return known

    def constant(word: str) -> Json:
        raise _UnreadableError(f"{word} is not a JSON number", "Write a number, or null.", None)

    try:
        value = cast("Json", json.loads(text, object_pairs_hook=pairs, parse_constant=constant))
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        return _unreadable(message, _json_cure(error), line=error.lineno, text=text)
    except (RecursionError, ValueError):
        return _unreadable(
            "the file is nested too deeply or holds a number too long to read.", "Simplify it.", text=text
        )
    except _UnreadableError as error:
        return _unreadable(f"{error.message}.", error.cure, line=error.line, text=text)
    if not repeated:
        return Source(value=value, problems=(), text=text)
    builder = _Builder(lines={})
    with suppress(yaml.YAMLError, _UnreadableError):
        builder.build(text.replace("\t", " "))
    twice = builder.problems.found or [Problem(path="", message=f"the key {repeated[0]!r} is given twice.")]
    return Source(value=value, problems=tuple(twice), text=text)


def _json_cure(error: json.JSONDecodeError) -> str:
    before = error.doc[: error.pos].rstrip()
    if error.msg.startswith("Expecting property name") and before.endswith(","):
        return "Remove the comma before the closing brace."
    if error.msg.startswith("Expecting ',' delimiter"):
        return "Is a comma or a closing bracket missing just before?"
    return ""


def _yaml(text: str) -> Source:
    builder = _Builder()
    try:
        value = builder.build(text)
    except _UnreadableError as error:
        if error.line is not None and _BARE_BRACES.search(text.splitlines()[error.line - 1]):
            return _unreadable(*_IN_QUOTES, line=error.line, text=text)
        return _unreadable(f"{error.message}.", error.cure, line=error.line, text=text)
    except yaml.MarkedYAMLError as error:
        message, cure, line = _explain(error, text)
        return _unreadable(message, cure, line=line, text=text)
    except yaml.YAMLError as error:
        odd = next((letter for letter in text if letter < " " and letter not in "\n\r\t"), None)
        shown = f"the control character U+{ord(odd):04X}" if odd else str(error).splitlines()[0]
        line = text.count("\n", 0, text.index(odd)) + 1 if odd else None
        return _unreadable(f"the file holds {shown}.", "Remove it.", line=line, text=text)
    return Source(value=value, problems=tuple(builder.problems.found), text=text)


def _explain(error: yaml.MarkedYAMLError, text: str) -> tuple[str, str, int]:
    """What a first-time author needs: the likeliest mistake on the line, not the parser's own words."""
    mark = error.problem_mark or error.context_mark
    number = 1 if mark is None else mark.line + 1
    lines = text.splitlines() or [""]
    line = lines[min(number, len(lines)) - 1]
    above = lines[min(number, len(lines)) - 2] if number > 1 else ""
    problem = error.problem or "not readable"
    if line[: len(line) - len(line.lstrip())].count("\t"):
        return "a tab indents this line.", "Indent with spaces; YAML does not allow tabs.", number
    if _BARE_BRACES.search(line):
        return *_IN_QUOTES, number
    if problem.startswith("mapping values are not allowed"):
        if line.count(": ") > 1:
            return "there is a second `: ` on this line.", "Put the text after the first one in quotes.", number
        if above and ":" not in above and not above.rstrip().endswith((",", "[", "{")):
            return "this line has no `:` after its name.", "Write `name: value`.", number - 1
        return "this line is indented differently from its neighbours.", "Align it with the lines around it.", number
    if "cannot start any token" in problem and mark is not None:
        letter = line[mark.column : mark.column + 1]
        return f"text cannot start with {letter!r} here.", "Put the text in quotes.", number
    if "unexpected end of stream" in problem or "found unexpected document" in problem:
        start = number if error.context_mark is None else error.context_mark.line + 1
        return "a quote is opened here and never closed.", "Close it; write '' for a quote inside quotes.", start
    if "flow" in (error.context or "") and error.context_mark is not None:
        return "a bracket is opened here and never closed.", "Close it with ] or }.", error.context_mark.line + 1
    if problem.startswith("did not find expected"):
        return "this line is indented differently from its neighbours.", "Align it with the lines around it.", number
    return f"not YAML: {problem}.", "", number


class _UnreadableError(Exception):
    """The text cannot be read any further."""

    def __init__(self, message: str, cure: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.line = line


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is still open; `key` is the name whose value comes next."""

    value: dict[str, Json] | list[Json]
    path: str
    anchor: str | None
    count_before: int
    key: str | None = None
    is_skipping: bool = False


@dataclass(slots=True)
class _Builder:
    """Builds plain values from the parser's events, without recursion."""

    lines: dict[str, int] | None = None
    problems: Problems = field(default_factory=Problems)
    count: int = 0
    anchors: dict[str, tuple[Json, int]] = field(default_factory=dict[str, tuple[Json, int]])
    stack: list[_Frame] = field(default_factory=list[_Frame])
    result: Json = None

    def build(self, text: str) -> Json:
        """The value of the text's one document."""
        parser = _Loader(text)
        documents = 0
        try:
            while parser.check_event():
                event = parser.get_event()
                documents += isinstance(event, yaml.DocumentStartEvent)
                line = event.start_mark.line + 1
                if documents > 1:
                    raise _UnreadableError("the file holds more than one document", "Remove the second `---`.", line)
                self._take(event, line)
        finally:
            parser.dispose()
        return self.result

    def _take(self, event: Any, line: int) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent():
                self._open({}, event, line)
            case yaml.SequenceStartEvent():
                self._open([], event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                frame = self.stack.pop()
                if frame.anchor:
                    self.anchors[frame.anchor] = (frame.value, self.count - frame.count_before)
            case yaml.AliasEvent():
                self._alias(str(event.anchor), line)
            case _:
                pass

    def _scalar(self, event: Any, line: int) -> None:
        is_key = self._is_key()
        text: str = event.value
        plain = bool(event.implicit[0])
        value: Json = text
        if event.tag is not None and event.tag != "!":
            self._add(f"the tag {_tag(event.tag)} is not read", "Remove it; put text in quotes.", line)
        elif plain and not is_key:
            value = self._plain(text, line)
        elif plain and is_key and (text in _WORDS or _INT.fullmatch(text)):
            value = text  # keys are text, whatever they look like
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._put(value, line)

    def _plain(self, text: str, line: int) -> Json:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in "+-.0123456789":
            return text
        if _INT.fullmatch(text):
            if len(text) > _MOST_DIGITS:
                self._add("the number is too long to read", "Put it in quotes if it is an identifier.", line)
                return None
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _ODD_FLOAT.fullmatch(text):
            self._add(f"{text} is not a number a run can store", "Write a number, or null.", line)
        return text

    def _open(self, value: dict[str, Json] | list[Json], event: Any, line: int) -> None:
        if event.tag is not None and event.tag != "!":
            self._add(f"the tag {_tag(event.tag)} is not read", "Remove it.", line)
        if self._is_key():
            raise _UnreadableError("a key must be text, not a mapping or list", "Put it in quotes.", line)
        if len(self.stack) >= MAX_DEPTH:
            raise _UnreadableError(f"the file is nested more than {MAX_DEPTH} deep", "Flatten it.", line)
        before = self.count
        path = self._put(value, line)
        self.stack.append(_Frame(value, path, event.anchor, before))

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            is_open = any(frame.anchor == anchor for frame in self.stack)
            said = "contains itself" if is_open else "is not defined above"
            raise _UnreadableError(f"the alias *{anchor} {said}", "Write the value out.", line)
        value, size = self.anchors[anchor]
        if self._is_key() and not isinstance(value, str):
            raise _UnreadableError(f"the alias *{anchor} is no text and cannot be a key", "Write the key out.", line)
        self.count += size
        self._put(value, line)

    def _is_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _put(self, value: Json, line: int) -> str:
        """Stores a value where it belongs and gives its place; a scalar in key position becomes the key."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise _UnreadableError(
                f"the file holds more than {MAX_VALUES:,} values", "Write aliases out, or simplify.", line
            )
        if not self.stack:
            self.result = value
            return ""
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            path = join(frame.path, len(frame.value))
            frame.value.append(value)
            self._note(path, line)
            return path
        if frame.key is None:
            return self._key(frame, value, line)
        path = join(frame.path, frame.key)
        if not frame.is_skipping:
            frame.value[frame.key] = value
        frame.key = None
        return path

    def _key(self, frame: _Frame, value: Json, line: int) -> str:
        key = str(value)
        path = join(frame.path, key)
        mapping = cast("dict[str, Json]", frame.value)
        frame.is_skipping = key in mapping
        if frame.is_skipping:
            self._add_at(path, f"the key {key!r} is given twice", "Keep one.", line)
        else:
            self._note(path, line)
        frame.key = key
        return path

    def _note(self, path: str, line: int) -> None:
        if self.lines is not None:
            self.lines.setdefault(path, line)

    def _add(self, message: str, cure: str, line: int) -> None:
        frame = self.stack[-1] if self.stack else None
        path = "" if frame is None else join(frame.path, frame.key) if frame.key else frame.path
        self._add_at(path, message, cure, line)

    def _add_at(self, path: str, message: str, cure: str, line: int) -> None:
        if not self.problems.is_full:
            self.problems.found.append(Problem(path=path, message=f"{message}.", cure=cure, line=line))


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
