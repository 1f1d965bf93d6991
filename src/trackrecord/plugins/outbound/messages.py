"""Requests, answers, and the request that a redirect leads to. Pure, but for httpx, which reads the URLs.

Never unquotes or rewrites a host: what stands in the URL is what the resolver is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import httpx

from trackrecord.plugins.outbound.addresses import OutboundRefused, shown

Headers = Sequence[tuple[str, str]]

MAX_URL: Final = 8_192
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# what another origin may see of a request; whatever else the caller wrote may be a credential
_HARMLESS: Final = frozenset({"accept", "accept-language", "content-type", "idempotency-key", "user-agent"})
_OF_THE_BODY: Final = frozenset({"content-type", "content-language", "idempotency-key"})
_PORTS: Final = {"http": 80, "https": 443}


def read_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL of a text, relative to `base` if there is one; without a fragment.

    Raises:
        OutboundRefused: it is no URL, has another scheme than http and https, no host, or a password in it.
    """
    if len(text) > MAX_URL:
        raise OutboundRefused(f"the URL is longer than {MAX_URL} characters")
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError, KeyError):  # KeyError: `http:` without a host after it
        raise OutboundRefused("the URL cannot be read") from None
    if url.scheme not in _PORTS:
        raise OutboundRefused(f"the URL has scheme {shown(url.scheme)}; only http and https are sent")
    if not url.raw_host:
        raise OutboundRefused("the URL names no host")
    if url.userinfo:
        raise OutboundRefused("the URL holds a user name or a password; name a handle in `credentials` instead")
    if url.port is not None and not 1 <= url.port <= 65_535:
        raise OutboundRefused("the URL has a port that does not exist")
    return url.copy_with(fragment=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whom a request is for: what credentials are bound to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As in a URL, a usual port left out."""
        host = self.host if len(self.host) <= 100 else f"{self.host[:100]}…"
        place = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{place}{'' if self.port == _PORTS[self.scheme] else f':{self.port}'}"


def origin_of(url: httpx.URL) -> Origin:
    """The origin of a URL that `read_url` gave."""
    host = url.raw_host.decode("ascii").lower()
    return Origin(scheme=url.scheme, host=host, port=_PORTS[url.scheme] if url.port is None else url.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request.

    Attributes:
        method: in capitals.
        url: where to, from `read_url`.
        headers: as the caller wants them; Host and framing are added when it is sent.
        secret_headers: never sent to another origin than the first.
        body: None for a request without one.
    """

    method: str
    url: httpx.URL
    headers: Headers = ()
    secret_headers: Headers = field(default=(), repr=False)
    body: bytes | None = None

    def __str__(self) -> str:
        """`GET http://host`: path and query may hold what is nobody's business."""
        return f"{self.method} {origin_of(self.url)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: of the last response.
        url: where that came from.
        headers: names in lower case.
        body: decoded, whole.
    """

    status: int
    url: httpx.URL
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for one, value in self.headers if one == name), None)


def location_of(status: int, headers: Headers) -> str | None:
    """Where a response sends whoever asked; None when it is no redirect."""
    if status not in _REDIRECTS:
        return None
    return next((value for name, value in headers if name == "location"), None)


def redirected(request: Outgoing, status: int, location: str) -> Outgoing:
    """The request that a redirect leads to: as RFC 9110 has it, and with less in it for another origin.

    Raises:
        OutboundRefused: it leads to what is no URL for us, or from https to http.
    """
    url = read_url(location, request.url)
    if request.url.scheme == "https" and url.scheme == "http":
        raise OutboundRefused("a redirect leads from https to http")
    following = replace(request, url=url)
    becomes_get = status == 303 or (status in (301, 302) and request.method == "POST")
    if becomes_get and request.method != "GET":
        kept = tuple(one for one in request.headers if one[0].lower() not in _OF_THE_BODY)
        following = replace(following, method="GET", headers=kept, body=None)
    if origin_of(url) != origin_of(request.url):
        kept = tuple(one for one in following.headers if one[0].lower() in _HARMLESS)
        following = replace(following, headers=kept, secret_headers=())
    return following
