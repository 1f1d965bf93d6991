"""Settings of an installation: environment variables with the prefix TRACKRECORD_, defaults that are safe.

An argument given in code or on the command line wins over the environment; the environment over the default.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from trackrecord.errors import BadSettings
from trackrecord.places import database_url

_MEND = "Mend it, or leave it out to take the default."
_SECRET_ENDINGS = ("_API_KEY", "_KEY", "_TOKEN", "_SECRET", "_PASSWORD")


class RetrySettings(BaseModel):
    """How transient failures of model calls and repeatable tool calls are tried again, unless a step says otherwise."""

    model_config = {"extra": "forbid"}

    max_attempts: int = Field(default=3, ge=1, le=20, description="Tries in all.")
    initial_ms: int = Field(default=1_000, ge=0, description="First wait in milliseconds.")
    multiplier: float = Field(default=2.0, ge=1.0, le=100.0, description="Factor from one wait to the next.")
    max_ms: int = Field(default=30_000, ge=0, description="Longest wait in milliseconds.")
    retry_after_cap_ms: int = Field(default=60_000, ge=0, description="Longest Retry-After that is honoured.")


class LimitSettings(BaseModel):
    """Limits of runs whose agent does not set its own; None leaves the built-in default."""

    model_config = {"extra": "forbid"}

    run_timeout_s: float | None = Field(
        default=None, gt=0, le=30 * 86_400, description="Working time of a run in seconds, 30 days at most."
    )
    max_tokens_per_run: int | None = Field(default=None, ge=1, description="Tokens of all model attempts of a run.")
    max_tokens_per_call: int | None = Field(default=None, ge=1, description="Tokens of one model attempt.")
    max_cost_usd: Decimal | None = Field(default=None, ge=0, description="Dollars of a run.")
    model_timeout_ms: int | None = Field(default=None, ge=1, description="Longest model attempt in milliseconds.")
    tool_timeout_ms: int | None = Field(default=None, ge=1, description="Longest tool attempt in milliseconds.")
    max_iterations: int | None = Field(default=None, ge=1, description="Turns of one tool-calling loop.")
    loop_limit: int | None = Field(default=None, ge=1, description="Equal calls with equal results in a row.")
    max_parallel_tools: int | None = Field(default=None, ge=1, description="Tool calls of a turn at once.")
    max_parallel_steps: int | None = Field(default=None, ge=1, description="Steps of a workflow at once.")
    max_spans: int | None = Field(default=None, ge=1, description="Spans a run may leave.")
    tool_result_characters: int | None = Field(default=None, ge=1, description="Of a tool's result, for the model.")
    tool_result_bytes: int | None = Field(default=None, ge=1, description="Of a tool's result, stored.")
    max_input_bytes: int | None = Field(default=None, ge=1, description="Largest input of a run.")


class HttpSettings(BaseModel):
    """What the plugin `http` may reach beside public addresses, and where it may send which credential."""

    model_config = {"extra": "forbid"}

    allow: list[str] = Field(
        default_factory=list[str],
        description="Loopback and private networks, and `host:port` places, that may be reached, a JSON list.",
    )
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(
        default_factory=lambda: [80, 443], description="Ports that may be connected to, a JSON list."
    )
    credentials: dict[str, list[str]] = Field(
        default_factory=dict[str, list[str]],
        description="Origins that a credential may be sent to, by its handle, a JSON object.",
    )


class SecretsSettings(BaseModel):
    """The key that seals secrets at rest; kept outside the database."""

    model_config = {"extra": "forbid"}

    key: SecretStr | None = Field(default=None, description="32 bytes in base64 or hexadecimal.")
    key_file: str | None = Field(default=None, description="A file that holds the key, when `key` is not set.")


class CreditSettings(BaseModel):
    """Credits of users who have an account."""

    model_config = {"extra": "forbid"}

    hold: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="Credits a run holds at most; none: what its token limit comes to.",
    )


class MemorySettings(BaseModel):
    """Memory of agents that do not say otherwise."""

    model_config = {"extra": "forbid"}

    summary_model: str | None = Field(
        default=None, description="Model that sums runs up for later runs, `provider:name`; none: by rule."
    )


class Settings(BaseSettings):
    """Every setting, with its default."""

    model_config = SettingsConfigDict(
        env_prefix="TRACKRECORD_", env_nested_delimiter="__", env_ignore_empty=True, extra="forbid"
    )

    db: str = Field(default="", description="Database URL, like sqlite:///runs.db; empty means the user's data folder.")
    model: str | None = Field(default=None, description="Model of agents that name none, `provider:name`.")
    stream: bool = Field(default=False, description="Stream the replies of real models.")
    stream_idle_s: float = Field(
        default=60.0, gt=0, le=3_600, description="Longest silence within a reply that has begun, in seconds."
    )
    late_usage_s: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="How long a cancelled model call's reply is still read, for what it used; 0 closes it at once.",
    )
    durability: Literal["sync", "async"] = Field(
        default="sync", description="sync commits before each effect; async within 100 ms."
    )
    synchronous: Literal["FULL", "NORMAL"] | None = Field(
        default=None,
        description="FULL survives power loss, NORMAL a killed process; unset: FULL under sync, NORMAL under async.",
    )
    checkpoint_days: int = Field(
        default=7,
        ge=0,
        le=36_500,
        description="Days after its end for which a run can be retried and forked; then what that needs is deleted.",
    )
    files_root: str = Field(default=".", description="The one folder the `files` plugin may touch.")
    plugins: list[str] = Field(
        default_factory=list[str], description="Installed plugins to connect beside the built-in ones, a JSON list."
    )
    mcp_file: str = Field(
        default="",
        description="File of MCP servers; empty means mcp.yaml in the user's configuration folder, if there.",
    )
    http: HttpSettings = Field(default_factory=HttpSettings, description="Reach of the `http` plugin.")
    secrets: SecretsSettings = Field(default_factory=SecretsSettings, description="The key of sealed secrets.")
    memory: MemorySettings = Field(default_factory=MemorySettings, description="Memory of agents.")
    credits: CreditSettings = Field(default_factory=CreditSettings, description="Credits of users with an account.")
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="Limits of agents that do not set their own."
    )
    retry: RetrySettings = Field(default_factory=RetrySettings, description="Retries of transient failures.")
    intensity: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Ranges and weights of the intensity score, by name."
    )

    @field_validator("intensity", mode="after")
    @classmethod
    def _read_nested(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Values of TRACKRECORD_INTENSITY__… come as text: what is JSON is meant as JSON."""
        return {name: _from_json(value) if isinstance(value, str) else value for name, value in given.items()}

    @property
    def database_url(self) -> str:
        """The database URL, the default filled in."""
        return database_url(self.db)


