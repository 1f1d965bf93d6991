"""A Python function read as an action: its parameters as JSON Schema, and what makes a call's arguments fit them.

Read once, at decoration; a call looks nothing up and copies nothing it need not. Never calls the function.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from trackrecord.canonical import Json, clean
from trackrecord.errors import PluginError
from trackrecord.plugins.hints import Build, HintReader, built, unresolved, whole
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'`(\[])")
_DESCRIBED: Final = re.compile(r"\s*\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s+(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function takes.

    Attributes:
        parameters: JSON Schema of its arguments.
        builds: what makes the hinted type of an argument, by name; those that need none are left out.
        whole_names: arguments hinted as `int`.
        invocation_name: the parameter that takes the call itself; None when there is none.
    """

    parameters: dict[str, Json]
    builds: Mapping[str, Build]
    whole_names: tuple[str, ...]
    invocation_name: str | None

    def arguments(self, invocation: Invocation) -> dict[str, Any]:
        """The call's arguments as the function takes them; the very same mapping when nothing had to be made.

        Raises:
            ToolCallFailed: an argument cannot be made into its hinted type.
        """
        arguments: dict[str, Any] = invocation.arguments
        for name in self.whole_names:  # apart from the other builders, because it is common and hardly ever needed
            if type(arguments.get(name)) is float:
                arguments = {**arguments, name: whole(arguments[name])}
        if self.builds:
            arguments = _built(arguments, self.builds)
        if self.invocation_name is not None:
            arguments = {**arguments, self.invocation_name: invocation}
        return arguments


def read_signature(function: Callable[..., Any], where: str) -> Signature:
    """What the function takes; `where` names the action in errors.

    Raises:
        PluginError: the signature has no JSON form.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{where} is a generator", cure="Return a list.")
    hints, described, reader = _hints(function, where), _descriptions(function), HintReader()
    properties: dict[str, Json] = {}
    required: list[Json] = []
    builds: dict[str, Build] = {}
    invocation_name: str | None = None
    for name, parameter in inspect.signature(function).parameters.items():
        place = f"parameter {name!r} of {where}"
        _check_parameter(parameter, name in hints, place)
        if hints[name] is Invocation:
            invocation_name = name
            continue
        hint = reader.read(hints[name], place)
        schema = hint.schema if "description" in hint.schema else {**hint.schema, **described.get(name, {})}
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        else:
            schema = {**schema, **_default(parameter.default)}
        properties[name] = schema
        if hint.build is not None:
            builds[name] = hint.build
    return Signature(
        parameters=_object_schema(properties, required, reader.definitions),
        builds={name: build for name, build in builds.items() if build is not whole},
        whole_names=tuple(name for name, build in builds.items() if build is whole),
        invocation_name=invocation_name,
    )


def first_sentence(function: Callable[..., Any]) -> str:
    """The first sentence of its docstring; empty when it has none."""
    paragraph = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return _SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]


def _object_schema(properties: dict[str, Json], required: list[Json], definitions: dict[str, Json]) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if definitions:
        schema["$defs"] = definitions
    return schema


def _built(arguments: Mapping[str, Any], builds: Mapping[str, Build]) -> dict[str, Any]:
    try:
        return built(arguments, builds)
    except (ValueError, TypeError) as error:
        raise ToolCallFailed(f"an argument cannot be used: {error}", was_sent=False) from error


def _hints(function: Callable[..., Any], where: str) -> dict[str, object]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise unresolved(error, where) from None


def _check_parameter(parameter: inspect.Parameter, is_hinted: bool, place: str) -> None:
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
        raise PluginError(
            f"{place} is {parameter.kind.description}, which a schema cannot describe",
            cure="Write every argument as a named parameter.",
        )
    if not is_hinted:
        raise PluginError(f"{place} has no type hint", cure="Annotate it; Any takes anything.")


def _default(value: object) -> dict[str, Json]:
    plain = clean(value)
    return {"default": plain} if isinstance(value, Enum) or plain == value else {}


def _descriptions(function: Callable[..., Any]) -> dict[str, dict[str, Json]]:
    """What the docstring's `Args:` section says of each parameter."""
    lines = iter((inspect.getdoc(function) or "").splitlines())
    described: dict[str, list[str]] = {}
    words: list[str] | None = None
    for line in lines:
        if line.strip() in ("Args:", "Arguments:", "Parameters:"):
            break
    margin: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or indent == 0:
            break
        margin = indent if margin is None else margin
        found = _DESCRIBED.match(line) if indent == margin else None
        if found is not None:
            words = described[found[1]] = [found[2].strip()]
        elif words is not None:
            words.append(line.strip())
    return {name: {"description": " ".join(said)} for name, said in described.items()}
