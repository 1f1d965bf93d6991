"""An operator's desk: a folder with a file of MCP servers, what was approved of it, and the log of the raw server."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.plugins.mcp import raw

from trackrecord.plugins.mcp.pins import approve
from trackrecord.plugins.mcp.plugin import McpPlugin
from trackrecord.plugins.mcp.servers import Servers
from trackrecord.plugins.mcp.tools import read_tool
from trackrecord.plugins.protocol import Invocation, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A folder with one server in its file, `shop`."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "mcp.yaml"

    def approve(self, tools: list[dict[str, Any]] | None = None) -> None:
        """Approve the tools as the raw server lists them, without asking it."""
        approve(self.file, "shop", [read_tool(one) for one in (raw.TOOLS if tools is None else tools)])

    def plugin(self) -> McpPlugin:
        """The server as a plugin."""
        [plugin] = Servers(self.file).plugins
        return plugin

    def asked(self, method: str) -> list[dict[str, Any]]:
        """What the raw server was asked by that method, in order."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [one for line in lines if (one := json.loads(line))["method"] == method]

    def calls(self, name: str) -> int:
        """How often the raw server was asked for a tool."""
        return len([one for one in self.asked("tools/call") if one["params"]["name"] == name])


def desk(folder: Path, mode: str = "", **fields: Any) -> Desk:
    """A desk whose `shop` is the raw server in a process of its own, approved as it is."""
    return written(folder, {"command": [sys.executable, "-S", raw.__file__, str(folder), mode], **fields})


def web_desk(folder: Path, url: str, **fields: Any) -> Desk:
    """A desk whose `shop` is reached over HTTP on this machine, approved as the raw server is."""
    return written(folder, {"url": url, "allow": ["127.0.0.0/8"], **fields})


def written(folder: Path, server: Mapping[str, Any]) -> Desk:
    """A desk with that server in its file, approved as the raw server is."""
    folder.mkdir(exist_ok=True)
    made = Desk(folder=folder)
    made.file.write_text(json.dumps({"servers": {"shop": dict(server)}}))
    made.approve()
    return made


async def called(plugin: McpPlugin, action: str, **arguments: Any) -> Result:
    """One call, as the context makes it."""
    effect = plugin.actions[action].effect
    return await plugin.call(Invocation(action=action, arguments=arguments, idempotency_key="run:path", effect=effect))


def has_ended(pid: int) -> bool:
    """Whether a process is over, or merely waits to be waited for."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
