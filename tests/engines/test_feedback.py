"""Feedback on runs and the book of memories, as programs use them: what changes, what is recalled, what stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engines import kit
from tests.engines.kit import ask, say
from tests.engines.test_memory import Listener, opened, worker

from trackrecord import Run, SyncTrackrecord, Trackrecord
from trackrecord.clock import moment, new_id, now, stamp
from trackrecord.errors import BadInput, UnknownAgent, UnknownRun
from trackrecord.memory.consolidating import LATEST_KEPT
from trackrecord.store.driver import driver
from trackrecord.store.reader import SqliteReader
from trackrecord.verify import verify

SECRET = "correct-horse-battery-staple"
both_engines = pytest.mark.parametrize("engine", ["agentkit", "orchestrator"])


def rows(path: Path, sql: str, *given: Any) -> list[Mapping[str, Any]]:
    with SqliteReader(path) as reader:
        return reader.rows(sql, given)


def is_sound(path: Path) -> bool:
    with SqliteReader(path) as reader:
        return not [finding for check in verify(reader).checks for finding in check.findings]


def record_of(path: Path, run: Run) -> list[Any]:
    """Everything of a run that nothing may change."""
    with SqliteReader(path) as reader:
        return [
            reader.execution(run.id),
            reader.log(run.id),
            reader.spans(run.id),
            reader.stats(run.record.origin.agent_id),
        ]


def age(path: Path, table: str, days: int, where: str = "true") -> None:
    """Make memories look as if they had been stored so many days ago."""
    connection = driver.connect(str(path), isolation_level=None)
    for memory_id, created_at, until in connection.execute(
        f"SELECT id, created_at, expires_at FROM {table} WHERE {where}"
    ).fetchall():
        moved = [stamp(moment(one) - timedelta(days=days)) for one in (created_at, until)]
        connection.execute(f"UPDATE {table} SET created_at = ?, expires_at = ? WHERE id = ?", (*moved, memory_id))
    connection.close()


# ------------------------------------------------------------------------------------------------------------ feedback


@both_engines
async def test_feedback_is_recalled_behind_the_summary(tmp_path: Path, engine: str) -> None:
    """Later runs read what a person said of a run; the run's own record, and all sums, stay as they were."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        run = await tr.run(worker(engine), {})
        before = record_of(path, run)
        given = await tr.feedback(run.id, "bad", " Too  long,\nshorten it. ")
        assert before == record_of(path, run)
        await tr.run(worker(engine), {})
    assert (1, "bad", "Too  long,\nshorten it.", None) == (given.seq, given.verdict, given.text, given.earlier)
    assert "Answer: fine A person called it bad: Too long, shorten it.\n" in model.remembered[-1]
    assert is_sound(path)


async def test_the_first_feedback_makes_the_summary_weigh_more(tmp_path: Path) -> None:
    """Three more and ten at most, once, however often somebody says something; the newest word counts."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        first = await tr.run(worker("agentkit"), {})
        second = await tr.run(worker("agentkit"), {})
        told = [await tr.feedback(second.id, verdict) for verdict in ("bad", "bad", "good")]  # type: ignore[arg-type]
        await tr.feedback(first.id, "good", "as it should be")
        await tr.run(worker("agentkit"), {})
    assert [(1, None), (2, "bad"), (3, "bad")] == [(one.seq, one.earlier) for one in told]
    weights = {row["run_id"]: row["importance"] for row in rows(path, "SELECT * FROM run_memories")}
    assert (9, 7) == (weights[first.id], weights[second.id])
    block = model.remembered[-1]
    assert "A person called it good.\n" in block
    assert "A person called it good: as it should be\n" in block
    assert "bad" not in block


async def test_feedback_is_seen_by_runs_that_begin_after_it(tmp_path: Path) -> None:
    """A run whose present lies before it recalls the summary without it, so that a resumed run sees what it saw."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        run = await tr.run(worker("agentkit"), {})
        present = stamp(now())
        await tr.feedback(run.id, "bad")
        await tr.run(worker("agentkit"), {}, now=present)
    assert "called it" not in model.remembered[-1]
    assert "Answer: fine" in model.remembered[-1]


