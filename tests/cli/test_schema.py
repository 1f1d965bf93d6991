"""`trackrecord schema`: printed as it is made, for whoever pipes it on."""

from __future__ import annotations

import jsonschema_rs
import pytest
from tests.cli.conftest import Type

import trackrecord
from trackrecord.cli.commands.schema import SCHEMAS


@pytest.mark.parametrize("what", SCHEMAS)
def test_each_schema_is_printed(what: str, typed: Type) -> None:
    """A valid one, that says which version made it."""
    done = typed("schema", what)

    assert (0, "") == (done.code, done.err)
    assert isinstance(done.json, dict)
    jsonschema_rs.meta.validate(done.json)
    assert f"trackrecord {trackrecord.__version__}" == done.json["$comment"]


def test_it_is_the_agents_when_none_is_named(typed: Type) -> None:
    """What editors want."""
    assert typed("schema", "agent").out == typed("schema").out


def test_the_logs_of_a_run_fit_the_schema_of_records(typed: Type) -> None:
    """Of both engines, completed and failed, as `show --json` has them."""
    fits = jsonschema_rs.Draft202012Validator(typed("schema", "record").json)
    for words in (("both.yaml",), ("both.yaml", "--engine", "agentkit"), ("fails.yaml",), ("echo.yaml",)):
        logs = typed("run", *words, "--json").json["run"]["logs"]  # type: ignore[index,call-overload]
        assert [] == [str(error) for error in fits.iter_errors(logs)]


def test_there_is_no_other(typed: Type) -> None:
    """Those that are there are named."""
    done = typed("schema", "tables")

    assert (2, "error: there is no schema 'tables'\nThere are agent, script, record.\n") == (done.code, done.err)
