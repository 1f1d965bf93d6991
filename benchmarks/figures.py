"""The figures: which contestants take turns at what, and what their samples amount to.

A ratio is made within a round, from samples taken right after one another, so that what slows the whole machine slows
both sides of it; the median over the rounds is the figure.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

from benchmarks import proof, provider
from benchmarks.commands import Command
from benchmarks.contestants import (
    CACHE,
    LANGGRAPH,
    LANGGRAPH_SYNC,
    OPENAI_AGENTS,
    PYDANTIC_AI,
    Contestant,
    NotMeasured,
    Worker,
    ours,
)
from benchmarks.environments import prepare
from benchmarks.workers import work

Unit = Literal["ms", "us", "runs/s", "KiB", ""]
Samples = dict[str, list[float]]
Check = Callable[[Worker, Mapping[str, Any], Mapping[str, Any]], None]
"""Of a worker, a request and its answer; raises NotMeasured when the work was not done."""

LOOP_PEERS: Final = (PYDANTIC_AI, OPENAI_AGENTS, LANGGRAPH)
HTTP_PEERS: Final = (PYDANTIC_AI,)
STEP_PEERS: Final = (LANGGRAPH, LANGGRAPH_SYNC)
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
    start_rounds=5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours, theirs: medians, in `unit`; `theirs` is the fastest peer's, or the other side of the ratio.
        against: who or what the other side is.
        ratio: median over the rounds, with `low` and `high`, the extremes.
        target: what the ratio has to reach; None when the line is there for information.
        is_limit: whether the target is the most the ratio may be, instead of the least.
        rounds: samples of each side.
        reason: why it was not measured; the figures are None then.
    """

    what: str
    unit: Unit = ""
    ours: float | None = None
    theirs: float | None = None
    against: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    is_limit: bool = False
    rounds: int = 0
    reason: str | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None when there is none, or nothing was measured."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio <= self.target if self.is_limit else self.ratio >= self.target


@dataclass(slots=True)
class Report:
    """Everything that was measured.

    Attributes:
        samples: by part, then contestant: each sample, in the unit of the part.
        units: by part.
        versions: of everything that took part.
        missing: what could not be measured, and why.
    """

    figures: list[Figure] = field(default_factory=list[Figure])
    samples: dict[str, Samples] = field(default_factory=dict[str, Samples])
    units: dict[str, Unit] = field(default_factory=dict[str, Unit])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    missing: list[str] = field(default_factory=list[str])

    def miss(self, reason: str) -> None:
        """Say once what could not be measured."""
        if reason not in self.missing:
            self.missing.append(reason)

    def keep(self, part: str, unit: Unit, samples: Samples) -> None:
        """Put a part's samples with the others."""
        self.samples[part] = samples
        self.units[part] = unit


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
    async with _workers(report, (*sides, *LOOP_PEERS)) as workers:
        await _warm(report, workers, {"do": "loop", "runs": effort.warm_runs}, _check_loop)
        for _ in _rounds(what, effort.loop_rounds):
            await _round(report, workers, request, _check_loop, samples, 1e3)
    report.keep(what, "ms", samples)
    for side, target in zip(sides, (8.0, None, None), strict=True):
        title = f"{what}, recorded, {side.options['durability']}, {side.options['synchronous']}"
        report.figures.append(_against_fastest(title, "ms", samples, side, LOOP_PEERS, target))


async def crowd(report: Report, effort: Effort) -> None:
    """Many such runs at once, each contestant in a fresh process each time, so that its memory can be told."""
    what = f"{effort.crowd_runs:,} runs at once"
    side = ours("async", "NORMAL")
    request = {"do": "crowd", "runs": effort.crowd_runs}
    seconds: Samples = {}
    grown: Samples = {}
    contestants = [side, *LOOP_PEERS]
    for _ in _rounds(what, effort.crowd_rounds):
        for contestant in list(contestants):
            async with _workers(report, (contestant,)) as workers:
                await _warm(report, workers, {"do": "loop", "runs": 3}, _check_loop)
                answers = await _round(report, workers, request, _check_loop, seconds, 1)
            if not answers:
                contestants.remove(contestant)
            for name, answer in answers.items():
                if answer["grown_bytes"] is not None:
                    grown.setdefault(name, []).append(answer["grown_bytes"] / effort.crowd_runs / 1024)
    rates = {name: [effort.crowd_runs / each for each in values] for name, values in seconds.items()}
    report.keep(what, "runs/s", rates)
    report.keep(f"{what}: memory per run", "KiB", grown)
    title = f"{what}, recorded, async, NORMAL"
    report.figures.append(_against_fastest(title, "runs/s", rates, side, LOOP_PEERS, 8.0))
    if not grown:
        report.missing.append("memory per run: this system does not tell a process's peak")
    report.figures.append(_against_fastest("peak memory per run of these", "KiB", grown, side, LOOP_PEERS, 1.0))


