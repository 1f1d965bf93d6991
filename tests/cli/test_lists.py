"""`runs`, `agents`, `stats`, `intensity`, `show`: what is looked at is what is stored."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.agents import FILES
from tests.cli.conftest import Type, Typed

from trackrecord.cli import main
from trackrecord.cli.commands.runs import read_since
from trackrecord.cli.escape import width
from trackrecord.cli.pages.runs import id_length
from trackrecord.errors import BadInput

COMMANDS = (("runs",), ("agents",), ("stats", "echo"), ("intensity", "echo"), ("show",), ("show", "--all"), ("verify",))


@pytest.fixture(scope="module")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four runs of three agents."""
    desk = tmp_path_factory.mktemp("four_runs")
    for name, text in FILES.items():
        (desk / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        patch.setenv("XDG_DATA_HOME", str(desk / "data"))
        for words in (
            ("echo.yaml", "-i", "text=first"),
            ("both.yaml", "--engine", "orchestrator"),
            ("fails.yaml",),
            ("echo.yaml", "-i", "text=last"),
        ):
            main(("run", *words))
    return desk / "data"


@pytest.fixture
def filled(typed: Type, four_runs: Path, desk: Path) -> Type:
    """Types a command line where there are four runs."""
    shutil.copytree(four_runs, desk / "data")
    return typed


def flat(page: str) -> str:
    """The page with one space where there are many: how wide columns are is another test's business."""
    return "\n".join(" ".join(text.split()) for text in page.split("\n"))


def rows(done: Typed) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", done.json)


def test_runs_newest_first(filled: Type) -> None:
    """A line each, under headings."""
    head, *lines = filled("runs").out.rstrip("\n").split("\n")

    assert "run agent engine status tokens time ago".split() == head.split()
    assert ["echo", "fails", "both", "echo"] == [text.split()[1] for text in lines]
    assert "✗ model_failed" in lines[1]


@pytest.mark.parametrize(
    ("words", "agents"),
    [
        (("--agent", "echo"), ["echo", "echo"]),
        (("--engine", "orchestrator"), ["both"]),
        (("--status", "failed"), ["fails"]),
        (("--status", "Failed", "--agent", "echo"), []),
        (("--since", "1h"), ["echo", "fails", "both", "echo"]),
        (("--since", "2999-01-01T00:00:00Z"), []),
        (("--limit", "2"), ["echo", "fails"]),
        (("-n", "1"), ["echo"]),
    ],
)
def test_runs_can_be_narrowed(words: tuple[str, ...], agents: list[str], filled: Type) -> None:
    """By agent, engine, state and time; all of them together."""
    assert agents == [row["agent_name"] for row in rows(filled("runs", *words, "--json"))]


def test_what_is_left_out_is_said(filled: Type) -> None:
    """On stderr, so that a script counts lines undisturbed."""
    unknown = "– under tokens: unknown, for no model call has reported any\n"
    few, all_of_them = filled("runs", "-n", "2").err, filled("runs", "-n", "4").err
    assert (f"{unknown}there are more: --limit 10\n", unknown) == (few, all_of_them)
    assert "no run fits\n" == filled("runs", "--status", "waiting").err


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (("--status", "complete"), "--status 'complete' is no state of a run", "Did you mean completed?"),
        (("--since", "soon"), "--since 'soon' is no time", "Write 30m, 2h, 3d"),
        (("--since", "2026-03-09T08:00:00"), "has no time zone", "Write 30m, 2h, 3d"),
        (("--limit", "0"), "--limit '0' is no number of runs", "from 1 to 99,999"),
        (("--limit", "ten"), "--limit 'ten' is no number of runs", "from 1 to 99,999"),
        (("--agent", "nobody"), "there is no agent 'nobody'", "Agents here: 'both', 'echo', 'fails'"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(words: tuple[str, ...], message: str, cure: str, filled: Type) -> None:
    """Never an empty list that looks like an answer."""
    done = filled("runs", *words)

    assert (2, "") == (done.code, done.out)
    assert message in done.err
    assert cure in done.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", "2026-03-09T11:30:00.000000Z"),
        ("2 h", "2026-03-09T10:00:00.000000Z"),
        ("1w", "2026-03-02T12:00:00.000000Z"),
        ("2026-03-09T08:00:00+02:00", "2026-03-09T06:00:00.000000Z"),
    ],
)
def test_since_is_a_span_or_a_moment(text: str, expected: str) -> None:
    """Both mean a stamp."""
    assert expected == read_since(text, datetime(2026, 3, 9, 12, tzinfo=UTC))


