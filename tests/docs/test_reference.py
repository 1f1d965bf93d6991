"""The reference pages and the code name the same things: nothing undocumented, nothing documented that is not there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import typer
import yaml
from pydantic import BaseModel
from tests.docs import pages, shown
from tests.docs.pages import DOCS, ROOT, code, only, plain

from trackrecord import Agent, AgentExecutionData, SyncTrackrecord, errors, examples
from trackrecord.agent import tables as agent_tables
from trackrecord.agent.policies import Limits
from trackrecord.canonical import Json, loads
from trackrecord.cli.commands import COMMANDS
from trackrecord.config import LimitSettings, Settings
from trackrecord.errors import RunError, TrackrecordError
from trackrecord.models import script
from trackrecord.parity import VERDICTS
from trackrecord.plugins.entry_points import BUILT_IN, load
from trackrecord.plugins.protocol import EffectClass
from trackrecord.record import intensity, intensity_settings
from trackrecord.record.record import Status
from trackrecord.record.spans import Purpose, SpanKind, SpanStatus
from trackrecord.verify.rules import RULES
from trackrecord.workflow import aliases, bounds, functions, longest, paths, questions, references, transforms, tree
from trackrecord.workflow import expressions as language
from trackrecord.workflow import steps as step_data
from trackrecord.workflow import vocabulary as steps
from trackrecord.workflow.bounds import ExpressionError
from trackrecord.workflow.conditions import compile_condition
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.fields import Table as FieldTable
from trackrecord.workflow.operators import ARITHMETIC, COMPARISONS
from trackrecord.workflow.references import compile_template

REFERENCE, HOW_TO, SOURCE = DOCS / "reference", DOCS / "how-to", ROOT / "src" / "trackrecord"
AGENT_FILE, COMMAND_LINE, ERRORS = (REFERENCE / f"{name}.md" for name in ("agent-file", "command-line", "errors"))
EXPRESSIONS, INTENSITY, RECORD = (REFERENCE / f"{name}.md" for name in ("expressions", "intensity", "record"))
SCRIPT, SETTINGS, STEPS, TABLES = (
    REFERENCE / f"{name}.md" for name in ("scripted-model", "settings", "steps", "tables")
)


def names(page: Path, heading: str, title: str) -> list[str]:
    """The names in a column of the one table under a heading, in order."""
    return [only(cell) for cell in pages.table(page, heading).column(title)]


def figures(page: Path, heading: str, name: str, figure: str) -> dict[str, int]:
    """The whole numbers of a table, by what they limit."""
    table = pages.table(page, heading)
    return {
        what: int(cell.replace(",", "").split()[0])
        for what, cell in zip(table.column(name), table.column(figure), strict=True)
    }


# ------------------------------------------------------------------------------------------------------------- fields of files

FIELDS: list[tuple[Path, str, FieldTable]] = [
    (STEPS, "Common fields", steps.COMMON),
    (STEPS, "Retry", steps.RETRY),
    (STEPS, "Failures", steps.FALLBACK),
    *((STEPS, kind, table) for kind, table in steps.BODIES.items()),
    (AGENT_FILE, "Fields", agent_tables.AGENT),
    (AGENT_FILE, "Inputs", agent_tables.INPUT),
    (AGENT_FILE, "Outputs", agent_tables.OUTPUT),
    (AGENT_FILE, "Plugins", agent_tables.PLUGIN),
    (AGENT_FILE, "Limits", agent_tables.LIMITS),
    (AGENT_FILE, "Memory", agent_tables.MEMORY),
    (AGENT_FILE, "Payloads", agent_tables.PAYLOADS),
    (SCRIPT, "Script", script._SCRIPT),
    (SCRIPT, "Rule", script._RULE),
    (SCRIPT, "When", script._WHEN),
    (SCRIPT, "Reply", script._REPLY),
    (SCRIPT, "Tool call", script._CALL),
    (SCRIPT, "Usage", script._USAGE),
    (SCRIPT, "Error", script._ERROR),
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
    """Each step type has a heading of its own, and those that are refused are named as such."""
    assert list(steps.STEP_TYPES) == [heading for heading in pages.headings(STEPS) if heading in steps.STEP_TYPES]
    text = STEPS.read_text()
    refused = text[text.index("## Not in this version") :].split("\n\n")[1]
    assert list(steps.LATER_TYPES) == code(refused)


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
    table = pages.table(STEPS, "Limits")
    expected = {
        "steps of a workflow": step_data.MAX_STEPS,
        "nesting": step_data.MAX_NESTING,
        "iterations of a loop": step_data.MAX_ITERATIONS,
        "items of a map": step_data.MAX_ITEMS,
        "branches of a parallel step": step_data.MAX_BRANCHES,
        "iterations, branches or items at once": step_data.MAX_CONCURRENCY,
        "delay": step_data.MAX_DELAY_MS // 86_400_000,
        "path of a step, in bytes": longest.MAX_PATH_BYTES,
    }
    assert expected == figures(STEPS, "Limits", *table.header)


def test_older_step_types() -> None:
    """Each older type is there with what it is read as."""
    rows = next(one for one in pages.tables(STEPS) if one.header == ("older type", "read as"))
    assert dict(aliases.OLD_TYPES) == {only(old): only(new) for old, new in rows.rows}


def older_fields() -> Iterator[tuple[str, str, str]]:
    """What the code reads under another name: of which steps, the older name, today's."""
    for old, new in {**aliases._OLD_COMMON, "continueOnError": "on_error"}.items():
        yield "any step", old, new
    for kind, renamed in aliases._OLD_FIELDS.items():
        for old, new in renamed.items():
            yield kind, old, new
    for old, new in {**aliases._OLD_RETRY, "maxRetries": "max_attempts"}.items():
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


