"""The wire: usage taken out as written, sizes and silences bounded, hidden retries off, keys out of every text."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from tests.providers.server.provider import serving
from tests.providers.server.script import Fault, Turn, refused

from trackrecord.models.messages import Message, ModelCallFailed, ModelRequest
from trackrecord.models.providers import provider_model, wire
from trackrecord.models.providers.figures import Dialect
from trackrecord.models.providers.wire import Exchange, body_of

KEY = "sk-canary-0123456789abcdef"
REQUEST = ModelRequest(model="m", messages=(Message(role="user", text="hi"),))
NAMES = ("openai-chat:m", "openai:m", "anthropic:m", "google:m", "groq:m")


def environment(url: str) -> dict[str, str]:
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY")
    addresses = {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url, "GOOGLE_GEMINI_BASE_URL": url}
    return dict.fromkeys(keys, KEY) | addresses | {"GROQ_BASE_URL": url}


class Bytes:
    """A body that comes in parts, after a while each."""

    def __init__(self, *parts: bytes, pause_s: float = 0.0) -> None:
        self.parts, self.pause_s = parts, pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.pause_s)
            yield part


def exchange(dialect: Dialect = "chat", *, is_stream: bool = False, idle_s: float = 5.0, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(dialect=dialect, idle_s=idle_s, status=200, headers=named, is_stream=is_stream)


async def passed_on(seen: Exchange, stream: Bytes) -> bytes:
    return b"".join([part async for part in body_of(seen, SimpleNamespace(stream=stream))])


def event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def test_usage_is_taken_out_of_an_answer_as_it_is_written() -> None:
    """What the SDK gets has no usage, what we get is the provider's own object, NaN and all."""
    seen = exchange()
    body = b'{"choices": [{"x": "\\u00e4"}], "usage": {"prompt_tokens": NaN, "completion_tokens": "5", "more": null}}'
    assert {"choices": [{"x": "ä"}]} == json.loads(await passed_on(seen, Bytes(body[:9], body[9:])))
    assert seen.usage is not None
    assert ["prompt_tokens", "completion_tokens"] == [*seen.usage]


