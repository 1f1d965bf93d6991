"""The figures: which contestants take turns at what, and what their samples amount to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import provider, turns
from benchmarks.commands import Command
from benchmarks.contestants import (
    DBOS,
    DBOS_WAL,
    LANGGRAPH,
    LANGGRAPH_SYNC,
    OPENAI_AGENTS,
    PYDANTIC_AI,
    Contestant,
    NotMeasured,
    Worker,
    keeping,
    ours,
)
from benchmarks.report import Figure, Report, Samples, against_fastest, at_most

LOOP_PEERS: Final = (PYDANTIC_AI, OPENAI_AGENTS, LANGGRAPH)
HTTP_PEERS: Final = (PYDANTIC_AI,)
STEP_PEERS: Final = (LANGGRAPH, LANGGRAPH_SYNC)
DURABLE_PEERS: Final = tuple(keeping(each, "FULL") for each in STEP_PEERS)
QUICKER_PEERS: Final = tuple(keeping(each, "NORMAL") for each in STEP_PEERS)
WORKFLOW_PEERS: Final = (DBOS, DBOS_WAL)
AT_ONCE: Final = 64
LISTED: Final = 20
"""Runs in the database that `trackrecord runs` lists: as many as it shows unless told otherwise."""
SHORT: Final = 100
MIDDLE: Final = 1_000
LONG: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: rounds per figure, runs per sample, and runs before the first sample.

    The write-ahead log of a new database grows for about a hundred runs before it is used again from its start, and
    growing a file makes a commit dearer: what is timed is a service that has been running, ours and theirs.
    """

    warm_runs: int = 120
    loop_rounds: int = 9
    loop_runs: int = 100
    crowd_rounds: int = 3
    crowd_runs: int = 1_000
    http_rounds: int = 7
    http_runs: int = 10
    step_rounds: int = 15
    step_runs: int = 5
    durable_rounds: int = 7
    durable_runs: int = 3
    busy_rounds: int = 3
    iterate_rounds: int = 9
    iterate_runs: int = 3
    start_rounds: int = 15


QUICK: Final = Effort(
    warm_runs=3,
    loop_rounds=5,
    loop_runs=5,
    crowd_rounds=1,
    crowd_runs=200,
    http_rounds=3,
    http_runs=5,
    step_rounds=5,
    step_runs=3,
    durable_rounds=3,
    durable_runs=1,
    busy_rounds=1,
    iterate_rounds=3,
    iterate_runs=1,
    start_rounds=5,
)


async def loop(report: Report, effort: Effort) -> None:
    """One ten-tool-call run after another, each committed before the next begins, against peers that record nothing."""
    what = "ten-tool-call run"
    sides = (
        ours("async", "NORMAL"),
        ours("async", "FULL"),
        ours("sync", "FULL"),
    )  # the first is what async is by default
    request = {"do": "loop", "runs": effort.loop_runs}
    samples: Samples = {}
    async with turns.workers(report, (*sides, *LOOP_PEERS)) as workers:
        await turns.warm(report, workers, {"do": "loop", "runs": effort.warm_runs}, turns.check_loop)
        for _ in turns.rounds(what, effort.loop_rounds):
            await turns.once(report, workers, request, turns.check_loop, samples, 1e3)
    report.keep(what, "ms", samples)
    for side, target in zip(sides, (8.0, None, None), strict=True):
        title = f"{what}, recorded, {side.options['durability']}, {side.options['synchronous']}"
        report.figures.append(against_fastest(title, "ms", samples, side, LOOP_PEERS, target))


async def crowd(report: Report, effort: Effort) -> None:
    """Many such runs at once, each contestant in a fresh process each time, so that its memory can be told."""
    what = f"{effort.crowd_runs:,} runs at once"
    side = ours("async", "NORMAL")
    request = {"do": "crowd", "runs": effort.crowd_runs}
    seconds: Samples = {}
    grown: Samples = {}
    contestants = [side, *LOOP_PEERS]
    for _ in turns.rounds(what, effort.crowd_rounds):
        for contestant in list(contestants):
            async with turns.workers(report, (contestant,)) as workers:
                await turns.warm(report, workers, {"do": "loop", "runs": 3}, turns.check_loop)
                answers = await turns.once(report, workers, request, turns.check_loop, seconds, 1)
            if not answers:
                contestants.remove(contestant)
            for name, answer in answers.items():
                if answer["grown_bytes"] is not None:
                    grown.setdefault(name, []).append(answer["grown_bytes"] / effort.crowd_runs / 1024)
    rates = {name: [effort.crowd_runs / each for each in values] for name, values in seconds.items()}
    report.keep(what, "runs/s", rates)
    report.keep(f"{what}: memory per run", "KiB", grown)
    title = f"{what}, recorded, async, NORMAL"
    report.figures.append(against_fastest(title, "runs/s", rates, side, LOOP_PEERS, 8.0))
    if not grown:
        report.missing.append("memory per run: this system does not tell a process's peak")
    report.figures.append(against_fastest("peak memory per run of these", "KiB", grown, side, LOOP_PEERS, 1.0))


