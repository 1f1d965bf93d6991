"""The server: one provider with four protocols, playing a script and remembering every request it got."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.providers.server.anthropic import AnthropicMessages
from tests.providers.server.gemini import Gemini
from tests.providers.server.http import Answer, Head, bomb, read_request
from tests.providers.server.openai_chat import OpenAIChat
from tests.providers.server.openai_responses import OpenAIResponses
from tests.providers.server.script import Fault, Turn
from tests.providers.server.wire import MESSAGES, Asked, Event, Wire, dump

WIRES: Final[tuple[Wire, ...]] = (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini())
Turns = Sequence[Turn] | Callable[[int], Turn]

# where the arguments of a call are written, in every protocol, whole or in pieces
_CALLS: Final = re.compile(rb"tool_calls|function_call|tool_use|functionCall")
_ARGUMENTS: Final = re.compile(rb'"(?:arguments|partial_json|delta)":"[^"]|"(?:args|input)":\{"')


@dataclass(slots=True, kw_only=True)
class Received:
    """One request the server got.

    Attributes:
        conversation: the model's name.
        turn: which reply was asked for, from 1.
        nth: how many requests for this turn came before.
        end: how it ended: `answered`, the fault's name, or `client left`.
        sent: bytes of the body that were handed over.
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    conversation: str
    turn: int
    nth: int
    is_streamed: bool
    end: str = "begun"
    sent: int = 0


