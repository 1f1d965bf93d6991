"""Carrying a run out from the command line: signals, the live view, and what its end means for the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from trackrecord.cli.live import Quiet, Screen, View
from trackrecord.cli.stopping import Stopping
from trackrecord.cli.terminal import Terminal

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.handles import Run, Started
    from trackrecord.wiring import Trackrecord

COMPLETED: Final = 0
FAILED: Final = 1
WAITING: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A run that was carried out.

    Attributes:
        run: None when a signal came before it had begun.
        exit_code: 0 completed, 1 failed, 3 waiting, 128 and the signal's number when a signal cancelled it.
        left_behind: other runs of this database that nobody carries and that could go on.
    """

    run: Run | None
    exit_code: int
    left_behind: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How an agent is to be run; None leaves it to the agent.

    Attributes:
        now: stamp of the moment the run takes for the present; None for the real one.
    """

    engine: str = "auto"
    model: str | None = None
    prompt: str | None = None
    now: str | None = None


Begin = Callable[[View], "Awaitable[Started]"]
"""Begins a run, or goes on with one, in an open database; the view is to watch it."""


def of_agent(tr: Trackrecord, agent: Agent, inputs: Mapping[str, object] | None, wish: Wish) -> Begin:
    """A new run of an agent."""
    given = (wish.engine, wish.model, wish.prompt, wish.now)

    async def begin(view: View) -> Started:
        engine, model, prompt, now = given
        return await tr.start(agent, inputs, engine=engine, model=model, prompt=prompt, now=now, watcher=view.watch)

    return begin


async def carry(begin: Begin, view: View, stopping: Stopping) -> Carried:
    """Carry a run out in an open database; a signal cancels it and is not lost.

    Raises:
        RequestError, Refused: it never became a run, or cannot go on here.
    """
    if stopping.exit_code is not None:
        return Carried(run=None, exit_code=stopping.exit_code)
    started = await begin(view)
    stopping.attach(started)
    run = await started.task
    return Carried(run=run, exit_code=exit_code(run.status, stopping))


def carry_out(tr: Trackrecord, title: str, begin: Begin, terminal: Terminal) -> Carried:
    """Open the database, carry the run out, close it again; with a live view where there is somebody to watch.

    Raises:
        RequestError, Refused: it never became a run. StoreError: its record could not be kept.
    """
    view = view_of(title, terminal)
    stopping = Stopping(view.say)

    async def work() -> Carried:
        stopping.listen()
        try:
            async with tr:
                carried = await carry(begin, view, stopping)
                return replace(carried, left_behind=await tr.left_behind())
        finally:
            stopping.ignore()

    with view:
        return asyncio.run(work())


def view_of(title: str, terminal: Terminal) -> View:
    """A live view where stderr can be redrawn, else none."""
    from trackrecord.cli.escape import line

    return Screen(line(title, 60), terminal.err) if terminal.is_live else Quiet()


def exit_code(status: str, stopping: Stopping) -> int:
    """What a run's end means for whoever started the command."""
    if status == "completed":
        return COMPLETED
    if status in ("running", "waiting", "queued"):
        return WAITING
    if status == "cancelled" and stopping.exit_code is not None:
        return stopping.exit_code
    return FAILED