async def http(report: Report, effort: Effort) -> None:
    """Such a run with a real model, behind a provider over HTTP: one after another, and many at once."""
    single, many = "ten-tool-call run over HTTP", f"{AT_ONCE} such runs over HTTP at once"
    side, safest = ours("async", "NORMAL"), ours("sync", "FULL")
    of_single: Samples = {}
    of_many: Samples = {}
    try:
        with provider.started() as served:
            reached = [each.over(served.address(each.name)) for each in (side, *HTTP_PEERS, safest)]
            check = _check_over_http(served)
            # many at once in processes of their own: each request looks through all connections kept, ours and theirs
            async with _workers(report, reached) as workers, _workers(report, reached[:-1]) as apart:
                await _warm(report, workers, {"do": "loop", "runs": effort.warm_runs}, check)
                await _warm(report, apart, {"do": "crowd", "runs": AT_ONCE}, check)
                for _ in _rounds(single, effort.http_rounds):
                    await _round(report, workers, {"do": "loop", "runs": effort.http_runs}, check, of_single, 1e3)
                    await _round(report, apart, {"do": "crowd", "runs": AT_ONCE}, check, of_many, 1)
    except NotMeasured as missing:
        report.miss(str(missing))
    rates = {name: [AT_ONCE / each for each in values] for name, values in of_many.items()}
    report.keep(single, "ms", of_single)
    report.keep(many, "runs/s", rates)
    for each, target in ((side, 1.0), (safest, None)):
        title = f"{single}, recorded, {each.options['durability']}, {each.options['synchronous']}"
        report.figures.append(_against_fastest(title, "ms", of_single, each, HTTP_PEERS, target))
    report.figures.append(_against_fastest(f"{many}, recorded, async, NORMAL", "runs/s", rates, side, HTTP_PEERS, 1.0))


async def step(report: Report, effort: Effort) -> None:
    """A chain of pure steps, each taking the data of the one before it; ours recorded, LangGraph's not checkpointed."""
    short, long = f"pure step, {SHORT} in a chain", f"pure step, {LONG:,} in a chain"
    side, safer = ours("async", "NORMAL"), ours("async", "FULL")
    few, many = {"do": "chain", "runs": effort.step_runs, "steps": SHORT}, {"do": "chain", "runs": 1, "steps": LONG}
    of_short: Samples = {}
    of_middle: Samples = {}
    of_long: Samples = {}
    # the long chain in a process of its own: a heap full of its steps would slow the garbage collector of the short one
    async with _workers(report, (side, safer, *STEP_PEERS)) as workers, _workers(report, (side,)) as apart:
        await _warm(report, workers, few | {"runs": effort.warm_runs}, _check_chain)
        await _warm(report, apart, many, _check_chain)
        await _warm(report, apart, many | {"steps": MIDDLE}, _check_chain)
        for _ in _rounds(short, effort.step_rounds):
            await _round(report, workers, few, _check_chain, of_short, 1e6)
            await _round(report, apart, many | {"steps": MIDDLE}, _check_chain, of_middle, 1e6)
            await _round(report, apart, many, _check_chain, of_long, 1e6)
    report.keep(short, "us", of_short)
    report.keep(f"pure step, {MIDDLE:,} in a chain", "us", of_middle)
    report.keep(long, "us", of_long)
    report.figures.append(_against_fastest(f"{short}, recorded, async, NORMAL", "us", of_short, side, STEP_PEERS, 5.0))
    report.figures.append(_against_fastest(f"{short}, recorded, async, FULL", "us", of_short, safer, STEP_PEERS, None))
    report.figures.append(_growth(SHORT, of_short.get(side.name, []), of_long.get(side.name, []), 1.2))
    # begin and finish, spread over 100 steps, would hide a step that grows; over 1,000 they no longer do
    report.figures.append(_growth(MIDDLE, of_middle.get(side.name, []), of_long.get(side.name, []), 1.2))


async def start(report: Report, effort: Effort) -> None:
    """Whole commands, from the start of their process to its end; modules compiled, files in the system's cache."""
    what = "cold start"
    samples: Samples = {}
    with _folder() as folder:
        database, listed = await _some_runs(report, folder)
        helps = Command(words=("trackrecord", "--help"), says=("usage:", "verify"))
        lists = Command(words=("trackrecord", "runs", "--db", f"sqlite:///{database}"), lists=listed)
        theirs = Command(words=("dbos", "--help"), environment="dbos", says=("Usage:", "workflow"))
        commands = [one for one in (helps, lists, theirs) if (one.says or one.lists) and _is_there(report, one)]
        _start_each(report, commands, {})
        for _ in _rounds(what, effort.start_rounds):
            _start_each(report, commands, samples)
    report.keep(what, "ms", samples)
    for command in (helps, lists):
        mine, other = samples.get(command.name, []), samples.get(theirs.name, [])
        report.figures.append(_at_most(f"{what}, {command.name}", "ms", mine, other, theirs.name, 0.5))


