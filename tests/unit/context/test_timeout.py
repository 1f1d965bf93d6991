"""The time one attempt may take."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from trackrecord.context.effect import NO_BACKOFF, Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun
from trackrecord.context.timeout import timing_out

GIVEN = Outcome(value="done", text='"done"')


async def never(effect: Effect) -> Outcome:
    raise AssertionError


EFFECT = Effect(
    path="turn:1/call:1/tool",
    kind="tool",
    effect="read",
    request_hash="",
    perform=never,
    timeout_ms=20,
    backoff=NO_BACKOFF,
    plugin="prices",
    action="look_up",
)


def limited(perform: Perform) -> Perform:
    return timing_out(cast(LiveRun, None), perform)


async def test_what_never_waits_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that is over before it waits for anything gives its outcome, and costs no timer."""

    async def at_once(effect: Effect) -> Outcome:
        return GIVEN

    monkeypatch.setattr(asyncio, "timeout_at", never)
    assert GIVEN is await limited(at_once)(EFFECT)


async def test_what_waits_goes_on_where_it_was() -> None:
    """An attempt that waits, for a turn of the loop or for a future, is given what it waited for."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "done")

    async def in_steps(effect: Effect) -> Outcome:
        await asyncio.sleep(0)
        value = await future
        await asyncio.sleep(0.001)
        return replace(GIVEN, value=value)

    assert GIVEN == await limited(in_steps)(replace(EFFECT, timeout_ms=5_000))


@pytest.mark.parametrize(
    ("effect", "status", "is_unknown"), [("read", "timed_out", False), ("unsafe", "unknown", True)]
)
async def test_what_takes_too_long_is_ended(effect: Any, status: str, is_unknown: bool) -> None:
    """An attempt that outlives its time is cancelled where it waits and becomes a failure that names it."""
    ended: list[str] = []

    async def for_ever(effect: Effect) -> Outcome:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")
        return GIVEN

    with pytest.raises(EffectFailed, match=r"prices\.look_up gave no answer within 20 ms") as failed:
        await limited(for_ever)(replace(EFFECT, effect=effect))
    assert ["cleaned up"] == ended
    assert (status, is_unknown, "timeout") == (failed.value.status, failed.value.is_unknown, failed.value.cause)


async def test_time_counts_from_the_start() -> None:
    """What an attempt computes before it first waits counts towards its time."""

    async def late(effect: Effect) -> Outcome:
        end = asyncio.get_running_loop().time() + 0.03
        while asyncio.get_running_loop().time() < end:
            pass
        await asyncio.sleep(60)
        return GIVEN

    with pytest.raises(EffectFailed, match="gave no answer"):
        await asyncio.wait_for(limited(late)(EFFECT), 5)


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_error_of_the_attempt_is_its_own(is_late: bool) -> None:
    """What an attempt raises, before or after it waited, is raised as it is, a TimeoutError of its own too."""

    async def broken(effect: Effect) -> Outcome:
        if is_late:
            await asyncio.sleep(0)
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await limited(broken)(EFFECT)


async def test_an_attempt_may_survive_an_error_it_waited_for() -> None:
    """An error that comes out of what an attempt waits for can be caught there."""

    async def patient(effect: Effect) -> Outcome:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, ValueError("no"))
        try:
            await future
        except ValueError:
            await asyncio.sleep(0)
        return GIVEN

    assert GIVEN is await limited(patient)(replace(EFFECT, timeout_ms=5_000))


async def test_cancelling_from_outside_is_no_timeout() -> None:
    """A task that is cancelled while its attempt waits is cancelled, and the attempt is told."""
    ended: list[str] = []

    async def for_ever(effect: Effect) -> Outcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("told")
            raise
        return GIVEN

    task = asyncio.get_running_loop().create_task(limited(for_ever)(replace(EFFECT, timeout_ms=60_000)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["told"] == ended
