"""Settings: code over environment over default, and a clear word on whatever cannot be used."""

from __future__ import annotations

import os
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from trackrecord.agent import Limits
from trackrecord.config import HttpSettings, LimitSettings, RetrySettings, Settings, read_settings, secrets_of
from trackrecord.errors import BadSettings
from trackrecord.record.redact import MIN_SECRET_LENGTH


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("TRACKRECORD_"):
            monkeypatch.delenv(name)


def set_all(patch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        patch.setenv(name, value)


DEFAULTS: dict[str, Any] = {
    "db": "",
    "model": None,
    "stream": False,
    "stream_idle_s": 60.0,
    "late_usage_s": 5.0,
    "durability": "sync",
    "synchronous": None,
    "checkpoint_days": 7,
    "files_root": ".",
    "plugins": [],
    "mcp_file": "",
    "http": {"allow": [], "ports": [80, 443], "credentials": {}},
    "limits": dict.fromkeys(LimitSettings.model_fields),
    "secrets": {"key": None, "key_file": None},
    "memory": {"summary_model": None},
    "credits": {"hold": None},
    "retry": {
        "max_attempts": 3, "initial_ms": 1_000, "multiplier": 2.0, "max_ms": 30_000, "retry_after_cap_ms": 60_000,
    },
    "intensity": {},
}  # fmt: skip


def test_defaults_are_the_safe_ones() -> None:
    """Without any setting nothing is lost, nothing is guessed and no plugin from elsewhere is connected."""
    assert DEFAULTS == read_settings().model_dump()


@pytest.mark.parametrize(
    ("variables", "place", "expected"),
    [
        ({"TRACKRECORD_DB": "sqlite:///x.db"}, "db", "sqlite:///x.db"),
        ({"TRACKRECORD_MODEL": "scripted:x"}, "model", "scripted:x"),
        ({"trackrecord_model": "scripted:x"}, "model", "scripted:x"),
        ({"TRACKRECORD_DURABILITY": "async"}, "durability", "async"),
        ({"TRACKRECORD_SYNCHRONOUS": "NORMAL"}, "synchronous", "NORMAL"),
        ({"TRACKRECORD_PLUGINS": '["mail", "http"]'}, "plugins", ["mail", "http"]),
        ({"TRACKRECORD_HTTP__ALLOW": '["10.0.0.0/8"]'}, "http.allow", ["10.0.0.0/8"]),
        ({"TRACKRECORD_HTTP__PORTS": "[8080]"}, "http.ports", [8080]),
        ({"TRACKRECORD_HTTP__CREDENTIALS": '{"a": ["https://b"]}'}, "http.credentials", {"a": ["https://b"]}),
        ({"TRACKRECORD_RETRY__MAX_ATTEMPTS": "5"}, "retry.max_attempts", 5),
        ({"TRACKRECORD_RETRY": '{"max_ms": 7}'}, "retry.max_ms", 7),
        ({"TRACKRECORD_RETRY": '{"max_ms": 7}', "TRACKRECORD_RETRY__MAX_MS": "8"}, "retry.max_ms", 8),
        ({"TRACKRECORD_LIMITS__MAX_COST_USD": "0.10"}, "limits.max_cost_usd", Decimal("0.10")),
        ({"TRACKRECORD_LIMITS__RUN_TIMEOUT_S": "1.5"}, "limits.run_timeout_s", 1.5),
        ({"TRACKRECORD_INTENSITY__TOKENS_PER_RUN": "[0, 9]"}, "intensity", {"tokens_per_run": [0, 9]}),
        ({"TRACKRECORD_INTENSITY": '{"weights": {"tokens": 1}}'}, "intensity", {"weights": {"tokens": 1}}),
        ({"TRACKRECORD_NOT_OURS": "x"}, "model", None),
    ],
)
def test_the_environment_wins_over_the_default(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str, expected: object
) -> None:
    """Each setting is a variable, parts of a group are reached with two underscores, other variables are let be."""
    set_all(monkeypatch, variables)
    found: Any = read_settings()
    for name in place.split("."):
        found = getattr(found, name)
    assert (expected, type(expected)) == (found, type(found))


@pytest.mark.parametrize("name", ["DB", "MODEL", "DURABILITY", "PLUGINS", "RETRY", "LIMITS__MAX_SPANS", "INTENSITY"])
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`TRACKRECORD_MODEL=` in a file of settings means the default, not a model without a name."""
    monkeypatch.setenv(f"TRACKRECORD_{name}", "")
    assert DEFAULTS == read_settings().model_dump()


def test_code_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program or a command line gives counts; None means that it gives nothing."""
    set_all(monkeypatch, {"TRACKRECORD_MODEL": "a:b", "TRACKRECORD_DB": "sqlite:///env.db"})
    settings = read_settings(model="c:d", db=None, durability="async")
    assert ("c:d", "sqlite:///env.db", "async") == (settings.model, settings.db, settings.durability)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DURABILITY", "x", "is 'x': Input should be 'sync' or 'async'"),
        ("SYNCHRONOUS", "off", "is 'off': Input should be 'FULL' or 'NORMAL'"),
        ("RETRY__MAX_ATTEMPTS", "many", "is 'many': Input should be a valid integer"),
        ("RETRY__MAX_ATTEMPTS", "0", "is '0': Input should be greater than or equal to 1"),
        ("RETRY__MULTIPLIER", "inf", "is 'inf': Input should be less than or equal to 100"),
        ("LIMITS__RUN_TIMEOUT_S", "inf", "is 'inf': Input should be less than or equal to 2592000"),
        ("LIMITS__RUN_TIMEOUT_S", "nan", "is 'nan': Input should be"),
        ("LIMITS__MAX_COST_USD", "NaN", "is 'NaN': Input should be a finite number"),
        ("LIMITS__MAX_ITERATIONS", "1.5", "is '1.5': Input should be a valid integer"),
        ("PLUGINS", "mail", "is no JSON"),
        ("INTENSITY", "{bad", "is no JSON"),
        ("RETRY", "{bad", "is no JSON"),
        ("PLUGINS", '{"a": 1}', "is {'a': 1}: Input should be a valid list"),
        ("HTTP__PORTS", "80", "is 80: Input should be a valid list"),
        ("HTTP__ALLOW", "localhost:8080", "is no JSON"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_its_value_and_its_cure(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    """The words name the variable and say what it takes; nothing of a library's traceback shows."""
    monkeypatch.setenv(f"TRACKRECORD_{name}", value)
    with pytest.raises(BadSettings) as caught:
        read_settings()
    assert caught.value.message.startswith(f"the setting TRACKRECORD_{name} {complaint}")
    assert caught.value.cure
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"durability": "x"}, "the setting 'durability' is 'x': Input should be 'sync' or 'async'"),
        ({"nope": 1}, "there is no setting 'nope'"),
        ({"retry": {"max_ms": -1}}, "the setting 'retry.max_ms' is -1: Input should be greater than or equal to 0"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named_as_the_caller_knows_it(given: dict[str, Any], message: str) -> None:
    """Nobody is sent to the environment for what stands in the code."""
    with pytest.raises(BadSettings) as caught:
        read_settings(**given)
    assert message == caught.value.message


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("RETRY__MAX_ATTEMPT", "Did you mean TRACKRECORD_RETRY__MAX_ATTEMPTS?"),
        ("LIMITS__MAX_ITERATION", "Did you mean TRACKRECORD_LIMITS__MAX_ITERATIONS?"),
        ("HTTP__QQQQ", "`trackrecord config` lists them."),
    ],
)
def test_a_part_that_is_no_setting_gets_its_neighbour(monkeypatch: pytest.MonkeyPatch, name: str, cure: str) -> None:
    """A misspelt one is never silently passed over, nor its value told."""
    monkeypatch.setenv(f"TRACKRECORD_{name}", "[7]")
    with pytest.raises(BadSettings) as caught:
        read_settings()
    assert (f"there is no setting TRACKRECORD_{name}", cure) == (caught.value.message, caught.value.cure)


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading mends the environment."""
    set_all(monkeypatch, {"TRACKRECORD_DURABILITY": "x", "TRACKRECORD_RETRY__MAX_MS": "-1"})
    with pytest.raises(
        BadSettings, match=r"TRACKRECORD_DURABILITY is 'x'.*; the setting TRACKRECORD_RETRY__MAX_MS is '-1'"
    ):
        read_settings()


def test_the_limits_are_those_of_an_agent() -> None:
    """Whatever an agent may limit, an installation may; no limit is forgotten and none has another name."""
    assert {field.name for field in fields(Limits)} == LimitSettings.model_fields.keys()


@pytest.mark.parametrize("model", [Settings, HttpSettings, LimitSettings, RetrySettings])
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    """The reference page is made of these words."""
    assert [] == [name for name, field in model.model_fields.items() if not (field.description or "").endswith(".")]


def test_the_database_is_in_the_data_folder_when_nobody_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's own folder, as the desktop standards have it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert f"sqlite:///{tmp_path}/trackrecord/runs.db" == read_settings().database_url
    assert "sqlite:///here.db" == read_settings(db="sqlite:///here.db").database_url


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("OPENAI_API_KEY", True),
        ("openai_api_key", True),
        ("GITHUB_TOKEN", True),
        ("DB_PASSWORD", True),
        ("CLIENT_SECRET", True),
        ("SIGNING_KEY", True),
        ("PASSWORD", True),
        ("TOKEN", True),
        ("HOME", False),
        ("KEYBOARD", False),
        ("MONKEY", False),
        ("TOKEN_LIMIT", False),
    ],
)
def test_a_variable_is_secret_by_its_name(name: str, is_secret: bool) -> None:
    """Values of keys, tokens, secrets and passwords are kept out of every sink."""
    assert (("a-secret-value",) if is_secret else ()) == secrets_of({name: "a-secret-value"})


def test_short_values_are_no_secrets() -> None:
    """`DEBUG_KEY=on` may not mask every `on`."""
    assert () == secrets_of({"DEBUG_KEY": "on", "OTHER_KEY": "1234567"})
    assert ("12345678",) == secrets_of({"PIN_KEY": "12345678"})
    assert MIN_SECRET_LENGTH <= 8
