"""The server itself: the providers' own SDKs understand every word of it, and each fault is the fault it is called."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from tests.providers.sdks import KEY, MODEL, SDKS
from tests.providers.server.http import closed_port
from tests.providers.server.provider import serving
from tests.providers.server.script import Call, Fault, Tokens, Turn, refused

PROTOCOLS = pytest.mark.parametrize("protocol", SDKS)
STREAMED = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
FULL = Turn(
    text="Zwölf Äpfel, größer als die übrigen.",
    calls=(Call(name="count", arguments={"place": "Köln", "depth": 3}), Call(name="stop")),
    usage=Tokens(input=120, output=30, cached=40, reasoning=7),
)
FIGURES: dict[str, dict[str, int]] = {
    "openai-chat": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "cached_tokens": 40,
        "reasoning_tokens": 7,
    },
    "openai": {
        "input_tokens": 120,
        "output_tokens": 30,
        "total_tokens": 150,
        "cached_tokens": 40,
        "reasoning_tokens": 7,
    },
    "anthropic": {"input_tokens": 80, "output_tokens": 30, "cache_read_input_tokens": 40, "thinking_tokens": 7},
    "google": {
        "prompt_token_count": 120,
        "candidates_token_count": 23,
        "thoughts_token_count": 7,
        "cached_content_token_count": 40,
        "total_token_count": 150,
    },
}


@PROTOCOLS
@STREAMED
async def test_the_sdk_hears_what_the_script_says(protocol: str, is_streamed: bool) -> None:
    """Text, calls and every figure arrive as the protocol writes them, in one request with the key."""
    async with serving(FULL) as provider:
        heard = await SDKS[protocol](provider.url, is_streamed)

    [received] = provider.received
    assert FULL.text == heard.text
    assert [("count", {"place": "Köln", "depth": 3}), ("stop", {})] == heard.calls
    assert FIGURES[protocol] == heard.usage
    assert (MODEL, 1, is_streamed, "answered") == (
        received.conversation,
        received.turn,
        received.is_streamed,
        received.end,
    )
    assert any(KEY in value for value in received.headers.values())


@PROTOCOLS
@pytest.mark.parametrize("placement", ["last", "cumulative", "repeated"])
async def test_usage_may_come_in_many_chunks(protocol: str, placement: Any) -> None:
    """Wherever a stream tells its usage, the last word is the same."""
    async with serving(Turn(text="Zwölf Äpfel.", usage=Tokens(input=120, output=30, placement=placement))) as provider:
        heard = await SDKS[protocol](provider.url, True)

    assert heard.usage is not None
    figures = [value for name, value in heard.usage.items() if "total" not in name]
    assert [30, 120] == sorted(figures)


@pytest.mark.parametrize("protocol", ["openai-chat", "openai", "google"])
@STREAMED
async def test_usage_may_be_missing(protocol: str, is_streamed: bool) -> None:
    """Three of the four SDKs live without usage; Anthropic's insists on it."""
    async with serving(Turn(text="Twelve.", usage=None)) as provider:
        heard = await SDKS[protocol](provider.url, is_streamed)

    assert (heard.text, heard.usage) == ("Twelve.", None)


REFUSALS: dict[str, Fault] = {
    "429 in seconds": refused("rate_limited", retry_after="2"),
    "429 by date": refused("rate_limited", retry_after="Wed, 21 Oct 2099 07:28:00 GMT"),
    "500": refused("failed"),
    "502": refused("failed", status=502),
    "503": refused("overloaded", status=503),
    "529": refused("overloaded"),
    "400": refused("bad_request"),
    "401": refused("bad_key"),
    "403": refused("forbidden"),
    "404": refused("unknown"),
    "filtered": refused("filtered"),
    "too long": refused("too_long"),
}


@PROTOCOLS
@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_reaches_the_sdk(protocol: str, name: str) -> None:
    """The SDK raises its own error with the status, once; the same request is answered the next time."""
    fault = REFUSALS[name]
    async with serving(Turn(text="Twelve.", faults=(fault,))) as provider:
        with pytest.raises(Exception, match=r".") as caught:
            await SDKS[protocol](provider.url, False)
        heard = await SDKS[protocol](provider.url, False)

    error: Any = caught.value
    assert fault.status == (error.code if protocol == "google" else error.status_code)
    assert (heard.text, 2) == ("Twelve.", provider.count(MODEL))
    assert [str(fault.status), "answered"] == provider.ends()


BREAKS: dict[str, tuple[Fault, str]] = {
    "cut in the middle": (Fault(cut="middle"), "cut middle"),
    "cut in a character": (Fault(cut="character"), "cut character"),
    "cut in an argument": (Fault(cut="argument"), "cut argument"),
    "reset": (Fault(drop="reset"), "reset"),
    "hang up": (Fault(drop="hang up"), "hang up"),
    "malformed": (Fault(body=b'{"choices": [{"mess'), "body"),
    "an error inside": (Fault(odd="error inside"), "error inside"),
}


