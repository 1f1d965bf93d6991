"""C10 and C11: replies that come too slowly or too late; what comes after the end changes no record, and counts."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import pytest
from tests.providers.lab import ENGINES, MODEL, PROTOCOLS, QUICK, Lab, Played, definition, until
from tests.providers.server.provider import serving
from tests.providers.server.script import Fault, Turn
from tests.store import runs

from trackrecord.cli.look import Look
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.stats import stats_page
from trackrecord.cli.stored import read_run
from trackrecord.clock import now
from trackrecord.errors import Conflict
from trackrecord.store.reader import SqliteReader
from trackrecord.tenancy import LOCAL_TENANT
from trackrecord.verify import verify

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


LATE: Final = Turn(text="Twelve.", faults=(Fault(late_s=0.3),), for_ever=True)
CLOSED: Final = ("agent_executions", "agent_logs", "run_spans", "run_checkpoints", "run_payloads", "run_memories")


def record(path: Path) -> dict[str, Any]:
    """What stands of ended runs and may never change."""
    found = runs.contents(path)
    return {name: found[name] for name in CLOSED}


def adjustments(path: Path) -> list[tuple[str, dict[str, int], str, str]]:
    """Kind, amounts, subject and rule of every adjustment."""
    seen = runs.look(path)
    found = seen.execute("SELECT kind, deltas, subject, rule FROM run_adjustments ORDER BY run_id, seq").fetchall()
    seen.close()
    return [(kind, json.loads(deltas), subject, rule) for kind, deltas, subject, rule in found]


def sums(path: Path) -> tuple[int, ...]:
    """Runs, tokens and runs with known tokens: of the statistics, then of the intensity metrics."""
    seen = runs.look(path)
    [stats] = seen.execute("SELECT run_count, tokens_total, tokens_known_count FROM agent_stats").fetchall()
    [row] = seen.execute(
        "SELECT total_executions, total_tokens, runs_with_tokens, peak_tokens_single_run FROM agent_intensity_metrics"
    ).fetchall()
    seen.close()
    return (*stats, *row)


async def cancelled(lab: Lab, tr: Any, provider: Any, protocol: str, engine: str) -> Played:
    """A run that is cancelled while its first model call waits for an answer."""
    started = await tr.start(definition(), engine=engine, model=f"{protocol}:{MODEL}")
    await until(lambda: provider.received)
    started.cancel()
    played = lab.look(await started.task)
    assert (["cancelled"], "cancelled", "user", 0, None, None, 0) == (
        played.statuses,
        *(
            played.row[name]
            for name in (
                "status",
                "error_code",
                "iterations_count",
                "tokens_used",
                "credits_used",
                "usage_complete",
            )
        ),
    )
    return played


@EACH
@pytest.mark.parametrize("engine", ENGINES)
async def test_c11_the_usage_of_a_reply_after_cancel_is_added_beside_the_record(
    lab: Lab, protocol: str, engine: str
) -> None:
    """The reply is nobody's and the closed record stays as it is; what it used is an adjustment, and in the sums."""
    async with serving(LATE) as provider, lab.opened(provider.url) as tr:
        played = await cancelled(lab, tr, provider, protocol, engine)
        before = record(lab.path)
        assert (1, 0, 0, 1, 0, 0, None) == sums(lab.path)
        await until(lambda: adjustments(lab.path))
        after = record(lab.path)

    place = played.calls[0].path
    assert before == after
    assert [("late_usage", {"input_tokens": 100, "output_tokens": 10}, f"{place}#1", "late-usage/1")] == [
        (kind, {name: deltas[name] for name in ("input_tokens", "output_tokens")}, *rest)
        for kind, deltas, *rest in adjustments(lab.path)
    ]
    assert (1, 110, 1, 1, 110, 1, 110) == sums(lab.path)
    assert ["answered"] == provider.ends()
    lab.check([played], provider)


@EACH
async def test_c11_a_stream_is_closed_at_once(lab: Lab, protocol: str) -> None:
    """Nobody reads on in a stream, for it would be written as long as somebody does: nothing comes late."""
    async with serving(LATE) as provider, lab.opened(provider.url, is_streamed=True) as tr:
        played = await cancelled(lab, tr, provider, protocol, "agentkit")
        before = runs.contents(lab.path)
        await until(lambda: provider.ends() != ["begun"])
        await asyncio.sleep(0.02)
        assert before == runs.contents(lab.path)
    lab.check([played], provider)


@EACH
async def test_c11_what_a_stream_had_told_when_it_was_cancelled_is_in_its_span(lab: Lab, protocol: str) -> None:
    """Anthropic tells the input as it begins, the others at the end: what was told and said counts, as a part."""
    stall = Turn(text="Twelve.", faults=(Fault(stall="after the first event"),), for_ever=True)
    async with serving(stall) as provider, lab.opened(provider.url, is_streamed=True) as tr:
        started = await tr.start(definition(), engine="agentkit", model=f"{protocol}:{MODEL}")
        await until(lambda: provider.received and provider.received[0].sent)
        await asyncio.sleep(0.05)
        started.cancel()
        played = lab.look(await started.task)
    assert (100 if protocol == "anthropic" else None) == played.row["tokens_used"]
    assert (["cancelled"], 0) == (played.statuses, played.row["usage_complete"])
    lab.check([played], provider)


@pytest.mark.parametrize("late_usage_s", [0, 0.05])
async def test_c11_nobody_waits_longer_than_the_setting_says(lab: Lab, late_usage_s: float) -> None:
    """At 0 the connection is closed with the run, else when the time is over; nothing is added then."""
    late = Turn(text="Twelve.", faults=(Fault(stall="before headers"),), for_ever=True)
    async with serving(late) as provider, lab.opened(provider.url, late_usage_s=late_usage_s) as tr:
        played = await cancelled(lab, tr, provider, "openai-chat", "agentkit")
        await until(lambda: provider.ends() == ["client left"])
    assert [] == adjustments(lab.path)
    lab.check([played], provider)


