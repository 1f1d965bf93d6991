"""The grammar of a script: a parsed file in, compiled replies and rules out, every problem of it at once. Pure.

replies: [reply, …]                 by turn; `then: repeat_last` gives the last one again beyond the end
rules: [{when: {…}, reply: reply}]  the first that holds wins over `replies`
reply: text, or {text | json, tool_calls, usage, responded_model, finish_reason, delay_ms, error, literal}
when: {turn, path, contains, matches, tool_result_contains, system_contains, tool}; all that is given must hold
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import re2  # pyright: ignore[reportMissingTypeStubs]  # it ships none

from trackrecord.canonical import Json, clean, dumps
from trackrecord.errors import BadInput
from trackrecord.models import rules
from trackrecord.models.replies import SCOPE_ROOTS, ScriptedCall, ScriptedError, ScriptedReply
from trackrecord.models.rules import Check, Rule
from trackrecord.record.usage import UNKNOWN, Usage
from trackrecord.record.usage import read as read_figure
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.fields import Field, Problems, Table, describe, join, near, read
from trackrecord.workflow.references import Template, compile_template

if TYPE_CHECKING:
    from trackrecord.agent.files import Source

SCRIPT: Final[Table] = {
    "replies": Field(kind="list", default=[]),
    "rules": Field(kind="list", default=[]),
    "then": Field(kind="text", choices=("repeat_last",)),
}
RULE: Final[Table] = {"when": Field(kind="mapping", default={}), "reply": Field(kind="any", is_required=True)}
REPLY: Final[Table] = {
    "text": Field(kind="text"),
    "json": Field(kind="any"),
    "tool_calls": Field(kind="list", default=[]),
    "usage": Field(kind="any"),
    "responded_model": Field(kind="text", least=1),
    "finish_reason": Field(kind="text", least=1),
    "delay_ms": Field(kind="number", default=0, least=0, most=3_600_000),
    "error": Field(kind="mapping"),
    "literal": Field(kind="flag", default=False),
}
CALL: Final[Table] = {
    "name": Field(kind="text", is_required=True, least=1),
    "arguments": Field(kind="any", default={}),
    "id": Field(kind="text", least=1),
}
ERROR: Final[Table] = {
    "status": Field(kind="integer", least=100, most=599),
    "code": Field(kind="text", choices=("provider_unavailable", "model_failed", "provider_bad_response")),
    "message": Field(kind="text", least=1),
    "retry_after_s": Field(kind="number", least=0),
    "times": Field(kind="integer", least=1),
    "usage": Field(kind="any"),
}
USAGE: Final[Table] = {
    name: Field(kind="any") for name in ("input", "output", "cache_read", "cache_write", "reasoning")
}
_TEXT_CHECKS: Final[Mapping[str, Callable[[str], Check]]] = {
    "contains": rules.last_contains,
    "tool_result_contains": rules.result_contains,
    "system_contains": rules.system_contains,
    "tool": rules.last_tool_is,
}
WHEN: Final[Table] = {
    "turn": Field(kind="integer", least=1),
    "path": Field(kind="text", least=1, most=1_024),
    "matches": Field(kind="text", least=1, most=1_000),
    **{name: Field(kind="text", least=1) for name in _TEXT_CHECKS},
}
_TRANSIENT_STATUSES: Final = (408, 429)
_re2: Final[Any] = re2  # untyped as it is, it is only touched through this name


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


def read_script(value: object, *, name: str, source: Source | None = None) -> Script:
    """The script of a mapping, or of a parsed file when there is a `source`; `name` is told in the message.

    Raises:
        BadInput: something is wrong with it; the message has every problem with path and cure, and its line in a file.
    """
    problems = Problems(found=[] if source is None else list(source.problems))
    is_readable = source is None or source.value is not None or not source.problems
    script = _script(clean(value), problems) if is_readable else None
    if script is not None and not problems.found:
        return script
    found = tuple(problems.found) if source is None else source.with_lines(tuple(problems.found))
    listed = "\n".join(f"- {problem}" for problem in found)
    raise BadInput(f"the script {name!r} cannot be used:\n{listed}", cure="Mend the script.")


def _script(value: Json, problems: Problems) -> Script:
    fields = _fields(value, SCRIPT, "", "a script", problems)
    replies = [_reply(one, join("replies", place), problems) for place, one in enumerate(_list(fields["replies"]))]
    ruled = [_rule(one, join("rules", place), problems) for place, one in enumerate(_list(fields["rules"]))]
    if not replies and not ruled and not problems.found:
        problems.add("", "it has neither replies nor rules", "Give it a list `replies` or a list `rules`.")
    return Script(replies=tuple(replies), rules=tuple(ruled), repeats_last=fields["then"] is not None)


def _rule(value: Json, path: str, problems: Problems) -> Rule:
    fields = _fields(value, RULE, path, "a rule", problems)
    checks = _checks(fields["when"], join(path, "when"), problems)
    reply = "" if fields["reply"] is None else fields["reply"]
    return Rule(tuple(checks), _reply(reply, join(path, "reply"), problems))


def _checks(value: Json, path: str, problems: Problems) -> list[Check]:
    fields = _fields(value, WHEN, path, "`when`", problems)
    checks: list[Check] = []
    for name, wanted in fields.items():
        if isinstance(value, dict) and name in value and value[name] is None:
            # else a rule meant for one turn would hold for all
            problems.add(join(path, name), f"{name!r} is empty", "Write what it must be, or leave the field out.")
        if isinstance(wanted, int):
            checks.append(rules.at_turn(wanted))
        elif isinstance(wanted, str):
            checks += _text_check(name, wanted, join(path, name), problems)
    return checks


def _text_check(name: str, wanted: str, path: str, problems: Problems) -> list[Check]:
    if name in _TEXT_CHECKS:
        return [_TEXT_CHECKS[name](wanted)]
    if name == "matches":
        pattern = _pattern(wanted, path, problems)
        return [] if pattern is None else [rules.last_matches(pattern)]
    if "*" not in wanted:
        return [rules.at_path(wanted)]
    pattern = _pattern(_path_pattern(wanted), path, problems)
    return [] if pattern is None else [rules.at_path_like(pattern)]


def _reply(value: Json, path: str, problems: Problems) -> ScriptedReply:
    given: Json = {"text": value} if isinstance(value, str) else value
    fields = _fields(given, REPLY, path, "a reply", problems)
    error = None if fields["error"] is None else _error(fields["error"], join(path, "error"), problems)
    if isinstance(given, dict):
        _check_content(given, path, problems)
    is_literal = fields["literal"] is True
    is_json = isinstance(given, dict) and "json" in given
    content = fields["json"] if is_json else fields["text"]
    at = join(path, "json" if is_json else "text")
    calls = [
        _call(one, join(join(path, "tool_calls"), place), is_literal, problems)
        for place, one in enumerate(_list(fields["tool_calls"]))
    ]
    delay_ms = fields["delay_ms"]
    return ScriptedReply(
        where=path,
        text=dumps(content) if is_json else _text(content),
        template=None if is_literal else _template(content, at, problems),
        is_json=is_json,
        calls=tuple(calls),
        usage=None if fields["usage"] is None else _usage(fields["usage"], join(path, "usage"), problems),
        responded_model=_text(fields["responded_model"]),
        finish_reason=_text(fields["finish_reason"]),
        delay_s=delay_ms / 1000 if isinstance(delay_ms, int | float) else 0.0,
        error=error,
    )


def _check_content(given: Mapping[str, Json], path: str, problems: Problems) -> None:
    """A reply must say something, and nothing that is never heard."""
    says = [name for name in ("text", "json", "tool_calls") if name in given]
    error = given.get("error")
    if "text" in says and "json" in says:
        problems.add(path, "the reply has both text and json", "Keep one of them.")
    if "error" not in given and not says:
        problems.add(path, "the reply says nothing", 'Give it text (also ""), json, tool_calls or an error.')
    if not isinstance(error, dict):
        return
    if "times" in error and not says:
        problems.add(path, "nothing follows the errors", "Give it text, json or tool_calls as well.")
    if "times" not in error and says:
        problems.add(path, f"its {says[0]} is never reached: the error has no `times`", "Give the error `times`.")


def _call(value: Json, path: str, is_literal: bool, problems: Problems) -> ScriptedCall:
    fields = _fields(value, CALL, path, "a tool call", problems)
    arguments = fields["arguments"]
    # raw text stands for what a model may write, broken JSON too: nothing is filled in there
    is_fixed = is_literal or isinstance(arguments, str)
    return ScriptedCall(
        name=_text(fields["name"]) or "",
        arguments=arguments,
        template=None if is_fixed else _template(arguments, join(path, "arguments"), problems),
        id=_text(fields["id"]),
    )


def _usage(value: Json, path: str, problems: Problems) -> Usage:
    """The figures as the provider would report them; one that makes no sense is unknown, and kept raw."""
    if value == "none":
        return UNKNOWN
    given = _fields(value, USAGE, path, "usage (or the word none)", problems)
    figures = {name: read_figure(figure) for name, figure in given.items()}
    is_senseless = any(given[name] is not None and figure is None for name, figure in figures.items())
    is_known = any(figure is not None for figure in figures.values())
    return Usage(
        input_tokens=figures["input"],
        output_tokens=figures["output"],
        cache_read_tokens=figures["cache_read"],
        cache_write_tokens=figures["cache_write"],
        reasoning_tokens=figures["reasoning"],
        provenance="reported" if is_known else "unknown",
        raw=dumps(value) if is_senseless else None,
    )


def _error(value: Json, path: str, problems: Problems) -> ScriptedError:
    fields = _fields(value, ERROR, path, "an error", problems)
    status, retry_after_s, times = fields["status"], fields["retry_after_s"], fields["times"]
    was_passing = not isinstance(status, int) or status in _TRANSIENT_STATUSES or status >= 500
    code = _text(fields["code"]) or ("provider_unavailable" if was_passing else "model_failed")
    said = f"the provider answered with status {status}" if status else "the connection to the provider failed"
    return ScriptedError(
        code=code,
        message=_text(fields["message"]) or said,
        is_transient=was_passing and code == "provider_unavailable",
        status=status if isinstance(status, int) else None,
        retry_after_s=float(retry_after_s) if isinstance(retry_after_s, int | float) else None,
        times=times if isinstance(times, int) else None,
        usage=UNKNOWN if fields["usage"] is None else _usage(fields["usage"], join(path, "usage"), problems),
    )


def _fields(value: Json, table: Table, path: str, what: str, problems: Problems) -> dict[str, Json]:
    if not isinstance(value, dict):
        known = ", ".join(table)
        problems.add(path, f"{what} must be a mapping, not {describe(value)}", f"Its fields: {known}.")
        return {name: field.default for name, field in table.items()}
    return read(value, table, path=path, what=what, problems=problems)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _pattern(pattern: str, path: str, problems: Problems) -> rules.Pattern | None:
    options = _re2.Options()
    options.log_errors = False
    try:
        return _re2.compile(pattern, options)
    except _re2.error as error:
        said: object = error.args[0] if error.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        problems.add(path, f"{pattern!r} is no regular expression: {reason}", "Write it in RE2 syntax.")
        return None


def _path_pattern(wanted: str) -> str:
    """`*` stands for anything within one segment of a path, `**` for anything at all."""
    escaped: str = _re2.escape(wanted)
    return escaped.replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _template(value: Json, path: str, problems: Problems) -> Template | None:
    if "{{" not in dumps(value):
        return None
    try:
        template = compile_template(value)
    except ExpressionError as error:
        problems.add(path, error.message, error.cure)
        return None
    for root in sorted({reference.root for reference in template.references} - set(SCOPE_ROOTS)):
        problems.add(path, f"there is no {root!r} in a script", near(root, SCOPE_ROOTS))
    return template
