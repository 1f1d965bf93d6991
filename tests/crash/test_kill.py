"""SIGKILL exactly at every place of a run, and the record is that of a run nobody disturbed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.crash import story
from tests.crash.killing import (
    Place,
    Stage,
    around,
    die,
    forked,
    fresh,
    go_on,
    is_complete,
    let_go,
    places,
    staged,
    wrongs,
)
from tests.crash.server import CountingServer, counting

SHARES = 4
A_CALL = ("s:each/i:1/s:pay/tool", 1)  # an unsafe one


@pytest.fixture(scope="module")
def server() -> Generator[CountingServer]:
    with counting() as one:
        yield one


@pytest.fixture
async def stage(server: CountingServer, tmp_path: Path) -> Stage:
    server.reset()
    return await staged(server, tmp_path)


async def tried(stage: Stage, tmp_path: Path, *killed_at: Place, durability: str = "sync") -> list[str]:
    """What is wrong with a run whose processes were killed at these places, one after the other; in words."""
    stage.server.reset()
    folder = fresh(tmp_path, "killed", stage.blank)
    try:
        for place in killed_at:
            die(stage, folder, place, durability)
        found = await go_on(stage, folder, durability)
        wrong = wrongs(stage, found, folder, durability)
        if durability == "async" and found.execution["epoch"] > 1:
            is_honest = not found.execution["usage_complete"] or found.execution["interruptions_count"] == 0
        else:
            is_honest = is_complete(stage, found)
        wrong += [] if is_honest else [f"usage_complete is {found.execution['usage_complete']}"]
    except (AssertionError, TimeoutError) as error:
        wrong = [f"{type(error).__name__} {error}"]
    finally:
        shutil.rmtree(folder)
    return [f"{', then '.join(map(str, killed_at))}: {one}" for one in wrong]


@pytest.mark.parametrize("share", range(SHARES))
async def test_killed_anywhere_it_ends_as_undisturbed(tmp_path: Path, stage: Stage, share: int) -> None:
    """At every effect and every statement: it died there, went on in another process, and there are 0 differences."""
    everywhere = places(stage.expected)
    assert {"model", "tool", "recall", "remember", "wait"} <= {span.kind for span in stage.expected.spans}
    assert len(everywhere) > 150
    wrong = [one for place in everywhere[share::SHARES] for one in await tried(stage, tmp_path, place)]
    assert [] == wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["rough", "failing"])
async def test_killed_where_things_go_wrong(tmp_path: Path, server: CountingServer, name: str) -> None:
    """Races, tolerated failures and a failure that ends the run: at every effect, and there are 0 differences."""
    server.reset()
    stage = await staged(server, tmp_path, name)
    assert {"rough": "completed", "failing": "failed"}[name] == stage.expected.execution["status"]
    assert "cancelled" in {span.status for span in stage.expected.spans}
    wrong = [one for place in around(stage.expected) for one in await tried(stage, tmp_path, place)]
    assert [] == wrong, "\n".join(wrong)


async def test_killed_twice(tmp_path: Path, stage: Stage) -> None:
    """A process that goes on with a run may be killed as well, wherever that is."""
    chance = random.Random(4)
    order = sorted(places(stage.expected), key=lambda place: _place_in_time(stage, place))
    pairs = [sorted(chance.sample(range(len(order)), 2)) for _ in range(60)]
    apart = [(order[one], order[two]) for one, two in pairs if _are_apart(stage, order[one], order[two])][:10]
    assert len(apart) == 10
    wrong = [one for pair in apart for one in await tried(stage, tmp_path, *pair)]
    assert [] == wrong, "\n".join(wrong)


@pytest.mark.parametrize("end", ["", ".precommit", ".postcommit"])
async def test_killed_while_a_person_settles(tmp_path: Path, stage: Stage, end: str) -> None:
    """What a person says of an unknown outcome counts once its transaction is committed, and once."""
    settling = Place(f"approval.settle{end}", "outcome")
    wrong = await tried(stage, tmp_path, Place(None, "start", A_CALL), settling)
    assert [] == wrong, "\n".join(wrong)


async def test_killed_under_async(tmp_path: Path, stage: Stage) -> None:
    """Nothing counts twice and no unsafe call is made twice; what is not known is said to be not known."""
    sample = places(stage.expected)[::9]
    wrong = [one for place in sample for one in await tried(stage, tmp_path, place, durability="async")]
    assert [] == wrong, "\n".join(wrong)


@pytest.mark.parametrize("is_closed", [False, True], ids=["cancelled", "closed"])
async def test_killed_while_it_is_cancelled(tmp_path: Path, server: CountingServer, is_closed: bool) -> None:
    """What was cancelled stays so: its steps are recorded as stopped by then, and nothing of it is done again."""
    server.reset()
    stage = await staged(server, tmp_path, "slow")
    assert "completed" == stage.expected.execution["status"]
    server.reset()
    folder = fresh(tmp_path, "killed", stage.blank)
    child = forked(story.cancelled_child, str(folder), server.port, "journal.postcommit", is_closed)
    child.join(30)
    assert (-9, "journal.postcommit\n") == (child.exitcode, (folder / story.TOLD).read_text())
    let_go(stage, folder)
    before = dict(server.sent)
    found = await go_on(stage, folder)
    code = "signal" if is_closed else "user"
    assert ("cancelled", code) == (found.execution["status"], found.execution["error_code"])
    assert before == dict(server.sent)
    assert [] == [one for one in wrongs(stage, found, folder) if one.startswith("verify")]


def _place_in_time(stage: Stage, place: Place) -> tuple[int, int]:
    """When the undisturbed run came by; of statements those of the finish come last."""
    if place.effect is None:
        return (9, 0) if place.name and place.name.startswith(("finish", "engine")) else (0, 0)
    return next((s.epoch, s.start_us) for s in stage.expected.spans if (s.path, s.attempt) == place.effect)


def _are_apart(stage: Stage, one: Place, two: Place) -> bool:
    """Whether the second is another effect than the first, and is certainly met after it by who goes on."""
    if one.effect is None or two.effect is None or two.effect[1] > 1:
        return False
    return _place_in_time(stage, one)[0] < _place_in_time(stage, two)[0]
