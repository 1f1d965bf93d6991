"""The places where a secret may enter a run, and the sinks where none may come out; each a table.

A place says what the run meets; a sink says what is looked through. A new sink is one line of `SINKS`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.engines.faulty import faulty
from tests.providers.server.script import Call, Fault, Turn, refused
from tests.store import runs
from tests.unit.plugins import sites

from trackrecord import FunctionPlugin, Run, parity
from trackrecord.cli.html.parity import parity_html
from trackrecord.cli.html.record import record_html
from trackrecord.cli.junit import junit
from trackrecord.cli.look import Look
from trackrecord.cli.pages.parity import parity_page
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.pages.runs import runs_page
from trackrecord.cli.pages.stats import stats_page
from trackrecord.cli.stored import execution_json, read_run
from trackrecord.clock import now
from trackrecord.plugins.protocol import Invocation
from trackrecord.record.redact import forms
from trackrecord.store.reader import SqliteReader

SECRET: Final = 'canary-Zx81kQ0v/T4+Lm&9a"7-end'
WINDOW: Final = 12  # so many characters in a row are a leak, too: of a secret that was cut


def spelt(secret: str) -> dict[str, str]:
    """The secret in every spelling in which something may repeat it."""
    raw = secret.encode()
    coded = {f"base64 {n}": base64.b64encode(b"abc"[:n] + raw + b"tail").decode() for n in range(3)}
    return {
        "plain": secret,
        "json": json.dumps({"k": secret}),
        "json in json": json.dumps(json.dumps({"k": secret}, ensure_ascii=False)),
        "url": f"https://example.test/?q={quote(secret, safe='')}",
        "form": f"q={quote(secret)}",
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        **coded,
    }


def found_in(text: str, secret: str) -> set[str]:
    """Spellings of the secret, and pieces of the plain one, that stand in a text."""
    pieces = {secret[start : start + WINDOW] for start in range(0, len(secret) - WINDOW + 1)}
    return {form for form in forms(secret) | pieces if form in text}


# ----------------------------------------------------------------------------------------------------------- the places


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One way in.

    Attributes:
        turns: what the provider says and what befalls it.
        call: the tool call the model makes, as plugin, action and arguments; None makes none.
        inputs: of the run.
        prompt: of the agent.
        replies: what the web site says, by path.
        is_env: the secret is one of this process's variables, else one that is stored and opened by its handle.
        flows: whether anything of it reaches a sink when nobody redacts.
    """

    turns: tuple[Turn, ...] = (Turn(text="Twelve."),)
    call: tuple[str, str, Mapping[str, Any]] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prompt: str = "Add what is to be added."
    replies: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    is_env: bool = True
    flows: bool = True


def calls(plugin: str, action: str, arguments: Mapping[str, Any], **more: Any) -> Place:
    """A run whose model makes one call, and then answers."""
    turns = (Turn(calls=(Call(name=f"{plugin}__{action}", arguments=dict(arguments)),)), Turn(text="Done."))
    return Place(turns=turns, call=(plugin, action, arguments), **more)


def gets(path: str, reply: bytes, **more: Any) -> Place:
    """A run that asks the web site for a path; SITE stands for its address."""
    return calls("http", "get", {"url": f"SITE{path}", **more.pop("arguments", {})}, replies={path: reply}, **more)


ALL: Final = json.dumps(spelt(SECRET))
PLACES: Final[Mapping[str, Place]] = {
    "provider key": Place(flows=False),  # it goes to the provider and nowhere else
    "provider error": Place(turns=(Turn(text="x", faults=(refused("bad_key"),), for_ever=True),)),
    "provider error in every spelling": Place(
        turns=(
            Turn(
                text="x",
                faults=(Fault(status=400, reason=None, body=json.dumps({"error": {"message": ALL}}).encode()),),
                for_ever=True,
            ),
        )
    ),
    "provider response header": Place(
        turns=(Turn(text="Twelve.", faults=(refused("rate_limited", retry_after=SECRET.encode().hex()),)),),
        flows=False,  # headers are read for a wait, never told
    ),
    "model text": Place(turns=(Turn(text=f"It is {SECRET}, or {ALL}."),)),
    "model's call": calls("abacus", "find", {"name": f"who has {SECRET}?"}),
    "model's call of no tool": Place(
        turns=(Turn(calls=(Call(name="no__such", arguments={"k": SECRET}), Call(name=SECRET))), Turn(text="x"))
    ),
    "stored secret": calls("teller", "tell_credential", {}, is_env=False),
    "http credential": gets(
        "/echo",
        sites.json(json.dumps({"you sent": f"Bearer {SECRET}", **spelt(SECRET)})),
        arguments={"credentials": {"Authorization": "Bearer crm"}},
        is_env=False,
    ),
    "http response header": gets("/head", sites.reply("ok", 200, [("ETag", quote(SECRET)), ("Link", quote(SECRET))])),
    "http error body": gets("/bad", sites.reply(f"401 for {SECRET}", 401, [("Content-Type", "text/plain")])),
    "URL userinfo": calls("http", "get", {"url": f"http://user:{quote(SECRET, safe='')}@127.0.0.1/"}),
    "URL query": calls("http", "get", {"url": f"http://127.0.0.1:9/?key={quote(SECRET, safe='')}"}),
    "tool result": calls("teller", "tell", {}),
    "tool exception": calls("teller", "fail", {}),
    "tool output": calls("faulty", "gossip", {"parts": [SECRET[:10], SECRET[10:20], SECRET[20:]]}),
    "input": Place(inputs={"key": SECRET, SECRET: [ALL]}, prompt="Say it."),
    "agent's prompt": Place(prompt="Use {{ env.CANARY_API_KEY }}.", flows=False),  # a name of a variable is no value
}
"""MCP servers bring a place of their own: their environment."""


