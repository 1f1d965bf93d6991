"""Carrying a run out from the command line: signals, the live view, and what its end means for the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trackrecord.cli.live import Quiet, Screen, View
from trackrecord.cli.stopping import Stopping
from trackrecord.cli.terminal import Terminal

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.runner import Run
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
    """

    run: Run | None
    exit_code: int


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


async def carry(
    tr: Trackrecord, agent: Agent, inputs: Mapping[str, object] | None, wish: Wish, view: View, stopping: Stopping
) -> Carried:
    """Run the agent in an open database; a signal cancels the run and is not lost.

    Raises:
        RequestError, Refused: it never became a run.
    """
    if stopping.exit_code is not None:
        return Carried(run=None, exit_code=stopping.exit_code)
    started = await tr.start(
        agent, inputs, engine=wish.engine, model=wish.model, prompt=wish.prompt, now=wish.now, watcher=view.watch
    )
    stopping.attach(started)
    run = await started.task
    return Carried(run=run, exit_code=exit_code(run.status, stopping))


def carry_out(
    tr: Trackrecord, agent: Agent, inputs: Mapping[str, object] | None, wish: Wish, terminal: Terminal
) -> Carried:
    """Open the database, run the agent, close it again; with a live view where there is somebody to watch.

    Raises:
        RequestError, Refused: it never became a run. StoreError: its record could not be kept.
    """
    view = view_of(agent.name, terminal)
    stopping = Stopping(view.say)

    async def work() -> Carried:
        stopping.listen()
        try:
            async with tr:
                return await carry(tr, agent, inputs, wish, view, stopping)
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
