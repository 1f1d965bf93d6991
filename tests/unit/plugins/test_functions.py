"""Rules of Python functions as plugins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from trackrecord.errors import PluginError
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Action, Invocation, Result, ToolCallFailed
from trackrecord.plugins.registry import Registry


async def called(plugin: FunctionPlugin, action: str, **arguments: Any) -> Result:
    """The result of a call, its arguments checked as the context would."""
    bound = Registry([plugin]).find(plugin.name, action)
    assert bound is not None
    assert () == bound.problems(arguments)
    return await plugin.call(Invocation(action=action, arguments=arguments, idempotency_key="run:path"))


def test_hints_and_docstring_say_what_the_action_is() -> None:
    """Name, description and schema come from the function alone, and an undeclared effect is unsafe."""
    plugin = FunctionPlugin("crm", description="Customers.")

    @plugin.action
    def find_orders(email: str, limit: int = 10) -> list[str]:
        """Find the orders of a customer, e.g. open ones. Sorted by date.

        Args:
            email: the customer's address,
                in any case.
            limit (int): most orders to return.

        Returns:
            The orders.
        """
        return [email][:limit]

    expected = Action(
        name="find_orders",
        description="Find the orders of a customer, e.g. open ones.",
        parameters={
            "type": "object",
            "properties": {
                "email": {"type": "string", "description": "the customer's address, in any case."},
                "limit": {"type": "integer", "description": "most orders to return.", "default": 10},
            },
            "additionalProperties": False,
            "required": ["email"],
        },
        effect="unsafe",
    )
    assert expected == plugin.actions["find_orders"]
    assert ["a"] == find_orders("a")


def test_what_the_decorator_says_wins() -> None:
    """Name, description, effect, timeout and output can be given, and then the function's own do not count."""
    plugin = FunctionPlugin("crm")

    @plugin.action(name="get", description="Get it.", effect="keyed", timeout_ms=50, output={"type": "string"})
    async def fetch() -> str:
        """Something else."""
        return "it"

    action = plugin.actions["get"]
    assert ("Get it.", "keyed", 50, {"type": "string"}) == (
        action.description,
        action.effect,
        action.timeout_ms,
        action.output,
    )
    assert ["get"] == list(plugin.actions)


async def test_async_runs_here_plain_runs_in_a_thread_unless_it_says_it_is_quick() -> None:
    """An async function is awaited in the caller's own task, a plain one cannot hold up the loop."""
    plugin = FunctionPlugin("where")

    @plugin.action(effect="read")
    async def here() -> bool:
        return asyncio.current_task() is caller

    @plugin.action(effect="read")
    def beside() -> bool:
        return threading.current_thread() is threading.main_thread()

    @plugin.action(effect="read", blocking=False)
    def quick() -> bool:
        return threading.current_thread() is threading.main_thread()

    caller = asyncio.current_task()
    said = [(await called(plugin, name)).data for name in ("here", "beside", "quick")]
    assert [True, False, True] == said


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (Result(data=[1]), [1]),
        (Result(data=None), None),
        (Result(data={"a": 1}), {"a": 1}),
        (Result(data={"success": True}), {"success": True}),
        (Result(data={"success": None}, success=None), {"success": None}),
        (Result(data={"success": "yes"}, success=None), {"success": "yes"}),
        (Result(data={"success": 1}, success=None), {"success": 1}),
        (
            Result(data={"success": False, "error": "full"}, success=False, error="full"),
            {"success": False, "error": "full"},
        ),
        (Result(data={"success": False, "error": 5}, success=False), {"success": False, "error": 5}),
        (Result(data=7, success=None), Result(data=7, success=None)),
    ],
)
async def test_success_is_what_the_tool_says(expected: Result, value: object) -> None:
    """Returning is success, unless the result says otherwise; what it leaves open is unknown and never true."""
    plugin = FunctionPlugin("crm")

    @plugin.action(blocking=False)
    def answer() -> object:
        return value

    assert expected == await called(plugin, "answer")


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("how", ["async", "thread", "inline"])
async def test_what_a_function_raises_goes_through_unchanged(kind: type[BaseException], how: str) -> None:
    """The context decides what an exception means, so the plugin hides none, of whatever kind."""
    plugin = FunctionPlugin("crm")
    boom = kind("boom")

    async def fail_async() -> None:
        raise boom

    def fail() -> None:
        raise boom

    plugin.action(name="fail", blocking=how != "inline")(fail_async if how == "async" else fail)
    with pytest.raises(kind) as caught:
        await called(plugin, "fail")
    assert boom is caught.value


