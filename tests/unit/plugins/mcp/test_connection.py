"""One server, shared and reopened: real processes, the SDK's own server among them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.unit.plugins.mcp import raw
from tests.unit.plugins.mcp.desk import Desk, called, desk, has_ended, written

from trackrecord.plugins.mcp import connection, servers
from trackrecord.plugins.mcp.plugin import McpPlugin
from trackrecord.plugins.mcp.servers import Servers
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

SDK = """
import asyncio, sys
from mcp.server import MCPServer
server = MCPServer("books")

@server.tool(annotations={"readOnlyHint": True})
def title(number: int) -> str:
    "Title of a book."
    return f"book {number}"

@server.tool()
async def order(number: int) -> dict[str, int]:
    "Order a book."
    return {"ordered": number}

server.run(sys.argv[1] if len(sys.argv) > 1 else "stdio", **({"port": int(sys.argv[2])} if len(sys.argv) > 2 else {}))
"""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncGenerator[tuple[Desk, McpPlugin]]:
    """The raw server, approved; its conversation ends with the test."""
    at = desk(tmp_path / "shop")
    plugin = at.plugin()
    yield at, plugin
    await plugin.connection.close()


Shop = tuple[Desk, McpPlugin]


async def test_what_is_pinned_by_hand_is_what_the_server_offers(shop: Shop) -> None:
    """A declaration is the same through the library and without it: the hashes of these tests are the real ones."""
    _, plugin = shop
    offered = await plugin.connection.offered({})
    assert [one["name"] for one in raw.TOOLS] == [tool.name for tool in offered]
    assert raw.TOOLS[0]["inputSchema"] == plugin.actions["find_order"].parameters
    await called(plugin, "find_order", number=17)


@pytest.mark.parametrize(("kind", "expected"), [
    ("text_id", "by text"),
    ("asks", "asked"),
    ("fine", "fine: fine"),
])  # fmt: skip
async def test_odd_servers_are_understood(shop: Shop, kind: str, expected: str) -> None:
    """An id as text, requests of its own: answered or refused, and the call goes on."""
    at, plugin = shop
    assert expected == (await called(plugin, "read_fault", kind=kind)).data
    assert expected == (await called(plugin, "read_fault", kind=kind)).data
    assert 1 == len(at.asked("initialize"))


async def test_limits_and_group(shop: Shop) -> None:
    """A server is the leader of its own group, in a session that is not ours, with limits and without core files."""
    _, plugin = shop
    pid, group, session = json.loads(str((await called(plugin, "read_fault", kind="group")).data))
    assert (pid, True) == (group, session != pid)
    limits = str((await called(plugin, "read_fault", kind="limits")).data).splitlines()
    found = {line[:26].strip(): line[26:].split()[0] for line in limits}
    assert ("0", "1024", str(1 << 30)) == (found["Max core file size"], found["Max open files"], found["Max file size"])


async def test_large_results_arrive_whole(shop: Shop) -> None:
    """Nine MiB are within the bound."""
    _, plugin = shop
    assert 9 << 20 == len(str((await called(plugin, "read_fault", kind="large")).data))


async def test_a_keyed_call_carries_its_key(shop: Shop) -> None:
    """In the parameter that the tool has for it, unless the caller gave one, and in the request's own notes."""
    at, plugin = shop
    await called(plugin, "refund")
    await called(plugin, "refund", idempotency_key="mine")
    await called(plugin, "pay")
    told = [(one["params"].get("arguments"), one["params"].get("_meta", {})) for one in at.asked("tools/call")]
    assert [{"idempotency_key": "run:path"}, {"idempotency_key": "mine"}, {}] == [arguments for arguments, _ in told]
    assert ["run:path", "run:path", None] == [notes.get("trackrecord/idempotency-key") for _, notes in told]


async def test_the_list_is_looked_at_before_every_call(shop: Shop) -> None:
    """Once for each call, and once for many at once; a server that may be trusted for a while is asked less."""
    at, plugin = shop
    for _ in range(3):
        await called(plugin, "find_order", number=1)
    assert 3 == len(at.asked("tools/list"))
    trusting = desk(at.folder.parent / "trusted", recheck_s=60)
    other = trusting.plugin()
    for _ in range(3):
        await called(other, "find_order", number=1)
    await other.connection.close()
    assert (1, 3) == (len(trusting.asked("tools/list")), trusting.calls("findOrder"))


