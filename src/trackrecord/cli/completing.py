"""What may come next on a command line: commands, options, runs, agents, files, models. Prints nothing.

Asked at every press of a key: loads neither typer nor settings unless option names are wanted, reads the database only
where runs or agents are, and answers with nothing where anything goes wrong. Tables below say what each argument and
option takes; a test holds them to the commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from trackrecord.cli.commands import COMMANDS
from trackrecord.errors import TrackrecordError

MOST: Final = 60
_MOST_FILES: Final = 500
_PEEK: Final = 4_096
_LONGEST: Final = 1 << 20  # of an agent file
_NAMED: Final = re.compile(rb"""^\s*\{?\s*["']?(?:agent_)?name["']?\s*:""", re.MULTILINE)
_SCHEMA: Final = b'"$schema":'
_AGENT_SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may come next.

    Attributes:
        value: the whole word.
        says: what it is, for shells that show it.
    """

    value: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A command line as far as it has been typed.

    Attributes:
        command: name of the command.
        words: what stands after it, before the word that is being typed.
        current: that word, perhaps empty.
    """

    command: str
    words: tuple[str, ...]
    current: str

    @property
    def arguments(self) -> list[str]:
        """What is neither an option nor its value."""
        found: list[str] = []
        waiting = iter(self.words)
        for word in waiting:
            if word in VALUES:
                next(waiting, None)
            elif not word.startswith("-") or word == "-":
                found.append(word)
        return found

    def option(self, *names: str) -> str | None:
        """The value of an option; None when it was not given."""
        for name, value in zip(self.words, self.words[1:], strict=False):
            if name in names:
                return value
        return next((word.partition("=")[2] for word in self.words if word.partition("=")[0] in names), None)


Source = Callable[[Line], Iterator[Choice]]


def choices(words: Sequence[str]) -> list[Choice]:
    """What may stand in place of the last word; it begins like that word.

    Args:
        words: everything after `trackrecord`; the last one is being typed.
    """
    found: list[Choice] = []
    start = words[-1] if words else ""
    with suppress(TrackrecordError, OSError, ValueError, RuntimeError, IndexError):  # what came before stays
        for one in _choices([*words] or [""]):
            if one.value.startswith(start):
                found.append(one)
            if len(found) == MOST:
                break
    return found


def _choices(words: list[str]) -> Iterator[Choice]:
    *before, current = words
    if not before or (len(before) == 1 and before[0] == "help"):
        yield from (Choice(command.name, command.summary) for command in COMMANDS.values())
        if not before:
            yield from (Choice(name, says) for name, says in FRONT.items())
        return
    name, *rest = before
    if name in SHELL_OPTIONS and not rest:
        yield from (Choice(shell) for shell in SHELLS)
    if name not in COMMANDS:
        return
    line = Line(name, tuple(rest), current)
    option, equals, value = current.partition("=")
    if rest and rest[-1] in VALUES:
        yield from VALUES[rest[-1]](line)
    elif current.startswith("--") and equals and option in VALUES:
        within = VALUES[option](Line(name, (*rest, option), value))
        yield from (Choice(f"{option}={one.value}", one.says) for one in within)
    elif current.startswith("-"):
        yield from _options(line)
    else:
        sources = ARGUMENTS.get(name, ())
        place = min(len(line.arguments), len(sources) - 1) if name in _MANY else len(line.arguments)
        if place < len(sources):
            yield from sources[place](line)


def _options(line: Line) -> Iterator[Choice]:
    """The names of a command's options, with their help, those that were given left out."""
    import typer  # only the names of options need it: 0.1 s

    app = typer.Typer(add_completion=False)
    app.command()(import_module(f"trackrecord.cli.commands.{line.command}").command)
    parsed: Any = typer.main.get_command(app)
    for one in parsed.params:
        names = [name for name in one.opts if name.startswith("--")]
        is_given = not one.multiple and any(name in line.words for name in one.opts)
        if one.param_type_name == "option" and not is_given:
            yield from (Choice(name, one.help or "") for name in names)
    yield Choice("--help", "what it does and takes")


# ------------------------------------------------------------------------------------------------------------ sources


def _nothing(line: Line) -> Iterator[Choice]:
    yield from ()


def _of(*values: str) -> Source:
    return lambda line: (Choice(value) for value in values)


def _files(line: Line) -> Iterator[Choice]:
    return _paths(line.current)


def _agent_files(line: Line) -> Iterator[Choice]:
    """Files that look like agents, and folders."""
    for one in _paths(line.current):
        if one.value.endswith("/"):
            yield one
        elif one.value.endswith(_AGENT_SUFFIXES):
            with Path(one.value).expanduser().open("rb") as file:
                beginning = file.read(_PEEK)
            if _NAMED.search(beginning) and _SCHEMA not in beginning:
                yield one


def _paths(current: str) -> Iterator[Choice]:
    folder, slash, start = current.rpartition("/")
    place = Path(f"{folder}{slash}" or ".").expanduser()
    entries = sorted(entry for entry, _ in zip(place.iterdir(), range(_MOST_FILES), strict=False))
    for entry in entries:
        if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith(".")):
            yield Choice(f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}")


def _runs(line: Line) -> Iterator[Choice]:
    """Runs of the database, newest first."""
    yield Choice("last", "the newest run")
    query = (
        "SELECT r.id, r.status, a.name FROM agent_executions r JOIN agents a ON a.tenant_id = r.tenant_id AND "
        "a.id = r.agent_id WHERE r.tenant_id = ? AND r.id >= ? AND r.id < ? ORDER BY r.id DESC LIMIT ?"
    )
    for row in _rows(line, query, line.current, f"{line.current}\x7f", MOST):
        yield Choice(str(row["id"]), f"{row['name']}, {row['status']}")


def _questions(kind: str) -> Source:
    """Where the run that was named asks, of one kind of questions, with what it asks."""

    def found(line: Line) -> Iterator[Choice]:
        from trackrecord.cli.database import reader_of  # as in `_rows`
        from trackrecord.store.approval_statements import SELECT_PENDING

        with reader_of(line.option("--db")) as reader:
            run_id = reader.execution(line.arguments[0])["id"]
            for row in reader.rows(SELECT_PENDING, (reader.tenant_id, run_id)):
                if row["kind"] == kind:
                    yield Choice(str(row["path"]).partition("#")[0], str(row["message"]))

    return found


def _at_files(line: Line) -> Iterator[Choice]:
    """Files, after an @."""
    if line.current.startswith("@"):
        yield from (Choice(f"@{one.value}") for one in _paths(line.current[1:]))


def _agents(line: Line) -> Iterator[Choice]:
    query = "SELECT name, id FROM agents WHERE tenant_id = ? ORDER BY name LIMIT ?"
    for row in _rows(line, query, 10 * MOST):
        yield Choice(str(row["name"]), str(row["id"]))


def _secrets(line: Line) -> Iterator[Choice]:
    if line.arguments[:1] == ["delete"]:
        yield from (
            Choice(str(row["name"]))
            for row in _rows(line, "SELECT name FROM secrets WHERE tenant_id = ? ORDER BY name")
        )


def _models(line: Line) -> Iterator[Choice]:
    """Scripts, providers, and the models that have been asked here."""
    provider, colon, rest = line.current.partition(":")
    if colon and provider == "scripted":
        yield from (
            Choice(f"scripted:{one.value}") for one in _paths(rest) if one.value.endswith((*_AGENT_SUFFIXES, "/"))
        )
        return
    if not colon:
        from trackrecord.models.providers.catalogue import PROVIDERS  # only where a model is typed

        yield Choice("scripted:", "answers from a file")
        yield from (Choice(f"{name}:") for name in PROVIDERS)
        return
    query = (
        "SELECT DISTINCT provider, model FROM run_spans WHERE tenant_id = ? AND kind = 'model' AND provider = ? "
        "AND model IS NOT NULL LIMIT ?"
    )
    for row in _rows(line, query, provider, MOST):
        yield Choice(f"{row['provider']}:{row['model']}")


def _databases(line: Line) -> Iterator[Choice]:
    scheme = "sqlite:///"
    if not line.current.startswith(scheme):
        yield Choice(scheme, "a file; one slash more for an absolute path")
        return
    for one in _paths(line.current.removeprefix(scheme)):
        if one.value.endswith(("/", ".db", ".sqlite", ".sqlite3")):
            yield Choice(f"{scheme}{one.value}")


def _inputs(line: Line) -> Iterator[Choice]:
    """Names of the agent's inputs; after `name=@` files."""
    name, sign, rest = line.current.partition("=@")
    if sign:
        yield from (Choice(f"{name}=@{one.value}") for one in _paths(rest))
        return
    for field, says in _fields_of(Path(line.arguments[0])):
        yield Choice(f"{field}=", says)


def _fields_of(path: Path) -> Iterator[tuple[str, str]]:
    """The inputs of an agent file, whether it can be used or not, each with what is said of it."""
    import yaml  # only where an input is typed

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open("rb") as file:
        try:
            given: Any = yaml.load(file.read(_LONGEST), Loader=loader)  # noqa: S506  # safe, and the fast one if there
        except yaml.YAMLError:
            return  # half written
    schema: Any = cast("dict[str, Any]", given).get("input_schema") if isinstance(given, dict) else None
    fields: list[tuple[Any, Any]] = []
    if isinstance(schema, list):
        listed = [cast("dict[str, Any]", one) for one in cast("list[Any]", schema) if isinstance(one, dict)]
        fields = [(one.get("name"), one) for one in listed]
    elif isinstance(schema, dict) and isinstance(cast("dict[str, Any]", schema).get("properties"), dict):
        fields = [*cast("dict[str, Any]", schema["properties"]).items()]
    for name, about in fields:
        if isinstance(name, str):
            yield name, str(cast("dict[str, Any]", about).get("description") or "") if isinstance(about, dict) else ""


def _places(line: Line) -> Iterator[Choice]:
    """Steps and turns at which a run has done something, in that order."""
    query = (
        "SELECT path FROM run_spans WHERE tenant_id = ?1 AND run_id = (SELECT id FROM agent_executions "
        "WHERE tenant_id = ?1 AND (?2 = 'last' OR substr(id, 1, length(?2)) = ?2) ORDER BY id DESC LIMIT 1) "
        "AND (kind = 'step' OR path GLOB 'turn:*/model') GROUP BY path ORDER BY min(epoch), min(start_us) LIMIT ?3"
    )
    paths = [str(row["path"]) for row in _rows(line, query, line.arguments[0], 10 * MOST)]
    names = (path.removesuffix("/model") if path.startswith("turn:") else path.rpartition("s:")[2] for path in paths)
    yield from (Choice(name) for name in dict.fromkeys(names))


def _statuses(line: Line) -> Iterator[Choice]:
    from trackrecord.cli.signs import STATUSES  # with the signs of every state

    return (Choice(one) for one in STATUSES)


def _examples(line: Line) -> Iterator[Choice]:
    from trackrecord import examples  # looks at its folder

    return (Choice(one) for one in examples.names())


def _templates(line: Line) -> Iterator[Choice]:
    from trackrecord.cli.templates import TEMPLATES  # only `new` has them

    return (Choice(one.name, one.summary) for one in TEMPLATES.values())


def _compared(line: Line) -> Iterator[Choice]:
    """An agent file, or two runs."""
    if not line.arguments:
        yield from _agent_files(line)
    if not line.arguments or not line.arguments[0].endswith(_AGENT_SUFFIXES):
        yield from _runs(line)


def _drawable(line: Line) -> Iterator[Choice]:
    """An agent file, or a run."""
    yield from _agent_files(line)
    yield from _runs(line)


def _rows(line: Line, query: str, *given: Any) -> Iterator[Mapping[str, Any]]:
    from trackrecord.cli.database import reader_of  # the reader: only where something stored is typed

    with reader_of(line.option("--db")) as reader:
        yield from reader.rows(query, (reader.tenant_id, *given))


SHELLS: Final = ("bash", "zsh", "fish")
SHELL_OPTIONS: Final = ("--install-completion", "--show-completion")
FRONT: Final = {
    "--help": "every command",
    "--version": "the version",
    "--install-completion": "completion for your shell",
    "--show-completion": "print the script of it",
}
_MANY: Final = ("parity",)
ARGUMENTS: Final[Mapping[str, tuple[Source, ...]]] = {
    "demo": (_examples,),
    "new": (_files,),
    "run": (_agent_files,),
    "resume": (_runs,),
    "cancel": (_runs,),
    "retry": (_runs,),
    "fork": (_runs,),
    "check": (_agent_files,),
    "show": (_runs,),
    "graph": (_drawable,),
    "stats": (_agents,),
    "intensity": (_agents,),
    "secrets": (_of("set", "list", "rotate", "delete"), _secrets),
    "credits": (_of("show", "grant", "take", "refund"), _nothing),
    "approvals": (_runs,),
    "approve": (_runs, _questions("approval")),
    "reject": (_runs, _questions("approval")),
    "settle": (_runs, _questions("unknown_outcome")),
    "feedback": (_runs, _of("good", "bad"), _nothing),
    "memory": (_of("list", "show", "add", "pin", "unpin", "forget", "erase", "prune", "consolidate"), _nothing),
    "schema": (_of("agent", "script", "record"),),
    "mcp": (_of("list", "approve", "check"), _nothing),
    "parity": (_compared,),
}
VALUES: Final[Mapping[str, Source]] = {
    "--db": _databases,
    "--from": _places,
    "-i": _inputs,
    "--input": _inputs,
    "--input-json": _files,
    "--engine": _of("agentkit", "orchestrator", "auto"),
    "--engines": _of("agentkit,orchestrator", "orchestrator,agentkit"),
    "--model": _models,
    "--prompt": _nothing,
    "--agent": _agents,
    "--status": _statuses,
    "--since": _of("30m", "2h", "1d", "1w"),
    "--limit": _nothing,
    "-n": _nothing,
    "--template": _templates,
    "--html": _files,
    "--format": _of("mermaid", "svg"),
    "-o": _files,
    "--output": _files,
    "--junit": _files,
    "--file": _files,
    "--kind": _of("summary", "fact", "pattern"),
    "--user": _nothing,
    "--run": _runs,
    "--note": _nothing,
    "--as": _nothing,
    "--comment": _nothing,
    "--outcome": _of("done", "retry"),
    "--data": _at_files,
    "--importance": _of(*map(str, range(1, 11))),
}