async def test_the_last_word_of_a_stream_counts() -> None:
    """Usage that grows or is repeated from event to event is one usage; bytes may be cut anywhere."""
    body = b"".join(
        [
            event(
                {"choices": [{"delta": {"content": "größer"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
            ),
            event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            b"data: [DONE]\n\n",
        ]
    )
    seen = exchange(is_stream=True)
    sent = await passed_on(seen, Bytes(*[body[place : place + 1] for place in range(len(body))]))
    assert ({"prompt_tokens": 3, "completion_tokens": 2}, True) == (seen.usage, seen.has_ended)
    assert b"usage" not in sent
    assert body.count(b"\n") == sent.count(b"\n")


async def test_each_part_of_a_usage_told_at_another_time_is_kept() -> None:
    """Anthropic tells input at the beginning and output at the end."""
    seen = exchange("messages", is_stream=True)
    begun = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    await passed_on(seen, Bytes(event(begun), event(ended), event({"type": "message_stop"})))
    assert ({"input_tokens": 7, "output_tokens": 9}, True) == (seen.usage, seen.has_ended)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1, 2]", b'{"half', b"[" * 100_000])
async def test_what_is_no_object_is_passed_on(body: bytes) -> None:
    """The wire reads no answers: what it does not know is for the SDK to refuse."""
    seen = exchange()
    assert body == await passed_on(seen, Bytes(body))
    assert seen.usage is None


async def test_a_packed_answer_is_unpacked_and_a_bomb_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte that unpacks to megabytes ends at the limit, long before it fills the memory."""
    small = gzip.compress(b"[1]")
    assert b"[1]" == await passed_on(exchange(content_encoding="gzip"), Bytes(small[:5], small[5:]))
    monkeypatch.setattr(wire, "MAX_REPLY_BYTES", 1_000)
    with pytest.raises(ModelCallFailed, match=r"larger than 1,000 bytes") as failed:
        await passed_on(exchange(content_encoding="gzip"), Bytes(gzip.compress(b"0" * 10**6)))
    assert "provider_bad_response" == failed.value.code


@pytest.mark.parametrize(("packing", "body"), [("br", b"x"), ("gzip", b"no gzip")])
async def test_an_answer_packed_in_an_odd_way_is_refused(packing: str, body: bytes) -> None:
    """What cannot be unpacked cannot be read."""
    with pytest.raises(ModelCallFailed, match=r"packed|unpacked"):
        await passed_on(exchange(content_encoding=packing), Bytes(body))


async def test_an_answer_that_falls_silent_ends() -> None:
    """Silence within an answer has an end of its own, and may be tried again."""
    with pytest.raises(ModelCallFailed, match=r"stopped coming for 0\.01 s") as failed:
        await passed_on(exchange(idle_s=0.01), Bytes(b"{", b"}", pause_s=1.0))
    assert ("provider_unavailable", True) == (failed.value.code, failed.value.is_transient)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "fault",
    [refused("failed"), refused("rate_limited", retry_after="0"), Fault(drop="reset")],
    ids=["500", "429", "reset"],
)
async def test_one_call_is_one_request(name: str, stream: bool, fault: Fault) -> None:
    """No SDK tries again behind our back: what passes is told to us at the first failure."""
    async with serving(Turn(text="x", faults=(fault,), for_ever=True)) as provider:
        model = provider_model(name, environment=environment(provider.url), stream=stream)
        with pytest.raises(ModelCallFailed) as failed:
            await model.request(REQUEST)
        await model.close()
    assert (1, "provider_unavailable", True) == (len(provider.received), failed.value.code, failed.value.is_transient)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_refused_key_names_its_variable_and_not_itself(name: str, stream: bool) -> None:
    """The provider repeats the key in its message; what we tell has the variable's name in its place."""
    async with serving(Turn(text="x", faults=(refused("bad_key"),), for_ever=True)) as provider:
        model = provider_model(name, environment=environment(provider.url), stream=stream)
        with pytest.raises(ModelCallFailed, match="_API_KEY") as failed:
            await model.request(REQUEST)
        await model.close()
    assert ("model_failed", False, 401) == (failed.value.code, failed.value.is_transient, failed.value.status)
    assert KEY in json.dumps(provider.received[0].headers)
    assert KEY not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_gives_the_reply_that_a_whole_answer_gives(name: str) -> None:
    """Streaming changes nothing but the time to the first token."""
    replies: list[Any] = []
    async with serving(Turn(text="Zwölf Äpfel.")) as provider:
        for stream in (False, True):
            model = provider_model(name, environment=environment(provider.url), stream=stream)
            replies.append(await model.request(REQUEST))
            await model.close()
    whole, streamed = replies
    assert ("Zwölf Äpfel.", None) == (whole.text, whole.first_token_us)
    assert (whole.text, whole.usage, whole.responded_model) == (streamed.text, streamed.usage, streamed.responded_model)
    assert streamed.first_token_us > 0


async def test_a_stream_nobody_asked_for_may_be_cut_too() -> None:
    """Anthropic's SDK streams long answers by itself: one that just stops is no answer either."""
    async with serving(Turn(text="Zwölf Äpfel.", faults=(Fault(cut="clean"),))) as provider:
        model = provider_model("anthropic:claude-sonnet-5", environment=environment(provider.url))
        with pytest.raises(ModelCallFailed, match="cut off before its end") as failed:
            await model.request(REQUEST)
        reply = await model.request(REQUEST)
        await model.close()
    assert [True, True] == [one.is_streamed for one in provider.received]
    assert ("provider_unavailable", True, None) == (
        failed.value.code,
        failed.value.is_transient,
        failed.value.usage.output_tokens,
    )
    assert ("Zwölf Äpfel.", None) == (reply.text, reply.first_token_us)


async def test_a_model_works_in_one_event_loop_after_another() -> None:
    """Connections belong to a loop: a model closed in one, or taken to another, makes new ones."""
    async with serving(Turn(text="x")) as provider:
        model = provider_model(NAMES[0], environment=environment(provider.url))
        for _ in range(2):
            assert "x" == (await model.request(REQUEST)).text
            await model.close()
        await asyncio.to_thread(lambda: asyncio.run(_asked_and_closed(model)))
    assert 3 == len(provider.received)


async def _asked_and_closed(model: Any) -> None:
    assert "x" == (await model.request(REQUEST)).text
    await model.close()
