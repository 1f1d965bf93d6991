"""Approvals in whole runs: a run rests until somebody decides, once, and goes on with what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import say

from trackrecord import Run, Trackrecord
from trackrecord.cli.look import Look
from trackrecord.cli.pages.record import record_page
from trackrecord.cli.stored import read_run
from trackrecord.clock import now
from trackrecord.errors import BadInput, Conflict, NotAnApprover
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

SAID: list[dict[str, Any]] = [
    {"id": "say", "type": "llm", "prompt": "Say."},
    {"id": "ok", "type": "approval", "message": "Go on?", "approvers": ["anna", "ben"]},
    {"id": "told", "type": "transform", "operation": "set", "value": "{{ steps.ok.data }}"},
]


def steps(**changes: Any) -> list[dict[str, Any]]:
    return [SAID[0], SAID[1] | changes, SAID[2]]


async def asked(tr: Trackrecord, **changes: Any) -> Run:
    """A run that has asked and rests."""
    run = await tr.run(kit.agent(steps(**changes)), {})
    assert "waiting" == run.status
    return run


def ended(path: Path, run: Run) -> tuple[Any, ...]:
    """How the run stands: status, model calls, tokens; nothing may be amiss in its database."""
    with SqliteReader(path) as reader:
        assert [] == [one for check in verify(reader).checks for one in check.findings]
    row = kit.execution(path, run.id)
    return row["status"], row["model_calls_count"], row["tokens_used"]


async def test_a_decision_brings_the_run_back(tmp_path: Path) -> None:
    """It goes on at once where it rested, with the decision, by whom, and why; nothing before it is done again."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr)
        await tr.approve(run.id, by="anna", comment="fine")
        await kit.quiet(tr, ended=run.id)
    assert ("completed", 1, kit.IN + kit.OUT) == ended(path, run)
    with SqliteReader(path) as reader:
        output = reader.payload(run.id, "output")
    assert output is not None
    assert '{"by":"anna","comment":"fine","decision":"approved"}' == output["body"]


async def test_twice_by_the_wrong_person_and_two_at_once(tmp_path: Path) -> None:
    """F7: one decision counts; whoever is no approver is refused, whoever is late is told."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr)
        with pytest.raises(NotAnApprover):
            await tr.approve(run.id, by="mallory")
        said = await asyncio.gather(tr.approve(run.id, by="anna"), tr.reject(run.id, by="ben"), return_exceptions=True)
        assert 1 == sum(isinstance(one, Conflict) for one in said)
        with pytest.raises(Conflict):
            await tr.approve(run.id, by="anna")
        await kit.quiet(tr, ended=run.id)
    assert "completed" == ended(path, run)[0]


@pytest.mark.parametrize("on_timeout", ["approve", "reject"])
async def test_nobody_answers(tmp_path: Path, on_timeout: str) -> None:
    """F7, never: when the time is over the run goes on by itself, with what was agreed, in nobody's name."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await tr.run(kit.agent(steps(timeout="1s", on_timeout=on_timeout)), {})
        await kit.quiet(tr, ended=run.id)
        with pytest.raises(Conflict):
            await tr.approve(run.id, by="anna")
    assert "completed" == ended(path, run)[0]
    with SqliteReader(path) as reader:
        (question,) = reader.rows("SELECT decision, decided_by, comment FROM approvals")
    decision = {"approve": "approved", "reject": "rejected"}[on_timeout]
    assert (decision, None, "timed out") == tuple(question.values())


async def test_after_cancel(tmp_path: Path) -> None:
    """F7: a cancelled run has ended, and no answer changes that."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr)
        await tr.cancel(run.id)
        assert [] == await tr.approvals()
        with pytest.raises(Conflict, match="has ended as 'cancelled'"):
            await tr.approve(run.id, by="anna")
    assert ("cancelled", 1, kit.IN + kit.OUT) == ended(path, run)


async def test_all_approvers_in_another_process(tmp_path: Path) -> None:
    """A run that rests holds nothing: answered from elsewhere by all it needs, it goes on when it is opened again."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr, needs="all")
    async with kit.opened(path, say("said"), resumes=False) as other:
        assert (await other.approve(run.id, by="ben")).decision is None
        assert ("approved", "anna") == ((decided := await other.approve(run.id, by="anna")).decision, decided.by)
        assert "waiting" == kit.execution(path, run.id)["status"]
    async with kit.opened(path, say("said")) as tr:
        await kit.quiet(tr, ended=run.id)
    assert ("completed", 1, kit.IN + kit.OUT) == ended(path, run)


