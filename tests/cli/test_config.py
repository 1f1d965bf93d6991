"""`trackrecord config`: what holds, where it came from, no secret, and a word on what nothing reads."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Type
from tests.docs.test_reference import settings_of

from trackrecord.cli.escape import width
from trackrecord.config import Settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("TRACKRECORD_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)


def shown(typed: Type) -> dict[str, Any]:
    """Every setting by its variable."""
    return {one["variable"]: one for one in typed("config", "--json").json["settings"]}  # type: ignore[index,call-overload]


def test_every_setting_is_shown_with_its_default(typed: Type, desk: Path) -> None:
    """Those of the documentation; of the limits what an agent that sets none gets."""
    found = shown(typed)
    expected = dict(settings_of(Settings))

    assert list(expected) == list(found)
    assert {"default"} == {one["source"] for one in found.values()}
    for name, value in expected.items():
        if name != "TRACKRECORD_DB":
            assert value == found[name]["value"], name
    assert f"sqlite:///{desk}/data/trackrecord/runs.db" == found["TRACKRECORD_DB"]["value"]
    assert all(one["meaning"] for one in found.values())


def test_what_the_environment_sets_is_told(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole and in parts, in small letters too; nothing else is said to be set."""
    monkeypatch.setenv("TRACKRECORD_DB", "sqlite:///mine.db")
    monkeypatch.setenv("trackrecord_limits__max_iterations", "7")
    monkeypatch.setenv("TRACKRECORD_HTTP", '{"ports": [8080]}')
    monkeypatch.setenv("TRACKRECORD_INTENSITY__TOKENS_PER_RUN", "[10, 20]")
    found = shown(typed)
    given = {name: one["value"] for name, one in found.items() if one["source"] == "environment"}

    assert {
        "TRACKRECORD_DB": "sqlite:///mine.db",
        "TRACKRECORD_LIMITS__MAX_ITERATIONS": 7,
        "TRACKRECORD_HTTP__PORTS": [8080],
        "TRACKRECORD_INTENSITY": {"tokens_per_run": [10, 20]},
    } == given


def test_no_secret_is_shown(typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the key, nor the value of any secret variable wherever it stands, nor a password in an address."""
    key = base64.b64encode(bytes(range(32))).decode()
    monkeypatch.setenv("TRACKRECORD_SECRETS__KEY", key)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-value")
    monkeypatch.setenv("TRACKRECORD_MODEL", "mine:sk-very-secret-value")
    monkeypatch.setenv("TRACKRECORD_HTTP__CREDENTIALS", '{"crm": ["https://me:hunter22@crm.example"]}')
    monkeypatch.setenv("TRACKRECORD_KEY_OF_sk-very-secret-value", "x")
    for words in (("config",), ("config", "--json")):
        done = typed(*words)
        assert 0 == done.code
        for secret in (key, "sk-very-secret-value", "hunter22"):
            assert secret not in done.out + done.err
    found = shown(typed)
    assert ("[redacted]", "environment") == (
        found["TRACKRECORD_SECRETS__KEY"]["value"],
        found["TRACKRECORD_SECRETS__KEY"]["source"],
    )
    assert "mine:[redacted]" == found["TRACKRECORD_MODEL"]["value"]
    assert typed("config", "--json").json["keys"]["OPENAI_API_KEY"] is True  # type: ignore[index,call-overload]


def test_a_key_from_a_file_is_told_by_its_file(typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Masked when it can be read; a warning when not."""
    file = tmp_path / "the.key"
    monkeypatch.setenv("TRACKRECORD_SECRETS__KEY_FILE", str(file))
    assert "the.key' cannot be read" in typed("config").err
    assert shown(typed)["TRACKRECORD_SECRETS__KEY"]["value"] is None
    file.write_text(base64.b64encode(bytes(32)).decode())
    one = shown(typed)["TRACKRECORD_SECRETS__KEY"]

    assert ("[redacted]", f"file {file}") == (one["value"], one["source"])
    assert "" == typed("config").err


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("TRACKRECORD_MODLE", "TRACKRECORD_MODLE is no setting. Did you mean TRACKRECORD_MODEL?"),
        ("TRACKRECORD_DURABILTY", "Did you mean TRACKRECORD_DURABILITY?"),
        ("TRACKRECORD_MAX_ITERATIONS", "TRACKRECORD_LIMITS__MAX_ITERATIONS?"),
        ("TRACKRECORD_ZZZZ", "TRACKRECORD_ZZZZ is no setting. Nothing reads it: `unset` it."),
        ("TRACKRECORD_FILES_ROOT", "there is no folder 'x'"),
        ("TRACKRECORD_INTENSITY__TOKENS", "TRACKRECORD_INTENSITY:"),
    ],
)
def test_what_may_not_be_as_it_was_meant_is_told(
    variable: str, told: str, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, with the setting that was probably meant; the page is shown all the same."""
    monkeypatch.setenv(variable, "x")
    done = typed("config")

    assert 0 == done.code
    assert done.err.startswith("warning: ")
    assert told in done.err


@pytest.mark.parametrize("variable", ["TRACKRECORD_DEBUG", "TRACKRECORD_LIMITS", "TRACKRECORD_RETRY"])
def test_what_is_read_is_no_warning(variable: str, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables beside the settings, and wholes of which settings are parts."""
    monkeypatch.setenv(variable, "{}")

    assert "" == typed("config").err


def test_a_setting_that_cannot_be_used_is_an_error(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one that a run would get; a part that is none gets its neighbour."""
    monkeypatch.setenv("TRACKRECORD_LIMITS__MAX_ITERATION", "7")
    done = typed("config")

    assert (2, "") == (done.code, done.out)
    assert (
        "error: there is no setting TRACKRECORD_LIMITS__MAX_ITERATION\n"
        "Did you mean TRACKRECORD_LIMITS__MAX_ITERATIONS?\n"
    ) == done.err


def test_the_page_fits(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns, whatever the values; what was set stands first."""
    monkeypatch.setenv("TRACKRECORD_RETRY__MAX_MS", "5")
    monkeypatch.setenv("TRACKRECORD_MODEL", "x" * 300)
    done = typed("config")
    settings = done.out.split("\n\n")[0].splitlines()

    assert [] == [text for text in settings if width(text) > 80]
    assert ["TRACKRECORD_MODEL", "TRACKRECORD_RETRY__MAX_MS"] == [text.split()[0] for text in settings[1:3]]
