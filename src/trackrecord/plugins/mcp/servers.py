"""Every MCP server of the operator's file: as plugins, before a run, under the operator's eyes, and at the end.

Where nobody has approved a server's tools there is no plugin of it, only the reason why. Opens a conversation when a
run or the operator asks for one, never at start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trackrecord.errors import BadSettings, PluginNotConnected
from trackrecord.plugins.credentials import Credentials
from trackrecord.plugins.mcp.connection import EXTRA, Connection, is_installed
from trackrecord.plugins.mcp.definition import Server, read_servers, unknown_server
from trackrecord.plugins.mcp.pins import Approval, approve, pin_path, read_pins
from trackrecord.plugins.mcp.plugin import McpPlugin
from trackrecord.plugins.mcp.tools import Comparison, Tool, compare, drift
from trackrecord.plugins.protocol import ToolCallFailed

OpenSecrets = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a server showed.

    Attributes:
        server: which one.
        approved_at: stamp of the last approval; None when there was none.
        tools: every tool offered or approved, those left out by the operator not among them.
        trouble: why the server could not be asked; None when it could.
    """

    server: Server
    approved_at: str | None
    tools: tuple[Comparison, ...]
    trouble: str | None = None

    @property
    def is_as_approved(self) -> bool:
        """Whether it could be asked, was approved, and offers just that."""
        is_whole = all(one.state in ("approved", "unusable") for one in self.tools)
        return self.trouble is None and self.approved_at is not None and is_whole

    @property
    def usable(self) -> tuple[Tool, ...]:
        """What an approval now would be for."""
        return tuple(one.offered for one in self.tools if one.offered is not None and one.offered.problem() is None)


class Servers:
    """The operator's MCP servers.

    Attributes:
        servers: by name, in the order of the file.
        plugins: those with approved tools.
        withheld: why the others are no plugins, by name.
        handles: of all secrets that servers are given.
    """

    def __init__(self, file: Path | None) -> None:
        """Read the file and what was approved of it; None is no file and no server.

        Raises:
            BadSettings: one of the two cannot be used.
        """
        self._file = file
        read = () if file is None else read_servers(file)
        self._approvals = read_pins(pin_path(file)) if file is not None and read else {}
        self.servers: Mapping[str, Server] = {server.name: server for server in read}
        self.plugins: tuple[McpPlugin, ...] = ()
        self.withheld: dict[str, str] = {}
        self.handles = tuple(dict.fromkeys(handle for server in read for handle in server.handles))
        self._looking: dict[str, Connection] = {}
        is_there = not read or is_installed()
        for server in read:
            tools = self._approved(server)
            if is_there and tools:
                self.plugins = (*self.plugins, McpPlugin(server, tools))
            else:
                self.withheld[server.name] = _unapproved(server.name) if is_there else EXTRA

    async def ready(self, names: Iterable[str], secrets: OpenSecrets) -> None:
        """See that the servers of these names still offer what was approved; other names are none of its business.

        A server that cannot be asked is no reason to refuse: the run that needs it tells of that.

        Raises:
            PluginNotConnected: the tools of one are not what was approved.
        """
        wanted = {name for name in names if name in self.servers}
        asked = [plugin for plugin in self.plugins if plugin.name in wanted]
        found = await asyncio.gather(*(self._offered(plugin.connection, secrets) for plugin in asked))
        for plugin, offered in zip(asked, found, strict=True):
            server = plugin.connection.server
            changed = () if isinstance(offered, str) else drift(self._approved(server), offered)
            if changed:
                raise PluginNotConnected(
                    f"the MCP server {plugin.name!r} is not what was approved: "
                    f"{'; '.join(one.in_words() for one in changed)}",
                    cure=f"Look with `trackrecord mcp check {plugin.name}`; "
                    f"if that is as it should be, `trackrecord mcp approve {plugin.name}`.",
                )

    async def look(self, name: str, secrets: OpenSecrets) -> Look:
        """Ask a server for its tools and compare them with what was approved.

        Raises:
            BadSettings: there is no such server.
        """
        server = self._server(name)
        plugin = next((one for one in self.plugins if one.name == name), None)
        connection = plugin.connection if plugin is not None else self._looking.get(name)
        if connection is None:
            connection = self._looking[name] = Connection(server, ())
        offered = EXTRA if not is_installed() else await self._offered(connection, secrets)
        approval = self._approvals.get(name)
        approved = self._approved(server)
        if isinstance(offered, str):
            tools = tuple(Comparison(approved=tool, offered=tool) for tool in approved)
            return Look(server=server, approved_at=approval and approval.at, tools=tools, trouble=offered)
        return Look(server=server, approved_at=approval and approval.at, tools=compare(approved, offered))

    def approve(self, look: Look) -> Approval:
        """Approve what a look showed; counts for everything that is opened from then on.

        Raises:
            BadSettings: the look showed nothing that can be used, or the approval cannot be kept.
        """
        if self._file is None or look.trouble is not None or not look.usable:
            why = look.trouble or "it offers no tool that can be used"
            raise BadSettings(
                f"nothing of {look.server.name!r} can be approved: {why}", cure="See `trackrecord mcp list`."
            )
        self._approvals[look.server.name] = approve(self._file, look.server.name, look.usable)
        return self._approvals[look.server.name]

    async def close(self) -> None:
        """End every conversation; nothing a server started is left."""
        connections = [*(plugin.connection for plugin in self.plugins), *self._looking.values()]
        await asyncio.gather(*(connection.close() for connection in connections))

    async def _offered(self, connection: Connection, secrets: OpenSecrets) -> tuple[Tool, ...] | str:
        try:
            return await connection.offered(Credentials(secrets(connection.server.handles)))
        except ToolCallFailed as failure:
            return str(failure)

    def _server(self, name: str) -> Server:
        if name not in self.servers:
            raise unknown_server(name, tuple(self.servers.values()))
        return self.servers[name]

    def _approved(self, server: Server) -> tuple[Tool, ...]:
        approval = self._approvals.get(server.name)
        return () if approval is None else tuple(tool for tool in approval.tools if server.takes(tool.name))


def _unapproved(name: str) -> str:
    return f"the tools of the MCP server {name!r} are not approved: look at them with `trackrecord mcp approve {name}`"
