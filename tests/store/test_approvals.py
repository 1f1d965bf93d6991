"""Questions to people: asked once, decided once, by whom it is for and in time; and the answer wakes its run."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.store import runs
from tests.store.test_crash import child

from trackrecord import clock, failpoints
from trackrecord.errors import BadInput, Conflict, NotAnApprover, StoreError, TrackrecordError, UnknownRun
from trackrecord.record.record import Ending
from trackrecord.store.asked import has_come
from trackrecord.store.driver import driver
from trackrecord.store.protocol import Begun
from trackrecord.store.reader import SqliteReader
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.verify import verify

PAST = "2000-01-01T00:00:00.000000Z"
MARKER: dict[str, Any] = {"path": "s:send/tool", "state": "started", "effect": "unsafe"}


async def begun_run(store: SqliteStore) -> tuple[Any, Begun]:
    run = runs.origin()
    await store.accept(runs.accepted(run))
    return run, await store.begin(run.tenant_id, run.run_id)


async def asking(store: SqliteStore, path: Path, *, parked: bool = True, **changes: Any) -> str:
    """A run that has asked, and rests."""
    run, begun = await begun_run(store)
    await store.approvals.ask(runs.asked(run.run_id, **changes))
    if parked:
        store._leases.let_go(begun)
        runs.park(path, run.run_id)
    return run.run_id


async def unknown_outcome(store: SqliteStore, path: Path, *, parked: bool = True) -> str:
    """A run that died between the marker of an unsafe effect and its result, begun again, and asking what became."""
    run, begun = await begun_run(store)
    journal = store.journal(begun, "sync")
    journal.append(None, runs.checkpoint(runs.tool_span(1), attempt=1, **MARKER | {"state": "done", "outcome": "{}"}))
    journal.append(None, runs.checkpoint(runs.tool_span(1), attempt=2, **MARKER))
    await journal.commit()
    asked = runs.asked(run.run_id, path="s:send/tool", kind="unknown_outcome", message="Was it sent?")
    await store.approvals.ask(asked)
    if parked:
        store._leases.let_go(begun)
        runs.park(path, run.run_id, "unknown_outcome")
    return run.run_id


def one(path: Path, sql: str, *bound: Any) -> Any:
    connection = runs.look(path)
    try:
        return connection.execute(sql, bound).fetchone()
    finally:
        connection.close()


def due(path: Path, run_id: str) -> tuple[str, str | None]:
    return one(path, "SELECT status, ready_at FROM agent_executions WHERE id = ?", run_id)


def actions(path: Path) -> list[tuple[str, str]]:
    connection = runs.look(path)
    sql = "SELECT action, details FROM audit_events WHERE action NOT LIKE 'run.%' ORDER BY id"
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


async def decide(store: SqliteStore, run_id: str, by: str = "anna", decision: Any = "approved", **given: Any) -> Any:
    path, comment = given.get("path", "s:ok/wait"), given.get("comment")
    return await store.approvals.decide(runs.TENANT, run_id, path, by, decision, comment)


async def settle(store: SqliteStore, run_id: str, outcome: Any = "done", data: Any = None) -> Any:
    return await store.approvals.settle(runs.TENANT, run_id, "s:send/tool", outcome, data, "anna")


async def test_a_question_is_asked_once(store: SqliteStore, path: Path) -> None:
    """Asked again after a resume, the first question stands as it was; nobody has decided it."""
    run, _ = await begun_run(store)
    first = await store.approvals.ask(runs.asked(run.run_id, approvers=("anna",)))
    again = await store.approvals.ask(runs.asked(run.run_id, message="Another?", expires_at=None))
    assert first == again == await store.approvals.look(runs.TENANT, run.run_id, "s:ok/wait")
    assert (None, None, runs.FAR) == (first.decision, first.by, first.expires_at)
    assert ("Send it?", '["anna"]') == one(path, "SELECT message, approvers FROM approvals")


async def test_a_decision_is_kept_and_makes_the_run_due(store: SqliteStore, path: Path) -> None:
    """Who decided what, when and with which words is in the row and the audit; a waiting run can begin at once."""
    run_id = await asking(store, path)
    with pytest.raises(Conflict, match="waits for somebody to answer"):
        await store.begin(runs.TENANT, run_id)
    given = await decide(store, run_id, comment="  go on  ")
    assert ("approved", "anna", "go on") == (given.decision, given.by, given.comment)
    status, ready_at = due(path, run_id)
    assert "waiting" == status
    assert ready_at is not None
    assert ready_at <= clock.stamp(clock.now())
    assert [("approval.decided", '{"by":"anna","decision":"approved","path":"s:ok/wait"}')] == actions(path)
    assert 2 == (await store.begin(runs.TENANT, run_id)).epoch


async def test_a_decision_leaves_a_run_that_is_under_way_alone(store: SqliteStore, path: Path) -> None:
    """Another branch may still be at work: the run keeps its lease and finds the decision when it looks."""
    run_id = await asking(store, path, parked=False)
    await decide(store, run_id, decision="rejected")
    assert ("running", None) == due(path, run_id)
    assert "rejected" == (await store.approvals.look(runs.TENANT, run_id, "s:ok/wait")).decision


async def test_a_second_decision_is_told_who_was_first(store: SqliteStore, path: Path) -> None:
    """F7, twice: nothing changes, whether the path is named or not."""
    run_id = await asking(store, path)
    await decide(store, run_id)
    before = runs.contents(path)
    for given in ("s:ok/wait", None):
        with pytest.raises(Conflict, match=r"'s:ok/wait' of run .* was decided by 'anna' at 2.*: approved"):
            await decide(store, run_id, "ben", "rejected", path=given)
    assert before == runs.contents(path)


async def test_who_is_no_approver_decides_nothing(store: SqliteStore, path: Path) -> None:
    """F7, by the wrong person: refused as forbidden, with whom it is for and the name that was meant."""
    run_id = await asking(store, path, approvers=("anna", "ben"))
    before = runs.contents(path)
    with pytest.raises(NotAnApprover, match="'anne' may not decide") as refused:
        await decide(store, run_id, "anne")
    assert ("not_an_approver", 403) == (refused.value.code, refused.value.http_status)
    assert "Did you mean 'anna'? It is for 'anna', 'ben' to decide; say who you are: --as NAME." == refused.value.cure
    assert before == runs.contents(path)


@pytest.mark.parametrize("status", ["cancelled", "completed"])
async def test_an_ended_run_takes_no_answer(store: SqliteStore, path: Path, status: Any) -> None:
    """F7, after cancel: the run's end stands, and says how it ended."""
    run, begun = await begun_run(store)
    await store.approvals.ask(runs.asked(run.run_id))
    assert await store.finish(runs.finished(run, begun, ending=Ending(status=status)))
    before = runs.contents(path)
    for given in ("s:ok/wait", "s:ok"):
        with pytest.raises(Conflict, match=f"has ended as {status!r}"):
            await decide(store, run.run_id, path=given)
    with pytest.raises(Conflict, match=f"has ended as {status!r}"):
        await decide(store, run.run_id, path=None)
    assert before == runs.contents(path)
    assert [] == store.approvals.open(runs.TENANT)


