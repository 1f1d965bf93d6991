"""C10 and C11: replies that come too slowly or too late; what comes after the end changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from tests.providers.lab import ENGINES, MODEL, PROTOCOLS, QUICK, Lab, definition, until
from tests.providers.server.provider import serving
from tests.providers.server.script import Fault, Turn
from tests.store import runs

EACH: Final = pytest.mark.parametrize("protocol", PROTOCOLS)
STREAMED: Final = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
ONCE: Final[dict[str, Any]] = {"retry": {**QUICK, "max_attempts": 1}}
TWICE: Final[dict[str, Any]] = {"retry": {**QUICK, "max_attempts": 2}}


@EACH
@STREAMED
async def test_c10_the_idle_timeout_bites(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """A reply that begins and falls silent is given up after the idle time, tried again, and given up for good."""
    stall = "after the first event" if is_streamed else "after headers"
    async with serving(Turn(text="Twelve.", faults=(Fault(stall=stall),), for_ever=True)) as provider:
        played = await lab.play(provider.url, protocol, is_streamed=is_streamed, stream_idle_s=0.1, **TWICE)

    for one in played:
        assert (["failed"] * 2, "provider_unavailable") == (one.statuses, one.row["error_code"])
        assert "stopped coming for 0.1 s" in one.error
    lab.check(played, provider)
    await until(lambda: ["client left"] * 4 == provider.ends())


@EACH
@STREAMED
async def test_c10_the_total_timeout_bites(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """A reply that drips byte by byte is never idle, and is given up when its whole time is over."""
    drip = Turn(text="Twelve.", faults=(Fault(drip_s=0.02),), for_ever=True)
    async with serving(drip) as provider:
        agent = definition(limits={"model_timeout_ms": 400})
        played = await lab.play(provider.url, protocol, agent=agent, is_streamed=is_streamed, **ONCE)

    for one in played:
        assert (["timed_out"], "provider_unavailable") == (one.statuses, one.row["error_code"])
        assert one.row["tokens_used"] is None
    lab.check(played, provider)
    assert [] == [one.sent for one in provider.received if not 0 < one.sent < 60]


@EACH
@STREAMED
@pytest.mark.parametrize("engine", ENGINES)
async def test_c11_a_reply_after_cancel_changes_nothing(
    lab: Lab, protocol: str, is_streamed: bool, engine: str
) -> None:
    """A cancelled call has unknown usage; the provider's late reply finds nobody and no row changes any more."""
    late = Turn(text="Twelve.", faults=(Fault(late_s=0.2),), for_ever=True)
    async with serving(late) as provider, lab.opened(provider.url, is_streamed=is_streamed) as tr:
        started = await tr.start(definition(), engine=engine, model=f"{protocol}:{MODEL}")
        await until(lambda: provider.received)
        started.cancel()
        played = lab.look(await started.task)
        before = runs.contents(lab.path)
        await until(lambda: provider.ends() != ["begun"])
        await asyncio.sleep(0.02)
        after = runs.contents(lab.path)

    assert before == after
    assert ["cancelled"] == played.statuses
    assert ("cancelled", "user", 0, None, None, 0) == tuple(
        played.row[name]
        for name in ("status", "error_code", "iterations_count", "tokens_used", "credits_used", "usage_complete")
    )
    lab.check([played], provider)


@EACH
async def test_c11_a_reply_after_the_runs_time_changes_nothing(lab: Lab, protocol: str) -> None:
    """The run ended by its timeout while the reply was on its way; the reply is nobody's."""
    late = Turn(text="Twelve.", faults=(Fault(late_s=0.8),), for_ever=True)
    async with serving(late) as provider, lab.opened(provider.url) as tr:
        run = await tr.run(definition(limits={"run_timeout_s": 0.4}), engine="agentkit", model=f"{protocol}:{MODEL}")
        played, before = lab.look(run), runs.contents(lab.path)
        await until(lambda: provider.ends() != ["begun"])
        await asyncio.sleep(0.02)
        after = runs.contents(lab.path)

    assert before == after
    assert (["cancelled"], "timed_out", "run_timeout") == (
        played.statuses,
        played.row["status"],
        played.row["error_code"],
    )
    assert (None, 0) == (played.row["tokens_used"], played.row["usage_complete"])
    lab.check([played], provider)
