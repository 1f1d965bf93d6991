"""`trackrecord demo`: the main job in one command. An agent through two engines, both records, and the proof."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord import examples
from trackrecord.cli import terminal
from trackrecord.cli.carrying import Carried, Wish, carry, of_agent, view_of
from trackrecord.cli.database import scoring
from trackrecord.cli.escape import line
from trackrecord.cli.look import paragraph
from trackrecord.cli.stopping import Stopping
from trackrecord.cli.stored import read_run
from trackrecord.cli.typed import Db
from trackrecord.clock import now, stamp
from trackrecord.errors import StoreUnusable
from trackrecord.places import make_data_folder, sqlite_path, sqlite_url
from trackrecord.store.reader import SqliteReader

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.wiring import Trackrecord

_ENGINES: Final = ("agentkit", "orchestrator")
_DEFAULT: Final = "triage"


def command(
    example: Annotated[
        str, typer.Argument(metavar="[EXAMPLE]", help=f"a bundled agent: {', '.join(examples.names())} ({_DEFAULT})")
    ] = _DEFAULT,
    is_whole: Annotated[bool, typer.Option("--all", help="list every field of the parity table")] = False,
    db: Db = None,
) -> int:
    """Run a bundled agent through AgentKit and through the Orchestrator, offline, and compare what they left.

    Without --db the records go to a new database in your data folder, and stay there. Exit code: 0 the records agree.
    """
    from trackrecord.agent import Agent  # the engines and all they need
    from trackrecord.config import read_settings
    from trackrecord.wiring import Trackrecord

    folder = _copied(example)
    url = db or sqlite_url(folder.parent / "runs.db")
    agent = Agent.load(folder / examples.AGENT_FILE)
    look = terminal.here().out
    terminal.say(look.heading("One agent, two engines, one record."))
    terminal.say("\n".join(paragraph(f"{line(agent.name)}: {line(agent.description)}", look.width)))
    terminal.say(look.dim(f"model {agent.model}: offline, no key; plugins and files are real") + "\n")
    carried = _carried(Trackrecord(url, settings=read_settings(db=url, files_root=str(folder)), resumes=False), agent)
    ids = [one.run.id for one in carried if one.run is not None]
    if len(ids) < len(_ENGINES):
        terminal.tell("stopped; what had run is recorded")
        return carried[-1].exit_code
    is_ok = _prove(sqlite_path(url), ids, is_whole=is_whole)
    terminal.say(_next_steps(url, agent.name))
    return 0 if is_ok else 1


def _copied(example: str) -> Path:
    """A copy of the example's folder in the data folder, for an example writes beside what it reads."""
    source = examples.path(example)
    home = make_data_folder() / "demo"
    moment = f"{now():%Y-%m-%d-%H%M%S}"
    for place in (home / moment, *(home / f"{moment}-{number}" for number in range(2, 100))):
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreUnusable(
                f"{str(place)!r} cannot be made: {error.strerror}", cure="Name another folder with XDG_DATA_HOME."
            ) from error
        return shutil.copytree(source, place / example, ignore=shutil.ignore_patterns("__pycache__"))
    raise StoreUnusable(f"{str(home)!r} is full of demos of this very second", cure="Try again.")


def _carried(tr: Trackrecord, agent: Agent) -> list[Carried]:
    """Both engines' runs, one after the other, both at the same moment: neither can recall the other."""
    present = stamp(now())
    place = terminal.here()
    carried: list[Carried] = []

    async def work() -> None:
        view = view_of(agent.name, place)
        stopping = Stopping(view.say)
        stopping.listen()
        try:
            with view:
                async with tr:
                    for engine in _ENGINES:
                        begin = of_agent(tr, agent, None, Wish(engine=engine, now=present))
                        carried.append(await carry(begin, view, stopping))
        finally:
            stopping.ignore()

    asyncio.run(work())
    return carried


def _prove(path: Path, ids: Sequence[str], *, is_whole: bool) -> bool:
    """Print both records, the parity table and what the oracle says; whether all is well."""
    from trackrecord.cli.pages.parity import parity_page  # the fold, and every check
    from trackrecord.cli.pages.side_by_side import answer_lines, side_by_side
    from trackrecord.cli.pages.verification import verdict_line
    from trackrecord.parity import compare_runs
    from trackrecord.verify import verify

    look = terminal.here().out
    with SqliteReader(path) as reader:
        left, right = (read_run(reader, run_id) for run_id in ids)
        comparison = compare_runs(reader, *ids, settings=scoring())
        verification = verify(reader, scoring())
    terminal.say("\n".join([side_by_side(left, right, look), *answer_lines(left, right, look), ""]))
    terminal.say(parity_page(comparison, look, is_whole=is_whole))
    terminal.say(verdict_line(verification, look))
    return comparison.is_ok() and verification.is_clean


def _next_steps(url: str, agent: str) -> str:
    look = terminal.here().out
    commands = (
        f"export TRACKRECORD_DB={shlex.quote(url)}",
        "trackrecord runs",
        "trackrecord show last",
        "trackrecord show last --html record.html",
        f"trackrecord intensity {shlex.quote(line(agent))}",
        "trackrecord verify",
    )
    tried = (f"  {look.paint(one, 'cyan')}" for one in commands)
    return "\n".join(["", "The records are kept in", f"  {sqlite_path(url)}", "Look at them:", *tried])
