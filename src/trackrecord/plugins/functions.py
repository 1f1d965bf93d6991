"""Python functions as plugins: decorate a function, and its hints and docstring say the rest.

The signature is read once, at decoration; a call looks nothing up and copies nothing it need not. Records nothing,
retries nothing: the context does. What the function raises goes to the context as it is, of whatever kind.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import CoroutineType, MappingProxyType
from typing import Any, Final, TypeVar, cast, overload

from trackrecord.canonical import Json, clean
from trackrecord.errors import PluginError
from trackrecord.plugins.hints import Build, HintReader, built, unresolved, whole
from trackrecord.plugins.protocol import Action, EffectClass, Invocation, Result, ToolCallFailed
from trackrecord.plugins.threads import THREADS

F = TypeVar("F", bound=Callable[..., Any])
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'`(\[])")
_DESCRIBED: Final = re.compile(r"\s*\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s+(.*)")


class FunctionPlugin:
    """A plugin made of Python functions.

        crm = FunctionPlugin("crm", description="Customers and their orders.")

        @crm.action(effect="read")
        async def find_customer(email: str) -> dict[str, str]:
            '''Find a customer by e-mail address.'''

    An `async def` is awaited where it is called. A plain `def` runs in a thread, so that it cannot hold up other runs;
    one that only computes for a moment runs on the spot with `blocking=False`.

    What a function returns is the data, and `success` is True because it returned; a mapping with a key `success` says
    itself: null (or anything but true and false) is recorded as unknown, false as a failure the tool reported, with
    `error` as its words. A returned `Result` is taken as it is.
    """

    def __init__(self, name: str, *, description: str = "") -> None:
        """Begin without actions; `name` is how agents and models refer to the plugin."""
        self._name = name
        self._description = description
        self._actions: dict[str, Action] = {}
        self._calls: dict[str, _Call] = {}

    @property
    def name(self) -> str:
        """How agents and models refer to it."""
        return self._name

    @property
    def description(self) -> str:
        """What it is for, one sentence."""
        return self._description

    @property
    def actions(self) -> Mapping[str, Action]:
        """Actions by name, in the order of decoration."""
        return MappingProxyType(self._actions)

    @overload
    def action(self, function: F) -> F: ...

    @overload
    def action(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        effect: EffectClass = "unsafe",
        timeout_ms: int | None = None,
        blocking: bool = True,
        output: Mapping[str, Json] | None = None,
    ) -> Callable[[F], F]: ...

    def action(
        self,
        function: F | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        effect: EffectClass = "unsafe",
        timeout_ms: int | None = None,
        blocking: bool = True,
        output: Mapping[str, Json] | None = None,
    ) -> F | Callable[[F], F]:
        """Make the function an action of this plugin; it stays an ordinary function for everybody else.

        Args:
            function: the function, when used without parentheses.
            name: the action's name; the function's own when None.
            description: what it does; the first sentence of the docstring when None.
            effect: whether a call may be repeated; what declares nothing is never run twice in silence.
            timeout_ms: longest a call may take; None takes the run's tool timeout.
            blocking: False runs a plain `def` on the event loop: only for what returns at once.
            output: JSON Schema of the data; None when it does not say.

        Raises:
            PluginError: the name is taken, or the signature has no JSON form.
        """

        def add(target: F) -> F:
            title = name if name is not None else str(getattr(target, "__name__", type(target).__name__))
            where = f"action {title!r} of plugin {self._name!r}"
            if title in self._actions:
                raise PluginError(f"{where} is defined twice", cure="Give one of them another name.")
            call, parameters = _read(target, where, is_blocking=blocking)
            self._calls[title] = call
            self._actions[title] = Action(
                name=title,
                description=description if description is not None else _first_sentence(target),
                parameters=parameters,
                output=output,
                effect=effect,
                timeout_ms=timeout_ms,
            )
            return target

        return add if function is None else add(function)

    async def call(self, invocation: Invocation) -> Result:
        """Call the function of the invocation's action.

        Raises:
            ToolCallFailed: there is no such action, or an argument cannot be made into its hinted type.
            BaseException: whatever the function raised, unchanged.
        """
        call = self._calls.get(invocation.action)
        if call is None:
            raise ToolCallFailed(f"plugin {self._name!r} has no action {invocation.action!r}", was_sent=False)
        arguments: dict[str, Any] = invocation.arguments
        for name in call.whole_names:  # apart from the other builders, because it is common and hardly ever needed
            if type(arguments.get(name)) is float:
                arguments = {**arguments, name: whole(arguments[name])}
        if call.builds:
            arguments = _arguments(arguments, call.builds)
        if call.invocation_name is not None:
            arguments = {**arguments, call.invocation_name: invocation}
        if call.is_async:
            value = await call.target(**arguments)
        elif call.is_blocking:
            value = await THREADS.run(lambda: call.target(**arguments))
        else:
            value = call.target(**arguments)
        if type(value) is CoroutineType:  # a plain function that wraps an async one hands its coroutine on
            value = await cast("CoroutineType[Any, Any, object]", value)
        return _result(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    target: Callable[..., Any]
    is_async: bool
    is_blocking: bool
    builds: Mapping[str, Build]
    whole_names: tuple[str, ...]
    invocation_name: str | None


def _result(value: object) -> Result:
    if isinstance(value, Result):
        return value
    if type(value) is not dict and not isinstance(value, Mapping):
        return Result(data=value)
    said = cast(Mapping[object, object], value)
    if "success" not in said or said["success"] is True:
        return Result(data=said)
    if said["success"] is not False:
        return Result(data=said, success=None)
    error = said.get("error")
    return Result(data=said, success=False, error=error if isinstance(error, str) else None)


def _arguments(arguments: Mapping[str, Any], builds: Mapping[str, Build]) -> dict[str, Any]:
    try:
        return built(arguments, builds)
    except (ValueError, TypeError) as error:
        raise ToolCallFailed(f"an argument cannot be used: {error}", was_sent=False) from error


def _read(function: Callable[..., Any], where: str, *, is_blocking: bool) -> tuple[_Call, dict[str, Json]]:
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
    parameters: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        parameters["required"] = required
    if reader.definitions:
        parameters["$defs"] = reader.definitions
    call = _Call(
        target=function,
        is_async=inspect.iscoroutinefunction(function),
        is_blocking=is_blocking,
        builds={name: build for name, build in builds.items() if build is not whole},
        whole_names=tuple(name for name, build in builds.items() if build is whole),
        invocation_name=invocation_name,
    )
    return call, parameters


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


def _first_sentence(function: Callable[..., Any]) -> str:
    paragraph = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return _SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]


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