# ----------------------------------------------------------------------------------------------------------------- expressions

DATA: dict[str, Json] = yaml.safe_load(pages.blocks(EXPRESSIONS)[0].text)
SYMBOLS: Mapping[type[ast.AST], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"},
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Not: "not", ast.USub: "-", ast.UAdd: "+"},
}
ALWAYS = ("and", "or", "if else", "[ ]", "[:]", "[, ]", "{: }")  # what the compiler handles by itself


def whole(cell: str) -> str:
    """The code that a cell is, backticks in it kept."""
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell[1:-1]


def test_operators() -> None:
    """Each operator of the language is there, and no other."""
    known = {SYMBOLS[one] for one in (*ARITHMETIC, *COMPARISONS, *language._UNARY)}
    assert known | set(ALWAYS) == set(names(EXPRESSIONS, "Operators", "operator"))


def test_functions() -> None:
    """Each function is there, written as the error messages write it."""
    written = [plain(cell) for cell in pages.table(EXPRESSIONS, "Functions").column("function")]
    usages = {one.usage for one in functions.FUNCTIONS.values()} | set(language._SPECIAL.values())
    assert usages == set(written)
    assert len(written) == len(set(written))


@pytest.mark.parametrize("heading", ["Operators", "Functions"])
def test_examples_of_expressions(heading: str) -> None:
    """Each example gives what stands beside it."""
    table = pages.table(EXPRESSIONS, heading)
    for example, given in zip(table.column("example"), table.column("gives"), strict=True):
        assert json.loads(whole(given)) == compile_expression(only(example)).evaluate(DATA), example


def test_examples_of_functions_call_them() -> None:
    """The example of a function is one of that function."""
    table = pages.table(EXPRESSIONS, "Functions")
    for written, example in zip(table.column("function"), table.column("example"), strict=True):
        name = plain(written).partition("(")[0]
        assert only(example).startswith(f"{name}("), written


def test_examples_of_templates() -> None:
    """Each template gives what stands beside it."""
    for template, given in pages.table(EXPRESSIONS, "Templates").rows:
        assert json.loads(whole(given)) == compile_template(whole(template)).render(DATA), template


