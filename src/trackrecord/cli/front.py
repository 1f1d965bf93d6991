"""The front door: finds the command, calls it, and turns whatever comes of it into words and an exit code.

Loads nothing but the one command that was asked for, and typer only for a command: the front page needs neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from trackrecord import __version__
from trackrecord.cli import failures, terminal
from trackrecord.cli.commands import COMMANDS, GROUPS, Command
from trackrecord.cli.escape import line
from trackrecord.cli.look import Look, pad
from trackrecord.errors import TrackrecordError

USAGE: Final = 2
FAULT: Final = 1
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
_HELP: Final = ("-h", "--help", "help")
OPTIONS: Final = ("--version", "--help", "--install-completion", "--show-completion")
# what other tools call it; the nearest name would be another command
ELSEWHERE: Final = {
    **dict.fromkeys(("init", "create", "generate", "scaffold"), "new"),
    **dict.fromkeys(("validate", "lint", "test"), "check"),
    **dict.fromkeys(("exec", "execute", "start"), "run"),
    **dict.fromkeys(("continue", "recover", "restart"), "resume"),
    **dict.fromkeys(("stop", "kill", "abort", "abandon"), "cancel"),
    **dict.fromkeys(("list", "ls", "history"), "runs"),
    **dict.fromkeys(("log", "logs", "view", "inspect", "describe"), "show"),
    **dict.fromkeys(("draw", "diagram", "plot", "visualize"), "graph"),
    **dict.fromkeys(("settings", "env", "configure"), "config"),
    **dict.fromkeys(("compare", "diff"), "parity"),
    **dict.fromkeys(("completion", "completions"), "--install-completion"),
    "version": "--version",
}
_SHELL: Final = {"--complete": "answer", "--show-completion": "show", "--install-completion": "install"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code; nothing leaves it but that."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    terminal.prepare()
    try:
        code = _dispatch(given)
        sys.stdout.flush()
    except BrokenPipeError:
        terminal.abandon_output()
        return PIPE_CLOSED
    except TrackrecordError as error:
        terminal.tell(failures.told(error, terminal.here().words))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED  # nothing had begun, or its record is kept: a run has its own way to be stopped
    except Exception as error:
        if os.environ.get("TRACKRECORD_DEBUG"):
            raise
        terminal.tell(failures.unexpected(error, terminal.here().words))
        terminal.abandon_output()
        return FAULT
    return code


def front_page(look: Look) -> str:
    """What there is, for whoever does not know yet."""
    lines = [
        f"{look.heading('trackrecord')} {__version__}: run AI agents through any engine, keep one complete record.",
        "",
        "usage: trackrecord COMMAND [options]",
    ]
    for title, commands in GROUPS.items():
        lines += ["", look.heading(title)]
        lines += [f"  {look.paint(pad(command.name, 10), 'cyan')} {command.summary}" for command in commands]
    more = "`trackrecord COMMAND --help` says more; --install-completion completes words."
    return "\n".join([*lines, "", more, "New here? trackrecord demo, then trackrecord new"])


def _dispatch(given: list[str]) -> int:
    name, rest = (given[0], given[1:]) if given else ("--help", [])
    if name in _HELP and not rest:
        terminal.say(front_page(terminal.here().out))
        return 0
    if name in ("--version", "-V"):
        terminal.say(f"trackrecord {__version__}")
        return 0
    if name in _SHELL:
        return _for_shell(name, rest)
    if name == "help":
        name, rest = rest[0], ["--help"]
    command = COMMANDS.get(name)
    if command is None:
        return _refuse(*_unknown([name, *rest]))
    return _call(command, rest)


def _for_shell(name: str, rest: Sequence[str]) -> int:
    shells = import_module("trackrecord.cli.shells")  # only completion needs it
    code: int = getattr(shells, _SHELL[name])(rest)
    return code


def _call(command: Command, rest: Sequence[str]) -> int:
    import typer  # 0.1 s: the front page needs none of it

    from trackrecord.cli.typed import complaint, invoke

    module = import_module(f"trackrecord.cli.commands.{command.name}")
    try:
        return invoke(command, module.command, rest)
    except typer.TyperException as error:
        return _refuse(*complaint(error, command))
    except typer.Abort:
        return INTERRUPTED


def _unknown(given: Sequence[str]) -> tuple[str, str]:
    name, *rest = given
    shown = line(name, 60)
    if name.startswith("-"):
        near = get_close_matches(name.lower(), OPTIONS, 1)
        if near:
            return f"there is no option '{shown}'", f"Did you mean `trackrecord {near[0]}`?"
        named = next((one for one in rest if one in COMMANDS), "COMMAND")
        return f"the option '{shown}' stands before the command", f"Write: trackrecord {named} {shown} …"
    if name.endswith((".yaml", ".yml", ".json")):
        return f"'{shown}' is no command", f"To run that agent: trackrecord run {' '.join(line(one) for one in given)}"
    near = [ELSEWHERE[name]] if name in ELSEWHERE else get_close_matches(name, COMMANDS, 1)
    if near:
        return f"there is no command '{shown}'", f"Did you mean `trackrecord {near[0]}`?"
    return f"there is no command '{shown}'", "`trackrecord --help` lists them."


def _refuse(message: str, cure: str) -> int:
    terminal.tell(failures.usage(message, cure, terminal.here().words))
    return USAGE
