"""`trackrecord approvals`, `approve`, `reject` and `settle`: what waits, who answers, and how a slip is told."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Type
from tests.store import runs

from trackrecord.cli.completing import choices
from trackrecord.cli.escape import width
from trackrecord.store.sqlite_store import SqliteStore
from trackrecord.tenancy import LOCAL_TENANT, LOCAL_USER

SEND: dict[str, Any] = {"path": "s:send/tool", "kind": "unknown_outcome", "message": "Was the letter sent?"}


@pytest.fixture(autouse=True)
def kept(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database in the folder one works in."""
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///kept.db")
    return desk / "kept.db"


def asking(path: Path, *questions: dict[str, Any], reason: str = "approval") -> str:
    """A run that has asked all this and rests."""

    async def made() -> str:
        store = SqliteStore.open(path, synchronous="NORMAL")
        run = runs.origin(tenant_id=LOCAL_TENANT, user_id=LOCAL_USER)
        await store.accept(runs.accepted(run))
        begun = await store.begin(run.tenant_id, run.run_id)
        journal = store.journal(begun, "sync")
        marker = runs.checkpoint(runs.tool_span(1), "started", path="s:send/tool", effect="unsafe")
        for span in runs.spans(1):
            journal.append(span, None)
        journal.append(None, marker)
        await journal.commit()
        for changes in questions:
            await store.approvals.ask(runs.asked(run.run_id, **{"tenant_id": LOCAL_TENANT} | changes))
        await store.close()
        return run.run_id

    run_id = asyncio.run(made())
    runs.park(path, run_id, reason)
    return run_id


def words(text: str) -> str:
    return " ".join(text.split())


def test_what_waits_is_listed(typed: Type, kept: Path) -> None:
    """Who asks what, where, for whom and until when, the oldest first; and how the first is answered."""
    first = asking(kept, {"approvers": ("anna", "ben"), "needs": "all", "message": "Pay 1,200 EUR to Zoë?"})
    second = asking(kept, SEND, reason="unknown_outcome")
    done = typed("approvals")
    assert (0, f"answer the first: trackrecord approve|reject {first[:13]} s:ok/wait --as NAME\n") == (
        done.code,
        done.err,
    )
    told = words(done.out)
    assert "‖ " + first[:13] in told
    assert "researcher asked just now s:ok/wait" in told
    assert "s:ok/wait Pay 1,200 EUR to Zoë? for anna and ben until 2999-01-01 00:00:00 UTC (in " in told.replace(
        " ·", ""
    )
    assert "then rejected" in told
    assert told.index(first[:13]) < told.index(second[:13])
    assert "s:send/tool Was the letter sent? say what became of it" in told
    assert [] == [text for text in done.out.split("\n") if width(text) > 80]
    rows = cast("list[dict[str, Any]]", typed("approvals", second, "--json").json)
    assert [("s:send/tool", "unknown_outcome", None)] == [(one["path"], one["kind"], one["decision"]) for one in rows]


def test_nothing_waits(typed: Type, kept: Path) -> None:
    """Said beside an empty answer; as JSON it is an empty list."""
    assert 2 == typed("approvals").code  # there is no database yet
    typed("run", "echo.yaml")
    done = typed("approvals")
    assert (0, "", "nothing waits for a person\n") == (done.code, done.out, done.err)
    assert [] == typed("approvals", "--json").json
    assert "this run waits for nobody" in typed("approvals", "last").err


def test_a_question_is_approved(typed: Type, kept: Path) -> None:
    """By the beginning of the run's id and without a path; the answer tells how the run goes on."""
    run_id = asking(kept, {"approvers": ("anna", "ben")})
    done = typed("approve", run_id[:13], "--as", "anna", "--comment", "up to 200")
    assert (0, f"run {run_id[:13]}: s:ok/wait is approved by anna\n") == (done.code, done.out)
    assert f"here: trackrecord resume {run_id}" in words(done.err)
    assert "nothing waits" in typed("approvals").err
    page = words(typed("show", run_id).out)
    assert "Asked of people ✓ s:ok/wait Send it? approved by anna after" in page
    assert ": up to 200" in page
    again = typed("reject", run_id, "--as", "ben")
    assert (1, "") == (again.code, again.out)
    assert f"'s:ok/wait' of run '{run_id}' was decided by 'anna' at" in again.err
    assert ": approved" in again.err
    stored = cast("dict[str, Any]", typed("show", run_id, "--json").json)
    assert [("approved", "anna", "up to 200")] == [
        (one["decision"], one["decided_by"], one["comment"]) for one in stored["approvals"]
    ]