PARTS: Final = {"loop": loop, "crowd": crowd, "http": http, "step": step, "start": start}


def _growth(steps: int, short: Sequence[float], long: Sequence[float], target: float) -> Figure:
    return _at_most(f"time per step, {LONG:,} steps to {steps:,}", "us", long, short, f"ours at {steps:,}", target)


def _at_most(
    what: str, unit: Unit, mine: Sequence[float], theirs: Sequence[float], against: str, target: float
) -> Figure:
    """How much our side takes of what the other takes."""
    if not mine or not theirs:
        reason = f"{'the other' if mine else 'our'} side was not measured"
        return Figure(what=what, target=target, is_limit=True, reason=reason)
    ratios = [our / their for our, their in zip(mine, theirs, strict=False)]
    return Figure(
        what=what,
        unit=unit,
        ours=median(mine),
        theirs=median(theirs),
        against=against,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        is_limit=True,
        rounds=len(ratios),
    )


def _against_fastest(
    what: str, unit: Unit, samples: Samples, side: Contestant, peers: Sequence[Contestant], target: float | None
) -> Figure:
    """How many times better our side is than the best peer; better is more for a rate, less for the rest."""
    mine = samples.get(side.name)
    others = {peer.name: samples[peer.name] for peer in peers if samples.get(peer.name)}
    if not mine or not others:
        return Figure(what=what, target=target, reason="our side was not measured" if not mine else "no peer was")
    is_rate = unit == "runs/s"
    best = (max if is_rate else min)(others, key=lambda name: median(others[name]))
    pairs = list(zip(mine, others[best], strict=False))
    ratios = [our / their if is_rate else their / max(our, 1e-9) for our, their in pairs]
    return Figure(
        what=what,
        unit=unit,
        ours=median(mine),
        theirs=median(others[best]),
        against=best,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        rounds=len(pairs),
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """Where databases lie; gone in the end."""
    CACHE.mkdir(exist_ok=True)
    # beside the project and not in the system's temporary folder, which may be memory: a commit must reach a disk
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="runs-") as folder:
        yield Path(folder)


@asynccontextmanager
async def _workers(report: Report, contestants: Sequence[Contestant]) -> AsyncIterator[list[Worker]]:
    """The processes of those that can be started; the others are reported missing."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        workers: list[Worker] = []
        for contestant in contestants:
            try:
                if contestant.environment is not None:
                    prepare(contestant.environment)
                worker = await Worker.started(contestant, folder)
            except NotMeasured as missing:
                report.miss(str(missing))
                continue
            stack.push_async_callback(worker.close)
            workers.append(worker)
            report.versions.update(worker.versions)
        yield workers


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


async def _warm(report: Report, workers: list[Worker], request: Mapping[str, Any], check: Check) -> None:
    """Once around unmeasured: imports, caches, a graph to compile. Who fails here is out."""
    await _round(report, workers, request, check, {}, 1)


async def _round(
    report: Report, workers: list[Worker], request: Mapping[str, Any], check: Check, samples: Samples, factor: float
) -> dict[str, dict[str, Any]]:
    """One sample of each, in turn, checked; seconds times `factor`. Who fails is reported and out from here on."""
    answers: dict[str, dict[str, Any]] = {}
    for worker in list(workers):
        name = worker.contestant.name
        try:
            answer = await worker.ask(request)
            check(worker, request, answer)
        except NotMeasured as missing:
            report.miss(str(missing))
            workers.remove(worker)
            continue
        answers[name] = answer
        samples.setdefault(name, []).append(answer["seconds"] * factor)
    return answers


def _check_loop(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    runs = request["runs"]
    expected = {"replies": runs * work.MODEL_REPLIES, "tools": runs * work.TOOL_CALLS}
    proof.check_counts(worker.contestant.name, answer, expected)
    if worker.contestant.is_ours:
        proof.check_loops(worker.database, answer["proof"]["runs"])


def _check_over_http(served: provider.Provider) -> Check:
    """The replies are counted by the provider, not by who is measured: a request too many is seen as well."""

    def check(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        replies = {"replies": served.taken(worker.contestant.name)}
        _check_loop(worker, request, {**answer, "counts": answer["counts"] | replies})

    return check


def _check_chain(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    proof.check_counts(worker.contestant.name, answer, {"steps": request["runs"] * request["steps"]})
    if worker.contestant.is_ours:
        proof.check_chains(worker.database, answer["proof"]["runs"], request["steps"])


def _rounds(what: str, count: int) -> range:
    print(f"{what}: {count} rounds …", file=sys.stderr, flush=True)
    return range(count)
