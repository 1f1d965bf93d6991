"""One server and whoever calls it: a conversation opened when first needed, shared, and opened anew after a death.

No call goes out before the server's list of tools was found to be the one that was approved. Never retries: it says of
every failure whether the call had left, and the context does the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from trackrecord.canonical import Json
from trackrecord.clock import ticks_us
from trackrecord.plugins.mcp.definition import Server
from trackrecord.plugins.mcp.results import result_of
from trackrecord.plugins.mcp.tools import Tool, drift
from trackrecord.plugins.mcp.trouble import Trouble, unsent
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed
from trackrecord.plugins.threads import Threads

if TYPE_CHECKING:
    from trackrecord.plugins.mcp.session import Session

T = TypeVar("T")

EXTRA: Final = "MCP servers need the package `mcp`: pip install 'trackrecord[mcp]'"
_REMEMBERED_S: Final = 1.0  # a start that just failed is not tried again at once
_MARGIN_S: Final = 0.05  # before the caller's own deadline, so that we can still say that nothing was sent
_KEY_META: Final = "trackrecord/idempotency-key"
_THREADS: Final = Threads(1)


def is_installed() -> bool:
    """Whether the package for MCP is there; loads nothing."""
    return find_spec("mcp") is not None


@dataclass(slots=True, eq=False)
class _Call:
    """A call under way.

    Attributes:
        is_alone: no other call was under way at any time, so that what the server prints meanwhile is about this one.
    """

    is_alone: bool
    was_answered: bool = False


class Connection:
    """The way to one server."""

    def __init__(self, server: Server, approved: Sequence[Tool]) -> None:
        """Nothing is opened yet; `approved` are the tools as they must be."""
        self.server = server
        self._approved = tuple(approved)
        self._session: Session | None = None
        self._opening: asyncio.Task[Session | ToolCallFailed] | None = None
        self._listing: asyncio.Task[tuple[Tool, ...] | ToolCallFailed] | None = None
        self._listed_at: float | None = None
        self._failed: tuple[float, ToolCallFailed] | None = None
        self._calls: set[_Call] = set()

    async def call(self, tool: Tool, invocation: Invocation) -> Result:
        """Call a tool.

        Raises:
            ToolCallFailed: there is no result; says whether the call had left.
        """
        session = await self._in_time(self._checked(invocation.credentials), invocation.deadline_us)
        arguments, meta = _with_key(tool, invocation)
        mine = _Call(is_alone=not self._calls)
        for other in self._calls:
            other.is_alone = False
        self._calls.add(mine)
        printed = session.printed
        before = 0 if printed is None else printed.size
        try:
            given = await session.call(tool.name, arguments, meta)
            mine.was_answered = True
            said = printed.since(before) if printed is not None and mine.is_alone else None
            return result_of(given, tool, said)
        except ToolCallFailed as failure:
            if printed is not None and mine.is_alone and failure.printed is None:
                failure.printed = printed.since(before)
            raise
        finally:
            self._calls.discard(mine)
            if not mine.was_answered:
                self._listed_at = None  # whether it still lives is to be seen before the next call

    async def offered(self, credentials: Mapping[str, str]) -> tuple[Tool, ...]:
        """Every tool the server offers now, those that the operator does not want left out.

        Raises:
            ToolCallFailed: the server cannot be had or does not say.
        """
        listed = await self._fresh(await self._opened(credentials))
        return tuple(tool for tool in listed if self.server.takes(tool.name))

    async def close(self) -> None:
        """End the conversation; another call would begin a new one."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})
            if not opening.cancelled() and not isinstance(made := opening.result(), ToolCallFailed):
                self._session = made
        session, self._session = self._session, None
        self._listed_at = self._failed = None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------------------------------------------ before each call

    async def _checked(self, credentials: Mapping[str, str]) -> Session:
        """A conversation whose server offers what was approved.

        Raises:
            ToolCallFailed: there is none, or the server offers something else; nothing was sent.
        """
        session = await self._opened(credentials)
        if self._is_stale(session):
            changed = drift(self._approved, await self._fresh(session))
            if changed:
                self._listed_at = None
                raise ToolCallFailed(
                    f"the MCP server {self.server.name!r} is not what was approved: "
                    f"{'; '.join(one.in_words() for one in changed[:5])}{' and more' if changed[5:] else ''}. "
                    f"Look with `trackrecord mcp check {self.server.name}`, then approve it anew",
                    was_refused=True,
                )
        return session

    def _is_stale(self, session: Session) -> bool:
        age = None if self._listed_at is None else time.monotonic() - self._listed_at
        return age is None or age >= self.server.recheck_s or session.link.has_changed

    async def _opened(self, credentials: Mapping[str, str]) -> Session:
        session = self._session
        if session is not None and session.is_alive:
            if self._calls or not self._has_other_secrets(session, credentials):
                return session
            self._session = None
            await session.close()
        if self._failed is not None and time.monotonic() - self._failed[0] < _REMEMBERED_S:
            raise unsent(self._failed[1])
        if self._opening is None:
            # values are looked up here, so that a secret that is missing fails this call alone
            given = {handle: credentials[handle] for handle in self.server.handles}
            self._opening = self._task(self._open(given))
        return _or_raised(await asyncio.shield(self._opening))

    async def _open(self, credentials: Mapping[str, str]) -> Session | ToolCallFailed:
        try:
            await _THREADS.run(_load)  # 0.8 s that the event loop has better uses for
            from trackrecord.plugins.mcp.session import Session

            self._session, self._listed_at = await Session.open(self.server, credentials), None
            self._failed = None
            return self._session
        except ModuleNotFoundError:
            return ToolCallFailed(EXTRA, was_sent=False)
        except ToolCallFailed as failure:
            self._failed = (time.monotonic(), failure)
            return failure
        finally:
            self._opening = None

    async def _fresh(self, session: Session) -> tuple[Tool, ...]:
        """The tools as they are now; whoever asks meanwhile shares the answer."""
        if self._listing is None:
            self._listing = self._task(self._list(session))
        return _or_raised(await asyncio.shield(self._listing))

    async def _list(self, session: Session) -> tuple[Tool, ...] | ToolCallFailed:
        # a server that is busy with a call may answer late; one that has nothing to do must answer
        seconds = None if self._calls else self.server.start_timeout_s
        try:
            async with asyncio.timeout(seconds):
                found = await session.tools()
            self._listed_at = time.monotonic()
            return found
        except ToolCallFailed as failure:
            return unsent(failure)
        except TimeoutError:
            why = f"did not answer `tools/list` within {seconds:g} s"
            trouble = Trouble(why=why, is_transient=True, cause="timeout")
            if not self._calls:
                await session.fail(trouble)
            return trouble.failure(self.server.name)
        finally:
            self._listing = None

    def _has_other_secrets(self, session: Session, credentials: Mapping[str, str]) -> bool:
        given = {handle: credentials[handle] for handle in self.server.handles}
        return session.credentials != given

    async def _in_time(self, work: Coroutine[Any, Any, T], deadline_us: int | None) -> T:
        """What the work gives, unless the caller's time runs out first: then nothing was sent, and we can say so."""
        seconds = None if deadline_us is None else max(0.0, (deadline_us - ticks_us()) / 1e6 - _MARGIN_S)
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await work
        except TimeoutError:
            if not timer.expired():
                raise
            raise ToolCallFailed(
                f"the MCP server {self.server.name!r} was not ready in time; the call was not sent",
                is_transient=True,
                was_sent=False,
                cause="timeout",
            ) from None

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return asyncio.get_running_loop().create_task(work)


def _load() -> None:
    import_module("trackrecord.plugins.mcp.session")


def _or_raised(given: T | ToolCallFailed) -> T:
    """What a shared task gave; each who waited is told of a failure by one of its own."""
    if isinstance(given, ToolCallFailed):
        raise unsent(given)
    return given


def _with_key(tool: Tool, invocation: Invocation) -> tuple[dict[str, Json], dict[str, Json] | None]:
    """The arguments, and the key of a call that may be repeated under one, where the tool or the protocol takes it."""
    if invocation.effect != "keyed" or not invocation.idempotency_key:
        return invocation.arguments, None
    arguments = invocation.arguments
    if tool.key_name is not None and tool.key_name not in arguments:
        arguments = {**arguments, tool.key_name: invocation.idempotency_key}
    return arguments, {_KEY_META: invocation.idempotency_key}
