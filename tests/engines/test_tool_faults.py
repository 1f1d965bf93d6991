"""Tools that hang, crash, flood or leak: the run is recorded, the worker lives, and nothing is left behind.

D1 to D7, D10 and D11 of the fault catalogue, through whole runs and with real processes; MCP (D8) and HTTP (D9) have
their own files.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engines import faulty as tools
from tests.engines import kit
from tests.engines.faulty import MB100, faulty

from trackrecord import Run, Trackrecord
from trackrecord.config import read_settings
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import ModelReply, ModelRequest, ToolRequest
from trackrecord.plugins.files import over as files_plugin
from trackrecord.plugins.processes import PROCESSES
from trackrecord.plugins.protocol import Invocation
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

ENGINES = ("agentkit", "orchestrator")
MIB = 1 << 20
KEEP = {"payloads": {"tools": "redacted"}}


@pytest.fixture(scope="module", autouse=True)
def _no_process_left() -> Iterator[None]:
    """What waits for calls ends with these tests."""
    yield
    PROCESSES.close()
    assert set() == descendants(os.getpid())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A run of one tool call: how it ended, the call's span, and the call in the record's own list of calls."""

    run: Run
    span: Span
    call: Mapping[str, Any]
    seen: str  # what the model was told; empty for a workflow


def agent(engine: str, action: str, arguments: Mapping[str, Any], **fields: Any) -> Any:
    """An agent that makes one call, whichever engine runs it."""
    step = {"id": "act", "type": "action", "plugin": "faulty", "action": action, "params": dict(arguments)}
    given: dict[str, Any] = {"plugins_required": ["faulty"], "memory": False, **fields}
    return kit.agent([step] if engine == "orchestrator" else None, **given)


@asynccontextmanager
async def opened(path: Path, action: str, arguments: Mapping[str, Any], seen: list[str]) -> AsyncIterator[Trackrecord]:
    """A Trackrecord whose model makes one call, keeps what it is told, and answers."""

    def answer(request: ModelRequest) -> ModelReply:
        if request.messages[-1].role == "tool":
            seen.append(request.messages[-1].text)
            return ModelReply(text="done")
        wish = ToolRequest(id="1", name=f"faulty__{action}", arguments=dict(arguments))
        return ModelReply(tool_requests=(wish,))

    models = {kit.MODEL: CallableModel(answer)}
    settings = read_settings(db=f"sqlite:///{path}", retry={"max_attempts": 1})
    async with Trackrecord(plugins=[faulty], models=models, synchronous="NORMAL", settings=settings) as tr:
        yield tr


async def carried(
    path: Path, engine: str, action: str, *, fields: Mapping[str, Any] | None = None, **args: Any
) -> Told:
    """One run with one call of `action`."""
    seen: list[str] = []
    async with opened(path, action, args, seen) as tr:
        run = await tr.run(agent(engine, action, args, **(fields or {})), {}, engine=engine)
    with SqliteReader(path) as reader:
        execution = reader.execution(run.id)
        [span] = [one for one in reader.spans(execution["id"]) if one.kind == "tool"]
        found = [finding for check in verify(reader).checks for finding in check.findings]
    assert [] == found
    [call] = json.loads(execution["logs"])["toolCalls"]
    return Told(run=run, span=span, call=call, seen=seen[0] if seen else "")


def check_failed(told: Told, engine: str, words: str, code: str = "tool_failed") -> None:
    """The call failed with these words; a workflow failed with it, a model was told."""
    assert told.span.error_message is not None
    assert words in told.span.error_message
    assert (code, "faulty") == (told.span.error_code, told.span.plugin)
    if engine == "orchestrator":
        assert ("failed", code) == (told.run.status, told.run.record.ending and told.run.record.ending.error_code)
    else:
        assert "completed" == told.run.status
        assert words in told.seen