async def test_a_notice_of_change_is_heeded(tmp_path: Path) -> None:
    """Also where the list is trusted for a while."""
    at = desk(tmp_path / "shop", recheck_s=60)
    plugin = at.plugin()
    await called(plugin, "find_order", number=1)
    session = plugin.connection._session
    assert session is not None
    notice = b'{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}'
    assert None is session.link.judged(notice)
    (at.folder / "tools.json").write_text(json.dumps(raw.rugged()))
    with pytest.raises(ToolCallFailed, match="changed its description") as refused:
        await called(plugin, "find_order", number=1)
    assert (True, False) == (refused.value.was_refused, refused.value.was_sent)
    await plugin.connection.close()


async def test_other_secrets_are_another_conversation(tmp_path: Path) -> None:
    """A server that was given a secret which has changed since is started anew."""
    at = desk(tmp_path / "shop", secrets={"SHOP_TOKEN": "shop_token"})
    plugin = at.plugin()
    for token in ("token-one", "token-one", "token-two"):
        call = Invocation(action="read_fault", arguments={"kind": "environment"}, credentials={"shop_token": token})
        assert token == json.loads(str((await plugin.call(call)).data))["SHOP_TOKEN"]
    await plugin.connection.close()
    assert 2 == len(at.asked("initialize"))


async def test_time_that_runs_out_before_the_call(tmp_path: Path) -> None:
    """A server that takes longer to start than the call may take was sent nothing, and that is what is said."""
    plugin = desk(tmp_path / "shop", "mute").plugin()
    from trackrecord.clock import ticks_us

    with pytest.raises(ToolCallFailed, match="was not ready in time; the call was not sent") as failed:
        await plugin.call(Invocation(action="pay", arguments={}, deadline_us=ticks_us() + 300_000))
    assert (False, True) == (failed.value.was_sent, failed.value.is_transient)
    await plugin.connection.close()


async def test_a_start_that_failed_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """Ten calls at once are told of one start."""
    at = desk(tmp_path / "shop", "refuses")
    plugin = at.plugin()
    told = await asyncio.gather(*(called(plugin, "pay") for _ in range(10)), return_exceptions=True)
    assert {"the MCP server 'shop' answered `initialize` with an error: not today"} == {str(one) for one in told}
    assert (10, 1) == (len({id(one) for one in told}), len(at.asked("initialize")))


async def test_closing_while_it_starts(tmp_path: Path) -> None:
    """What was being started is over when `close` returns, and quickly."""
    plugin = desk(tmp_path / "shop", "mute").plugin()
    work = asyncio.create_task(called(plugin, "pay"))
    at = Desk(folder=tmp_path / "shop")
    while not at.asked("initialize"):
        await asyncio.sleep(0.01)
    began = time.monotonic()
    await plugin.connection.close()
    assert time.monotonic() - began < 3
    with pytest.raises((ToolCallFailed, asyncio.CancelledError)):
        await work


async def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install; nothing breaks that needs no server."""
    monkeypatch.setattr(servers, "is_installed", lambda: False)
    found = Servers(desk(tmp_path / "shop").file)
    assert ((), {"shop": "MCP servers need the package `mcp`: pip install 'trackrecord[mcp]'"}) == (
        found.plugins,
        found.withheld,
    )
    assert connection.EXTRA == (await found.look("shop", lambda _: {})).trouble


async def test_the_sdks_own_server_over_stdio(tmp_path: Path) -> None:
    """What the library's own server says is understood: list, effect, text, structure."""
    program = tmp_path / "books.py"
    program.write_text(SDK)
    at = written(tmp_path / "shop", {"command": [sys.executable, str(program)], "start_timeout_s": 60})
    found = Servers(at.file)
    look = await found.look("shop", lambda _: {})
    assert (None, ["read", "unsafe"]) == (look.trouble, [tool.effect for tool in look.usable])
    found.approve(look)
    await found.close()
    plugin = at.plugin()
    title, order = await called(plugin, "title", number=3), await called(plugin, "order", number=4)
    await plugin.connection.close()
    assert ({"result": "book 3"}, {"ordered": 4}) == (title.data, order.data)


async def test_the_sdks_own_server_over_http(tmp_path: Path) -> None:
    """The same over streamable HTTP, on a port of its own."""
    import socket

    program = tmp_path / "books.py"
    program.write_text(SDK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), "streamable-http", str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        at = written(tmp_path / "shop", {"url": f"http://127.0.0.1:{port}/mcp", "allow": ["127.0.0.1"]})
        found = Servers(at.file)
        async with asyncio.timeout(60):
            while (look := await found.look("shop", lambda _: {})).trouble is not None:
                await asyncio.sleep(0.2)
        found.approve(look)
        await found.close()
        plugin = at.plugin()
        title, order = await called(plugin, "title", number=3), await called(plugin, "order", number=4)
        await plugin.connection.close()
        assert ({"result": "book 3"}, {"ordered": 4}) == (title.data, order.data)
    finally:
        process.kill()
        await process.wait()
    assert has_ended(process.pid)