@pytest.mark.parametrize("text", ["999999w", "-1h", "", "1y", "2026-13-01T00:00:00Z"])
def test_since_that_is_no_time(text: str) -> None:
    """An error, not a traceback."""
    with pytest.raises(BadInput):
        read_since(text, datetime(2026, 3, 9, 12, tzinfo=UTC))


def test_ids_are_as_long_as_they_must_be() -> None:
    """The beginning shown means one run of the list."""
    assert 13 == id_length(["019a8c3f-1a2b-7000-8000-000000000000", "019a8c3f-1a2c-7000-8000-000000000000"])
    assert 18 == id_length(["019a8c3f-1a2b-7001-8000-000000000000", "019a8c3f-1a2b-7002-8000-000000000000"])


def test_a_run_by_its_id_its_beginning_or_last(filled: Type) -> None:
    """All three show the same page; without a name it is the last run."""
    newest = rows(filled("runs", "--json"))[0]["id"]

    pages = {filled("show", name, "--json").out for name in (newest, newest[:18], "last")} | {
        filled("show", "--json").out
    }
    assert 1 == len(pages)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("ffff0000", "there is no run 'ffff0000'"),
        ("01", "'01' is too little of a run's id"),
        ("xxx\x1b", r"there is no run 'xxx\x1b'"),
    ],
)
def test_a_run_that_is_not_there(run: str, message: str, filled: Type) -> None:
    """The list is named as the cure."""
    done = filled("show", run)

    assert (2, "") == (done.code, done.out)
    assert message in done.err


def test_the_page_of_a_run(filled: Type) -> None:
    """Head, inputs, answer, figures, models, calls, memory, waterfall."""
    page = flat(filled("show").out)

    for part in (
        "echo ✓ completed AgentKit\n",
        "\ntext last\n",
        "\nIt was last.\n",
        "\ntokens 2,650 2,600 in (2,000 cached) · 50 out (8 reasoning)\n",
        "\ncost – 0 of 2 calls priced",
        "\nturns 2 2 model calls\n",
        "\ntool calls 1 ",
        "\nscripted:echo.script.yaml 2 2,600 2,000 50 8 – 0 of 2\n",
        "\n2 of 2 calls could not be priced: scripted models have no price\n",
        "\ndemo.lookup_customer 1 1 1 1 ",
        "\nLeft for later runs\n",
        "\nturn 1 ",
        "\n└ demo.lookup_customer ",
        "\nturn 2 › echo.script.yaml ",
    ):
        assert part in page


def test_the_page_of_a_failed_run(filled: Type) -> None:
    """Its cause, where it happened, and that nothing is known of the tokens."""
    page = flat(filled("show", rows(filled("runs", "--status", "failed", "--json"))[0]["id"]).out)

    assert "✗ failed: model_failed at turn:1/model\n" in page
    assert "tokens – no call reported its tokens\n" in page
    assert "credits – no tokens known to charge\n" in page


def test_the_page_of_a_workflow(filled: Type) -> None:
    """What is declared, what was executed, and how its steps ended."""
    page = filled("show", rows(filled("runs", "--engine", "orchestrator", "--json"))[0]["id"]).out

    assert "  declared  1 step · 0 decisions · 0 loops · 0 in parallel\n" in page
    assert "  executed  1 step · 0 decisions · 0 iterations · 0 in parallel\n" in page
    assert "  steps     1 completed · 0 failed · 0 tolerated · 0 skipped\n" in page