def descendants(pid: int) -> set[int]:
    """Every process below one."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # ended meanwhile
                continue
    found: set[int] = set()
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level} - found
        found |= level
    return found


def is_alive(pid: int) -> bool:
    """Whether a process of that number is there and not merely waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory(figure: str = "VmRSS") -> int:
    """Bytes of memory this process takes, now or at its peak."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{figure}:")]
    return int(line.split()[1]) * 1024


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """How late the event loop was, in seconds, each time it was looked at."""
    found: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            found.append(time.perf_counter() - before - 0.005)

    task = asyncio.create_task(watch())
    try:
        yield found
    finally:
        task.cancel()


@pytest.mark.parametrize("engine", ENGINES)
async def test_d1_a_tool_that_hangs_in_await_is_cancelled(tmp_path: Path, engine: str) -> None:
    """A hanging coroutine ends at its timeout, and so does the call."""
    told = await carried(tmp_path / "runs.db", engine, "hang_in_await")
    check_failed(told, engine, "no answer within 300 ms")
    assert "timed_out" == told.span.status


@pytest.mark.parametrize("how", ["loop", "C code", "stopped", "signals blocked"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_d1_a_tool_that_hangs_is_killed(tmp_path: Path, engine: str, how: str) -> None:
    """A busy loop, native code, a stopped process: killed with what it started, while the loop is never late."""
    note = tmp_path / "note"
    async with lag() as lags:
        told = await carried(tmp_path / "runs.db", engine, "hang", how=how, note=str(note))
    check_failed(told, engine, "no answer within 1500 ms")
    assert "unknown" == told.span.status  # it may have had its effect
    assert [False, False] == [is_alive(int(pid)) for pid in note.read_text().split()]
    assert 0.1 > max(lags)


@pytest.mark.parametrize("engine", ENGINES)
async def test_d1_cancelling_the_run_kills_the_tool(tmp_path: Path, engine: str) -> None:
    """When a run is cancelled, its tool's process and what that started are dead before the run has ended."""
    note, given = tmp_path / "note", {"how": "loop", "note": str(tmp_path / "note")}
    async with opened(tmp_path / "runs.db", "hang", given, []) as tr:
        started = await tr.start(agent(engine, "hang", given), {}, engine=engine)
        async with asyncio.timeout(20):
            while not (note.exists() and len(note.read_text().split()) == 2):
                await asyncio.sleep(0.01)
        pids = [int(pid) for pid in note.read_text().split()]
        assert [True, True] == [is_alive(pid) for pid in pids]
        started.cancel()
        run = await started.task
        assert ("cancelled", [False, False]) == (run.status, [is_alive(pid) for pid in pids])


@pytest.mark.parametrize(("shape", "size", "items"), [
    ("text", MB100 + 2, 1),
    ("list", MB100 + (MB100 >> 10) * 3 + 1, MB100 >> 10),
    ("bytes", None, 1),
])  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
async def test_d2_a_result_of_100_mb_is_cut(
    tmp_path: Path, engine: str, shape: str, size: int | None, items: int
) -> None:
    """1 MiB is stored and 8,000 characters reach the model; size and hash are kept, and we never hold the rest."""
    before = memory()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    told = await carried(tmp_path / "runs.db", engine, "flood", shape=shape)
    assert 64 * MIB > memory("VmHWM") - before
    truncated: Any = told.span.attributes["truncated"]
    assert (64, items) == (len(truncated["sha256"]), told.span.items)
    assert size is None or size == truncated["size"]
    assert "completed" == told.run.status
    if engine == "agentkit":
        assert 8_100 > len(told.seen) > 8_000
    else:
        output: Any = told.run.output
        assert ("cut", MIB) == (output["$t"], len(output["v"]))


@pytest.mark.parametrize("engine", ENGINES)
async def test_d2_a_file_of_100_mb_is_cut(tmp_path: Path, engine: str) -> None:
    """Reading it takes no memory for the rest, stores 1 MiB at most, and says how large it is."""
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(MB100)  # 100 MB of NUL, of which the disk holds nothing
    path = tmp_path / "runs.db"
    step = {"id": "act", "type": "action", "plugin": "files", "action": "read", "params": {"path": "large.txt"}}
    asks = {"tool_calls": [{"name": "files__read", "arguments": {"path": "large.txt"}}]}
    made = kit.agent([step] if engine == "orchestrator" else None, plugins_required=["files"], memory=False)
    before = memory()
    Path("/proc/self/clear_refs").write_text("5")
    async with kit.opened(path, asks, kit.say("done"), plugins=[files_plugin(tmp_path)]) as tr:
        run = await tr.run(made, {}, engine=engine)
    assert 64 * MIB > memory("VmHWM") - before
    assert "completed" == run.status, run.record.ending
    assert 16 * MIB > sum(one.stat().st_size for one in tmp_path.glob("runs.db*"))
    with SqliteReader(path) as reader:
        assert () == verify(reader).findings


@pytest.mark.parametrize("engine", ENGINES)
async def test_d2_a_flood_on_stdout_is_cut(tmp_path: Path, engine: str) -> None:
    """100 MB on stdout hold nobody up and take no memory; the beginning is kept where the agent wants it."""
    before = memory()
    Path("/proc/self/clear_refs").write_text("5")
    told = await carried(tmp_path / "runs.db", engine, "flood", fields=KEEP, shape="stream")
    assert 64 * MIB > memory("VmHWM") - before
    printed = str(told.span.attributes["printed"])
    assert (True, True) == (len(printed) < 9_000, printed.endswith(f'x… [cut: {MB100 + 100} bytes in all]"'))