async def test_feedback_needs_a_run_that_has_ended(tmp_path: Path) -> None:
    """Unknown runs, runs under way, other words and novels are refused, and nothing is written."""
    path = tmp_path / "runs.db"
    async with kit.opened(path, ask("wait", seconds=20)) as tr:
        started = await tr.start(kit.agent(), {})
        while not rows(path, "SELECT 1 FROM agent_executions WHERE status = 'running'"):
            await asyncio.sleep(0.01)
        with pytest.raises(BadInput, match="is running"):
            await tr.feedback(started.run_id, "good")
        started.cancel()
        run = await started.task
        with pytest.raises(UnknownRun):
            await tr.feedback(new_id(), "good")
        with pytest.raises(BadInput, match="no feedback"):
            await tr.feedback(run.id, "great")  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="too long"):
            await tr.feedback(run.id, "good", "x" * 2_001)
    assert [] == rows(path, "SELECT * FROM run_feedback")
    assert [] == rows(path, "SELECT * FROM audit_events WHERE action = 'run.feedback'")


async def test_feedback_of_a_run_without_memory_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no summary to weigh; what was said is there, without its secrets, and in no audit row."""
    monkeypatch.setenv("DESK_PASSWORD", SECRET)
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        run = await tr.run(worker("agentkit", memory=False), {})
        await tr.feedback(run.id, "good", f"It used {SECRET} well.")
    assert ["It used [redacted] well."] == [row["text"] for row in rows(path, "SELECT text FROM run_feedback")]
    [event] = rows(path, "SELECT * FROM audit_events WHERE action = 'run.feedback'")
    assert ({"seq": 1, "verdict": "good"}, run.id) == (json.loads(event["details"]), event["subject_id"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run_feedback SET verdict = 'good'",
        "UPDATE run_feedback SET text = 'all is well'",
        "UPDATE run_feedback SET text = NULL",
        "DELETE FROM run_feedback",
    ],
)
async def test_feedback_cannot_be_rewritten(tmp_path: Path, change: str) -> None:
    """Whoever writes to the file: it may lose its words to an erasure, and nothing else."""
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        run = await tr.run(worker("agentkit"), {})
        await tr.feedback(run.id, "bad", "too long")
    connection = driver.connect(str(path), isolation_level=None)
    with pytest.raises(driver.IntegrityError):
        connection.execute(change)
    connection.close()


# ------------------------------------------------------------------------------------------------------------ the book


async def test_what_a_person_adds_is_recalled(tmp_path: Path) -> None:
    """A fact of the user in every agent's runs, a pattern in its agent's; a pinned one first, whatever it weighs."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        await tr.run(worker("agentkit"), {})
        await tr.memory.add("fact", "Weighs ten.", importance=10)
        pinned = await tr.memory.add("fact", " Lives by\nthe sea. ", importance=1, is_pinned=True)
        await tr.memory.add("pattern", "Asks on Mondays.", agent="worker")
        await tr.run(worker("agentkit"), {})
        await tr.run(worker("agentkit", name="another"), {})
        assert pinned == await tr.memory.get(pinned.id[:13])
    own, others = model.remembered[1:]
    assert own.index("Lives by the sea.") < own.index("Weighs ten.") < own.index("Asks on Mondays.")
    assert ("Lives by the sea." in others, "Asks on Mondays." in others) == (True, False)
    assert ("person", True, None) == (pinned.source, pinned.is_pinned, pinned.run_id)


@pytest.mark.parametrize(
    ("error", "given"),
    [
        (BadInput, {"kind": "fact", "text": "  "}),
        (BadInput, {"kind": "fact", "text": "x" * 501}),
        (BadInput, {"kind": "summary", "text": "Went well."}),
        (BadInput, {"kind": "pattern", "text": "Asks on Mondays."}),
        (BadInput, {"kind": "fact", "text": "Likes tea.", "importance": 11}),
        (UnknownAgent, {"kind": "pattern", "text": "Asks on Mondays.", "agent": "nobody"}),
    ],
)
async def test_what_cannot_be_added_is_refused(tmp_path: Path, error: type[Exception], given: dict[str, Any]) -> None:
    """With the reason, and nothing is stored."""
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        with pytest.raises(error):
            await tr.memory.add(**given)
        assert [] == await tr.memory.list()


