"""Where a process can be killed, how it is killed just there, and what must be right when another has gone on.

The places come from what an undisturbed run has recorded and from the source, so that a new effect or statement is
covered by itself. A process that was killed has said where, or the server has that it killed it: no test passes because
nothing was killed.
"""

from __future__ import annotations

import multiprocessing
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.crash import story
from tests.crash.comparing import Left, differences, left
from tests.crash.server import CountingServer, path_of

from trackrecord.record.spans import EFFECT_KINDS
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

ROOT = Path(__file__).parents[2]
EXPIRED = """
UPDATE agent_executions SET created_at = '2000-01-01T00:00:00.000000Z',
    lease_until = CASE WHEN status = 'running' THEN '2000-01-01T00:00:00.000000Z' ELSE lease_until END
WHERE completed_at IS NULL
"""
_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["tests.crash.preload"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is to be killed.

    Attributes:
        name: of the failpoint; None when the server does it.
        when: from when on it is armed.
        effect: path and attempt of the effect; None of transactions.
    """

    name: str | None
    when: str = "start"
    effect: tuple[str, int] | None = None

    def __str__(self) -> str:
        return self.name or "sent@{}#{}".format(*(self.effect or ()))


@dataclass(frozen=True, slots=True)
class Stage:
    """What all kills share.

    Attributes:
        server: what the tools and the model ask.
        blank: a database without runs.
        expected: what the undisturbed run left.
        asked: what the server had counted then, by class and path.
        name: of the workflow.
    """

    server: CountingServer
    blank: Path
    expected: Left
    asked: Mapping[tuple[str, str], int]
    name: str = "whole"


async def staged(server: CountingServer, tmp_path: Path, name: str = "whole") -> Stage:
    """The undisturbed run."""
    blank = tmp_path / "blank"
    blank.mkdir()
    async with story.opened(blank, server.port) as tr:
        await tr.grant_credits(1_000_000)
    folder = fresh(tmp_path, "undisturbed", blank)
    async with story.opened(folder, server.port) as tr:
        await tr.run(story.worker(name), {})
        await story.carried(tr, server.port)
    return Stage(server, blank, left(folder / "runs.db"), by_path(server.sent), name)


def fresh(tmp_path: Path, name: str, blank: Path) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(blank / "runs.db", folder / "runs.db")
    return folder


def by_path(counted: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {(effect, path_of(key)): count for (effect, key), count in counted.items()}


OF_CHILDREN = ("finish.parent", "finish.run_checkpoints")  # killed there in tests/engines/test_children.py


def places(expected: Left) -> list[Place]:
    """Every effect of the run at every point around it, and every statement that the source names."""
    return [*around(expected), *statements()]


def around(expected: Left) -> list[Place]:
    """Every effect of the run at every point around it; one that was stopped has no later ones."""
    effects = [span for span in expected.spans if span.kind in EFFECT_KINDS]
    found: list[Place] = []
    for span in effects:
        where = (span.path, span.attempt)
        found += [_around(span.kind, point, where) for point in ("marker", "before")]
        if span.kind in ("model", "tool"):
            found.append(Place(None, "start", where))
        if span.status not in ("cancelled", "unknown"):
            found += [_around(span.kind, point, where) for point in ("after", "done")]
    return found


def _around(kind: str, point: str, where: tuple[str, int]) -> Place:
    return Place(f"{kind}.{point}@{where[0]}#{where[1]}", "start", where)


def statements() -> list[Place]:
    source = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    named = sorted(set(re.findall(r'failpoints\.reach\("([a-z_.]+)"\)', source)))
    late = {"park": "start", "begin": "approval", "engine": "start", "finish": "start"}
    named = [name for name in named if name not in OF_CHILDREN]
    found = [Place(name, late[name.partition(".")[0]]) for name in named if name.partition(".")[0] in late]
    ends = ("precommit", "postcommit")
    found += [Place(f"{unit}.{end}", when) for unit, when in late.items() if unit != "engine" for end in ends]
    found += [Place(f"approval.ask{end}") for end in ("", ".precommit", ".postcommit")]
    found += [Place(f"approval.decide{end}", "approval") for end in ("", ".precommit", ".postcommit")]
    return [*found, Place("accept.precommit"), Place("accept.postcommit"), Place("begin.postcommit")]


def forked(target: Callable[..., None], *given: object) -> ForkServerProcess:
    """A process of its own, under way; forked from one that has loaded everything."""
    child = _forked.Process(target=target, args=given)
    child.start()
    return child


def die(stage: Stage, folder: Path, place: Place, durability: str = "sync") -> None:
    """Run, or go on with the run that is there, in a process that is killed at the place and nowhere else."""
    server = stage.server
    server.fatal = place.effect if place.name is None else None
    points = {} if place.name is None else {place.when: place.name}
    child = forked(story.child, str(folder), server.port, durability, points, "kill", stage.name)
    child.join(30)
    if child.is_alive():
        child.kill()
        child.join()
        raise AssertionError(f"{place}: the process neither died nor ended")
    told = folder / story.TOLD
    died_at = told.read_text().splitlines() if told.exists() else []
    assert (-signal.SIGKILL, str(place)) == (
        child.exitcode,
        "sent@{}#{}".format(*server.killed[-1]) if place.name is None and server.killed else "".join(died_at[-1:]),
    ), f"{place}: it did not die there"
    server.fatal = None
    let_go(stage, folder)


def let_go(stage: Stage, folder: Path) -> None:
    """Let the lease be over; what the server refused and nobody has recorded, it refuses again."""
    connection = driver.connect(str(folder / "runs.db"))
    connection.execute(EXPIRED)
    connection.commit()
    failed = {path for (path,) in connection.execute("SELECT path FROM run_spans WHERE status = 'failed'")}
    connection.close()
    for path in {path for (_, path) in by_path(stage.server.sent)} - failed:
        stage.server.unheard(path)


async def go_on(stage: Stage, folder: Path, durability: str = "sync") -> Left:
    """What is left once the next process has gone on with it."""
    async with story.opened(folder, stage.server.port, durability) as tr:
        if story.run_of(folder) is None:  # it was never accepted: whoever asked for it asks again
            await tr.run(story.worker(stage.name), {})
        await story.carried(tr, stage.server.port)
    return left(folder / "runs.db")


def wrongs(stage: Stage, found: Left, folder: Path, durability: str = "sync") -> list[str]:
    """What is wrong with a record, or with what the server was asked for it; in words."""
    wrong = differences(stage.expected, found)
    with SqliteReader(folder / "runs.db") as reader:
        wrong += [f"verify: {finding}" for check in verify(reader).checks for finding in check.findings]
    run_ids = {key.partition(":")[0] for effect, key in stage.server.sent if effect != "model"}
    if run_ids != {found.execution["id"]}:
        wrong.append(f"keys of other runs: {run_ids}")
    return wrong + overdone(stage, found, durability)


def overdone(stage: Stage, found: Left, durability: str) -> list[str]:
    """What the server was asked too often, or never: an unsafe call twice, a keyed one that had not been lost."""
    sent, done = by_path(stage.server.sent), by_path(stage.server.done)
    wrong: list[str] = []
    for effect, path in sorted({*sent, *stage.asked}):
        count, asked = sent.get((effect, path), 0), stage.asked.get((effect, path), 0)
        may_repeat = effect == "read" or (durability == "async" and effect != "unsafe")
        least = asked if found.known.get(path, [])[-1:] == ["ok"] else asked - found.lost[path]
        most = asked + (found.execution["epoch"] if may_repeat else found.lost[path])
        if not least <= count <= most:
            wrong.append(f"{effect} {path} was asked {count} times, and {least} to {most} would be right")
        if effect == "unsafe" and done.get((effect, path), 0) > 1:
            wrong.append(f"unsafe {path} was done {done[effect, path]} times")
    return wrong


def is_complete(stage: Stage, found: Left) -> bool:
    """Whether the record says that its usage is complete just when an undisturbed one does and nothing was lost."""
    might_be = bool(stage.expected.execution["usage_complete"]) and found.lost_model_calls == 0
    return might_be == bool(found.execution["usage_complete"])
