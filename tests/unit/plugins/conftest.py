"""What the tests of plugins share: calling an action the way the context does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trackrecord.canonical import clean
from trackrecord.plugins.protocol import Invocation, Plugin
from trackrecord.plugins.registry import Registry

Use = Callable[..., Awaitable[Any]]


@pytest.fixture
def use() -> Use:
    """Calls an action with checked arguments and gives its canonical data."""

    async def call(plugin: Plugin, action: str, /, **arguments: Any) -> Any:
        bound = Registry([plugin]).find(plugin.name, action)
        assert bound is not None, action
        assert () == bound.problems(arguments)
        result = await plugin.call(Invocation(action=action, arguments=arguments, idempotency_key="run:path"))
        data = clean(result.data)
        assert data == result.data, "a built-in answers in plain JSON"
        return data

    return call
