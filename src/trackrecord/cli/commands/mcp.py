"""`trackrecord mcp`: the tools of MCP servers, now and as they were approved. Approves only what it has shown."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord.canonical import Json
from trackrecord.cli import terminal
from trackrecord.cli.escape import line
from trackrecord.cli.pages.servers import server_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.cli.units import many
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.plugins.mcp.servers import Look
    from trackrecord.wiring import Trackrecord

_ACTIONS: Final = ("list", "approve", "check")
DIFFERS: Final = 1


def command(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="list, approve or check")],
    server: Annotated[str | None, typer.Argument(metavar="[SERVER]", help="one server; all of them without")] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="approve without being asked")] = False,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="file of MCP servers (TRACKRECORD_MCP_FILE)")
    ] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Look at the tools of MCP servers, approve them, or check that they are as approved.

    `list` shows every tool with its effect class and what changed since its approval. `approve` shows the same and
    then pins it. `check` shows only what is not as approved. Exit code of `check`: 0 all as approved, 1 not.
    """
    if action not in _ACTIONS:
        raise BadInput(f"there is no action {action!r}", cure=f"Use one of {', '.join(_ACTIONS)}.")
    if action == "approve" and server is None:
        raise BadInput("'approve' takes the name of a server", cure="`trackrecord mcp list` shows them.")
    if is_sure and action != "approve":
        raise BadInput("--yes is for 'approve'", cure="Leave it out.")
    return asyncio.run(_carried_out(action, server, is_sure, file, db, is_json))


async def _carried_out(
    action: str, server: str | None, is_sure: bool, file: str | None, db: str | None, is_json: bool
) -> int:
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    tr = Trackrecord(db, mcp_file=file, resumes=False)
    try:
        names = list(tr.mcp.servers) if server is None else [server]
        if not names:
            terminal.tell("there is no MCP server: name a file of them in TRACKRECORD_MCP_FILE, or with --file")
        looks = [await _look(tr, name) for name in names]
        if action == "approve":
            return _approve(tr, looks[0], is_sure, is_json)
        is_fine = all(look.is_as_approved for look in looks)
        if is_json:
            terminal.say_json({"ok": is_fine, "servers": [_told(look) for look in looks]})
        elif action == "list":
            terminal.say("\n\n".join(server_page(look, terminal.here().out) for look in looks))
        else:
            _say_differences(looks)
        return DIFFERS if action == "check" and not is_fine else 0
    finally:
        await tr.close()


async def _look(tr: Trackrecord, name: str) -> Look:
    if name in tr.mcp.servers and tr.mcp.servers[name].handles:
        await tr.open()  # secrets are in the database: nothing else here needs one
    return await tr.look_at_server(name)


def _approve(tr: Trackrecord, look: Look, is_sure: bool, is_json: bool) -> int:
    page = server_page(look, terminal.here().out)
    if look.trouble is None and look.usable and not is_sure:
        if not sys.stdin.isatty():
            terminal.say(page)
            raise BadInput("nothing was approved: nobody was there to be asked", cure="Read it, then add --yes.")
        terminal.say(page)
        if not _agrees(f"Approve {many(len(look.usable), 'tool')} of {line(look.server.name)}? [y/N] "):
            terminal.tell("nothing was approved")
            return DIFFERS
    elif not is_json:
        terminal.say(page)
    approval = tr.mcp.approve(look)
    if is_json:
        terminal.say_json({"ok": True, "server": look.server.name, "approved": len(approval.tools)})
    else:
        terminal.say(f"{many(len(approval.tools), 'tool')} of {line(look.server.name)} approved")
    return 0


def _agrees(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say_differences(looks: list[Look]) -> None:
    differing = [look for look in looks if not look.is_as_approved]
    if differing:
        terminal.say("\n\n".join(server_page(look, terminal.here().out, is_short=True) for look in differing))
    elif looks:
        terminal.say(f"{many(len(looks), 'server')} as approved")


def _told(look: Look) -> dict[str, Json]:
    return {
        "name": look.server.name,
        "place": look.server.place,
        "approved_at": look.approved_at,
        "trouble": look.trouble,
        "tools": [
            {
                "name": one.tool.name,
                "description": one.tool.description,
                "effect": one.tool.effect,
                "state": "unknown" if look.trouble is not None else one.state,
                "sha256": one.tool.sha256,
                "problem": None if one.offered is None else one.offered.problem(),
                "changes": [*one.changes()],
            }
            for one in look.tools
        ],
    }