def test_what_is_not_part_of_the_language() -> None:
    """Each of these is refused, in the words that are shown."""
    for written, told in pages.table(EXPRESSIONS, "Not part of the language").rows:
        with pytest.raises(ExpressionError, match=re.escape(only(told))):
            compile_expression(only(written)).evaluate(DATA)


def test_operators_of_conditions() -> None:
    """Each operator of a question is there, and its example uses it and holds; the example of groups holds too."""
    table = pages.table(EXPRESSIONS, "Conditions")
    assert list(questions.NAMES) == names(EXPRESSIONS, "Conditions", "operator")
    for operator, example in table.rows:
        question = yaml.safe_load(only(example))
        assert only(operator) == question["operator"]
        assert compile_condition(question).holds(DATA), example
    group = yaml.safe_load(pages.blocks(EXPRESSIONS)[1].text)
    assert compile_condition(group).holds(DATA)


def test_roots_of_references() -> None:
    """Each root is there, and the data of the page has it."""
    assert list(paths.ROOTS) == names(EXPRESSIONS, "References", "root")
    assert set(paths.ROOTS) == set(DATA)
    assert {"true", "false", "null"} == set(tree.WORDS)


def test_limits_of_expressions() -> None:
    """The limits are those of the code."""
    expected = {
        "source of an expression, in bytes": bounds.MAX_SOURCE_BYTES,
        "nesting of an expression": bounds.MAX_DEPTH,
        "whole number, either sign": bounds.MAX_INT,
        "text made by an expression, in characters": bounds.MAX_TEXT,
        "entries of a list": bounds.MAX_LIST,
        "nodes visited": bounds.MAX_VISITS,
        f"values walked over, {'hundred' if bounds.VALUES_PER_VISIT == 100 else '?'} of them counting as one visit": (
            bounds.MAX_VALUES
        ),
        "text filled in by a template, in characters": references.MAX_RENDERED,
        "values a transform walks over": transforms.MAX_WORK,
    }
    assert expected == figures(EXPRESSIONS, "Limits", "limit", "at most")


# -------------------------------------------------------------------------------------------------------------------- settings


def settings_of(model: type[BaseModel], prefix: str = "TRACKRECORD_") -> Iterator[tuple[str, object]]:
    """Every variable and its default; of a limit the one it has in the end."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, f"{prefix}{name.upper()}__")
        else:
            default = field.get_default(call_default_factory=True)
            yield f"{prefix}{name.upper()}", getattr(Limits(), name) if model is LimitSettings else default


def test_settings() -> None:
    """Each setting is there once with its default, and nothing else is called a setting."""
    expected = {name: "–" if default is None else shown.code(default) for name, default in settings_of(Settings)}
    actual: dict[str, str] = {}
    for heading in ("Variables", "Limits", "Retries"):
        actual |= {name: row["default"] for name, row in pages.table(SETTINGS, heading).by("variable").items()}
    assert expected == actual


def environment_names() -> set[str]:
    """Every variable that the source reads or names in a text of its own."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r"[\"']([A-Z_]{4,})[\"']", text)) & set(re.findall(r"\b[A-Z_]{4,}\b", text))
        if "os.environ" not in text:
            found -= set(re.findall(r"[\"']([A-Z_]{4,})[\"']", text))
        found |= set(re.findall(r"\bTRACKRECORD_[A-Z_]*[A-Z]\b", text))
    return found


def test_other_variables() -> None:
    """Each variable that the source reads is on the page, and no other."""
    documented = set(names(SETTINGS, "Other variables", "variable"))
    settings = dict(settings_of(Settings))
    assert environment_names() - set(settings) == documented


def test_secrets_are_described() -> None:
    """The endings by which a variable is known to be secret are those of the code."""
    from trackrecord.config import _SECRET_ENDINGS

    for page in (SETTINGS, HOW_TO / "keep-more-or-less.md"):
        assert set(_SECRET_ENDINGS) <= set(code(page.read_text().replace("\n", " "))), page.name


# ---------------------------------------------------------------------------------------------------------------------- errors

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TrackrecordError)]


