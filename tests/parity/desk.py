"""What the conversations have to work with: a plugin whose every action goes right or wrong in its own way."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from trackrecord.handles import Started
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Invocation, Result, ToolCallFailed


class ToolBroke(BaseException):
    """Something a tool may raise that no `except Exception` sees."""


RAISED: dict[str, Callable[[], BaseException]] = {
    "value_error": lambda: ValueError("the drawer is stuck"),
    "system_exit": lambda: SystemExit(3),
    "keyboard_interrupt": lambda: KeyboardInterrupt(),
    "cancelled_error": lambda: asyncio.CancelledError("by the tool itself"),
    "generator_exit": lambda: GeneratorExit(),
    "own": lambda: ToolBroke("beyond repair"),
    "recursion": lambda: RecursionError("too deep"),
}


class Desk:
    """The plugin, and the run that is under way at it.

    Attributes:
        plugin: to be connected.
        started: the run that `walk_away` cancels.
    """

    def __init__(self) -> None:
        self.started: Started | None = None
        self.plugin = FunctionPlugin("desk", description="Papers, stamps and a clerk's troubles.")
        self._tries: Counter[str] = Counter()
        self._add_reads()
        self._add_troubles()
        self._add_unsafe()

    def _add_reads(self) -> None:
        action = self.plugin.action

        @action(effect="read")
        async def look_up(name: str, wait_ms: int = 0) -> dict[str, Any]:
            """Look a name up."""
            await asyncio.sleep(wait_ms / 1000)
            return {"name": name, "rows": [{"id": 1}, {"id": 2}]}

        @action(effect="read", blocking=False)
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        @action(effect="read")
        def read_aloud(characters: int) -> str:
            """Read a long text."""
            return "word " * (characters // 5)

        @action(effect="read")
        async def turn_out_a_drawer() -> dict[str, Any]:
            """Give everything JSON cannot say."""
            return {"nul": "a\x00b", "half": "\ud800", "nan": math.nan, "huge": 10**400, "raw": b"x", "set": {1}}

        @action(effect="read")
        async def mumble() -> str:
            """Fail in words no database takes."""
            raise ToolCallFailed("no\x00thing \udfff")

        @action(effect="read")
        async def shrug() -> dict[str, Any]:
            """Say nothing of how it went."""
            return {"success": None, "items": []}

    def _add_troubles(self) -> None:
        action = self.plugin.action

        @action(effect="read")
        async def break_off(kind: str) -> str:
            """Raise something."""
            raise RAISED[kind]()

        @action(effect="read")
        def break_off_in_a_thread(kind: str) -> str:
            """Raise something in a thread."""
            raise RAISED[kind]()

        @action(effect="read")
        async def decline() -> Result:
            """Report a failure."""
            return Result(data={"asked": True}, success=False, error="the office is closed")

        @action(effect="read")
        async def queue_up(invocation: Invocation) -> str:
            """Fail for a passing cause, once."""
            self._tries[invocation.idempotency_key] += 1
            if self._tries[invocation.idempotency_key] == 1:
                raise ToolCallFailed("the line is busy", is_transient=True)
            return "served"

        @action(effect="read", timeout_ms=30)
        async def dawdle() -> str:
            """Never come to an end."""
            await asyncio.sleep(60)
            return "too late"

    def _add_unsafe(self) -> None:
        action = self.plugin.action

        @action(effect="unsafe")
        async def stamp(paper: str) -> str:
            """Stamp a paper."""
            return f"{paper} is stamped"

        @action(effect="unsafe", timeout_ms=30)
        async def post() -> str:
            """Send a letter and never hear of it."""
            await asyncio.sleep(60)
            return "too late"

        @action(effect="unsafe")
        async def hand_over() -> str:
            """Lose the line after sending."""
            raise ToolCallFailed("the line went dead", is_transient=True, has_response=False)

        @action(effect="unsafe")
        async def walk_away(code: str) -> str:
            """Be called off from outside while at work."""
            assert self.started is not None
            self.started.cancel("signal" if code == "signal" else "user")
            await asyncio.sleep(60)
            return "too late"
