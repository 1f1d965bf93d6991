"""The plugin `http`: requests to web services, through the outbound guard and no other way.

What may be reached, and which credential may be sent where, is the operator's to say (settings `TRACKRECORD_HTTP__…`),
never the model's. Keeps nothing between calls. The libraries for it are loaded with the first request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from trackrecord.canonical import Json
from trackrecord.errors import PluginError
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Invocation

if TYPE_CHECKING:
    from trackrecord.plugins.outbound.addresses import Policy
    from trackrecord.plugins.outbound.exchange import Outbound

_PORTS: Final = {"http": 80, "https": 443}

Scalar = str | int | float | bool
Url = Annotated[str, {"minLength": 1, "maxLength": 8_192}, "http or https URL, without user name and password"]
Query = Annotated[dict[str, Scalar | list[Scalar]] | None, "parameters added to the URL"]
Headers = Annotated[dict[str, str] | None, {"maxProperties": 50}, "headers; none with a credential"]
Credentials = Annotated[
    dict[str, str] | None,
    {"maxProperties": 5},
    "headers with a credential: a handle the operator has set up, perhaps after a word, like 'Bearer crm_token'",
]
JsonBody = Annotated[Any, "body, sent as JSON; null for none"]
TextBody = Annotated[str | None, {"maxLength": 10_000_000}, "body, sent as it is"]


def plugin(options: Mapping[str, Json]) -> FunctionPlugin:
    """The plugin under the operator's options `allow`, `ports` and `credentials`.

    Raises:
        PluginError: an entry of one of them cannot be used.
    """
    allow, ports = _texts(options.get("allow")), options.get("ports")
    places = {handle: _origins(handle, told) for handle, told in _mapping(options.get("credentials")).items()}
    if allow:
        _policy(allow, ports)  # now, so that a wrong entry is told at start

    def door() -> Outbound:
        # httpx takes 0.4 s to load: only who sends a request pays for it
        from trackrecord.plugins.outbound.exchange import Outbound

        return Outbound(_policy(allow, ports))

    return over(door, places)


def over(door: Callable[[], Outbound], places: Mapping[str, Sequence[str]] | None = None) -> FunctionPlugin:
    """The plugin over what sends its requests, made with the first one; `places` says where a credential may go."""
    sender = _Sender(door, places or {})
    handles = tuple(sender.places)
    made = FunctionPlugin("http", description="Requests to web services, JSON or text.", credentials=handles)
    made.action(name="get", effect="read")(_reading(sender, "GET"))
    for method, description in _CHANGES.items():
        made.action(name=method.lower(), description=description, effect="unsafe")(_changing(sender, method))
    return made


_CHANGES: Final = {
    "POST": "Post JSON or text to a resource.",
    "PUT": "Put JSON or text in the place of a resource.",
    "PATCH": "Change a resource by JSON or text.",
    "DELETE": "Delete a resource.",
}
_Action = Callable[..., Coroutine[Any, Any, dict[str, Json]]]


class _Sender:
    def __init__(self, make_door: Callable[[], Outbound], places: Mapping[str, Sequence[str]]) -> None:
        self._make_door = make_door
        self._door: Outbound | None = None
        self.places = places

    async def send(self, method: str, call: Invocation) -> dict[str, Json]:
        # loaded here: with httpx, 0.4 s that only who sends a request pays for
        from trackrecord.plugins.outbound.asking import outgoing
        from trackrecord.plugins.outbound.telling import result

        asked = outgoing(method, call, self.places)
        if self._door is None:
            self._door = self._make_door()
        return result(asked, await self._door.send(asked.request))


# the signatures below are the schemas of the actions; the call carries the arguments on


def _reading(sender: _Sender, method: str) -> _Action:
    async def read(
        call: Invocation, url: Url, query: Query = None, headers: Headers = None, credentials: Credentials = None
    ) -> dict[str, Json]:
        """Get a resource: its status, some headers, and its JSON or text."""
        return await sender.send(method, call)

    return read


def _changing(sender: _Sender, method: str) -> _Action:
    async def change(
        call: Invocation,
        url: Url,
        query: Query = None,
        headers: Headers = None,
        credentials: Credentials = None,
        json: JsonBody = None,
        text: TextBody = None,
    ) -> dict[str, Json]:
        return await sender.send(method, call)

    return change


def _policy(allow: Sequence[str], ports: Json) -> Policy:
    from trackrecord.plugins.outbound.addresses import DEFAULT_PORTS, Policy, read_listed  # its tables take a while

    try:
        listed = read_listed(allow)
    except ValueError as error:
        raise PluginError(
            f"TRACKRECORD_HTTP__ALLOW cannot be used: {error}",
            cure="List networks like '10.1.0.0/16', addresses, or 'host:port'; public addresses need no entry.",
        ) from None
    given = frozenset(port for port in cast(list[Json], ports) if isinstance(port, int)) if ports else DEFAULT_PORTS
    return Policy(listed=listed, ports=given)


def _origins(handle: str, told: Json) -> tuple[str, ...]:
    from urllib.parse import urlsplit  # only for operators who set up credentials

    origins: list[str] = []
    for entry in _texts(told):
        try:
            parts = urlsplit(entry)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in _PORTS or not host or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
            raise PluginError(
                f"TRACKRECORD_HTTP__CREDENTIALS: {entry!r} of {handle!r} is no origin",
                cure="Write scheme, host and perhaps port: 'https://api.example.com'.",
            )
        place = f"[{host}]" if ":" in host else host
        origins.append(f"{parts.scheme}://{place}{'' if port in (None, _PORTS[parts.scheme]) else f':{port}'}")
    return tuple(origins)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