@pytest.mark.parametrize(("kind", "words"), [
    ("ValueError", "fail raised ValueError: it broke"),
    ("SystemExit", "fail raised SystemExit: 0"),
    ("KeyboardInterrupt", "fail raised KeyboardInterrupt: it broke"),
    ("GeneratorExit", "fail raised GeneratorExit: it broke"),
    ("CancelledError", "fail raised CancelledError: it broke"),
    ("StopIteration", "fail raised StopIteration: it broke"),
    ("mute", "fail raised Mute: <its text raised RuntimeError>"),
    ("passing", "come back later"),
])  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
async def test_d3_whatever_a_tool_raises_fails_the_call_only(
    tmp_path: Path, engine: str, kind: str, words: str
) -> None:
    """Exceptions of every kind, those that are no `Exception` too, fail the call; the next one works."""
    told = await carried(tmp_path / "runs.db", engine, "fail", kind=kind)
    check_failed(told, engine, words)
    assert 3 == (await faulty.call(Invocation(action="add", arguments={"a": 2}))).data


DEATHS = {
    "exit_at_once": ("ended its process (exit code 0) instead of returning", "tool_failed"),
    "crash": ("SIGSEGV: a crash in native code, or the stack ran over", "tool_failed"),
    "overflow_stack": ("SIGSEGV: a crash in native code, or the stack ran over", "tool_failed"),
    "recurse": ("raised RecursionError", "tool_failed"),
    "kill_warden": ("ended: while it imported 'tests.engines.faulty', or by somebody's signal", "tool_failed"),
    "close_everything": ("ended its process (exit code 1) instead of returning", "tool_failed"),
    "write_everywhere": ("instead of returning", "tool_failed"),
    "kill_itself": ("was killed from outside, as the system does when memory runs out", "tool_oom"),
}