async def test_an_answer_after_the_deadline_comes_too_late(store: SqliteStore, path: Path) -> None:
    """F7, expired: once its time is over no answer counts, even if the run has not looked at the clock yet."""
    run_id = await asking(store, path, expires_at=PAST)
    before = runs.contents(path)
    with pytest.raises(Conflict, match="was over at 2000"):
        await decide(store, run_id)
    assert before == runs.contents(path)


@pytest.mark.parametrize(("on_timeout", "decision"), [("approve", "approved"), ("reject", "rejected")])
async def test_time_decides_by_what_was_agreed(store: SqliteStore, path: Path, on_timeout: Any, decision: str) -> None:
    """F7, never: nobody answers, so the question's own rule does, in nobody's name."""
    run_id = await asking(store, path, expires_at=PAST, on_timeout=on_timeout)
    stands = await store.approvals.expire(runs.TENANT, run_id, "s:ok/wait")
    assert (decision, None, "timed out") == (stands.decision, stands.by, stands.comment)
    assert stands == await store.approvals.expire(runs.TENANT, run_id, "s:ok/wait")
    assert ["approval.decided"] == [action for action, _ in actions(path)]
    with pytest.raises(Conflict, match="decided by nobody in time at"):
        await decide(store, run_id)


async def test_time_decides_nothing_before_it_is_over_or_after_somebody_did(store: SqliteStore, path: Path) -> None:
    """A deadline ahead leaves the question open; a decision stands whatever the clock says later."""
    run_id = await asking(store, path)
    assert (await store.approvals.expire(runs.TENANT, run_id, "s:ok/wait")).decision is None
    await decide(store, run_id)
    stands = await store.approvals.look(runs.TENANT, run_id, "s:ok/wait")
    assert "approved" == stands.decision
    assert stands == await store.approvals.expire(runs.TENANT, run_id, "s:ok/wait")