async def http(report: Report, effort: Effort) -> None:
    """Such a run with a real model, behind a provider over HTTP: one after another, and many at once."""
    single, many = "ten-tool-call run over HTTP", f"{AT_ONCE} such runs over HTTP at once"
    side, safest = ours("async", "NORMAL"), ours("sync", "FULL")
    of_single: Samples = {}
    of_many: Samples = {}
    try:
        with provider.started() as served:
            reached = [each.over(served.address(each.name)) for each in (side, *HTTP_PEERS, safest)]
            check = turns.check_over_http(served)
            # many at once in processes of their own: each request looks through all connections kept, ours and theirs
            async with turns.workers(report, reached) as workers, turns.workers(report, reached[:-1]) as apart:
                await turns.warm(report, workers, {"do": "loop", "runs": effort.warm_runs}, check)
                await turns.warm(report, apart, {"do": "crowd", "runs": AT_ONCE}, check)
                for _ in turns.rounds(single, effort.http_rounds):
                    await turns.once(report, workers, {"do": "loop", "runs": effort.http_runs}, check, of_single, 1e3)
                    await turns.once(report, apart, {"do": "crowd", "runs": AT_ONCE}, check, of_many, 1)
    except NotMeasured as missing:
        report.miss(str(missing))
    rates = {name: [AT_ONCE / each for each in values] for name, values in of_many.items()}
    report.keep(single, "ms", of_single)
    report.keep(many, "runs/s", rates)
    for each, target in ((side, 1.0), (safest, None)):
        title = f"{single}, recorded, {each.options['durability']}, {each.options['synchronous']}"
        report.figures.append(against_fastest(title, "ms", of_single, each, HTTP_PEERS, target))
    report.figures.append(against_fastest(f"{many}, recorded, async, NORMAL", "runs/s", rates, side, HTTP_PEERS, 1.0))


async def step(report: Report, effort: Effort) -> None:
    """A chain of pure steps, each taking the data of the one before it; ours recorded, LangGraph's not checkpointed."""
    short, long = f"pure step, {SHORT} in a chain", f"pure step, {LONG:,} in a chain"
    side, safer = ours("async", "NORMAL"), ours("async", "FULL")
    few, many = {"do": "chain", "runs": effort.step_runs, "steps": SHORT}, {"do": "chain", "runs": 1, "steps": LONG}
    of_short: Samples = {}
    of_middle: Samples = {}
    of_long: Samples = {}
    # the long chain in a process of its own: a heap full of its steps would slow the garbage collector of the short one
    async with turns.workers(report, (side, safer, *STEP_PEERS)) as workers, turns.workers(report, (side,)) as apart:
        await turns.warm(report, workers, few | {"runs": effort.warm_runs}, turns.check_chain)
        await turns.warm(report, apart, many, turns.check_chain)
        await turns.warm(report, apart, many | {"steps": MIDDLE}, turns.check_chain)
        for _ in turns.rounds(short, effort.step_rounds):
            await turns.once(report, workers, few, turns.check_chain, of_short, 1e6)
            await turns.once(report, apart, many | {"steps": MIDDLE}, turns.check_chain, of_middle, 1e6)
            await turns.once(report, apart, many, turns.check_chain, of_long, 1e6)
    report.keep(short, "us", of_short)
    report.keep(f"pure step, {MIDDLE:,} in a chain", "us", of_middle)
    report.keep(long, "us", of_long)
    report.figures.append(against_fastest(f"{short}, recorded, async, NORMAL", "us", of_short, side, STEP_PEERS, 5.0))
    report.figures.append(against_fastest(f"{short}, recorded, async, FULL", "us", of_short, safer, STEP_PEERS, None))
    report.figures.append(_growth(SHORT, of_short.get(side.name, []), of_long.get(side.name, []), 1.2))
    # begin and finish, spread over 100 steps, would hide a step that grows; over 1,000 they no longer do
    report.figures.append(_growth(MIDDLE, of_middle.get(side.name, []), of_long.get(side.name, []), 1.2))


