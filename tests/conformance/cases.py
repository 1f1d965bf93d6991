"""The cases of the conformance tables: how they are read, and what a table must have to be used at all.

A table is a YAML file of `tables/`, described in README.md. Must never forgive: a word that is not known, a name used
twice or an expectation left out is an error, so that no case can pass because it asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from trackrecord.agent.files import parse

TABLES: Final = Path(__file__).parent / "tables"
LEAST_CASES: Final = 250
TABLE_KEYS: Final = frozenset({"about", "records", "cases"})
CASE_KEYS: Final = frozenset(
    {"name", "says", "steps", "older", "agent", "agents", "inputs", "script", "answers", "expect"}
)
COUNTS: Final = (
    "completed",
    "failed",
    "tolerated",
    "skipped",
    "executed",
    "branches",
    "loop_iterations",
    "parallel",
    "iterations",
    "tool_calls",
    "rejected",
    "retries",
    "unknown",
)
MANDATORY: Final = ("status", "steps", "counts", "tokens")
RUN_KEYS: Final = frozenset(
    {*MANDATORY, "record", "output", "error", "effects", "asked", "items", "children", "any_order"}
)
REFUSED_KEYS: Final = frozenset({"refused"})
TURNED_AWAY_KEYS: Final = frozenset({"turned_away"})


class BadTable(Exception):
    """A table or one of its cases says something that is not understood, or leaves out what it must say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One promise of the definitions, with the record that keeps it.

    Attributes:
        table: name of the table it stands in.
        name: what it is called, unique in the whole suite.
        steps: the workflow.
        older: the same workflow in the older vocabulary; None when the case is not about that.
        agent: further fields of the agent's definition.
        agents: further agents that the workflow may start, each a whole definition.
        inputs: inputs of the run.
        script: what the model says.
        answers: what people decide, by path of the step that waits.
        expect: the record, the problems found when the agent is saved, or the refusal when it is run.
    """

    table: str
    name: str
    steps: Any
    expect: Mapping[str, Any]
    older: Any = None
    agent: Mapping[str, Any] = field(default_factory=dict)
    agents: Sequence[Mapping[str, Any]] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    script: Any = None
    answers: Sequence[Mapping[str, Any]] = ()

    @property
    def is_run(self) -> bool:
        """Whether a run is expected, and not a refusal."""
        return "status" in self.expect


def names(folder: Path = TABLES) -> list[str]:
    """The tables there are, by file name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read(name: str, folder: Path = TABLES) -> list[Case]:
    """The cases of one table.

    Raises:
        BadTable: the table cannot be used.
    """
    source = parse((folder / f"{name}.yaml").read_bytes())
    if source.problems:
        raise BadTable(f"{name}: {'; '.join(str(problem) for problem in source.problems)}")
    table: Any = source.value
    _only(table, TABLE_KEYS, name)
    if not table.get("about") or not table.get("cases"):
        raise BadTable(f"{name}: a table says what it is about, and has cases")
    records: Mapping[str, Any] = table.get("records", {})
    used = {case["expect"].get("record") for case in table["cases"] if isinstance(case.get("expect"), dict)}
    if unused := set(records) - used:
        raise BadTable(f"{name}: no case uses the record {sorted(unused)}")
    return [_case(name, case, records) for case in table["cases"]]


def together(tables: Mapping[str, Sequence[Case]]) -> list[Case]:
    """Every case of the suite.

    Raises:
        BadTable: two share a name, or they are too few.
    """
    cases = [case for table in tables.values() for case in table]
    seen: dict[str, str] = {}
    for case in cases:
        if case.name in seen:
            raise BadTable(f"{case.table}: the name {case.name!r} is used in {seen[case.name]} already")
        seen[case.name] = case.table
    if len(cases) < LEAST_CASES:
        raise BadTable(f"{len(cases)} cases; {LEAST_CASES} is the least")
    return cases


def every_step(steps: Any) -> Iterator[Mapping[str, Any]]:
    """Every step of a workflow, however deep inside; also of one that is refused."""
    if isinstance(steps, dict):
        if "type" in steps:
            yield steps
        for name, value in steps.items():
            if name not in ("params", "input", "value", "output_schema", "schema"):
                yield from every_step(value)
    elif isinstance(steps, list):
        for step in steps:
            yield from every_step(step)


def _case(table: str, given: Any, records: Mapping[str, Any]) -> Case:
    where = f"{table}: {given.get('name', 'a case without a name')}"
    _only(given, CASE_KEYS, where)
    is_told = isinstance(given.get("name"), str) and isinstance(given.get("says"), str)
    if not is_told or "steps" not in given or not isinstance(given.get("expect"), dict):
        raise BadTable(f"{where}: a case has a name, says what it holds to, and has steps and what to expect")
    expect: dict[str, Any] = given["expect"]
    if (record := expect.get("record")) is not None:
        if record not in records:
            raise BadTable(f"{where}: there is no record {record!r}")
        expect = {**records[record], **{key: value for key, value in expect.items() if key != "record"}}
    _check_expect(expect, where)
    fields = {key: value for key, value in given.items() if key not in ("says", "expect")}
    return Case(table=table, expect=expect, **fields)


def _check_expect(expect: Mapping[str, Any], where: str) -> None:
    if "refused" in expect or "turned_away" in expect:
        _only(expect, REFUSED_KEYS if "refused" in expect else TURNED_AWAY_KEYS, where)
        if not next(iter(expect.values())):
            raise BadTable(f"{where}: a refusal says what is wrong")
        return
    _only(expect, RUN_KEYS, where)
    if missing := [part for part in MANDATORY if part not in expect]:
        raise BadTable(f"{where}: nothing is expected of {', '.join(missing)}")
    _only(expect["counts"], frozenset(COUNTS), where)
    if set(expect["tokens"]) != {"input", "output"}:
        raise BadTable(f"{where}: tokens are input and output")
    if (expect["status"] == "completed") == ("error" in expect):
        raise BadTable(f"{where}: a run that completed has no error, any other one has")


def _only(given: Any, known: frozenset[str], where: str) -> None:
    if not isinstance(given, dict):
        raise BadTable(f"{where}: must be a mapping, not {given!r}")
    if unknown := set(given) - known:
        raise BadTable(f"{where}: {sorted(unknown)} is not understood; known: {sorted(known)}")
