"""Real providers by `provider:name`: the one place where pydantic-ai is spoken to.

Owns the translation of one request and one reply, and what a provider's own words of usage and failure mean. Never
retries, holds no conversation, and loads nothing of pydantic-ai before a real model is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from trackrecord.errors import UnknownModel
from trackrecord.models.providers.catalogue import PROVIDERS, WATCHED, Watched, is_known, is_nearby, near_models
from trackrecord.record.redact import redactor

if TYPE_CHECKING:
    from trackrecord.models.providers.links import Link
    from trackrecord.models.providers.model import RealModel

_SDK_MODULES: Final = {"openai": "openai", "anthropic": "anthropic", "google": "google.genai", "groq": "groq"}


def provider_model(
    name: str,
    *,
    environment: Mapping[str, str] | None = None,
    stream: bool = False,
    idle_s: float | None = None,
    reads_on: bool = False,
) -> RealModel:
    """The model of a name like `openai-chat:gpt-5-mini`; nothing is sent yet.

    Args:
        name: `provider:name`.
        environment: where keys, addresses and proxies are read; None reads the process's own.
        stream: whether replies are streamed; the reply is the same, with the time to its first token.
        idle_s: longest silence within a reply that has begun; None takes the built-in 60 s.
        reads_on: whether the reply of a cancelled call is read to its end, for what it used.

    Raises:
        UnknownModel: there is no such provider, its package is missing, or a variable it needs.
    """
    provider, _, model = name.partition(":")
    if not model or not is_known(provider):
        raise UnknownModel(_unknown(name, provider, model), cure=_cure(name))
    if find_spec("pydantic_ai") is None:
        raise UnknownModel(
            f"the model {name!r} needs pydantic-ai, which is not installed",
            cure="Install it: pip install 'trackrecord[providers]'.",
        )
    # loading pydantic-ai takes more than a second, which only runs with a real model pay
    from trackrecord.models.providers.model import DEFAULT_IDLE_S, RealModel

    given = os.environ if environment is None else environment
    about = WATCHED.get(provider)
    return RealModel(
        provider=provider,
        name=model,
        dialect=None if about is None else about.dialect,
        make_link=_maker(name, provider, model, about, given),
        redactor=redactor([value for key in (about.keys if about else ()) if (value := given.get(key))]),
        hint=f"check {' or '.join(about.keys)}" if about else "check its key",
        is_streamed=stream,
        idle_s=DEFAULT_IDLE_S if idle_s is None else idle_s,
        reads_on=reads_on,
    )


def _cure(name: str) -> str:
    near = near_models(name)
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{meant}Providers: {', '.join(PROVIDERS)}."


def _unknown(name: str, provider: str, model: str) -> str:
    if not model:
        return f"the model {name!r} is not written provider:name"
    return f"the model {name!r} cannot be reached from here: there is no provider {provider!r}"


def _maker(
    name: str, provider: str, model: str, about: Watched | None, environment: Mapping[str, str]
) -> Callable[[], Link]:
    from trackrecord.models.providers.links import link_other, link_watched

    if about is None:
        _check_other(name, provider, model)
        return lambda: link_other(model, provider)
    _check_watched(name, about, environment)
    return lambda: link_watched(model, provider, about, environment)


def _check_watched(name: str, about: Watched, environment: Mapping[str, str]) -> None:
    if find_spec(_SDK_MODULES[about.sdk]) is None:
        raise UnknownModel(
            f"the model {name!r} needs the package of {about.sdk}, which is not installed",
            cure="Install it: pip install 'trackrecord[providers]'.",
        )
    if about.key(environment) is not None:
        return
    base_url = about.base_url(environment)
    if about.is_keyless_nearby and base_url is not None and is_nearby(base_url):
        return
    nearby = f", or {about.base_urls[0]} to a server of your own" if about.is_keyless_nearby else ""
    raise UnknownModel(
        f"the model {name!r} needs a key: {' or '.join(about.keys)} is not set", cure=f"Set {about.keys[0]}{nearby}."
    )


def _check_other(name: str, provider: str, model: str) -> None:
    """Ask pydantic-ai itself: what a provider needs is its own to know."""
    from pydantic_ai.models import infer_model

    try:
        infer_model(f"{provider}:{model}")
    except ImportError as error:
        raise UnknownModel(
            f"the model {name!r} needs a package that is not installed",
            cure=f"Install it: pip install 'pydantic-ai-slim[{provider}]'. ({' '.join(str(error).split())[:200]})",
        ) from None
    except Exception as error:  # each SDK has an error of its own for what it lacks
        raise UnknownModel(f"the model {name!r} cannot be set up: {' '.join(str(error).split())[:300]}") from None
