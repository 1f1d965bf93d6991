"""Tools as a server declares them: what is pinned of each, its hash, its effect class, its name as an action. Pure.

Nothing a server says is trusted here: the hash covers every word that could steer a model or a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from trackrecord.canonical import Json, clean, clean_text, digest, dumps, encode_clean
from trackrecord.errors import BadInput
from trackrecord.json_schema import compile_schema
from trackrecord.plugins.protocol import Action, EffectClass
from trackrecord.plugins.registry import MAX_FUNCTION_NAME, function_name

MOST_BYTES: Final = 64 * 1024  # of one tool's declaration
KEY_NAMES: Final = ("idempotency_key", "idempotencyKey")
_OBJECT: Final[Mapping[str, Json]] = {"type": "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as a server declares it.

    Attributes:
        name: its name there, of any letters.
        title, description: what people and models read.
        parameters: JSON Schema of its arguments, as the server wrote it.
        output: JSON Schema of its structured result; None when it has none.
        annotations: what the server says of its behaviour: hints, no promises.
    """

    name: str
    title: str | None = None
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=lambda: _OBJECT)
    output: Mapping[str, Json] | None = None
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def sha256(self) -> str:
        """The hash that an approval is for."""
        return digest(dumps(self.stored()))

    @property
    def effect(self) -> EffectClass:
        """`read` under a read-only hint; `keyed` when it is idempotent and can be given the key; else `unsafe`."""
        if self.annotations.get("readOnlyHint") is True and self.annotations.get("destructiveHint") is not True:
            return "read"
        return "keyed" if self.annotations.get("idempotentHint") is True and self.key_name else "unsafe"

    @property
    def key_name(self) -> str | None:
        """The parameter that takes an idempotency key; None when the tool has none."""
        properties = self.parameters.get("properties")
        if not isinstance(properties, dict):
            return None
        return next((name for name in KEY_NAMES if _is_text(properties.get(name))), None)

    def stored(self) -> dict[str, Json]:
        """As it is pinned and hashed."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "parameters": dict(self.parameters),
            "output": None if self.output is None else dict(self.output),
            "annotations": dict(self.annotations),
        }

    def problem(self) -> str | None:
        """Why it cannot be used at all; None when it can."""
        if len(encode_clean(clean(self.stored())).encode()) > MOST_BYTES:
            return f"its declaration is larger than {MOST_BYTES // 1024} KiB"
        if self.parameters.get("type") != "object":
            return "its parameters are no object schema"
        try:
            compile_schema(self.parameters)
            if self.output is not None:
                compile_schema(self.output)
        except BadInput as error:
            return f"a schema of it cannot be used: {error.message}"
        return None


def read_tool(given: Mapping[str, Json]) -> Tool:
    """The tool of a declaration in MCP's own words; what does not fit is taken for not there."""
    plain = clean(given)
    assert isinstance(plain, dict)  # noqa: S101  # a mapping stays one
    title, description = plain.get("title"), plain.get("description")
    parameters, output, annotations = (plain.get(name) for name in ("inputSchema", "outputSchema", "annotations"))
    return Tool(
        name=clean_text(str(plain.get("name"))),
        title=title if isinstance(title, str) else None,
        description=description if isinstance(description, str) else "",
        parameters=parameters if isinstance(parameters, dict) else {},
        output=output if isinstance(output, dict) else None,
        annotations=annotations if isinstance(annotations, dict) else {},
    )


def restored(given: Mapping[str, Json]) -> Tool:
    """The tool of `Tool.stored`."""
    return read_tool({**given, "inputSchema": given.get("parameters"), "outputSchema": given.get("output")})


