"""The grammar of a script: a parsed file in, compiled replies and rules out, every problem of it at once. Pure.

    replies: [reply, …]                 by turn; `then: repeat_last` gives the last one again beyond the end
    rules: [{when: {…}, reply: reply}]  the first that holds wins over `replies`
    reply: text, or {text | json, tool_calls, usage, responded_model, finish_reason, delay_ms, error, literal}
    when: {turn, path, contains, matches, tool_result_contains, system_contains, tool}; all that is given must hold
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import re2

from trackrecord.canonical import Json, dumps
from trackrecord.errors import BadInput, Problem, TrackrecordError
from trackrecord.models import rules
from trackrecord.models.replies import ScriptedCall, ScriptedError, ScriptedReply
from trackrecord.models.rules import Check, Rule
from trackrecord.models.script_text import Source
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.record.usage import read as read_figure
from trackrecord.workflow.references import Template, compile_template

_SCRIPT: Final = ("replies", "rules", "then")
_RULE: Final = ("when", "reply")
_REPLY: Final = (
    "text",
    "json",
    "tool_calls",
    "usage",
    "responded_model",
    "finish_reason",
    "delay_ms",
    "error",
    "literal",
)
_CALL: Final = ("name", "arguments", "id")
_ERROR: Final = ("status", "code", "message", "retry_after_s", "times", "usage")
_FIGURES: Final = ("input", "output", "cache_read", "cache_write", "reasoning")
_CODES: Final = ("provider_unavailable", "model_failed", "provider_bad_response")
_TRANSIENT_STATUSES: Final = (408, 429)
_MAX_DELAY_MS: Final = 3_600_000
_MAX_PATTERN: Final = 1_000

_TEXT_CHECKS: Final[Mapping[str, Callable[[str], Check]]] = {
    "contains": rules.last_contains,
    "tool_result_contains": rules.result_contains,
    "system_contains": rules.system_contains,
    "tool": rules.last_tool_is,
}
_WHEN: Final = ("turn", "path", "matches", *_TEXT_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A checked script.

    Attributes:
        replies: by turn, the first one first.
        rules: looked at in order, before `replies`.
        repeats_last: whether the last reply is given again beyond the end.
    """

    replies: tuple[ScriptedReply, ...]
    rules: tuple[Rule, ...]
    repeats_last: bool


def read_script(source: Source, *, name: str) -> Script:
    """The script of a parsed file; `name` is the file's, for the message.

    Raises:
        BadInput: something is wrong with it; the message has every problem with line, path and cure.
    """
    grammar = _Grammar(source)
    script = grammar.script(source.value) if source.value is not None or not source.problems else None
    if script is None or grammar.problems:
        listed = "\n".join(f"- {problem}" for problem in grammar.problems)
        raise BadInput(f"the script {name!r} cannot be used:\n{listed}", cure="Mend the script file.")
    return script


