"""Names, keys and addresses: what can be reached, what is missing, and that nothing heavy is loaded before it is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic_ai.models import known_model_names
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

from trackrecord.errors import Refused, UnknownModel
from trackrecord.models.providers import provider_model
from trackrecord.models.providers.catalogue import OTHERS, PROVIDERS, WATCHED, is_nearby, near_models
from trackrecord.models.providers.links import proxy_of
from trackrecord.record.pricing import price
from trackrecord.record.usage import Usage

VOICELESS = {"openai-decisions", "google-decisions", "system-one", "typesafe", "elevenlabs", "voyageai"}
RETIRED = {"github"}


def test_every_provider_of_pydantic_ai_is_known() -> None:
    """A provider that pydantic-ai learns of is added to the catalogue, or named here as one that does not talk."""
    told = {name.partition(":")[0] for name in known_model_names() if ":" in name}
    assert set() == {name for name in told if not name.startswith("gateway/")} - set(PROVIDERS) - VOICELESS - RETIRED


@pytest.mark.parametrize("provider", OTHERS)
def test_every_other_provider_is_set_up_or_says_what_it_lacks(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any variable set, a provider we do not watch is refused in one line, before anything runs."""
    for name in list(__import__("os").environ):
        if name.endswith(("_API_KEY", "_TOKEN", "_BASE_URL")):
            monkeypatch.delenv(name)
    told, attributes = provider, {"attempts": "not observed"}
    try:
        attributes = provider_model(f"{provider}:some-model").span_attributes
    except UnknownModel as refused:
        told = f"{refused.message} {refused.cure}"
    assert provider in told
    assert "\n" not in told
    assert {"attempts": "not observed"} == attributes


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("openai:m", "OPENAI_API_KEY"),
        ("openai-chat:m", "OPENAI_API_KEY"),
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("google:m", "GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("groq:m", "GROQ_API_KEY"),
    ],
)
def test_a_missing_key_is_refused_by_its_name(name: str, variables: str) -> None:
    """An absent and an empty key are told before anything runs, with the variable to set."""
    for environment in ({}, dict.fromkeys(variables.split(" or "), " ")):
        with pytest.raises(UnknownModel) as refused:
            provider_model(name, environment=environment)
        assert isinstance(refused.value, Refused)
        assert f"the model {name!r} needs a key: {variables} is not set" == refused.value.message
        assert variables.partition(" ")[0] in refused.value.cure


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "http://localhost:8000/v1", "http://vllm:8000/v1"])
def test_a_server_of_ones_own_needs_no_key(url: str) -> None:
    """Ollama, vLLM and llama.cpp on this machine or network speak Chat Completions without a key."""
    environment = {"OPENAI_BASE_URL": url}
    assert "openai-chat" == provider_model("openai-chat:m", environment=environment).provider
    with pytest.raises(UnknownModel):
        provider_model("openai:m", environment=environment)
    with pytest.raises(UnknownModel):
        provider_model("openai-chat:m", environment={"OPENAI_BASE_URL": "https://api.example.com/v1"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://[::1]:1/v1", True),
        ("http://10.1.2.3", True),
        ("http://192.168.0.9", True),
        ("http://box.local", True),
        ("http://8.8.8.8", False),
        ("https://api.openai.com/v1", False),
        ("http://[::1", False),
    ],
)
def test_nearby_is_this_machine_and_its_own_network(url: str, expected: bool) -> None:
    """An address is judged by its name alone; nothing is looked up."""
    assert expected == is_nearby(url)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("opnai:gpt-5", "openai:gpt-5"),
        ("Anthropic:x", "anthropic:x"),
        ("gogle:", "google:NAME"),
        ("gpt-5", "openai:gpt-5"),
        ("claude-sonnet-5", "anthropic:claude-sonnet-5"),
        ("gemini-3-pro", "google:gemini-3-pro"),
    ],
)
def test_an_unknown_name_is_told_with_near_ones(written: str, meant: str) -> None:
    """Whoever mistypes a provider, or leaves it out, is told what to write."""
    assert meant in near_models(written)
    with pytest.raises(UnknownModel) as refused:
        provider_model(written, environment={})
    assert meant in refused.value.cure
    assert "groq" in refused.value.cure


def test_without_pydantic_ai_the_cure_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is told with the command that installs it."""
    found = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == "pydantic_ai" else found(name, *rest)

    monkeypatch.setattr("trackrecord.models.providers.find_spec", find)
    with pytest.raises(UnknownModel) as refused:
        provider_model("openai:m", environment={"OPENAI_API_KEY": "k"})
    assert "pip install 'trackrecord[providers]'" in refused.value.cure


async def test_chat_completions_and_responses_are_two_names() -> None:
    """`openai-chat:` speaks Chat Completions, `openai:` speaks Responses, and neither SDK retries or has a timeout."""
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    for name, kind in (("openai-chat:m", OpenAIChatModel), ("openai:m", OpenAIResponsesModel)):
        model = provider_model(name, environment=environment)
        link = model.make_link()
        assert isinstance(link.model, kind)
        assert (0, None, "http://127.0.0.1:9/v1/") == (
            link.model.client.max_retries,
            link.model.client.timeout,
            str(link.model.client.base_url),
        )
        await link.close()


@pytest.mark.parametrize(
    ("base_url", "environment", "expected"),
    [
        (None, {}, None),
        (None, {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        (None, {"all_proxy": "http://p:1"}, "http://p:1"),
        ("https://api.example.com/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.com"}, None),
        ("https://api.example.com/v1", {"HTTPS_PROXY": "http://p:1", "no_proxy": "other.com"}, "http://p:1"),
        ("https://api.example.com/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://api.example.com/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("http://127.0.0.1:1/v1", {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_a_proxy_is_for_what_is_far_away(
    base_url: str | None, environment: dict[str, str], expected: str | None
) -> None:
    """The environment's proxy is used for providers, never for this machine and its network, nor where it says so."""
    assert expected == proxy_of(base_url, "https://api.provider.com", environment)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai-chat", "gpt-4o"),
        ("openai", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-flash"),
        ("groq", "llama-3.3-70b-versatile"),
        ("xai", "grok-4"),
    ],
)
def test_a_provider_is_priced_by_its_name_here(provider: str, model: str) -> None:
    """The price table knows every provider that both it and pydantic-ai know, whatever each calls it."""
    from datetime import UTC, datetime

    used = Usage(input_tokens=1_000, output_tokens=100)
    assert price(provider, model, used, datetime(2026, 1, 1, tzinfo=UTC)).cost_nanos


def test_nothing_of_a_provider_is_loaded_before_one_is_asked_for() -> None:
    """Looking a name up, refusing one and running a script leave pydantic-ai and every SDK on the disk."""
    script = (
        "import sys\n"
        "from trackrecord import Trackrecord\n"
        "from trackrecord.errors import UnknownModel\n"
        "from trackrecord.models.registry import Models\n"
        "try:\n"
        "    Models().resolve('opnai:x')\n"
        "except UnknownModel:\n"
        "    print([name for name in ('pydantic_ai', 'openai', 'anthropic', 'groq', 'httpx', 'httpx2') "
        "if name in sys.modules])"
    )
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]" == started.stdout.strip()


def test_the_catalogue_names_what_each_sdk_is() -> None:
    """Every watched provider has a key, an address of its own and a protocol the wire can read."""
    from trackrecord.models.providers.figures import Dialect

    for about in WATCHED.values():
        assert about.dialect in get_args(Dialect)
        assert about.keys
        assert about.base_urls
