"""C8 and C9: models that ask for what is not there, and models that never stop; every cap ends them in its own name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from tests.providers.faults import ANSWER
from tests.providers.lab import MODEL, PROTOCOLS, QUICK, Lab, definition
from tests.providers.server.provider import Turns, serving
from tests.providers.server.script import Call, Fault, Tokens, Turn

from trackrecord.models.providers import wire

EACH: Final = pytest.mark.parametrize("protocol", PROTOCOLS)
STREAMED: Final = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
PRICED: Final = {
    "openai-chat": "gpt-4o",
    "openai": "gpt-4o",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-2.5-flash",
}


def add(a: int) -> Call:
    return Call(name="abacus__add", arguments={"a": a, "b": 1})


def asks(*calls: Call) -> tuple[Turn, ...]:
    return Turn(calls=calls), Turn(text=ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wild:
    """A model's odd wishes and what the record says of them."""

    turns: Turns
    shows: dict[str, Any]
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    takes_text: bool = False  # whether the protocol must be able to carry arguments that are no object


C8: Final = {
    "C8 an unknown tool": Wild(
        turns=asks(Call(name="abacus__divide", arguments={"a": 1})),
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 0},
    ),
    "C8 wrong arguments": Wild(
        turns=asks(Call(name="abacus__add", arguments={"a": "one"}), add(1)),
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 1},
    ),
    "C8 no arguments at all": Wild(
        turns=asks(Call(name="abacus__add")), shows={"tool_calls_rejected_count": 1, "tool_calls_count": 0}
    ),
    "C8 the same id twice": Wild(
        turns=asks(
            Call(name="abacus__add", arguments={"a": 1, "b": 1}, id="call_same"),
            Call(name="abacus__add", arguments={"a": 2, "b": 1}, id="call_same"),
        ),
        shows={"tool_calls_rejected_count": 0, "tool_calls_count": 2},
    ),
    "C8 arguments that are no JSON": Wild(
        turns=asks(Call(name="abacus__add", arguments='{"a": 1, b')),
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 0},
        takes_text=True,
    ),
    "C8 arguments that are no object": Wild(
        turns=asks(Call(name="abacus__add", arguments="[1, 2]")),
        shows={"tool_calls_rejected_count": 1, "tool_calls_count": 0},
        takes_text=True,
    ),
    "C8 the same rejected call for ever": Wild(
        turns=lambda _: Turn(calls=(Call(name="abacus__divide"),)),
        shows={
            "status": "failed",
            "error_code": "loop_detected",
            "iterations_count": 3,
            "tool_calls_rejected_count": 3,
        },
    ),
    "C8 another rejected call each time": Wild(
        turns=lambda turn: Turn(calls=(Call(name=f"abacus__divide_{turn}"),)),
        limits={"max_iterations": 4},
        shows={"status": "failed", "error_code": "max_iterations", "tool_calls_rejected_count": 4},
    ),
}
C9: Final = {
    "C9 the same call for ever": Wild(
        turns=lambda _: Turn(calls=(add(1),)),
        shows={"status": "failed", "error_code": "loop_detected", "iterations_count": 3, "tool_calls_count": 3},
    ),
    "C9 iterations": Wild(
        turns=lambda turn: Turn(calls=(add(turn),)),
        limits={"max_iterations": 4},
        shows={"status": "failed", "error_code": "max_iterations", "iterations_count": 4, "tokens_used": 440},
    ),
    "C9 tokens": Wild(
        turns=lambda turn: Turn(calls=(add(turn),)),
        limits={"max_tokens_per_run": 250},
        shows={
            "status": "budget_exceeded",
            "error_code": "token_limit",
            "iterations_count": 3,
            "tokens_used": 330,
        },
    ),
    "C9 time": Wild(
        turns=lambda turn: Turn(calls=(add(turn),), faults=(Fault(late_s=0.05),), for_ever=True),
        limits={"run_timeout_s": 0.6, "max_iterations": 1_000},
        shows={"status": "timed_out", "error_code": "run_timeout"},
    ),
}
WILD: Final = {**C8, **C9}
_SAYS_TEXT: Final = {("openai-chat", False), ("openai-chat", True), ("openai", False), ("openai", True)}
POINTS: Final = [
    pytest.param(name, protocol, is_streamed, id=f"{name}-{protocol}-{'streamed' if is_streamed else 'whole'}")
    for name, wild in WILD.items()
    for protocol in PROTOCOLS
    for is_streamed in (False, True)
    if not wild.takes_text or (protocol, is_streamed) in {*_SAYS_TEXT, ("anthropic", True)}
]


