"""Python functions as plugins: decorate a function, and its hints and docstring say the rest.

The signature is read once, at decoration; a call looks nothing up and copies nothing it need not. Records nothing,
retries nothing: the context does. What the function raises goes to the context as it is, of whatever kind.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CoroutineType, MappingProxyType
from typing import Any, TypeVar, cast, overload

from trackrecord.canonical import Json
from trackrecord.errors import PluginError
from trackrecord.plugins.processes import PROCESSES, Address
from trackrecord.plugins.protocol import Action, EffectClass, Invocation, Result, ToolCallFailed
from trackrecord.plugins.returned import read_result
from trackrecord.plugins.signatures import Signature, first_sentence, read_signature
from trackrecord.plugins.threads import THREADS

F = TypeVar("F", bound=Callable[..., Any])


class FunctionPlugin:
    """A plugin made of Python functions.

        crm = FunctionPlugin("crm", description="Customers and their orders.")

        @crm.action(effect="read")
        async def find_customer(email: str) -> dict[str, str]:
            '''Find a customer by e-mail address.'''

    An `async def` is awaited where it is called. A plain `def` runs in a thread, so that it cannot hold up other runs;
    one that only computes for a moment runs on the spot with `blocking=False`. With `own_process=True` it runs in
    a process that is killed when the call is given up: a thread cannot be, and a crash in one takes everything along.

    What a function returns is the data, and `success` is True because it returned; a mapping with a key `success` says
    itself: null (or anything but true and false) is recorded as unknown, false as a failure the tool reported, with
    `error` as its words. A returned `Result` is taken as it is.
    """

    def __init__(self, name: str, *, description: str = "", credentials: Iterable[str] = ()) -> None:
        """Begin without actions.

        Args:
            name: how agents and models refer to the plugin.
            description: what it is for, one sentence.
            credentials: handles of the secrets that its calls are given, in `Invocation.credentials`.
        """
        self._credentials = tuple(credentials)
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
    def credentials(self) -> tuple[str, ...]:
        """Handles of the secrets that its calls are given."""
        return self._credentials

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
        own_process: bool = False,
        memory_mb: int | None = None,
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
        own_process: bool = False,
        memory_mb: int | None = None,
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
            own_process: True runs a plain `def` of an importable module in a fresh process for each call.
            memory_mb: how much memory a call in its own process may take beside what Python has; None for no limit.
            output: JSON Schema of the data; None when it does not say.

        Raises:
            PluginError: the name is taken, the signature has no JSON form, or the function cannot be found by another
                process.
        """

        def add(target: F) -> F:
            title = name if name is not None else str(getattr(target, "__name__", type(target).__name__))
            where = f"action {title!r} of plugin {self._name!r}"
            if title in self._actions:
                raise PluginError(f"{where} is defined twice", cure="Give one of them another name.")
            signature = read_signature(target, where)
            if memory_mb is not None and (not own_process or memory_mb < 1):
                raise PluginError(
                    f"{where} has memory_mb {memory_mb!r}", cure="Give own_process=True and a number from 1."
                )
            self._calls[title] = _Call(
                target=target,
                signature=signature,
                is_async=inspect.iscoroutinefunction(target),
                is_blocking=blocking,
                address=_address(target, where, memory_mb) if own_process else None,
            )
            self._actions[title] = Action(
                name=title,
                description=description if description is not None else first_sentence(target),
                parameters=signature.parameters,
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
        if call.address is not None:
            return await PROCESSES.call(call.address, invocation)
        arguments = call.signature.arguments(invocation)
        if call.is_async:
            value = await call.target(**arguments)
        elif call.is_blocking:
            value = await THREADS.run(lambda: call.target(**arguments))
        else:
            value = call.target(**arguments)
        if type(value) is CoroutineType:  # a plain function that wraps an async one hands its coroutine on
            value = await cast("CoroutineType[Any, Any, object]", value)
        return read_result(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    target: Callable[..., Any]
    signature: Signature
    is_async: bool
    is_blocking: bool
    address: Address | None


def _address(function: Callable[..., Any], where: str, memory_mb: int | None) -> Address:
    """Where another process finds the function.

    Raises:
        PluginError: it finds none there.
    """
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise PluginError(f"{where} is no plain function", cure="Write it with `def`: only such a one may block.")
    if "<" in function.__qualname__:
        raise PluginError(
            f"{where} cannot be imported by another process ({function.__module__}.{function.__qualname__})",
            cure="Define it at the top level of a module.",
        )
    return Address(module=function.__module__, name=function.__qualname__, memory_mb=memory_mb)
