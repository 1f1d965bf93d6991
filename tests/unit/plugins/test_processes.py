"""Rules of the processes that run functions: which functions may, how many at once, and in what surroundings."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackrecord import FunctionPlugin
from trackrecord.errors import PluginError
from trackrecord.plugins.processes import Address, Processes
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

SOURCE = """
import os, time
from trackrecord.plugins.protocol import ToolCallFailed

print("imported")

def where() -> str:
    return os.getcwd()

def take(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

def number() -> int:
    return os.getppid()

def refuse() -> None:
    raise ToolCallFailed("nobody answered", is_transient=True, has_response=False, was_sent=False, retry_after_s=2)

def generator():
    yield 1
"""


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Two processes at most, and a module `sample` that can be imported."""
    (tmp_path / "sample.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    made = Processes(2)
    yield made
    made.close()


def plain() -> None:
    """Do nothing."""


async def call(processes: Processes, name: str, module: str = "sample", **arguments: object) -> object:
    invocation = Invocation(action=name, arguments=arguments)  # type: ignore[arg-type]
    return (await processes.call(Address(module=module, name=name), invocation)).data


async def test_no_more_at_once_than_may_be(processes: Processes) -> None:
    """Calls beyond the bound wait their turn, and all of them are answered."""
    await asyncio.gather(*(call(processes, "take", seconds=0.0) for _ in range(2)))
    began = time.monotonic()
    assert [0.2] * 6 == await asyncio.gather(*(call(processes, "take", seconds=0.2) for _ in range(6)))
    assert time.monotonic() - began > 0.55
    assert 2 == len(processes._idle)


async def test_a_process_that_answered_is_used_again(processes: Processes) -> None:
    """One call after the other needs one warden."""
    assert await call(processes, "number") == await call(processes, "number")


async def test_a_process_has_the_folder_of_its_caller(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the folder, or the search path, gets a process that knows."""
    assert os.getcwd() == await call(processes, "where")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) == await call(processes, "where")
    other = tmp_path / "other"
    other.mkdir()
    (other / "sample.py").write_text("def where() -> str:\n    return 'other'\n")
    monkeypatch.syspath_prepend(other)
    assert "other" == await call(processes, "where")


def test_every_loop_may_use_them(processes: Processes) -> None:
    """A process outlives the loop whose call it carried out."""
    first, second = (asyncio.run(call(processes, "number")) for _ in range(2))
    assert first == second


async def test_a_loop_that_is_torn_down_leaves_no_process(processes: Processes) -> None:
    """A call whose coroutine is closed while it waits lets its process go; it ends by itself."""
    address, invocation = Address(module="sample", name="take"), Invocation(action="take", arguments={"seconds": 30.0})
    work = processes.call(address, invocation)
    waits_for = work.send(None)
    work.close()
    waits_for.cancel()  # type: ignore[attr-defined]
    [warden] = processes._ending
    async with asyncio.timeout(10):
        while warden.process.poll() is None:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("sample", "nothing", "AttributeError: module 'sample' has no attribute 'nothing'"),
        ("no_such_module", "f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("sample", "generator", "PluginError: sample.generator is a generator"),
    ],
)
async def test_a_function_that_cannot_be_had_is_a_failed_call(
    processes: Processes, module: str, name: str, words: str
) -> None:
    """What cannot be imported was provably never called, and the next call is carried out."""
    with pytest.raises(ToolCallFailed, match=words) as caught:
        await call(processes, name, module)
    assert not caught.value.was_sent
    assert 0.0 == await call(processes, "take", seconds=0.0)


async def test_what_a_failure_says_of_itself_crosses(processes: Processes) -> None:
    """Whether another attempt makes sense is known on this side too."""
    with pytest.raises(ToolCallFailed, match="nobody answered") as caught:
        await call(processes, "refuse")
    error = caught.value
    assert (True, False, False, 2.0) == (
        error.is_transient,
        error.has_response,
        error.was_sent,
        error.retry_after_s,
    )


async def test_only_importable_plain_functions_have_processes() -> None:
    """A function that another process could not find, or that does not block, is refused at decoration."""
    plugin = FunctionPlugin("p")

    def inner() -> None:
        """Stand inside another function."""

    async def waiting() -> None:
        """Wait."""

    for function, words in ((inner, "cannot be imported"), (waiting, "no plain function")):
        with pytest.raises(PluginError, match=words):
            plugin.action(own_process=True)(function)


async def test_a_function_of_the_program_itself_is_told_apart(processes: Processes) -> None:
    """The program that was started is not run a second time to find a function in it: the call says what to do."""
    with pytest.raises(ToolCallFailed, match="move it to a module of its own"):
        await call(processes, "main", "__main__")
    assert not processes._idle


@pytest.mark.parametrize(("own_process", "memory_mb"), [(False, 64), (True, 0)])
def test_a_memory_limit_needs_a_process(own_process: bool, memory_mb: int) -> None:
    """A limit that nobody would hold is refused."""
    with pytest.raises(PluginError, match="memory_mb"):
        FunctionPlugin("p").action(own_process=own_process, memory_mb=memory_mb)(plain)
