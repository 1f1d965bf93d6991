"""The providers there are, by name, and the variables each reads. Pure; imports nothing of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from trackrecord.models.providers.figures import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A provider whose wire we watch: requests counted, usage read as written, hidden retries off.

    Attributes:
        sdk: the package that speaks to it, and the extra of pydantic-ai that brings it.
        dialect: the protocol.
        keys: variables that hold its key, the first one found wins.
        home: its own address.
        base_urls: variables that replace it.
        is_keyless_nearby: whether a server on this machine or network needs no key.
    """

    sdk: str
    dialect: Dialect
    keys: tuple[str, ...]
    home: str
    base_urls: tuple[str, ...]
    is_keyless_nearby: bool = False

    def key(self, environment: Mapping[str, str]) -> str | None:
        """The key; None when there is none, or an empty one."""
        return _first(self.keys, environment)

    def base_url(self, environment: Mapping[str, str]) -> str | None:
        """The address in place of the provider's own; None keeps that."""
        return _first(self.base_urls, environment)


WATCHED: Final[Mapping[str, Watched]] = {
    "openai": Watched(
        sdk="openai",
        home="https://api.openai.com/v1",
        dialect="responses",
        keys=("OPENAI_API_KEY",),
        base_urls=("OPENAI_BASE_URL",),
    ),
    "openai-responses": Watched(
        sdk="openai",
        home="https://api.openai.com/v1",
        dialect="responses",
        keys=("OPENAI_API_KEY",),
        base_urls=("OPENAI_BASE_URL",),
    ),
    "openai-chat": Watched(
        sdk="openai",
        home="https://api.openai.com/v1",
        dialect="chat",
        keys=("OPENAI_API_KEY",),
        base_urls=("OPENAI_BASE_URL",),
        is_keyless_nearby=True,
    ),
    "anthropic": Watched(
        sdk="anthropic",
        home="https://api.anthropic.com",
        dialect="messages",
        keys=("ANTHROPIC_API_KEY",),
        base_urls=("ANTHROPIC_BASE_URL",),
    ),
    "google": Watched(
        sdk="google",
        home="https://generativelanguage.googleapis.com",
        dialect="gemini",
        keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        base_urls=("GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL"),
    ),
    "groq": Watched(
        sdk="groq", home="https://api.groq.com", dialect="chat", keys=("GROQ_API_KEY",), base_urls=("GROQ_BASE_URL",)
    ),
}

OTHERS: Final = (
    "alibaba",
    "azure",
    "azure-responses",
    "bedrock",
    "bedrock-mantle",
    "cerebras",
    "cohere",
    "crusoe",
    "deepseek",
    "fireworks",
    "github-copilot",
    "google-cloud",
    "heroku",
    "huggingface",
    "litellm",
    "meta",
    "mistral",
    "moonshotai",
    "nebius",
    "ollama",
    "openai-chatgpt",
    "openai-codex",
    "openrouter",
    "ovhcloud",
    "sambanova",
    "snowflake",
    "together",
    "vercel",
    "vllm",
    "xai",
    "zai",
)
"""Every other provider of pydantic-ai that answers in words; `gateway/…` goes by pydantic-ai's own gateway."""


PROVIDERS: Final = (*WATCHED, *OTHERS)
_FAMILIES: Final = {
    "gpt-": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude": "anthropic",
    "gemini": "google",
    "llama": "groq",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "grok": "xai",
}


def near_models(written: str) -> list[str]:
    """What may have been meant by a name that is none here: other providers, or the provider of a model's own name."""
    provider, colon, name = written.partition(":")
    if colon:
        near = get_close_matches(provider.lower(), PROVIDERS, n=3, cutoff=0.6)
        return [f"{one}:{name or 'NAME'}" for one in near]
    family = next((by for start, by in _FAMILIES.items() if written.lower().startswith(start)), None)
    return [] if family is None else [f"{family}:{written}"]


def is_known(provider: str) -> bool:
    """Whether there is such a provider."""
    return provider in WATCHED or provider in OTHERS or provider.startswith("gateway/")


def is_nearby(url: str) -> bool:
    """Whether an address is this machine or its own network, by its name alone."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return (address := ipaddress.ip_address(host)).is_loopback or address.is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    return next((value for name in names if (value := environment.get(name, "").strip())), None)