class _Grammar:
    """Reads one script and keeps what is wrong with it."""

    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = list(source.problems)
        self._lines = source.lines

    def script(self, value: Json) -> Script | None:
        fields = self._fields(value, "", _SCRIPT, "a script")
        if fields is None:
            return None
        replies = [self._reply(one, path) for one, path in self._list(fields.get("replies"), "replies")]
        ruled = [self._rule(one, path) for one, path in self._list(fields.get("rules"), "rules")]
        then = fields.get("then")
        if then not in (None, "repeat_last"):
            self._add("then", f"{then!r} is not known", "Write `then: repeat_last`, or leave it out.")
        if not replies and not ruled:
            self._add("", "it has neither replies nor rules", "Give it a list `replies` or a list `rules`.")
        return Script(
            replies=tuple(one for one in replies if one is not None),
            rules=tuple(one for one in ruled if one is not None),
            repeats_last=then == "repeat_last",
        )

    def _rule(self, value: Json, path: str) -> Rule | None:
        fields = self._fields(value, path, _RULE, "a rule")
        if fields is None:
            return None
        checks = self._checks(fields.get("when"), f"{path}.when")
        if "reply" not in fields:
            self._add(path, "the rule has no reply", "Give it a `reply`.")
            return None
        reply = self._reply(fields["reply"], f"{path}.reply")
        return None if reply is None else Rule(tuple(checks), reply)

    def _checks(self, value: Json, path: str) -> list[Check]:
        fields = self._fields({} if value is None else value, path, _WHEN, "`when`") or {}
        checks: list[Check] = []
        for name, given in fields.items():
            at = f"{path}.{name}"
            if name == "turn":
                turn = self._whole(given, at, 1, None)
                if given is None:  # else a rule meant for one turn would hold for all
                    self._add(at, "it is empty", "Write a number, or leave `turn` out.")
                checks += [] if turn is None else [rules.at_turn(turn)]
            elif name in _WHEN:
                text = self._text(given, at)
                checks += [] if text is None else self._text_check(name, text, at)
        return checks

    def _text_check(self, name: str, text: str, path: str) -> list[Check]:
        if name in _TEXT_CHECKS:
            return [_TEXT_CHECKS[name](text)]
        if name == "path" and "*" not in text:
            return [rules.at_path(text)]
        pattern = self._pattern(_path_pattern(text) if name == "path" else text, path)
        if pattern is None:
            return []
        return [rules.at_path_like(pattern) if name == "path" else rules.last_matches(pattern)]

    def _reply(self, value: Json, path: str) -> ScriptedReply | None:
        if isinstance(value, str):
            value = {"text": value}
        fields = self._fields(value, path, _REPLY, "a reply")
        if fields is None:
            return None
        error = self._error(fields["error"], f"{path}.error") if "error" in fields else None
        self._check_content(fields, path, error)
        is_literal = self._flag(fields.get("literal"), f"{path}.literal")
        text, template = self._content(fields, path, is_literal)
        calls = [
            self._call(one, at, is_literal) for one, at in self._list(fields.get("tool_calls"), f"{path}.tool_calls")
        ]
        return ScriptedReply(
            where=path,
            text=text,
            template=template,
            is_json="json" in fields,
            calls=tuple(call for call in calls if call is not None),
            usage=self._usage(fields["usage"], f"{path}.usage") if "usage" in fields else None,
            responded_model=self._optional_text(fields, "responded_model", path),
            finish_reason=self._optional_text(fields, "finish_reason", path),
            delay_s=(self._number(fields.get("delay_ms"), f"{path}.delay_ms", _MAX_DELAY_MS) or 0) / 1000,
            error=error,
        )

    def _check_content(self, fields: Mapping[str, Json], path: str, error: ScriptedError | None) -> None:
        """A reply must say something, and only what can be heard."""
        says = [name for name in ("text", "json", "tool_calls") if name in fields]
        if "text" in says and "json" in says:
            self._add(path, "the reply has both text and json", "Keep one of them.")
        if "error" not in fields and not says:
            self._add(path, "the reply says nothing", 'Give it text (also ""), json, tool_calls or an error.')
        if error is not None and error.times is None and says:
            self._add(path, f"its {says[0]} is never reached: the error has no `times`", "Give the error `times`.")
        if error is not None and error.times is not None and not says:
            self._add(path, f"nothing follows the {error.times} errors", "Give it text, json or tool_calls as well.")

    def _content(self, fields: Mapping[str, Json], path: str, is_literal: bool) -> tuple[str | None, Template | None]:
        if "json" in fields:
            value = fields["json"]
            template = None if is_literal else self._template(value, f"{path}.json")
            return dumps(value), template
        if "text" not in fields:
            return None, None
        text = self._text(fields["text"], f"{path}.text", may_be_empty=True)
        return text, None if is_literal or text is None else self._template(text, f"{path}.text")

    def _call(self, value: Json, path: str, is_literal: bool) -> ScriptedCall | None:
        fields = self._fields(value, path, _CALL, "a tool call")
        if fields is None:
            return None
        if "name" not in fields:
            self._add(path, "the tool call has no name", "Give it a `name` like plugin__action.")
            return None
        name = self._text(fields["name"], f"{path}.name")
        arguments = fields.get("arguments", {})
        # raw text stands for what a model may write, broken JSON too: nothing is filled in there
        is_raw = isinstance(arguments, str)
        template = None if is_raw or is_literal else self._template(arguments, f"{path}.arguments")
        call_id = self._optional_text(fields, "id", path)
        return None if name is None else ScriptedCall(name=name, arguments=arguments, template=template, id=call_id)

    def _usage(self, value: Json, path: str) -> Usage:
        if value is None or value == "none":
            return UNKNOWN
        fields = self._fields(value, path, _FIGURES, "usage (or the word `none`)") or {}
        given = {name: fields.get(name) for name in _FIGURES}
        figures = {name: read_figure(figure) for name, figure in given.items()}
        is_senseless = any(given[name] is not None and figures[name] is None for name in _FIGURES)
        if all(figure is None for figure in figures.values()):
            return Usage(provenance="unknown", raw=dumps(value)) if is_senseless else UNKNOWN
        return Usage(
            input_tokens=figures["input"],
            output_tokens=figures["output"],
            cache_read_tokens=figures["cache_read"],
            cache_write_tokens=figures["cache_write"],
            reasoning_tokens=figures["reasoning"],
            raw=dumps(value) if is_senseless else None,
        )

    def _error(self, value: Json, path: str) -> ScriptedError | None:
        fields = self._fields(value, path, _ERROR, "an error")
        if fields is None:
            return None
        status = self._whole(fields.get("status"), f"{path}.status", 100, 599)
        is_transient = status is None or status in _TRANSIENT_STATUSES or status >= 500
        code = self._optional_text(fields, "code", path)
        if code is None:
            code = "provider_unavailable" if is_transient else "model_failed"
        elif code not in _CODES:
            self._add(f"{path}.code", f"the code {code!r} is not known", f"Use one of {', '.join(_CODES)}.")
        said = "the connection failed" if status is None else f"the provider answered with status {status}"
        return ScriptedError(
            code=code,
            message=self._optional_text(fields, "message", path) or said,
            is_transient=is_transient and code == "provider_unavailable",
            status=status,
            retry_after_s=self._number(fields.get("retry_after_s"), f"{path}.retry_after_s", None),
            times=self._whole(fields.get("times"), f"{path}.times", 1, None),
            usage=self._usage(fields["usage"], f"{path}.usage") if "usage" in fields else UNKNOWN,
        )

    def _fields(self, value: Json, path: str, known: Sequence[str], what: str) -> dict[str, Json] | None:
        if not isinstance(value, dict):
            cure = f"Write its fields: {', '.join(known)}."
            self._add(path, f"{what} must be a mapping, not {_kind(value)}", cure)
            return None
        for name in value:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                cure = f"Did you mean {near[0]!r}?" if near else f"Known fields: {', '.join(known)}."
                self._add(f"{path}.{name}" if path else name, f"there is no field {name!r} here", cure)
        return value

    def _list(self, value: Json, path: str) -> list[tuple[Json, str]]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._add(path, f"{path.rpartition('.')[2]!r} must be a list, not {_kind(value)}", "Begin each with `- `.")
            return []
        return [(item, f"{path}[{place}]") for place, item in enumerate(value)]

    def _text(self, value: Json, path: str, *, may_be_empty: bool = False) -> str | None:
        if isinstance(value, str) and (value or may_be_empty):
            return value
        got = "empty" if value == "" else f"not {_kind(value)}"
        self._add(path, f"it must be text, {got}", "Put it in quotes." if value != "" else "Write something.")
        return None

    def _optional_text(self, fields: Mapping[str, Json], name: str, path: str) -> str | None:
        return self._text(fields[name], f"{path}.{name}") if fields.get(name) is not None else None

    def _whole(self, value: Json, path: str, least: int, most: int | None) -> int | None:
        if value is None:
            return None
        if type(value) is int and value >= least and (most is None or value <= most):
            return value
        self._add(path, f"{value!r} is no whole number {_range(least, most)}")
        return None

    def _number(self, value: Json, path: str, most: int | None) -> float | None:
        if value is None:
            return None
        if type(value) in (int, float) and isinstance(value, int | float) and math.isfinite(value):
            if value >= 0 and (most is None or value <= most):
                return float(value)
        self._add(path, f"{value!r} is no number {_range(0, most)}")
        return None

    def _flag(self, value: Json, path: str) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        self._add(path, f"{value!r} is neither true nor false")
        return False

    def _pattern(self, pattern: str, path: str) -> rules.Pattern | None:
        options = re2.Options()
        options.log_errors = False
        try:
            if len(pattern) <= _MAX_PATTERN:
                return re2.compile(pattern, options)
            self._add(path, f"the pattern has {len(pattern)} characters, more than {_MAX_PATTERN}")
        except re2.error as error:
            said = error.args[0] if error.args else ""
            reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            self._add(path, f"{pattern!r} is no regular expression: {reason}", "Look-around and back-references: no.")
        return None

    def _template(self, value: Json, path: str) -> Template | None:
        if "{{" not in dumps(value):
            return None
        try:
            return compile_template(value)
        except TrackrecordError as error:
            self._add(path, error.message, error.cure)
            return None

    def _add(self, path: str, message: str, cure: str = "") -> None:
        self.problems.append(Problem(path=path, message=message, cure=cure, line=self._line(path)))

    def _line(self, path: str) -> int | None:
        """The line of a path, or of the nearest thing around it that has one."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path)


def _path_pattern(text: str) -> str:
    """`*` stands for anything within one segment of a path, `**` for anything at all."""
    return re2.escape(text).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _range(least: int, most: int | None) -> str:
    return f"of {least:,} or more" if most is None else f"from {least:,} to {most:,}"


def _kind(value: Json) -> str:
    if value is None:
        return "nothing"
    names: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a mapping")
