"""C4: nobody there, no such name, no such protocol; and C7: what a provider said wrongly is kept as it said it."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from tests.providers.faults import C7
from tests.providers.lab import PROTOCOLS, Lab
from tests.providers.server.http import closed_port
from tests.providers.server.provider import serving
from tests.providers.server.script import Turn

EACH = pytest.mark.parametrize("protocol", PROTOCOLS)
STREAMED = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
NOWHERE = "provider.invalid"
SENSELESS = [
    pytest.param(name, protocol, id=f"{name}-{protocol}")
    for name, case in C7.items()
    for protocol in case.only or PROTOCOLS
    if name != "C7 usage missing"
]


async def _check(lab: Lab, url: str, protocol: str, *, is_streamed: bool) -> None:
    played = await lab.play(url, protocol, is_streamed=is_streamed)

    for one in played:
        assert ["failed"] * 3 == one.statuses
        assert ("failed", "provider_unavailable", 2, None, None, 0) == tuple(
            one.row[name]
            for name in ("status", "error_code", "retry_count", "tokens_used", "credits_used", "usage_complete")
        )
        assert f"{protocol} cannot be reached" in one.error
    lab.check(played)


@EACH
@STREAMED
async def test_c4_nobody_listens(lab: Lab, protocol: str, is_streamed: bool) -> None:
    """A refused connection is tried again, and ends as an unavailable provider that nothing is known to have cost."""
    await _check(lab, f"http://127.0.0.1:{closed_port()}", protocol, is_streamed=is_streamed)


@EACH
async def test_c4_there_is_no_such_name(lab: Lab, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be resolved ends as a refused connection does."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        if host in (NOWHERE, NOWHERE.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    await _check(lab, f"http://{NOWHERE}", protocol, is_streamed=False)


@EACH
async def test_c4_the_other_side_does_not_speak_tls(lab: Lab, protocol: str) -> None:
    """A failed handshake ends as a refused connection does; no request, and so no key, was sent."""
    async with serving(Turn(text="Twelve.")) as provider:
        await _check(lab, provider.url.replace("http:", "https:"), protocol, is_streamed=False)

    assert [] == provider.received


@STREAMED
@pytest.mark.parametrize(("name", "protocol"), SENSELESS)
async def test_c7_what_made_no_sense_is_kept_raw(lab: Lab, name: str, protocol: str, is_streamed: bool) -> None:
    """The span holds the provider's own words and a flag; no figure is 0 that is not known to be 0."""
    case = C7[name]
    async with serving(case.script) as provider:
        [played] = await lab.play(provider.url, protocol, engines=("agentkit",), is_streamed=is_streamed)

    [span] = played.calls
    assert span.usage is not None
    assert span.usage.raw is not None
    assert True is span.attributes.get("usage_inconsistent")
    usage = case.script.usage
    assert usage is not None
    wrong = usage.total if name == "C7 a total that is none" else usage.output if "output" in name else usage.input
    said = json.loads(span.usage.raw)
    assert _plain(wrong) in [_plain(value) for value in said.values()]
    assert 0 not in (span.usage.input_tokens, span.usage.output_tokens)
    assert 0 == played.row["usage_complete"]


def _plain(value: Any) -> str:
    """A value as the canonical form tells it: what JSON cannot say is a tag around its text."""
    if isinstance(value, dict) and "$t" in value:
        return str(value["v"]).lower()
    return str(value).lower()