async def test_the_deadline_and_a_person_race_for_one_decision(store: SqliteStore, path: Path) -> None:
    """Whoever is in time wins, and the other finds that decision: never two, never none."""
    soon = clock.stamp(clock.now().replace(microsecond=0))
    for number in range(40):
        run_id = await asking(store, path, expires_at=None if number % 2 else soon)
        answered, expired = await asyncio.gather(
            decide(store, run_id), store.approvals.expire(runs.TENANT, run_id, "s:ok/wait"), return_exceptions=True
        )
        stands = await store.approvals.look(runs.TENANT, run_id, "s:ok/wait")
        if number % 2:
            assert ("anna", "approved") == (stands.by, stands.decision)
            assert expired == stands
            assert (answered.by, answered.decision) == (stands.by, stands.decision)
        else:
            assert isinstance(answered, Conflict)
            assert expired == stands
            assert (None, "rejected") == (stands.by, stands.decision)


async def test_all_must_approve(store: SqliteStore, path: Path) -> None:
    """With `all`, each approver has one vote and the last one decides; until then the run is not due."""
    run_id = await asking(store, path, approvers=("anna", "ben", "carol"), needs="all")
    for name in ("ben", "anna"):
        assert (await decide(store, run_id, name)).decision is None
    with pytest.raises(Conflict, match=r"'ben' has voted .* already, at .*: approved") as voted:
        await decide(store, run_id, "ben", "rejected")
    assert voted.value.cure.endswith("it waits for 'carol'.")
    assert ("waiting", None) == due(path, run_id)
    (asked,) = store.approvals.open(runs.TENANT)
    assert (["ben", "anna"], ("carol",)) == ([vote.by for vote in asked.votes], asked.missing)
    assert ("approved", "carol") == ((stands := await decide(store, run_id, "carol")).decision, stands.by)
    assert ["approval.voted", "approval.voted", "approval.decided"] == [action for action, _ in actions(path)]


async def test_one_rejection_decides_where_all_must_approve(store: SqliteStore, path: Path) -> None:
    """Nobody needs to be asked any more."""
    run_id = await asking(store, path, approvers=("anna", "ben", "carol"), needs="all")
    await decide(store, run_id, "anna")
    stands = await decide(store, run_id, "ben", "rejected", comment="too dear")
    assert ("rejected", "ben", "too dear") == (stands.decision, stands.by, stands.comment)
    assert [] == store.approvals.open(runs.TENANT)


async def test_without_a_path_the_only_open_question_is_meant(store: SqliteStore, path: Path) -> None:
    """Of several the paths are told; a decided one is none of them."""
    run_id = await asking(store, path)
    await store.approvals.ask(runs.asked(run_id, path="s:other/wait"))
    with pytest.raises(BadInput, match="asks 2 questions") as several:
        await decide(store, run_id, path=None)
    assert "Say which: 's:ok/wait', 's:other/wait'." == several.value.cure
    await decide(store, run_id, path="s:ok")
    await decide(store, run_id, "ben", path=None)
    decided = [("s:ok/wait", "anna"), ("s:other/wait", "ben")]
    connection = runs.look(path)
    assert decided == connection.execute("SELECT path, decided_by FROM approvals ORDER BY path").fetchall()
    connection.close()


