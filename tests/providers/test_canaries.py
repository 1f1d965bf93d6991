"""S11: whatever way a secret enters a run, it is in no sink, in no spelling; without redaction it would be.

Eighteen places by eleven sinks, each place through both engines, streamed and whole, with payloads kept in full.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from tests.providers import lab as laboratory
from tests.providers.canaries import PLACES, SECRET, SINKS, Left, Place, faulty, found_in, teller
from tests.providers.lab import ENGINES, MODEL, QUICK, Lab, abacus
from tests.providers.server.provider import serving
from tests.unit.plugins import sites

from trackrecord import Agent, Run, Trackrecord
from trackrecord.config import read_settings
from trackrecord.record.redact import MASK, Redactor

ANOTHER_KEY = "sk-ordinary-0123456789"


def agent_of(place: Place, engine: str, arguments: Mapping[str, Any]) -> Agent:
    """The agent of a place: it asks the model, and in a workflow makes the call itself before that."""
    steps: list[dict[str, Any]] = []
    if place.call is not None:
        plugin, action, _ = place.call
        given = {name: f"{{{{ inputs.arguments.{name} }}}}" for name in arguments}  # a definition may hold no secret
        call = {"id": "call", "type": "action", "plugin": plugin, "action": action, "params": given}
        steps.append({**call, "on_error": "continue"})
    if place.inputs:
        steps.append({"id": "hand", "type": "transform", "operation": "set", "value": "{{ inputs }}"})
    steps.append({"id": "work", "type": "llm", "prompt": place.prompt})
    return Agent.from_mapping(
        {
            "name": "reckoner",
            "prompt": "Add what is to be added." if "{{" in place.prompt and engine == "agentkit" else place.prompt,
            "model": f"openai-chat:{MODEL}",
            "plugins_required": ["abacus", "teller", "faulty", "http"],
            "workflow_steps": steps[::-1] if place.inputs else steps,
            "payloads": dict.fromkeys(("inputs", "outputs", "tools"), "full"),
            "limits": {"tool_timeout_ms": 5_000},
        }
    )


async def played(lab: Lab, place: Place, monkeypatch: pytest.MonkeyPatch, capfd: Any, *, is_streamed: bool) -> Left:
    """A run of the place through each engine, all of it looked at."""
    lines: list[str] = []
    watched: list[str] = []
    listener = laboratory._Listener(lines)
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers, listener])
    if place.is_env:
        monkeypatch.setenv("CANARY_API_KEY", SECRET)
    async with sites.serving(place.replies) as site, serving(*place.turns) as provider:
        lab.connect(provider.url)
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
            monkeypatch.setenv(name, SECRET if place.is_env else ANOTHER_KEY)
        settings = read_settings(
            db=f"sqlite:///{lab.path}",
            retry={**QUICK, "max_attempts": 2},
            stream=is_streamed,
            synchronous="NORMAL",
            http={
                "allow": ["127.0.0.1"],
                "ports": [80, site.port],
                "credentials": {} if place.is_env else {"crm": [site.url]},
            },
            secrets={"key": "ab" * 32},
        )
        if not place.is_env:
            async with Trackrecord(settings=settings) as tr:
                await tr.set_secret("crm", SECRET)
        ended: list[Run | Exception] = []
        plugins = [abacus(), faulty, teller(SECRET, is_env=place.is_env)]
        tr = Trackrecord(settings=settings, plugins=plugins)
        await tr.open()
        for engine in ENGINES:
            arguments = {} if place.call is None else dict(place.call[2])
            if "url" in arguments:
                arguments["url"] = arguments["url"].replace("SITE", site.url)
            for turn in place.turns:
                for call in turn.calls:
                    if isinstance(call.arguments, dict) and "url" in call.arguments:
                        call.arguments["url"] = arguments["url"]
            try:
                ended.append(
                    await tr.run(
                        agent_of(place, engine, arguments),
                        {**place.inputs, **({"arguments": arguments} if engine == "orchestrator" else {})},
                        engine=engine,
                        watcher=lambda progress: watched.append(repr(progress)),
                    )
                )
            except Exception as error:  # whatever it is: what it says is looked at
                ended.append(error)
        out, err = capfd.readouterr()
        left = Left(path=lab.path, ended=ended, watched=watched, logged=lines, out=out, err=err)
        left.open_files = SINKS["database files"](left)  # while it is open: the write-ahead log is there
        await tr.close()
    return left


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", PLACES)
async def test_no_sink_has_it(
    lab: Lab, name: str, is_streamed: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tables, bytes, logs, output, JSON, pages, parity, errors: zero hits, of the whole secret and of pieces of it."""
    place = PLACES[name]
    left = await played(lab, place, monkeypatch, capfd, is_streamed=is_streamed)
    assert 2 == len(left.ids), left.ended
    hits = {sink: found for sink, read in SINKS.items() if (found := found_in(read(left), SECRET))}
    assert {} == hits
    assert place.flows == (MASK in SINKS["tables"](left))  # it came in, and was taken out


@pytest.mark.parametrize("name", PLACES)
async def test_without_redaction_it_would_be_there(
    lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The proof that these tests can fail: with the scrubber out of the way the canary is found, where it can flow."""
    for method in ("exact", "text", "exact_json", "json", "value"):
        monkeypatch.setattr(Redactor, method, lambda self, text: text)
    left = await played(lab, PLACES[name], monkeypatch, capfd, is_streamed=False)
    hits = {sink for sink, read in SINKS.items() if found_in(read(left), SECRET)}
    assert PLACES[name].flows == ({"tables", "database files"} <= hits), hits


def test_there_are_twelve_places_and_nine_sinks_at_least() -> None:
    """What issue 3 asks for; each of its sinks is there by name."""
    assert len(PLACES) >= 12
    assert {"tables", "database files", "log", "stdout", "stderr", "json", "pages", "parity", "errors"} <= set(SINKS)


async def test_a_secret_in_an_agent_s_definition_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A definition is stored as it is: one that holds a secret's value is told so, and nothing of it is stored."""
    left = await played(lab, Place(prompt=f"Use {SECRET}."), monkeypatch, capfd, is_streamed=False)
    assert ["BadAgent"] * 2 == [type(one).__name__ for one in left.ended]
    assert ["holds the value of a secret" in str(one) for one in left.ended] == [True] * 2
    assert {} == {sink: found for sink, read in SINKS.items() if (found := found_in(read(left), SECRET))}