def test_error_classes() -> None:
    """Each class is there, in the order of the tree, with its code, HTTP status and exit code."""
    expected = [(one.__name__, one.code, str(one.http_status), str(one.exit_code)) for one in CLASSES]
    table = pages.table(ERRORS, "Classes")
    actual = [(only(name), only(given), http, leaves) for name, given, http, leaves, *_ in table.rows]
    assert expected == actual
    assert all(means and cure for *_, means, cure in table.rows)


def codes_in_source() -> set[tuple[str, str]]:
    """Status and code of every way in which the source lets a run end badly."""
    found = {(one.status, one.code) for one in CLASSES if issubclass(one, RunError)}
    of_class = {one.__name__: one.status for one in CLASSES if issubclass(one, RunError)}
    calls = {"EffectFailed": "failed", "ModelCallFailed": "failed", **of_class}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            given = {word.arg: word.value for word in node.keywords} if isinstance(node, ast.Call) else {}
            if name == "Ending" and isinstance(given.get("error_code"), ast.Constant):
                found.add((_text(given["status"]), _text(given["error_code"])))
            elif name in calls and "code" in given:
                literals = [one for one in ast.walk(given["code"]) if isinstance(one, ast.Constant)]
                found |= {(calls[name], _text(one)) for one in literals if one.value != "model"}
    return found


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def test_error_codes_of_runs() -> None:
    """Each code that a run can end with is there under its status, and no other."""
    table = pages.table(ERRORS, "Error codes of runs")
    actual = [(only(status), only(given)) for status, given, _ in table.rows]
    assert len(actual) == len(set(actual))
    assert codes_in_source() == set(actual)


# ---------------------------------------------------------------------------------------------------------------- command line


def parameters_of(name: str) -> Iterator[tuple[str, ...]]:
    """Arguments and options of a command, as its help page writes them."""
    command = typer.Typer(add_completion=False)
    module = __import__(f"trackrecord.cli.commands.{name}", fromlist=["command"])
    command.command()(module.command)
    for parameter in cast("Any", typer.main.get_command(command)).params:
        if parameter.param_type_name == "argument":
            yield (str(parameter.metavar),)
        elif "--help" not in parameter.opts:
            *short, last = sorted(parameter.opts, key=len)
            yield (*short, last if parameter.is_flag else f"{last} {parameter.metavar}")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_options_of_a_command(name: str) -> None:
    """Each argument and option is there, in the order of the help page, and no other."""
    table = pages.table(COMMAND_LINE, name)
    assert list(parameters_of(name)) == [tuple(code(cell)) for cell in table.column("argument or option")]
    assert all(table.column("does"))


def test_commands() -> None:
    """Each command is there, in the order of the front page."""
    assert list(COMMANDS) == [one.heading for one in pages.tables(COMMAND_LINE) if "argument or option" in one.header]


def test_exit_codes() -> None:
    """The exit codes are those of the errors, of a run's end, and of signals."""
    from trackrecord.cli import carrying, front, stopping

    signals = {stopping.FIRST_EXIT + number for number in stopping._SIGNALS}
    expected = {one.exit_code for one in CLASSES} | {carrying.COMPLETED, carrying.FAILED, carrying.WAITING}
    expected |= signals | {front.USAGE, front.FAULT, front.INTERRUPTED, front.PIPE_CLOSED}
    assert expected == {int(cell) for cell in names(COMMAND_LINE, "Exit codes", "code")}


def test_bundled_examples() -> None:
    """The examples of `demo` are named."""
    row = pages.table(COMMAND_LINE, "demo").rows[0]
    assert set(examples.names()) == set(code(row[1]))


# ---------------------------------------------------------------------------------------------------------- tables, the record


def test_tables_and_columns() -> None:
    """Each table and column is there, in the order of the schema, with whether it may be null."""
    from trackrecord.store import schema

    documented = [one for one in pages.tables(TABLES) if one.header == ("column", "null", "is")]
    expected = {
        name: [(column.name, "yes" if column.nullable else "no") for column in table.columns]
        for name, table in schema.metadata.tables.items()
    }
    assert expected == {one.heading: [(only(name), null) for name, null, _ in one.rows] for one in documented}
    assert all(about for one in documented for *_, about in one.rows)


