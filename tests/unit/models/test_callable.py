"""A Python function as a model."""

import subprocess
import sys

import pytest

from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import Message, ModelCallFailed, ModelReply, ModelRequest
from trackrecord.record.usage import UNKNOWN, Usage

REQUEST = ModelRequest(model="python:f", messages=(Message(role="user", text="hi"),))


async def test_a_sync_function_answers_with_text() -> None:
    """Text is the whole answer; what it used is unknown, not zero."""
    reply = await CallableModel(lambda request: f"{request.messages[-1].text} there").request(REQUEST)
    assert ModelReply(text="hi there", usage=UNKNOWN) == reply


async def test_an_async_function_answers_with_a_reply() -> None:
    """A ModelReply is passed on unchanged, usage included."""
    expected = ModelReply(text="x", usage=Usage(input_tokens=1, output_tokens=2))

    async def respond(request: ModelRequest) -> ModelReply:
        assert REQUEST is request
        return expected

    model = CallableModel(respond, name="f", provider="mine")
    assert expected is await model.request(REQUEST)
    assert ("mine", "f") == (model.provider, model.name)


async def test_anything_else_is_a_bad_response() -> None:
    """A function that gives neither text nor a reply fails the call and says what it gave."""
    model = CallableModel(lambda _: None, name="f")  # type: ignore[arg-type, return-value]  # the point of the test
    with pytest.raises(ModelCallFailed, match="'f' gave a NoneType") as failed:
        await model.request(REQUEST)
    assert "provider_bad_response" == failed.value.code


async def test_what_the_function_raises_comes_out() -> None:
    """A failure raised on purpose keeps its code; nothing is tried again here."""
    calls: list[int] = []

    def fail(request: ModelRequest) -> str:
        calls.append(len(request.messages))
        raise ModelCallFailed("busy", code="provider_unavailable", is_transient=True)

    with pytest.raises(ModelCallFailed, match="busy"):
        await CallableModel(fail).request(REQUEST)
    assert [1] == calls


def test_models_are_cheap_to_import() -> None:
    """Scripted models, the registry and functions need neither a provider library, nor YAML, nor pydantic."""
    code = (
        "import sys, trackrecord.models.registry, trackrecord.models.callable_;"
        "print(sorted({'pydantic_ai', 'pydantic', 'yaml', 'httpx', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