@pytest.mark.parametrize("action", DEATHS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_d4_a_tool_that_dies_fails_the_call_only(tmp_path: Path, engine: str, action: str) -> None:
    """A process that ends, crashes or runs over its stack fails its call with the reason; the next one works."""
    words, code = DEATHS[action]
    told = await carried(tmp_path / "runs.db", engine, action)
    check_failed(told, engine, words, code)
    assert 3 == (await faulty.call(Invocation(action="add", arguments={"a": 2}))).data


@pytest.mark.parametrize("how", ["at once", "bit by bit"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_d4_a_tool_that_eats_memory_ends_as_tool_oom(tmp_path: Path, engine: str, how: str) -> None:
    """More memory than the action may take is an end of its own kind, however it is taken."""
    told = await carried(tmp_path / "runs.db", engine, "eat_memory", how=how)
    check_failed(told, engine, "eat_memory needed more memory than it may take", "tool_oom")


ODD: dict[str, Any] = {
    "set": {"$t": "set", "v": "[1,2]"},
    "bytes": {"$t": "bytes", "v": "AP8="},
    "datetime": {"$t": "datetime", "v": "2026-01-02T00:00:00+00:00"},
    "decimal": {"$t": "decimal", "v": "1.10"},
    "object": {"$t": "object", "v": "builtins.object"},
    "generator": {"$t": "object", "v": "builtins.generator"},
    "cycle": [{"$t": "cycle", "v": "list"}],
    "tuple keys": {"[1,2]": 3},
    "mute": {"$t": "object", "v": "tests.engines.faulty.Mute"},
    "slow": {"$t": "object", "v": "tests.engines.faulty.Slow"},
    "lambda": {"$t": "object", "v": "builtins.function"},
    "NaN": {"$t": "float", "v": "NaN"},
    "a lone surrogate": "a\\ud800b",
}


@pytest.mark.parametrize("kind", ODD)
async def test_d5_what_json_cannot_say_is_tagged(tmp_path: Path, kind: str) -> None:
    """No result is pickled, none is asked to describe itself, and none fails the run."""
    told = await carried(tmp_path / "runs.db", "orchestrator", "odd", kind=kind)
    assert ("completed", ODD[kind]) == (told.run.status, told.run.output)
    assert ODD[kind] == json.loads((await carried(tmp_path / "two.db", "agentkit", "odd", kind=kind)).seen)


@pytest.mark.parametrize(("action", "expected"), [("change", [1, 99, 1]), ("change_here", [1, 99])])
async def test_d6_tools_change_nothing_but_their_own(tmp_path: Path, action: str, expected: list[int]) -> None:
    """Arguments are copies and, in a process of its own, so is the module: branches do not see each other."""
    step = {"type": "action", "plugin": "faulty", "action": action, "params": {"items": "{{ inputs.items }}"}}
    branches = {name: [{"id": name, **step}] for name in ("a", "b", "c")}
    steps = [{"id": "all", "type": "parallel", "branches": branches}, {"id": "last", **step}]
    given = [1]
    async with opened(tmp_path / "runs.db", action, {}, []) as tr:
        run = await tr.run(kit.agent(steps, plugins_required=["faulty"]), {"items": given})
    assert ("completed", expected) == (run.status, run.output)
    assert ([1], 0) == (given, tools.state["calls"])


@pytest.mark.parametrize("engine", ENGINES)
async def test_d7_what_a_tool_prints_is_captured_redacted_and_capped(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing a tool prints reaches our stdout or stderr; it is kept without secrets where the agent wants it."""
    parts = ["correct-horse", "-battery"]  # the agent's own file must not hold it either
    secret = "".join(parts)
    monkeypatch.setenv("GOSSIP_API_KEY", secret)
    path = tmp_path / "runs.db"
    told = await carried(path, engine, "gossip", fields=KEEP, parts=parts)
    printed = json.loads(str(told.span.attributes["printed"]))
    assert {"out [redacted]", "err [redacted]", "echo [redacted]", "raw [redacted]"} == set(printed.splitlines())
    capped = await carried(tmp_path / "two.db", engine, "gossip", fields=KEEP, parts=parts, times=1000)
    assert 9_000 > len(str(capped.span.attributes["printed"]))
    silent = await carried(tmp_path / "three.db", engine, "gossip", parts=parts)
    assert "printed" not in silent.span.attributes
    assert ("", "") == tuple(capfd.readouterr())
    for database in tmp_path.glob("*.db*"):
        assert secret.encode() not in database.read_bytes()


async def test_d7_a_secret_across_the_cap_leaves_no_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tool prints is cut where it runs, in the middle of a secret as anywhere: no piece of that is kept."""
    for longer in (150, 170, 190):  # so that the cap falls at several places of a line
        parts = ["correct-horse", f"-battery{'y' * longer}"]
        monkeypatch.setenv("GOSSIP_API_KEY", "".join(parts))
        path = tmp_path / f"{longer}.db"
        told = await carried(path, "orchestrator", "gossip", fields=KEEP, parts=parts, times=40)
        printed = str(told.span.attributes["printed"])
        assert "[redacted]" in printed
        assert " bytes in all]" in printed
        assert "correct" not in printed


async def test_d7_a_tool_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of a tool has a handful of harmless variables and none of ours."""
    PROCESSES.close()
    for name in ("OPENAI_API_KEY", "TRACKRECORD_MODEL", "HARMLESS"):
        monkeypatch.setenv(name, "canary-value")
    told = await carried(tmp_path / "runs.db", "orchestrator", "environment")
    assert isinstance(told.run.output, dict)
    assert {"PATH"} <= set(told.run.output)
    assert "canary-value" not in told.run.output.values()


async def test_d10_a_thousand_runs_leave_nothing_behind(tmp_path: Path) -> None:
    """Sockets never closed, and in one call of ten processes in the background: all gone after each call."""
    seen: list[str] = []
    found: list[int] = []
    async with opened(tmp_path / "runs.db", "leak", {}, seen) as tr:

        async def some(count: int, engine: str) -> None:
            for _ in range(count):
                run = await tr.run(agent(engine, "leak", {}), {}, engine=engine)
                assert "completed" == run.status
                found.extend(json.loads(seen.pop()) if engine == "agentkit" else run.output)

        await asyncio.gather(*(some(50, engine) for engine in ENGINES))
        before = figures()
        await asyncio.gather(*(some(500, engine) for engine in ENGINES))
        after = figures()
    assert 1_150 < len(found)
    assert [] == [pid for pid in found if is_alive(pid)]
    assert before[:3] == after[:3]
    assert 16 * MIB > after[3] - before[3]


def figures() -> tuple[int, int, int, int]:
    """File descriptors, threads, processes below this one, and bytes of memory."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(descendants(os.getpid())), memory()


@pytest.mark.parametrize("how", ["null", "nothing", "result"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_d11_a_tool_that_does_not_say_is_unknown(tmp_path: Path, engine: str, how: str) -> None:
    """A result that does not say whether it went well is recorded as unknown, never as a success."""
    told = await carried(tmp_path / "runs.db", engine, "shrug", how=how)
    assert ("completed", "ok", None, None) == (
        told.run.status,
        told.span.status,
        told.span.success,
        told.call["success"],
    )


async def test_a_call_brings_along_what_it_is(tmp_path: Path) -> None:
    """Key, deadline and hinted types reach a function in its own process as they reach any other."""
    told = await carried(tmp_path / "runs.db", "orchestrator", "told", when="2026-01-02T00:00:00Z", n=3.0)
    assert {"key": f"{told.run.id}:s:act/tool", "year": 2026, "n": 3, "has_time": True} == told.run.output
