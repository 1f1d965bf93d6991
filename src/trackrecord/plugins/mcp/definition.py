"""The operator's file of MCP servers: YAML or JSON in, frozen servers out, every problem at once with its line.

Reads one file and starts nothing. No secret stands in it: a variable or header that holds one names its handle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from trackrecord.agent.files import parse
from trackrecord.canonical import Json
from trackrecord.config import secrets_of
from trackrecord.errors import BadSettings
from trackrecord.plugins.entry_points import BUILT_IN
from trackrecord.workflow.fields import Field, Problems, Table, join, near, read, texts

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_OF_THE_PROTOCOL: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "last-event-id"}
    | {"mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "transfer-encoding"}
)
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
MOST_SERVERS: Final = 100

_COMMON: Final[Table] = {
    "secrets": Field(kind="mapping", default={}, most=20),
    "timeout_s": Field(kind="number", least=0.001, most=86_400),
    "start_timeout_s": Field(kind="number", default=10, least=0.1, most=300),
    "recheck_s": Field(kind="number", default=0, least=0, most=86_400),
    "tools": Field(kind="mapping", default={}),
}
_STDIO: Final[Table] = {
    "command": Field(kind="texts", is_required=True, least=1, most=200),
    "env": Field(kind="mapping", default={}, most=100),
    "folder": Field(kind="line"),
    "limits": Field(kind="mapping", default={}),
    **_COMMON,
}
_HTTP: Final[Table] = {
    "url": Field(kind="line", is_required=True, most=2_000),
    "headers": Field(kind="mapping", default={}, most=20),
    "allow": Field(kind="texts", default=[], most=100),
    **_COMMON,
}
_TOOLS: Final[Table] = {"allow": Field(kind="texts", most=1_000), "deny": Field(kind="texts", default=[], most=1_000)}
_LIMITS: Final[Table] = {
    "memory_mb": Field(kind="integer", least=16, most=1 << 20),
    "open_files": Field(kind="integer", default=1_024, least=16, most=1 << 20),
    "file_mb": Field(kind="integer", default=1_024, least=1, most=1 << 20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret goes.

    Attributes:
        handle: what it is kept under.
        word: what stands before it, like `Bearer`; empty for nothing.
    """

    handle: str
    word: str = ""

    def value(self, credentials: Mapping[str, str]) -> str:
        """What is sent."""
        value = credentials[self.handle].strip()
        return f"{self.word} {value}" if self.word else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server's process may take.

    Attributes:
        memory_mb: address space of each process; None for no limit, as many runtimes reserve far more than they use.
        open_files: descriptors of each process.
        file_mb: largest file it may write.
    """

    memory_mb: int | None = None
    open_files: int = 1_024
    file_mb: int = 1_024

    def as_rlimits(self) -> dict[str, int]:
        """The same by the system's own names; no server leaves a core file."""
        memory = {} if self.memory_mb is None else {"RLIMIT_AS": self.memory_mb << 20}
        return {
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_FSIZE": self.file_mb << 20,
            **memory,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server of the operator's file.

    Attributes:
        name: the plugin's name.
        command: what starts it; empty for one that is reached over HTTP.
        url: where it is reached; None for one that is started.
        env: its variables beside the few that every program needs.
        folder: where it is started.
        limits: what its processes may take.
        headers: sent with each request.
        allow: loopback and private places that may be reached for it.
        secrets: variables, or headers, that hold a secret, by name.
        timeout_s: longest call; None leaves it to the run.
        start_timeout_s: longest start, and longest listing of its tools.
        recheck_s: how long a listing of its tools is trusted before a call; 0 looks before each.
        tools: the only tools that are taken; None takes all.
        without: tools that are not taken.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    limits: Limits = Limits()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    allow: tuple[str, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    timeout_s: float | None = None
    start_timeout_s: float = 10.0
    recheck_s: float = 0.0
    tools: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @property
    def handles(self) -> tuple[str, ...]:
        """Handles of the secrets it is given, and no others."""
        return tuple(dict.fromkeys(secret.handle for secret in self.secrets.values()))

    @property
    def place(self) -> str:
        """How it is reached, for people."""
        if self.url is not None:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc}{parts.path}"
        return " ".join(self.command)

    def takes(self, tool: str) -> bool:
        """Whether the operator wants a tool of that name."""
        return tool not in self.without and (self.tools is None or tool in self.tools)


def read_servers(path: Path) -> tuple[Server, ...]:
    """The servers of a file, in its order.

    Raises:
        BadSettings: it cannot be read, or something in it is wrong; every problem with its line and place.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadSettings(
            f"the file of MCP servers {str(path)!r} cannot be read: {error.strerror}",
            cure="Name another one in TRACKRECORD_MCP_FILE, or none.",
        ) from None
    source = parse(data, is_json=path.suffix == ".json")
    problems = Problems(list(source.problems))
    servers = _read_file(source.value, path, problems) if source.value is not None else ()
    if problems.found:
        found = source.with_lines(tuple(problems.found))
        raise BadSettings(
            f"the file of MCP servers {str(path)!r} cannot be used: {len(found)} problem(s)", problems=found
        )
    return servers


def _read_file(value: Json, path: Path, problems: Problems) -> tuple[Server, ...]:
    if not isinstance(value, dict):
        problems.add("", "the file must be a mapping", "Start with `servers:`.")
        return ()
    table: Table = {"servers": Field(kind="mapping", is_required=True, most=MOST_SERVERS)}
    servers = read(value, table, path="", what="a file of MCP servers", problems=problems)["servers"]
    found: list[Server] = []
    for name, given in (servers if isinstance(servers, dict) else {}).items():
        at = join("servers", name)
        _check_name(name, at, problems)
        if isinstance(given, dict):
            found.append(_server(name, given, at, path.parent, problems))
        else:
            problems.add(at, "must be a mapping", "Give it a `command` to start, or a `url`.")
    return tuple(found)


def _check_name(name: str, at: str, problems: Problems) -> None:
    if _NAME.fullmatch(name) is None or len(name) > 32:
        cure = "Use lower-case letters, digits and single underscores, starting with a letter, 32 at most."
        problems.add(at, f"{name!r} is no name of a plugin", cure)
    elif name in BUILT_IN:
        problems.add(at, f"{name!r} is a built-in plugin", "Choose another name.")


def _server(name: str, given: Mapping[str, Json], at: str, base: Path, problems: Problems) -> Server:
    if ("command" in given) == ("url" in given):
        said = "has both a command and a url" if "url" in given else "has neither a command nor a url"
        problems.add(at, said, "Give it a `command` to start, or the `url` of one that runs.")
        return Server(name=name)
    is_http = "url" in given
    elsewhere = dict.fromkeys(_STDIO, "That is for servers with a `command`.") if is_http else {}
    elsewhere |= {} if is_http else dict.fromkeys(_HTTP, "That is for servers with a `url`.")
    table, what = (_HTTP, "an MCP server with a url") if is_http else (_STDIO, "an MCP server with a command")
    said = read(given, table, path=at, what=what, problems=problems, elsewhere=elsewhere)
    tools = read(_mapping(said["tools"]), _TOOLS, path=join(at, "tools"), what="tools", problems=problems)
    one = Server(
        name=name,
        secrets=_secrets(_mapping(said["secrets"]), join(at, "secrets"), is_http, problems),
        timeout_s=_number(said["timeout_s"]),
        start_timeout_s=_number(said["start_timeout_s"]) or 10.0,
        recheck_s=_number(said["recheck_s"]) or 0.0,
        tools=None if tools["allow"] is None else frozenset(texts(tools["allow"])),
        without=frozenset(texts(tools["deny"])),
    )
    return _over_http(one, said, at, problems) if is_http else _started(one, said, at, base, problems)


def _started(one: Server, said: Mapping[str, Json], at: str, base: Path, problems: Problems) -> Server:
    limits = read(_mapping(said["limits"]), _LIMITS, path=join(at, "limits"), what="limits", problems=problems)
    command = texts(said["command"])
    if any(not part for part in command[:1]) or any("\x00" in part for part in command):
        problems.add(join(at, "command"), "names no program")
    env = _env(_mapping(said["env"]), join(at, "env"), problems)
    for name in env.keys() & one.secrets.keys():
        problems.add(join(join(at, "secrets"), name), f"{name!r} is in `env` as well", "Keep one of them.")
    memory, files, size = limits["memory_mb"], limits["open_files"], limits["file_mb"]
    return replace(
        one,
        command=command,
        env=env,
        folder=(base / str(said["folder"] or "")).absolute(),
        limits=Limits(
            memory_mb=memory if isinstance(memory, int) else None,
            open_files=files if isinstance(files, int) else 1_024,
            file_mb=size if isinstance(size, int) else 1_024,
        ),
    )


def _over_http(one: Server, said: Mapping[str, Json], at: str, problems: Problems) -> Server:
    from trackrecord.plugins.outbound.addresses import read_listed  # its tables take a while

    url, allow = str(said["url"] or ""), texts(said["allow"])
    complaint = _bad_url(url) if url else None
    if complaint is not None:
        problems.add(join(at, "url"), *complaint)
    for index, entry in enumerate(allow):
        try:
            read_listed([entry])
        except ValueError as error:
            cure = "List networks like '10.1.0.0/16', addresses, or 'host:port'."
            problems.add(join(join(at, "allow"), index), str(error), cure)
    if one.secrets and url.startswith("http://") and not allow:
        cure = "Use https; for a place of your own, list it in `allow`."
        problems.add(join(at, "url"), "secrets would go out over http, for everybody to read", cure)
    headers = _headers(_mapping(said["headers"]), join(at, "headers"), problems)
    for name in {key.lower() for key in headers} & {key.lower() for key in one.secrets}:
        problems.add(join(at, "secrets"), f"the header {name!r} is in `headers` as well", "Keep one of them.")
    return replace(one, url=url, allow=allow, headers=headers)


def _bad_url(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        port_is_there = parts.port is None or parts.port > 0
    except ValueError:
        return "is no URL", "Write it like 'https://mcp.example.com/mcp'."
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_there or not url.isascii():
        return "is no http or https URL", "Write it like 'https://mcp.example.com/mcp'."
    if "@" in parts.netloc:
        return "holds a user name or a password", "Name a handle in `secrets` instead."
    return None


def _env(given: Mapping[str, Json], at: str, problems: Problems) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        if _VARIABLE.fullmatch(name) is None:
            problems.add(join(at, name), f"{name!r} is no name of a variable")
        elif not isinstance(value, str) or "\x00" in value:
            problems.add(join(at, name), "must be text", "Put it in quotes.")
        elif secrets_of({name: value}):
            problems.add(join(at, name), "is a secret by its name", _by_handle(name))
        else:
            found[name] = value
    return found


def _headers(given: Mapping[str, Json], at: str, problems: Problems) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        complaint = _bad_header(name)
        if complaint is not None:
            problems.add(join(at, name), complaint)
        elif name.lower() in _SECRET_HEADERS:
            problems.add(join(at, name), "is a secret by its name", _by_handle(name, "Bearer "))
        elif not isinstance(value, str) or _PLAIN.fullmatch(value) is None or not value.isascii():
            problems.add(join(at, name), "must be one line of plain text", "Put it in quotes.")
        else:
            found[name] = value
    return found


def _bad_header(name: str) -> str | None:
    if _HEADER.fullmatch(name) is None:
        return f"{name!r} is no name of a header"
    return "is written for each request" if name.lower() in _OF_THE_PROTOCOL else None


def _by_handle(name: str, word: str = "") -> str:
    return f"Keep it with `trackrecord secrets set my_handle`, and write `secrets: {{{name}: '{word}my_handle'}}`."


def _secrets(given: Mapping[str, Json], at: str, is_http: bool, problems: Problems) -> dict[str, Secret]:
    found: dict[str, Secret] = {}
    for name, value in given.items():
        complaint = _bad_header(name) if is_http else None
        if not is_http and _VARIABLE.fullmatch(name) is None:
            complaint = f"{name!r} is no name of a variable"
        word, _, handle = value.rpartition(" ") if isinstance(value, str) else ("", "", "")
        if complaint is not None:
            problems.add(join(at, name), complaint)
        elif not re.fullmatch(r"[a-z][a-z0-9_.-]{0,63}", handle) or not re.fullmatch(r"[A-Za-z]*", word):
            cure = "Name a handle, perhaps after a word: 'Bearer crm_token'. `trackrecord secrets set` keeps the value."
            problems.add(join(at, name), "is no handle of a secret", cure)
        else:
            found[name] = Secret(handle=handle, word=word)
    return found


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _number(value: Json) -> float | None:
    return float(cast("float", value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def unknown_server(name: str, servers: tuple[Server, ...]) -> BadSettings:
    """The error of a name that no server has."""
    known = near(name, [server.name for server in servers])
    return BadSettings(f"there is no MCP server {name!r}", cure=known or "The file of MCP servers names none.")
