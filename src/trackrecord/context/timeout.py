"""The time one attempt may take. Innermost wrapper; what runs out becomes a failure of the attempt, never of us.

The timer is set when the attempt first waits for something: before that nothing could interrupt it, and one that never
waits (a pure function as a tool, a scripted model) then costs no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from time import monotonic
from types import coroutine
from typing import Any

from trackrecord.context.effect import Effect, EffectFailed, Outcome, Perform
from trackrecord.context.live_run import LiveRun


def timing_out(run: LiveRun, proceed: Perform) -> Perform:
    """End an attempt that takes longer than its `timeout_ms`."""
    del run  # every wrapper is given the run; this one needs nothing of it

    async def limit_time(effect: Effect) -> Outcome:
        if effect.timeout_ms is None:
            return await proceed(effect)
        began = monotonic()
        work = proceed(effect)
        try:
            awaited = work.send(None)
        except StopIteration as done:
            return done.value
        timer = asyncio.timeout(effect.timeout_ms / 1000 - (monotonic() - began))
        try:
            async with timer:
                return await _rest(work, awaited)
        except TimeoutError:
            if not timer.expired():
                raise
            raise _ran_out(effect) from None

    return limit_time


@coroutine
def _rest(work: Coroutine[Any, Any, Outcome], awaited: Any) -> Generator[Any, Any, Outcome]:
    """What is left of a coroutine that has begun and waits for `awaited`: `await work`, from the middle on."""
    while True:
        try:
            sent = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:
            go_on = partial(work.throw, error)
        else:
            go_on = partial(work.send, sent)
        try:
            awaited = go_on()
        except StopIteration as done:
            return done.value


def _ran_out(effect: Effect) -> EffectFailed:
    what = effect.model if effect.kind == "model" else effect.subject or effect.kind
    is_open = effect.effect == "unsafe"
    return EffectFailed(
        f"{what} gave no answer within {effect.timeout_ms} ms",
        code="provider_unavailable" if effect.kind == "model" else "tool_failed",
        cause="timeout",
        is_transient=True,
        is_unknown=is_open,
        status="unknown" if is_open else "timed_out",
    )