@dataclass(slots=True, kw_only=True)
class Provider:
    """The running server.

    Attributes:
        url: where it listens, without a path.
        received: every request, in the order of coming.
        turns: what it plays; may be changed while it runs.
    """

    turns: Turns
    url: str = ""
    received: list[Received] = field(default_factory=list[Received])
    _tries: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    _open: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def count(self, conversation: str) -> int:
        """How many requests a conversation has made."""
        return sum(one.conversation == conversation for one in self.received)

    def ends(self) -> list[str]:
        """How the requests ended, in the order of coming."""
        return [one.end for one in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while not writer.is_closing() and (head := await read_request(reader)) is not None:
                await self._serve_one(head, Answer(reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def stop(self) -> None:
        """End what is under way."""
        for task in [*self._open]:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve_one(self, head: Head, answer: Answer) -> None:
        body = head.json()
        found = [(wire, asked) for wire in WIRES if (asked := wire.asked(head.path, body)) is not None]
        assert found, f"nobody here knows {head.path!r}"
        [(wire, asked)] = found
        key = (asked.model, asked.turn)
        received = Received(
            path=head.path,
            headers=dict(head.headers),
            body=body,
            conversation=asked.model,
            turn=asked.turn + 1,
            nth=self._tries[key],
            is_streamed=asked.is_streamed,
        )
        self._tries[key] += 1
        self.received.append(received)
        try:
            await _Reply(wire, asked, self._turn(asked.turn), received, answer).give()
        except (ConnectionError, asyncio.CancelledError):
            received.end = "client left"
            raise

    def _turn(self, number: int) -> Turn:
        if callable(self.turns):
            return self.turns(number)
        return self.turns[min(number, len(self.turns) - 1)]


class _Reply:
    """The answer to one request, or what comes instead of it."""

    def __init__(self, wire: Wire, asked: Asked, turn: Turn, received: Received, answer: Answer) -> None:
        self._wire = wire
        self._asked = asked
        self._turn = turn
        self._received = received
        self._answer = answer

    async def give(self) -> None:
        """Answer, as the script wants it for this request."""
        fault = self._turn.fault(self._received.nth)
        if fault is None:
            await self._play(Fault(), self._parts())
            self._received.end = "answered"
            return
        if fault.late_s:
            await asyncio.sleep(fault.late_s)
        if fault.drop is not None:
            self._received.end = fault.drop
            await self._drop(fault)
        elif fault.stall == "before headers":
            await self._wait_in_vain()
        elif fault.bomb_mib is not None:
            await self._whole(200, {"content-encoding": "gzip"}, bomb(fault.bomb_mib), "bomb")
        elif fault.reason is not None:
            await self._refuse(fault)
        elif fault.body is not None:
            await self._whole(fault.status, {"content-type": fault.content_type}, fault.body, "body")
        elif fault.odd is not None:
            await self._play(fault, self._encoded(self._wire.odd(fault.odd, self._turn, self._asked)))
            self._received.end = fault.odd
        else:
            await self._play(fault, self._parts())

    def _parts(self) -> list[bytes]:
        if self._asked.is_streamed:
            return self._encoded(self._wire.events(self._turn, self._asked))
        return [dump(self._wire.whole(self._turn, self._asked)).encode()]

    def _encoded(self, events: Sequence[Event]) -> list[bytes]:
        if self._asked.is_streamed:
            return [event.encode(self._wire.line_end) for event in events]
        return [dump(events[0].data).encode()]

    async def _play(self, fault: Fault, parts: list[bytes]) -> None:
        """Send the parts, up to where the fault breaks them off."""
        whole = b"".join(parts)
        is_streamed = self._asked.is_streamed
        kept = parts
        if fault.cut == "clean" or fault.is_endless or fault.stall == "midway":
            kept = parts[: len(parts) // 2] if is_streamed else [whole[: len(whole) // 2]]
        elif fault.cut is not None:
            kept = _up_to(parts, _place(fault.cut, whole, len(parts)))
        length = sum(map(len, kept)) if fault.cut == "clean" else len(whole)
        self._answer.begin(200, self._headers(), length=None if is_streamed else length)
        if fault.stall == "after headers":
            return await self._wait_in_vain()
        for part in kept:
            await self._send(part, fault.drip_s)
            if fault.stall == "after the first event":
                return await self._wait_in_vain()
        if fault.stall is not None:
            return await self._wait_in_vain()
        while fault.is_endless:
            await self._send(parts[len(parts) // 3], None)
            await asyncio.sleep(0.001)
        self._received.end = "answered" if fault.cut is None else f"cut {fault.cut}"
        if fault.cut not in (None, "clean"):
            return await self._answer.break_off()
        if is_streamed:
            await self._answer.end()
        return None

    async def _send(self, part: bytes, drip_s: float | None) -> None:
        for piece in [part] if drip_s is None else [part[place : place + 1] for place in range(len(part))]:
            await self._answer.send(piece, is_chunk=self._asked.is_streamed)
            self._received.sent += len(piece)
            if drip_s is not None:
                await asyncio.sleep(drip_s)

    async def _whole(self, status: int, headers: dict[str, str], body: bytes, end: str) -> None:
        usual = {"content-type": "application/json", "x-request-id": "req_1"}
        self._answer.begin(status, usual | headers, length=len(body))
        await self._answer.send(body, is_chunk=False)
        self._received.sent, self._received.end = len(body), end

    async def _refuse(self, fault: Fault) -> None:
        assert fault.reason is not None
        message = MESSAGES[fault.reason].format(key=_key(self._received.headers))
        body = dump(self._wire.refusal(fault.status, fault.reason, message)).encode()
        headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        await self._whole(fault.status, headers, body, str(fault.status))

    async def _drop(self, fault: Fault) -> None:
        if fault.drop == "reset":
            self._answer.reset()
        else:
            await self._answer.break_off()

    async def _wait_in_vain(self) -> None:
        await self._answer.client_left()
        self._received.end = "client left"

    def _headers(self) -> dict[str, str]:
        kind = "text/event-stream" if self._asked.is_streamed else "application/json"
        return {"content-type": f"{kind}; charset=utf-8", "x-request-id": "req_1"}


def _key(headers: dict[str, str]) -> str:
    """The API key a request came with, wherever its protocol puts it."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer


def _place(cut: str, whole: bytes, part_count: int) -> int:
    """Where an answer is cut: in the middle of a character, of a call's arguments, or of everything."""
    if cut == "character":
        return next(place for place, byte in enumerate(whole) if byte > 0x7F) + 1
    if cut == "argument":
        called = _CALLS.search(whole)
        assert called is not None
        found = [*_ARGUMENTS.finditer(whole, called.start())]
        return found[min(len(found) - 1, part_count > 1)].end() + 1  # of a stream, not the very first piece
    return len(whole) // 2


def _up_to(parts: list[bytes], place: int) -> list[bytes]:
    kept: list[bytes] = []
    for part in parts:
        if place <= 0:
            break
        kept.append(part[:place])
        place -= len(part)
    return kept


@asynccontextmanager
async def serving(*turns: Turn, play: Callable[[int], Turn] | None = None) -> AsyncIterator[Provider]:
    """A provider at a free port of this machine; the last turn is repeated, `play` gives them one by one."""
    provider = Provider(turns=play or turns)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, limit=1 << 24)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        await provider.stop()
        await server.wait_closed()