def test_agents_with_their_runs(filled: Type) -> None:
    """By name, with how many completed."""
    head, *lines = filled("agents").out.rstrip("\n").split("\n")

    assert "agent status version runs completed last run id".split() == head.split()
    assert [["both", "1", "100"], ["echo", "2", "100"], ["fails", "1", "0"]] == [
        [text.split()[place] for place in (0, 3, 4)] for text in lines
    ]
    assert ["both", "echo", "fails"] == [row["name"] for row in rows(filled("agents", "--json"))]


def test_statistics_are_the_stored_sums(filled: Type) -> None:
    """And averages over the runs that reported."""
    page = flat(filled("stats", "echo").out)

    assert "runs 2 last " in page
    assert "completed 2 100 %\n" in page
    assert "tokens 5,300 2,650 2 of 2 runs reported\n" in page
    stored = cast("dict[str, Any]", filled("stats", "echo", "--json").json)
    assert (2, 5_300) == (stored["stats"][0]["run_count"], stored["stats"][0]["tokens_total"])


def test_intensity_with_its_parts(filled: Type) -> None:
    """Scores, class, multiplier, coverage, and the sums they rest on."""
    page = filled("intensity", "echo").out

    for word in ("combined", "creation", "execution", "tokens", "plugins", "workflow", "memory", "multiplier", "× 1."):
        assert word in page
    assert "coverage      100 % of the weight rests on known figures\n" in page
    stored = cast("dict[str, Any]", filled("intensity", "echo", "--json").json)
    assert (2, ["demo"]) == (stored["intensity"]["total_executions"], stored["intensity"]["plugins_ever"])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_pages_are_plain_and_fit_80_columns(words: tuple[str, ...], filled: Type) -> None:
    """When nobody watches there are no colours, and nothing is wider than 80 columns."""
    done = filled(*words)

    assert 0 == done.code
    assert "\x1b" not in done.out
    assert [] == [text for text in done.out.split("\n") if width(text) > 80]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_that_is_not_there_is_an_error(words: tuple[str, ...], typed: Type, desk: Path) -> None:
    """And none is made by looking."""
    done = typed(*words, "--db", "sqlite:///none.db")

    assert (2, "") == (done.code, done.out)
    assert "error: there is no database at 'none.db'\nRun an agent first" in done.err
    assert not (desk / "none.db").exists()


def test_a_file_of_something_else_is_an_error(typed: Type, desk: Path) -> None:
    """And it is left alone."""
    (desk / "other.db").write_text("hello")

    assert (2, True) == ((done := typed("runs", "--db", "sqlite:///other.db")).code, "is not a database" in done.err)
    assert "hello" == (desk / "other.db").read_text()


def test_a_run_under_way_shows_what_it_has_used_so_far(filled: Type, desk: Path) -> None:
    """Its figures are a fold of what is stored, and said to be so."""
    from tests.store.runs import driver

    run_id = rows(filled("runs", "--json"))[0]["id"]
    connection = driver.connect(str(desk / "data" / "trackrecord" / "runs.db"), isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(
        "UPDATE agent_executions SET status = 'waiting', completed_at = NULL, agent_seq = NULL, logs = NULL, "
        "wait_reason = 'unknown_outcome' WHERE id = ?",
        (run_id,),
    )
    connection.close()

    page = filled("show", run_id).out

    assert "echo  ‖ waiting" in page
    assert "The run waits for a person to say whether an unsafe call had its effect." in page
    assert "Used so far\n  tokens      2,650  2,600 in" in page
    assert 0 == filled("show", run_id, "--json").code


def test_colours_only_where_they_are_wanted(filled: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has them, NO_COLOR and a dumb one do not."""
    import sys

    from trackrecord.cli import terminal

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    seen = [terminal.here().out.has_colour]
    monkeypatch.setenv("NO_COLOR", "1")
    seen.append(terminal.here().out.has_colour)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setitem(os.environ, "TERM", "dumb")
    seen.append(terminal.here().out.has_colour)

    assert [True, False, False] == seen
