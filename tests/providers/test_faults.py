"""Faults C1 to C7 and C12 over real sockets: four protocols, streamed and whole, both engines; then the books."""

from __future__ import annotations

import pytest
from tests.providers.faults import ANSWER, BEGUN, CASES, Case
from tests.providers.lab import MODEL, PROTOCOLS, QUICK, Lab, Played, definition
from tests.providers.server.provider import serving
from tests.providers.server.script import Turn

POINTS = [
    pytest.param(name, protocol, is_streamed, id=f"{name}-{protocol}-{'streamed' if is_streamed else 'whole'}")
    for name, case in CASES.items()
    for protocol in PROTOCOLS
    for is_streamed in (False, True)
    if protocol in (case.only or PROTOCOLS) and case.streamed in (None, is_streamed)
]


@pytest.mark.parametrize(("name", "protocol", "is_streamed"), POINTS)
async def test_the_fault_ends_as_it_must(lab: Lab, name: str, protocol: str, is_streamed: bool) -> None:
    """End, attempts, requests, figures and words are what the table says, for both engines; the key is nowhere."""
    case = CASES[name]
    settings = dict(case.settings) | {"retry": dict(QUICK) | case.settings.get("retry", {})}
    turns = (case.script, Turn(text=ANSWER)) if case.script.calls else (case.script,)
    async with serving(*turns) as provider:
        agent = definition(limits=dict(case.limits))
        played = await lab.play(provider.url, protocol, agent=agent, is_streamed=is_streamed, **settings)

    for one in played:
        assert _expected(case, has_told=protocol == "anthropic" and is_streamed) == _shown(one), one.error
        assert case.says in one.error
        assert _pauses_ms(one) == [] or case.slept_ms <= min(_pauses_ms(one))
    lab.check(played, provider)


def _expected(case: Case, *, has_told: bool) -> dict[str, object]:
    more = 1 if case.script.calls else 0  # the turn that follows the call
    used = case.tokens if case.tokens is None else case.tokens * (1 + more)
    if case.has_begun and has_told:
        used = (used or 0) + BEGUN * case.statuses.count("failed")
    return {
        "status": case.status,
        "code": case.code,
        "attempts": [*case.statuses, *["ok"] * more],
        "retries": len(case.statuses) - 1,
        "iterations": case.statuses.count("ok") + more,
        "tokens": used,
        "credits": None if used is None else 1,
        "answer": (case.script.text or "") if case.status == "completed" else None,
    }


def _shown(one: Played) -> dict[str, object]:
    return {
        "status": one.row["status"],
        "code": one.row["error_code"],
        "attempts": one.statuses,
        "retries": one.row["retry_count"],
        "iterations": one.row["iterations_count"],
        "tokens": one.row["tokens_used"],
        "credits": one.row["credits_used"],
        "answer": one.run.output,
    }


def _pauses_ms(one: Played) -> list[float]:
    """Milliseconds between the end of an attempt and the begin of the next one at the same place."""
    return [
        (after.start_us - before.start_us - before.duration_us) / 1000
        for before, after in zip(one.calls, one.calls[1:], strict=False)
        if before.path == after.path
    ]


def test_nothing_is_left_out() -> None:
    """Every fault of the group that is a matter of one call has its cases; the model's name is no provider's."""
    assert {"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C12"} == {name.split()[0] for name in CASES}
    assert "test-model" == MODEL
