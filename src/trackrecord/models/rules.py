"""When a rule of a script is due: conditions on one request, compiled to cheap checks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trackrecord.models.messages import Message, ModelRequest
from trackrecord.models.replies import ScriptedReply

Check = Callable[[ModelRequest, int], bool]


class Pattern(Protocol):
    """A compiled regular expression of linear time."""

    def search(self, text: str, /) -> object | None:
        """A match anywhere in the text, or None."""
        ...

    def fullmatch(self, text: str, /) -> object | None:
        """A match of the whole text, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A reply and everything that must hold for it; nothing means always."""

    checks: tuple[Check, ...]
    reply: ScriptedReply

    def is_due(self, request: ModelRequest, turn: int) -> bool:
        """Whether all of it holds for this request."""
        for check in self.checks:  # noqa: SIM110  # no generator: this runs for every rule of every model call
            if not check(request, turn):
                return False
        return True


def at_turn(wanted: int) -> Check:
    """In the conversation's `wanted`-th turn."""
    return lambda _, turn: turn == wanted


def at_path(wanted: str) -> Check:
    """At this place of a run."""
    return lambda request, _: request.path == wanted


def at_path_like(pattern: Pattern) -> Check:
    """At a place of a run whose whole path matches."""
    return lambda request, _: pattern.fullmatch(request.path) is not None


def last_contains(wanted: str) -> Check:
    """The last user or tool message holds this text."""
    return lambda request, _: wanted in _last_text(request)


def last_matches(pattern: Pattern) -> Check:
    """The last user or tool message matches somewhere."""
    return lambda request, _: pattern.search(_last_text(request)) is not None


def result_contains(wanted: str) -> Check:
    """One of the tool results since the model's last reply holds this text."""
    return lambda request, _: any(wanted in message.text for message in _new_results(request))


def system_contains(wanted: str) -> Check:
    """A system message holds this text."""
    return lambda request, _: any(wanted in one.text for one in request.messages if one.role == "system")


def last_tool_is(name: str) -> Check:
    """The last message answers a call of this function."""
    return lambda request, _: _last_tool(request) == name


def _last_text(request: ModelRequest) -> str:
    for message in reversed(request.messages):
        if message.role in ("user", "tool"):
            return message.text
    return ""


def _new_results(request: ModelRequest) -> list[Message]:
    found: list[Message] = []
    for message in reversed(request.messages):
        if message.role == "assistant":
            break
        if message.role == "tool":
            found.append(message)
    return found


def _last_tool(request: ModelRequest) -> str | None:
    if not request.messages or request.messages[-1].role != "tool":
        return None
    answered = request.messages[-1].tool_request_id
    for message in reversed(request.messages):
        if message.role == "assistant":
            return next((one.name for one in message.tool_requests if one.id == answered), None)
    return None
