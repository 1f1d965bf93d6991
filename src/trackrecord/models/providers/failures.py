"""What went wrong with a call, as one ModelCallFailed: its code, whether to try again, how long to wait, in one line.

Owns the words of a provider's failure; never holds a key, whatever the provider echoes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UserError,
)

from trackrecord.canonical import clean_text, cut
from trackrecord.clock import now
from trackrecord.models.messages import ModelCallFailed
from trackrecord.models.providers.wire import Exchange
from trackrecord.record.usage import UNKNOWN, Usage

MAX_REASON_CHARACTERS: Final = 65_536  # the run cuts it shorter, after it has taken its secrets out of the whole
_PASSING: Final = frozenset({408, 425, 429})
_CONNECTION_WORDS: Final = ("Timeout", "ConnectError", "ReadError", "WriteError", "ProtocolError", "Connection", "SSL")


def failure_of(
    error: Exception, *, provider: str, exchange: Exchange | None, usage: Usage = UNKNOWN, hint: str = ""
) -> ModelCallFailed:
    """The failure an exception of the SDK stands for.

    Args:
        error: what the SDK or pydantic-ai raised.
        provider: name in the message.
        exchange: what the wire saw; None of a provider that is not watched.
        usage: what the provider said it used all the same.
        hint: what to do when the key is refused.
    """
    seen = exchange.failure if exchange is not None else None
    if seen is not None:  # the wire knows better than what the SDK made of its error
        return _failed(f"{provider}: {seen}", seen.code, seen.is_transient, status=seen.status, usage=usage)
    if isinstance(error, ModelCallFailed):
        return error
    status = _status(error, exchange)
    if status is not None:
        return _by_status(error, status, provider, exchange, usage, hint)
    if _is_connection(error):
        what = "gave no answer in time" if isinstance(error, ModelTimeoutError) else "cannot be reached"
        if exchange is not None and exchange.status is not None:
            what = "broke off its answer"
        reason = f"{provider} {what}: {_innermost(error)}"
        return _failed(reason, "provider_unavailable", True, usage=usage)
    if isinstance(error, UserError):
        return _failed(f"{provider}: {_text(error)}", "model_failed", False, usage=usage)
    said = _said(exchange.error) if exchange is not None else None
    reason = said or _text(error)
    return _failed(
        f"{provider} gave an answer that cannot be read: {reason}", "provider_bad_response", False, usage=usage
    )


def wait_of(headers: Mapping[str, str], at: datetime | None = None) -> float | None:
    """Seconds the provider asked to wait, by its `Retry-After` in seconds or as a date; None when it did not.

    Never negative; how much of it is honoured is the retry layer's to say.
    """
    milliseconds, written = headers.get("retry-after-ms"), headers.get("retry-after")
    for text, unit in ((milliseconds, 1000.0), (written, 1.0)):
        if text is not None and re.fullmatch(r"\s*\d{1,30}(\.\d{1,9})?\s*", text):
            return float(text) / unit
    try:
        moment = parsedate_to_datetime(written) if written else None
    except (TypeError, ValueError, OverflowError):
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (at or now())).total_seconds())


def _by_status(
    error: Exception, status: int, provider: str, exchange: Exchange | None, usage: Usage, hint: str
) -> ModelCallFailed:
    is_passing = status in _PASSING or status >= 500
    headers: Mapping[str, str] = exchange.headers if exchange is not None else {}
    wait_s = wait_of(headers) if is_passing else None
    if wait_s is None and is_passing and isinstance(error, ModelAPIError):
        wait_s = error.retry_after
    said = _said(exchange.error if exchange is not None and exchange.error is not None else _body(error))
    cure = f"; {hint}" if hint and status in (401, 403) else ""
    return _failed(
        f"{provider} answered {status}{f': {said}' if said else ''}{cure}",
        "provider_unavailable" if is_passing else "model_failed",
        is_passing,
        status=status,
        wait_s=wait_s,
        usage=usage,
    )


def _failed(
    reason: str,
    code: str,
    is_transient: bool,
    *,
    status: int | None = None,
    wait_s: float | None = None,
    usage: Usage,
) -> ModelCallFailed:
    line = cut(clean_text(" ".join(reason.split())), MAX_REASON_CHARACTERS)
    return ModelCallFailed(line, code=code, is_transient=is_transient, status=status, retry_after_s=wait_s, usage=usage)


def _status(error: Exception, exchange: Exchange | None) -> int | None:
    """The HTTP status of a refusal; also the one the same error within a stream would have had."""
    if exchange is not None and exchange.status is not None and not 200 <= exchange.status < 300:
        return exchange.status
    if isinstance(error, ModelHTTPError) and (exchange is None or error.in_stream or exchange.status is None):
        return error.status_code
    return None


def _is_connection(error: BaseException) -> bool:
    if isinstance(error, ModelConnectionError | OSError | TimeoutError):
        return True
    within = error.__cause__
    names = [kind.__name__ for kind in type(error).__mro__]
    is_own = any(word in name for name in names for word in _CONNECTION_WORDS)
    return is_own or (within is not None and within is not error and _is_connection(within))


def _innermost(error: BaseException) -> str:
    """The words of the first cause: the SDK says `Connection error.` of everything."""
    seen = 0
    while seen < 10:
        below = error.__cause__ or error.__context__
        if below is None:
            break
        error, seen = below, seen + 1
    return _text(error)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _body(error: Exception) -> object:
    return error.body if isinstance(error, ModelAPIError) else None


def _said(error: object) -> str | None:
    """The provider's own words in an error object, however deep it puts them."""
    if isinstance(error, str):
        return error if "<html" not in error[:500].lower() else "an HTML page"
    if isinstance(error, list):
        return _said(cast("list[object]", error)[0]) if error else None
    if not isinstance(error, Mapping):
        return None
    fields = cast("Mapping[str, object]", error)
    for name in ("message", "error", "detail", "msg"):
        said = _said(fields.get(name))
        if said:
            kind = fields.get("code") or fields.get("type")
            return f"{said} ({kind})" if isinstance(kind, str) and kind not in said else said
    return None
