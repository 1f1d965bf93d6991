"""JSON Schema 2020-12 of scripts, for editors: made from the tables that `script` reads, never stricter. Pure.

What no schema can say is left to the run: whether templates and patterns can be read, and an error's `times`.
"""

from __future__ import annotations

from typing import Final, cast

from trackrecord.canonical import Json
from trackrecord.models import script
from trackrecord.workflow.field_schema import DRAFT, Schema, of_table
from trackrecord.workflow.meanings import Meanings

SCRIPT: Final[Meanings] = {
    "replies": "Replies by turn: the first for the first request of a conversation, and so on.",
    "rules": "Looked at first, in order; the first that holds wins.",
    "then": "Gives the last of replies again beyond the end.",
}
RULE: Final[Meanings] = {"when": "What must hold; nothing means always.", "reply": "What is answered then."}
WHEN: Final[Meanings] = {
    "turn": "The number of the turn in its conversation, from 1.",
    "path": "The place in the run, like s:draft/model; * is anything within a segment, ** anything at all.",
    "matches": "An RE2 pattern that matches somewhere in the last user or tool message.",
    "contains": "A text in the last user or tool message.",
    "tool_result_contains": "A text in one of the tool results since the model's last reply.",
    "system_contains": "A text in the system message.",
    "tool": "The last message answers a call of this function, like files__read.",
}
REPLY: Final[Meanings] = {
    "text": "The answer.",
    "json": "The answer as JSON; instead of text.",
    "tool_calls": "The tools that are asked for.",
    "usage": "What the provider reports; the word none reports nothing.",
    "responded_model": "The model that the provider says answered.",
    "finish_reason": "The provider's word for why it stopped.",
    "delay_ms": "Milliseconds before it answers or fails.",
    "error": "A failure instead of the reply, or before it.",
    "literal": "Takes {{ in texts and arguments as it stands.",
}
CALL: Final[Meanings] = {
    "name": "The function, like files__read.",
    "arguments": "The arguments; a text stands for what a model may write, broken JSON included.",
    "id": "The provider's id of the call.",
}
USAGE: Final[Meanings] = {
    "input": "Tokens of everything sent, cache reads and writes included.",
    "output": "Tokens of everything produced, reasoning included.",
    "cache_read": "Part of input.",
    "cache_write": "Part of input.",
    "reasoning": "Part of output.",
}
ERROR: Final[Meanings] = {
    "status": "HTTP status; without one the connection failed.",
    "code": "Why the run fails, when that does not follow from the status.",
    "message": "What the provider said.",
    "retry_after_s": "Seconds it asks to wait.",
    "times": "Fails so many attempts, then gives the reply.",
    "usage": "Tokens the failed attempt reports.",
}
_REPLY: Final[Schema] = {"$ref": "#/$defs/reply"}
_USAGE: Final[Schema] = {"$ref": "#/$defs/usage"}


def schema() -> Schema:
    """The schema of a script."""
    replies: Schema = {"type": "array", "items": _REPLY}
    rules: Schema = {"type": "array", "items": {"$ref": "#/$defs/rule"}}
    return {
        "$schema": DRAFT,
        "$id": "urn:trackrecord:script",
        "title": "Trackrecord script of a model",
        **of_table(script.SCRIPT, SCRIPT, {"replies": replies, "rules": rules}),
        "anyOf": [{"required": ["replies"]}, {"required": ["rules"]}],
        "$defs": {
            "rule": of_table(script.RULE, RULE, {"when": of_table(script.WHEN, WHEN), "reply": _REPLY}),
            "reply": {"anyOf": [{"type": "string"}, _reply()]},
            "usage": {"anyOf": [{"const": "none"}, of_table(script.USAGE, USAGE)]},
        },
    }


def _reply() -> Schema:
    calls: Schema = {"type": "array", "items": of_table(script.CALL, CALL)}
    bodies = {"tool_calls": calls, "usage": _USAGE, "error": of_table(script.ERROR, ERROR, {"usage": _USAGE})}
    says = cast("list[Json]", [{"required": [name]} for name in ("text", "json", "tool_calls", "error")])
    return {
        **of_table(script.REPLY, REPLY, bodies),
        "anyOf": says,
        "not": {"required": ["text", "json"]},
    }