async def durable(report: Report, effort: Effort) -> None:
    """A chain of tool calls whose results are kept, so that a crash repeats none; one run, and many at once."""
    short, long = f"durable step, {SHORT} in a chain", f"durable step, {LONG:,} in a chain"
    safe, quick, waits = ours("sync", "FULL"), ours("sync", "NORMAL"), ours("sync", "FULL", effect="keyed")
    few, many = {"do": "durable", "runs": effort.durable_runs, "steps": SHORT}, {"do": "durable", "runs": 1}
    everybody = (safe, quick, waits, *DURABLE_PEERS, *QUICKER_PEERS, *WORKFLOW_PEERS)
    of_short: Samples = {}
    of_middle: Samples = {}
    of_long: Samples = {}
    async with turns.workers(report, everybody) as workers, turns.workers(report, (safe,)) as apart:
        await turns.warm(report, workers, few | {"runs": min(effort.warm_runs, 10)}, turns.check_durable)
        await turns.warm(report, apart, many | {"steps": LONG}, turns.check_durable)
        for _ in turns.rounds(short, effort.durable_rounds):
            await turns.once(report, workers, few, turns.check_durable, of_short, 1e6)
            await turns.once(report, apart, many | {"steps": MIDDLE}, turns.check_durable, of_middle, 1e6)
            await turns.once(report, apart, many | {"steps": LONG}, turns.check_durable, of_long, 1e6)
    report.keep(short, "us", of_short)
    report.keep(f"durable step, {MIDDLE:,} in a chain", "us", of_middle)
    report.keep(long, "us", of_long)
    for side, what, peers, target in (
        (safe, "read, sync, FULL", DURABLE_PEERS, 3.0),
        (safe, "read, sync, FULL", WORKFLOW_PEERS, 6.0),
        (quick, "read, sync, NORMAL", QUICKER_PEERS, 8.0),
        (waits, "keyed, sync, FULL", DURABLE_PEERS, None),
        (waits, "keyed, sync, FULL", WORKFLOW_PEERS, None),
    ):
        report.figures.append(against_fastest(f"{short}, {what}", "us", of_short, side, peers, target))
    report.figures.append(_growth(SHORT, of_short.get(safe.name, []), of_long.get(safe.name, []), 1.2, "durable step"))
    report.figures.append(
        _growth(MIDDLE, of_middle.get(safe.name, []), of_long.get(safe.name, []), 1.2, "durable step")
    )
    await _durable_at_once(report, effort, safe)


async def _durable_at_once(report: Report, effort: Effort, side: Contestant) -> None:
    what = f"durable step, {AT_ONCE} such runs at once"
    request = {"do": "durable_crowd", "runs": AT_ONCE, "steps": SHORT}
    samples: Samples = {}
    async with turns.workers(report, (side, *DURABLE_PEERS)) as workers:
        await turns.warm(report, workers, request | {"runs": 4}, turns.check_durable)
        for _ in turns.rounds(what, effort.busy_rounds):
            await turns.once(report, workers, request, turns.check_durable, samples, 1e6)
    report.keep(what, "us", samples)
    report.figures.append(against_fastest(f"{what}, read, sync, FULL", "us", samples, side, DURABLE_PEERS, 15.0))