async def test_the_list_can_be_narrowed(tmp_path: Path) -> None:
    """By kind, agent, user and run, newest first; an id or its beginning finds one."""
    path, other = tmp_path / "runs.db", new_id()
    async with opened(path, Listener()) as tr:
        first = await tr.run(worker("agentkit"), {})
        second = await tr.run(worker("agentkit", name="another"), {}, user_id=other)
        fact = await tr.memory.add("fact", "Likes tea.")
        book = tr.memory
        assert ["fact", "summary", "summary"] == [one.kind for one in await book.list()]
        assert [fact.id] == [one.id for one in await book.list(kind="fact")]
        assert [second.id] == [one.run_id for one in await book.list(agent="another")]
        assert [second.id] == [one.run_id for one in await book.list(user_id=other)]
        assert [first.id] == [one.run_id for one in await book.list(run_id=first.id)]
        assert 1 == len(await book.list(limit=1))
        for wrong in ("", "nothing", "0"):
            with pytest.raises(BadInput):
                await book.get(wrong)
        with pytest.raises(BadInput, match="no kind"):
            await book.list(kind="dream")


async def test_forgetting_deletes_and_erasing_keeps_the_figures(tmp_path: Path) -> None:
    """A forgotten memory is gone, an erased one keeps kind, weight and times; audit rows tell of both, no content."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        run = await tr.run(worker("agentkit"), {})
        record = record_of(path, run)
        gone, erased = [await tr.memory.add("fact", text) for text in ("Likes tea.", "Likes cake.")]
        assert 1 == await tr.memory.forget(gone.id)
        assert 1 == (await tr.memory.erase(erased.id)).memory_count
        left = await tr.memory.get(erased.id)
        with pytest.raises(BadInput):
            await tr.memory.get(gone.id)
        with pytest.raises(BadInput, match="was erased"):
            await tr.memory.pin(erased.id)
        assert record == record_of(path, run)
        await tr.run(worker("agentkit"), {})
    assert (None, "fact", 5, erased.created_at) == (left.text, left.kind, left.importance, left.created_at)
    assert left.erased_at is not None
    assert "Likes" not in model.remembered[-1]
    events = rows(path, "SELECT * FROM audit_events WHERE action LIKE 'memory.%' ORDER BY id")
    assert [
        ("memory.added", gone.id),
        ("memory.added", erased.id),
        ("memory.forgotten", gone.id),
        ("memory.erased", erased.id),
    ] == [(event["action"], event["subject_id"]) for event in events]
    assert "Likes" not in json.dumps([dict(event) for event in events])
    assert is_sound(path)


@pytest.mark.parametrize("owner", ["agent", "user_id", "run_id"])
async def test_all_of_somebody_can_be_erased(tmp_path: Path, owner: str) -> None:
    """Summaries, what was learnt and the words of feedback: of the one named, and of nobody else."""
    path, other = tmp_path / "runs.db", new_id()
    reply = {"tool_calls": [{"name": "memory__remember", "arguments": {"kind": "fact", "text": "Likes tea."}}]}
    async with kit.opened(path, reply, say("done")) as tr:
        fields = {"memory": {"remember": True}, "plugins_required": []}
        mine = await tr.run(kit.agent(**fields), {})
        theirs = await tr.run(kit.agent(**fields, name="another"), {}, user_id=other)
        for run in (mine, theirs):
            await tr.feedback(run.id, "good", "well done")
        whose = {"agent": "worker", "user_id": mine.record.origin.user_id, "run_id": mine.id}[owner]
        done = await tr.memory.erase(**{owner: whose})
        again = await tr.memory.erase(**{owner: whose})
        memories = await tr.memory.list()
    assert ((2, 1), (0, 0)) == ((done.memory_count, done.feedback_count), (again.memory_count, again.feedback_count))
    assert {mine.id, theirs.id} == {one.run_id for one in memories}
    assert {mine.id} == {one.run_id for one in memories if one.text is None}
    said = {row["run_id"]: row["text"] for row in rows(path, "SELECT * FROM run_feedback")}
    assert {mine.id: None, theirs.id: "well done"} == said
    assert is_sound(path)


async def test_erasing_must_name_what(tmp_path: Path) -> None:
    """Neither everything by accident, nor two wishes at once."""
    async with opened(tmp_path / "runs.db", Listener()) as tr:
        fact = await tr.memory.add("fact", "Likes tea.")
        for given in ((), (fact.id,)):
            with pytest.raises(BadInput, match="whose to erase"):
                await tr.memory.erase(*given, **({"user_id": fact.user_id} if given else {}))
        assert "Likes tea." == (await tr.memory.get(fact.id)).text


# ----------------------------------------------------------------------------------------------------------- retention


async def test_what_has_expired_goes_at_the_next_start(tmp_path: Path) -> None:
    """After 90 days, 30 for what weighs little; what is pinned stays and is recalled. Nothing of it is damage."""
    path, model = tmp_path / "runs.db", Listener()
    async with opened(path, model) as tr:
        run = await tr.run(worker("agentkit"), {})
        for text, importance, is_pinned in (("heavy", 5, False), ("light", 3, False), ("pinned", 1, True)):
            await tr.memory.add("fact", text, importance=importance, is_pinned=is_pinned)
    age(path, "user_memories", 31)
    async with opened(path, model) as tr:
        assert {"heavy", "pinned"} == {one.text for one in await tr.memory.list(kind="fact")}
    age(path, "user_memories", 60)
    age(path, "run_memories", 91)
    async with opened(path, model) as tr:
        assert ["pinned"] == [one.text for one in await tr.memory.list()]
        await tr.run(worker("agentkit"), {})
    assert "- pinned\n" in model.remembered[-1]
    events = rows(path, "SELECT details FROM audit_events WHERE action = 'memory.pruned' ORDER BY id")
    assert [1, 2] == [json.loads(event["details"])["count"] for event in events]
    assert "completed" == rows(path, "SELECT status FROM agent_executions WHERE id = ?", run.id)[0]["status"]
    assert is_sound(path)


async def test_a_start_with_nothing_expired_writes_nothing(tmp_path: Path) -> None:
    """Retention costs a look: no audit row, no transaction."""
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        await tr.run(worker("agentkit"), {})
        assert 0 == await tr.memory.prune()
    assert [] == rows(path, "SELECT * FROM audit_events WHERE action = 'memory.pruned'")


async def test_more_than_one_transaction_may_be_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many have expired, all of them go, so many at a time."""
    monkeypatch.setattr("trackrecord.store.retention.MOST_AT_ONCE", 2)
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        for number in range(5):
            await tr.memory.add("fact", f"thing {number}")
        age(path, "user_memories", 91)
        assert 5 == await tr.memory.prune()
        assert [] == await tr.memory.list()