async def test_c11_closing_waits_for_no_late_reply(lab: Lab) -> None:
    """A program that ends does not hang on for a reply that nobody needs; the attempt stays unknown."""
    late = Turn(text="Twelve.", faults=(Fault(stall="before headers"),), for_ever=True)
    async with serving(late) as provider:
        async with lab.opened(provider.url, late_usage_s=60) as tr:
            played = await cancelled(lab, tr, provider, "anthropic", "agentkit")
            began = time.monotonic()
        assert 1 > time.monotonic() - began
        await until(lambda: provider.ends() == ["client left"])
    assert [] == adjustments(lab.path)
    lab.check([played], provider)


async def test_c11_a_late_failure_adds_nothing(lab: Lab) -> None:
    """An error that comes late tells of no tokens; nothing is added, nothing is logged."""
    late = Turn(text="Twelve.", faults=(Fault(late_s=0.1, status=500, reason="failed"),), for_ever=True)
    async with serving(late) as provider, lab.opened(provider.url) as tr:
        played = await cancelled(lab, tr, provider, "openai-chat", "agentkit")
        before = runs.contents(lab.path)
        await until(lambda: provider.ends() == ["500"])
        await asyncio.sleep(0.05)
        assert before == runs.contents(lab.path)
    assert [] == [text for text in lab.logged if "never retrieved" in text]
    lab.check([played], provider)


@EACH
async def test_c11_the_usage_of_a_reply_after_the_runs_time_is_added(lab: Lab, protocol: str) -> None:
    """The run ended by its timeout while the reply was on its way; what that used is added all the same."""
    late = Turn(text="Twelve.", faults=(Fault(late_s=0.8),), for_ever=True)
    async with serving(late) as provider, lab.opened(provider.url) as tr:
        run = await tr.run(definition(limits={"run_timeout_s": 0.4}), engine="agentkit", model=f"{protocol}:{MODEL}")
        played, before = lab.look(run), record(lab.path)
        await until(lambda: adjustments(lab.path))
        assert before == record(lab.path)

    assert (["cancelled"], "timed_out", "run_timeout") == (
        played.statuses,
        played.row["status"],
        played.row["error_code"],
    )
    assert (None, 0) == (played.row["tokens_used"], played.row["usage_complete"])
    assert (1, 110, 1, 1, 110, 1, 110) == sums(lab.path)
    lab.check([played], provider)


async def test_c11_the_reply_of_an_attempt_that_timed_out_is_not_waited_for(lab: Lab) -> None:
    """The run goes on with another attempt, and the usage of the first one is unknown, as C4 has it."""
    late = Turn(text="Twelve.", faults=(Fault(late_s=0.5),))
    async with serving(late) as provider:
        agent = definition(limits={"model_timeout_ms": 300})
        played = await lab.play(provider.url, "openai-chat", engines=("agentkit",), agent=agent, **TWICE)
    assert [(["timed_out", "ok"], 110)] == [(one.statuses, one.row["tokens_used"]) for one in played]
    assert [] == adjustments(lab.path)
    lab.check(played, provider, unsent=1)


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_c11_a_reply_after_the_lease_has_moved_is_discarded_and_its_usage_added(
    lab: Lab, durability: str
) -> None:
    """Another process ended the run meanwhile: whoever comes back adds what it used to that record, and no more."""
    async with (
        serving(LATE) as provider,
        lab.opened(provider.url, durability=durability) as zombie,
        lab.open(durability=durability) as other,
    ):
        started = await zombie.start(definition(), engine="agentkit", model=f"openai-chat:{MODEL}")
        await until(lambda: provider.received)
        await until(lambda: runs.contents(lab.path)["run_checkpoints"])  # under `async` up to 100 ms later
        runs.expire_lease(lab.path, started.run_id)
        assert await other._opened().abandon(LOCAL_TENANT, started.run_id)
        before = record(lab.path)
        with pytest.raises(Conflict):
            await started.task
        await until(lambda: adjustments(lab.path))
        assert before == record(lab.path)
        with SqliteReader(lab.path) as reader:
            row = reader.execution(started.run_id)
            assert () == verify(reader).findings
    assert ("abandoned", None) == (row["status"], row["tokens_used"])
    assert [{"input_tokens": 100, "output_tokens": 10}] == [deltas for _, deltas, _, _ in adjustments(lab.path)]
    assert (1, 110, 1, 1, 110, 1, 110) == sums(lab.path)


async def test_c11_show_and_stats_tell_of_it(lab: Lab) -> None:
    """The page has a section of its own, the JSON the row, and the statistics the sum."""
    async with serving(LATE) as provider, lab.opened(provider.url) as tr:
        played = await cancelled(lab, tr, provider, "openai-chat", "agentkit")
        await until(lambda: adjustments(lab.path))
    with SqliteReader(lab.path) as reader:
        stored = read_run(reader, played.run.id)
        [agent] = reader.rows("SELECT * FROM agents")
        stats = reader.stats(agent["id"])
    page = record_page(stored, Look(width=100), now())
    assert "Known later" in page
    assert "late usage of turn:1/model#1" in page
    assert "with it the run used 110 tokens" in page
    [adjustment] = stored.to_json()["adjustments"]  # type: ignore[misc]
    assert {"input_tokens": 100, "output_tokens": 10} == adjustment["deltas"]  # type: ignore[index, call-overload]
    assert "110" in stats_page(agent, stats, Look(width=100), now())
