"""Typed reading of the JSON of a run's logs, for pages.

A key that is missing or of another type is unknown, not an error: a page is also drawn of a record that `verify` would
complain about.
"""

from __future__ import annotations

from collections.abc import Mapping

from trackrecord.canonical import Json

Logs = Mapping[str, Json]


def number(logs: Logs, *keys: str) -> int | None:
    """The whole number at a path of keys; None when it is null or not there."""
    value = _at(logs, keys)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(logs: Logs, *keys: str) -> str | None:
    """The text at a path of keys; None when it is null or not there."""
    value = _at(logs, keys)
    return value if isinstance(value, str) else None


def flag(logs: Logs, *keys: str) -> bool | None:
    """True or false at a path of keys; None when it is null or not there."""
    value = _at(logs, keys)
    return value if isinstance(value, bool) else None


def texts(logs: Logs, *keys: str) -> list[str]:
    """The texts of the list at a path of keys."""
    value = _at(logs, keys)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def objects(logs: Logs, *keys: str) -> list[dict[str, Json]]:
    """The objects of the list at a path of keys."""
    value = _at(logs, keys)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _at(logs: Logs, keys: tuple[str, ...]) -> Json:
    value: Json = dict(logs)
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
