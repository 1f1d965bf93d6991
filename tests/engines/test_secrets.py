"""A secret of this process is in no table, whatever spells it out, and its absence breaks nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.engines import kit
from tests.store import runs

from trackrecord import FunctionPlugin
from trackrecord.record.redact import MASK, forms

ENGINES = ("agentkit", "orchestrator")
# a number, an unquoted word, one with the quotes somebody left in, one that JSON and URLs must escape
SECRETS = ["8231459907", "correct-horse", '"battery"', 'stap"le\\\n& more', "pässwört-🔑"]


def leaky(secret: str) -> FunctionPlugin:
    """A plugin that spells the secret in everything it gives back."""
    plugin = FunctionPlugin("leaky", description="Tells what it should not.")
    raw = secret.encode()

    @plugin.action(effect="read")
    async def tell() -> Any:
        """Say it in every way there is."""
        return {
            "plain": secret,
            "unwrapped": secret.strip('"'),
            "beside": f"before {secret} after",
            secret: [secret, {"deep": [secret]}],
            "number": int(secret) if secret.isdigit() else 0,
            "json": json.dumps({"k": secret}),
            "url": f"https://example.test/?key={quote(secret, safe='')}",
            "basic": base64.b64encode(b"user:" + raw + b"!").decode(),
            "hex": raw.hex(),
        }

    @plugin.action(effect="read")
    async def fail() -> None:
        """Say it in an error."""
        raise ValueError(f"401 for {secret}")

    return plugin


def everything(path: Path) -> str:
    """Every value of every table."""
    return "\n".join(str(value) for rows in runs.contents(path).values() for row in rows for value in row)


def found(secret: str, text: str) -> set[str]:
    """Spellings of the secret that stand in the text."""
    return {form for form in forms(secret.strip('"')) if form in text}


STEPS = [
    {"id": "tell", "type": "action", "plugin": "leaky", "action": "tell"},
    {"id": "fail", "type": "action", "plugin": "leaky", "action": "fail", "on_error": "continue"},
    {"id": "ask", "type": "llm", "prompt": "Say it: {{ steps.tell.data.plain }}"},
]


@pytest.mark.parametrize("payloads", ["redacted", "full"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_secret_is_in_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, secret: str, payloads: str
) -> None:
    """Inputs, results, keys, numbers, errors, replies, tool names, memory: the run completes, with masks."""
    monkeypatch.setenv("LEAKY_API_KEY", secret)
    said = [
        {"tool_calls": [{"name": "leaky__tell", "arguments": {}}, {"name": "leaky__fail", "arguments": {}}]},
        {
            "tool_calls": [
                {"name": "leaky__tell", "arguments": {"why": secret}},
                {"name": f"no__{secret}", "arguments": {}},
            ]
        },
        {"text": f"It is {secret}."},
    ]
    agent = kit.agent(
        STEPS if engine == "orchestrator" else None,
        plugins_required=["leaky"],
        payloads=dict.fromkeys(("inputs", "outputs", "tools"), payloads),
    )
    replies = said if engine == "agentkit" else said[2:]
    async with kit.opened(tmp_path / "runs.db", *replies, plugins=[leaky(secret)]) as tr:
        first = await tr.run(agent, {"key": secret, "other": 1}, engine=engine)

    stored = everything(tmp_path / "runs.db")
    assert "completed" == first.status, first.record.ending
    assert MASK in stored
    assert set() == found(secret, stored)


async def test_a_secret_across_a_cut_leaves_no_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is too large is cleaned of secrets before it is cut: no part of one stands at the end."""
    secret, path = "canary-0123456789-abcdef", tmp_path / "runs.db"
    monkeypatch.setenv("SERVICE_API_KEY", secret)
    plugin = FunctionPlugin("leaky", description="Tells too much.")

    @plugin.action(effect="read")
    async def tell() -> str:
        """Say it just where the result is cut."""
        return "x" * 90 + secret + "y" * 100

    step = {"id": "tell", "type": "action", "plugin": "leaky", "action": "tell"}
    agent = kit.agent([step], plugins_required=["leaky"], limits={"tool_result_bytes": 100})
    async with kit.opened(path, kit.say("unused"), plugins=[plugin]) as tr:
        await tr.run(agent, {})
    assert "x" * 80 in everything(path)
    assert secret[:8] not in everything(path)
