"""The plugin `demo`: a small business that exists only in memory, for examples, first steps and tests.

Needs no network, no key and no clock: the same call gives the same answer anywhere. Changes nothing outside this
process; its unsafe actions only pretend, with an identifier derived from the call, so that a repeat would show.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from trackrecord.canonical import Json, digest, dumps
from trackrecord.plugins.demo_data import CITIES, COMPANIES, CUSTOMERS, LEADS, LOG, PRIORITY_WORDS, TICKETS
from trackrecord.plugins.functions import FunctionPlugin
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

Email = Annotated[str, {"minLength": 3, "maxLength": 320}, "e-mail address"]
Priority = Literal["urgent", "high", "normal", "low"]
Limit = Annotated[int, {"minimum": 1, "maximum": 100}, "most items to return"]

_MAX_REMEMBERED: Final = 10_000
_MOMENT_S: Final = 0.02

_built = FunctionPlugin("demo", description="A small business with customers, tickets, leads and a service log.")
_failures: OrderedDict[str, int] = OrderedDict()


def plugin(options: Mapping[str, Json]) -> FunctionPlugin:
    """The plugin; it has no options."""
    del options
    return _built


@_built.action(effect="read")
async def list_tickets(status: Literal["open", "closed", "any"] = "open", limit: Limit = 20) -> dict[str, Json]:
    """List support tickets, oldest first."""
    found = sorted((t for t in TICKETS if status in ("any", t["status"])), key=lambda ticket: str(ticket["opened_at"]))
    return {"items": [dict(ticket) for ticket in found[:limit]]}


@_built.action(effect="read")
async def lookup_customer(email: Email) -> dict[str, Json]:
    """Look a customer up by e-mail address; found is false for a stranger."""
    known = CUSTOMERS.get(email.strip().lower())
    return {"found": known is not None, "customer": None if known is None else {"email": email.lower(), **known}}


@_built.action(effect="read")
async def classify_priority(subject: str, body: str = "", plan: str | None = None) -> dict[str, Json]:
    """Judge how urgent a request is by its words; an enterprise plan raises it by one."""
    text = f"{subject}\n{body}".lower()
    ranks = [*(rank for rank, _ in PRIORITY_WORDS), "low"]
    hits = [(rank, word) for rank, words in PRIORITY_WORDS for word in words if _mentions(text, word)]
    rank, reason = hits[0] if hits else ("low", "")
    place = max(0, ranks.index(rank) - (plan == "enterprise"))
    return {"priority": ranks[place], "reason": f"mentions {reason!r}" if reason else "mentions nothing pressing"}


@_built.action(effect="unsafe")
async def create_ticket(
    email: Email, subject: str, call: Invocation, body: str = "", priority: Priority = "normal"
) -> dict[str, Json]:
    """Open a ticket for a customer."""
    identifier = _identifier("T", call)
    return {"id": identifier, "email": email, "subject": subject, "body": body, "priority": priority, "status": "open"}


@_built.action(effect="unsafe")
async def send_reply(ticket_id: str, body: str, call: Invocation) -> dict[str, Json]:
    """Answer a ticket by e-mail."""
    return {"message_id": _identifier("M", call), "ticket_id": ticket_id, "characters": len(body)}


@_built.action(effect="unsafe")
async def send_report(to: Email, subject: str, body: str, call: Invocation) -> dict[str, Json]:
    """Send a report by e-mail."""
    return {"message_id": _identifier("M", call), "to": to, "subject": subject, "characters": len(body)}


@_built.action(effect="keyed")
async def notify(channel: str, message: str, call: Invocation) -> dict[str, Json]:
    """Page a channel, which never says whether anybody saw it: success stays unknown."""
    return {"success": None, "page_id": _identifier("P", call), "channel": channel, "characters": len(message)}


@_built.action(effect="read")
async def list_log_events(
    service: Annotated[str, "only this service; empty takes all"] = "",
    level: Annotated[Literal["info", "warning", "error"], "this level and worse"] = "info",
    limit: Limit = 100,
) -> dict[str, Json]:
    """List the events of the service log, oldest first."""
    levels = ("info", "warning", "error")
    wanted = levels[levels.index(level) :]
    found = [event for event in LOG if event["level"] in wanted and service in ("", event["service"])]
    return {"events": [dict(event) for event in found[:limit]]}


@_built.action(effect="read")
async def list_leads(limit: Limit = 20) -> dict[str, Json]:
    """List companies that might become customers."""
    return {"items": [dict(lead) for lead in LEADS[:limit]]}


@_built.action(effect="read")
async def enrich_company(domain: str) -> dict[str, Json]:
    """Look up what is known of a company by its domain; an unknown domain is an error."""
    known = COMPANIES.get(domain.strip().lower())
    if known is None:
        raise ToolCallFailed(f"no company has the domain {domain!r}")
    return {"domain": domain.lower(), "source": "register", **known}


@_built.action(effect="read")
async def enrich_fallback(name: str) -> dict[str, Json]:
    """Say the little that a company's name alone tells; what is not known is null."""
    trade = next((word for word in ("bakery", "sons", "energy", "design") if word in name.lower()), None)
    industry = {"bakery": "food", "sons": "retail"}.get(trade or "", trade)
    return {"name": name, "source": "name", "industry": industry, "employees": None, "country": None}


@_built.action(effect="read")
async def geocode(city: str) -> dict[str, Json]:
    """Find where a city is and its time zone; an unknown city is an error."""
    known = CITIES.get(city.strip().lower())
    if known is None:
        raise ToolCallFailed(f"no city is called {city!r}")
    latitude, longitude, zone = known
    return {"city": city, "latitude": latitude, "longitude": longitude, "zone": zone}


@_built.action(effect="read")
async def echo(value: Any) -> object:
    """Return the value as it came."""
    return value


@_built.action(effect="read")
async def wait(milliseconds: Annotated[int, {"minimum": 0, "maximum": 60_000}]) -> dict[str, Json]:
    """Take a while, then answer."""
    await asyncio.sleep(milliseconds / 1000)
    return {"waited_ms": milliseconds}


@_built.action(effect="unsafe")
async def fail(message: str = "the demo was asked to fail", is_transient: bool = False) -> dict[str, Json]:
    """Fail with a message."""
    raise ToolCallFailed(message, is_transient=is_transient)


@_built.action(effect="read")
async def flaky(call: Invocation, times: Annotated[int, {"minimum": 0, "maximum": 100}] = 1) -> dict[str, Json]:
    """Fail for a passing reason this many times, then succeed: counted for each call by its idempotency key.

    Asks to be tried again in a moment, so that the wait is the same every time.
    """
    failed = _failures.pop(call.idempotency_key, 0)
    if failed < times:
        _failures[call.idempotency_key] = failed + 1
        if len(_failures) > _MAX_REMEMBERED:
            _failures.popitem(last=False)
        message = f"failed {failed + 1} of {times} times"
        raise ToolCallFailed(message, is_transient=True, retry_after_s=_MOMENT_S)
    return {"attempts": failed + 1}


def _mentions(text: str, word: str) -> bool:
    # whole words and their plural: "download" is no outage
    return re.search(rf"\b{re.escape(word)}s?\b", text) is not None


def _identifier(prefix: str, call: Invocation) -> str:
    # the same call, repeated under its key, gives the same identifier; without a key its arguments decide
    basis = call.idempotency_key or dumps([call.action, call.arguments])
    return f"{prefix}-{digest(basis)[:10]}"