async def test_a_function_can_ask_for_its_invocation() -> None:
    """A parameter hinted as Invocation is filled in, and no caller can see or set it."""
    plugin = FunctionPlugin("crm")

    @plugin.action
    async def charge(amount: int, call: Invocation) -> list[object]:
        return [amount, call.idempotency_key]

    assert [5, "run:path"] == (await called(plugin, "charge", amount=5)).data
    assert ["amount"] == list(plugin.actions["charge"].parameters["properties"])  # type: ignore[arg-type]


async def test_building_arguments_leaves_the_invocation_as_it_was() -> None:
    """A second attempt gets the arguments of the first, not what the first made of them."""
    plugin = FunctionPlugin("crm")

    @plugin.action(blocking=False)
    def half(amount: int) -> int:
        return range(8)[amount]

    invocation = Invocation(action="half", arguments={"amount": 3.0})
    assert [3, 3] == [(await plugin.call(invocation)).data for _ in range(2)]
    assert float is type(invocation.arguments["amount"])


async def test_an_unknown_action_never_left() -> None:
    """A call of an action that is not there provably had no effect."""
    with pytest.raises(ToolCallFailed, match="no action 'burn'") as caught:
        await FunctionPlugin("crm").call(Invocation(action="burn", arguments={}))
    assert (False, False) == (caught.value.was_sent, caught.value.is_transient)


async def test_a_bound_method_and_a_callable_object_are_functions_too() -> None:
    """Whatever can be called with named arguments can be an action."""

    class Till:
        """Adds up."""

        total = 0

        async def add(self, amount: int) -> int:
            self.total += amount
            return self.total

        def __call__(self, amount: int) -> int:
            return self.total - amount

    till = Till()
    plugin = FunctionPlugin("till")
    plugin.action(till.add)
    plugin.action(name="sub", blocking=False)(till)
    assert 4 == (await called(plugin, "add", amount=4)).data
    assert 3 == (await called(plugin, "sub", amount=1)).data


async def test_a_plain_function_that_hands_on_a_coroutine_is_awaited() -> None:
    """A wrapper around an async function gives what the function gives, not an unawaited coroutine."""
    plugin = FunctionPlugin("crm")

    async def inner() -> str:
        return "inside"

    @plugin.action
    def outer() -> object:
        return inner()

    assert "inside" == (await called(plugin, "outer")).data


def _anything(**rest: int) -> None: ...
def _many(*rest: int) -> None: ...
def _by_place(first: int, /) -> None: ...
def _bare(first) -> None: ...  # type: ignore[no-untyped-def]
def _one_by_one() -> Iterator[int]:
    yield 1


def _hidden(first: Absent) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("words", "function"),
    [
        ("parameter 'rest' of action '_anything' of plugin 'crm' is variadic keyword", _anything),
        ("variadic positional", _many),
        ("positional-only", _by_place),
        ("parameter 'first' of action '_bare' of plugin 'crm' has no type hint", _bare),
        ("is a generator", _one_by_one),
        ("name 'Absent'", _hidden),
    ],
)
def test_a_signature_without_a_json_form_is_refused_at_decoration(words: str, function: Callable[..., object]) -> None:
    """What no schema can describe is said where the function is written, with the cure."""
    with pytest.raises(PluginError) as caught:
        FunctionPlugin("crm").action(function)
    assert words in caught.value.message
    assert caught.value.cure


def test_an_action_is_defined_once() -> None:
    """A second function of the same name is a mistake, not a replacement."""
    plugin = FunctionPlugin("crm")
    plugin.action(name="go")(lambda: 1)
    with pytest.raises(PluginError, match="defined twice"):
        plugin.action(name="go")(lambda: 2)
