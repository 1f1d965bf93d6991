"""`trackrecord secrets`: what plugins are given by handle, sealed in the database.

Never shows a value, and takes none from the command line, where every process could read it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.escape import line
from trackrecord.cli.typed import AsJson, Db
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.wiring import Trackrecord

T = TypeVar("T")
_ACTIONS: Final = ("set", "list", "rotate", "delete")


def command(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="set, list, rotate or delete")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="the secret to set or to delete")] = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Look after the secrets that plugins are given by handle.

    `set` reads the value, `rotate` the new key, from standard input, or asks for it where somebody types. The key that
    seals them is TRACKRECORD_SECRETS__KEY, or stands in the file TRACKRECORD_SECRETS__KEY_FILE.
    """
    if action not in _ACTIONS:
        raise BadInput(f"there is no action {action!r}", cure=f"Use one of {', '.join(_ACTIONS)}.")
    if (action in ("set", "delete")) != (name is not None):
        raise BadInput(
            f"{action!r} takes {'a' if name is None else 'no'} name", cure="`trackrecord secrets --help` shows how."
        )
    if action == "list":
        return _list(db, is_json)
    told = _do(action, name or "", db)
    if is_json:
        terminal.say_json({"action": action, "name": name, "told": told})
    else:
        terminal.say(line(told))
    return 0


def _list(db: str | None, is_json: bool) -> int:
    from trackrecord.store.secrets import listed

    with reader_of(db) as reader:
        rows = listed(reader.rows("SELECT * FROM secrets WHERE tenant_id = ? ORDER BY name", (reader.tenant_id,)))
    if is_json:
        terminal.say_json([*rows])
    elif not rows:
        terminal.tell("no secret is kept here: trackrecord secrets set NAME keeps one")
    wide = max((len(str(row["name"])) for row in rows), default=0)
    if not is_json:
        for row in rows:
            terminal.say(line(f"{row['name']:<{wide}}  version {row['version']}  set {str(row['created_at'])[:19]}Z"))
    return 0


def _do(action: str, name: str, db: str | None) -> str:
    if action == "set":
        value = _read(f"value of {name}")
        version = asyncio.run(_within(db, lambda tr: tr.set_secret(name, value)))
        return f"{name} is kept, version {version}"
    if action == "delete":
        reader_of(db).close()  # a database that is not there is an error here, not one to be made
        asyncio.run(_within(db, lambda tr: tr.delete_secret(name)))
        return f"{name} is gone"
    reader_of(db).close()
    key = _read("new key")
    count = asyncio.run(_within(db, lambda tr: tr.rotate_secrets(key)))
    return f"{count} secret{'' if count == 1 else 's'} wrapped under the new key: give that one from now on"


async def _within(db: str | None, work: Callable[[Trackrecord], Awaitable[T]]) -> T:
    from trackrecord.wiring import Trackrecord  # the engines and all they need

    async with Trackrecord(db, resumes=False) as tr:
        return await work(tr)


def _read(what: str) -> str:
    """One value from standard input, without its line break; asked for without an echo where somebody types.

    Raises:
        BadInput: there was none.
    """
    if sys.stdin.isatty():
        from getpass import getpass  # only where somebody types

        given = getpass(f"{what}: ")
    else:
        given = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not given:
        raise BadInput(f"there is no {what} on standard input", cure="Pipe it in: `… < FILE`.")
    return given
