"""A parity as JUnit XML: a suite per section, a case per field, whatever the fields hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.cli.conftest import Type
from tests.cli.hostile_pages import TEXTS, hostile_comparison
from tests.cli.test_proof import FOUND

from trackrecord.cli.junit import junit


def counts(element: ElementTree.Element) -> tuple[str | None, ...]:
    return tuple(element.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_a_case_per_field() -> None:
    """By section; what differs is a failure, and the sums are those of the cases."""
    root = ElementTree.fromstring(junit((FOUND,)))

    assert ("testsuites", ("10", "1", "0", "0")) == (root.tag, counts(root))
    sections = ["agent_executions", "logs", "run_output", "full_output", "agent_stats"]
    assert [f"agentkit:orchestrator {name}" for name in sections] == [suite.get("name") for suite in root]
    assert [4, 3, 1, 1, 1] == [len(suite.findall("testcase")) for suite in root]
    assert ("4", "1", "0", "0") == counts(root[0])
    (case,) = root.findall(".//testcase[failure]")
    assert ("agentkit:orchestrator.agent_executions", "cost_nanos") == (case.get("classname"), case.get("name"))
    failure = case[0]
    assert ("differs", "why agent_executions.cost_nanos") == (failure.get("type"), failure.get("message"))
    assert "agent_executions.cost_nanos: differs\nagentkit: 5\norchestrator: null\n" == failure.text


def test_what_was_not_observed_is_an_error() -> None:
    """It was not found wrong: it could not be judged."""
    root = ElementTree.fromstring(junit((hostile_comparison("x"),)))

    assert ("5", "1", "1", "0") == counts(root)
    assert ["not observed"] == [error.get("type") for error in root.iter("error")]


def test_other_work_fails_when_it_had_to_be_the_same() -> None:
    """As the exit code does."""
    root = ElementTree.fromstring(junit((FOUND,), same_work=True))

    assert ("10", "7", "0", "0") == counts(root)
    assert Counter({"other work": 6, "differs": 1}) == Counter(one.get("type") for one in root.iter("failure"))


def test_every_suite_says_whose_it_is() -> None:
    """Engines, runs and how they ended, as properties."""
    root = ElementTree.fromstring(junit((FOUND, FOUND)))

    assert 10 == len(root)
    for suite in root:
        told = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
        assert {
            "left.engine": "agentkit",
            "left.run": "a" * 36,
            "left.status": "completed",
            "right.engine": "orchestrator",
            "right.run": "b" * 36,
            "right.status": "completed",
        } == told


@pytest.mark.parametrize("text", [*TEXTS, "\ud800 \udfff"])
def test_whatever_they_hold_it_is_xml(text: str) -> None:
    """What XML cannot write is shown as an escape, and nothing is an element that should not be."""
    written = junit((hostile_comparison(text),)).encode()
    root = ElementTree.fromstring(written)

    tags = ["testsuites", "testsuite", "properties", *["property"] * 6, "testcase", "failure", "testcase", "error"]
    assert [*tags, *["testcase"] * 3] == [one.tag for one in root.iter()]
    assert [] == [mark for mark in ("\u202e", "\x1b", "\x9b", "\uffff") if mark.encode() in written]


def test_the_command_writes_it(typed: Type, desk: Path) -> None:
    """Beside the page on the terminal; with - in its place."""
    done = typed("parity", "both.yaml", "--junit", "parity.xml")
    root = ElementTree.parse(desk / "parity.xml").getroot()
    assert done.out.endswith("✓ no field differs, and none went unobserved\n")
    assert "junit: " in done.err
    assert ("0", "0") == (root.get("failures"), root.get("errors"))
    assert int(root.get("tests") or 0) > 300

    assert root.get("tests") == ElementTree.fromstring(typed("parity", "both.yaml", "--junit", "-").out).get("tests")
