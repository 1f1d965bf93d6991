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


def test_actions_are_looked_up_and_told_with_their_lines(typed: Type, desk: Path) -> None:
    """Of built-in plugins when the file is checked, by the same words when it is run or compared."""
    text = (
        "name: x\nplugins_required: [text]\nworkflow_steps:\n  - {id: a, type: action, plugin: text, action: cuont}\n"
    )
    (desk / "x.yaml").write_text(text)
    told = (
        "1 problem\n  line 4 workflow_steps[0].action\n    the plugin 'text' has no action 'cuont'.\n"
        "    Did you mean 'text.count'?\n"
    )
    assert (2, f"error: x.yaml: {told}") == (typed("check", "x.yaml").code, typed("check", "x.yaml").err)
    for name in ("run", "parity"):
        assert (2, f"error: 'x' cannot run here: {told}") == (typed(name, "x.yaml").code, typed(name, "x.yaml").err)
    problem = typed("check", "x.yaml", "--json").json["problems"][0]  # type: ignore[index,call-overload]
    assert (4, "workflow_steps[0].action") == (problem["line"], problem["path"])


def test_actions_of_other_plugins_are_left_to_the_run(typed: Type, desk: Path) -> None:
    """They may be connected where the agent is run."""
    text = "name: x\nplugins_required: [crm]\nworkflow_steps:\n  - {id: a, type: action, plugin: crm, action: find}\n"
    (desk / "x.yaml").write_text(text)
    assert 0 == typed("check", "x.yaml").code


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
