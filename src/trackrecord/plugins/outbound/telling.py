"""What a call of `http` gives back: a small result, or a failure that says what it means. Pure.

Repeats no secret of the request, no path and no query in its words, and hands on a few headers only: never a cookie.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from trackrecord.canonical import Json, cut, loads
from trackrecord.clock import now
from trackrecord.plugins.outbound.asking import Asked
from trackrecord.plugins.outbound.messages import Answer
from trackrecord.plugins.protocol import ToolCallFailed
from trackrecord.record.redact import redactor

KEPT_HEADERS: Final = ("content-type", "etag", "last-modified", "link", "location", "retry-after")
_MOST_OF_A_HEADER: Final = 2_000
_MOST_OF_A_REASON: Final = 4_000  # the run cuts it shorter, after it has taken its secrets out of the whole
_PASSING: Final = frozenset({408, 429})
_UTF8: Final = "utf-8"
# others could make decoding itself a burden (`idna`) or give something else than text
_CHARSETS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), _UTF8),
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-16"),
}
_TEXTUAL: Final = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:xml|javascript|x-www-form-urlencoded|yaml)\b")
_JSON: Final = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?json\b")


def result(asked: Asked, answer: Answer) -> dict[str, Json]:
    """Status, headers, `json` or `text` (`bytes`, their number, when the body is neither), and the last URL.

    Raises:
        ToolCallFailed: the status says that it failed; passing for 408, 429 and 5xx.
    """
    scrub = redactor(asked.secrets).exact
    name, body = _body(answer, scrub)
    if not (200 <= answer.status < 300 or answer.status == 304):
        raise _failure(asked, answer, body if name in ("json", "text") else None, scrub)
    headers: dict[str, Json] = {
        one: cut(scrub(value), _MOST_OF_A_HEADER) for one in KEPT_HEADERS if (value := answer.header(one)) is not None
    }
    return {"status": answer.status, "headers": headers, name: body, "url": scrub(str(answer.url))}


def _failure(asked: Asked, answer: Answer, body: Json, scrub: Callable[[str], str]) -> ToolCallFailed:
    status = answer.status
    is_transient = status in _PASSING or status >= 500
    reason = _reason(answer, scrub) if 400 <= status < 500 and body is not None else ""
    return ToolCallFailed(
        f"{asked.request} answered {status}{reason}",
        is_transient=is_transient,
        retry_after_s=retry_after_s(answer.header("retry-after")) if is_transient else None,
        cause=str(status) if is_transient else "",
    )


def _reason(answer: Answer, scrub: Callable[[str], str]) -> str:
    """The beginning of what the other side says was wrong with the request; a web page says nothing."""
    if "html" in (answer.header("content-type") or ""):
        return ""
    text = " ".join(scrub(answer.body.decode(errors="replace")).split())
    return f": {cut(text, _MOST_OF_A_REASON)}" if text else ""


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a Retry-After asks to wait, given as seconds or as a date; None when it says neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])  # whoever asks for more is held to a cap anyway
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - now()).total_seconds())
    except (TypeError, ValueError, OverflowError):  # no date, one without a zone, one that no calendar has
        return None


def _body(answer: Answer, scrub: Callable[[str], str]) -> tuple[str, Json]:
    kind = (answer.header("content-type") or "").lower()
    text = _decoded(answer.body, kind)
    if text is None:
        return "bytes", len(answer.body)
    text = scrub(text)
    if _JSON.match(kind):
        try:
            return "json", loads(text)
        except ValueError:  # not the JSON it says it is: what it is all the same may be read
            return "text", text
    return "text", text


def _decoded(body: bytes, kind: str) -> str | None:
    found = re.search(r"charset=\"?([\w-]{1,40})", kind)
    charset = _CHARSETS.get(found[1], _UTF8) if found else _UTF8
    is_text = not kind or _TEXTUAL.match(kind) is not None or _JSON.match(kind) is not None
    try:
        return body.decode(
            "utf-8-sig" if charset == _UTF8 else charset, errors="replace" if is_text and kind else "strict"
        )
    except UnicodeDecodeError:
        return None
