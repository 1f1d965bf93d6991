"""Parking: a run whose every strand waits lets go of its process, and one of which anything works never does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.engines import kit
from tests.engines.kit import say

from trackrecord.agent import Agent
from trackrecord.canonical import Json
from trackrecord.clock import now
from trackrecord.context.run_context import RunContext
from trackrecord.context.strands import Scope, as_strand, enter, here, timed
from trackrecord.engines.flight import Flight
from trackrecord.engines.window import slide

FAR: Mapping[str, Any] = {"type": "delay", "duration": "1h"}
NEAR: Mapping[str, Any] = {"type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 0.05}}


def step(name: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": name, **body, **more}


SHAPES: dict[str, tuple[list[dict[str, Any]], int]] = {
    # steps, and how many tool calls are over when the run is parked
    "alone": ([step("far", FAR)], 0),
    "after work": ([step("near", NEAR), step("far", FAR)], 1),
    "beside work": ([step("both", {"type": "parallel", "branches": [[step("far", FAR)], [step("near", NEAR)]]})], 1),
    "all wait": ([step("both", {"type": "parallel", "branches": [[step("a", FAR)], [step("b", FAR)]]})], 0),
    "graph": ([step("far", FAR), step("near", NEAR), step("end", NEAR, depends_on=["near"])], 2),
    "window": (
        [step("m", {"type": "map", "over": [1, 2, 3, 4], "max_concurrency": 2,
                    "steps": [step("near", NEAR), step("far", FAR)]})], 2,
    ),
    "nested": (
        [step("m", {"type": "map", "over": [1, 2], "steps": [
            step("p", {"type": "parallel", "branches": [[step("far", FAR)], [step("near", NEAR)]]})]})], 2,
    ),
    "race": ([step("r", {"type": "parallel", "join": "any", "branches": [
        [step("a", FAR)], [step("near", NEAR), step("b", FAR)]]})], 1),
    "timed": ([step("t", {"type": "loop", "over": [1], "steps": [step("far", FAR)]}, timeout_ms=20)], 0),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_run_is_parked_when_all_of_it_waits(tmp_path: Path, shape: str, durability: Any) -> None:
    """And not before: what works beside a wait is over first; what waited is not recorded as anything yet."""
    steps, calls = SHAPES[shape]
    if shape == "graph":
        steps = [steps[0], steps[1], steps[2]]
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("unused"), durability=durability) as tr:
        run = await asyncio.wait_for(tr.run(kit.agent(steps), {}), 10)
        assert ("waiting", "delay") == (run.status, run.parked and run.parked.reason)
        assert ({}, {}) == (tr._opened().live, tr._opened_store()._leases._held)
    statuses = kit.statuses(path, run.id)
    assert calls == sum(place.endswith("/tool") for place, _ in statuses)
    assert {"ok"} == set(statuses.values())
    assert 0 == sum(place.endswith("/wait") for place, _ in statuses)


async def test_a_short_wait_is_sat_out(tmp_path: Path) -> None:
    """Parking for less than ten seconds is not worth a commit: the run stays, in one epoch."""
    async with kit.opened(tmp_path / "runs.db", say("unused")) as tr:
        run = await tr.run(kit.agent([step("near", {"type": "delay", "duration": "30ms"})]), {})
    assert ("completed", 1) == (run.status, run.record.epoch)


class Elsewhere:
    """An engine from elsewhere: it starts tasks of its own, which nobody has told of as strands."""

    name, title, runs_workflow, run_timeout_s = "elsewhere", "Elsewhere", False, 60.0

    async def run(self, agent: Agent, inputs: Mapping[str, Json], ctx: RunContext) -> Json:
        del agent, inputs
        far = now().replace(year=now().year + 1)
        waits = asyncio.get_running_loop().create_task(ctx.sleep("a", until=far))
        works = asyncio.get_running_loop().create_task(ctx.tool("b", "kit", "wait", {"seconds": 0.1}))
        answer = await works
        waits.cancel()
        await asyncio.wait({waits})
        return answer.data


async def test_a_task_that_is_no_strand_parks_nothing(tmp_path: Path) -> None:
    """Of an engine that knows no strands only its own task can rest: what others wait for leaves it where it is."""
    async with kit.opened(tmp_path / "runs.db", say("unused"), engines=[Elsewhere()]) as tr:
        run = await tr.run(kit.agent(), {}, engine="elsewhere")
    assert ("completed", "done") == (run.status, run.output)


@settings(max_examples=60, deadline=None)
@given(
    tree=some.recursive(
        some.sampled_from(["work", "wait", "fail"]),
        lambda inner: some.lists(inner, min_size=1, max_size=4),
        max_leaves=12,
    ),
    width=some.integers(1, 3),
)
def test_strands_are_counted_exactly(tree: Any, width: int) -> None:
    """Whatever runs side by side, fails, is cancelled or waits: at the end exactly the caller's strand is at work."""

    async def main() -> tuple[int, bool]:
        rested: list[int] = []
        scope = Scope(rested=lambda: rested.append(1))
        enter(scope)
        open_waits: list[asyncio.Future[None]] = []

        async def wait() -> None:
            strand = here()
            assert strand is not None
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            open_waits.append(future)

            def wake() -> None:
                if not future.done():
                    future.set_result(None)
                    strand.begin()

            asyncio.get_running_loop().call_later(0.001, wake)
            strand.rest()
            try:
                await future
            finally:
                if future.cancelled():
                    strand.begin()

        async def carry(part: Any) -> None:
            assert scope.working >= 1
            if isinstance(part, list):
                if len(part) % 2:
                    await slide(len(part), width, lambda place: carry(part[place]))
                else:
                    await fly(part)
            elif part == "wait":
                await wait()
            elif part == "fail":
                raise ValueError("no")
            else:
                await asyncio.sleep(0)

        async def fly(parts: list[Any]) -> None:
            flight = Flight[None]()
            try:
                for index, part in enumerate(parts):
                    flight.start(index, lambda part=part: carry(part))
                while len(flight):
                    for _, task in await flight.landed():
                        task.result()
            finally:
                await flight.stop()

        with suppress(ValueError):
            await carry(tree)
        return scope.working, bool(rested)

    working, _ = asyncio.run(main())
    assert 1 == working


async def test_a_timer_stands_still_while_what_is_under_it_rests() -> None:
    """Only working time counts against it: a wait three times as long as the timer does not run it out."""
    enter(Scope())
    async with asyncio.timeout(0.1) as timer:
        with timed(timer):
            scope = here()
            assert scope is not None
            scope.rest()
            await asyncio.sleep(0.3)
            scope.begin()
            await asyncio.sleep(0.02)
    with pytest.raises(TimeoutError):
        await _run_out()


async def _run_out() -> None:
    async with asyncio.timeout(0.05) as timer:
        with timed(timer):
            await asyncio.sleep(0.3)


async def test_a_strand_of_nothing_is_no_strand() -> None:
    """Work outside a run is counted nowhere."""

    async def work() -> bool:
        return here() is None

    assert await asyncio.create_task(as_strand(None, work))
