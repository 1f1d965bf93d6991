"""Rules of the plugin `demo`: the same call gives the same answer, anywhere, and nothing leaves the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trackrecord.plugins import demo
from trackrecord.plugins.items import count_items
from trackrecord.plugins.protocol import Invocation, ToolCallFailed

Use = Callable[..., Awaitable[Any]]
PLUGIN = demo.plugin({})

ADA = {
    "email": "ada@brightmill.example",
    "id": "C-1001",
    "name": "Ada Moreau",
    "company": "Brightmill",
    "plan": "enterprise",
    "since": "2021-04-12",
    "open_invoices": 0,
    "city": "Lyon",
}


@pytest.mark.parametrize(
    ("action", "arguments", "expected"),
    [
        ("lookup_customer", {"email": "Ada@Brightmill.example"}, {"found": True, "customer": ADA}),
        ("lookup_customer", {"email": "x@y.example"}, {"found": False, "customer": None}),
        ("classify_priority", {"subject": "Site is DOWN"}, {"priority": "urgent", "reason": "mentions 'down'"}),
        ("classify_priority", {"subject": "Refund"}, {"priority": "high", "reason": "mentions 'refund'"}),
        (
            "classify_priority",
            {"subject": "Slow", "plan": "enterprise"},
            {"priority": "high", "reason": "mentions 'slow'"},
        ),
        ("classify_priority", {"subject": "Hello"}, {"priority": "low", "reason": "mentions nothing pressing"}),
        ("classify_priority", {"subject": "Download"}, {"priority": "low", "reason": "mentions nothing pressing"}),
        ("classify_priority", {"subject": "Invoices"}, {"priority": "high", "reason": "mentions 'invoice'"}),
        (
            "enrich_company",
            {"domain": "Saltmarsh.example"},
            {
                "domain": "saltmarsh.example",
                "source": "register",
                "name": "Saltmarsh",
                "employees": 1250,
                "industry": "energy",
                "country": "NL",
            },
        ),
        (
            "enrich_fallback",
            {"name": "Tiny Bakery"},
            {"name": "Tiny Bakery", "source": "name", "industry": "food", "employees": None, "country": None},
        ),
        (
            "enrich_fallback",
            {"name": "Zzz"},
            {"name": "Zzz", "source": "name", "industry": None, "employees": None, "country": None},
        ),
        (
            "geocode",
            {"city": "Osaka"},
            {"city": "Osaka", "latitude": 34.6937, "longitude": 135.5023, "zone": "Asia/Tokyo"},
        ),
        ("echo", {"value": {"a": [1, None]}}, {"a": [1, None]}),
        ("wait", {"milliseconds": 0}, {"waited_ms": 0}),
        (
            "send_reply",
            {"ticket_id": "T-1", "body": "Hi"},
            {"message_id": "M-2a9bbfa0ff", "ticket_id": "T-1", "characters": 2},
        ),
    ],
)
async def test_each_action_gives_exactly_this(use: Use, action: str, arguments: dict[str, Any], expected: Any) -> None:
    """Every action answers from its own small data, the same each time."""
    assert expected == await use(PLUGIN, action, **arguments)
    assert expected == await use(PLUGIN, action, **arguments)


@pytest.mark.parametrize(
    ("action", "arguments", "name", "expected"),
    [
        ("list_tickets", {}, "items", ["T-2001", "T-2002", "T-2003", "T-2004", "T-2005"]),
        ("list_tickets", {"status": "any", "limit": 2}, "items", ["T-1990", "T-2001"]),
        ("list_tickets", {"status": "closed"}, "items", ["T-1990"]),
        ("list_log_events", {"service": "mail"}, "events", ["info", "warning"]),
        ("list_log_events", {"level": "error"}, "events", ["error"] * 3),
        ("list_leads", {"limit": 2}, "items", ["Brightmill", "Northquay"]),
    ],
)
async def test_each_list_counts_what_it_returned(
    use: Use, action: str, arguments: dict[str, Any], name: str, expected: list[str]
) -> None:
    """A list is under a name by which the record counts its items."""
    data = await use(PLUGIN, action, **arguments)
    key = {"list_tickets": "id", "list_log_events": "level", "list_leads": "name"}[action]
    assert expected == [item[key] for item in data[name]]
    assert len(expected) == count_items(data)


async def test_changing_an_answer_changes_no_later_one(use: Use) -> None:
    """What a run does to a result stays with that run."""
    first = await use(PLUGIN, "list_leads")
    first["items"][0]["name"] = "changed"
    customer = await use(PLUGIN, "lookup_customer", email=ADA["email"])
    customer["customer"]["plan"] = "changed"
    assert "Brightmill" == (await use(PLUGIN, "list_leads"))["items"][0]["name"]
    assert ADA == (await use(PLUGIN, "lookup_customer", email=ADA["email"]))["customer"]


UNSAFE: dict[str, dict[str, Any]] = {
    "create_ticket": {"email": "a@b.example", "subject": "S"},
    "send_reply": {"ticket_id": "T-1", "body": "B"},
    "send_report": {"to": "a@b.example", "subject": "S", "body": "B"},
    "notify": {"channel": "ops", "message": "M"},
}


@pytest.mark.parametrize("action", list(UNSAFE))
async def test_an_effect_is_named_after_its_call(action: str) -> None:
    """The same key gives the same identifier, another key another one, so that a repeat would show."""

    async def identifier(key: str) -> Any:
        invocation = Invocation(action=action, arguments=dict(UNSAFE[action]), idempotency_key=key)
        data: Any = (await PLUGIN.call(invocation)).data
        return data.get("id") or data.get("message_id") or data.get("page_id")

    same, other, bare = await identifier("r:1"), await identifier("r:2"), await identifier("")
    assert same == await identifier("r:1")
    assert 3 == len({same, other, bare})


async def test_a_page_that_nobody_confirms_is_unknown() -> None:
    """The pager does not say whether it worked, so success is unknown and never true."""
    arguments: dict[str, Any] = dict(UNSAFE["notify"])
    assert (await PLUGIN.call(Invocation(action="notify", arguments=arguments))).success is None


@pytest.mark.parametrize(
    ("action", "arguments", "words", "is_transient"),
    [
        ("fail", {}, "the demo was asked to fail", False),
        ("fail", {"message": "full", "is_transient": True}, "full", True),
        ("enrich_company", {"domain": "nowhere.example"}, "no company has the domain 'nowhere.example'", False),
        ("geocode", {"city": "Atlantis"}, "no city is called 'Atlantis'", False),
    ],
)
async def test_some_calls_fail_on_purpose(
    action: str, arguments: dict[str, Any], words: str, is_transient: bool
) -> None:
    """Fallbacks and retries have something to catch: a known failure, for good or passing."""
    with pytest.raises(ToolCallFailed, match=words) as caught:
        await PLUGIN.call(Invocation(action=action, arguments=arguments))
    assert (is_transient, True) == (caught.value.is_transient, caught.value.has_response)


async def test_a_flaky_call_succeeds_after_its_failures() -> None:
    """Attempts of one call are counted by its key alone, however calls interleave, and the count starts anew after."""
    seen: list[object] = []
    for key in ["a", "b", "a", "a", "b", "b", "a"]:
        try:
            result = await PLUGIN.call(Invocation(action="flaky", arguments={"times": 2}, idempotency_key=key))
            seen.append(result.data)
        except ToolCallFailed as failure:
            seen.append((failure.is_transient, failure.retry_after_s))
    again = (True, 0.02)  # the wait is asked for, not drawn: it is the same every time
    assert [again, again, again, {"attempts": 3}, again, {"attempts": 3}, again] == seen


def test_effects_say_what_may_be_repeated() -> None:
    """What pretends to send or create is unsafe, the page is keyed, all else may be repeated."""
    effects = {name: action.effect for name, action in PLUGIN.actions.items()}
    assert {"create_ticket", "send_reply", "send_report", "fail"} == {n for n, e in effects.items() if e == "unsafe"}
    assert {"notify"} == {name for name, effect in effects.items() if effect == "keyed"}
    assert all(action.description for action in PLUGIN.actions.values())