# ------------------------------------------------------------------------------------------------------- consolidation


async def test_equal_facts_become_one(tmp_path: Path) -> None:
    """The newest stays with the weight, the time and the pin of them all; other owners' are left alone."""
    path, other = tmp_path / "runs.db", new_id()
    async with opened(path, Listener()) as tr:
        await tr.run(worker("agentkit"), {})
        await tr.memory.add("fact", "Likes tea.", importance=9)
        await tr.memory.add("fact", "likes  TEA", is_pinned=True)
        newest = await tr.memory.add("fact", "Likes tea")
        await tr.memory.add("fact", "Likes tea.", user_id=other)
        await tr.memory.add("pattern", "Likes tea.", agent="worker")
        done = await tr.memory.consolidate()
        kept = await tr.memory.get(newest.id)
        assert 2 == len(await tr.memory.list(kind="fact"))
        again = await tr.memory.consolidate()
    assert (2, 0, 0) == (done.merged_count, done.folded_count, again.merged_count)
    assert ("Likes tea", 9, True, 2) == (kept.text, kept.importance, kept.is_pinned, kept.repeat_count)


async def test_old_summaries_become_one(tmp_path: Path) -> None:
    """All but the latest four: how many ended how by the records, and the last trouble; recall has room for it."""
    path = tmp_path / "runs.db"
    model = Listener(lambda request: "fine" if len(model.requests) != 3 else kit_call())
    agent = worker("agentkit", limits={"max_iterations": 1})
    async with opened(path, model) as tr:
        for _ in range(LATEST_KEPT + 3):
            await tr.run(agent, {})
        done = await tr.memory.consolidate()
        await tr.run(agent, {})
        left = await tr.memory.list()
        assert (0, 0) == ((await tr.memory.consolidate()).merged_count, len(await tr.memory.list(kind="fact")))
        final = await tr.memory.list()
    assert (3, 1) == (done.folded_count, done.made_count)
    [folded] = [one for one in left if one.source == "folded"]
    words = (
        "Of 3 earlier runs 2 completed, 1 failed (max_iterations 1). Last trouble: Failed (max_iterations): no answer"
    )
    assert folded.text is not None
    assert (True, 2) == (folded.text.startswith(words), folded.folded_count)
    assert f"- {folded.text}\n" in model.remembered[-1]
    # the run after it moved one more summary behind the latest four: the next consolidation takes it in
    [refolded] = [one for one in final if one.source == "folded"]
    assert refolded.text is not None
    assert refolded.text.startswith("Of 4 earlier runs 3 completed, 1 failed (max_iterations 1). Last trouble: Failed")
    assert LATEST_KEPT + 1 == len(final)
    assert is_sound(path)


