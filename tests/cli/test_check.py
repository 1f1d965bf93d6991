"""`trackrecord check`: everything wrong with an agent file, at once."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Type


def test_a_good_file_says_what_it_is(typed: Type) -> None:
    """One line, exit 0, nothing run."""
    done = typed("check", "both.yaml")

    assert (0, "") == (done.code, done.err)
    assert done.out.startswith("✓ both  1 step · 0 plugins · model scripted:both.script.yaml · version ")
    assert "error: there is no database" in typed("runs").err


def test_all_problems_are_told_with_their_lines(typed: Type) -> None:
    """One reading mends the file."""
    done = typed("check", "typos.yaml")

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("error: typos.yaml: 3 problems\n")
    assert "  line 2 promt\n    an agent has no field 'promt'.\n    Did you mean 'prompt'?\n" in done.err
    assert "  line 4 workflow_steps[0].type\n" in done.err
    assert "  line 5 limits.max_iterations\n" in done.err


def test_problems_as_json(typed: Type) -> None:
    """For an editor or a CI."""
    done = typed("check", "typos.yaml", "--json")

    assert (2, "") == (done.code, done.err)
    report = done.json
    assert isinstance(report, dict)
    assert (False, [2, 4, 5]) == (report["ok"], [problem["line"] for problem in report["problems"]])
    good = typed("check", "both.yaml", "--json").json
    assert isinstance(good, dict)
    assert (True, "both", []) == (good["ok"], good["name"], good["problems"])


def test_a_file_that_is_no_yaml(typed: Type, desk: Path) -> None:
    """The line where it went wrong."""
    (desk / "broken.yaml").write_text("name: [unclosed\n  x: 1")

    assert "line 1" in typed("check", "broken.yaml").err
