"""Taking turns: the processes of those that can be started, a sample of each in turn, and whether the work was done."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import proof, provider
from benchmarks.contestants import CACHE, Contestant, NotMeasured, Worker
from benchmarks.environments import prepare
from benchmarks.report import Report, Samples
from benchmarks.workers import work

Check = Callable[[Worker, Mapping[str, Any], Mapping[str, Any]], None]


@contextmanager
def folder() -> Iterator[Path]:
    """Where databases lie; gone in the end."""
    CACHE.mkdir(exist_ok=True)
    # beside the project and not in the system's temporary folder, which may be memory: a commit must reach a disk
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="runs-") as folder:
        yield Path(folder)


@asynccontextmanager
async def workers(report: Report, contestants: Sequence[Contestant]) -> AsyncIterator[list[Worker]]:
    """The processes of those that can be started; the others are reported missing."""
    async with AsyncExitStack() as stack:
        place = stack.enter_context(folder())
        workers: list[Worker] = []
        for contestant in contestants:
            try:
                if contestant.environment is not None:
                    prepare(contestant.environment)
                worker = await Worker.started(contestant, place)
            except NotMeasured as missing:
                report.miss(str(missing))
                continue
            stack.push_async_callback(worker.close)
            workers.append(worker)
            report.versions.update(worker.versions)
        yield workers


async def warm(report: Report, workers: list[Worker], request: Mapping[str, Any], check: Check) -> None:
    """Once around unmeasured: imports, caches, a graph to compile. Who fails here is out."""
    await once(report, workers, request, check, {}, 1)


async def once(
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
        _keep_settings(report, name, answer["proof"])
        samples.setdefault(name, []).append(answer["seconds"] * factor)
    return answers


def _keep_settings(report: Report, name: str, given: Mapping[str, Any]) -> None:
    if given.get("settings"):
        found = given["settings"]
        how = {0: "OFF", 1: "NORMAL", 2: "FULL"}.get(found["synchronous"], found["synchronous"])
        report.settings[name] = f"journal {found['journal_mode']}, synchronous {how}"


def check_loop(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    runs = request["runs"]
    expected = {"replies": runs * work.MODEL_REPLIES, "tools": runs * work.TOOL_CALLS}
    proof.check_counts(worker.contestant.name, answer, expected)
    if worker.contestant.is_ours:
        proof.check_loops(worker.database, answer["proof"]["runs"])


def check_over_http(served: provider.Provider) -> Check:
    """The replies are counted by the provider, not by who is measured: a request too many is seen as well."""

    def check(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        replies = {"replies": served.taken(worker.contestant.name)}
        check_loop(worker, request, {**answer, "counts": answer["counts"] | replies})

    return check


def check_chain(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    proof.check_counts(worker.contestant.name, answer, {"steps": request["runs"] * request["steps"]})
    if worker.contestant.is_ours:
        proof.check_chains(worker.database, answer["proof"]["runs"], request["steps"])


def rounds(what: str, count: int) -> range:
    print(f"{what}: {count} rounds …", file=sys.stderr, flush=True)
    return range(count)


def check_durable(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Each step called the tool, and what it gave is in the database, which was written as it should be."""
    proof.check_counts(worker.contestant.name, answer, {"tools": request["runs"] * request["steps"]})
    given = answer["proof"]
    proof.check_settings(worker.contestant, given["settings"])
    _KEPT[worker.contestant.worker](worker.database, given["runs"], request["steps"])


def check_repeated(worker: Worker, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Each iteration ran its one step; in our record they stand beside the step that holds them."""
    proof.check_counts(worker.contestant.name, answer, {"steps": request["runs"] * request["times"]})
    if worker.contestant.is_ours:
        proof.check_chains(worker.database, answer["proof"]["runs"], request["times"] + 1)


_KEPT: Final[Mapping[str, Callable[[Path, Sequence[str], int], None]]] = {
    "trackrecord": proof.check_durable_runs,
    "langgraph": proof.check_threads,
    "dbos": proof.check_workflows,
}
"""By worker: looks into its database for every step of these runs."""
