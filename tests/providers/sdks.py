"""The providers' own SDKs as clients of the server: what they hear, in words that belong to none of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anthropic
import httpx2
import openai
from google import genai
from google.genai import types

KEY: Final = "sk-test-0123456789"
MODEL: Final = "test-model"
QUESTION: Final = "How many?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an SDK heard: text, calls with their arguments, and the usage as it tells it."""

    text: str
    calls: list[tuple[str, Any]]
    usage: Mapping[str, Any] | None


@asynccontextmanager
async def _openai(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        yield client


async def chat(url: str, is_streamed: bool) -> Heard:
    async with _openai(url) as client:
        asked: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
        if not is_streamed:
            whole = await client.chat.completions.create(**asked)
            message = whole.choices[0].message
            calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
            return Heard(text=message.content or "", calls=calls, usage=_dumped(whole.usage))
        options = {"include_usage": True}
        async with client.chat.completions.stream(**asked, stream_options=options) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_completion()
    message = final.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    return Heard(text=message.content or "", calls=calls, usage=_dumped(final.usage))


async def responses(url: str, is_streamed: bool) -> Heard:
    async with _openai(url) as client:
        if is_streamed:
            async with client.responses.stream(model=MODEL, input=QUESTION) as stream:
                async for _ in stream:
                    pass
                whole: Any = await stream.get_final_response()
        else:
            whole = await client.responses.create(model=MODEL, input=QUESTION)
    calls = [(item.name, json.loads(item.arguments)) for item in whole.output if item.type == "function_call"]
    return Heard(text=whole.output_text, calls=calls, usage=_dumped(whole.usage))


async def messages(url: str, is_streamed: bool) -> Heard:
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as client:
        asked: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": QUESTION}],
        }
        if is_streamed:
            async with client.messages.stream(**asked) as stream:
                whole: Any = await stream.get_final_message()
        else:
            whole = await client.messages.create(**asked)
    text = "".join(block.text for block in whole.content if block.type == "text")
    calls = [(block.name, block.input) for block in whole.content if block.type == "tool_use"]
    return Heard(text=text, calls=calls, usage=_dumped(whole.usage))


async def gemini(url: str, is_streamed: bool) -> Heard:
    http = httpx2.AsyncClient()
    options = types.HttpOptions(base_url=url, httpx_async_client=http)
    client = genai.Client(api_key=KEY, http_options=options)
    async with http:
        if is_streamed:
            stream = await client.aio.models.generate_content_stream(model=MODEL, contents=QUESTION)
            pieces = [piece async for piece in stream]
        else:
            pieces = [await client.aio.models.generate_content(model=MODEL, contents=QUESTION)]
    client.close()
    parts = [part for piece in pieces for part in _parts(piece)]
    usage = next((piece.usage_metadata for piece in reversed(pieces) if piece.usage_metadata), None)
    return Heard(
        text="".join(part.text for part in parts if part.text),
        calls=[(part.function_call.name, part.function_call.args) for part in parts if part.function_call],
        usage=_dumped(usage),
    )


def _parts(piece: types.GenerateContentResponse) -> list[types.Part]:
    content = piece.candidates[0].content if piece.candidates else None
    return (content.parts if content else None) or []


def _dumped(usage: Any) -> dict[str, Any] | None:
    """The figures that are there and not 0, nested ones by their own name."""
    if usage is None:
        return None
    flat: dict[str, Any] = {}
    for name, value in usage.model_dump().items():
        flat |= value if isinstance(value, dict) else {name: value}
    return {name: value for name, value in flat.items() if isinstance(value, int) and value}


SDKS: Final[Mapping[str, Callable[[str, bool], Awaitable[Heard]]]] = {
    "openai-chat": chat,
    "openai": responses,
    "anthropic": messages,
    "google": gemini,
}