def kit_call() -> Any:
    from trackrecord.models.messages import ModelReply, ToolRequest

    return ModelReply(tool_requests=(ToolRequest(id="1", name="kit__add", arguments={"a": 1, "b": 2}),))


async def test_what_a_person_marked_is_not_folded(tmp_path: Path) -> None:
    """A pinned summary, and one with feedback, stay as they are; so does what is erased."""
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        runs = [await tr.run(worker("agentkit"), {}) for _ in range(LATEST_KEPT + 5)]
        [pinned] = await tr.memory.list(run_id=runs[0].id)
        await tr.memory.pin(pinned.id)
        await tr.feedback(runs[1].id, "good")
        await tr.memory.erase(run_id=runs[2].id)
        done = await tr.memory.consolidate()
        left = {one.run_id: one.source for one in await tr.memory.list()}
    assert (2, 1) == (done.folded_count, done.made_count)
    assert ["rule", "rule", "rule", "folded"] == [left.get(run.id) for run in (*runs[:3], runs[4])]
    assert runs[3].id not in left
    assert is_sound(path)


async def test_erasing_a_run_erases_what_was_folded_of_it(tmp_path: Path) -> None:
    """What stands for many runs may quote any of them."""
    path = tmp_path / "runs.db"
    async with opened(path, Listener()) as tr:
        runs = [await tr.run(worker("agentkit"), {}) for _ in range(LATEST_KEPT + 2)]
        await tr.memory.consolidate()
        assert 1 == (await tr.memory.erase(run_id=runs[0].id)).memory_count
        assert [None] == [one.text for one in await tr.memory.list() if one.source == "folded"]


def test_programs_without_a_loop_have_it_all(tmp_path: Path) -> None:
    """`SyncTrackrecord` has the same book and the same feedback."""
    path = tmp_path / "runs.db"
    with SyncTrackrecord(f"sqlite:///{path}", models={kit.MODEL: Listener()}, plugins=[kit.tools()]) as tr:
        run = tr.run(worker("agentkit"), {})
        assert "good" == tr.feedback(run.id, "good", "well done").verdict
        fact = tr.memory.add("fact", "Likes tea.")
        assert tr.memory.pin(fact.id).is_pinned
        assert not tr.memory.pin(fact.id, is_pinned=False).is_pinned
        assert [fact.id] == [one.id for one in tr.memory.list(kind="fact")]
        assert 0 == tr.memory.prune()
        assert 0 == tr.memory.consolidate().merged_count
        assert 1 == tr.memory.erase(fact.id).memory_count
        assert tr.memory.get(fact.id).text is None
        assert 1 == tr.memory.forget(fact.id)


def test_it_must_be_open(tmp_path: Path) -> None:
    """Like everything else of it."""
    with pytest.raises(BadInput, match="not open"):
        _ = Trackrecord(f"sqlite:///{tmp_path / 'runs.db'}").memory


async def test_feedback_of_a_run_that_is_not_there_is_damage(tmp_path: Path) -> None:
    """`verify` names it: as an orphan, or as another tenant's where the run is."""
    path, run_id = tmp_path / "runs.db", new_id()
    async with opened(path, Listener()) as tr:
        run = await tr.run(worker("agentkit"), {})
        await tr.feedback(run.id, "good")
    connection = driver.connect(str(path), isolation_level=None)
    [trigger] = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'run_feedback_change'").fetchone()
    connection.execute("DROP TRIGGER run_feedback_change")
    connection.execute("UPDATE run_feedback SET run_id = ?", (run_id,))
    connection.execute(trigger)
    connection.close()
    with SqliteReader(path) as reader:
        found = {check.name for check in verify(reader).checks for finding in check.findings}
    assert {"parents", "foreign_keys"} == found
