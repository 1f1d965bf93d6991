"""Settings, errors, commands and intensity: nothing undocumented, and nothing documented that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

import pytest
import typer
from pydantic import BaseModel
from tests.docs import pages, shown
from tests.docs.pages import HOW_TO, REFERENCE, SOURCE, code, names, only

from trackrecord import errors, examples
from trackrecord.agent.policies import Limits
from trackrecord.cli.commands import COMMANDS
from trackrecord.config import LimitSettings, Settings
from trackrecord.errors import RunError, TrackrecordError
from trackrecord.record import intensity, intensity_settings

COMMAND_LINE = REFERENCE / "command-line.md"
ERRORS = REFERENCE / "errors.md"
HTTP = REFERENCE / "http.md"
INTENSITY = REFERENCE / "intensity.md"
SETTINGS = REFERENCE / "settings.md"


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
    for heading in ("Variables", "HTTP", "Limits", "Retries"):
        actual |= {name: row["default"] for name, row in pages.table(SETTINGS, heading).by("variable").items()}
    assert expected == actual


def environment_names() -> set[str]:
    """Every variable that the source reads, or names as one of ours."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r"\bTRACKRECORD_[A-Z_]*[A-Z]\b", text))
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ")), args=[asked, *_]):
                    found |= {asked.value} if isinstance(asked, ast.Constant) else set()
                case ast.Compare(left=ast.Constant(value=asked), comparators=[ast.Attribute(attr="environ")]):
                    found.add(str(asked))
                case _:
                    pass
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
        missing = [ending for ending in _SECRET_ENDINGS if f"`{ending}`" not in page.read_text()]
        assert not missing, page.name


def test_http() -> None:
    """Arguments, fields, headers and bounds of the plugin `http` are those of the code."""
    from trackrecord.plugins import http
    from trackrecord.plugins.outbound.addresses import Policy
    from trackrecord.plugins.outbound.telling import KEPT_HEADERS

    actions: Any = http.plugin({}).actions
    arguments = {name: row["of"] for name, row in pages.table(HTTP, "Actions").by("argument").items()}
    assert list(actions["post"].parameters["properties"]) == list(arguments)
    assert list(actions["get"].parameters["properties"]) == [name for name, of in arguments.items() if of == "all"]
    fields = pages.table(HTTP, "Result").by("field")
    assert list(KEPT_HEADERS) == code(fields["headers"]["holds"])
    policy, bounds = Policy(), dict(pages.table(HTTP, "What may be reached").rows)
    assert str(policy.max_redirects) == bounds["redirects followed"]
    assert f"{policy.max_bytes >> 20} MiB" == bounds["body, decoded (gzip, deflate)"]
    assert bounds["time for everything"].startswith(f"{policy.timeout_s:g} s")
    assert f"{policy.connect_timeout_s:g} s" == bounds["time for one connection"]


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
    status_of = {one.__name__: one.status for one in CLASSES if issubclass(one, RunError)}
    status_of |= {"EffectFailed": "failed", "ModelCallFailed": "failed"}
    found = {(one.status, one.code) for one in CLASSES if issubclass(one, RunError)}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = {word.arg: word.value for word in node.keywords}
            if node.func.id in status_of and "code" in given:
                found |= {(status_of[node.func.id], text) for text in _texts(given["code"])}
            elif node.func.id == "Ending" and "error_code" in given:
                found |= {(status, text) for status in _texts(given["status"]) for text in _texts(given["error_code"])}
    return found


def _texts(node: ast.expr) -> list[str]:
    """The texts an expression may be, where it says so itself."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    return [str(node.value)] if isinstance(node, ast.Constant) else []


def test_error_codes_of_runs() -> None:
    """Each code that a run can end with is there under its status, and no other."""
    table = pages.table(ERRORS, "Error codes of runs")
    actual = [(only(status), only(given)) for status, given, _ in table.rows]
    assert len(actual) == len(set(actual))
    assert codes_in_source() == set(actual)


def parameters_of(name: str) -> Iterator[tuple[str, ...]]:
    """Arguments and options of a command, as its help page writes them."""
    command = typer.Typer(add_completion=False)
    module = import_module(f"trackrecord.cli.commands.{name}")
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
    scores = {name.removesuffix("_thousandths") for name in intensity.SCORE_COLUMNS}
    assert scores - set(parts) - {"growth", "growth_alert", "rule"} == set(names(INTENSITY, "Combined score", "figure"))
    bands = [(f"{percent} %", str(points), alert) for percent, points, alert in reversed(intensity.GROWTH_BANDS)]
    rows = pages.table(INTENSITY, "Growth").rows
    assert [("–", "0", "none"), *bands] == [(grown, points, only(alert)) for grown, points, alert in rows]
    text = INTENSITY.read_text()
    assert f"(`{intensity.RULE}`)" in text
    assert f"`low` below {intensity.MEDIUM_FROM // 1000}, `medium` below {intensity.HIGH_FROM // 1000}" in text
    assert f"below {intensity.MIN_RUNS_TO_COMBINE} runs" in text
    assert f"multiplied by {intensity.UNRELIABLE_FACTOR} while" in text
    assert f"then by {intensity.RETRYING_FACTOR} while" in text
