"""`trackrecord new`: an agent file to begin with, which explains itself and runs at once, offline."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import typer

from trackrecord.cli import placing, terminal
from trackrecord.cli.commands.schema import schema_text
from trackrecord.cli.escape import line
from trackrecord.cli.look import pad, width
from trackrecord.cli.templates import DEFAULTS, TEMPLATES, agent_text, script_text
from trackrecord.errors import BadInput

SCHEMA_FILE: Final = "agent.schema.json"
_SUFFIXES: Final = (".yaml", ".yml")
_HELP: Final = "its name, or the file to write (agent.yaml)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be written: the agent's name, its file, and the script beside it."""

    name: str
    file: Path
    script: Path


def command(
    name: Annotated[str, typer.Argument(metavar="[NAME | FILE.yaml]", help=_HELP)] = "agent",
    engine: Annotated[
        str | None, typer.Option("--engine", metavar="NAME", help="who is to run it: agentkit, orchestrator, or both")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help=f"what to begin with: {', '.join(TEMPLATES)}")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write over what is there")] = False,
    is_printed: Annotated[bool, typer.Option("--stdout", help="print the agent file, write nothing")] = False,
) -> int:
    """Write an agent file with comments, the script its offline model answers from, and the JSON Schema for editors.

    The agent runs at once, without a key. What is there already is never written over without --force.
    """
    chosen = _template(engine, template)
    wanted = _wanted(name)
    typed = shlex.quote(str(wanted.file))
    text = agent_text(chosen, name=wanted.name, file=typed, script=wanted.script.name)
    if is_printed:
        sys.stdout.write(text)
        beside = f"trackrecord new {shlex.quote(name)}"
        terminal.tell(f"its model answers from {line(wanted.script.name)}, which `{line(beside)}` writes as well")
        return 0
    schema = wanted.file.parent / SCHEMA_FILE
    made = f"{schema_text('agent')}\n"
    is_kept = schema.exists() and not force
    texts = {wanted.script: script_text(chosen), wanted.file: text}  # the agent last: once it is there, it can run
    for path in texts:
        if path.is_dir() or (path.exists() and not force):
            raise placing.taken(path)
    placing.place(texts if is_kept else {schema: made, **texts}, over=force)
    _tell(wanted, chosen, schema, is_left=is_kept and _text_of(schema) != made)
    return 0


def _template(engine: str | None, template: str | None) -> str:
    """The template that is wanted.

    Raises:
        BadInput: there is no such template or engine, or they do not fit.
    """
    wanted = "auto" if engine in (None, "both") else str(engine)
    if wanted not in DEFAULTS:
        raise BadInput(f"there is no engine {engine!r}", cure=_meant(wanted, [*DEFAULTS][:2], "--engine"))
    if template is None:
        return DEFAULTS[wanted]
    if template not in TEMPLATES:
        raise BadInput(f"there is no template {template!r}", cure=_meant(template, TEMPLATES, "--template"))
    engines = TEMPLATES[template].engines
    if wanted != "auto" and wanted not in engines:
        raise BadInput(
            f"{wanted} cannot run the template {template!r}",
            cure=f"Leave --engine out, or write {' or '.join(engines)}.",
        )
    return template


def _meant(word: str, known: Iterable[str], option: str) -> str:
    names = list(known)
    near = get_close_matches(word, names, 1)
    return f"Did you mean {option} {near[0]}?" if near else f"{option} takes {', '.join(names)}."


def _wanted(given: str) -> _Wanted:
    """The agent's name and files, of a name or of a path.

    Raises:
        BadInput: neither can be made of it.
    """
    path = Path(given)
    if not given.isprintable() or not re.search(r"\w", path.stem):
        raise BadInput(
            f"{given!r} is no name", cure="Write one like order-desk, or a file like agents/order-desk.yaml."
        )
    if given.endswith("/") or path.is_dir():
        raise BadInput(f"{given!r} is a folder", cure=f"Name a file in it: {path / 'agent.yaml'}")
    is_path = path.suffix in _SUFFIXES or "/" in given
    if is_path and path.suffix not in _SUFFIXES:
        raise BadInput(f"{given!r} is no YAML file", cure=f"Write {path.with_name(path.name + '.yaml')}.")
    slug = re.sub(r"[^\w.]+", "-", given).strip("-.").lower()
    file = path if is_path else Path(f"{slug}.yaml")
    name = path.stem if is_path else given.strip()
    if len(name) > _most():
        raise BadInput(f"the name has {len(name)} characters", cure=f"Take at most {_most()}.")
    return _Wanted(name=name, file=file, script=file.with_name(f"{file.stem}.script.yaml"))


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _most() -> int:
    from trackrecord.agent.tables import AGENT  # the tables of agent files: no other part of this command needs them

    return int(AGENT["name"].most or 0)


def _tell(wanted: _Wanted, template: str, schema: Path, *, is_left: bool) -> None:
    look = terminal.here().out
    kept = f"left as it is; `trackrecord schema > {SCHEMA_FILE}` renews it"
    rows = [
        (wanted.file, f"the agent: {TEMPLATES[template].summary}"),
        (wanted.script, "what its offline model answers"),
        (schema, kept if is_left else "tells editors what an agent file may say"),
    ]
    wide = max(width(line(str(path))) for path, _ in rows)
    lines = [f"{look.paint('✓', 'green')} {pad(line(str(path)), wide)}  {told}" for path, told in rows]
    file = line(shlex.quote(str(wanted.file)))
    tried = [f"  {look.paint(f'trackrecord {word} {file}', 'cyan')}" for word in ("check", "run")]
    terminal.say("\n".join([*lines, "Try it:", *tried]))
