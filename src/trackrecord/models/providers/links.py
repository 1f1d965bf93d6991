"""The link to a provider: pydantic-ai's Model over an SDK client of ours, whose hidden retries are off.

Owns how each SDK is set up; never sends a request itself. A link belongs to the event loop it was made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic_ai.models import Model as ProviderModel
from pydantic_ai.models import infer_model
from pydantic_ai.profiles import ModelProfile

from trackrecord.models.providers.catalogue import Watched, is_nearby
from trackrecord.models.providers.wire import make_client

_NO_KEY: Final = "not-needed"
# schemas and words go out and come back as they are
_AS_IT_IS: Final = ModelProfile(json_schema_transformer=None, may_tokenize_special_tokens_in_content=False)


@dataclass(frozen=True, slots=True)
class Link:
    """A model one can call, the HTTP client under it (None when it is not ours), and the loop both belong to."""

    model: ProviderModel[Any]
    client: Any
    loop: asyncio.AbstractEventLoop

    async def close(self) -> None:
        """Let go of its connections; those of a loop that is gone went with it."""
        if self.client is not None and not self.loop.is_closed():
            await self.client.aclose()


def link_watched(name: str, provider: str, about: Watched, environment: Mapping[str, str]) -> Link:
    """A link whose wire is watched.

    Raises:
        ImportError: the provider's SDK is not installed.
    """
    base_url, key = about.base_url(environment), about.key(environment) or _NO_KEY
    build = {"openai": _openai, "anthropic": _anthropic, "google": _google, "groq": _groq}[about.sdk]
    model, client = build(name, provider, key, base_url, proxy_of(base_url, about.home, environment))
    return Link(model, client, asyncio.get_running_loop())


def link_other(name: str, provider: str) -> Link:
    """A link to a provider we do not watch, set up by pydantic-ai from its own variables.

    Raises:
        ImportError: its SDK is not installed. UserError: a variable it needs is missing.
    """
    model: ProviderModel[Any] = infer_model(f"{provider}:{name}")
    sdk: Any = getattr(model, "client", None)
    if isinstance(getattr(sdk, "max_retries", None), int):
        sdk.max_retries = 0  # the SDKs of OpenAI's family can be told; nobody counts whether they obey
    return Link(model, None, asyncio.get_running_loop())


def _openai(name: str, provider: str, key: str, base_url: str | None, proxy: str | None) -> tuple[Any, Any]:
    import httpx2
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
    from pydantic_ai.providers.openai import OpenAIProvider

    client = make_client(httpx2, proxy=proxy)
    sdk = AsyncOpenAI(api_key=key, base_url=base_url, http_client=client, max_retries=0, timeout=None)
    made = OpenAIProvider(openai_client=sdk)
    if provider == "openai-chat":
        return OpenAIChatModel(name, provider=made, profile=_AS_IT_IS), client
    kept = OpenAIResponsesModelSettings(openai_store=False)  # what a run says is not left with the provider
    return OpenAIResponsesModel(name, provider=made, profile=_AS_IT_IS, settings=kept), client


def _anthropic(name: str, provider: str, key: str, base_url: str | None, proxy: str | None) -> tuple[Any, Any]:
    import httpx2
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    del provider
    client = make_client(httpx2, proxy=proxy)
    sdk = AsyncAnthropic(api_key=key, base_url=base_url, http_client=client, max_retries=0, timeout=None)
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=sdk), profile=_AS_IT_IS), client


def _google(name: str, provider: str, key: str, base_url: str | None, proxy: str | None) -> tuple[Any, Any]:
    import httpx2
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    del provider
    client = make_client(httpx2, proxy=proxy)
    made = GoogleProvider(api_key=key, http_client=client, base_url=base_url)  # no retry_options: one attempt
    return GoogleModel(name, provider=made, profile=_AS_IT_IS), client


def _groq(name: str, provider: str, key: str, base_url: str | None, proxy: str | None) -> tuple[Any, Any]:
    import httpx
    from groq import AsyncGroq
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    del provider
    client = make_client(httpx, proxy=proxy)
    sdk = AsyncGroq(api_key=key, base_url=base_url, http_client=client, max_retries=0, timeout=None)
    return GroqModel(name, provider=GroqProvider(groq_client=sdk), profile=_AS_IT_IS), client


def proxy_of(base_url: str | None, home: str, environment: Mapping[str, str]) -> str | None:
    """The environment's proxy for an address, `home` when there is no other; None goes there straight.

    This machine and its own network are never reached through a proxy, nor what NO_PROXY names.
    """
    if base_url is not None and is_nearby(base_url):
        return None
    parts = urlsplit(base_url or home)
    host = parts.hostname or ""
    known = {name.lower(): value for name, value in environment.items() if name.lower().endswith("_proxy") and value}
    past = [name.strip().lstrip(".") for name in known.get("no_proxy", "").split(",")]
    if any(name in ("*", host) or (name and host.endswith(f".{name}")) for name in past):
        return None
    return known.get(f"{parts.scheme}_proxy") or known.get("all_proxy")