def actions_of(server: str, tools: Iterable[Tool], timeout_s: float | None) -> dict[str, tuple[Action, Tool]]:
    """The tools as actions by name: parameters unchanged, names made to fit and told apart."""
    listed = list(tools)
    plain = [_action_name(tool.name) for tool in listed]
    room = MAX_FUNCTION_NAME - len(function_name(server, ""))
    found: dict[str, tuple[Action, Tool]] = {}
    for name, tool in zip(plain, listed, strict=True):
        if plain.count(name) > 1 or len(name) > room:
            name = f"{name[: room - 9].rstrip('_')}_{digest(tool.name)[:8]}"
        action = Action(
            name=name,
            description=tool.description or tool.title or "",
            parameters=tool.parameters,
            output=tool.output,
            effect=tool.effect,
            timeout_ms=None if timeout_s is None else max(1, round(timeout_s * 1000)),
        )
        found[name] = (action, tool)
    return found


def _action_name(name: str) -> str:
    """`getWeather`, `get-weather` and `get.weather` are all `get_weather`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    word = re.sub(r"[^a-z0-9]+", "_", snake).strip("_") or "tool"
    return word if word[0].isalpha() else f"tool_{word}"


def _is_text(schema: Json) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string"


State = Literal["approved", "changed", "new", "gone", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One tool, as it was approved and as it is offered.

    Attributes:
        approved: None when nobody approved it.
        offered: None when the server has it no more.
    """

    approved: Tool | None
    offered: Tool | None

    @property
    def tool(self) -> Tool:
        """As it is offered, else as it was approved."""
        tool = self.offered or self.approved
        assert tool is not None  # noqa: S101  # one of them is always there
        return tool

    @property
    def state(self) -> State:
        """How the two compare."""
        if self.offered is None:
            return "gone"
        if self.approved is not None and self.approved.sha256 == self.offered.sha256:
            return "approved"
        if self.offered.problem() is not None:
            return "unusable"
        return "new" if self.approved is None else "changed"

    def changes(self) -> list[str]:
        """What is different, a line `- before` and a line `+ now` for each place."""
        if self.approved is None or self.offered is None:
            return []
        before, after = _leaves(self.approved.stored()), _leaves(self.offered.stored())
        found: list[str] = []
        for place in sorted(before.keys() | after.keys()):
            if before.get(place) != after.get(place):
                found += [f"- {place}: {before[place]}"] if place in before else []
                found += [f"+ {place}: {after[place]}"] if place in after else []
        return found

    def in_words(self) -> str:
        """What happened to it, on one line."""
        if self.state == "gone":
            return f"{self.tool.name!r} is gone"
        if self.approved is None or self.offered is None:
            return f"{self.tool.name!r} is {self.state}"
        old, new = self.approved.stored(), self.offered.stored()
        return f"{self.tool.name!r} changed its {', '.join(name for name in old if old[name] != new[name])}"


def compare(approved: Sequence[Tool], offered: Sequence[Tool]) -> tuple[Comparison, ...]:
    """Every tool of either, in the order of the offer, what is gone at the end."""
    pins, now = {tool.name: tool for tool in approved}, {tool.name: tool for tool in offered}
    found = [Comparison(approved=pins.get(name), offered=tool) for name, tool in now.items()]
    return (*found, *(Comparison(approved=tool, offered=None) for name, tool in pins.items() if name not in now))


def drift(approved: Sequence[Tool], offered: Sequence[Tool]) -> tuple[Comparison, ...]:
    """The approved tools that are not there as they were approved; none of them, and the server may be called."""
    found = compare(approved, offered)
    return tuple(one for one in found if one.approved is not None and one.state != "approved")


def _leaves(value: Json) -> dict[str, str]:
    """Every plain value of a tool, as JSON, by its place."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, Json]] = [("", value)]
    while waiting:
        place, one = waiting.pop()
        if isinstance(one, dict) and one:
            waiting.extend((f"{place}.{name}".lstrip("."), item) for name, item in one.items())
        elif isinstance(one, list) and one:
            waiting.extend((f"{place}[{index}]", item) for index, item in enumerate(one))
        else:
            found[place] = encode_clean(one)
    return found
