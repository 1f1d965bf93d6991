"""What is filed of a run's input, output and memory: as the agent's policy has it, without secrets, still JSON."""

from __future__ import annotations

import pytest
from tests.unit.record.stories import origin, record

from trackrecord.agent import Agent
from trackrecord.canonical import Json, digest, dumps, loads
from trackrecord.record.record import Ending
from trackrecord.record.redact import MASK, redactor
from trackrecord.store.filing import MAX_PAYLOAD_BYTES, accepted, finished
from trackrecord.store.protocol import Begun, FinishedRun, Payload

SECRET, KEY = "12345678", "sk-abcdefghijklmnop1234"
KNOWN = redactor([SECRET])
BEGUN = Begun(
    tenant_id="t", run_id="r", epoch=1, began_at="2026-01-01T00:00:00.000000Z", now="2026-01-01T00:00:00.000000Z"
)


def agent(**payloads: str) -> Agent:
    return Agent.from_mapping({"name": "sorter", "prompt": "x", "model": "scripted:x", "payloads": payloads})


def filed(output: Json, of: Agent) -> FinishedRun:
    ended = record([], ending=Ending(status="completed", output=output), now=BEGUN.now)
    return finished(ended, of, BEGUN, (), KNOWN)


POLICIES = pytest.mark.parametrize(
    ("policy", "body"),
    [
        ("none", None),
        ("redacted", {"key": MASK, "pin": MASK, MASK: "x"}),
        ("full", {"key": KEY, "pin": MASK, MASK: "x"}),
    ],
)
CONTENT: dict[str, Json] = {"key": KEY, "pin": 12345678, SECRET: "x"}


def check(payload: Payload | None, body: Json) -> None:
    assert payload is not None
    assert (digest(dumps(CONTENT)), len(dumps(CONTENT))) == (payload.sha256, payload.size)
    assert body == (None if payload.body is None else loads(payload.body))
    assert not payload.was_truncated


@POLICIES
def test_the_input_is_kept_as_the_policy_has_it(policy: str, body: Json) -> None:
    """Nothing, all but what is or looks secret, or all but what is secret: canonical, with the hash of the whole."""
    check(accepted(origin(), agent(inputs=policy), dumps(CONTENT), KNOWN, asked={}).input, body)


@POLICIES
def test_the_output_is_kept_as_the_policy_has_it(policy: str, body: Json) -> None:
    """As the input is."""
    check(filed(CONTENT, agent(outputs=policy)).output, body)


def test_a_run_without_an_answer_has_no_output() -> None:
    """Nothing is filed where there was nothing; an empty answer is an answer."""
    assert filed(None, agent()).output is None
    assert '""' == (filed("", agent()).output or pytest.fail("no output")).body


def test_a_payload_that_is_too_large_is_cut_and_says_so() -> None:
    """The beginning is kept, whole characters only; hash and size are of the whole."""
    text = "é" * MAX_PAYLOAD_BYTES
    payload = filed(text, agent()).output
    assert payload is not None
    assert payload.body is not None
    assert (True, digest(dumps(text)), 2 * MAX_PAYLOAD_BYTES + 2) == (
        payload.was_truncated, payload.sha256, payload.size,
    )  # fmt: skip
    assert MAX_PAYLOAD_BYTES - 1 == len(payload.body.encode())
    assert payload.body == dumps(text)[: len(payload.body)]


@pytest.mark.parametrize(
    "answer", [f"told {SECRET}", f"told\n{KEY}", [f"told\n{KEY}"], {"told": 12345678}, {SECRET: "told"}]
)
def test_no_secret_is_remembered(answer: Json) -> None:
    """What later runs are told is without secrets, also where JSON writes a line break before a key."""
    (memory,) = filed(answer, agent()).memories(True)
    assert "told" in memory.text
    assert MASK in memory.text
    assert SECRET not in memory.text
    assert KEY not in memory.text


def test_an_agent_that_keeps_no_outputs_remembers_no_answer() -> None:
    """The memory is no way round the policy."""
    (memory,) = filed("the answer is 42", agent(outputs="none")).memories(True)
    assert "42" not in memory.text
    (memory,) = filed("the answer is 42", agent()).memories(True)
    assert "42" in memory.text
