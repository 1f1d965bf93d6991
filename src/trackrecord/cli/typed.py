"""A command's own options, read by typer: shared ones, its help page, and errors that name the option. Prints nothing.

typer checks every value with pydantic, which takes as long to load as typer itself. Every option here is a switch or
plain text, and whoever needs a number reads it with an error of their own; so `_AsTyped` takes that place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperCommand

from trackrecord.cli.commands import Command
from trackrecord.cli.escape import line
from trackrecord.cli.look import WIDTH, pad, paragraph

Db = Annotated[
    str | None,
    typer.Option("--db", metavar="URL", help="database, like sqlite:///runs.db (TRACKRECORD_DB)"),
]
AsJson = Annotated[bool, typer.Option("--json", help="canonical JSON on stdout, complete")]
_HELP: Final = ["-h", "--help"]
_EXTRA: Final = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)


class _Plain(TyperCommand):
    """A command whose help fits a page: usage, what it does, options, one example."""

    summary: Command

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, each taking its value as it was typed."""
        found: list[Any] = list(super().get_params(ctx))
        for parameter in found:
            parameter._runtime_param = _AsTyped()  # typer's own slot: a version without it is slower, not wrong
        return found

    def get_help(self, ctx: Any) -> str:
        """The help page."""
        given = self.get_params(ctx)
        arguments = [one for one in given if one.param_type_name == "argument"]
        options = [one for one in given if one.param_type_name == "option"]
        usage = [str(one.metavar or one.name) for one in arguments]
        rows = [(str(one.metavar or one.name), str(one.help or "")) for one in arguments]
        rows += [(_names(one), "this page" if "--help" in one.opts else one.help or "") for one in options]
        wide = max(len(name) for name, _ in rows)
        lines = [f"usage: {ctx.command_path} {' '.join([*usage, '[options]'])}", ""]
        lines += [f"  {text}" for text in paragraph(self.help or "", WIDTH - 2)]
        for place, (name, text) in enumerate(rows):
            if place in (0, len(arguments)):
                lines.append("")
            first, *more = paragraph(text, WIDTH - wide - 4)
            lines.append(f"  {pad(name, wide)}  {first}")
            lines += [" " * (wide + 4) + part for part in more]
        return "\n".join([*lines, "", *(f"  example: {example}" for example in self.summary.examples)])


class _AsTyped:
    """Takes a value as it was typed."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """The value; nothing given is an empty list where many are taken."""
        del ctx
        is_many = param.multiple or param.nargs == -1
        return value if not is_many else list(cast("Sequence[str]", value or ()))


def invoke(command: Command, function: Callable[..., int], arguments: Sequence[str]) -> int:
    """Read the arguments, call the function with them, and give its exit code.

    Raises:
        TyperException: the arguments cannot be understood.
    """
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": _HELP},
    )
    app.command(name=command.name, cls=_Plain)(function)
    parsed = typer.main.get_command(app)
    cast("_Plain", parsed).summary = command
    code = parsed.main(args=list(arguments), prog_name=f"trackrecord {command.name}", standalone_mode=False)
    return code if isinstance(code, int) else 0


def complaint(error: typer.TyperException, command: Command) -> tuple[str, str]:
    """What is wrong with the arguments, and what to do about it."""
    more = f"`trackrecord {command.name} --help` shows what it takes."
    option = getattr(error, "option_name", None)
    near = getattr(error, "possibilities", None)
    message = error.format_message().rstrip(".")
    extra = _EXTRA.fullmatch(message)
    if extra is not None:
        return _too_much(extra[1], command, more)
    if option is not None and message.startswith("No such option"):
        meant = f"Did you mean {' or '.join(sorted(near))}? " if near else ""
        return f"`trackrecord {command.name}` has no option {option}", f"{meant}{more}"
    return f"{message[:1].lower()}{message[1:]}", more


def _too_much(words: str, command: Command, more: str) -> tuple[str, str]:
    """More arguments than there are; `name=value` was meant as an input."""
    if command.name == "secrets":  # it may be one, and stays unsaid
        return "one argument too many", "No value is taken from the command line. Pipe it in: `… < FILE`."
    shown = line(words, 200)
    if "=" in words and any(" -i " in example for example in command.examples):
        return f"'{shown}' is one argument too many", f"To give an input, write -i before it: -i {shown}"
    return f"'{shown}' is too much for `trackrecord {command.name}`", more


def _names(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    return names if option.is_flag or "--help" in option.opts else f"{names} {option.metavar or option.name.upper()}"
