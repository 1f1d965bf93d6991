"""What may be written in an agent file, its steps and a script: the pages and the code name the same fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs import pages, shown
from tests.docs.pages import REFERENCE, code, figures, only

from trackrecord import children
from trackrecord.agent import files
from trackrecord.agent import tables as agent_tables
from trackrecord.agent.policies import Limits
from trackrecord.models import script
from trackrecord.plugins.entry_points import BUILT_IN, load
from trackrecord.store import deciding
from trackrecord.workflow import aliases, comparing, longest, transforms
from trackrecord.workflow import steps as step_data
from trackrecord.workflow import vocabulary as steps
from trackrecord.workflow.fields import Table as FieldTable

AGENT_FILE = REFERENCE / "agent-file.md"
SCRIPT = REFERENCE / "scripted-model.md"
STEPS = REFERENCE / "steps.md"

FIELDS: list[tuple[Path, str, FieldTable]] = [
    (STEPS, "Common fields", steps.COMMON),
    (STEPS, "Retry", steps.RETRY),
    (STEPS, "Failures", steps.FALLBACK),
    *((STEPS, kind, table) for kind, table in steps.BODIES.items()),
    (STEPS, "Rules", steps.RULE),
    (AGENT_FILE, "Fields", agent_tables.AGENT),
    (AGENT_FILE, "Inputs", agent_tables.INPUT),
    (AGENT_FILE, "Outputs", agent_tables.OUTPUT),
    (AGENT_FILE, "Plugins", agent_tables.PLUGIN),
    (AGENT_FILE, "Limits", agent_tables.LIMITS),
    (AGENT_FILE, "Memory", agent_tables.MEMORY),
    (AGENT_FILE, "Payloads", agent_tables.PAYLOADS),
    (SCRIPT, "Script", script.SCRIPT),
    (SCRIPT, "Rule", script.RULE),
    (SCRIPT, "When", script.WHEN),
    (SCRIPT, "Reply", script.REPLY),
    (SCRIPT, "Tool call", script.CALL),
    (SCRIPT, "Usage", script.USAGE),
    (SCRIPT, "Error", script.ERROR),
]


@pytest.mark.parametrize(("page", "heading", "table"), FIELDS, ids=lambda part: part if isinstance(part, str) else "")
def test_fields_of_files(page: Path, heading: str, table: FieldTable) -> None:
    """Each field of an agent file or script is there once, with its kind, its bounds, its choices and its default."""
    found = [one for one in pages.tables(page) if one.heading == heading and "field" in one.header]
    assert 1 == len(found)
    rows = found[0].by("field")
    assert list(table) == list(rows)
    for name, field in table.items():
        assert shown.default(field) == rows[name]["default"], name
        if field.kind != "any":
            assert shown.kind(field) == rows[name]["takes"], name
        assert rows[name]["takes"], name
        assert rows[name]["meaning"], name


def test_step_types() -> None:
    """Each step type has a heading of its own."""
    assert list(steps.STEP_TYPES) == [heading for heading in pages.headings(STEPS) if heading in steps.STEP_TYPES]


def test_operations_of_compare() -> None:
    """Each is told, in the order of the code."""
    rows = [one for one in pages.tables(STEPS) if one.heading == "compare" and "operation" in one.header]
    assert list(steps.BODIES["compare"]["operation"].choices) == [only(name) for name, _ in rows[0].rows]


def test_causes_of_retries() -> None:
    """What `on` may name is listed, for effects and for whole steps."""
    rows = [one for one in pages.tables(STEPS) if one.header == ("cause",)]
    assert [list(steps.STEP_CAUSES)] == [[only(cell) for cell in one.column("cause")] for one in rows]
    named = re.search(r"`on` may name (.*?), or one status", STEPS.read_text())
    assert named is not None
    assert list(steps.EFFECT_CAUSES) == code(named[1])


def test_transform_operations() -> None:
    """Each operation has its fields, the required ones first."""
    rows = [one for one in pages.tables(STEPS) if one.heading == "transform" and "operation" in one.header]
    actual = {only(name): code(given) for name, given, _ in rows[0].rows}
    expected = {name: [*one.required, *one.optional] for name, one in transforms._OPERATIONS.items()}
    assert expected == actual
    told = re.search(r"Aggregates: (.*?)\. ", STEPS.read_text())
    assert told is not None
    assert list(transforms.AGGREGATES) == code(told[1])


def test_limits_of_workflows() -> None:
    """The limits are those of the code."""
    expected = {
        "steps of a workflow": step_data.MAX_STEPS,
        "nesting": step_data.MAX_NESTING,
        "iterations of a loop": step_data.MAX_ITERATIONS,
        "items of a map": step_data.MAX_ITEMS,
        "branches of a parallel step": step_data.MAX_BRANCHES,
        "cases of a switch": step_data.MAX_CASES,
        "rules of a validate step": step_data.MAX_RULES,
        "approvers of an approval": step_data.MAX_APPROVERS,
        "differences a compare step lists": comparing.MAX_DIFFERENCES,
        "iterations, branches or items at once": step_data.MAX_CONCURRENCY,
        "delay": step_data.MAX_DELAY_MS // 86_400_000,
        "approval": step_data.MAX_APPROVAL_MS // 86_400_000,
        "path of a step, in bytes": longest.MAX_PATH_BYTES,
        "agents run one in the other": children.MAX_DEPTH,
        "spans of a run, unless `limits.max_spans` says otherwise": Limits().max_spans,
        "bytes of the inputs, unless `limits.max_input_bytes` says otherwise": Limits().max_input_bytes,
        "bytes of a tool's result, unless `limits.tool_result_bytes` says otherwise": Limits().tool_result_bytes,
        "bytes of an agent file": files.MAX_FILE_BYTES,
        "values of an agent file": files.MAX_VALUES,
        "nesting of an agent file": files.MAX_DEPTH,
        "bytes of what `settle` is given": deciding.MOST_DATA,
    }
    assert expected == figures(STEPS, "Limits")


def test_older_step_types() -> None:
    """Each older type is there with what it is read as."""
    rows = next(one for one in pages.tables(STEPS) if one.header == ("older type", "read as"))
    assert dict(aliases.OLD_TYPES) == {only(old): only(new) for old, new in rows.rows}


def older_fields() -> Iterator[tuple[str, str, str]]:
    """What the code reads under another name: of which steps, the older name, today's."""
    for old, new in {**aliases.OLD_COMMON, "continueOnError": "on_error"}.items():
        yield "any step", old, new
    for kind, renamed in aliases.OLD_FIELDS.items():
        for old, new in renamed.items():
            yield kind, old, new
    for old, new in {**aliases.OLD_RETRY, "maxRetries": "max_attempts"}.items():
        yield "retry", old, new
    yield "parallel", "steps", "branches"
    yield "llm", "params", "input"
    yield "transform", "config", "its fields one level up"


def test_older_step_fields() -> None:
    """Each older field is there with what it is read as."""
    rows = next(one for one in pages.tables(STEPS) if one.header == ("of", "older field", "read as"))
    actual = {(of, only(old), (code(new) or [new])[0]) for of, old, new in rows.rows}
    assert set(older_fields()) == actual


def test_older_names_of_agents() -> None:
    """Each older name of an agent's field is there with what it is read as."""
    rows = next(one for one in pages.tables(AGENT_FILE) if one.header == ("older field", "read as"))
    assert dict(agent_tables.OLD_NAMES) == {only(old): only(new) for old, new in rows.rows}


def test_built_in_plugins() -> None:
    """Each built-in plugin is there with its actions."""
    rows = next(one for one in pages.tables(AGENT_FILE) if one.header == ("plugin", "actions"))
    loaded = load(BUILT_IN, {"files": {"root": "."}}).plugins
    expected = {plugin.name: list(plugin.actions) for plugin in loaded}
    actual = {only(name): [one for one in code(told) if not one.isupper()] for name, told in rows.rows}
    assert expected == actual
