"""`feedback` and `memory`: what is remembered can be seen, taught, and taken back."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.cli.conftest import Type, Typed

from trackrecord.cli.escape import width
from trackrecord.cli.look import Look
from trackrecord.cli.pages.memory import feedback_lines, memory_list, memory_page
from trackrecord.store.memory_lists import StoredMemory

HOSTILE = "\x1b[2J\x1b]0;owned\x07 all is well\r\u202etxt"


@pytest.fixture
def ran(typed: Type) -> Type:
    """Types a command line where an agent has run twice."""
    for _ in range(2):
        assert 0 == typed("run", "echo.yaml").code
    return typed


def rows(done: Typed) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", done.json)


# ------------------------------------------------------------------------------------------------------------ feedback


def test_feedback_is_told_and_shown(ran: Type) -> None:
    """Each time says what counts now; `show` has all of it, the newest first, and so has its JSON."""
    first = ran("feedback", "last", "bad", "It says too little.")
    second = ran("feedback", "last", "good")
    assert (0, 0) == (first.code, second.code)
    assert first.out.endswith(" is called bad\n")
    assert second.out.endswith(" is called good, in place of bad: the newest counts\n")
    page = ran("show", "last").out
    assert page.index("Feedback") < page.index("good  (just now)") < page.index("bad   It says too little. (just now)")
    told = cast("dict[str, Any]", ran("show", "last", "--json").json)["feedback"]
    assert [("good", None, 2), ("bad", "It says too little.", 1)] == [
        (row["verdict"], row["text"], row["seq"]) for row in told
    ]


def test_feedback_as_json(ran: Type) -> None:
    """Everything that was stored, and what it takes the place of."""
    given = cast("dict[str, Any]", ran("feedback", "last", "good", "Well done.", "--json").json)
    assert {"run_id", "seq", "user_id", "verdict", "text", "created_at", "earlier"} == set(given)
    assert ("good", "Well done.", 1, None) == (given["verdict"], given["text"], given["seq"], given["earlier"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("last", "great"), "'great' is no feedback"),
        (("0000", "good"), "there is no run '0000'"),
        (("last", "good", "x" * 2_001), "too long"),
        (("last",), "missing argument"),
    ],
)
def test_feedback_that_cannot_be_given(ran: Type, words: tuple[str, ...], said: str) -> None:
    """Refused with a cure, exit code 2."""
    done = ran("feedback", *words)
    assert (2, "") == (done.code, done.out)
    assert said in done.err


# ---------------------------------------------------------------------------------------------------------------- look


def test_the_list_is_narrow_and_whole(ran: Type) -> None:
    """A line each, 80 columns at most, newest first; what narrows it, narrows it."""
    ran("memory", "add", "Lives by the sea, in the house with the green door that everybody asks about.")
    page = ran("memory", "list").out
    lines = page.splitlines()
    assert ["memory", "kind", "imp", "kept", "agent", "what"] == lines[0].split()
    assert ["fact", "summary", "summary"] == [line.split()[1] for line in lines[1:]]
    assert all(width(line) <= 80 for line in lines)
    assert "\x1b" not in page
    assert 2 == len(rows(ran("memory", "list", "--kind", "summary", "--json")))
    assert 2 == len(rows(ran("memory", "list", "--agent", "echo", "--json")))
    assert 1 == len(rows(ran("memory", "list", "--run", "last", "--json")))
    assert 0 == len(rows(ran("memory", "list", "--user", "nobody", "--json")))
    few = ran("memory", "list", "-n", "1")
    assert (2, "there are more: --limit 5\n") == (len(few.out.splitlines()), few.err)
    assert "no memory fits\n" == ran("memory", "list", "--user", "nobody").err


def test_nothing_yet(typed: Type) -> None:
    """Where nothing is remembered, that is said beside the answer; where there is no database, that is an error."""
    assert 2 == typed("memory", "list").code
    typed("run", "echo.yaml")
    typed("memory", "forget", rows(typed("memory", "list", "--json"))[0]["id"])
    done = typed("memory", "list")
    assert (0, "", "nothing is remembered yet\n") == (done.code, done.out, done.err)


def test_one_memory(ran: Type) -> None:
    """All of its words, where it came from, and for how long it is kept."""
    [summary, _] = rows(ran("memory", "list", "--json"))
    page = ran("memory", "show", summary["id"][:13]).out
    for part in (
        summary["id"],
        summary["text"][:40],
        "importance 4",
        "kept 89 d more",
        "summed up by rule",
        summary["run_id"],
    ):
        assert part in page
    assert summary == ran("memory", "show", summary["id"], "--json").json


# ---------------------------------------------------------------------------------------------------------- look after


def test_add_pin_forget(ran: Type) -> None:
    """A fact of the user or a pattern of an agent, pinned and no longer, and gone."""
    fact = cast("dict[str, Any]", ran("memory", "add", "Likes tea.", "--importance", "2", "--pin", "--json").json)
    assert ("fact", 2, True, "person") == (fact["kind"], fact["importance"], fact["is_pinned"], fact["source"])
    pattern = ran("memory", "add", "Asks on Mondays.", "--kind", "pattern", "--agent", "echo", "--json").json
    assert "echo" == cast("dict[str, Any]", pattern)["agent_name"]
    assert "pinned" in ran("memory", "show", fact["id"]).out
    assert "kept 29 d more" in ran("memory", "unpin", fact["id"]).out
    assert "pinned" in ran("memory", "pin", fact["id"]).out
    assert "1 memory forgotten\n" == ran("memory", "forget", fact["id"]).out
    assert 2 == ran("memory", "show", fact["id"]).code


def test_erase_asks_before_it_takes_much(ran: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """By id at once; all of an agent, a user or a run only when somebody says so."""
    ran("feedback", "last", "bad", "It says too little.")
    asked = ran("memory", "erase", "--agent", "echo")
    assert (2, "") == (asked.code, asked.out)
    assert "Add --yes." in asked.err
    done = ran("memory", "erase", "--agent", "echo", "--yes")
    assert "the content of 2 memories, and the words of 1 feedback is erased\n" == done.out
    assert [None, None] == [row["text"] for row in rows(ran("memory", "list", "--json"))]
    assert "(erased)" in ran("memory", "list").out
    page = ran("show", "last").out
    assert ("too little" in page, page.count("(erased)")) == (False, 2)
    fact = cast("dict[str, Any]", ran("memory", "add", "Likes tea.", "--json").json)
    assert {"memory_count": 1, "feedback_count": 0} == ran("memory", "erase", fact["id"], "--json").json
    assert 2 == ran("memory", "erase", "--yes").code
    assert 0 == ran("verify").code


def test_prune_and_consolidate(ran: Type) -> None:
    """They say what they did, also when there was nothing to do."""
    for _ in range(2):
        ran("memory", "add", "Likes tea.")
    for _ in range(5):
        ran("run", "echo.yaml")
    done = ran("memory", "consolidate")
    assert "1 fact or pattern merged into equal ones, 3 summaries folded into 1\n" == done.out
    assert "0 memories had expired and are gone\n" == ran("memory", "prune").out
    assert {"merged_count": 0, "folded_count": 0, "made_count": 0} == ran("memory", "consolidate", "--json").json
    assert {"pruned": 0} == ran("memory", "prune", "--json").json


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lst",), "Did you mean list?"),
        (("dream",), "There are list, show, add"),
        (("show",), "takes one id"),
        (("show", "0000"), "there is no memory '0000'"),
        (("add",), "takes one text"),
        (("add", "two", "texts"), "in quotes"),
        (("add", "x", "--kind", "summary"), "comes from a run"),
        (("add", "x", "--kind", "pattern"), "belongs to an agent"),
        (("add", "x", "--importance", "11"), "Give a whole number from 1 to 10."),
        (("add", "x", "--run", "last"), "takes no --run"),
        (("add", "x" * 501), "too long"),
        (("list", "--kind", "dream"), "no kind of memory"),
        (("list", "--agent", "nobody"), "there is no agent 'nobody'"),
        (("list", "more"), "takes nothing"),
        (("list", "-n", "many"), "--limit"),
        (("forget",), "takes an id"),
        (("erase",), "name memories, or whose to erase"),
        (("erase", "0000", "--user", "x"), "name memories, or whose to erase"),
    ],
)
def test_what_cannot_be_done_is_refused(ran: Type, words: tuple[str, ...], said: str) -> None:
    """With what is wrong and how to cure it, exit code 2, and nothing has changed."""
    before = ran("memory", "list", "--json").out
    done = ran("memory", *words)
    assert (2, "") == (done.code, done.out)
    assert said in done.err
    assert before == ran("memory", "list", "--json").out


# -------------------------------------------------------------------------------------------------------------- pages

MEMORY = StoredMemory(
    id="019a8c3f-1a2b-7000-8000-000000000001",
    kind="fact",
    user_id=HOSTILE,
    agent_id="a",
    agent_name=HOSTILE,
    run_id=None,
    text=HOSTILE,
    importance=5,
    source="run",
    is_pinned=False,
    created_at="2026-01-01T00:00:00.000000Z",
    expires_at="2026-01-02T00:00:00.000000Z",
    erased_at=None,
    folded_count=3,
    repeat_count=1,
)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_pages_fit_and_hold_nothing_a_terminal_acts_on(columns: int) -> None:
    """Whatever was remembered or said: no line is too wide, and no control character is left."""
    look = Look(width=columns)
    row = {"verdict": "bad", "text": HOSTILE * 30, "created_at": MEMORY.created_at, "erased_at": None}
    pages = [
        memory_list([MEMORY], look, NOW),
        memory_page(MEMORY, look, NOW),
        "\n".join(feedback_lines([row], look, NOW)),
    ]
    for page in pages:
        assert all(width(line) <= columns for line in page.split("\n")), page
        assert not any(character in page for character in "\x1b\x07\r\u202e")
    assert "< 1 d" in pages[0]
    assert "4 runs" in pages[1]
    assert "2 times" in pages[1]


def test_a_person_may_say_no(ran: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it asks; anything but yes erases nothing."""

    class Person(io.StringIO):
        def isatty(self) -> bool:
            return True

    for said, code in (("\n", 2), ("no\n", 2), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", Person(said))
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        assert code == ran("memory", "erase", "--run", "last").code
