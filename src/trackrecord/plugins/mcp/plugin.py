"""A server of the operator's file as a plugin: the tools that were approved, and the way to call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trackrecord.plugins.mcp.connection import Connection
from trackrecord.plugins.mcp.definition import Server
from trackrecord.plugins.mcp.tools import Tool, actions_of
from trackrecord.plugins.protocol import Action, Invocation, Result


class McpPlugin:
    """One server's approved tools.

    Attributes:
        name: the server's name.
        description: what it is, without a word of the server's own: those were not approved.
        actions: its tools, parameters as the server wrote them.
        credentials: handles of the secrets it is given.
        connection: the way to the server.
    """

    def __init__(self, server: Server, tools: Sequence[Tool]) -> None:
        """Take the approved tools; nothing is opened yet."""
        named = actions_of(server.name, tools, server.timeout_s)
        self.name = server.name
        self.description = f"Tools of the MCP server {server.name}."
        self.actions: Mapping[str, Action] = MappingProxyType({name: action for name, (action, _) in named.items()})
        self.credentials: tuple[str, ...] = server.handles
        self.connection = Connection(server, tools)
        self._tools = {name: tool for name, (_, tool) in named.items()}

    async def call(self, invocation: Invocation) -> Result:
        """Call the tool behind an action.

        Raises:
            ToolCallFailed: there is no result; says whether the call had left.
        """
        return await self.connection.call(self._tools[invocation.action], invocation)