def read_settings(**given: Any) -> Settings:
    """Settings from the environment, with what is given in code on top; None means not given.

    Raises:
        BadSettings: settings have values that cannot be used; names each and says what it takes.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = [_wrong(one["type"], one["loc"], one["input"], one["msg"], given) for one in error.errors()]
        cure = next((near for one in error.errors() if (near := _near(one["type"], one["loc"]))), _MEND)
        raise BadSettings("; ".join(wrong), cure=cure) from None
    except SettingsError as error:
        found = re.search(r'"(\w+)"', str(error))  # the library tells the field in words only
        name = _not_json(_name((found[1],), {})) if found else "of a list or mapping"
        raise BadSettings(
            f"the setting {name} is no JSON", cure="Write a list like '[\"name\"]', a mapping like '{\"name\": 1}'."
        ) from None


def _wrong(kind: str, place: tuple[int | str, ...], value: object, told: str, given: Mapping[str, Any]) -> str:
    """What is wrong with one setting, in words."""
    name = _name(place, given)
    if kind == "extra_forbidden":
        return f"there is no setting {name}"
    return f"the setting {name} is {_shown(place, value)}: {told}"


def _near(kind: str, place: tuple[int | str, ...]) -> str | None:
    """The setting that was probably meant by one that is none."""
    if kind != "extra_forbidden":
        return None
    from difflib import get_close_matches  # 15 ms of start-up that only a misspelt setting has to pay

    *above, last = map(str, place)
    model: Any = Settings
    for part in above:
        model = model.model_fields[part].annotation
    near = get_close_matches(last.lower(), [str(name) for name in model.model_fields], 1)
    meant = _name((*above, near[0]), {}) if near else None
    return f"Did you mean {meant}?" if meant else "`trackrecord config` lists them."


def _shown(place: tuple[int | str, ...], value: object) -> str:
    """The value that was refused, unless it may be a key under a mistyped name."""
    return "refused" if place[0] == "secrets" else repr(value)


def _not_json(name: str) -> str:
    """The variable that is no JSON: this one, or one for a part of it; the library names the whole only."""
    for one, text in os.environ.items():
        if f"{one.upper()}__".startswith(f"{name}__") and text and _from_json(text) == text:
            return one
    return name


def _name(place: tuple[int | str, ...], given: Mapping[str, Any]) -> str:
    """What the caller calls it: a name in code, or a variable of the environment."""
    if given.get(str(place[0])) is not None:
        return repr(".".join(map(str, place)))
    return f"TRACKRECORD_{'__'.join(map(str, place)).upper()}"


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the variables whose names say that they are secret; they are kept out of every sink."""
    return tuple(
        value for name, value in environment.items() if f"_{name.upper()}".endswith(_SECRET_ENDINGS) and len(value) >= 8
    )


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # refused later, by name, as no range
