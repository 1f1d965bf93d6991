"""Failures of providers: which pass, how long to wait, what is told, and that no key is in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError, UserError

from trackrecord.models.messages import ModelCallFailed
from trackrecord.models.providers.failures import failure_of, wait_of
from trackrecord.models.providers.wire import Exchange
from trackrecord.record.usage import Usage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
USED = Usage(input_tokens=10)


def exchange(status: int | None = None, error: object = None, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(dialect="chat", idle_s=1.0, status=status, error=error, headers=named)


def failed(error: Exception, seen: Exchange | None = None) -> ModelCallFailed:
    return failure_of(error, provider="openai-chat", exchange=seen, usage=USED, hint="check OPENAI_API_KEY")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_passing_status_may_be_tried_again(status: int) -> None:
    """Overload, limits and faults of the server pass; the wait asked for comes along."""
    failure = failed(ModelHTTPError(status, "m"), exchange(status, {"message": "busy"}, retry_after="7"))
    assert ("provider_unavailable", True, status, 7.0, USED) == (
        failure.code,
        failure.is_transient,
        failure.status,
        failure.retry_after_s,
        failure.usage,
    )
    assert f"openai-chat answered {status}: busy" == str(failure)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 413, 422])
def test_a_refusal_stays_one(status: int) -> None:
    """What the provider refuses it refuses again; a refused key names the variable."""
    failure = failed(ModelHTTPError(status, "m"), exchange(status, {"message": "no"}))
    assert ("model_failed", False, status) == (failure.code, failure.is_transient, failure.status)
    assert (status in (401, 403)) == ("check OPENAI_API_KEY" in str(failure))


def test_an_error_within_a_stream_has_the_status_it_would_have_had() -> None:
    """An overloaded provider is overloaded, whether it says so before or within its answer."""
    failure = failed(ModelHTTPError(529, "m", in_stream=True), exchange(200, {"message": "Overloaded"}))
    assert ("provider_unavailable", True, 529) == (failure.code, failure.is_transient, failure.status)


@pytest.mark.parametrize("error", [ModelConnectionError("m", "x"), ModelTimeoutError("m", "x"), ConnectionResetError()])
def test_a_lost_connection_may_be_tried_again(error: Exception) -> None:
    """Without an answer nobody knows of a reason why another attempt should fail."""
    failure = failed(error, exchange())
    assert ("provider_unavailable", True, None) == (failure.code, failure.is_transient, failure.status)


def test_the_cause_of_a_lost_connection_is_told() -> None:
    """The SDK's `Connection error.` tells nothing; its first cause does."""
    error = ModelConnectionError("m", "Connection error.")
    error.__cause__ = OSError("[Errno 111] Connection refused")
    assert "openai-chat cannot be reached: [Errno 111] Connection refused" == str(failed(error, exchange()))


@pytest.mark.parametrize("error", [ModelAPIError("m", "no JSON"), ValueError("odd"), IndexError("0"), KeyError("x")])
def test_anything_else_is_an_answer_that_cannot_be_read(error: Exception) -> None:
    """Whatever the SDK trips over in an answer of status 200 is the answer's fault."""
    failure = failed(error, exchange(200))
    assert ("provider_bad_response", False) == (failure.code, failure.is_transient)


def test_a_badly_set_up_model_is_no_answer_at_all() -> None:
    """What pydantic-ai itself refuses was never sent."""
    assert "model_failed" == failed(UserError("no such setting")).code


def test_what_the_wire_saw_wins() -> None:
    """An answer the wire broke off is told in the wire's words, whatever the SDK made of it."""
    seen = exchange(200)
    seen.fail("the answer is larger than 3 bytes")
    failure = failed(ModelConnectionError("m", "Connection error."), seen)
    assert ("provider_bad_response", False) == (failure.code, failure.is_transient)
    assert "openai-chat: the answer is larger than 3 bytes" == str(failure)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"message": "no", "code": "bad_thing"}, "no (bad_thing)"),
        ({"error": {"message": "deep"}}, "deep"),
        ("plain", "plain"),
        ([{"message": "listed"}], "listed"),
        ("<html><h1>Bad</h1></html>", "an HTML page"),
        ({"message": "two\nlines\x1b[2J"}, "two lines"),
    ],
)
def test_the_providers_words_are_told_in_one_line(error: object, told: str) -> None:
    """However a provider wraps its words, one line of them is told."""
    text = str(failed(ModelHTTPError(400, "m"), exchange(400, error)))
    assert text.startswith(f"openai-chat answered 400: {told}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:15 GMT"}, 10.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:15"}, 10.0),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon, -3; NaN"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_a_wait_is_read_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """Nonsense is no wait, a moment that has passed is none either, and an absurd one is for the retries to cap."""
    assert seconds == wait_of(headers, NOW)
