"""The request of a call of `http`: its arguments checked, credentials put in where the operator lets them go.

Never takes a credential from the arguments, and never sends one to an origin that is not on its list, whatever the
model asks for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx

from trackrecord.canonical import Json, encode_clean
from trackrecord.plugins.outbound.addresses import OutboundRefused, shown
from trackrecord.plugins.outbound.messages import Outgoing, origin_of, read_url
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

MAX_HEADER_BYTES: Final = 16_384
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"(?:[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?)?")
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "http2-settings", "keep-alive"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_AGENT: Final = ("User-Agent", "trackrecord")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, and the secrets in it, which nothing that is said of it may repeat."""

    request: Outgoing
    secrets: Sequence[str] = field(default=(), repr=False)


def outgoing(method: str, call: Invocation, places: Mapping[str, Sequence[str]]) -> Asked:
    """The request that a call asks for.

    Raises:
        ToolCallFailed: it cannot or may not be made; nothing was sent.
    """
    arguments = cast(Mapping[str, Any], call.arguments)
    named: Mapping[str, str] = arguments.get("credentials") or {}
    given: Mapping[str, str] = arguments.get("headers") or {}
    try:
        url = read_url(arguments["url"])
        if arguments.get("query"):
            url = read_url(str(url.copy_merge_params(_query(arguments["query"]))))
        kind, body = _body(arguments.get("json"), arguments.get("text"))
        secrets = {name: _secret(told, call.credentials, places, url) for name, told in named.items()}
        _check(given, is_secret=False)
        _check(secrets, is_secret=True)
    except OutboundRefused as error:
        raise ToolCallFailed(f"the request was refused: {error}", was_refused=True) from None
    request = Outgoing(
        method=method,
        url=url,
        headers=(*given.items(), *_added({name.lower() for name in (*given, *secrets)}, kind, call)),
        secret_headers=tuple(secrets.items()),
        body=body,
    )
    return Asked(request=request, secrets=tuple(call.credentials[_handle(told)] for told in named.values()))


def _handle(told: str) -> str:
    return told.rpartition(" ")[2]


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


def _body(json: Json, text: str | None) -> tuple[str | None, bytes | None]:
    if json is not None and text is not None:
        raise OutboundRefused("there is a body as `json` and another as `text`; give one of them")
    if json is not None:
        return "application/json", encode_clean(json).encode()
    return (None, None) if text is None else ("text/plain; charset=utf-8", text.encode())


def _added(given: set[str], kind: str | None, call: Invocation) -> list[tuple[str, str]]:
    """Headers the caller left to us."""
    added = [_AGENT, ("Accept", "application/json, text/*;q=0.9, */*;q=0.8")]
    if kind is not None:
        added.append(("Content-Type", kind))
    if call.effect == "keyed" and call.idempotency_key:
        added.append(("Idempotency-Key", call.idempotency_key))
    return [(name, value) for name, value in added if name.lower() not in given]


def _check(headers: Mapping[str, str], *, is_secret: bool) -> None:
    if sum(len(name) + len(value.encode()) for name, value in headers.items()) > MAX_HEADER_BYTES:
        raise OutboundRefused(f"the headers have more than {MAX_HEADER_BYTES} bytes")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise OutboundRefused(f"{shown(name)} is no name of a header")
        if name.lower() in _OURS:
            raise OutboundRefused(f"the header {name!r} cannot be set: it is written for each request")
        if name.lower() in _SECRET and not is_secret:
            raise OutboundRefused(f"the header {name!r} holds a credential; name its handle in `credentials` instead")
        if not _VALUE.fullmatch(value):  # and not a word of the value, which may be a secret
            raise OutboundRefused(f"the header {name!r} has a value with a line break, a control character or an edge")


def _secret(told: str, known: Mapping[str, str], places: Mapping[str, Sequence[str]], url: httpx.URL) -> str:
    scheme, handle = told.rpartition(" ")[0], _handle(told)
    if str(origin_of(url)) not in places.get(handle, ()):
        raise OutboundRefused(
            f"the credential {shown(handle)} may not be sent to {origin_of(url)}; "
            "the operator says where it may in TRACKRECORD_HTTP__CREDENTIALS"
        )
    if handle not in known:
        raise OutboundRefused(f"there is no credential {shown(handle)}; `trackrecord secrets set` stores one")
    value = known[handle].strip()
    if scheme.lower() == "basic" and ":" in value:
        value = base64.b64encode(value.encode()).decode()
    return f"{scheme} {value}" if scheme else value
