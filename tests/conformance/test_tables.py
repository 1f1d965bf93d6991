"""That the suite sees red: tables that ask too little are refused, and whatever differs is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conformance import cases
from tests.conformance.cases import BadTable, Case
from tests.conformance.compared import Found, differences, perturbed

from trackrecord.errors import Problem

RUN: dict[str, Any] = {
    "status": "failed",
    "error": {"code": "step_failed", "at": "s:a", "says": ["broke"]},
    "output": None,
    "steps": {"s:a": "failed", "s:b": "ok"},
    "effects": {"s:b/model": "ok"},
    "items": {"s:a": 2},
    "asked": {"s:b/model": {"user": ["hello"], "temperature": 0.1}},
    "children": {"child": ["completed"]},
    "counts": {"completed": 1, "failed": 1},
    "tokens": {"input": 3, "output": None},
}
FOUND = Found(
    status="failed",
    error_code="step_failed",
    error_path="s:a",
    error_message="it broke",
    steps=[("s:a", "failed"), ("s:b", "ok")],
    effects={"s:b/model": "ok"},
    items={"s:a": 2, "s:b": None},
    asked={"s:b/model": {"user": "hello you", "temperature": 0.1}},
    children={"child": ["completed"]},
    counts={**dict.fromkeys(cases.COUNTS, 0), "completed": 1, "failed": 1},
    tokens={"input": 3, "output": None},
)
REFUSED: dict[str, Any] = {"refused": [{"path": "a[0]", "says": "wrong", "cure": "right"}]}
PROBLEM = Found(problems=(Problem(path="a[0]", message="it is wrong", cure="Write it right."),))


def _case(expect: Any) -> Case:
    return Case(table="table", name="name", steps=[], expect=expect)


@pytest.mark.parametrize(("expect", "found"), [(RUN, FOUND), (REFUSED, PROBLEM)])
def test_what_is_as_expected_is_green_and_whatever_else_red(expect: dict[str, Any], found: Found) -> None:
    """A record that is as expected has no differences; changed in any one place it has."""
    assert [] == differences(expect, found)
    changed = dict(perturbed(_case(expect)))
    assert len(changed) >= 5
    assert [] == [place for place, other in changed.items() if not differences(other, found)]


def test_every_part_of_a_record_is_perturbed() -> None:
    """No part that a case may expect is left out when it is shown that the case can fail."""
    places = " ".join(place for place, _ in perturbed(_case(RUN)))
    assert [] == [part for part in (*cases.COUNTS, "input tokens", "output tokens") if part not in places]
    for part in ("status", "s:b", "error code", "error at", "error says", "effects", "items", "asked", "children"):
        assert part in places


def test_a_run_is_red_where_a_refusal_is_expected_and_the_other_way_round() -> None:
    """Neither stands for the other."""
    assert differences(REFUSED, FOUND)
    assert differences(RUN, PROBLEM)
    assert differences({"turned_away": ["no"]}, FOUND)
    assert differences(RUN, Found(turned_away="no"))


def test_true_is_not_one_and_order_counts() -> None:
    """Outputs are compared as JSON, steps in the order in which they began unless that is not promised."""
    assert differences({**RUN, "output": True}, FOUND)
    turned = {**RUN, "steps": dict(reversed(RUN["steps"].items()))}
    assert differences(turned, FOUND)
    assert [] == differences({**turned, "any_order": True}, FOUND)


def test_what_a_log_says_otherwise_is_red() -> None:
    """A log or a statistic that disagrees with the row is a difference of its own."""
    odd = Found(**{name: getattr(FOUND, name) for name in FOUND.__slots__} | {"oddities": ["the run has no log"]})
    assert ["the run has no log"] == differences(RUN, odd)


GOOD = """
about: a table
records: {none: {status: completed, steps: {}, counts: {}, tokens: {input: 0, output: 0}}}
cases:
  - {name: one, says: so, steps: [], expect: {record: none}}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("about: a table", "", "says what it is about"),
        ("about: a table", "about: a table\nmore: 1", "'more'"),
        ("steps: {}, counts", "counts", "nothing is expected of steps"),
        ("counts: {}, ", "", "nothing is expected of counts"),
        ("status: completed, ", "", "nothing is expected of status"),
        (", tokens: {input: 0, output: 0}", "", "nothing is expected of tokens"),
        ("{input: 0, output: 0}", "{input: 0}", "input and output"),
        ("counts: {}", "counts: {complete: 1}", "'complete'"),
        ("status: completed", "status: failed", "any other one has"),
        ("record: none", "record: some", "uses the record"),
        ("name: one, ", "", "has a name"),
        ("says: so, ", "", "says what it holds to"),
        ("name: one", "nmae: one", "'nmae'"),
        ("{record: none}", "{record: none, outptu: 1}", "'outptu'"),
        ("{record: none}", "{refused: []}", "uses the record"),
    ],
)
def test_a_table_that_asks_too_little_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A case that leaves out what it must expect, or says a word that nobody reads, fails the suite."""
    (tmp_path / "good.yaml").write_text(GOOD)
    assert ["one"] == [case.name for case in cases.read("good", tmp_path)]
    assert old in GOOD
    (tmp_path / "bad.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(BadTable, match=said):
        cases.read("bad", tmp_path)


def test_a_name_used_twice_and_too_few_cases_fail_the_suite(tmp_path: Path) -> None:
    """Names are unique in the whole suite, and a suite that has shrunk is no suite."""
    (tmp_path / "good.yaml").write_text(GOOD)
    table = cases.read("good", tmp_path)
    with pytest.raises(BadTable, match="used in"):
        cases.together({"one": table, "two": table})
    with pytest.raises(BadTable, match="the least"):
        cases.together({"one": table})