def test_public_fields() -> None:
    """The nineteen public fields are there, in their order."""
    expected = [field.name for field in fields(AgentExecutionData)]
    assert 19 == len(expected)
    assert expected == names(RECORD, "AgentExecutionData", "field")


def keys_of(value: Json, place: str = "") -> Iterator[str]:
    """Places of all leaves; the entries of a list of objects are one place, a list of plain values is a leaf."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from keys_of(item, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from keys_of(value[0], f"{place}[]")
    else:
        yield place


def test_keys_of_the_logs(tmp_path: Path) -> None:
    """Each key of the logs is there in its order, and what both engines leave has no other."""
    agent = Agent.from_mapping(
        {
            "name": "a",
            "model": "scripted:s.yaml",
            "plugins_required": ["time"],
            "workflow_steps": [{"id": "ask", "type": "agent"}],
        },
        base=tmp_path,
    )
    (tmp_path / "s.yaml").write_text("replies: [{tool_calls: [{name: time__now}]}, done]")
    with SyncTrackrecord(f"sqlite:///{tmp_path}/runs.db") as tr:
        ran = [tr.run(agent, engine=engine) for engine in ("agentkit", "orchestrator")]
    left = [stored_logs(tmp_path / "runs.db", run.id) for run in ran]
    documented = names(RECORD, "JSON of the logs", "key")
    assert set(documented) == set(keys_of(left[1]))
    executed = {key for key in documented if key.startswith("workflow.executed.")}
    assert set(documented) - executed | {"workflow.executed"} == set(keys_of(left[0]))


def stored_logs(database: Path, run_id: str) -> Json:
    from trackrecord.store.reader import SqliteReader

    with SqliteReader(database) as reader:
        return loads(str(reader.execution(run_id)["logs"]))


def literals(alias: object) -> list[str]:
    """The words of a Literal, or of a union of Literals, in order."""
    return [word for part in get_args(alias) for word in (literals(part) if get_args(part) else [part])]


@pytest.mark.parametrize(
    ("title", "alias"),
    [
        ("kind", SpanKind),
        ("status", SpanStatus),
        ("purpose of a model attempt", Purpose),
    ],
)
def test_words_of_spans(title: str, alias: object) -> None:
    """Each kind, status and purpose of a span is there."""
    table = next(one for one in pages.tables(RECORD) if one.heading == "Spans" and one.header[0] == title)
    assert set(literals(alias)) == {only(cell) for cell in table.column(title)}


def test_statuses_of_runs() -> None:
    """Each status of a run is there."""
    assert literals(Status) == names(RECORD, "Statuses", "status")


def test_segments_of_paths() -> None:
    """Each segment of the page's example is explained, and each kind of segment that is explained is known."""
    segments = names(RECORD, "Paths", "segment")
    assert {"s", "try", "i", "b", "turn", "call", "epoch"} == {one.partition(":")[0] for one in segments if ":" in one}
    listed = next(one for one in pages.blocks(RECORD) if one.language == "text")
    used = {part.partition(":")[0] for row in listed.text.splitlines() for part in row.split(" |")[0].split("/")}
    assert used <= {one.partition(":")[0] for one in segments}


# ------------------------------------------------------------------------------------------------------------------- intensity


def test_ranges_and_weights() -> None:
    """Each range and each group of weights is there with its default."""
    defaults = {key: getattr(intensity.DEFAULTS, key) for key in intensity_settings.KEYS}
    ranges = {key: tuple(one) for key, one in defaults.items() if isinstance(one, intensity.Range)}
    weights = {key: one._asdict() for key, one in defaults.items() if key not in ranges}
    assert ranges == {only(key): (float(lo), float(hi)) for key, lo, hi, _ in pages.table(INTENSITY, "Ranges").rows}
    written = {
        only(group): {name: float(share) for name, share in re.findall(r"`(\w+)` ([\d.]+)", told)}
        for group, told in pages.table(INTENSITY, "Weights").rows
    }
    assert weights == written