async def test_answering_and_closing_at_once_ends(tmp_path: Path) -> None:
    """The word to the sweep and its end may come together: closing does not wait for ever."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr)
    async with asyncio.timeout(20):
        async with kit.opened(path, say("said"), resumes=False) as other:
            await other.approve(run.id, by="anna")
    assert kit.execution(path, run.id)["ready_at"] is not None


LATER: dict[str, Any] = {"id": "later", "type": "approval", "message": "And now?"}
SOON: dict[str, Any] = {"id": "w", "type": "action", "plugin": "kit", "action": "wait", "params": {"seconds": 0.5}}
BROKEN: dict[str, Any] = {"id": "bad", "type": "action", "plugin": "kit", "action": "fail"}


@pytest.mark.parametrize(
    "around",
    [
        {"type": "parallel", "join": "any", "branches": {"asks": [SAID[1]], "acts": [SOON]}},
        {"type": "parallel", "on_error": "continue", "branches": {"asks": [SAID[1]], "acts": [SOON, BROKEN]}},
    ],
    ids=["another branch was first", "a sibling failed"],
)
async def test_a_question_that_nobody_waits_for_any_more_is_withdrawn(tmp_path: Path, around: dict[str, Any]) -> None:
    """F7: it is not listed, an answer is refused and changes nothing; the run's other question is not mixed up."""
    path = tmp_path / "runs.db"
    place = "s:p/b:asks/s:ok/wait"
    async with kit.opened(path, say("said")) as tr:
        run = await tr.run(kit.agent([{"id": "p", **around}, LATER]), {})
        assert [("waiting", "s:later/wait")] == [(one.run_status, one.path) for one in await tr.approvals()]
        for by, asked_at in (("anna", place), ("mallory", place)):
            with pytest.raises(Conflict, match="is asked no more"):
                await tr.approve(run.id, asked_at, by=by)
        with pytest.raises(BadInput, match="asks nothing at 's:nowhere'") as caught:
            await tr.approve(run.id, "s:nowhere", by="anna")
        assert "Open there: 's:later/wait'." == caught.value.cure
        with SqliteReader(path) as reader:
            page = record_page(read_run(reader, run.id), Look(width=100), now())
        assert "withdrawn: the run went on without it" in page
        assert "s:later/wait" == (await tr.approve(run.id)).path
        await kit.quiet(tr, ended=run.id)
    assert ("completed", 0, 0) == ended(path, run)
    with SqliteReader(path) as reader:
        decisions = reader.rows("SELECT path, decision FROM approvals ORDER BY path")
    assert [("s:later/wait", "approved"), (place, None)] == [tuple(row.values()) for row in decisions]


async def test_a_run_that_ends_withdraws_its_questions(tmp_path: Path) -> None:
    """F7, after cancel: the page says that nobody answered, and no longer for whom it is."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr)
        await tr.cancel(run.id)
    with SqliteReader(path) as reader:
        page = record_page(read_run(reader, run.id), Look(width=100), now())
    assert "the run ended before anybody answered" in page
    assert "anna" not in page


async def test_too_late(tmp_path: Path) -> None:
    """F7, expired: once the time is over no answer counts, whether or not the run has gone on yet."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, say("said")) as tr:
        run = await asked(tr, timeout="1h")
    connection = driver.connect(str(path))
    connection.execute("DROP TRIGGER approvals_change")
    connection.execute("UPDATE approvals SET expires_at = '2020-01-01T00:00:00.000000Z'")
    connection.execute("UPDATE agent_executions SET ready_at = '2020-01-01T00:00:00.000000Z'")
    connection.commit()
    connection.close()
    async with kit.opened(path, say("said"), resumes=False) as other:
        for answer in (other.approve, other.reject):
            with pytest.raises(Conflict, match=r"the time to answer 's:ok/wait' of run .* was over at 2020"):
                await answer(run.id, by="anna")
    async with kit.opened(path, say("said")) as tr:
        await kit.quiet(tr, ended=run.id)
    with SqliteReader(path) as reader:
        [question] = reader.rows("SELECT decision, decided_by, comment FROM approvals")
    assert ("rejected", None, "timed out") == tuple(question.values())
    assert "completed" == kit.execution(path, run.id)["status"]