def test_all_must_approve(typed: Type, kept: Path) -> None:
    """Each vote tells who is missing; the last one decides."""
    run_id = asking(kept, {"approvers": ("anna", "ben"), "needs": "all"})
    first = typed("approve", "last", "--as", "ben")
    assert (0, f"run {run_id[:13]}: s:ok/wait: 1 of 2 have approved; it waits for anna\n", "") == (
        first.code,
        first.out,
        first.err,
    )
    assert "so far ben approved" in words(typed("approvals").out)
    assert "is approved by anna" in typed("approve", "last", "--as", "anna").out


def test_this_installations_own_user_answers_what_is_for_anybody(typed: Type, kept: Path) -> None:
    """Without a name it is said by the local user."""
    run_id = asking(kept, {})
    assert "s:ok/wait is rejected by the local user\n" in typed("reject", "last", "s:ok").out
    (question,) = cast("dict[str, Any]", typed("show", run_id, "--json").json)["approvals"]
    assert LOCAL_USER == question["decided_by"]


def test_an_answer_as_json(typed: Type, kept: Path) -> None:
    """The question as it stands then, under the names of its columns."""
    run_id = asking(kept, {})
    given = cast("dict[str, Any]", typed("approve", "last", "--as", "anna", "--json").json)
    assert (run_id, "s:ok/wait", "approved", "anna") == tuple(
        given[name] for name in ("run_id", "path", "decision", "decided_by")
    )


@pytest.mark.parametrize("given", ["typed", "file", "pipe"])
def test_an_outcome_is_settled(typed: Type, kept: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """With data as it is typed, from a file or from standard input."""
    run_id = asking(kept, SEND, reason="unknown_outcome")
    (kept.parent / "sent.json").write_text('{"id": 7}')
    if given == "pipe":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 7}')))
    data = {"typed": '{"id": 7}', "file": "@sent.json", "pipe": "-"}[given]
    done = typed("settle", "last", "s:send", "--outcome", "done", "--data", data, "--as", "anna")
    assert (0, f"run {run_id[:13]}: s:send/tool is settled as done: it had its effect\n") == (done.code, done.out)
    connection = runs.look(kept)
    stored = connection.execute("SELECT outcome FROM run_checkpoints WHERE path = 's:send/tool'").fetchone()
    connection.close()
    assert ('{"settled":"done","value":{"id":7}}',) == stored
    assert "done, for it had its effect by anna after" in words(typed("show", "last").out)
    assert 1 == typed("settle", "last", "s:send", "--outcome", "retry").code