async def test_what_is_not_there_is_told(store: SqliteStore, path: Path) -> None:
    """An unknown run, another tenant's, a run that asks nothing, a path with a slip: each its own words."""
    run_id = await asking(store, path)
    with pytest.raises(UnknownRun):
        await decide(store, clock.new_id())
    with pytest.raises(UnknownRun):
        await store.approvals.decide(clock.new_id(), run_id, None, "anna", "approved", None)
    with pytest.raises(BadInput, match="asks nothing at 's:of/wait'") as slip:
        await decide(store, run_id, path="s:of/wait")
    assert "Did you mean 's:ok/wait'? Open there: 's:ok/wait'." == slip.value.cure
    silent, _ = await begun_run(store)
    with pytest.raises(BadInput, match=r"\(running\) asks for no approval"):
        await decide(store, silent.run_id, path=None)
    for look in (store.approvals.look, store.approvals.expire):
        with pytest.raises(BadInput, match="asks nothing at"):
            await look(runs.TENANT, silent.run_id, "s:ok/wait")


@pytest.mark.parametrize(
    "given",
    [{"by": "  "}, {"by": "a" * 201}, {"comment": "a" * 2_001}, {"decision": "maybe"}, {"path": "s:send/tool"}],
)
async def test_an_answer_that_cannot_be_used_changes_nothing(store: SqliteStore, path: Path, given: Any) -> None:
    """No name, too long a one, too many words, no decision, or an answer to what is no approval."""
    run_id = await unknown_outcome(store, path)
    before = runs.contents(path)
    with pytest.raises(BadInput):
        await decide(store, run_id, **given)
    assert before == runs.contents(path)


async def test_two_at_once_and_one_wins(store: SqliteStore, path: Path) -> None:
    """F7, two at once: of eight tasks on one store each time one decides and seven are told by whom."""
    for _ in range(5):
        run_id = await asking(store, path)
        names = [f"person {number}" for number in range(8)]
        said = await asyncio.gather(*(decide(store, run_id, name) for name in names), return_exceptions=True)
        lost = [error for error in said if isinstance(error, Conflict)]
        stands = await store.approvals.look(runs.TENANT, run_id, "s:ok/wait")
        assert (7, 1) == (len(lost), len(said) - len(lost))
        assert all(f"decided by {stands.by!r}" in error.message for error in lost)