def teller(secret: str, *, is_env: bool) -> FunctionPlugin:
    """A plugin that tells what it knows; it wants a stored secret where the secret is no variable."""
    handles = () if is_env else ("crm",)
    plugin = FunctionPlugin("teller", description="Tells what it should not.", credentials=handles)

    @plugin.action(effect="read")
    async def tell() -> Any:
        """Say it in every way there is."""
        return {**spelt(secret), secret: [secret]}

    @plugin.action(effect="read")
    async def fail() -> None:
        """Say it in an error."""
        raise ValueError(f"401 for {json.dumps(spelt(secret))}")

    @plugin.action(effect="read")
    async def tell_credential(call: Invocation) -> Any:
        """Say what was opened for the call."""
        return spelt(call.credentials["crm"])

    return plugin


# ------------------------------------------------------------------------------------------------------------ the sinks


@dataclass(slots=True, kw_only=True)
class Left:
    """What a place's runs have left.

    Attributes:
        path: the database.
        ended: a run of each engine, or the error there was instead.
        watched: what a watcher was told.
        logged: every line of every log.
        out, err: what was written to stdout and stderr.
        open_files: bytes of the database while it was open.
    """

    path: Path
    ended: list[Run | Exception]
    watched: list[str]
    logged: list[str]
    out: str
    err: str
    open_files: str = ""

    @property
    def ids(self) -> list[str]:
        """Ids of the runs there are."""
        return [one.id for one in self.ended if isinstance(one, Run)]


def _tables(left: Left) -> str:
    return "\n".join(str(value) for rows in runs.contents(left.path).values() for row in rows for value in row)


def _files(left: Left) -> str:
    """The bytes of the database, of its write-ahead log and of its index."""
    files = sorted(left.path.parent.glob(f"{left.path.name}*"))
    return left.open_files + b"\n".join(file.read_bytes() for file in files).decode(errors="replace")


def _json(left: Left) -> str:
    with SqliteReader(left.path) as reader:
        whole = [read_run(reader, run).to_json() for run in left.ids]
        rows = [execution_json(row) for row in reader.rows("SELECT * FROM agent_executions")]
    return "\n".join((json.dumps([whole, rows]), json.dumps([whole, rows], ensure_ascii=False)))


def _pages(left: Left) -> str:
    look = Look(width=2_000)
    with SqliteReader(left.path) as reader:
        pages = [record_page(read_run(reader, run), look, now(), is_whole=True) for run in left.ids]
        pages.append(runs_page(reader.rows("SELECT * FROM agent_executions"), look, now()))
        pages += [
            stats_page(agent, reader.stats(agent["id"]), look, now()) for agent in reader.rows("SELECT * FROM agents")
        ]
    return "\n".join(pages)


def _parity(left: Left) -> str:
    if len(left.ids) < 2:
        return ""
    with SqliteReader(left.path) as reader:
        found = parity.compare_runs(reader, *left.ids)
    return "\n".join((parity_page(found, Look(width=2_000), is_whole=True), json.dumps(found.to_json()), repr(found)))


def _html(left: Left) -> str:
    with SqliteReader(left.path) as reader:
        pages = [record_html(read_run(reader, run), now()) for run in left.ids]
        if len(left.ids) > 1:
            found = (parity.compare_runs(reader, *left.ids[:2]),)
            pages += [parity_html(found, now()), junit(found)]
    return "\n".join(pages)


def _errors(left: Left) -> str:
    """Errors with their causes, and whatever a program may print of a run."""
    told: list[str] = []
    for one in left.ended:
        told.append(repr(one))
        error: BaseException | None = one if isinstance(one, Exception) else None
        if isinstance(one, Run):
            try:
                one.raise_for_status()
            except Exception as raised:  # whatever is raised is looked at
                error = raised
        while error is not None:
            told += [str(error), repr(error), str(getattr(error, "cure", ""))]
            error = error.__cause__ or error.__context__
    return "\n".join(told)


SINKS: Final[Mapping[str, Callable[[Left], str]]] = {
    "tables": _tables,
    "database files": _files,
    "log": lambda left: "\n".join(left.logged),
    "stdout": lambda left: left.out,
    "stderr": lambda left: left.err,
    "json": _json,
    "pages": _pages,
    "html": _html,
    "parity": _parity,
    "errors": _errors,
    "watcher": lambda left: "\n".join(left.watched),
}

__all__ = ["PLACES", "SECRET", "SINKS", "Left", "Place", "faulty", "found_in", "teller"]
