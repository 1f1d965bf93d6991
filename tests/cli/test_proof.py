"""`parity`, `verify`, `rebuild` and `demo`: the proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Type
from tests.store.runs import driver

from trackrecord.cli.escape import width
from trackrecord.cli.look import Look
from trackrecord.cli.pages.parity import parity_page
from trackrecord.parity.comparison import Check, Compared, Comparison, Finding

NAMES = (
    "executions insert",
    "logs insert",
    "stats increment",
    "intensity update",
    "token tracking",
    "memory metadata",
    "workflow complexity",
    "error tracking",
)


def comparison(*findings: tuple[str, Any, Any, Any]) -> Comparison:
    """Two runs with these findings: field, verdict, left, right."""
    return Comparison(
        left=Compared(run_id="a" * 36, engine="agentkit", status="completed", is_recomputed=False),
        right=Compared(run_id="b" * 36, engine="orchestrator", status="completed", is_recomputed=True),
        findings=tuple(
            Finding(field=field, verdict=verdict, reason=f"why {field}", left=left, right=right)
            for field, verdict, left, right in findings
        ),
        checklist=(Check(name="logs insert", is_ok=True, fact="agentkit: one; orchestrator: two"),),
    )


FOUND = comparison(
    ("agent_executions.status", "equal", "completed", "completed"),
    ("agent_executions.id", "equal by rule", "a", "b"),
    ("agent_executions.tokens_used", "other work", 20159, 4994),
    ("agent_executions.cost_nanos", "differs", 5, None),
    ("logs.iterations", "other work", 5, 12),
    ("run_output.iterations", "other work", 5, 12),
    ("full_output.iterations", "other work", 5, 12),
    ("logs.toolCalls[1].action", "other work", "read", "write"),
    ("logs.toolCalls[2].action", "other work", "write", "read"),
    ("agent_stats.run_count", "equal", 1, 1),
)


def test_the_table_lists_what_is_interesting() -> None:
    """Equal fields are counted, the three documents are one, calls in another order one line; what is off says why."""
    page = parity_page(FOUND, Look())

    assert [
        "  field                    agentkit  orchestrator  verdict",
        "agent_executions  1 equal · 1 equal by rule · 1 other work · 1 differs",
        "  tokens_used                20,159         4,994  other work",
        "  cost_nanos                      5          null  differs",
        "      why agent_executions.cost_nanos",
        "",
        "logs, run_output, full_output  5 other work",
        "  iterations                      5            12  other work",
        "  toolCalls[…] of 2 calls  2 fields                other work",
        "",
        "agent_stats  1 equal",
    ] == page.split("\n")[5:16]
    assert "\n✗ 1 field is off" in page
    assert "\n10 fields · 2 equal · 1 equal by rule · 6 other work · 1 differs\n0 not observed\n" in page


def test_other_work_is_off_when_it_had_to_be_the_same() -> None:
    """`--same-work` counts it in."""
    assert "\n✗ 7 fields are off" in parity_page(FOUND, Look(), same_work=True)


def test_all_lists_every_field() -> None:
    """Each under its own document."""
    page = parity_page(FOUND, Look(), is_whole=True)

    endings = ("equal", "equal by rule", "other work", "differs")
    assert 10 == sum(text.startswith("  ") and text.endswith(endings) for text in page.split("\n"))
    assert "run_output  1 other work\n  iterations " in page


def test_parity_of_an_agent(typed: Type) -> None:
    """Both engines really run, apart; the database itself is not written."""
    done = typed("parity", "both.yaml", "--same-work")

    assert (0, "") == (done.code, done.err)
    assert [] == [name for name in NAMES if f"  ✓ {name}" not in done.out]
    assert done.out.endswith("✓ no field differs, and none went unobserved\n")
    assert "error: there is no database" in typed("runs").err


def test_parity_as_json(typed: Type) -> None:
    """A line per comparison, every field in it."""
    done = typed("parity", "both.yaml", "--json")

    (text,) = done.out.rstrip("\n").split("\n")
    found = json.loads(text)
    assert (0, True, list(NAMES)) == (done.code, found["ok"], [check["name"] for check in found["checklist"]])
    assert sum(found["counts"].values()) == len(found["findings"])


def test_parity_of_two_runs(typed: Type) -> None:
    """By the beginnings of their ids; what they added is recomputed, and said to be so."""
    typed("run", "both.yaml", "--engine", "agentkit")
    typed("run", "both.yaml", "--engine", "orchestrator")
    newer, older = (row["id"] for row in cast("list[dict[str, Any]]", typed("runs", "--json").json))
    done = typed("parity", older, newer)

    assert "recomputed from their spans" in done.out
    assert done.code == (0 if "✓ no field differs" in done.out else 1)


def test_parity_that_does_not_hold_is_exit_1(typed: Type) -> None:
    """A run that failed is not the same as one that completed."""
    typed("run", "both.yaml", "--engine", "agentkit")
    typed("run", "fails.yaml")
    newer, older = (row["id"] for row in cast("list[dict[str, Any]]", typed("runs", "--json").json))
    done = typed("parity", older, newer)

    assert 1 == done.code
    assert "differs" in done.out
    assert "are off\n" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "b", "c"), "3 things to compare"),
        (("a", "b", "-i", "x=1"), "two runs have had their -i"),
        (("a", "b", "--engines", "agentkit"), "two runs have had their --engines"),
        (("nothing",), "there is no agent file 'nothing'"),
        (("gone.yaml",), "there is no agent file 'gone.yaml'"),
        (("both.yaml", "--engines", "agentkit"), "parity between agentkit compares nothing"),
        (("both.yaml", "--engines", "agentkit,agentkit"), "parity between agentkit, agentkit compares nothing"),
        (("both.yaml", "--engines", "agentkit,other"), "there is no engine 'other'"),
    ],
)
def test_parity_of_what_cannot_be_compared(words: tuple[str, ...], message: str, typed: Type) -> None:
    """Exit 2 before anything runs."""
    done = typed("parity", *words)

    assert (2, "", True) == (done.code, done.out, message in done.err)


@pytest.fixture
def damaged(typed: Type, desk: Path) -> Type:
    """A database with one run and a statistic that nobody earned."""
    typed("run", "both.yaml")
    connection = driver.connect(str(desk / "data" / "trackrecord" / "runs.db"), isolation_level=None)
    connection.execute("UPDATE agent_stats SET tokens_total = tokens_total + 1")
    connection.close()
    return typed


def test_verify_of_what_is_well(typed: Type) -> None:
    """Exit 0, a line per rule."""
    typed("run", "both.yaml")
    done = typed("verify")

    assert 0 == done.code
    assert "✓ 27 rules hold: everything equals its recount\n" in done.out


def test_verify_names_row_and_rule(damaged: Type) -> None:
    """Exit 1, what the row says and what it should say."""
    done = damaged("verify")

    assert 1 == done.code
    assert "✗  Statistics equal a recount" in done.out
    assert "  `agent_stats` equals a recount of the records" in done.out
    assert "  agent_stats agent_id=" in done.out
    assert "    tokens_total is 16, and should be 15\n" in done.out
    report = cast("dict[str, Any]", damaged("verify", "--json").json)
    assert (False, 1) == (report["clean"], sum(check["findingCount"] for check in report["checks"]))


def test_rebuild_mends_the_sums(damaged: Type) -> None:
    """And says what they were; a second one has nothing to do."""
    done = damaged("rebuild")

    assert 0 == done.code
    assert "    tokens_total was 16, is 15 now\n" in done.out
    assert (0, 0) == (damaged("verify").code, damaged("rebuild").code)
    assert "were right already" in damaged("rebuild").out
    assert {"changes": [], "recordsThatDiffer": [], "recordsThatDifferCount": 0, "unreadable": []} == damaged(
        "rebuild", "--json"
    ).json


def test_rebuild_makes_no_database(typed: Type, desk: Path) -> None:
    """One that is not there is an error."""
    assert (2, False) == (typed("rebuild").code, (desk / "data" / "trackrecord" / "runs.db").exists())


def test_the_demo_proves_itself(typed: Type, desk: Path) -> None:
    """Both records, the table, the checklist, where they are and what to try; they can be shown afterwards."""
    done = typed("demo")

    assert (0, "") == (done.code, done.err)
    assert "support-triage: " in done.out
    assert "AgentKit  Orchestrator" in done.out
    assert [] == [name for name in NAMES if f"  ✓ {name}" not in done.out]
    assert "✓ no field differs, and none went unobserved\n" in done.out
    assert "rules hold: everything equals its recount\n" in done.out
    (url,) = [text.split("=", 1)[1] for text in done.out.split("\n") if text.startswith("  export TRACKRECORD_DB=")]
    assert url.startswith(f"sqlite:///{desk}/data/trackrecord/demo/")
    assert 0 == typed("show", "last", "--db", url).code
    assert ["orchestrator", "agentkit"] == [
        row["engine"] for row in cast("list[dict[str, Any]]", typed("runs", "--db", url, "--json").json)
    ]
    assert [] == [text for text in done.out.split("\n") if width(text) > 80 and "/data/trackrecord/" not in text]


def test_two_demos_do_not_meet(typed: Type, desk: Path) -> None:
    """Each has a folder and a database of its own; `--db` names another."""
    for words in ((), (), ("--db", "sqlite:///demo.db"), ("--db", "sqlite:///demo.db")):
        assert 0 == typed("demo", *words).code

    assert 4 == len(list((desk / "data" / "trackrecord" / "demo").iterdir()))
    assert (desk / "demo.db").exists()


@pytest.mark.parametrize("example", ["watch_log", "enrich"])
def test_every_example_proves_itself(example: str, typed: Type) -> None:
    """Not only the one that is shown first."""
    assert 0 == typed("demo", example).code


def test_an_example_that_is_not_there(typed: Type) -> None:
    """Those that are are named."""
    done = typed("demo", "triagee")

    assert (2, True) == (done.code, "enrich, triage, watch_log" in done.err)
