"""Settings: what the environment may say, and how a mistake in it is told."""

from __future__ import annotations

import pytest

from trackrecord.config import read_settings
from trackrecord.errors import BadSettings


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TRACKRECORD_DURABILITY", "never", "TRACKRECORD_DURABILITY"),
        ("TRACKRECORD_LIMITS__MAX_SPANS", "0", "TRACKRECORD_LIMITS__MAX_SPANS"),
        ("TRACKRECORD_LIMITS__MAX_SPAN", "9", "TRACKRECORD_LIMITS__MAX_SPAN"),
        ("TRACKRECORD_PLUGINS", "crm", "plugins"),
        ("TRACKRECORD_INTENSITY", "duration_ms=[0, 9]", "intensity"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with a variable is an error of ours with a cure, also where it is no JSON."""
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=told) as raised:
        read_settings()
    assert raised.value.cure


def test_what_is_given_in_code_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins over the environment, and the environment over the default; None is no argument."""
    monkeypatch.setenv("TRACKRECORD_MODEL", "mine:slow")
    monkeypatch.setenv("TRACKRECORD_DURABILITY", "async")
    settings = read_settings(model="mine:fast", durability=None)
    assert ("mine:fast", "async", "FULL") == (settings.model, settings.durability, settings.synchronous)
