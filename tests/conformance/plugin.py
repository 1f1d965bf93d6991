"""The plugin `kit` that the cases call: sums, echoes, failures, waits. It counts per run, so cases are apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from trackrecord import FunctionPlugin
from trackrecord.plugins.protocol import EffectClass, Invocation, Result, ToolCallFailed

TRANSIENT: Final = ("timeout", "connection", "408", "429", "500", "503")


def kit() -> FunctionPlugin:
    """The plugin, with counts of its own."""
    plugin = FunctionPlugin("kit", description="Small sums and large failures.")
    _plain(plugin)
    _failing(plugin)
    _counting(plugin)
    return plugin


def _plain(plugin: FunctionPlugin) -> None:
    @plugin.action(effect="read")
    async def add(a: int, b: int) -> dict[str, int]:
        """Add two numbers."""
        return {"sum": a + b}

    @plugin.action(effect="read")
    async def echo(value: Any = None) -> Any:
        """Give the value back."""
        return value

    @plugin.action(effect="read")
    async def wait(ms: int) -> str:
        """Take a while."""
        await asyncio.sleep(ms / 1000)
        return "done"

    @plugin.action(effect="unsafe")
    async def pay(amount: int) -> dict[str, int]:
        """Pretend to pay."""
        return {"paid": amount}

    @plugin.action(effect="read")
    async def silent() -> Result:
        """Give data without saying whether it is a success."""
        return Result(data={"items": [1, 2, 3]}, success=None)


def _failing(plugin: FunctionPlugin) -> None:
    @plugin.action(effect="read")
    async def fail(message: str = "it broke") -> None:
        """Raise."""
        raise ValueError(message)

    @plugin.action(effect="read")
    async def decline() -> dict[str, Any]:
        """Say by itself that it failed."""
        return {"success": False, "error": "not today"}

    @plugin.action(effect="read")
    async def refuse() -> None:
        """Say no before anything has left."""
        raise ToolCallFailed("policy says no", was_refused=True)


def _counting(plugin: FunctionPlugin) -> None:
    calls: Counter[str] = Counter()
    flying: Counter[str] = Counter()
    peaks: dict[str, int] = {}

    def flaky(effect: EffectClass) -> None:
        async def call(call: Invocation, times: int = 1, cause: str = "timeout", was_sent: bool = True) -> Any:
            calls[call.idempotency_key] += 1
            number = calls[call.idempotency_key]
            if number > times:
                return {"call": number}
            raise ToolCallFailed(
                f"call {number} failed: {cause}",
                is_transient=cause in TRANSIENT,
                has_response=cause.isdigit(),
                was_sent=was_sent,
                cause=cause,
            )

        name = "flaky" if effect == "read" else f"flaky_{effect}"
        plugin.action(name=name, description="Fail so many times.", effect=effect)(call)

    for effect in ("read", "keyed", "unsafe"):
        flaky(effect)

    @plugin.action(effect="read")
    async def nth(call: Invocation, fails: list[int] | None = None) -> int:
        """Count the calls of this run; those named fail."""
        run = _run(call)
        calls[run] += 1
        if calls[run] in (fails or ()):
            raise ValueError(f"call {calls[run]} broke")
        return calls[run]

    @plugin.action(effect="read")
    async def crowd(call: Invocation, ms: int = 5) -> int:
        """Take a while, and say how many calls of this run have been under way at once so far."""
        run = _run(call)
        flying[run] += 1
        peaks[run] = max(peaks.get(run, 0), flying[run])
        try:
            await asyncio.sleep(ms / 1000)
        finally:
            flying[run] -= 1
        return peaks[run]


def _run(call: Invocation) -> str:
    return call.idempotency_key.partition(":")[0]