async def iterate(report: Report, effort: Effort) -> None:
    """A loop, and a map, of one pure step; ours recorded, LangGraph's not checkpointed: an edge back to the node."""
    what = "iteration"
    side, safer = ours("async", "NORMAL"), ours("sync", "FULL")
    some = {"do": "repeat", "runs": effort.iterate_runs, "times": MIDDLE}
    one = some | {"runs": 1}
    of_loop: Samples = {}
    of_long: Samples = {}
    of_map: Samples = {}
    of_narrow: Samples = {}
    async with turns.workers(report, (side, safer, *STEP_PEERS)) as workers, turns.workers(report, (side,)) as apart:
        await turns.warm(report, workers, some, turns.check_repeated)
        await turns.warm(report, apart, one | {"times": LONG}, turns.check_repeated)
        for _ in turns.rounds(what, effort.iterate_rounds):
            await turns.once(report, workers, some, turns.check_repeated, of_loop, 1e6)
            await turns.once(report, apart, one | {"times": LONG}, turns.check_repeated, of_long, 1e6)
            await turns.once(report, apart, one | {"is_map": True}, turns.check_repeated, of_map, 1e6)
            narrow = {"runs": MIDDLE // SHORT, "times": SHORT, "is_map": True}
            await turns.once(report, apart, one | narrow, turns.check_repeated, of_narrow, 1e6)
    report.keep(f"iteration, loop of {MIDDLE:,}", "us", of_loop)
    report.keep(f"iteration, loop of {LONG:,}", "us", of_long)
    report.keep(f"item, map {MIDDLE:,} wide", "us", of_map)
    report.keep(f"item, map {SHORT} wide", "us", of_narrow)
    for each, how, target in ((side, "async, NORMAL", 10.0), (safer, "sync, FULL", None)):
        title = f"iteration, loop of {MIDDLE:,}, recorded, {how}"
        report.figures.append(against_fastest(title, "us", of_loop, each, STEP_PEERS, target))
    mine = of_loop.get(side.name, [])
    report.figures.append(_growth(MIDDLE, mine, of_long.get(side.name, []), 1.2, "iteration", "iterations"))
    title, against = f"time per item, map {MIDDLE:,} wide to {SHORT}", f"ours at {SHORT}"
    report.figures.append(at_most(title, "us", of_map.get(side.name, []), of_narrow.get(side.name, []), against, 1.2))


async def start(report: Report, effort: Effort) -> None:
    """Whole commands, from the start of their process to its end; modules compiled, files in the system's cache."""
    what = "cold start"
    samples: Samples = {}
    with turns.folder() as folder:
        database, listed = await _some_runs(report, folder)
        helps = Command(words=("trackrecord", "--help"), says=("usage:", "verify"))
        lists = Command(words=("trackrecord", "runs", "--db", f"sqlite:///{database}"), lists=listed)
        theirs = Command(words=("dbos", "--help"), environment="dbos", says=("Usage:", "workflow"))
        commands = [one for one in (helps, lists, theirs) if (one.says or one.lists) and _is_there(report, one)]
        _start_each(report, commands, {})
        for _ in turns.rounds(what, effort.start_rounds):
            _start_each(report, commands, samples)
    report.keep(what, "ms", samples)
    for command in (helps, lists):
        mine, other = samples.get(command.name, []), samples.get(theirs.name, [])
        report.figures.append(at_most(f"{what}, {command.name}", "ms", mine, other, theirs.name, 0.5))


PARTS: Final = {
    "loop": loop,
    "crowd": crowd,
    "http": http,
    "step": step,
    "durable": durable,
    "iterate": iterate,
    "start": start,
}


def _growth(
    few: int, short: Sequence[float], long: Sequence[float], target: float, what: str = "step", many: str = "steps"
) -> Figure:
    return at_most(f"time per {what}, {LONG:,} {many} to {few:,}", "us", long, short, f"ours at {few:,}", target)


async def _some_runs(report: Report, folder: Path) -> tuple[Path, list[str]]:
    """A database that nobody has open, and the ids of the runs in it; none when they could not be made."""
    try:
        worker = await Worker.started(ours("async", "NORMAL"), folder)
        try:
            answer = await worker.ask({"do": "loop", "runs": LISTED})
        finally:
            await worker.close()
    except NotMeasured as missing:
        report.miss(str(missing))
        return folder, []
    report.versions.update(worker.versions)
    return worker.database, list(answer["proof"]["runs"])


def _is_there(report: Report, command: Command) -> bool:
    """Whether a command can be started; one that cannot is reported missing."""
    try:
        report.versions.update(command.prepare())
    except NotMeasured as missing:
        report.miss(str(missing))
        return False
    return True


def _start_each(report: Report, commands: list[Command], samples: Samples) -> None:
    """One start of each, in turn, in milliseconds. Who fails is reported and out from here on."""
    for command in list(commands):
        try:
            samples.setdefault(command.name, []).append(command.seconds() * 1e3)
        except NotMeasured as missing:
            report.miss(str(missing))
            commands.remove(command)
