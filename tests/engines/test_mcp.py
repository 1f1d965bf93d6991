"""MCP servers in whole runs, through both engines: real processes, real HTTP on this machine.

D8 of the fault catalogue, and what of D7 and D10 is about servers: whatever a server does, the run ends in a record
that says what happened, and nothing of the server is left.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.test_secrets import everything
from tests.engines.test_tool_faults import descendants
from tests.unit.plugins.mcp import raw, web
from tests.unit.plugins.mcp.desk import Desk, called, desk, has_ended, web_desk, written
from tests.unit.plugins.mcp.web import Web

from trackrecord import Run, Trackrecord
from trackrecord.config import read_settings
from trackrecord.errors import PluginNotConnected
from trackrecord.record.spans import Span
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

ENGINES = ("agentkit", "orchestrator")
TOKEN = "tok-4d1c0ffee-b0bb1e"
SETTINGS: dict[str, Any] = {
    "retry": {"max_attempts": 2, "initial_ms": 1, "max_ms": 1},
    "secrets": {"key": "ab" * 32},
}


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Every process that a test started, and whatever that started, is over with it."""
    before = descendants(os.getpid())
    yield
    assert set() == {pid for pid in descendants(os.getpid()) - before if not has_ended(pid)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a run with one MCP call left."""

    run: Run
    tools: list[Span]
    call: Mapping[str, Any]
    error_code: str | None

    @property
    def statuses(self) -> list[str]:
        return [span.status for span in self.tools]

    @property
    def words(self) -> str:
        return self.tools[-1].error_message or ""


def agent(engine: str, action: str, arguments: Mapping[str, Any], **fields: Any) -> Any:
    """An agent that makes one call, whichever engine runs it."""
    step = {"id": "act", "type": "action", "plugin": "shop", "action": action, "params": dict(arguments)}
    given: dict[str, Any] = {"plugins_required": ["shop"], "memory": False, **fields}
    return kit.agent([step] if engine == "orchestrator" else None, **given)


@asynccontextmanager
async def opened(path: Path, at: Desk, action: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Trackrecord]:
    """A Trackrecord whose model makes one call and answers."""
    asking = {"tool_calls": [{"name": f"shop__{action}", "arguments": dict(arguments)}]}
    settings = read_settings(**SETTINGS)
    async with kit.opened(path, asking, kit.say("done"), plugins=[], settings=settings, mcp_file=at.file) as tr:
        yield tr


async def carried(
    path: Path, at: Desk, engine: str, action: str, *, fields: Mapping[str, Any] | None = None, **arguments: Any
) -> Left:
    """One run with one call; what it left is whole, and every total is a recount."""
    async with opened(path, at, action, arguments) as tr:
        run = await tr.run(agent(engine, action, arguments, **(fields or {})), {}, engine=engine)
    return left(path, run)


def left(path: Path, run: Run) -> Left:
    with SqliteReader(path) as reader:
        execution = reader.execution(run.id)
        tools = [one for one in reader.spans(execution["id"]) if one.kind == "tool"]
        found = [finding for check in verify(reader).checks for finding in check.findings]
    assert [] == found
    [call] = json.loads(execution["logs"])["toolCalls"]
    return Left(run=run, tools=tools, call=call, error_code=execution["error_code"])


def check_ended(told: Left, engine: str) -> None:
    """The workflow failed with the call; the model was told of it, and answered."""
    expected = ("failed", "tool_failed") if engine == "orchestrator" else ("completed", None)
    assert expected == (told.run.status, told.error_code)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_is_recorded(tmp_path: Path, engine: str) -> None:
    """One call, one span, its data handed on; the server saw the arguments as they were given."""
    at = desk(tmp_path / "shop")
    told = await carried(tmp_path / "runs.db", at, engine, "find_order", number=17)
    [span] = told.tools
    assert ("ok", "shop", "find_order", True, 1) == (span.status, span.plugin, span.action, span.success, span.items)
    assert "completed" == told.run.status
    assert engine == "agentkit" or told.run.output == {"state": "shipped"}
    [asked] = at.asked("tools/call")
    assert {"name": "findOrder", "arguments": {"number": 17}} == {
        name: asked["params"][name] for name in ("name", "arguments")
    }


FAULTS = {
    "exit": "ended (exit code 3); it wrote: Traceback: it broke",
    "killed": "was ended by signal 9",
    "garbage": "sent what is no JSON-RPC message",
    "no_rpc": "sent what is no JSON-RPC message",
    "binary": "sent what is no text",
    "array": "sent what is no JSON-RPC message",
    "wrong_id": "answered a request that was never made (id 987654)",
    "null_id": "could not read a request",
    "long": "sent a message of more than 10 MiB",
    "chatter": "writes more to stdout than its messages",
    "pings": "sent more than 10,000 messages that answer nothing",
}
TRANSIENT = {"exit", "killed"}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_d8_a_server_that_breaks_in_a_call(tmp_path: Path, engine: str, kind: str) -> None:
    """The run has its record with the reason; nobody knows what became of an unsafe call, and it is not repeated."""
    at = desk(tmp_path / "shop")
    told = await carried(tmp_path / "a.db", at, engine, "change_fault", kind=kind)
    assert (["unknown"], 1) == (told.statuses, at.calls("change_fault"))
    assert (None, True) == (told.call["success"], FAULTS[kind] in told.words)
    check_ended(told, engine)


@pytest.mark.parametrize("kind", ["exit", "garbage"])
@pytest.mark.parametrize("engine", ENGINES)
async def test_d8_a_call_that_reads_is_repeated(tmp_path: Path, engine: str, kind: str) -> None:
    """When the server died; not when it broke the protocol, which it would again."""
    at = desk(tmp_path / "shop")
    told = await carried(tmp_path / "a.db", at, engine, "read_fault", kind=kind)
    attempts = 2 if kind in TRANSIENT else 1
    assert (["failed"] * attempts, attempts) == (told.statuses, at.calls("read_fault"))
    assert (False, True) == (told.call["success"], FAULTS[kind] in told.words)
    check_ended(told, engine)


@pytest.mark.parametrize("engine", ENGINES)
async def test_d8_a_server_that_dies_once_is_started_anew(tmp_path: Path, engine: str) -> None:
    """The second attempt finds a fresh server, and the run goes on as if nothing had been."""
    at = desk(tmp_path / "shop")
    told = await carried(tmp_path / "a.db", at, engine, "read_fault", kind="die_once")
    assert (["failed", "ok"], "completed", 2) == (told.statuses, told.run.status, len(at.asked("initialize")))


STARTS = {
    "exit": "ended (exit code 4); it wrote: no configuration found",
    "mute": "did not answer `initialize` within 0.3 s",
    "garbage": "sent what is no JSON-RPC message",
    "refuses": "answered `initialize` with an error: not today",
    "old": "Unsupported protocol version",
    "no_list": "did not answer `tools/list` within 0.3 s",
    "million": "lists more than 1,000 tools",
    "million_at_once": "lists more than 1,000 tools",
    "circle": "lists its tools in a circle",
    "endless": "lists more than",
    "twice": "lists two tools named 'findOrder'",
}


@pytest.mark.parametrize("mode", STARTS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_d8_a_server_that_cannot_be_had(tmp_path: Path, engine: str, mode: str) -> None:
    """It exits, is silent, or talks nonsense from the start: the run has its record, the unsafe call never left."""
    slow = {"mute", "no_list"}
    at = desk(tmp_path / "shop", mode, start_timeout_s=0.3 if mode in slow else 10)
    told = await carried(tmp_path / "a.db", at, engine, "pay")
    assert (False, True, 0) == (told.call["success"], STARTS[mode] in told.words, at.calls("pay"))
    assert {"failed"} == set(told.statuses)
    check_ended(told, engine)


async def test_d8_a_program_that_is_not_there(tmp_path: Path) -> None:
    """The reason names it."""
    at = written(tmp_path / "shop", {"command": ["no-such-program-at-all"]})
    told = await carried(tmp_path / "a.db", at, "orchestrator", "pay")
    assert "cannot be started: No such file or directory: no-such-program-at-all" in told.words


@pytest.mark.parametrize("engine", ENGINES)
async def test_d8_a_tool_that_changes_between_two_calls(tmp_path: Path, engine: str) -> None:
    """The rug is pulled in a run: the next call is rejected, nothing reaches the server, the record says why."""
    at = desk(tmp_path / "shop")
    wishes = [("change_fault", {"kind": "rug"}), ("pay", {})]
    steps = [
        {"id": f"s{one}", "type": "action", "plugin": "shop", "action": action, "params": given}
        for one, (action, given) in enumerate(wishes)
    ]
    replies = [{"tool_calls": [{"name": f"shop__{action}", "arguments": given}]} for action, given in wishes]
    agent = kit.agent(steps if engine == "orchestrator" else None, plugins_required=["shop"], memory=False)
    path, settings = tmp_path / "a.db", read_settings(**SETTINGS)
    async with kit.opened(path, *replies, kit.say("done"), plugins=[], settings=settings, mcp_file=at.file) as tr:
        run = await tr.run(agent, {}, engine=engine)
        with pytest.raises(PluginNotConnected, match="'findOrder' changed its description") as refused:
            await tr.run(agent, {}, engine=engine)
    assert "trackrecord mcp approve shop" in refused.value.cure
    with SqliteReader(path) as reader:
        pulled, last = [one for one in reader.spans(run.id) if one.kind == "tool"]
        row = reader.execution(run.id)
        assert [] == [finding for check in verify(reader).checks for finding in check.findings]
    assert (["ok", "rejected"], 0, False) == ([pulled.status, last.status], at.calls("pay"), last.success)
    assert "is not what was approved: 'findOrder' changed its description" in (last.error_message or "")
    assert (1, 1) == (row["tool_calls_count"], row["tool_calls_rejected_count"])
    assert ("failed" if engine == "orchestrator" else "completed") == run.status


@pytest.mark.parametrize(("tools", "words"), [
    (raw.rugged(), "'findOrder' changed its description"),
    (raw.TOOLS[1:], "'findOrder' is gone"),
    ([{**raw.TOOLS[0], "annotations": {}}, *raw.TOOLS[1:]], "'findOrder' changed its annotations"),
    ([{**raw.TOOLS[0], "inputSchema": {"type": "object"}}, *raw.TOOLS[1:]], "'findOrder' changed its parameters"),
])  # fmt: skip
async def test_a_changed_tool_is_refused_before_the_run(
    tmp_path: Path, tools: list[dict[str, Any]], words: str
) -> None:
    """Description, schema, hints, or the tool itself: no run begins; approved anew, one does."""
    at = desk(tmp_path / "shop")
    (at.folder / "tools.json").write_text(json.dumps(tools))
    path = tmp_path / "a.db"
    async with opened(path, at, "pay", {}) as tr:
        with pytest.raises(PluginNotConnected, match=words):
            await tr.run(agent("orchestrator", "pay", {}), {})
        tr.mcp.approve(await tr.look_at_server("shop"))
    assert 0 == at.calls("pay")
    told = await carried(path, at, "orchestrator", "pay")
    assert ("completed", 1) == (told.run.status, at.calls("pay"))


async def test_a_server_nobody_approved_is_no_plugin(tmp_path: Path) -> None:
    """The agent is refused with the cure, and the server is not even started."""
    at = desk(tmp_path / "shop")
    (at.folder / "mcp.approved.json").unlink()
    async with opened(tmp_path / "a.db", at, "pay", {}) as tr:
        with pytest.raises(PluginNotConnected, match="requires 'shop', not connected here") as refused:
            await tr.run(agent("orchestrator", "pay", {}), {})
    assert "`trackrecord mcp approve shop`" in refused.value.cure
    assert [] == at.asked("initialize")


async def test_a_new_tool_is_left_out_until_it_is_approved(tmp_path: Path) -> None:
    """It is in no model's request, and does not keep the others from being called."""
    at = desk(tmp_path / "shop")
    at.approve(raw.TOOLS[:2])
    async with opened(tmp_path / "a.db", at, "pay", {}) as tr:
        run = await tr.run(agent("agentkit", "pay", {}), {})
        assert {"find_order", "pay"} == set(tr.mcp.plugins[0].actions)
    assert ("completed", 1) == (run.status, at.calls("pay"))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_that_is_given_up_leaves_the_server_usable(tmp_path: Path, engine: str) -> None:
    """A timeout is told to the server by the protocol's own cancellation, and the next call is as good as the first."""
    at = desk(tmp_path / "shop")
    path, fields = tmp_path / "a.db", {"limits": {"tool_timeout_ms": 300}}
    async with opened(path, at, "change_fault", {"kind": "hang"}) as tr:
        await tr.run(agent("orchestrator", "pay", {}), {})  # the server is there already
        run = await tr.run(agent(engine, "change_fault", {"kind": "hang"}, **fields), {}, engine=engine)
        after = await tr.mcp.plugins[0].connection.offered({})
    spans = [one for one in _spans(path, run) if one.kind == "tool"]
    assert ["unknown"] == [one.status for one in spans]
    hung = next(one for one in at.asked("tools/call") if one["params"]["arguments"] == {"kind": "hang"})
    assert hung["id"] in [one["params"]["requestId"] for one in at.asked("notifications/cancelled")]
    assert (len(raw.TOOLS), 1) == (len(after), len(at.asked("initialize")))


async def test_a_cancelled_run_ends_at_once(tmp_path: Path) -> None:
    """The server is told, and the record is there within a second, whatever the server does."""
    at = desk(tmp_path / "shop")
    async with opened(tmp_path / "a.db", at, "read_fault", {"kind": "sleep"}) as tr:
        started = await tr.start(agent("orchestrator", "read_fault", {"kind": "sleep"}), {})
        while not at.calls("read_fault"):
            await asyncio.sleep(0.01)
        began = time.monotonic()
        started.cancel()
        run = await started.task
        assert ("cancelled", True) == (run.status, time.monotonic() - began < 1)


def _spans(path: Path, run: Run) -> list[Span]:
    with SqliteReader(path) as reader:
        return list(reader.spans(run.id))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_server_is_given_its_own_secrets_and_no_others(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment holds what the operator says and a few paths; what it prints of it is stored nowhere."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-a-server-0001")
    monkeypatch.setenv("TRACKRECORD_MODEL", "scripted:nothing")
    at = desk(tmp_path / "shop", secrets={"SHOP_TOKEN": "shop_token"}, env={"SHOP": "books"})
    path = tmp_path / "a.db"
    async with opened(path, at, "pay", {}) as tr:
        await tr.set_secret("shop_token", TOKEN)
        await tr.set_secret("other", "another-secret-of-ours")
    async with opened(path, at, "read_fault", {"kind": "environment"}) as tr:
        fields = {"payloads": {"tools": "full", "outputs": "full"}}
        run = await tr.run(agent(engine, "read_fault", {"kind": "environment"}, **fields), {}, engine=engine)
        given = await tr.mcp.plugins[0].connection.offered({"shop_token": TOKEN})
        assert given
    seen = json.loads(json.loads(_result(path, run)))
    allowed = {"HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR"}
    assert set() == seen.keys() - allowed - {"TZ", "USER", "SHOP", "SHOP_TOKEN"}
    assert ("books", "[redacted]") == (seen["SHOP"], seen["SHOP_TOKEN"])
    assert TOKEN not in everything(path)


def _result(path: Path, run: Run) -> str:
    [span] = [one for one in _spans(path, run) if one.kind == "tool"]
    return str(span.attributes["result"])


async def test_d7_what_a_server_prints_is_kept_with_its_call(tmp_path: Path) -> None:
    """A line on stdout that is no message, and stderr: captured, without the secret, and the call goes on."""
    at = desk(tmp_path / "shop", secrets={"SHOP_TOKEN": "shop_token"})
    path, given = tmp_path / "a.db", {"kind": "prints"}
    async with opened(path, at, "read_fault", given) as tr:
        await tr.set_secret("shop_token", TOKEN)
    async with opened(path, at, "read_fault", given) as tr:
        run = await tr.run(agent("orchestrator", "read_fault", given, payloads={"tools": "redacted"}), {})
    [span] = [one for one in _spans(path, run) if one.kind == "tool"]
    assert ("ok", "a line that is no message\na secret: [redacted]\n") == (
        span.status,
        json.loads(str(span.attributes["printed"])),
    )
    assert TOKEN not in everything(path)


async def test_d10_everything_a_server_started_ends_with_it(tmp_path: Path) -> None:
    """A child, one in another session, and a server that stays on when its stdin is closed: all are over."""
    at = desk(tmp_path / "shop", "stays")
    path, given = tmp_path / "a.db", {"kind": "family"}
    async with opened(path, at, "read_fault", given) as tr:
        run = await tr.run(agent("orchestrator", "read_fault", given), {})
        family = json.loads(str(run.output))
        assert [False] * 3 == [has_ended(pid) for pid in family]
    assert [True] * 3 == [has_ended(pid) for pid in family]


async def test_d10_a_server_does_not_outlive_us(tmp_path: Path) -> None:
    """When our own process is killed, the server and what it started are over a moment later."""
    at = desk(tmp_path / "shop", "stays")
    program = f"""
import asyncio, os
from pathlib import Path
from trackrecord.plugins.mcp.servers import Servers
from trackrecord.plugins.protocol import Invocation
async def main():
    [plugin] = Servers(Path({str(at.file)!r})).plugins
    result = await plugin.call(Invocation(action="read_fault", arguments={{"kind": "family"}}))
    print(result.data, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    family = json.loads(said)
    assert -9 == process.returncode
    async with asyncio.timeout(5):
        while not all(has_ended(pid) for pid in family):
            await asyncio.sleep(0.01)


async def test_runs_at_once_share_one_server(tmp_path: Path) -> None:
    """Twenty runs, one process, every answer with its own call."""
    at = desk(tmp_path / "shop")
    async with opened(tmp_path / "a.db", at, "find_order", {"number": 17}) as tr:
        runs = await asyncio.gather(
            *(tr.run(agent("orchestrator", "find_order", {"number": 16 + one % 2}), {}) for one in range(20))
        )
    assert ["unknown", "shipped"] * 10 == [run.output["state"] for run in runs]  # type: ignore[index, call-overload]
    assert (1, 20) == (len(at.asked("initialize")), at.calls("findOrder"))


async def test_200_calls_leave_nothing_behind(tmp_path: Path) -> None:
    """Descriptors, threads and processes are as many after 200 calls, some of which break the server, as before."""
    at = desk(tmp_path / "shop")
    plugin = at.plugin()

    async def batch(size: int) -> None:
        for one in range(size):
            await called(plugin, "find_order", number=one)

    def counted() -> tuple[int, int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), len(descendants(os.getpid()))

    await batch(5)
    before = counted()
    await batch(195)
    for kind in ("garbage", "exit", "wrong_id"):
        with pytest.raises(Exception, match="MCP server"):
            await called(plugin, "change_fault", kind=kind)
        await called(plugin, "pay")
    assert before == counted()
    await plugin.connection.close()


# ------------------------------------------------------------------------------------------------------------ over HTTP


@pytest.fixture(params=[False, True], ids=["json", "stream"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Web]:
    async with web.serving(tmp_path / "shop", is_streamed=request.param) as made:
        yield made


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_over_http(tmp_path: Path, site: Web, engine: str) -> None:
    """One session for all of it, ended at the end, with the secret in its header and nowhere else."""
    at = web_desk(tmp_path / "shop", site.url, secrets={"Authorization": "Bearer shop_token"}, headers={"X-Team": "a"})
    path = tmp_path / "a.db"
    async with opened(path, at, "pay", {}) as tr:
        await tr.set_secret("shop_token", TOKEN)
    told = await carried(path, at, engine, "find_order", number=17)
    assert (["ok"], "completed") == (told.statuses, told.run.status)
    assert {f"Bearer {TOKEN}"} == {headers["authorization"] for _, headers in site.seen}
    assert {"a"} == {headers["x-team"] for _, headers in site.seen}
    assert ("DELETE", web.SESSION) == (site.seen[-1][0], site.seen[-1][1]["mcp-session-id"])
    assert {"2025-06-18"} == {headers["mcp-protocol-version"] for _, headers in site.seen[2:]}
    assert TOKEN not in everything(path)


HTTP_FAULTS = {
    "cut": ("was lost: there was no whole answer", "unknown"),
    "nothing": ("was lost: there was no whole answer", "unknown"),
    "garbage": ("sent what is no JSON-RPC message", "unknown"),
    "wrong_id": ("answered another request than it was sent (id 99)", "unknown"),
    "html": ("sent a reply of the type 'text/html'", "unknown"),
    "large": ("sent a reply of more than 10 MiB", "unknown"),
    "large_stream": ("sent a reply of more than 10 MiB", "unknown"),
    "empty_stream": ("ended its reply without an answer", "unknown"),
    "gzip": ("in the coding 'gzip', which was not asked for", "unknown"),
    "redirect": ("is redirected to 'http://127.0.0.1:1/other': name that URL", "failed"),
    "status:401": ("answered 401: no, [redacted]", "failed"),
    "status:503": ("answered 503", "failed"),
    "rpc": ("answered `tools/call` with an error: not these", "failed"),
}


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_call_over_http_that_goes_wrong(tmp_path: Path, engine: str, fault: str) -> None:
    """The record says why; without an answer nobody knows what became of it; an unsafe call is not repeated."""
    words, status = HTTP_FAULTS[fault]
    path = tmp_path / "a.db"
    async with web.serving(tmp_path / "shop") as site:
        at = web_desk(tmp_path / "shop", site.url, secrets={"X-Token": "shop_token"})
        async with opened(path, at, "pay", {}) as tr:
            await tr.set_secret("shop_token", TOKEN)
        site.fault = fault
        told = await carried(path, at, engine, "pay")
    assert ([status], 1, True) == (told.statuses, at.calls("pay"), words in told.words), told.words
    check_ended(told, engine)


async def test_what_may_pass_is_tried_again_over_http(tmp_path: Path) -> None:
    """A call that reads is, after a 503; a session that the server has ended was no call at all, so any is."""
    async with web.serving(tmp_path / "shop") as site:
        at = web_desk(tmp_path / "shop", site.url)
        site.fault = "once:503"
        read = await carried(tmp_path / "a.db", at, "orchestrator", "find_order", number=17)
        site.fault = "gone"
        gone = await carried(tmp_path / "b.db", at, "orchestrator", "pay")
    assert (["failed", "ok"], ["failed", "ok"]) == (read.statuses, gone.statuses)
    assert "has ended the session" in (gone.tools[0].error_message or "")


async def test_a_timeout_over_http_is_told_to_the_server(tmp_path: Path) -> None:
    """By the protocol's own cancellation; the run has its record at once, and the next call goes through."""
    fields = {"limits": {"tool_timeout_ms": 300}}
    async with web.serving(tmp_path / "shop") as site:
        at = web_desk(tmp_path / "shop", site.url)
        site.fault = "hang"
        async with opened(tmp_path / "a.db", at, "pay", {}) as tr:
            run = await tr.run(agent("orchestrator", "pay", {}, **fields), {})
            site.fault = ""
            after = await tr.run(agent("orchestrator", "pay", {}), {})
    [span] = [one for one in _spans(tmp_path / "a.db", run) if one.kind == "tool"]
    assert ("unknown", "completed") == (span.status, after.status)
    assert 1 <= len(at.asked("notifications/cancelled"))


async def test_a_place_that_is_not_listed_is_not_reached(tmp_path: Path) -> None:
    """Loopback is out of reach unless the operator lists it for this very server."""
    async with web.serving(tmp_path / "shop") as site:
        at = web_desk(tmp_path / "shop", site.url, allow=[])
        told = await carried(tmp_path / "a.db", at, "orchestrator", "pay")
        assert [] == site.seen
    assert "leads to a loopback address" in told.words
    assert "`allow` of the MCP server 'shop'" in told.words


async def test_a_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    """A refused connection left nothing behind: also an unsafe call has another attempt."""
    async with web.serving(tmp_path / "shop") as site:
        url = site.url
    at = web_desk(tmp_path / "shop", url)
    told = await carried(tmp_path / "a.db", at, "orchestrator", "pay")
    assert (["failed", "failed"], True) == (told.statuses, "cannot be connected to" in told.words)