@pytest.mark.parametrize(("name", "protocol", "is_streamed"), POINTS)
async def test_a_wild_model_is_tamed(lab: Lab, name: str, protocol: str, is_streamed: bool) -> None:
    """What it may not have is told to it as an error; what never ends, a cap ends, and all that was spent is kept."""
    case = WILD[name]
    turns = {"play": case.turns} if callable(case.turns) else {}
    async with serving(*(() if callable(case.turns) else case.turns), **turns) as provider:
        agent = definition(limits=case.limits)
        played = await lab.play(provider.url, protocol, agent=agent, is_streamed=is_streamed)

    for one in played:
        expected = {"status": "completed", "error_code": None, "retry_count": 0, **case.shows}
        assert expected == {column: one.row[column] for column in expected}, one.error
    lab.check(played, provider, unsent=len(played) if case.shows.get("error_code") == "run_timeout" else 0)


@EACH
async def test_c8_five_hundred_calls_in_one_turn(lab: Lab, protocol: str) -> None:
    """Each is made once, eight at a time, and every result goes back to the model."""
    async with serving(*asks(*map(add, range(500)))) as provider:
        played = await lab.play(provider.url, protocol, engines=("agentkit",))

    [one] = played
    assert ("completed", 500, 0) == tuple(
        one.row[name] for name in ("status", "tool_calls_count", "tool_calls_rejected_count")
    )
    assert 500 == str(provider.received[-1].body).count("sum")
    lab.check(played, provider)


@EACH
async def test_c9_money_ends_it(lab: Lab, protocol: str) -> None:
    """The first call costs more than the run may: there is no second one."""
    dear = Turn(calls=(add(1),), usage=Tokens(input=400_000, output=1_000))
    limits = {"max_cost_usd": "0.05", "max_tokens_per_run": 10_000_000}
    async with serving(dear) as provider:
        played = await lab.play(provider.url, f"{protocol}:{PRICED[protocol]}", agent=definition(limits=limits))

    for one in played:
        assert ("budget_exceeded", "cost_limit", 1, 1, 401_000) == tuple(
            one.row[name] for name in ("status", "error_code", "model_calls_count", "priced_calls_count", "tokens_used")
        )
        assert one.row["cost_nanos"] >= 50_000_000, one.error
    lab.check(played, provider)


@EACH
async def test_c9_a_reply_without_end(lab: Lab, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time ends it, or its size, whichever comes first; the server sees the client leave."""
    endless = Turn(text=ANSWER * 20, faults=(Fault(is_endless=True),), for_ever=True)
    once = {"retry": {**QUICK, "max_attempts": 1}}
    async with serving(endless) as provider:
        limits = {"model_timeout_ms": 400}
        [timed] = await lab.play(
            provider.url,
            protocol,
            agent=definition(limits=limits),
            engines=("agentkit",),
            is_streamed=True,
            **once,
        )
        monkeypatch.setattr(wire, "MAX_REPLY_BYTES", 64 * 1024)
        [large] = await lab.play(provider.url, protocol, engines=("agentkit",), is_streamed=True, **once)

    assert (["timed_out"], "provider_unavailable") == (timed.statuses, timed.row["error_code"])
    assert (["failed"], "provider_bad_response") == (large.statuses, large.row["error_code"])
    assert "larger than" in large.error
    assert ["client left"] * 2 == provider.ends()
    assert 2 == provider.count(MODEL)
    lab.check([timed, large], provider)