def test_parts_and_bands() -> None:
    """The parts of the score, its growth bands, its classes and its rule are those of the code."""
    parts = [name.removesuffix("_thousandths") for name in intensity.SCORE_COLUMNS if "complexity" in name]
    assert parts == names(INTENSITY, "Parts", "part")
    bands = [(f"{percent} %", str(points), alert) for percent, points, alert in reversed(intensity.GROWTH_BANDS)]
    rows = pages.table(INTENSITY, "Growth").rows
    assert [("–", "0", "none"), *bands] == [(grown, points, only(alert)) for grown, points, alert in rows]
    text = INTENSITY.read_text()
    assert f"(`{intensity.RULE}`)" in text
    assert f"`low` below {intensity.MEDIUM_FROM // 1000}, `medium` below {intensity.HIGH_FROM // 1000}" in text
    assert f"below {intensity.MIN_RUNS_TO_COMBINE} runs" in text
    assert f"multiplied by {intensity.UNRELIABLE_FACTOR} while" in text
    assert f"then by {intensity.RETRYING_FACTOR} while" in text


# --------------------------------------------------------------------------------------------------------------------- how-tos


def test_verdicts() -> None:
    """Each verdict of parity is explained."""
    assert list(VERDICTS) == names(HOW_TO / "compare-two-engines.md", "Verdicts", "verdict")


def test_checklist() -> None:
    """The eight lines of the checklist are named."""
    from trackrecord.parity.checklist import _CHECKS

    text = (HOW_TO / "compare-two-engines.md").read_text().replace("\n", " ")
    assert f"in eight lines: {', '.join(_CHECKS)}." in text


def test_checks_of_verify() -> None:
    """Each check is there with its rule, word for word."""
    table = pages.table(HOW_TO / "verify-and-rebuild.md", "Checks")
    assert {name: one.rule for name, one in RULES.items()} == {only(name): rule for name, rule in table.rows}


def test_effects() -> None:
    """Each effect class is explained."""
    assert list(get_args(EffectClass)) == names(HOW_TO / "write-a-plugin.md", "Effects", "effect")


def test_payload_policies() -> None:
    """Each choice and each content is explained, with its default."""
    page = HOW_TO / "keep-more-or-less.md"
    choices, contents = pages.tables(page)
    assert agent_tables.PAYLOADS["inputs"].choices == tuple(only(cell) for cell in choices.column("policy"))
    expected = {name: shown.default(field) for name, field in agent_tables.PAYLOADS.items()}
    assert expected == {only(name): default for name, default, _ in contents.rows}


def test_arguments_of_run() -> None:
    """Each argument of `Trackrecord.run` beside the agent is explained."""
    import inspect

    from trackrecord import Trackrecord

    table = pages.table(HOW_TO / "embed-in-python.md", "What else run takes")
    known = [name for name in inspect.signature(Trackrecord.run).parameters if name not in ("self", "agent")]
    assert known == [name for cell in table.column("argument") for name in code(cell)]


# ----------------------------------------------------------------------------------------------------------------------- links

LINKS = [(page, line, target) for page in pages.every_page() for line, target in pages.links(page)]


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_links_resolve(page: Path) -> None:
    """A link leads to a file of the project, and its anchor to a heading there; nothing leads outside."""
    for line, target in pages.links(page):
        place, _, anchor = target.partition("#")
        assert "://" not in place, f"line {line}: {target}"
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"line {line}: {target}"
        if anchor:
            assert anchor in pages.anchors(found), f"line {line}: {target}"


def test_every_page_is_in_the_index() -> None:
    """Every page under docs is linked from its index."""
    index = DOCS / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for _, target in pages.links(index)}
    assert set() == {pages.name_of(page) for page in DOCS.rglob("*.md") if page != index and page not in linked}
