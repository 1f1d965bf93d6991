"""The scripted model: answers from a file, offline, the same every time. For tests, examples and trying an agent out.

Holds no conversation: which reply is due is decided from the request alone, so that one model serves any number of runs
at once and a resumed run meets the reply it met before. Place in the walk: behind step 4, where a provider would be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from trackrecord.errors import BadInput
from trackrecord.models.messages import ModelCallFailed, ModelReply, ModelRequest
from trackrecord.models.replies import ScriptedReply
from trackrecord.models.script import Script, read_script


class ScriptedModel:
    """A model whose replies are written down beforehand.

    A rule that holds wins over `replies`, the first rule first; `replies` are used by turn, which is the number of
    replies the conversation already has, plus one. A reply that reports no usage of its own counts one token for every
    four characters, rounded up: all message texts of the request as input; the reply's text, tool names and canonical
    arguments as output. As the scripted provider counts so, these figures are `reported`.
    """

    __slots__ = ("_script", "name", "provider")

    def __init__(self, script: Script, *, name: str) -> None:
        """Made by `load` and `from_mapping`."""
        self._script = script
        self.provider = "scripted"
        self.name = name

    @classmethod
    def load(cls, path: str | PathLike[str], *, name: str | None = None) -> ScriptedModel:
        """The model of a YAML or JSON file; `name` stands in the record, the file's name when None.

        Raises:
            BadInput: the file cannot be read or is no script; the message has every problem with its line.
        """
        from trackrecord.agent.files import MAX_FILE_BYTES, parse  # heavy: YAML takes 40 ms `from_mapping` never needs

        file = Path(path)
        try:
            with file.open("rb") as opened:
                source = parse(opened.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BadInput(f"the script {str(path)!r} cannot be read: {reason}") from None
        return cls(read_script(source.value, name=str(path), source=source), name=name or file.name)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], *, name: str = "script") -> ScriptedModel:
        """The model of a script already in memory.

        Raises:
            BadInput: it is no script; the message has every problem with its path.
        """
        return cls(read_script(dict(mapping), name=name), name=name)

    async def request(self, request: ModelRequest) -> ModelReply:
        """The reply the script has for this request.

        Raises:
            ModelCallFailed: the script says so, has no reply for it, or refers to something that is not there.
        """
        turn = _turn(request)
        reply = self._due(request, turn)
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.error is not None and reply.error.is_due(request.attempt):
            raise reply.error.failure()
        return reply.build(request, turn)

    def _due(self, request: ModelRequest, turn: int) -> ScriptedReply:
        script = self._script
        for rule in script.rules:
            if rule.is_due(request, turn):
                return rule.reply
        replies = script.replies
        if turn <= len(replies):
            return replies[turn - 1]
        if script.repeats_last and replies:
            return replies[-1]
        at = f" at {request.path!r}" if request.path else ""
        ruled = " and no rule holds" if script.rules else ""
        raise ModelCallFailed(
            f"the script {self.name!r} has no reply for turn {turn}{at}: it has {len(replies)} replies{ruled}; "
            "add a reply or a rule, or end it with `then: repeat_last`"
        )


def _turn(request: ModelRequest) -> int:
    if request.turn:
        return request.turn + 1
    # a request built by hand need not say its turn; a first turn has two or three messages to look at
    return 1 + sum([message.role == "assistant" for message in request.messages])