def test_eight_threads_with_a_store_each(path: Path) -> None:
    """Eight writers on one file: one decision a question, seven conflicts, and one vote in its row."""
    ready, told = threading.Barrier(8), []

    async def prepare() -> list[str]:
        store = SqliteStore.open(path, synchronous="NORMAL")
        made = [await asking(store, path) for _ in range(5)]
        await store.close()
        return made

    questions = asyncio.run(prepare())

    async def answer(name: str) -> None:
        store = SqliteStore.open(path, synchronous="NORMAL")
        for run_id in questions:
            await asyncio.get_running_loop().run_in_executor(None, ready.wait)
            try:
                await decide(store, run_id, name)
                told.append((run_id, name))
            except Conflict:
                told.append((run_id, None))
        await store.close()

    threads = [threading.Thread(target=lambda n=n: asyncio.run(answer(f"person {n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 40 == len(told)
    winners = dict(sorted((run_id, name) for run_id, name in told if name is not None))
    assert (set(questions), 5) == (set(winners), sum(name is not None for _, name in told))
    connection = runs.look(path)
    rows = connection.execute("SELECT run_id, decided_by, json_array_length(votes) FROM approvals").fetchall()
    connection.close()
    assert {(run_id, name, 1) for run_id, name in winners.items()} == set(rows)
    assert 5 == len(actions(path))


async def test_processes_that_decide_at_once(store: SqliteStore, path: Path) -> None:
    """Four processes on one file: one wins, three are told."""
    run_id = await asking(store, path)
    racing = [child("answer", path, f"decide:{run_id}:person {number}") for number in range(4)]
    told = sorted(one.communicate(timeout=60)[0].strip() for one in racing)
    stands = await store.approvals.look(runs.TENANT, run_id, "s:ok/wait")
    assert ["won"] == told[3:]
    assert all(f"conflict 's:ok/wait' of run '{run_id}' was decided by '{stands.by}'" in one for one in told[:3])


@pytest.mark.parametrize("outcome", ["done", "retry"])
async def test_a_settled_outcome_is_what_the_resumed_run_finds(store: SqliteStore, path: Path, outcome: Any) -> None:
    """The attempt that was open is closed with what is said of it, and the run is due."""
    run_id = await unknown_outcome(store, path)
    data = {"to": "Zoë", "ids": [1, 2]} if outcome == "done" else None
    stands = await settle(store, run_id, outcome, data)
    assert (outcome, "anna") == (stands.decision, stands.by)
    stored = one(path, "SELECT state, outcome FROM run_checkpoints WHERE attempt = 2")
    said = {"done": '{"settled":"done","value":{"ids":[1,2],"to":"Zoë"}}', "retry": '{"settled":"retry"}'}
    assert ("done", said[outcome]) == stored
    assert ("{}",) == one(path, "SELECT outcome FROM run_checkpoints WHERE attempt = 1")
    assert [("outcome.settled", f'{{"by":"anna","outcome":"{outcome}","path":"s:send/tool"}}')] == actions(path)
    again = await store.begin(runs.TENANT, run_id)
    assert [said[outcome]] == [
        one.outcome for one in again.checkpoints if one.path == "s:send/tool" and one.attempt == 2
    ]
    with pytest.raises(Conflict, match=f"decided by 'anna' at .*: {outcome}"):
        await settle(store, run_id)


async def test_an_effect_may_be_asked_about_again(store: SqliteStore, path: Path) -> None:
    """Settled as `retry` and interrupted again, each time is a question of its own, settled under the same path."""
    run_id = await unknown_outcome(store, path)
    asked = runs.asked(run_id, path="s:send/tool", kind="unknown_outcome", message="Was it sent?")
    for attempt in range(2, 13):
        await settle(store, run_id, "retry")
        begun = await store.begin(runs.TENANT, run_id)
        assert has_come(store._door._reader, runs.TENANT, run_id, ("s:other/wait", "s:send/tool"))
        journal = store.journal(begun, "sync")
        journal.append(None, runs.checkpoint(runs.tool_span(1), attempt=attempt + 1, **MARKER))
        await journal.commit()
        assert (await store.approvals.ask(asked)).decision is None
        assert await store.approvals.ask(asked) == await store.approvals.look(runs.TENANT, run_id, "s:send/tool")
        assert not has_come(store._door._reader, runs.TENANT, run_id, ("s:send/tool",))
        (one,) = store.approvals.open(runs.TENANT)
        assert (f"s:send/tool#{attempt}", "s:send/tool") == (one.path, one.place)
        store._leases.let_go(begun)
        runs.park(path, run_id, "unknown_outcome")
    settled = await store.approvals.settle(runs.TENANT, run_id, "s:send", "done", {"sent": 1}, "anna")
    assert ("s:send/tool#12", "done") == (settled.path, settled.decision)
    connection = runs.look(path)
    of_effect = "SELECT outcome FROM run_checkpoints WHERE path = 's:send/tool' ORDER BY attempt"
    outcomes = connection.execute(of_effect).fetchall()
    connection.close()
    retried = [('{"settled":"retry"}',)] * 11
    assert [("{}",), *retried, ('{"settled":"done","value":{"sent":1}}',)] == outcomes


async def test_done_without_data_is_null(store: SqliteStore, path: Path) -> None:
    """The effect happened and gave nothing that anybody knows of."""
    run_id = await unknown_outcome(store, path)
    await settle(store, run_id)
    stored = one(path, "SELECT outcome FROM run_checkpoints WHERE attempt = 2")
    assert ('{"settled":"done","value":null}',) == stored


async def test_what_cannot_be_settled_is_told(store: SqliteStore, path: Path) -> None:
    """A run under way, an approval, an outcome that is none, data with a retry, too much data, no open attempt."""
    running = await unknown_outcome(store, path, parked=False)
    with pytest.raises(Conflict, match="is running: an outcome is settled while the run waits"):
        await settle(store, running)
    approval = await asking(store, path)
    with pytest.raises(BadInput, match="is an approval"):
        await store.approvals.settle(runs.TENANT, approval, "s:ok/wait", "done", None, "anna")
    run_id = await unknown_outcome(store, path)
    before = runs.contents(path)
    for outcome, data in (("maybe", None), ("retry", {"sent": 1}), ("done", "a" * (1 << 20))):
        with pytest.raises(BadInput):
            await settle(store, run_id, outcome, data)
    assert before == runs.contents(path)
    connection = runs.look(path)
    connection.execute("UPDATE run_checkpoints SET state = 'done', outcome = '{}' WHERE run_id = ?", (run_id,))
    connection.close()
    with pytest.raises(Conflict, match="no attempt is open at 's:send/tool'"):
        await settle(store, run_id)
    assert (None,) == one(path, "SELECT decision FROM approvals WHERE run_id = ?", run_id)


async def test_time_never_decides_an_unknown_outcome(store: SqliteStore, path: Path) -> None:
    """Whether a message was sent is no matter of time."""
    run, _ = await begun_run(store)
    asked = runs.asked(run.run_id, path="s:send/tool", kind="unknown_outcome", expires_at=PAST)
    await store.approvals.ask(asked)
    assert (await store.approvals.expire(runs.TENANT, run.run_id, "s:send/tool")).decision is None


async def answered(store: SqliteStore, path: Path, verb: str) -> tuple[str, Any]:
    """A run, and what is to be done with it."""
    if verb == "ask":
        run, _ = await begun_run(store)
        return run.run_id, lambda: store.approvals.ask(runs.asked(run.run_id))
    if verb == "expire":
        run_id = await asking(store, path, expires_at=PAST)
        return run_id, lambda: store.approvals.expire(runs.TENANT, run_id, "s:ok/wait")
    if verb == "decide":
        run_id = await asking(store, path)
        return run_id, lambda: decide(store, run_id)
    run_id = await unknown_outcome(store, path)
    return run_id, lambda: settle(store, run_id)


@pytest.mark.parametrize("verb", ["ask", "expire", "decide", "settle"])
@pytest.mark.parametrize("place", ["", ".precommit"])
async def test_a_fault_leaves_nothing(store: SqliteStore, path: Path, verb: str, place: str) -> None:
    """What fails before its commit has not happened, and can be done again."""
    _, work = await answered(store, path, verb)
    before = runs.contents(path)
    with failpoints.armed(f"approval.{verb}{place}"), pytest.raises(StoreError):
        await work()
    assert before == runs.contents(path)
    await work()
    assert before != runs.contents(path)


@pytest.mark.parametrize("verb", ["ask", "decide", "settle"])
@pytest.mark.parametrize("place", ["", ".precommit", ".postcommit"])
async def test_a_killed_process_leaves_all_or_nothing(store: SqliteStore, path: Path, verb: str, place: str) -> None:
    """SIGKILL before the commit leaves no answer, after it the whole one: decision, waking and audit."""
    run_id, _ = await answered(store, path, verb)
    before = runs.contents(path)
    killed = child("answer", path, f"{verb}:{run_id}:anna", f"approval.{verb}{place}")
    assert -9 == (killed.communicate(timeout=60), killed.returncode)[1]
    if place != ".postcommit":
        assert before == runs.contents(path)
    elif verb == "ask":
        assert [run_id] == [asked.run_id for asked in store.approvals.open(runs.TENANT)]
    else:
        assert (1, True) == (len(actions(path)), due(path, run_id)[1] is not None)
        assert [] == store.approvals.open(runs.TENANT)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE approvals SET decision = 'rejected'",
        "UPDATE approvals SET decision = NULL, decided_by = NULL, decided_at = NULL",
        "UPDATE approvals SET comment = 'I never said that'",
        "DELETE FROM approvals",
    ],
)
async def test_a_decision_cannot_be_rewritten(store: SqliteStore, path: Path, change: str) -> None:
    """Whoever writes to the file, what was decided stays; and what is open cannot be asked differently."""
    run_id = await asking(store, path)
    connection = runs.look(path)
    with pytest.raises(driver.IntegrityError, match="only by being answered"):
        connection.execute("UPDATE approvals SET approvers = '[\"mallory\"]'")
    await decide(store, run_id)
    before = runs.contents(path)
    with pytest.raises(driver.IntegrityError):
        connection.execute(change)
    connection.close()
    assert before == runs.contents(path)


async def test_questions_go_with_their_run(store: SqliteStore, path: Path) -> None:
    """Retention deletes an ended run and with it what it asked, decided or not; `verify` finds nothing amiss."""
    run, begun = await begun_run(store)
    await store.approvals.ask(runs.asked(run.run_id))
    await store.approvals.ask(runs.asked(run.run_id, path="s:two/wait"))
    await decide(store, run.run_id)
    assert await store.finish(runs.finished(run, begun))
    with SqliteReader(path, tenant_id=runs.TENANT) as reader:
        checks = {check.name: check for check in verify(reader).checks}
    assert [] == [*checks["parents"].findings, *checks["tenants"].findings]
    connection = runs.look(path)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("DELETE FROM agent_executions WHERE id = ?", (run.run_id,))
    connection.close()
    assert 0 == runs.count(path, "approvals")


async def test_only_a_run_of_the_tenant_can_ask(store: SqliteStore, path: Path) -> None:
    """A question without its run, or under another tenant, is refused by the table itself."""
    run, _ = await begun_run(store)
    for changes in ({"run_id": clock.new_id()}, {"run_id": run.run_id, "tenant_id": clock.new_id()}):
        with pytest.raises(TrackrecordError, match="cannot be stored"):
            await store.approvals.ask(runs.asked(**{"run_id": run.run_id} | changes))
    assert 0 == runs.count(path, "approvals")


async def test_what_is_open_is_listed(store: SqliteStore, path: Path) -> None:
    """The oldest first, of all runs that have not ended or of one; another tenant sees none of it."""
    first, second = [await asking(store, path, message=text) for text in ("one", "two")]
    assert [first, second] == [asked.run_id for asked in store.approvals.open(runs.TENANT)]
    (asked,) = store.approvals.open(runs.TENANT, second)
    assert ("two", "researcher", "waiting", "approval") == (
        asked.message,
        asked.agent_name,
        asked.run_status,
        asked.kind,
    )
    assert [] == store.approvals.open(clock.new_id())


async def withdrawn(store: SqliteStore, path: Path) -> str:
    """A run with two questions in a race, of which `s:race/b:a/s:left` has lost; another is asked after it."""
    run, begun = await begun_run(store)
    for at in ("s:race/b:a/s:left/wait", "s:race/b:b/s:right/wait", "s:later/try:2/wait"):
        await store.approvals.ask(runs.asked(run.run_id, path=at))
    await decide(store, run.run_id, path="s:race/b:b/s:right")
    journal = store.journal(begun, "sync")
    lost = runs.tool_span(1, path="s:race/b:a/s:left/wait", kind="wait", status="cancelled", attributes={})
    journal.append(lost, None)
    await journal.commit()
    store._leases.let_go(begun)
    runs.park(path, run.run_id)
    return run.run_id


async def test_a_question_that_lost_a_race_is_withdrawn(store: SqliteStore, path: Path) -> None:
    """It is listed nowhere, does not stand in the way of the one that is open, and takes no answer."""
    run_id = await withdrawn(store, path)
    assert ["s:later/try:2/wait"] == [asked.path for asked in store.approvals.open(runs.TENANT)]
    for place in ("s:race/b:a/s:left", "left"):
        with pytest.raises(Conflict, match="is asked no more: another branch was first") as late:
            await decide(store, run_id, path=place)
        assert late.value.cure.startswith("Nothing was changed.")
    with pytest.raises(BadInput, match="asks nothing at 's:rest'") as slip:
        await decide(store, run_id, path="s:rest")
    assert "'s:race/b:a/s:left/wait'" not in slip.value.cure
    assert "s:later/try:2/wait" == (await decide(store, run_id, path=None)).path


async def test_the_id_of_a_step_is_enough(store: SqliteStore, path: Path) -> None:
    """Where one question is open of it; of several in one loop the place is asked for."""
    run_id = await withdrawn(store, path)
    assert "s:later/try:2/wait" == (await decide(store, run_id, path="later")).path
    for number in (1, 2):
        await store.approvals.ask(runs.asked(run_id, path=f"s:each/i:{number}/s:ok/wait"))
    with pytest.raises(BadInput, match="asks nothing at 'race'"):
        await decide(store, run_id, path="race")
    with pytest.raises(BadInput, match="asks 2 questions") as many:
        await decide(store, run_id, path="ok")
    assert "Say which: 's:each/i:1/s:ok/wait', 's:each/i:2/s:ok/wait'." == many.value.cure
    await decide(store, run_id, path="s:each/i:1/s:ok")
    assert "s:each/i:2/s:ok/wait" == (await decide(store, run_id, path="ok")).path


@pytest.mark.parametrize(
    ("path_of_step", "attempt", "is_open"),
    [
        ("s:send", 1, False),
        ("s:sen", 1, True),
        ("s:send/try:2/s:x", 1, True),
        ("s:send", 2, True),
        ("s:other", 1, True),
    ],
)
async def test_what_became_of_it_is_not_asked_once_its_step_is_over(
    store: SqliteStore, path: Path, path_of_step: str, attempt: int, is_open: bool
) -> None:
    """A stopped branch needs no answer: the span of just that try of its step tells; its own is there before."""
    run, begun = await begun_run(store)
    journal = store.journal(begun, "sync")
    journal.append(runs.tool_span(1, path="s:send/tool", status="unknown", success=None), None)
    step = {"kind": "step", "status": "tolerated", "plugin": None, "action": None, "success": None, "items": None}
    journal.append(runs.tool_span(1, path=path_of_step, attempt=attempt, step_type="action", **step), None)
    await journal.commit()
    await store.approvals.ask(
        runs.asked(run.run_id, path="s:send/tool", kind="unknown_outcome", message="Was it sent?")
    )
    assert is_open == bool(store.approvals.open(runs.TENANT))
    with pytest.raises(Conflict, match="is running: an outcome is settled" if is_open else "is asked no more"):
        await settle(store, run.run_id)


async def test_the_second_try_of_a_step_asks_though_the_first_is_over(store: SqliteStore) -> None:
    """It is over with the span of its own try only."""
    run, begun = await begun_run(store)
    journal = store.journal(begun, "sync")
    step: dict[str, Any] = {"path": "s:send", "kind": "step", "status": "failed", "step_type": "loop", "plugin": None}
    step |= {"action": None, "success": None}
    journal.append(runs.tool_span(1, **step), None)
    await journal.commit()
    place = {"path": "s:send/try:2/i:1/s:x/tool", "kind": "unknown_outcome", "message": "Was it sent?"}
    await store.approvals.ask(runs.asked(run.run_id, **place))
    assert 1 == len(store.approvals.open(runs.TENANT))
    journal.append(runs.tool_span(1, **step, attempt=2), None)
    await journal.commit()
    assert [] == store.approvals.open(runs.TENANT)