@PROTOCOLS
@STREAMED
@pytest.mark.parametrize("name", BREAKS)
async def test_a_broken_answer_is_no_answer(protocol: str, is_streamed: bool, name: str) -> None:
    """The SDK raises, or hears less than was said; and the server knows what it did."""
    fault, end = BREAKS[name]
    turn = Turn(text=FULL.text, calls=FULL.calls, usage=FULL.usage, faults=(fault,))
    async with serving(turn) as provider:
        try:
            heard = await SDKS[protocol](provider.url, is_streamed)
        except Exception:
            heard = None

    assert heard is None or (heard.text, heard.calls) != (FULL.text, [("count", {"place": "Köln", "depth": 3})])
    assert [end] == provider.ends()


@PROTOCOLS
@STREAMED
async def test_a_cut_in_an_argument_is_where_it_says(protocol: str, is_streamed: bool) -> None:
    """The last bytes on the wire are the beginning of a call's arguments, and never their end."""
    async with serving(Turn(calls=FULL.calls, faults=(Fault(cut="argument"),))) as provider:
        said = await _raw(provider.url, protocol, is_streamed)

    whole = said.decode().rstrip()
    assert whole[-40:].rpartition('":')[0].rpartition('"')[2] in ("arguments", "partial_json", "delta", "args", "input")
    assert not whole.endswith("}")


@STREAMED
async def test_a_cut_in_a_character_is_where_it_says(is_streamed: bool) -> None:
    """What came is no UTF-8: its last byte begins a character."""
    async with serving(Turn(text="größer", faults=(Fault(cut="character"),))) as provider:
        said = await _raw(provider.url, "openai-chat", is_streamed)

    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        said.decode()


async def test_a_drip_is_slow_and_the_silent_server_notices_who_left() -> None:
    """Bytes come one by one; a client that gives up is seen leaving, before its answer and within it."""
    stalls = (Fault(drip_s=0.005), Fault(stall="before headers"), Fault(stall="after headers"), Fault(late_s=0.2))
    async with serving(Turn(text="Twelve.", faults=stalls)) as provider:
        for _ in stalls:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await SDKS["openai-chat"](provider.url, True)
        await asyncio.sleep(0.25)

    assert 2 < provider.received[0].sent < 50
    assert ["client left"] * 3 == provider.ends()[:3]


async def test_a_bomb_unpacks_to_what_it_says() -> None:
    """A few KiB become so many MiB."""
    async with serving(Turn(text="Twelve.", faults=(Fault(bomb_mib=8),))) as provider:
        said = await _raw(provider.url, "openai-chat", False)

    assert len(said) == 8 << 20
    assert provider.received[0].sent < 16 << 10


async def test_nobody_listens_at_a_closed_port() -> None:
    """A refused connection is an error of the SDK at once."""
    with pytest.raises(Exception, match=r"[Cc]onnect"):
        await SDKS["openai-chat"](f"http://127.0.0.1:{closed_port()}", False)


async def test_conversations_are_counted_apart() -> None:
    """Requests are told apart by model and turn, and a turn meets its faults anew every time it is through."""
    turns = Turn(text="One.", faults=(refused("failed"),)), Turn(text="Two.")
    async with serving(*turns) as provider:
        for model, said in [("a", 0), ("a", 0), ("b", 0), ("a", 1), ("a", 0), ("a", 0)]:
            await _raw(provider.url, "openai-chat", False, model=model, replies=said)

    assert (5, 1) == (provider.count("a"), provider.count("b"))
    assert ["500", "answered", "500", "answered", "500", "answered"] == provider.ends()
    assert [1, 1, 1, 2, 1, 1] == [one.turn for one in provider.received]


_PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai": "/v1/responses",
    "anthropic": "/v1/messages",
    "google": f"/v1beta/models/{MODEL}:",
}


async def _raw(url: str, protocol: str, is_streamed: bool, *, model: str = MODEL, replies: int = 0) -> bytes:
    """What is on the wire, up to where it breaks off."""
    path = _PATHS[protocol]
    if protocol == "google":
        path += "streamGenerateContent?alt=sse" if is_streamed else "generateContent"
    asked = {"role": "user", "content": "?"}
    talk = [asked, *[{"role": "assistant", "content": "!"}, asked] * replies]
    body = {"model": model, "stream": is_streamed, "messages": talk, "input": talk, "contents": []}
    got = b""
    async with httpx2.AsyncClient() as client, client.stream("POST", f"{url}{path}", json=body) as answer:
        try:
            async for part in answer.aiter_bytes():
                got += part
        except httpx2.RemoteProtocolError:
            return got
    return got