def test_no_secret_is_kept_of_an_answer(typed: Type, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known to be secret is masked in comments and in data."""
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-an-answer")
    asking(kept, {}, SEND)
    typed("approve", "last", "s:ok", "--comment", "with canary-of-an-answer")
    assert 0 == typed("settle", "last", "s:send", "--outcome", "done", "--data", '{"key": "canary-of-an-answer"}').code
    assert "canary" not in repr(runs.contents(kept))


@pytest.mark.parametrize(
    ("given", "message", "cure"),
    [
        (("approve", "last"), "asks 2 questions", "Say which: 's:ok/wait', 's:two/wait'."),
        (("approve", "last", "s:of/wait"), "asks nothing at 's:of/wait'", "Did you mean 's:ok/wait'?"),
        (("approve", "last", "s:two"), "the local user may not decide 's:two/wait'", "for 'anna' to decide"),
        (("approve", "last", "s:two", "--as", "ana"), "'ana' may not decide", "Did you mean 'anna'?"),
        (("reject", "last", "s:ok", "--as", " "), "' ' names nobody", "1 to 200 characters"),
        (("reject", "last", "s:ok", "--comment", "x" * 3000), "a comment of 3,000 characters", "Say it in 2,000"),
        (("approve", "last", "s:send"), "'s:send/tool' of run", "settle"),
        (("approve", "zzzz"), "there is no run 'zzzz'", "trackrecord runs"),
        (("approvals", "zzzz"), "there is no run 'zzzz'", "trackrecord runs"),
        (("settle", "last", "s:send"), "nothing is said of the outcome", "--outcome done or --outcome retry"),
        (("settle", "last", "s:send", "--outcome", "dnoe"), "--outcome 'dnoe' is no outcome", "--outcome done"),
        (("settle", "last", "s:ok", "--outcome", "done"), "is an approval", "approve"),
        (("settle", "last", "s:send", "--outcome", "retry", "--data", "1"), "'retry' takes no data", "its own"),
        (("settle", "last", "s:send", "--outcome", "done", "--data", "{id: 7}"), "is no JSON", "--data @FILE"),
        (("settle", "last", "s:send", "--outcome", "done", "--data", '{"a":1,"a":2}'), "cannot be used", "once"),
        (("settle", "last", "s:send", "--outcome", "done", "--data", "@none.json"), "cannot be read", "file"),
        (("aprove", "last"), "there is no command 'aprove'", "Did you mean `trackrecord approve"),
        (("approve", "last", "--comments", "x"), "has no option --comments", "Did you mean --comment?"),
    ],
)
def test_a_slip_is_told(typed: Type, kept: Path, given: tuple[str, ...], message: str, cure: str) -> None:
    """What is wrong and what cures it, exit code 2; nothing is decided by it."""
    asking(kept, {}, {"path": "s:two/wait", "approvers": ("anna",)}, SEND)
    done = typed(*given)
    assert (2, "") == (done.code, done.out)
    assert message in words(done.err)
    assert cure in words(done.err)
    assert 3 == len(cast("list[Any]", typed("approvals", "--json").json))


@pytest.mark.parametrize(
    ("reason", "questions", "told", "listed"),
    [
        ("approval", ({},), "The run waits for a person since 20", "waiting (approval)"),
        ("unknown_outcome", (SEND,), "say whether an unsafe call had its effect since 20", "waiting (outcome)"),
        ("delay", (), "The run waits until 2999-01-01 00:00:00 UTC (in ", "waiting (delay)"),
        ("child", (), "The run waits for a run that it started.", "waiting (child)"),
    ],
)
def test_a_waiting_run_says_for_what(
    typed: Type, kept: Path, reason: str, questions: tuple[Any, ...], told: str, listed: str
) -> None:
    """In the list, on its page and on the page for a browser: for what, since when, until when."""
    run_id = asking(kept, *questions, reason=reason)
    connection = runs.look(kept)
    connection.execute("UPDATE agent_executions SET ready_at = ? WHERE id = ?", (runs.FAR, run_id))
    connection.close()
    assert listed in words(typed("runs").out)
    assert told in words(typed("show", "last").out)
    page = words(typed("show", "last", "--html", "-").out)
    assert told in page
    assert ("Asked of people" in page) == bool(questions)


def test_what_others_wrote_is_escaped(typed: Type, kept: Path) -> None:
    """A message, a name and a comment that would move the cursor or write a tag are shown as what they are."""
    evil = "one\x1b]0;owned\x07 <img src=x onerror=alert(1)> \u202eevil"
    asking(kept, {"message": evil, "approvers": (evil, "anna"), "path": "s:a/wait"})
    for given in (("approvals",), ("show", "last")):
        out = typed(*given).out
        assert "\x1b" not in out
        assert "\u202e" not in out
    page = typed("show", "last", "--html", "-").out
    assert "<img" not in page
    typed("approve", "last", "--as", "anna", "--comment", evil)
    assert "\x1b" not in typed("show", "last").out
    assert "<img" not in typed("show", "last", "--html", "-").out


def test_questions_are_completed(typed: Type, kept: Path) -> None:
    """After the run come the places where it asks, with what it asks; of settle those nobody knows about."""
    run_id = asking(kept, {}, SEND)
    assert [("s:ok/wait", "Send it?")] == [(one.value, one.says) for one in choices(["approve", run_id, ""])]
    assert ["s:send/tool"] == [one.value for one in choices(["settle", "last", ""])]
    assert ["done", "retry"] == [one.value for one in choices(["settle", "last", "s:send", "--outcome", ""])]
    assert run_id in [one.value for one in choices(["reject", ""])]


def test_a_question_nobody_answered_says_why(typed: Type, kept: Path) -> None:
    """One that lost a race is withdrawn, of an ended run nobody was in time; neither looks as if it were open."""
    run_id = asking(kept, {}, {"path": "s:lost/wait"})
    lost = runs.tool_span(2, path="s:lost/wait", kind="wait", status="cancelled", epoch=2, attributes={})

    async def lose() -> None:
        store = SqliteStore.open(kept, synchronous="NORMAL")
        connection = runs.look(kept)
        connection.execute("UPDATE agent_executions SET ready_at = created_at WHERE id = ?", (run_id,))
        connection.commit()
        connection.close()
        journal = store.journal(await store.begin(LOCAL_TENANT, run_id), "sync")
        journal.append(lost, None)
        await journal.commit()
        await store.close()

    asyncio.run(lose())
    runs.park(kept, run_id, "approval")
    assert ["s:ok/wait"] == [one.value for one in choices(["approve", run_id, ""])]
    assert ["s:ok/wait"] == [one["path"] for one in cast("list[dict[str, str]]", typed("approvals", "--json").json)]
    page = words(typed("show", "last").out)
    assert "- s:lost/wait Send it? withdrawn: the run went on without it" in page
    assert "‖ s:ok/wait" in page
    assert 0 == typed("cancel", "last").code
    assert "- s:ok/wait Send it? the run ended before anybody answered" in words(typed("show", "last").out)
    assert "withdrawn" in typed("show", "last", "--html", "-").out
