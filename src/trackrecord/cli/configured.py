"""The settings as they hold here: each with its value, where it came from, and what may not be as it was meant.

Shows no secret: what is known to be one is masked by its exact value, wherever it stands. Reads the environment and
looks at files; changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, SecretStr

from trackrecord.agent.policies import Limits
from trackrecord.canonical import Json, clean
from trackrecord.config import Settings, read_settings, secrets_of
from trackrecord.errors import BadSettings, TrackrecordError
from trackrecord.models.providers.catalogue import WATCHED
from trackrecord.places import data_folder, sqlite_path
from trackrecord.record.redact import MASK, redactor
from trackrecord.store.sealing import read_key, read_key_file

PREFIX: Final = "TRACKRECORD_"
OTHERS: Final = ("TRACKRECORD_DEBUG", "TRACKRECORD_FAILPOINTS")
_FREE: Final = "TRACKRECORD_INTENSITY__"  # its parts are names of ranges and weights, checked when runs are scored
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+(?=@)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        variable: the environment variable that sets it.
        value: what holds; None when there is nothing; masked where it is secret.
        source: `default`, `environment`, or `file PATH`.
        says: what it is for.
    """

    variable: str
    value: Json
    source: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Everything that can be set, as it holds here.

    Attributes:
        settings: every setting, in the order of `config`.
        keys: variables that hold keys of providers, and whether each is set.
        paths: what is kept where.
        warnings: what may not be as it was meant, each a sentence with its cure.
    """

    settings: tuple[Setting, ...]
    keys: Mapping[str, bool]
    paths: Mapping[str, str]
    warnings: tuple[str, ...]


def configured(environment: Mapping[str, str]) -> Configured:
    """The settings of this process.

    Raises:
        BadSettings: one cannot be used; says which.
    """
    settings = read_settings()
    hidden = redactor([*secrets_of(environment), *_secret_values(settings)])
    shown = tuple(
        Setting(
            variable=one.variable,
            value=_masked(one.value, hidden.text),
            source=one.source,
            says=one.says,
        )
        for one in _settings(settings)
    )
    keys = {name: bool(environment.get(name, "").strip()) for about in WATCHED.values() for name in about.keys}
    return Configured(
        settings=shown,
        keys=keys,
        paths={name: hidden.text(text) for name, text in _paths(settings).items()},
        warnings=tuple(map(hidden.text, _warnings(settings, environment))),
    )


def variables() -> tuple[str, ...]:
    """Every variable that is read as a setting."""
    return tuple(name for name, _, _ in _fields(Settings, PREFIX, ()))


def _fields(model: type[BaseModel], prefix: str, at: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Variable, place and description of every setting."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{prefix}{name.upper()}__", (*at, name))
        else:
            yield f"{prefix}{name.upper()}", (*at, name), field.description or ""


def _settings(settings: Settings) -> Iterator[Setting]:
    for variable, place, says in _fields(Settings, PREFIX, ()):
        *above, name = place
        owner: Any = settings
        for part in above:
            owner = getattr(owner, part)
        value: Any = getattr(owner, name)
        is_given = name in owner.model_fields_set and (not above or above[0] in settings.model_fields_set)
        source = "environment" if is_given else "default"
        if above == ["limits"] and value is None:
            value = getattr(Limits(), name)  # what an agent that sets none gets
        if place == ("db",):
            value = settings.database_url
        if place == ("secrets", "key") and value is None and _has_key_file(settings):
            value, source = MASK, f"file {settings.secrets.key_file}"
        yield Setting(variable=variable, value=_plain(value), source=source, says=says)


def _has_key_file(settings: Settings) -> bool:
    try:
        return settings.secrets.key_file is not None and bool(read_key_file(Path(settings.secrets.key_file)))
    except BadSettings:
        return False  # told as a warning


def _plain(value: Any) -> Json:
    if isinstance(value, SecretStr):
        return MASK
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return clean(cast("object", value)) if isinstance(value, list | dict) else str(value)


def _masked(value: Json, mask: Any) -> Json:
    """The value with every secret masked, and the password of an address."""
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{MASK}", cast("str", mask(value)))
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {str(_masked(name, mask)): _masked(item, mask) for name, item in value.items()}
    return value


def _secret_values(settings: Settings) -> list[str]:
    key = settings.secrets.key
    return [] if key is None else [key.get_secret_value()]


def _paths(settings: Settings) -> dict[str, str]:
    found = {"data folder": str(data_folder())}
    found["database"] = str(sqlite_path(settings.database_url).absolute())
    found["files of the plugin `files`"] = str(Path(settings.files_root).absolute())
    return found


def _warnings(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    known = variables()
    for name in sorted(environment):
        upper = name.upper()
        if upper.startswith(PREFIX) and not _is_known(upper, known):
            names = [one.removeprefix(PREFIX) for one in (*known, *OTHERS)]
            near = get_close_matches(upper.removeprefix(PREFIX), names, 1)
            cure = f"Did you mean {PREFIX}{near[0]}?" if near else "Nothing reads it: `unset` it."
            yield f"{name} is no setting. {cure}"
    if not settings.files_root or not Path(settings.files_root).is_dir():
        yield f"TRACKRECORD_FILES_ROOT: there is no folder {settings.files_root!r}. Make it, or name another."
    try:
        if settings.secrets.key is not None:
            read_key(settings.secrets.key.get_secret_value(), "TRACKRECORD_SECRETS__KEY")
        elif settings.secrets.key_file:
            read_key_file(Path(settings.secrets.key_file))
    except BadSettings as error:
        yield f"{error.message}. {error.cure}"
    yield from _scoring(settings)


def _scoring(settings: Settings) -> Iterator[str]:
    from trackrecord.record.intensity import IntensitySettings  # the scores: only whoever set ranges needs them

    try:
        IntensitySettings.from_mapping(settings.intensity)
    except TrackrecordError as error:
        yield f"TRACKRECORD_INTENSITY: {error.message}. {error.cure}"


def _is_known(name: str, known: tuple[str, ...]) -> bool:
    return (
        name in known or name in OTHERS or name.startswith(_FREE) or any(one.startswith(f"{name}__") for one in known)
    )
